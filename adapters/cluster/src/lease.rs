//! A lease, as the work sees it, and as those who keep it see it.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event_listener::{Event, EventListener};

use crate::engine::{EngineError, Token};

/// What the work gets: its fencing token, and whether its lease is still held. Clones are the same lease.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), coflight::cluster::Error> {
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use coflight::cluster::{Cluster, InProcess};
/// use coflight::Tokio;
///
/// let fence = AtomicU64::new(0); // where the report is kept
/// let reports: Cluster<u64, bool, _, _> = Cluster::new("reports", InProcess::new(), Tokio::current());
/// let written = reports.run(&7, async |lease| {
///     let Some(token) = lease.token() else { return false }; // nothing keeps two processes apart
///     // No write of an execution that came after this one is there.
///     fence.fetch_max(token.0, Ordering::SeqCst) <= token.0
/// });
/// assert!(written.await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Lease(Option<(Token, Arc<Keeping>)>);

impl Lease {
    pub(crate) fn held(token: Token, keeping: &Arc<Keeping>) -> Self {
        Self(Some((token, Arc::clone(keeping))))
    }

    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// The fencing token of this execution: greater than that of every earlier execution for the key, wherever it ran. `None`: there is no lease,
    /// because the engine was not available, or a result of another process could not be used.
    ///
    /// Pass it along to what the work writes to, and have that refuse a smaller one than it has seen.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let tokens: Cluster<String, Option<u64>, _, _> = Cluster::new("tokens", InProcess::new(), Tokio::current());
    /// let first = tokens.run("a key", |lease| async move { lease.token().map(|token| token.0) }).await?;
    /// let second = tokens.run("a key", |lease| async move { lease.token().map(|token| token.0) }).await?;
    /// assert!(first.is_some() && second > first);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        self.0.as_ref().map(|(token, _)| *token)
    }

    /// Whether the lease is held, as far as this process knows. It may have been lost without its knowledge: that is what the token is for.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let pages: Cluster<String, Vec<u32>, _, _> = Cluster::new("pages", InProcess::new(), Tokio::current());
    /// let all = pages.run("book", |lease| async move {
    ///     // There is no use in going on for nobody.
    ///     (1..=3).take_while(|_| lease.is_held()).collect()
    /// });
    /// assert_eq!(all.await?, [1, 2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.0.as_ref().is_some_and(|(_, keeping)| matches!(keeping.state().status, Status::Held))
    }

    /// Ready when the lease is lost, or if there is none. For a work that would rather stop early; if another process took over, it is dropped
    /// anyway.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess, Outage};
    /// use coflight::Tokio;
    /// use futures_lite::future;
    ///
    /// let engine = InProcess::new();
    /// let answers: Cluster<String, Option<u64>, _, _> = Cluster::new("answers", engine.clone(), Tokio::current());
    /// let answer = answers.run("life", |lease| async move {
    ///     engine.set_outage(Outage::Silent); // so that nobody can renew the lease
    ///     let work = std::future::pending();
    ///     let lost = async {
    ///         lease.lost().await;
    ///         None // there is no use in going on
    ///     };
    ///     future::or(work, lost).await
    /// });
    /// assert_eq!(answer.await?, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost by dropping the future.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + 'static {
        let lease = self.clone();
        async move {
            if let Some((_, keeping)) = &lease.0 {
                keeping.until(|status| !matches!(status, Status::Held)).await;
            }
        }
    }

    /// Ready when somebody else ended the flight; never, if there is no lease.
    pub(crate) async fn ended(&self) {
        match &self.0 {
            Some((_, keeping)) => keeping.until(|status| matches!(status, Status::Ended(_))).await,
            None => std::future::pending().await,
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("token", &self.token()).field("held", &self.is_held()).finish()
    }
}

/// What the work, and the task that renews its lease, know of it.
pub(crate) struct Keeping {
    state: Mutex<State>,
    /// For who drives the work.
    changed: Event,
    /// For who renews the lease.
    wake: Event,
}

pub(crate) struct State {
    pub(crate) status: Status,
    /// After this moment the lease may be somebody else's.
    pub(crate) valid_until: Duration,
    /// The work is being polled at this moment, so it is not stuck, however long that takes.
    polling: bool,
    /// Since when whoever drives the work was asked to show that it is driven.
    asked: Option<Duration>,
    /// Nothing more is to be done for this lease.
    finished: bool,
    /// It is to be renewed now.
    wanted: bool,
    /// The work is done, and its result on the way.
    publishing: bool,
    /// The callers of its own process have left.
    carried_on: bool,
    /// When the engine last answered, and whether somebody elsewhere waited by then.
    pub(crate) followed: Option<Followed>,
}

#[derive(Clone, Copy)]
pub(crate) struct Followed {
    pub(crate) by: bool,
    pub(crate) at: Duration,
}

