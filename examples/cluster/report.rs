//! What came of a round, as a line of JSON and as a table.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use coflight_example_cluster::protocol::Answers;
use serde::Serialize;

/// One round. Its fields are the line of JSON, in this order.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) round: u64,
    pub(crate) processes: usize,
    pub(crate) callers: usize,
    pub(crate) keys: usize,
    /// Works that were begun, in the order in which that was told.
    pub(crate) executions: Vec<Execution>,
    pub(crate) killed: Option<String>,
    /// From the kill until others led all that the killed one had led.
    pub(crate) takeover_ms: Option<f64>,
    pub(crate) answered: Vec<Answered>,
    pub(crate) ok: usize,
    pub(crate) wrong: usize,
    pub(crate) failed: usize,
    /// From the moment the works may end until everyone has an answer.
    pub(crate) wall_ms: f64,
}

/// Who led.
#[derive(Serialize)]
pub(crate) struct Execution {
    pub(crate) key: String,
    pub(crate) process: String,
    pub(crate) token: Option<u64>,
}

/// What the callers of a process got.
#[derive(Serialize)]
pub(crate) struct Answered {
    pub(crate) process: String,
    /// From which process, how many.
    pub(crate) from: BTreeMap<String, usize>,
    pub(crate) errors: BTreeMap<String, usize>,
    #[serde(skip)]
    wrong: usize,
}

impl Answered {
    pub(crate) fn new(process: &str, answers: &[Answers], errors: BTreeMap<String, usize>) -> Self {
        let mut from = BTreeMap::new();
        let mut wrong = 0;
        for answer in answers {
            *from.entry(answer.value.process.clone()).or_default() += answer.callers;
            // A result is right if it is for what was asked, and of the execution whose token it came with, or of an earlier one: a work that leads again goes on
            // under a token that is greater than its own.
            if answer.value.key != answer.key || answer.token.unwrap_or_default() < answer.value.execution {
                wrong += answer.callers;
            }
        }
        Self { process: process.to_owned(), from, errors, wrong }
    }
}

impl Report {
    pub(crate) fn new(round: u64, processes: usize, callers: usize, keys: usize) -> Self {
        Self {
            round,
            processes,
            callers,
            keys,
            executions: Vec::new(),
            killed: None,
            takeover_ms: None,
            answered: Vec::new(),
            ok: 0,
            wrong: 0,
            failed: 0,
            wall_ms: 0.0,
        }
    }

    pub(crate) fn begun(&mut self, key: &str, process: &str, token: Option<u64>) {
        self.executions.push(Execution { key: key.to_owned(), process: process.to_owned(), token });
    }

    /// Counts, when all have answered.
    pub(crate) fn judge(&mut self) {
        let expected = self.answered.len() * self.callers;
        let got: usize = self.answered.iter().flat_map(|process| process.from.values()).sum();
        self.wrong = self.answered.iter().map(|process| process.wrong).sum();
        self.ok = got - self.wrong;
        // A caller that was lost has failed, too.
        self.failed = expected.saturating_sub(got);
    }
}

pub(crate) fn table(lease: Duration, reports: &[Report]) -> String {
    let mut text = String::new();
    for report in reports {
        // Writing to a string does not fail.
        let _ = write_report(&mut text, lease, report);
    }
    text
}

fn write_report(text: &mut String, lease: Duration, report: &Report) -> std::fmt::Result {
    let Report { processes, callers, keys, .. } = report;
    writeln!(text, "round {}: {processes} processes, {callers} callers in each, {keys} keys", report.round)?;
    for execution in &report.executions {
        let token = execution.token.map_or_else(|| "no lease".to_owned(), |token| format!("token {token}"));
        writeln!(text, "  {} led {} ({token})", execution.process, execution.key)?;
    }
    if let (Some(killed), Some(took)) = (&report.killed, report.takeover_ms) {
        writeln!(text, "  {killed} was killed; others led its keys after {took:.0} ms (the lease is {lease:?})")?;
    }
    for process in &report.answered {
        let from = process.from.iter().map(|(from, callers)| format!("{callers} from {from}"));
        let errors = process.errors.iter().map(|(error, callers)| format!("{callers} times: {error}"));
        writeln!(text, "  {} got {}", process.process, from.chain(errors).collect::<Vec<_>>().join(", "))?;
    }
    let calls = report.ok + report.wrong + report.failed;
    writeln!(
        text,
        "  {calls} callers, {} executions; {} right, {} wrong, {} without an answer; {:.1} ms after the works could end\n",
        report.executions.len(),
        report.ok,
        report.wrong,
        report.failed,
        report.wall_ms,
    )
}
