//! One process: a cluster group, and callers that ask it when the process is told so.

use std::io::{BufRead, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coflight::Tokio;
use coflight::cluster::{Cluster, ClusterEvent, ClusterEventKind, ClusterObserver};
use coflight::redis::Redis;
use lexopt::{Arg, ValueExt};

use crate::load::load;
use crate::protocol::{Command, Event, Value};
use crate::round::Rounds;

/// The group that all processes share.
pub(crate) type Flights = Cluster<String, Value, Redis, Tokio>;

/// What this process needs wherever it is.
#[derive(Clone)]
pub(crate) struct Worker {
    pub(crate) flights: Flights,
    pub(crate) published: Arc<Mutex<Vec<(String, u64)>>>,
}

/// Runs a process until its standard input ends.
///
/// # Errors
///
/// What it cannot understand, or do, as text.
pub fn main(arguments: impl IntoIterator<Item = String>) -> Result<(), String> {
    let arguments = Arguments::parse(arguments).map_err(|error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot start a runtime: {error}"))?;
    let _context = runtime.enter();
    let worker = Worker::new(&arguments)?;
    let rounds = Rounds::default();
    tell(&Event::Ready);
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| format!("cannot read commands: {error}"))?;
        let command = serde_json::from_str(&line).map_err(|error| format!("no command: {line}: {error}"))?;
        match command {
            Command::Round { round, callers, keys, by } => rounds.begin(&worker, round, callers, keys, by),
            Command::Open { round } => rounds.open(round),
            Command::Leave { round } => rounds.leave(round),
            Command::Load { millis, callers, keys, seed } => {
                drop(tokio::spawn(load(worker.clone(), Duration::from_millis(millis), callers, keys, seed)));
            }
        }
    }
    Ok(())
}

struct Arguments {
    redis: String,
    name: String,
    lease: Duration,
    timeout: Duration,
}

impl Arguments {
    fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, lexopt::Error> {
        let mut parsed = Self {
            redis: "redis://127.0.0.1/".into(),
            name: std::process::id().to_string(),
            lease: Duration::from_secs(1),
            timeout: Duration::from_secs(60),
        };
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Long("redis") => parsed.redis = parser.value()?.string()?,
                Arg::Long("name") => parsed.name = parser.value()?.string()?,
                Arg::Long("lease-ms") => parsed.lease = Duration::from_millis(parser.value()?.parse()?),
                Arg::Long("timeout-ms") => parsed.timeout = Duration::from_millis(parser.value()?.parse()?),
                other => return Err(other.unexpected()),
            }
        }
        Ok(parsed)
    }
}

impl Worker {
    fn new(arguments: &Arguments) -> Result<Self, String> {
        let engine = Redis::open(arguments.redis.as_str()).map_err(|error| error.to_string())?;
        let published = Arc::new(Mutex::new(Vec::new()));
        let flights = Cluster::builder("example", engine, Tokio::current())
            .process(arguments.name.as_str())
            .lease(arguments.lease)
            .timeout(arguments.timeout)
            .watch(Publications(Arc::clone(&published)))
            .build();
        Ok(Self { flights, published })
    }
}

/// Notes what this process published.
struct Publications(Arc<Mutex<Vec<(String, u64)>>>);

impl ClusterObserver for Publications {
    fn event(&self, event: &ClusterEvent<'_>) {
        if let (ClusterEventKind::Published, Some(name), Some(token)) = (event.kind, event.name, event.token) {
            self.0.lock().expect("nobody panics with it").push((name.to_string(), token.0));
        }
    }
}

pub(crate) fn tell(event: &Event) {
    let line = serde_json::to_string(event).expect("an event is JSON");
    let mut output = std::io::stdout().lock();
    // If nobody reads it any more, the process is about to be told to end.
    let _ = writeln!(output, "{line}").and_then(|()| output.flush());
}
