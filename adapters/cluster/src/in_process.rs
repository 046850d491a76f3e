//! An engine within one process, for tests.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use coflight_core::Clock;

use crate::changes::Changes;
use crate::engine::{Engine, EngineError, Joined, Keep, Lead, Name, Nonce, Renewed, Seen, Token};

/// An engine for tests: cluster groups that share one meet as if they were in different processes. It can be made to fail in the ways that a real one
/// does.
///
/// Clones share what is inside. It keeps the promises of [`Engine`] and passes the same [conformance suite](crate::conformance).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), coflight::cluster::Error> {
/// use coflight::cluster::{Cluster, InProcess};
/// use coflight::Tokio;
/// use futures_lite::future::{yield_now, zip};
///
/// let engine = InProcess::new();
/// let [a, b]: [Cluster<String, u64, _, _>; 2] =
///     std::array::from_fn(|_| Cluster::new("answers", engine.clone(), Tokio::current()));
/// let work = |_| async {
///     yield_now().await; // it takes a moment
///     42
/// };
/// let _ = zip(a.run("life", work), b.run("life", work)).await;
/// assert_eq!((a.cluster_stats().led, b.cluster_stats().led), (1, 0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct InProcess {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changes: Changes,
    now: Box<dyn Fn() -> Duration + Send + Sync>,
}

#[derive(Default)]
struct State {
    flights: HashMap<(Name, Token), Flight>,
    /// Which flight newcomers join, and until when that is remembered.
    current: HashMap<Name, (Token, Duration)>,
    outage: Option<Outage>,
    /// The last token that was given out, whatever is lost.
    last: u64,
    operations: u64,
}

struct Flight {
    nonce: Nonce,
    /// When somebody else last looked.
    looked: Option<Duration>,
    ending: Option<Arc<[u8]>>,
    lingers_until: Duration,
    expires: Duration,
}

/// How the engine fails, until it is told otherwise.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), coflight::cluster::Error> {
/// use coflight::cluster::{Cluster, InProcess, Outage};
/// use coflight::Tokio;
///
/// for (outage, works_alone) in [(Outage::Refuses, 1), (Outage::Silent, 1), (Outage::Mute, 0)] {
///     let engine = InProcess::new();
///     let answers: Cluster<String, u64, _, _> = Cluster::new("answers", engine.clone(), Tokio::current());
///     engine.set_outage(outage);
///     assert_eq!(answers.run("life", |_| async { 42 }).await?, 42);
///     assert_eq!(answers.cluster_stats().alone, works_alone);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outage {
    /// Each operation fails at once: a server that is not there.
    Refuses,
    /// No operation is ever answered: a network that swallows everything.
    Silent,
    /// Operations work, and nobody is told of a change: lost notifications.
    Mute,
}

