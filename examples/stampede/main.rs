//! Many callers want the same thing at the same moment. What does coalescing change?
//!
//! Each scenario runs twice, without coflight and with it, on every runtime: the same callers, the same backend, real work.
//!
//! ```text
//! cargo run --release --example stampede
//! cargo run --release --example stampede -- --help
//! ```
//!
//! Read on in `ask.rs`, which is where callers use coflight, then `http.rs` for the same in a server. Everything else is
//! what they stampede (`database.rs`, `cache.rs`, `api.rs`), how they are measured (`crowd.rs`, `gate.rs`), and what is shown.

// A program exports nothing: `pub` says what a module is for.
#![allow(unreachable_pub)]

mod api;
mod args;
mod ask;
mod backend;
mod cache;
mod chart;
mod crowd;
mod database;
mod gate;
mod home;
mod http;
mod progress;
mod report;
mod scenario;

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use args::{Args, Command};
use progress::Progress;
use report::Report;
use scenario::World;

fn main() -> ExitCode {
    match args::parse() {
        Err(message) => fail(2, &message),
        Ok(Command::Help) => finish(say(args::HELP)),
        Ok(Command::Stampede(args)) => match open_chart(&args) {
            Err(message) => fail(2, &message),
            Ok(chart) => finish(stampede(&args, chart)),
        },
    }
}

/// Before the work, so that nobody waits for a minute to learn that a path was mistyped.
fn open_chart(args: &Args) -> Result<Option<(&Path, File)>, String> {
    let Some(path) = args.svg.as_deref() else {
        return Ok(None);
    };
    let file = File::create(path).map_err(|error| format!("--svg: cannot write {}: {error}", path.display()))?;
    Ok(Some((path, file)))
}

/// Why it ends before the end.
enum Stop {
    Failed(String),
    /// Whoever read the results has had enough (`| head`), which is no failure.
    Unheard,
}

impl From<String> for Stop {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

fn stampede(args: &Args, chart: Option<(&Path, File)>) -> Result<(), Stop> {
    let progress = Progress::new(args.plan.iter().map(|run| args.requests(run.scenario)).sum());
    progress.say("filling the database");
    let world = World::new(args)?;
    let mut reports = Vec::new();
    for &run in &args.plan {
        progress.say(&run.to_string());
        let report = world.run(run, &progress)?;
        if args.json {
            let line = report.json()?;
            progress.aside(|| say(&line))?;
        }
        reports.push(report);
    }
    progress.finish();
    if !args.json {
        say(&format!("{}\n\n{}", world.introduction(), report::table(&reports)))?;
    }
    if let Some((path, mut file)) = chart {
        file.write_all(chart::svg(&reports).as_bytes())
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(check(&reports)?)
}

/// A result that is fast and wrong is no result.
fn check(reports: &[Report]) -> Result<(), String> {
    match reports.iter().map(|report| report.wrong).sum::<usize>() {
        0 => Ok(()),
        wrong => Err(format!("{wrong} callers got the wrong rows")),
    }
}

fn say(line: &str) -> Result<(), Stop> {
    writeln!(io::stdout(), "{line}").map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => Stop::Unheard,
        _ => Stop::Failed(format!("cannot write the results: {error}")),
    })
}

fn finish(result: Result<(), Stop>) -> ExitCode {
    match result {
        Ok(()) | Err(Stop::Unheard) => ExitCode::SUCCESS,
        Err(Stop::Failed(message)) => fail(1, &message),
    }
}

fn fail(code: u8, message: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "stampede: {message}"); // if even that fails, nobody is there to be told
    ExitCode::from(code)
}
