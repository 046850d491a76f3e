//! Several processes and one Redis: their callers ask for the same things, each thing is done once, and when the process that does it is killed, another
//! takes over.
//!
//! Starts a `redis-server` of its own on loopback, unless it is given one.

mod report;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use coflight_example_cluster::protocol::{By, Command, Event};
use coflight_example_cluster::worker;
use coflight_example_cluster::workers::{Process, Start};
use coflight_redis_server::RedisServer;
use lexopt::{Arg, Parser, ValueExt};

use crate::report::{Answered, Report, table};

const HELP: &str = "\
Several processes, one Redis, and one execution for what all of them ask for.

Usage: cargo run --release --example cluster -- [FLAGS]

  --processes N   how many, 2 to 64 (default: 4)
  --callers N     in each, 1 to 10,000 (default: 250)
  --keys N        how many things they ask for, 1 to 1,000 (default: 5)
  --lease-ms N    how long a leader may be silent, 50 to 60,000 (default: 1000)
  --redis URL     a server that is there already (default: one of its own, which needs redis-server)
  --json          one line of JSON for each round on standard output, and nothing else
  --help          this";

/// Longer than anything here takes, also on a slow machine.
const LIMIT: Duration = Duration::from_secs(120);

struct Args {
    processes: usize,
    callers: usize,
    keys: usize,
    lease: Duration,
    redis: Option<String>,
    json: bool,
}

fn main() -> ExitCode {
    // A process of its own kind, when it is started as one.
    if std::env::args().nth(1).as_deref() == Some("worker") {
        return told(worker::main(std::env::args().skip(2)));
    }
    match parse() {
        Ok(Some(args)) => told(run(&args)),
        Ok(None) => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}\n\n{HELP}");
            ExitCode::from(2)
        }
    }
}

fn told(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `None`: it was asked for help.
fn parse() -> Result<Option<Args>, lexopt::Error> {
    let mut args =
        Args { processes: 4, callers: 250, keys: 5, lease: Duration::from_secs(1), redis: None, json: false };
    let mut parser = Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("processes") => args.processes = number(&mut parser, "--processes", 2, 64)?,
            Arg::Long("callers") => args.callers = number(&mut parser, "--callers", 1, 10_000)?,
            Arg::Long("keys") => args.keys = number(&mut parser, "--keys", 1, 1_000)?,
            Arg::Long("lease-ms") => {
                args.lease = Duration::from_millis(number(&mut parser, "--lease-ms", 50, 60_000)? as u64);
            }
            Arg::Long("redis") => args.redis = Some(parser.value()?.string()?),
            Arg::Long("json") => args.json = true,
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            other => return Err(other.unexpected()),
        }
    }
    if args.keys > args.callers {
        return Err("--keys: there must be a caller for each key, in each process".into());
    }
    Ok(Some(args))
}

fn number(parser: &mut Parser, flag: &str, least: usize, most: usize) -> Result<usize, lexopt::Error> {
    let number: usize = parser.value()?.parse()?;
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(format!("{flag}: {least} to {most}, not {number}").into())
    }
}

fn run(args: &Args) -> Result<(), String> {
    let program: PathBuf = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let server = match &args.redis {
        Some(_) => None,
        None => Some(RedisServer::try_start()?),
    };
    let redis = match (&args.redis, &server) {
        (Some(redis), _) => redis.clone(),
        (None, Some(server)) => server.url(),
        (None, None) => unreachable!("one of them is there"),
    };
    let start = Start { program: &program, first: &["worker"], redis: &redis, lease: args.lease, timeout: LIMIT };
    let mut processes = Vec::new();
    for at in 0..args.processes {
        processes.push(start.start(&format!("p{}", at + 1))?);
    }
    let mut reports = Vec::new();
    for (round, fault) in [(1, false), (2, true)] {
        let report = play(args, &mut processes, round, fault)?;
        if args.json {
            println!("{}", serde_json::to_string(&report).map_err(|error| error.to_string())?);
        }
        reports.push(report);
    }
    if !args.json {
        print!("{}", table(args.lease, &reports));
    }
    Ok(())
}

/// All ask; with a fault, whoever leads most keys is killed before it has their results.
fn play(args: &Args, processes: &mut Vec<Process>, round: u64, fault: bool) -> Result<Report, String> {
    let command = Command::Round { round, callers: args.callers, keys: args.keys, by: By::Spawn };
    for process in &mut *processes {
        process.tell(&command)?;
    }
    for process in &mut *processes {
        process.wait("aboard", LIMIT, |event| (*event == Event::Aboard { round }).then_some(()))?;
    }
    let mut report = Report::new(round, processes.len(), args.callers, args.keys);
    for process in &mut *processes {
        note_begun(process, round, &mut report);
    }
    if fault {
        kill_a_leader(processes, round, &mut report)?;
    }
    for process in &mut *processes {
        process.tell(&Command::Open { round })?;
    }
    let opened = Instant::now();
    for process in &mut *processes {
        let answered = process.wait("answered", LIMIT, |event| match event {
            Event::Answered { round: of, answers, errors, .. } if *of == round => {
                Some((answers.clone(), errors.clone()))
            }
            _ => None,
        })?;
        note_begun(process, round, &mut report);
        report.answered.push(Answered::new(process.name(), &answered.0, answered.1));
    }
    report.wall_ms = opened.elapsed().as_secs_f64() * 1e3;
    report.judge();
    Ok(report)
}

/// Ends the process that leads most keys, and waits until others lead them.
fn kill_a_leader(processes: &mut Vec<Process>, round: u64, report: &mut Report) -> Result<(), String> {
    let mut led = BTreeMap::<&str, usize>::new();
    for execution in &report.executions {
        *led.entry(&execution.process).or_default() += 1;
    }
    let Some((victim, keys)) = led.into_iter().max_by_key(|(_, keys)| *keys) else {
        return Err("nobody leads".into());
    };
    let victim = victim.to_owned();
    let Some(at) = processes.iter().position(|process| process.name() == victim) else {
        return Err(format!("{victim} is not there any more"));
    };
    processes.remove(at).kill();
    let killed = Instant::now();
    let before = report.executions.len();
    while report.executions.len() < before + keys {
        for process in &mut *processes {
            note_begun(process, round, report);
        }
        if killed.elapsed() > LIMIT {
            return Err(format!("nobody took over from {victim} within {LIMIT:?}"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    report.takeover_ms = Some(killed.elapsed().as_secs_f64() * 1e3);
    report.killed = Some(victim);
    Ok(())
}

fn note_begun(process: &mut Process, round: u64, report: &mut Report) {
    let name = process.name().to_owned();
    let begun = process.told(|event| match event {
        Event::Begun { round: of, key, token } if *of == round => Some((key.clone(), *token)),
        _ => None,
    });
    for (key, token) in begun {
        report.begun(&key, &name, token);
    }
}
