//! Callers of every kind, and calls with options.

use coflight::{DefaultHashBuilder, Entry, Error, Turn};
use coflight_tests::*;
use futures_lite::future::block_on;

use crate::common::*;

/// Options of one call.
pub(crate) type Options<'g, V> = coflight::Call<'g, String, V, AnyRuntime, DefaultHashBuilder>;

/// Asks by `verb` with options, not polled yet.
pub(crate) fn asking<V, F>(verb: Verb, flights: &Flights<V>, choose: F, work: Work<V>) -> Call<V>
where
    V: Clone + Send + Sync + 'static,
    F: FnOnce(Options<'_, V>) -> Options<'_, V> + Send + 'static,
{
    let flights = flights.clone();
    Box::pin(async move {
        let call = choose(flights.call());
        match verb {
            Verb::Run => call.run(KEY, work).await,
            Verb::Relay => call.relay(KEY, work).await,
            Verb::Spawn => call.spawn(KEY, work).await,
            Verb::Enter => match call.enter(KEY) {
                Entry::Leader(leader) => leader.complete(work().await),
                Entry::Follower(follower) => match follower.await? {
                    Turn::Value(value) => Ok(value),
                    Turn::Leader(leader) => leader.complete(work().await),
                },
            },
        }
    })
}

/// How a caller asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// By this verb, as a task.
    Task(Verb),
    /// By `run_blocking`, as a thread.
    Thread,
}

impl By {
    pub(crate) const ALL: [Self; 5] = [
        Self::Task(Verb::Run),
        Self::Task(Verb::Relay),
        Self::Task(Verb::Spawn),
        Self::Task(Verb::Enter),
        Self::Thread,
    ];

    /// Starts a caller, and waits until it is aboard.
    pub(crate) async fn aboard<V>(self, lab: &Lab, flights: &Flights<V>, work: Work<V>) -> Task<Result<V, Error>>
    where
        V: Clone + Send + Sync + 'static,
    {
        let before = flights.stats().calls();
        let task = self.start(lab, flights, work);
        lab.until(|| flights.stats().calls() > before).await;
        task
    }

    /// Starts a caller.
    pub(crate) fn start<V>(self, lab: &Lab, flights: &Flights<V>, work: Work<V>) -> Task<Result<V, Error>>
    where
        V: Clone + Send + Sync + 'static,
    {
        match self {
            Self::Task(verb) => lab.start(call(verb, flights, work)),
            Self::Thread => {
                let flights = flights.clone();
                lab.thread(move || flights.run_blocking(KEY, || block_on(work())))
            }
        }
    }
}
