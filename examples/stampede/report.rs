//! What came of a run, as a line of JSON and as a table.

use std::time::Duration;

use serde::Serialize;

use crate::args::Run;
use crate::crowd::Outcome;
use crate::database::Rows;

/// One run. Its fields are the line of JSON, in this order.
#[derive(Serialize)]
pub struct Report {
    pub scenario: &'static str,
    pub runtime: &'static str,
    pub coalesced: bool,
    pub requests: usize,
    pub ok: usize,
    pub wrong: usize,
    pub failed: usize,
    pub backend_calls: usize,
    pub wall_ms: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    /// Why the first that failed did.
    #[serde(skip)]
    pub failure: Option<String>,
}

impl Report {
    pub fn new(
        run: Run,
        requests: usize,
        outcomes: &[Outcome],
        expected: impl Fn(u32) -> Rows,
        backend_calls: usize,
    ) -> Self {
        let right = |outcome: &Outcome| outcome.answer.as_ref().ok().map(|rows| *rows == expected(outcome.shop));
        let ok = outcomes.iter().filter(|outcome| right(outcome) == Some(true)).count();
        let wrong = outcomes.iter().filter(|outcome| right(outcome) == Some(false)).count();
        let mut latencies: Vec<_> = outcomes.iter().map(|outcome| outcome.latency).collect();
        latencies.sort();
        Self {
            scenario: run.scenario.name(),
            runtime: run.runtime.name(),
            coalesced: run.coalesced,
            requests,
            ok,
            wrong,
            failed: requests - ok - wrong, // a caller that was lost has failed, too
            backend_calls,
            wall_ms: percentile(&latencies, 100),
            p50_ms: percentile(&latencies, 50),
            p99_ms: percentile(&latencies, 99),
            failure: outcomes.iter().find_map(|outcome| outcome.answer.as_ref().err().cloned()),
        }
    }

    pub fn json(&self) -> Result<String, String> {
        serde_json::to_string(self).map_err(|error| format!("cannot write the results: {error}"))
    }

    /// How many times as fast this is as `alone`, the same without coalescing. Being refused soon is not being served fast.
    pub fn speed_up(&self, alone: &Self) -> Option<f64> {
        (self.failed == 0 && alone.failed == 0).then(|| alone.wall_ms / self.wall_ms)
    }
}

/// The runs in pairs, without coalescing and with.
pub fn pairs(reports: &[Report]) -> impl Iterator<Item = (&Report, &Report)> {
    reports.chunks_exact(2).map(|pair| (&pair[0], &pair[1]))
}

/// For a person.
pub fn table(reports: &[Report]) -> String {
    let head =
        ["scenario", "runtime", "coalesced", "requests", "failed", "backend calls", "wall", "p50", "p99", "speed-up"];
    let mut lines = vec![head.map(String::from)];
    for (alone, together) in pairs(reports) {
        lines.push(line(alone, None));
        lines.push(line(together, together.speed_up(alone)));
    }
    format!("{}\n\n{}", align(&lines).trim_end(), notes(reports)).trim_end().to_owned()
}

const COLUMNS: usize = 10;
/// Those that are words; the others are numbers, and stand at the right.
const WORDS: usize = 3;

fn line(report: &Report, speed_up: Option<f64>) -> [String; COLUMNS] {
    [
        report.scenario.into(),
        report.runtime.into(),
        if report.coalesced { "yes" } else { "no" }.into(),
        report.requests.to_string(),
        report.failed.to_string(),
        report.backend_calls.to_string(),
        milliseconds(report.wall_ms),
        milliseconds(report.p50_ms),
        milliseconds(report.p99_ms),
        speed_up.map_or_else(String::new, |times| format!("{times:.1} x")),
    ]
}

fn align(lines: &[[String; COLUMNS]]) -> String {
    let widths: [usize; COLUMNS] =
        std::array::from_fn(|column| lines.iter().map(|line| line[column].len()).max().unwrap_or(0));
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let cells = line.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            if column < WORDS { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        text += cells.collect::<Vec<_>>().join("  ").trim_end();
        text += "\n";
        // The pairs apart.
        if number % 2 == 0 {
            text += "\n";
        }
    }
    text
}

/// What the numbers do not say: what failed and why, and where callers needed no backend. A line for each scenario.
fn notes(reports: &[Report]) -> String {
    let mut text = String::new();
    for scenario in reports.chunk_by(|one, next| one.scenario == next.scenario) {
        for (coalesced, how) in [(false, "not coalesced"), (true, "coalesced")] {
            let runs: Vec<_> = scenario.iter().filter(|report| report.coalesced == coalesced).collect();
            let sum = |field: fn(&Report) -> usize| runs.iter().map(|&report| field(report)).sum::<usize>();
            let (requests, failed) = (sum(|report| report.requests), sum(|report| report.failed));
            let name = scenario[0].scenario;
            if failed > 0 {
                let why = runs.iter().find_map(|report| report.failure.as_deref()).unwrap_or("lost");
                text += &format!("{name}, {how}: {failed} of {requests} failed: {why}\n");
            }
            let spared = requests - sum(|report| report.backend_calls.min(report.requests));
            if !coalesced && failed == 0 && spared > 0 {
                text += &format!(
                    "{name}, {how}: {spared} of {requests} came late and found the first answer in the cache\n"
                );
            }
        }
    }
    text
}

/// Long ones without a fraction.
pub fn milliseconds(milliseconds: f64) -> String {
    if milliseconds < 100.0 { format!("{milliseconds:.1} ms") } else { format!("{milliseconds:.0} ms") }
}

/// The nearest rank, in milliseconds to the microsecond.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100);
    let duration = sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default();
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
