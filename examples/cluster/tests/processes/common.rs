//! Processes on a server of the test's own.

use std::path::Path;
use std::time::{Duration, Instant};

use coflight_example_cluster::protocol::{By, Command, Event};
use coflight_example_cluster::workers::{Process, Start};
use coflight_redis_server::RedisServer;

pub(crate) const LEASE: Duration = Duration::from_secs(1);
/// Long enough for a machine that does other things, too.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// How the processes of these tests are started.
pub(crate) fn start(redis: &str) -> Start<'_> {
    Start {
        program: Path::new(env!("CARGO_BIN_EXE_cluster-worker")),
        first: &[],
        redis,
        lease: LEASE,
        timeout: 2 * LIMIT,
    }
}

pub(crate) fn processes(redis: &str, count: usize) -> Vec<Process> {
    (0..count).map(|at| start(redis).start(&format!("p{at}")).expect("a process")).collect()
}

/// All ask, and wait.
pub(crate) fn board(processes: &mut [Process], round: u64, callers: usize, keys: usize, by: By) {
    for process in &mut *processes {
        process.tell(&Command::Round { round, callers, keys, by }).expect("to tell it");
    }
    for process in processes {
        aboard(process, round);
    }
}

pub(crate) fn aboard(process: &mut Process, round: u64) {
    process.wait("aboard", LIMIT, |event| (*event == Event::Aboard { round }).then_some(())).expect("all aboard");
}

pub(crate) fn open(processes: &mut [Process], round: u64) {
    for process in processes {
        process.tell(&Command::Open { round }).expect("to tell it");
    }
}

/// Works that were begun in a process, and not asked for yet: their keys and tokens.
pub(crate) fn begun(process: &mut Process, of: u64) -> Vec<(String, Option<u64>)> {
    process.told(|event| match event {
        Event::Begun { round, key, token } if *round == of => Some((key.clone(), *token)),
        _ => None,
    })
}

/// Waits until a process begins a work.
pub(crate) fn begins(process: &mut Process, of: u64) -> (String, Option<u64>) {
    let wanted = |event: &Event| match event {
        Event::Begun { round, key, token } if *round == of => Some((key.clone(), *token)),
        _ => None,
    };
    process.wait("at work", LIMIT, wanted).expect("it begins")
}

pub(crate) struct Answered {
    pub(crate) answers: Vec<coflight_example_cluster::protocol::Answers>,
    pub(crate) errors: std::collections::BTreeMap<String, usize>,
}

pub(crate) fn answered(process: &mut Process, of: u64) -> Answered {
    let wanted = |event: &Event| match event {
        Event::Answered { round, answers, errors, .. } if *round == of => {
            Some(Answered { answers: answers.clone(), errors: errors.clone() })
        }
        _ => None,
    };
    process.wait("answered", LIMIT, wanted).expect("answers")
}

/// Nothing is left on the server, after a lease at the latest.
pub(crate) fn nothing_left(server: &RedisServer) {
    let began = Instant::now();
    loop {
        let keys = server.keys();
        if keys.is_empty() {
            return;
        }
        // What was renewed last a moment ago has a lease from then on, and the server's clock ticks as it likes.
        assert!(began.elapsed() < LEASE + Duration::from_secs(2), "after a lease there are {keys:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
