//! coflight beside its peers, in one process, by turns: `cargo run --release -p coflight-bench-peers`.
//!
//! Prints a table for each scenario, and how far the budget is met; with `--json` a line for each measurement. `--only NAME` runs the scenario
//! of that name, or those whose names begin so, `--charts FOLDER` draws the results. `--behaviour` prints what becomes of the callers when something goes
//! wrong, instead.

mod allocator;
mod behaviour;
mod charts;
mod gate;
mod measure;
mod report;
mod scenarios;
mod subjects;

use std::path::PathBuf;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;

fn main() -> ExitCode {
    let arguments = match Arguments::parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("error: {error}; try: [--json] [--only SCENARIO]… [--charts FOLDER] [--list] [--behaviour]");
            return ExitCode::from(2);
        }
    };
    if let Some((subject, trial)) = &arguments.trial {
        return match behaviour::alone(subject, trial) {
            Some(said) => {
                println!("{said}");
                ExitCode::SUCCESS
            }
            None => {
                eprintln!("error: there is no trial {trial:?} of {subject:?}");
                ExitCode::from(2)
            }
        };
    }
    if arguments.behaviour {
        return match behaviour::table() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: no process for a trial: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let mut all = Vec::new();
    for (name, scenario) in scenarios::all() {
        if !arguments.wants(&name) {
            continue;
        }
        if arguments.list {
            println!("{name}");
            continue;
        }
        let measured = measure::measure(scenario());
        if arguments.json {
            report::json(&measured);
        } else {
            report::table(&measured);
        }
        all.push(measured);
    }
    if !arguments.json {
        report::budget(&all);
    }
    if let Some(folder) = arguments.charts
        && let Err(error) = charts::draw(&all, &folder)
    {
        eprintln!("error: no charts in {}: {error}", folder.display());
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

#[derive(Default)]
struct Arguments {
    json: bool,
    list: bool,
    behaviour: bool,
    trial: Option<(String, String)>,
    only: Vec<String>,
    charts: Option<PathBuf>,
}

impl Arguments {
    fn parse() -> Result<Self, lexopt::Error> {
        use lexopt::prelude::*;

        let mut arguments = Self::default();
        let mut parser = lexopt::Parser::from_env();
        while let Some(argument) = parser.next()? {
            match argument {
                Long("json") => arguments.json = true,
                Long("list") => arguments.list = true,
                Long("behaviour") => arguments.behaviour = true,
                Long("trial") => arguments.trial = Some((parser.value()?.string()?, parser.value()?.string()?)),
                Long("only") => {
                    let only = parser.value()?.string()?;
                    if !scenarios::all().iter().any(|(name, _)| name.starts_with(&only)) {
                        return Err(format!("no scenario is named {only:?}; --list names them").into());
                    }
                    arguments.only.push(only);
                }
                Long("charts") => arguments.charts = Some(parser.value()?.into()),
                other => return Err(other.unexpected()),
            }
        }
        Ok(arguments)
    }

    /// By its whole name, or by how its name begins if there is none of that name.
    fn wants(&self, scenario: &str) -> bool {
        let names = scenarios::all();
        let wants = |only: &String| match names.iter().any(|(name, _)| name == only) {
            true => scenario == only,
            false => scenario.starts_with(only.as_str()),
        };
        self.only.is_empty() || self.only.iter().any(wants)
    }
}
