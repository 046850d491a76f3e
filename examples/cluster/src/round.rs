//! A round: all ask, and get an answer when the round is opened.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use coflight::cluster::Lease;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::protocol::{Answers, By, Event, Value};
use crate::worker::{Worker, tell};

/// Those that were begun, by their numbers.
#[derive(Default)]
pub(crate) struct Rounds(Mutex<HashMap<u64, Round>>);

struct Round {
    open: watch::Sender<bool>,
    task: tokio::task::AbortHandle,
}

impl Rounds {
    pub(crate) fn begin(&self, worker: &Worker, round: u64, callers: usize, keys: usize, by: By) {
        let (open, opened) = watch::channel(false);
        let task = tokio::spawn(all(worker.clone(), round, callers, keys, by, opened)).abort_handle();
        self.0.lock().expect("nobody panics with it").insert(round, Round { open, task });
    }

    pub(crate) fn open(&self, round: u64) {
        if let Some(round) = self.0.lock().expect("nobody panics with it").get(&round) {
            round.open.send_replace(true);
        }
    }

    pub(crate) fn leave(&self, round: u64) {
        if let Some(round) = self.0.lock().expect("nobody panics with it").get(&round) {
            round.task.abort();
        }
    }
}

async fn all(worker: Worker, round: u64, callers: usize, keys: usize, by: By, mut opened: watch::Receiver<bool>) {
    let (calls, attended) = (worker.flights.stats().calls(), attended(&worker));
    let mut asking = JoinSet::new();
    for caller in 0..callers {
        asking.spawn(one(worker.clone(), round, format!("{round}/{}", caller % keys), by, opened.clone()));
    }
    // What there is to wait for is a count.
    while worker.flights.stats().calls() < calls + callers as u64
        || self::attended(&worker) < attended + callers.min(keys) as u64
    {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    tell(&Event::Aboard { round });
    // The sender lives as long as the process.
    let _ = opened.wait_for(|open| *open).await;
    let began = Instant::now();
    let mut answers = BTreeMap::<Answers, usize>::new();
    let mut errors = BTreeMap::new();
    while let Some(answer) = asking.join_next().await {
        match answer.expect("a caller does not panic") {
            Ok(answer) => *answers.entry(answer).or_default() += 1,
            Err(error) => *errors.entry(error).or_default() += 1,
        }
    }
    let longest_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let answers = answers.into_iter().map(|(answer, callers)| Answers { callers, ..answer }).collect();
    tell(&Event::Answered { round, answers, errors, longest_ms });
}

/// For how many flights this process leads or follows, or did.
fn attended(worker: &Worker) -> u64 {
    let stats = worker.flights.cluster_stats();
    stats.led + stats.succeeded + stats.followed + stats.alone
}

async fn one(
    worker: Worker,
    round: u64,
    key: String,
    by: By,
    opened: watch::Receiver<bool>,
) -> Result<Answers, String> {
    let process = worker.flights.process().to_owned();
    let work = {
        let key = key.clone();
        move |lease: Lease| execute(round, key, process, lease, opened)
    };
    let (answer, served) = match by {
        By::Run => worker.flights.run(&key, work).with_served().await,
        By::Spawn => worker.flights.spawn(&key, work).with_served().await,
    };
    let value = answer.map_err(|error| error.to_string())?;
    let trip = served.trip.ok_or("no trip")?;
    let (token, place) = (trip.token.map(|token| token.0), trip.place.name().to_owned());
    Ok(Answers { key, value, token, place, callers: 0 })
}

/// The work.
async fn execute(round: u64, key: String, process: String, lease: Lease, mut opened: watch::Receiver<bool>) -> Value {
    let token = lease.token().map(|token| token.0);
    tell(&Event::Begun { round, key: key.clone(), token });
    let mut running = Running { round, key: key.clone(), done: false };
    let _ = opened.wait_for(|open| *open).await;
    running.done = true;
    Value { key, process, execution: token.unwrap_or_default() }
}

struct Running {
    round: u64,
    key: String,
    done: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.done {
            tell(&Event::Dropped { round: self.round, key: self.key.clone() });
        }
    }
}
