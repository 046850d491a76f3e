//! The verbs, as values, so that a test body can run once for each.

use std::future::Future;
use std::pin::Pin;

use coflight::{Entry, Error, Turn};

use crate::Flights;

/// A verb that returns a future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `run`
    Run,
    /// `relay`
    Relay,
    /// `spawn`
    Spawn,
    /// `enter`, running the work in place.
    Enter,
}

/// As events and `in_flight` name it.
impl From<Verb> for coflight::Verb {
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::Run => Self::Run,
            Verb::Relay => Self::Relay,
            Verb::Spawn => Self::Spawn,
            Verb::Enter => Self::Enter,
        }
    }
}

/// A caller's work: not called yet.
pub type Work<V> = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = V> + Send>> + Send>;

/// A work of one caller.
pub fn value<V, F, Fut>(work: F) -> Work<V>
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = V> + Send + 'static,
{
    Box::new(|| Box::pin(work()))
}

/// Asks `flights` for `key` by `verb`. Owns all it needs, so it can be sent to any runtime.
pub async fn ask<V>(verb: Verb, flights: Flights<V>, key: impl Into<String>, work: Work<V>) -> Result<V, Error>
where
    V: Clone + Send + Sync + 'static,
{
    let key = key.into();
    match verb {
        Verb::Run => flights.run(&key, work).await,
        Verb::Relay => flights.relay(&key, work).await,
        Verb::Spawn => flights.spawn(&key, work).await,
        Verb::Enter => {
            let leader = match flights.enter(&key) {
                Entry::Leader(leader) => leader,
                Entry::Follower(follower) => match follower.await? {
                    Turn::Value(value) => return Ok(value),
                    Turn::Leader(leader) => leader,
                },
            };
            leader.complete(work().await)
        }
    }
}
