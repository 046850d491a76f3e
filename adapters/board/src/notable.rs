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
    /// Microseconds that a flight must have taken to be among the slowest, as long as none of those is too old.
    bar: AtomicU64,
    /// When the first of those is, in microseconds since `origin`.
    until: AtomicU64,
    origin: Instant,
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
        Self { lists: Mutex::default(), bar: AtomicU64::new(0), until: AtomicU64::new(0), origin: Instant::now() }
    }

    fn lock(&self) -> MutexGuard<'_, Lists> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn event<K>(&self, event: &Event<'_, K>) {
        // The user's own way to show keys runs before the lock.
        let describe = || (event.group().to_owned(), event.shown_key().to_string());
        self.happened(event.kind(), event.elapsed(), Instant::now, describe);
    }

    fn happened(
        &self,
        how: EventKind,
        elapsed: Option<Duration>,
        now: impl FnOnce() -> Instant,
        describe: impl FnOnce() -> (String, String),
    ) {
        let failed = matches!(
            how,
            EventKind::Failed | EventKind::Panicked | EventKind::TimedOut | EventKind::Refused | EventKind::Cancelled
        );
        let took = elapsed.filter(|_| how.is_end());
        if !failed && took.is_none() {
            return;
        }
        let at = now();
        let slow = took.is_some_and(|took| micros(took) > self.bar(at));
        if !failed && !slow {
            return;
        }
        let (group, key) = describe();
        let ended = Ended { group, key, how, took, at };
        let mut lists = self.lock();
        if failed {
            lists.errors.push_front(ended.clone());
            lists.errors.truncate(ERRORS);
        }
        if slow {
            self.insert(&mut lists, ended);
        }
    }

    /// Also if nobody has looked since one of them became too old, which only then is taken out.
    fn bar(&self, now: Instant) -> u64 {
        let is_old = self.since_origin(now) >= self.until.load(Ordering::Relaxed);
        if is_old { 0 } else { self.bar.load(Ordering::Relaxed) }
    }

    fn since_origin(&self, at: Instant) -> u64 {
        micros(at.saturating_duration_since(self.origin))
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
        let last = lists.slowest.get(SLOWEST - 1).and_then(|last| last.took);
        let first = lists.slowest.iter().map(|ended| ended.at).min();
        // Whoever sees one of them new and the other old looks at most at what it need not have, or misses what ended at this very moment.
        self.until.store(first.map_or(0, |at| self.since_origin(at + LATE)), Ordering::Relaxed);
        self.bar.store(last.map_or(0, micros), Ordering::Relaxed);
    }

    /// The slowest, and the errors.
    pub(crate) fn shown(&self) -> (Vec<Shown>, Vec<Shown>) {
        self.shown_at(Instant::now())
    }

    fn shown_at(&self, now: Instant) -> (Vec<Shown>, Vec<Shown>) {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A flight that ended at `at`, after so many seconds.
    fn ended(notable: &Notable, took: u64, at: Instant) {
        let describe = || ("group".to_owned(), took.to_string());
        notable.happened(EventKind::Completed, Some(Duration::from_secs(took)), || at, describe);
    }

    /// What is shown at a moment: keys, which are seconds.
    fn slowest(notable: &Notable, now: Instant) -> Vec<String> {
        notable.shown_at(now).0.into_iter().map(|shown| shown.key).collect()
    }

    #[test]
    fn the_slowest_are_those_of_late_also_if_nobody_looked() {
        let (notable, began) = (Notable::new(), Instant::now());
        for _ in 0..SLOWEST {
            ended(&notable, 60, began);
        }
        let before = began + LATE - Duration::from_secs(1);
        ended(&notable, 2, before);
        for seconds in 0..3 {
            ended(&notable, 2, began + LATE + Duration::from_secs(seconds));
        }
        assert_eq!(slowest(&notable, began + LATE + Duration::from_secs(5)), ["2"; 3]);
    }

    #[test]
    fn one_that_is_forgotten_makes_room_for_one() {
        let (notable, began) = (Notable::new(), Instant::now());
        // The slowest, and long before the others.
        ended(&notable, 90, began);
        let later = began + LATE / 2;
        for _ in 1..SLOWEST {
            ended(&notable, 60, later);
        }
        let now = began + LATE;
        for took in [2, 3, 1] {
            ended(&notable, took, now);
        }
        let shown = slowest(&notable, now);
        assert_eq!((shown.len(), shown.last().unwrap().as_str()), (SLOWEST, "3"));
    }
}
