//! What the user asks for: the flags, and the runs they amount to.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use lexopt::{Arg, Parser, ValueExt};

use crate::database::SHOPS;

pub const HELP: &str = "\
Many callers want the same thing at the same moment: with and without coalescing.

Usage: cargo run --release --example stampede -- [FLAGS]

  --scenario NAME   what is asked (default: all)
                      database    100 callers, one query of tens of milliseconds, a pool of 10 connections
                      stampede    the same behind a cache whose entry has just expired
                      rate-limit  100 callers, an API of 10 calls a second
                      http        1,000 requests over 100 sockets to a server in front of the database (tokio)
                      all
  --runtime NAME    who asks: tokio, smol, async-std, threads, mixed (all four at once), all (default: all)
  --callers N       how many ask, at most 10,000 (default: 100; http: 1,000)
  --keys N          how many different things they ask for, at most 1,000 (default: 1)
  --json            one line of JSON for each run on standard output, and nothing else
  --svg FILE        also draws the results
  --help            this";

/// Threads are callers too, and a system has only so many.
const MOST_CALLERS: usize = 10_000;

pub enum Command {
    Help,
    Stampede(Args),
}

pub struct Args {
    /// The runs, in order: first without coalescing, then with.
    pub plan: Vec<Run>,
    pub keys: usize,
    pub json: bool,
    pub svg: Option<PathBuf>,
    callers: Option<usize>,
}

impl Args {
    /// How many callers ask in a run of this scenario.
    pub fn requests(&self, scenario: Scenario) -> usize {
        self.callers.unwrap_or(match scenario {
            Scenario::Http => 1_000,
            _ => 100,
        })
    }
}

#[derive(Clone, Copy)]
pub struct Run {
    pub scenario: Scenario,
    pub runtime: Runtime,
    pub coalesced: bool,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = if self.coalesced { "coalesced" } else { "not coalesced" };
        write!(f, "{}, {}, {how}", self.scenario.name(), self.runtime.name())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    Database,
    Stampede,
    RateLimit,
    Http,
}

impl Scenario {
    const ALL: [Self; 4] = [Self::Database, Self::Stampede, Self::RateLimit, Self::Http];

    pub fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Stampede => "stampede",
            Self::RateLimit => "rate-limit",
            Self::Http => "http",
        }
    }

    /// The server and its clients are written for tokio.
    fn runs_on(self, runtime: Runtime) -> bool {
        self != Self::Http || runtime == Runtime::Tokio
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    Tokio,
    Smol,
    AsyncStd,
    Threads,
    Mixed,
}

impl Runtime {
    const ALL: [Self; 5] = [Self::Tokio, Self::Smol, Self::AsyncStd, Self::Threads, Self::Mixed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Tokio => "tokio",
            Self::Smol => "smol",
            Self::AsyncStd => "async-std",
            Self::Threads => "threads",
            Self::Mixed => "mixed",
        }
    }
}

/// The command line, understood. An error is one line for the user.
pub fn parse() -> Result<Command, String> {
    let (mut scenarios, mut runtimes) = (Scenario::ALL.to_vec(), Runtime::ALL.to_vec());
    let mut args = Args { plan: Vec::new(), callers: None, keys: 1, json: false, svg: None };
    let mut parser = Parser::from_env();
    while let Some(arg) = parser.next().map_err(hint)? {
        match arg {
            Arg::Long("scenario") => scenarios = choice(&mut parser, "--scenario", &Scenario::ALL, Scenario::name)?,
            Arg::Long("runtime") => runtimes = choice(&mut parser, "--runtime", &Runtime::ALL, Runtime::name)?,
            Arg::Long("callers") => args.callers = Some(number(&mut parser, "--callers", MOST_CALLERS)?),
            Arg::Long("keys") => args.keys = number(&mut parser, "--keys", SHOPS)?,
            Arg::Long("json") => args.json = true,
            Arg::Long("svg") => args.svg = Some(parser.value().map_err(hint)?.into()),
            Arg::Long("help") | Arg::Short('h') => return Ok(Command::Help),
            _ => return Err(hint(arg.unexpected())),
        }
    }
    args.plan = plan(&scenarios, &runtimes);
    if args.plan.is_empty() {
        return Err("--scenario http needs --runtime tokio".into());
    }
    if let Some(run) = args.plan.iter().find(|run| args.requests(run.scenario) < args.keys) {
        let callers = args.requests(run.scenario);
        return Err(format!("--keys {}: {callers} callers cannot ask for more than {callers} keys", args.keys));
    }
    Ok(Command::Stampede(args))
}

fn plan(scenarios: &[Scenario], runtimes: &[Runtime]) -> Vec<Run> {
    let mut plan = Vec::new();
    for &scenario in scenarios {
        for &runtime in runtimes.iter().filter(|&&runtime| scenario.runs_on(runtime)) {
            plan.extend([false, true].map(|coalesced| Run { scenario, runtime, coalesced }));
        }
    }
    plan
}

/// One of `all` by its name, or all of them.
fn choice<T: Copy>(parser: &mut Parser, flag: &str, all: &[T], name: fn(T) -> &'static str) -> Result<Vec<T>, String> {
    let wanted = text(parser)?;
    if wanted == "all" {
        return Ok(all.to_vec());
    }
    match all.iter().find(|&&one| name(one) == wanted) {
        Some(&one) => Ok(vec![one]),
        None => {
            let names: Vec<_> = all.iter().map(|&one| name(one)).collect();
            Err(format!("{flag} {wanted:?}: choose one of {}, all", names.join(", ")))
        }
    }
}

fn number(parser: &mut Parser, flag: &str, most: usize) -> Result<usize, String> {
    let wanted = text(parser)?;
    match usize::from_str(&wanted) {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ => Err(format!("{flag} {wanted:?}: give a number from 1 to {most}")),
    }
}

fn text(parser: &mut Parser) -> Result<String, String> {
    parser.value().and_then(ValueExt::string).map_err(hint)
}

fn hint(error: lexopt::Error) -> String {
    format!("{error}; try --help")
}