impl InProcess {
    /// On the system's clock.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let engine = InProcess::new();
    /// let answers: Cluster<String, u64, _, _> = Cluster::new("answers", engine.clone(), Tokio::current());
    /// assert_eq!(answers.run("life", |_| async { 42 }).await?, 42);
    /// assert_eq!(engine.operations(), 2);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new() -> Self {
        let origin = Instant::now();
        Self::on(move || origin.elapsed())
    }

    /// On a runtime's clock, so that leases stand still while its time is paused.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// tokio::time::pause();
    /// let engine = InProcess::with_clock(Tokio::current());
    /// let answers: Cluster<String, u64, _, _> =
    ///     Cluster::builder("answers", engine.clone(), Tokio::current()).linger(Duration::from_secs(3600)).build();
    /// answers.run("life", |_| async { 41 }).await?;
    /// tokio::time::advance(Duration::from_secs(3600)).await; // takes no time
    /// assert_eq!(answers.run("life", |_| async { 42 }).await?, 42);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_clock(clock: impl Clock + Send + Sync + 'static) -> Self {
        Self::on(move || clock.now())
    }

    fn on(now: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        let shared = Shared { state: Mutex::default(), changes: Changes::new(), now: Box::new(now) };
        Self { shared: Arc::new(shared) }
    }

    /// From now on, fails like this; `None`: works again.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess, Outage};
    /// use coflight::Tokio;
    ///
    /// let engine = InProcess::new();
    /// let answers: Cluster<String, u64, _, _> = Cluster::new("answers", engine.clone(), Tokio::current());
    /// engine.set_outage(Outage::Refuses);
    /// assert_eq!(answers.run("life", |_| async { 42 }).await?, 42); // without the engine
    ///
    /// engine.set_outage(None);
    /// tokio::time::advance(Duration::from_millis(500)).await; // the group's patience
    /// answers.run("life", |_| async { 42 }).await?;
    /// let stats = answers.cluster_stats();
    /// assert_eq!((stats.engine_down, stats.engine_up, stats.led), (1, 1, 1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_outage(&self, outage: impl Into<Option<Outage>>) {
        self.state().outage = outage.into();
    }

    /// Everything is lost, as when a server without persistence starts anew. Nobody is told.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let engine = InProcess::new();
    /// let answers: Cluster<String, u64, _, _> =
    ///     Cluster::builder("answers", engine.clone(), Tokio::current()).linger(Duration::from_secs(60)).build();
    /// answers.run("life", |_| async { 41 }).await?;
    /// engine.flush();
    /// assert_eq!(answers.run("life", |_| async { 42 }).await?, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn flush(&self) {
        let mut state = self.state();
        state.flights.clear();
        state.current.clear();
    }

    /// Flights, results and names that are kept at this moment: what newcomers can join, or are served, counts as two, because its name is kept beside it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let engine = InProcess::new();
    /// let answers: Cluster<String, u64, _, _> =
    ///     Cluster::builder("answers", engine.clone(), Tokio::current()).linger(Duration::from_secs(60)).build();
    /// answers.run("life", |_| async { 42 }).await?;
    /// assert_eq!(engine.len(), 2); // a result that lingers, and the name by which newcomers find it
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        let state = self.state();
        state.flights.len() + state.current.len()
    }

    /// Whether nothing is kept.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let engine = InProcess::with_clock(Tokio::current());
    /// let answers: Cluster<String, u64, _, _> =
    ///     Cluster::builder("answers", engine.clone(), Tokio::current()).lease(Duration::from_secs(2)).build();
    /// answers.run("life", |_| async { 42 }).await?;
    /// assert!(!engine.is_empty()); // others may be about to fetch it
    /// tokio::time::advance(Duration::from_secs(2)).await;
    /// assert!(engine.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Operations so far, each of which would have been a round trip.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let engine = InProcess::new();
    /// let answers: Cluster<String, u64, _, _> =
    ///     Cluster::builder("answers", engine.clone(), Tokio::current()).linger(Duration::from_secs(60)).build();
    /// answers.run("life", |_| async { 42 }).await?;
    /// assert_eq!(engine.operations(), 2); // one to lead, one to publish
    /// answers.run("life", |_| async { unreachable!("it lingers") }).await?;
    /// assert_eq!(engine.operations(), 3);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// What is there, after what has expired is gone.
    fn state(&self) -> MutexGuard<'_, State> {
        let now = (self.shared.now)();
        let mut state = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.flights.retain(|_, flight| flight.expires > now);
        state.current.retain(|_, (_, until)| *until > now);
        state
    }

    /// One step.
    async fn step<T>(&self, step: impl FnOnce(&mut State, Duration) -> T + Send) -> Result<T, EngineError> {
        {
            let mut state = self.state();
            state.operations += 1;
            match state.outage {
                Some(Outage::Refuses) => return Err(EngineError::new("the in-process engine was told to refuse")),
                None | Some(Outage::Mute) => return Ok(step(&mut state, (self.shared.now)())),
                Some(Outage::Silent) => {}
            }
        }
        std::future::pending().await
    }

    /// If something happened.
    fn ring(&self, name: &Name, happened: bool) {
        if happened && self.state().outage.is_none() {
            self.shared.changes.ring(name.as_str());
        }
    }
}

impl State {
    /// The flight that newcomers would join or be served, if there is one.
    fn current(&mut self, name: &Name, now: Duration) -> Option<(Token, &mut Flight)> {
        let (token, _) = *self.current.get(name)?;
        let flight = self.flights.get_mut(&(name.clone(), token))?;
        (flight.ending.is_none() || flight.lingers_until > now).then_some((token, flight))
    }

    fn is_current(&self, name: &Name, token: Token) -> bool {
        self.current.get(name).is_some_and(|(current, _)| *current == token)
    }

    /// The flight of a leader.
    fn led(&mut self, lead: &Lead) -> Option<&mut Flight> {
        self.flights.get_mut(&(lead.name.clone(), lead.token)).filter(|flight| flight.nonce == lead.nonce)
    }

    /// Keeps the flight, and its name if newcomers find it by that, until a moment.
    fn keep(&mut self, name: &Name, token: Token, until: Duration) {
        if let Some(flight) = self.flights.get_mut(&(name.clone(), token)) {
            flight.expires = until;
        }
        if let Some((current, expires)) = self.current.get_mut(name) {
            if *current == token {
                *expires = until;
            }
        }
    }
}

