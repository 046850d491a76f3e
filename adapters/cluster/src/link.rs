//! The way to the engine: how long it may take, and what if it does not answer.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use coflight_core::Runtime;
use futures_lite::future;

use crate::engine::{Engine, EngineError, Name, Token};
use crate::health::Health;
use crate::watch::{ClusterEventKind, Watch};

/// Between two tries of an operation that failed.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// An engine, and how a group deals with it.
pub(crate) struct Link<En, R> {
    pub(crate) engine: En,
    pub(crate) runtime: R,
    pub(crate) lease: Duration,
    pub(crate) patience: Duration,
    pub(crate) outage: OnOutage,
    pub(crate) process: Arc<str>,
    pub(crate) health: Health,
    pub(crate) watch: Watch,
}

/// What a group does when the engine is not available.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum OnOutage {
    /// Every process works for itself, until the engine is back: one execution for a key in each process.
    #[default]
    CarryOn,
    /// Callers get [`Error::Unavailable`](crate::Error::Unavailable), and a work whose lease cannot be renewed is dropped.
    Refuse,
}

impl<En: Engine, R: Runtime> Link<En, R> {
    pub(crate) fn now(&self) -> Duration {
        self.runtime.now()
    }

    pub(crate) fn sleep(&self, duration: Duration) -> R::Sleep {
        self.runtime.sleep(duration)
    }

    /// How long a process waits before it looks, although it was not told of a change; and how often a leader renews.
    pub(crate) fn beat(&self) -> Duration {
        self.lease / 3
    }

    pub(crate) fn tell(&self, kind: ClusterEventKind, name: &Name, token: Option<Token>) {
        self.watch.tell(kind, Some(name), token);
    }

    /// Asks the engine until it answers, for as long as there is patience.
    pub(crate) async fn ask<T, Fut>(&self, operation: &'static str, call: impl Fn() -> Fut) -> Result<T, EngineError>
    where
        Fut: Future<Output = Result<T, EngineError>>,
    {
        let began = self.now();
        self.health.admit(began, self.patience)?;
        let until = began.saturating_add(self.patience);
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.ask_once(operation, until, &call).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let now = self.now();
            if now.saturating_add(pause) >= until {
                self.is_down(&error, now);
                return Err(error);
            }
            self.sleep(pause).await;
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    /// Asks once, also if the engine is known to be down.
    pub(crate) async fn ask_once<T, Fut>(
        &self,
        operation: &'static str,
        until: Duration,
        call: impl Fn() -> Fut,
    ) -> Result<T, EngineError>
    where
        Fut: Future<Output = Result<T, EngineError>>,
    {
        let began = self.now();
        let limit = self.within(until.saturating_sub(began));
        let answer = future::or(call(), limit).await;
        self.watch.operation(operation, self.now().saturating_sub(began), answer.is_err());
        if answer.is_ok() && self.health.up() {
            self.watch.tell(ClusterEventKind::EngineUp, None, None);
        }
        answer
    }

    pub(crate) fn is_down(&self, error: &EngineError, now: Duration) {
        if self.health.down(error.clone(), now.saturating_add(self.patience)) {
            self.watch.tell(ClusterEventKind::EngineDown, None, None);
        }
    }

    async fn within<T>(&self, limit: Duration) -> Result<T, EngineError> {
        self.sleep(limit).await;
        Err(EngineError::new(format!("no answer within {limit:?}")))
    }

    /// Something that nobody waits for.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }
}

