//! A load: callers ask at random, again and again, and note everything that must not be.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use coflight::cluster::Lease;
use tokio::task::JoinSet;

use crate::protocol::{Event, Loaded, Value};
use crate::worker::{Worker, tell};

/// The longest that a work takes.
const LONGEST_WORK: u64 = 20;

pub(crate) async fn load(worker: Worker, time: Duration, callers: usize, keys: usize, seed: u64) {
    let notes = Arc::new(Notes::default());
    let stalls = Stalls::watch();
    let until = Instant::now() + time;
    let mut asking = JoinSet::new();
    for caller in 0..callers {
        let random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(caller as u64));
        asking.spawn(ask(worker.clone(), Arc::clone(&notes), Arc::clone(&stalls), random, keys, until));
    }
    while let Some(done) = asking.join_next().await {
        done.expect("a caller does not panic");
    }
    let stats = worker.flights.cluster_stats();
    let published = worker.published.lock().expect("nobody panics with it").clone();
    tell(&Event::Loaded(Loaded {
        calls: notes.calls.load(Ordering::Relaxed),
        executions: notes.executions.load(Ordering::Relaxed),
        alone: notes.alone.load(Ordering::Relaxed),
        wrong: notes.wrong.load(Ordering::Relaxed),
        errors: notes.errors.lock().expect("nobody panics with it").clone(),
        answers: notes.answers.lock().expect("nobody panics with it").iter().cloned().collect(),
        published,
        refused: stats.refused,
        leases_lost: stats.lease_lost,
        succeeded: stats.succeeded,
        outages: stats.engine_down,
        longest_ms: notes.longest.load(Ordering::Relaxed),
    }));
}

#[derive(Default)]
struct Notes {
    calls: AtomicUsize,
    executions: AtomicUsize,
    alone: AtomicUsize,
    wrong: AtomicUsize,
    longest: AtomicU64,
    errors: Mutex<BTreeMap<String, usize>>,
    answers: Mutex<HashSet<(String, u64, u64)>>,
}

async fn ask(worker: Worker, notes: Arc<Notes>, stalls: Arc<Stalls>, mut random: Random, keys: usize, until: Instant) {
    while Instant::now() < until {
        let key = format!("load/{}", random.below(keys as u64));
        let work = {
            let (notes, key, process) = (Arc::clone(&notes), key.clone(), worker.flights.process().to_owned());
            let takes = Duration::from_millis(random.below(LONGEST_WORK));
            move |lease: Lease| async move {
                notes.executions.fetch_add(1, Ordering::Relaxed);
                if lease.token().is_none() {
                    notes.alone.fetch_add(1, Ordering::Relaxed);
                }
                tokio::time::sleep(takes).await;
                // No two executions are alike, whatever their tokens.
                Value { key, process, execution: RandomState::new().build_hasher().finish() }
            }
        };
        let (began, stalled) = (Instant::now(), stalls.total());
        let (answer, served) = if random.below(2) == 0 {
            worker.flights.run(&key, work).with_served().await
        } else {
            worker.flights.spawn(&key, work).with_served().await
        };
        let took = began.elapsed().saturating_sub(stalls.total().saturating_sub(stalled));
        notes.longest.fetch_max(u64::try_from(took.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
        notes.calls.fetch_add(1, Ordering::Relaxed);
        match answer {
            Ok(value) if value.key != key => drop(notes.wrong.fetch_add(1, Ordering::Relaxed)),
            Ok(value) => {
                if let Some(token) = served.trip.and_then(|trip| trip.token) {
                    let mut answers = notes.answers.lock().expect("nobody panics with it");
                    answers.insert((key, token.0, value.execution));
                }
            }
            Err(error) => {
                let mut errors = notes.errors.lock().expect("nobody panics with it");
                *errors.entry(error.to_string()).or_default() += 1;
            }
        }
    }
}

/// How long this process was stopped, in all.
struct Stalls(AtomicU64);

impl Stalls {
    const TICK: Duration = Duration::from_millis(20);

    fn watch() -> Arc<Self> {
        let stalls = Arc::new(Self(AtomicU64::new(0)));
        let watched = Arc::downgrade(&stalls);
        thread::spawn(move || {
            let mut last = Instant::now();
            while let Some(stalls) = watched.upgrade() {
                thread::sleep(Self::TICK);
                let gap = last.elapsed();
                last = Instant::now();
                // Less is the scheduler's doing.
                if gap > 10 * Self::TICK {
                    stalls.0.fetch_add(u64::try_from(gap.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
                }
            }
        });
        stalls
    }

    fn total(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// SplitMix64: enough for picking keys and faults, and the same every time.
#[derive(Debug)]
pub struct Random(pub u64);

impl Random {
    /// A number below a limit.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }
}