impl Engine for InProcess {
    async fn join(&self, name: &Name, nonce: Nonce, lease: Duration) -> Result<Joined, EngineError> {
        self.step(|state, now| {
            if let Some((token, flight)) = state.current(name, now) {
                return match &flight.ending {
                    Some(ending) => Joined::Lingers(token, Arc::clone(ending)),
                    None if flight.nonce == nonce => Joined::Leads(token),
                    None => {
                        flight.looked = Some(now);
                        Joined::Follows(token)
                    }
                };
            }
            let last = state.current.get(name).map_or(0, |(token, _)| token.0).max(state.last);
            let micros = u64::try_from(now.as_micros()).unwrap_or(u64::MAX);
            let token = Token(micros.max(last.saturating_add(1)));
            state.last = token.0;
            let flight = Flight {
                nonce,
                looked: None,
                ending: None,
                lingers_until: Duration::ZERO,
                expires: now.saturating_add(lease),
            };
            state.flights.insert((name.clone(), token), flight);
            state.current.insert(name.clone(), (token, now.saturating_add(lease)));
            Joined::Leads(token)
        })
        .await
    }

    async fn look(&self, name: &Name, token: Token) -> Result<Seen, EngineError> {
        self.step(|state, now| {
            let forgotten = !state.is_current(name, token);
            match state.flights.get_mut(&(name.clone(), token)) {
                None => Seen::Gone,
                Some(Flight { ending: Some(ending), .. }) => Seen::Ended(Arc::clone(ending)),
                Some(flight) => {
                    flight.looked = Some(now);
                    Seen::Flies { forgotten }
                }
            }
        })
        .await
    }

    async fn renew(&self, lead: &Lead, lease: Duration) -> Result<Renewed, EngineError> {
        self.step(|state, now| {
            let forgotten = !state.is_current(&lead.name, lead.token);
            match state.led(lead) {
                None => Renewed::Lost { succeeded: state.current(&lead.name, now).is_some() },
                Some(Flight { ending: Some(ending), .. }) => Renewed::Ended(Arc::clone(ending)),
                Some(flight) => {
                    let followed = flight.looked.map(|looked| now.saturating_sub(looked));
                    state.keep(&lead.name, lead.token, now.saturating_add(lease));
                    Renewed::Held { followed, forgotten }
                }
            }
        })
        .await
    }

    async fn publish(&self, lead: &Lead, ending: &[u8], keep: Keep) -> Result<bool, EngineError> {
        let (published, is_news) = self
            .step(|state, now| {
                let Some(flight) = state.led(lead) else { return (false, false) };
                if let Some(published) = &flight.ending {
                    return (**published == *ending, false);
                }
                flight.ending = Some(ending.into());
                flight.lingers_until = now.saturating_add(keep.linger);
                state.keep(&lead.name, lead.token, now.saturating_add(keep.longest()));
                (true, true)
            })
            .await?;
        self.ring(&lead.name, is_news);
        Ok(published)
    }

    async fn resign(&self, lead: &Lead) -> Result<bool, EngineError> {
        let (resigned, ended) = self
            .step(|state, _| {
                let Some(flight) = state.led(lead) else { return (false, false) };
                let ended = flight.ending.is_some();
                if !ended {
                    state.flights.remove(&(lead.name.clone(), lead.token));
                }
                (!ended, ended)
            })
            .await?;
        self.ring(&lead.name, resigned);
        Ok(ended)
    }

    async fn cancel(&self, name: &Name, ending: &[u8], fetch: Duration) -> Result<bool, EngineError> {
        let cancelled = self
            .step(|state, now| {
                let Some((token, flight)) = state.current(name, now) else { return false };
                flight.lingers_until = now;
                if flight.ending.is_none() {
                    flight.ending = Some(ending.into());
                    state.keep(name, token, now.saturating_add(fetch));
                }
                true
            })
            .await?;
        self.ring(name, cancelled);
        Ok(cancelled)
    }

    async fn forget(&self, name: &Name) -> Result<bool, EngineError> {
        let forgotten = self
            .step(|state, now| {
                if state.current(name, now).is_none() {
                    return false;
                }
                // A number that no flight has or will have, so that tokens go on growing.
                if let Some((current, _)) = state.current.get_mut(name) {
                    current.0 = current.0.saturating_add(1);
                }
                true
            })
            .await?;
        self.ring(name, forgotten);
        Ok(forgotten)
    }

    async fn tell(&self, name: &Name) -> Result<(), EngineError> {
        self.step(|_, _| ()).await?;
        self.ring(name, true);
        Ok(())
    }

    fn changed(&self, name: &Name) -> impl Future<Output = ()> + Send + 'static {
        self.shared.changes.listen(name)
    }
}

impl Default for InProcess {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").field("kept", &self.len()).finish_non_exhaustive()
    }
}