#[derive(Clone)]
pub(crate) enum Status {
    Held,
    /// It is being given up, because nobody drives the work.
    Resigning,
    /// Given up, but the work goes on for this process.
    Unleased,
    /// Somebody else may lead.
    Lost,
    /// Nobody knows: the engine did not answer for as long as the lease lasts.
    CutOff(EngineError),
    /// The flight was ended by somebody else.
    Ended(Arc<[u8]>),
}

/// Whether the work may be polled.
pub(crate) enum Turn {
    Work,
    /// Not before it is known whether the lease is still held.
    Wait,
    Stop(Status),
}

impl Keeping {
    pub(crate) fn new(valid_until: Duration) -> Arc<Self> {
        let state = State {
            status: Status::Held,
            valid_until,
            polling: false,
            asked: None,
            finished: false,
            wanted: false,
            publishing: false,
            carried_on: false,
            followed: None,
        };
        Arc::new(Self { state: Mutex::new(state), changed: Event::new(), wake: Event::new() })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn until(&self, reached: impl Fn(&Status) -> bool) {
        loop {
            let changed = self.listen();
            if reached(&self.state().status) {
                return;
            }
            changed.await;
        }
    }

    /// For who drives the work: something is new.
    pub(crate) fn listen(&self) -> EventListener {
        self.changed.listen()
    }

    /// For who renews: something is to be done.
    pub(crate) fn listen_wake(&self) -> EventListener {
        self.wake.listen()
    }

    /// Renew now.
    pub(crate) fn wake(&self) {
        self.state().wanted = true;
        self.wake.notify(usize::MAX);
    }

    /// Before the work is polled.
    pub(crate) fn begin_poll(&self, now: Duration) -> Turn {
        let mut state = self.state();
        state.asked = None;
        match &state.status {
            Status::Held if now >= state.valid_until => Turn::Wait,
            Status::Resigning => Turn::Wait,
            Status::Held | Status::Unleased => {
                state.polling = true;
                Turn::Work
            }
            stopped => Turn::Stop(stopped.clone()),
        }
    }

    /// After it.
    pub(crate) fn end_poll(&self) {
        self.state().polling = false;
    }

    /// Whoever holds the lease does not poll, and is taken to be at it until the end.
    pub(crate) fn never_idle(&self) {
        self.state().polling = true;
    }

    /// The work is done, and its result on the way.
    pub(crate) fn publishing(&self) {
        self.state().publishing = true;
    }

    /// The work goes on, though its callers left.
    pub(crate) fn carry_on(&self) {
        self.state().carried_on = true;
    }

    pub(crate) fn is_carried_on(&self) -> bool {
        self.state().carried_on
    }

    pub(crate) fn is_publishing(&self) -> bool {
        self.state().publishing
    }

    /// The lease is held.
    pub(crate) fn renewed(&self, valid_until: Duration, followed: Followed) {
        let mut state = self.state();
        state.valid_until = valid_until;
        state.followed = Some(followed);
        drop(state);
        self.changed.notify(usize::MAX);
    }

    /// The lease is not held any more, if it was.
    pub(crate) fn set(&self, status: Status) {
        let mut state = self.state();
        if matches!(state.status, Status::Held | Status::Resigning) {
            state.status = status;
        }
        drop(state);
        self.changed.notify(usize::MAX);
    }

    /// A lease is held again, as if nothing had been.
    pub(crate) fn held(&self, valid_until: Duration) {
        let mut state = self.state();
        (state.valid_until, state.asked, state.followed) = (valid_until, None, None);
        let was = std::mem::replace(&mut state.status, Status::Held);
        drop(state);
        drop(was);
    }

    /// Whether it is to be renewed without waiting for a beat. Asked after [listening](Self::listen_wake).
    pub(crate) fn is_wanted(&self) -> bool {
        self.state().wanted
    }

    /// It is about to be renewed.
    pub(crate) fn clear_wanted(&self) {
        self.state().wanted = false;
    }

    /// The work goes on without a lease.
    pub(crate) fn unlease(&self) {
        let was = std::mem::replace(&mut self.state().status, Status::Unleased);
        drop(was);
    }

    /// Whether the work is driven. It is asked to show that; if it did not for `grace`, it is not polled again before its lease is given up.
    pub(crate) fn is_driven(&self, now: Duration, grace: Duration) -> bool {
        let mut state = self.state();
        match state.asked {
            _ if state.polling || !matches!(state.status, Status::Held) => return true,
            Some(asked) if now.saturating_sub(asked) >= grace => {
                state.status = Status::Resigning;
                return false;
            }
            Some(_) => {}
            None => state.asked = Some(now),
        }
        drop(state);
        self.changed.notify(usize::MAX);
        true
    }

    pub(crate) fn finish(&self) {
        self.state().finished = true;
        self.wake();
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.state().finished
    }
}
