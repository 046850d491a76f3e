//! Everything that can go wrong, at random, under load: processes killed and stopped, the server restarted, paused, flushed, its connections killed. For
//! as many seconds as `COFLIGHT_CHAOS_SECONDS` says, 10 by default; from the seed `COFLIGHT_CHAOS_SEED`, or the time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use coflight_example_cluster::Random;
use coflight_example_cluster::protocol::{Command, Event, Loaded};
use coflight_example_cluster::workers::Process;
use coflight_redis_server::RedisServer;

use crate::common::*;

const PROCESSES: usize = 8;
const CALLERS: usize = 40;
const KEYS: usize = 10;

/// Promises 2, 3, 4, 5, 7 and 8: everyone is answered in time, never with a wrong value, no token has two results, nothing is left.
#[test]
fn whatever_happens() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let seconds = number("COFLIGHT_CHAOS_SECONDS").unwrap_or(10);
    let time = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let seed = number("COFLIGHT_CHAOS_SEED").unwrap_or_else(time);
    println!("seed {seed}, {seconds} s");
    let mut chaos = Chaos::new(seed, Duration::from_secs(seconds));
    while chaos.left() > Duration::from_secs(2) {
        chaos.strike();
    }
    chaos.end();
}

struct Chaos {
    server: RedisServer,
    processes: Vec<Process>,
    random: Random,
    until: Instant,
    started: usize,
    struck: BTreeMap<&'static str, usize>,
}

impl Chaos {
    fn new(seed: u64, time: Duration) -> Self {
        let server = RedisServer::start();
        let until = Instant::now() + time;
        let mut this =
            Self { server, processes: Vec::new(), random: Random(seed), until, started: 0, struck: BTreeMap::new() };
        for _ in 0..PROCESSES {
            let process = this.start();
            this.processes.push(process);
        }
        this
    }

    fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }

    /// Another process, under load until the end.
    fn start(&mut self) -> Process {
        let url = self.server.url();
        let mut process = start(&url).start(&format!("p{}", self.started)).expect("a process");
        self.started += 1;
        let millis = u64::try_from(self.left().as_millis()).expect("a short time");
        let load = Command::Load { millis, callers: CALLERS, keys: KEYS, seed: self.random.below(u64::MAX) };
        process.tell(&load).expect("to tell it");
        process
    }

    /// Something goes wrong, and then it goes well for a while.
    fn strike(&mut self) {
        let victim = usize::try_from(self.random.below(self.processes.len() as u64)).expect("a small number");
        let what = match self.random.below(8) {
            0 => {
                self.processes[victim].kill();
                self.processes[victim] = self.start();
                "a process was killed"
            }
            1 => {
                self.processes[victim].pause();
                wait(3 * LEASE / 2);
                self.processes[victim].resume();
                "a process was stopped past its lease"
            }
            2 => {
                self.server.restart();
                "the server was restarted"
            }
            3 => {
                self.server.pause();
                wait(Duration::from_millis(100) + Duration::from_millis(self.random.below(1_400)));
                self.server.resume();
                "the server was paused"
            }
            4 => {
                self.server.flush();
                "its data was flushed"
            }
            5 => {
                self.server.kill_connections("normal");
                "connections for commands were killed"
            }
            6 => {
                self.server.kill_connections("pubsub");
                "connections that listen were killed"
            }
            _ => {
                self.server.kill();
                wait(Duration::from_millis(self.random.below(800)));
                self.server.restart();
                "the server was away"
            }
        };
        *self.struck.entry(what).or_default() += 1;
        let calm = Duration::from_millis(200 + self.random.below(1_000));
        wait(calm.min(self.left()));
    }

    fn end(mut self) {
        let mut loads = Vec::new();
        for process in &mut self.processes {
            let loaded = |event: &Event| match event {
                Event::Loaded(loaded) => Some(loaded.clone()),
                _ => None,
            };
            loads.push(process.wait("through with its load", LIMIT, loaded).expect("an account"));
        }
        let sum = |of: fn(&Loaded) -> u64| loads.iter().map(of).sum::<u64>();
        let longest = loads.iter().map(|load| load.longest_ms).max().unwrap_or_default();
        println!("{:?}", self.struck);
        println!(
            "{} calls, {} executions, {} of them alone; {} leases lost, {} taken over, {} publications too late; longest {longest} ms",
            sum(|load| load.calls as u64),
            sum(|load| load.executions as u64),
            sum(|load| load.alone as u64),
            sum(|load| load.leases_lost),
            sum(|load| load.succeeded),
            sum(|load| load.refused),
        );
        assert_eq!(sum(|load| load.wrong as u64), 0, "answers for another key");
        for load in &loads {
            // Of each lease that was lost one caller at most: the one whose work was dropped for that of a successor, which was done too soon.
            let told: usize = load.errors.values().sum();
            let all_are_that = load.errors.keys().all(|error| error.ends_with("ask again"));
            assert!(all_are_that && told as u64 <= load.leases_lost, "{:?}", load.errors);
        }
        self.each_token_has_one_result(&loads);
        // A lease until the leader is replaced, a beat until that is noticed, the work; and what an engine that is away may take, more than once.
        let limit = 2 * LEASE + Duration::from_secs(2);
        assert!(Duration::from_millis(longest) < limit, "somebody waited for {longest} ms");
        nothing_left(&self.server);
    }

    fn each_token_has_one_result(&self, loads: &[Loaded]) {
        let mut results = BTreeMap::new();
        for (key, token, execution) in loads.iter().flat_map(|load| &load.answers) {
            results.entry((key, token)).or_insert_with(BTreeSet::new).insert(execution);
        }
        for ((key, token), executions) in &results {
            assert_eq!(executions.len(), 1, "results of token {token} for {key}: {executions:?}");
        }
        let mut published = BTreeSet::new();
        for publication in loads.iter().flat_map(|load| &load.published) {
            assert!(published.insert(publication), "published twice: {publication:?}");
        }
        println!("{} tokens with a result, {} publications", results.len(), published.len());
    }
}

/// The faults of a storm have no events to wait for: they last for a time.
fn wait(time: Duration) {
    std::thread::sleep(time);
}
