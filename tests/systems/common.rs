//! Works and crowds that these tests share.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use coflight::Error;
use coflight_tests::*;

/// Counts executions.
#[derive(Clone, Default)]
pub(crate) struct Runs(Arc<AtomicUsize>);

impl Runs {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// A work that counts itself when called and then waits for the gate.
    pub(crate) fn work<V: Send + 'static>(&self, gate: &Gate, result: V) -> Work<V> {
        let (runs, gate) = (self.clone(), gate.clone());
        value(move || async move {
            runs.0.fetch_add(1, Ordering::SeqCst);
            gate.wait().await;
            result
        })
    }

    /// A work that counts itself and is ready at once.
    pub(crate) fn now<V: Send + 'static>(&self, result: V) -> Work<V> {
        let gate = Gate::new();
        gate.open();
        self.work(&gate, result)
    }

    /// A closure for a thread, counting itself.
    pub(crate) fn closure<V>(&self, result: V) -> impl FnOnce() -> V + use<V> {
        let runs = self.clone();
        move || {
            runs.0.fetch_add(1, Ordering::SeqCst);
            result
        }
    }
}

/// An error that cannot be cloned.
#[derive(Debug, PartialEq)]
pub(crate) struct Broken(pub(crate) &'static str);

/// What a work of this file's systems produces when it may fail: the error shared as it is.
pub(crate) type Fallible = Result<u32, Arc<Broken>>;

/// Starts `count` callers of `key`, each with a work from `work`; returns when all have asked.
pub(crate) async fn crowd<V: Clone + Send + Sync + 'static>(
    lab: &Lab,
    verb: Verb,
    flights: &Flights<V>,
    key: &str,
    count: usize,
    mut work: impl FnMut() -> Work<V>,
) -> Vec<Task<Result<V, Error>>> {
    let all = Latch::new(count);
    let callers =
        (0..count).map(|_| lab.start(asked(ask(verb, flights.clone(), key.to_owned(), work()), &all))).collect();
    all.wait().await;
    callers
}

/// The results of callers, all of whom returned.
pub(crate) async fn results<T>(callers: Vec<Task<T>>) -> Vec<T> {
    let mut results = Vec::with_capacity(callers.len());
    for caller in callers {
        results.push(caller.await.returned());
    }
    results
}

/// A small generator of numbers that look random, the same for every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
