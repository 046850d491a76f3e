//! An engine that does what a test says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use coflight::cluster::{Engine, EngineError, InProcess, Joined, Keep, Lead, Name, Nonce, Renewed, Seen, Token};
use coflight_tests::*;

use crate::common::engine;

/// What happens to an operation on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    /// It is done, and the answer is lost.
    Unanswered,
    /// It does not get there.
    Failed,
}

/// An engine with something in front of it, which sees every operation, and decides on it.
#[derive(Clone)]
pub(crate) struct Fronted {
    pub(crate) behind: InProcess,
    front: Arc<Front>,
}

pub(crate) type Front = dyn Fn(&'static str, &Name) -> Fate + Send + Sync;

impl Fronted {
    pub(crate) fn new(behind: &InProcess, front: impl Fn(&'static str, &Name) -> Fate + Send + Sync + 'static) -> Self {
        Self { behind: behind.clone(), front: Arc::new(front) }
    }

    /// With nothing in front but what sees whether anybody still has it.
    pub(crate) fn watched(lab: &Lab) -> Self {
        Self::new(&engine(lab), |_, _| Fate::Answered)
    }

    /// With the first so many answers to an operation lost.
    pub(crate) fn losing(lab: &Lab, lost: &'static str, answers: usize) -> Self {
        let asked = AtomicUsize::new(0);
        Self::new(&engine(lab), move |operation, _| {
            let is_lost = operation == lost && asked.fetch_add(1, Ordering::SeqCst) < answers;
            if is_lost { Fate::Unanswered } else { Fate::Answered }
        })
    }

    /// With a count of how often an operation was asked for.
    pub(crate) fn counting(lab: &Lab, counted: &'static str) -> (Self, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counts = count.clone();
        let front = move |operation: &'static str, _: &Name| {
            counts.fetch_add(usize::from(operation == counted), Ordering::SeqCst);
            Fate::Answered
        };
        (Self::new(&engine(lab), front), count)
    }

    /// Upgrades for as long as anybody has this engine.
    pub(crate) fn alive(&self) -> std::sync::Weak<Front> {
        Arc::downgrade(&self.front)
    }

    async fn pass<T>(
        &self,
        operation: &'static str,
        name: &Name,
        done: impl Future<Output = Result<T, EngineError>> + Send,
    ) -> Result<T, EngineError> {
        match (self.front)(operation, name) {
            Fate::Answered => done.await,
            Fate::Unanswered => {
                let _ = done.await;
                std::future::pending().await
            }
            Fate::Failed => Err(EngineError::new("it did not get there")),
        }
    }
}

impl Engine for Fronted {
    async fn join(&self, name: &Name, nonce: Nonce, lease: Duration) -> Result<Joined, EngineError> {
        self.pass("join", name, self.behind.join(name, nonce, lease)).await
    }

    async fn look(&self, name: &Name, token: Token) -> Result<Seen, EngineError> {
        self.pass("look", name, self.behind.look(name, token)).await
    }

    async fn renew(&self, lead: &Lead, lease: Duration) -> Result<Renewed, EngineError> {
        self.pass("renew", &lead.name, self.behind.renew(lead, lease)).await
    }

    async fn publish(&self, lead: &Lead, ending: &[u8], keep: Keep) -> Result<bool, EngineError> {
        self.pass("publish", &lead.name, self.behind.publish(lead, ending, keep)).await
    }

    async fn resign(&self, lead: &Lead) -> Result<bool, EngineError> {
        self.pass("resign", &lead.name, self.behind.resign(lead)).await
    }

    async fn cancel(&self, name: &Name, ending: &[u8], fetch: Duration) -> Result<bool, EngineError> {
        self.pass("cancel", name, self.behind.cancel(name, ending, fetch)).await
    }

    async fn forget(&self, name: &Name) -> Result<bool, EngineError> {
        self.pass("forget", name, self.behind.forget(name)).await
    }

    async fn tell(&self, name: &Name) -> Result<(), EngineError> {
        self.pass("tell", name, self.behind.tell(name)).await
    }

    fn changed(&self, name: &Name) -> impl Future<Output = ()> + Send + 'static {
        self.behind.changed(name)
    }
}
