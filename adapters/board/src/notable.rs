//! The slowest flights of late, and the last errors.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use coflight_core::{Event, EventKind};
use serde::Serialize;

/// For how long a slow flight is remembered.
const LATE: Duration = Duration::from_secs(300);
const SLOWEST: usize = 20;
const ERRORS: usize = 50;

pub(crate) struct Notable {
    lists: Mutex<Lists>,
    /// Microseconds that a flight must have taken to be among the slowest.
    bar: AtomicU64,
}

#[derive(Default)]
struct Lists {
    /// The slowest first.
    slowest: Vec<Ended>,
    /// The last one first.
    errors: VecDeque<Ended>,
}

/// A flight that ended, or was refused.
#[derive(Clone)]
struct Ended {
    group: String,
    key: String,
    how: EventKind,
    took: Option<Duration>,
    at: Instant,
}

/// The same, as it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    pub(crate) group: String,
    pub(crate) key: String,
    pub(crate) how: &'static str,
    pub(crate) took_ms: Option<f64>,
    pub(crate) ago_s: u64,
}

impl Notable {
    pub(crate) fn new() -> Self {
        Self { lists: Mutex::default(), bar: AtomicU64::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn event<K>(&self, event: &Event<'_, K>) {
        let how = event.kind();
        let failed = matches!(
            how,
            EventKind::Failed | EventKind::Panicked | EventKind::TimedOut | EventKind::Refused | EventKind::Cancelled
        );
        let took = event.elapsed().filter(|_| how.is_end());
        let slow = took.is_some_and(|took| micros(took) > self.bar.load(Ordering::Relaxed));
        if !failed && !slow {
            return;
        }
        // The user's own way to show keys runs before the lock.
        let ended = Ended {
            group: event.group().to_owned(),
            key: event.shown_key().to_string(),
            how,
            took,
            at: Instant::now(),
        };
        let mut lists = self.lock();
        if failed {
            lists.errors.push_front(ended.clone());
            lists.errors.truncate(ERRORS);
        }
        if slow {
            self.insert(&mut lists, ended);
        }
    }

    fn insert(&self, lists: &mut Lists, ended: Ended) {
        self.forget_old(lists, ended.at);
        let place = lists.slowest.partition_point(|other| other.took >= ended.took);
        lists.slowest.insert(place, ended);
        lists.slowest.truncate(SLOWEST);
        self.set_bar(lists);
    }

    fn forget_old(&self, lists: &mut Lists, now: Instant) {
        lists.slowest.retain(|ended| now.duration_since(ended.at) < LATE);
        self.set_bar(lists);
    }

    fn set_bar(&self, lists: &Lists) {
        let bar = match lists.slowest.get(SLOWEST - 1) {
            Some(last) => last.took.map_or(0, micros),
            None => 0,
        };
        self.bar.store(bar, Ordering::Relaxed);
    }

    /// The slowest, and the errors.
    pub(crate) fn shown(&self) -> (Vec<Shown>, Vec<Shown>) {
        let now = Instant::now();
        let mut lists = self.lock();
        self.forget_old(&mut lists, now);
        let (slowest, errors) = (lists.slowest.clone(), lists.errors.clone());
        drop(lists);
        let shown = |ended: Ended| Shown {
            group: ended.group,
            key: ended.key,
            how: ended.how.name(),
            took_ms: ended.took.map(|took| took.as_secs_f64() * 1000.0),
            ago_s: now.duration_since(ended.at).as_secs(),
        };
        (slowest.into_iter().map(shown).collect(), errors.into_iter().map(shown).collect())
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
