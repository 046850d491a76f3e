//! The way to the engine: how long it may take, and what if it does not answer.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use coflight_core::Runtime;
use futures_lite::future;

use crate::engine::{Engine, EngineError, Name, Token};
use crate::envelope::{Envelope, Outcome};
use crate::health::Health;
use crate::leads::Leads;
use crate::watch::{ClusterEventKind, Watch};

/// Between two tries of an operation that failed.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// So many changes may change nothing, one upon another.
const CALM_AFTER: u32 = 4;
/// How close to the end of its time limit a flight is taken to have reached it.
const CLOSE: Duration = Duration::from_millis(2);

/// An engine, and how a group deals with it.
pub(crate) struct Link<En, R> {
    pub(crate) engine: En,
    pub(crate) runtime: R,
    pub(crate) lease: Duration,
    pub(crate) patience: Duration,
    pub(crate) on_outage: OnOutage,
    pub(crate) process: Arc<str>,
    pub(crate) health: Health,
    pub(crate) watch: Watch,
    /// The flights that this process leads.
    pub(crate) leads: Leads,
}

/// What a group does when the engine is not available.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), coflight::cluster::Error> {
/// use coflight::cluster::{Cluster, InProcess, OnOutage, Outage};
/// use coflight::Tokio;
///
/// let engine = InProcess::new();
/// let [carries_on, refuses]: [Cluster<String, u64, _, _>; 2] = [OnOutage::CarryOn, OnOutage::Refuse]
///     .map(|what| Cluster::builder("answers", engine.clone(), Tokio::current()).on_outage(what).build());
/// engine.set_outage(Outage::Refuses);
/// assert_eq!(carries_on.run("life", |_| async { 42 }).await?, 42);
/// assert!(refuses.run("life", |_| async { 42 }).await.is_err());
/// # Ok(())
/// # }
/// ```
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

    /// Ready after this time. `Err`: there is no time any more, because the runtime was shut down.
    pub(crate) async fn sleep(&self, duration: Duration) -> Result<(), EngineError> {
        contained(|| self.runtime.sleep(duration)).await
    }

    /// How long a process waits before it looks, although it was not told of a change; and how often a leader renews.
    pub(crate) fn beat(&self) -> Duration {
        self.lease / 3
    }

    pub(crate) fn tell(&self, kind: ClusterEventKind, name: &Name, token: Option<Token>) {
        self.watch.tell(kind, Some(name), token);
    }

    /// Asks the engine, for as long as there is patience; not if it is known to be down.
    pub(crate) async fn ask<T, Fut>(&self, operation: &'static str, call: impl Fn() -> Fut) -> Result<T, EngineError>
    where
        Fut: Future<Output = Result<T, EngineError>>,
    {
        self.health.admit(self.now(), self.patience)?;
        self.insist(operation, self.patience, call).await
    }

    /// Asks the engine for so long, even if it is known to be down: for those on whom others depend.
    pub(crate) async fn insist<T, Fut>(
        &self,
        operation: &'static str,
        limit: Duration,
        call: impl Fn() -> Fut,
    ) -> Result<T, EngineError>
    where
        Fut: Future<Output = Result<T, EngineError>>,
    {
        let answers = self.health.answers();
        let until = self.now().saturating_add(limit);
        let mut pause = FIRST_PAUSE;
        loop {
            // An answer that was lost is asked for again, while there is time.
            let attempt = until.saturating_sub(self.now()).min(self.patience.min(limit) / 2);
            let error = match self.ask_once(operation, attempt, &call).await {
                Ok(answer) => return Ok(answer),
                Err(error) if error.is_answer() => return Err(error),
                Err(error) => error,
            };
            if self.now().saturating_add(pause) >= until || self.sleep(pause).await.is_err() {
                self.failed(&error, answers);
                return Err(error);
            }
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    /// Asks once, also if the engine is known to be down.
    pub(crate) async fn ask_once<T, Fut>(
        &self,
        operation: &'static str,
        limit: Duration,
        call: impl Fn() -> Fut,
    ) -> Result<T, EngineError>
    where
        Fut: Future<Output = Result<T, EngineError>>,
    {
        let began = self.now();
        let late = async {
            self.sleep(limit).await?;
            Err(EngineError::new(format!("no answer within {limit:?}")))
        };
        let answer = future::or(call(), late).await;
        let now = self.now();
        self.watch.operation(operation, now.saturating_sub(began), answer.is_err());
        let answered = answer.as_ref().map_or_else(EngineError::is_answer, |_| true);
        if answered && self.health.answered() {
            self.watch.tell(ClusterEventKind::EngineUp, None, None);
        }
        answer
    }

    /// There was no answer, and there had been so many.
    fn failed(&self, error: &EngineError, answers: u64) {
        if self.health.failed(error.clone(), answers, self.now().saturating_add(self.patience)) {
            self.watch.tell(ClusterEventKind::EngineDown, None, None);
        }
    }

    /// Waits for a change, or for so long; whether there was a change. `Err`: there is no time any more.
    pub(crate) async fn change(
        &self,
        changed: impl Future<Output = ()>,
        at_most: Duration,
    ) -> Result<bool, EngineError> {
        let changed = async {
            changed.await;
            Ok(true)
        };
        let late = async { self.sleep(at_most).await.map(|()| false) };
        future::or(changed, late).await
    }

    /// After a wait that brought nothing new. If that happens again and again because of changes that change nothing, it takes a moment.
    pub(crate) async fn calm(&self, told: bool, in_a_row: &mut u32) -> Result<(), EngineError> {
        *in_a_row = if told { in_a_row.saturating_add(1) } else { 0 };
        if *in_a_row < CALM_AFTER {
            return Ok(());
        }
        self.sleep((self.lease / 300).clamp(Duration::from_millis(1), Duration::from_millis(10))).await
    }

    /// What is published when there is no value.
    pub(crate) fn ending(&self, outcome: Outcome<&[u8]>) -> Vec<u8> {
        Envelope { outcome, process: Arc::clone(&self.process), context: None }.to_bytes()
    }

    /// When something that begins now is over, if it has a limit.
    pub(crate) fn deadline(&self, timeout: Option<Duration>) -> Option<Duration> {
        timeout.map(|timeout| self.now().saturating_add(timeout))
    }

    /// Whether the time of a flight with this deadline is over, or as good as over.
    pub(crate) fn is_over(&self, deadline: Option<Duration>) -> bool {
        deadline.is_some_and(|deadline| self.now().saturating_add(CLOSE) >= deadline)
    }

    /// Something that nobody waits for.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }
}

/// A timer whose panics, such as those of a runtime that was shut down, are errors.
async fn contained<S: Future<Output = ()>>(make: impl FnOnce() -> S) -> Result<(), EngineError> {
    let dead = |_| EngineError::new("the runtime of the group has no timers any more: it was shut down");
    let mut sleep = Box::pin(catch_unwind(AssertUnwindSafe(make)).map_err(dead)?);
    let slept = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| sleep.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    });
    slept.await.map_err(dead)
}
