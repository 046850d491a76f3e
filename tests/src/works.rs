//! Calls and works, and who saw them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use coflight::Error;

use crate::{Flights, Gate, KEY, Lab, Verb, Work, ask, poll_now, value};

/// A caller's future.
pub type Call<V> = Pin<Box<dyn Future<Output = Result<V, Error>> + Send>>;

/// Asks by `verb`, not polled yet.
pub fn call<V>(verb: Verb, flights: &Flights<V>, work: Work<V>) -> Call<V>
where
    V: Clone + Send + Sync + 'static,
{
    Box::pin(ask(verb, flights.clone(), KEY, work))
}

/// A work that must never be called.
pub fn never<V: Send + 'static>() -> Work<V> {
    value(|| async { panic!("a follower's work is called") })
}

/// A work that is ready at once.
pub fn at_once<V: Send + 'static>(result: V) -> Work<V> {
    value(move || async move { result })
}

/// A work that is ready when the gate is open.
pub fn behind<V: Send + 'static>(gate: &Gate, result: V) -> Work<V> {
    let gate = gate.clone();
    value(move || async move {
        gate.wait().await;
        result
    })
}

/// A work that never ends.
pub fn endless<V: Send + 'static>() -> Work<V> {
    value(std::future::pending)
}

/// Counts calls and drops, of a work or of what it owns.
#[derive(Clone, Default)]
pub struct Witness {
    begun: Arc<AtomicUsize>,
    gone: Arc<AtomicUsize>,
}

/// Counts as gone when dropped.
pub struct Sign(Witness);

impl Witness {
    /// Counts as begun, and as gone when it is dropped.
    pub fn sign(&self) -> Sign {
        self.begun.fetch_add(1, Ordering::SeqCst);
        Sign(self.clone())
    }

    /// How often it was begun.
    pub fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    /// How many that were begun are over, done or dropped.
    pub fn gone(&self) -> usize {
        self.gone.load(Ordering::SeqCst)
    }

    /// `work`, seen from its call to its drop.
    pub fn watch<V: Send + 'static>(&self, work: Work<V>) -> Work<V> {
        let witness = self.clone();
        value(move || {
            let sign = witness.sign();
            let work = work();
            async move {
                let _sign = sign;
                work.await
            }
        })
    }
}

impl Drop for Sign {
    fn drop(&mut self) {
        self.0.gone.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls until ready, by hand, giving way to everybody between polls.
///
/// # Panics
///
/// If the call does.
pub async fn finish<F: Future + ?Sized>(lab: &Lab, mut call: Pin<Box<F>>) -> F::Output {
    let mut output = None;
    lab.until(|| {
        if let std::task::Poll::Ready(ready) = poll_now(call.as_mut()) {
            output = Some(ready);
        }
        output.is_some()
    })
    .await;
    output.expect("the loop above ends when there is one")
}
