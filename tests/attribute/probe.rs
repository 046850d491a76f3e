//! Work that can be watched, and waits until it may go on.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};

use coflight::Group;
use coflight_tests::works::Witness;
use coflight_tests::*;

/// Runs wherever it is called, and counts.
#[derive(Clone, Default)]
pub struct Probe {
    witness: Witness,
    gate: Gate,
}

impl Probe {
    /// A work that gives `value` when the gate is open.
    pub async fn work<T>(&self, value: T) -> T {
        let _sign = self.witness.sign();
        self.gate.wait().await;
        value
    }

    /// The same for a thread.
    pub fn block<T>(&self, value: T) -> T {
        futures_lite::future::block_on(self.work(value))
    }

    pub fn runs(&self) -> usize {
        self.witness.begun()
    }

    pub fn open(&self) {
        self.gate.open();
    }
}

/// A key that no other test has, in no column.
pub fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Lets two calls meet, and returns what they returned.
pub async fn meet<A, B>(
    lab: &Lab,
    probe: &Probe,
    one: impl Future<Output = A> + Send + 'static,
    other: impl Future<Output = B> + Send + 'static,
) -> (A, B)
where
    A: Send + 'static,
    B: Send + 'static,
{
    let (one, other) = (boarded(one), boarded(other));
    let (one, other) = (lab.start(one), lab.start(other));
    probe.open();
    (one.await.returned(), other.await.returned())
}

/// Asserts that two calls that meet share one execution, and returns the result.
#[track_caller]
pub fn together<T: PartialEq + std::fmt::Debug + Send + 'static>(
    lab: &Lab,
    call: impl Fn(Probe) -> std::pin::Pin<Box<dyn Future<Output = T> + Send>>,
) -> impl Future<Output = T> {
    let (lab, probe, at) = (lab.clone(), Probe::default(), std::panic::Location::caller());
    let (one, other) = (call(probe.clone()), call(probe.clone()));
    async move {
        let (one, other) = meet(&lab, &probe, one, other).await;
        assert_eq!(probe.runs(), 1, "at {at}");
        assert_eq!(one, other, "at {at}");
        one
    }
}

/// Asserts that two calls that meet are two executions.
#[track_caller]
pub fn apart<A: Send + 'static, B: Send + 'static>(
    lab: &Lab,
    one: impl FnOnce(Probe) -> std::pin::Pin<Box<dyn Future<Output = A> + Send>>,
    other: impl FnOnce(Probe) -> std::pin::Pin<Box<dyn Future<Output = B> + Send>>,
) -> impl Future<Output = (A, B)> {
    let (lab, probe, at) = (lab.clone(), Probe::default(), std::panic::Location::caller());
    let (one, other) = (one(probe.clone()), other(probe.clone()));
    async move {
        let results = meet(&lab, &probe, one, other).await;
        assert_eq!(probe.runs(), 2, "at {at}");
        results
    }
}

/// How many callers are aboard the flight of `key`.
pub fn callers<K: Clone + PartialEq, V, R, S: std::hash::BuildHasher>(flights: &Group<K, V, R, S>, key: &K) -> usize {
    flights.in_flight().iter().filter(|flight| flight.key == *key).map(|flight| flight.callers).sum()
}
