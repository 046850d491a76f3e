//! The table of flights in progress, as its users hold it.

use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::hash::BuildHasher;

use crate::accounts::Accounts;
use crate::builder::Builder;
use crate::call::Call;
use crate::config::{Config, Configured};
use crate::enter::Entry;
#[cfg(feature = "std")]
use crate::error::Error;
use crate::error::SharedError;
#[cfg(feature = "std")]
use crate::error::TryError;
use crate::flight::FlightRef;
use crate::hash::DefaultHashBuilder;
use crate::key::AsKey;
use crate::registry::Registration;
use crate::relay::Relay;
use crate::run::Run;
use crate::runtime::{NoRuntime, Spawn};
use crate::snapshot::InFlight;
use crate::spawn::Spawned;
use crate::stats::Stats;
use crate::sync::Arc;
use crate::table::Table;
use crate::try_twin::Try;
use crate::work::{Fallible, SharedErr};

/// The flights in progress, by key: whoever asks for a key while its work is running gets that work's result.
///
/// A group stores nothing at rest: an entry lives exactly as long as its flight. Cloning gives another handle to the same group. All
/// verbs work on the same table, so a caller of one joins a flight that another started, from any runtime or thread.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use coflight::Group;
///
/// let flights: Group<String, usize> = Group::new();
/// let length = flights.run("a key", || async { "a key".len() }).await;
/// assert_eq!(length, Ok(5));
/// assert!(flights.is_empty());
/// # });
/// ```
///
/// | parameter | is | default |
/// |---|---|---|
/// | `K` | the key, owned | |
/// | `V` | what the work produces; followers get clones | |
/// | `R` | the runtime, for [`spawn`](Self::spawn) | none |
/// | `S` | the hasher | [`DefaultHashBuilder`] |
#[doc(alias("singleflight", "coalesce", "dedupe", "thundering herd", "stampede", "request collapsing"))]
pub struct Group<K, V, R = NoRuntime, S = DefaultHashBuilder> {
    pub(crate) inner: Arc<Inner<K, V, R, S>>,
}

pub(crate) struct Inner<K, V, R, S> {
    /// Dropped first: what lingers is taken out of the table.
    pub(crate) config: Configured<K, V>,
    pub(crate) table: Table<K, V>,
    pub(crate) hasher: S,
    pub(crate) runtime: R,
    pub(crate) detach: bool,
    pub(crate) accounts: Arc<Accounts<K, V>>,
    /// Where it is listed by its name, if it has one.
    pub(crate) _listed: Option<Registration>,
}

/// A group whose work can fail: `T` on success, `E` as it is, shared, on failure. For the `try_` verbs.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use coflight::TryGroup;
///
/// let flights: TryGroup<String, u16, std::num::ParseIntError> = TryGroup::new();
/// let port = flights.try_run("8080", || async { "8080".parse() }).await?;
/// assert_eq!(port, 8080);
/// # Ok::<(), coflight::TryError<_>>(()) }).unwrap();
/// ```
pub type TryGroup<K, T, E, R = NoRuntime, S = DefaultHashBuilder> = Group<K, Result<T, SharedError<E>>, R, S>;

impl<K, V> Group<K, V> {
    /// A group without a runtime: every verb but [`spawn`](Self::spawn) works, everywhere.
    ///
    /// ```
    /// use coflight::Group;
    ///
    /// let flights: Group<String, u64> = Group::new();
    /// let same = flights.clone(); // another handle, for another task
    ///
    /// let _leader = flights.enter("Lisbon");
    /// assert!(same.contains("Lisbon"));
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Everything that can be chosen. Called without the runtime and the hasher, `Group::builder()`, which are among it.
    ///
    /// ```
    /// use coflight::{Group, registry};
    ///
    /// let distances: Group<String, u64> = Group::builder().name("distances").max_flights(1_000).build();
    ///
    /// let _leader = distances.enter("Lisbon");
    /// let overview = registry::overview();
    /// assert_eq!(overview.get("distances").unwrap().in_flight.len(), 1);
    /// ```
    pub fn builder() -> Builder<K, V> {
        Builder::new()
    }
}

impl<K, V, R> Group<K, V, R> {
    /// A group with a runtime and the defaults for the rest; short for `Group::builder().runtime(runtime).build()`.
    ///
    /// ```
    /// # coflight::block_on(async {
    /// use coflight::{Group, Tokio};
    ///
    /// let flights: Group<String, u64, Tokio> = Group::with_runtime(Tokio::current());
    /// assert_eq!(flights.spawn("answer", || async { 42 }).await?, 42);
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn with_runtime(runtime: R) -> Self {
        Builder::new().runtime(runtime).build()
    }
}

/// The verbs. [`run`](Self::run), [`relay`](Self::relay) and [`spawn`](Self::spawn) return futures that do nothing until they are polled; `run_blocking` and
/// [`enter`](Self::enter) act at once.
impl<K, V, R, S: BuildHasher> Group<K, V, R, S> {
    /// Leads or follows: if nobody runs the work for `key`, this caller runs `work`, in place; else it waits for the flight's result.
    ///
    /// The work is this caller's own future. It may borrow, need not be `Send`, and is not boxed. A follower's `work` is never
    /// called, unless it takes over. `work` is a closure that returns a future: `|| async { … }`, or a function's name.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::Group;
    ///
    /// let flights: Group<u64, String> = Group::new();
    /// let greeting = String::from("hello");
    /// let (a, b) = futures_lite::future::zip(
    ///     flights.run(&42, || async {
    ///         futures_lite::future::yield_now().await; // it takes a moment
    ///         greeting.clone()
    ///     }),
    ///     flights.run(&42, || async { unreachable!("a follower's work is never called") }),
    /// )
    /// .await;
    /// assert_eq!((a, b), (Ok(String::from("hello")), Ok(String::from("hello"))));
    /// # });
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the flight. If it led, its work is dropped, and one follower (the first that is polled), or a newcomer,
    /// starts **its own** work; nobody else notices. If nobody is left, the key is free.
    ///
    /// A leader that is alive but not polled (it lost a `select!` and was kept, it sits in a buffer) stalls its flight: its work is nobody else's to run. Use
    /// [`relay`](Self::relay) or [`spawn`](Self::spawn) where that can happen.
    ///
    /// # Errors
    ///
    /// [`Error::Panicked`](crate::Error::Panicked) to followers of a work that panicked, [`Error::Cancelled`](crate::Error::Cancelled) after
    /// [`cancel`](Self::cancel), and [`Error::Circular`](crate::Error::Circular) to a caller whose waiting would never end. Where there are limits,
    /// [`Error::TimedOut`](crate::Error::TimedOut), [`Error::WaitTimedOut`](crate::Error::WaitTimedOut) and [`Error::Full`](crate::Error::Full).
    ///
    /// # Panics
    ///
    /// With the work's own panic, if this caller ran it.
    // What it is called in Go, and by other crates.
    #[doc(alias("Do", "work", "get_with", "singleflight", "coalesce"))]
    pub fn run<'g, 'k, Q, F, Fut>(&'g self, key: &'k Q, work: F) -> Run<'g, 'k, K, V, R, S, Q, F, Fut>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = V>,
        V: Clone,
    {
        self.call().run(key, work)
    }

    /// Like [`run`](Self::run), but any caller can go on with the one work: it is boxed, lies in the flight, and is polled by whichever caller is
    /// polled when it can make progress.
    ///
    /// A leader that leaves, or is never polled again, costs nothing: another caller **continues the same** future.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::Group;
    /// use futures_lite::future::{poll_once, yield_now};
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let mut leader = Box::pin(flights.relay(&6, || async {
    ///     yield_now().await; // it takes a moment
    ///     6 * 7
    /// }));
    /// assert_eq!(poll_once(&mut leader).await, None);
    ///
    /// // The leader is still there, but busy elsewhere: whoever is polled goes on with its work.
    /// assert_eq!(flights.relay(&6, || async { unreachable!("one was begun") }).await, Ok(42));
    /// # });
    /// ```
    ///
    /// # Guarantee and cost
    ///
    /// As long as one caller is polled when woken, the work goes on. Nobody can know which caller that will be, so each time the work is woken
    /// every caller is woken, and the first to be polled runs it: with *n* callers a wake costs *n* polls, all but one of them
    /// short. Where work wakes often and callers are many, [`spawn`](Self::spawn) costs one poll a wake.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the flight. The work is dropped when the last caller leaves.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// With the work's own panic, if this caller started it, or is polling it when the one who started it has left.
    pub fn relay<'g, 'k, Q, F, Fut>(&'g self, key: &'k Q, work: F) -> Relay<'g, 'k, K, V, R, S, Q, F>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = V> + Send + 'static,
        K: Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
    {
        self.call().relay(key, work)
    }

    /// Like [`run`](Self::run), but the work runs as a task of the group's runtime, so that no caller's leaving, or not being polled, ever
    /// touches it.
    ///
    /// When the last caller leaves, the work is dropped, unless the group or the call says
    /// [`detach`](crate::Builder::detach).
    ///
    /// If the runtime drops the task (it was shut down): before the task ever ran, the callers run the work themselves, as in
    /// [`relay`](Self::relay); after, a follower takes over with its own work and this caller gets [`Error::Shutdown`](crate::Error::Shutdown), or, if that
    /// work is finished before this caller is polled, its result.
    ///
    /// ```
    /// # coflight::block_on(async {
    /// use coflight::{Group, Tokio};
    /// use futures_lite::future::{poll_once, yield_now};
    ///
    /// let flights: Group<u64, u64, Tokio> = Group::with_runtime(Tokio::current());
    /// let work = || async {
    ///     yield_now().await; // it takes a moment
    ///     6 * 7
    /// };
    /// let (mut leader, mut follower) = (Box::pin(flights.spawn(&6, work)), Box::pin(flights.spawn(&6, work)));
    /// assert_eq!((poll_once(&mut leader).await, poll_once(&mut follower).await), (None, None));
    ///
    /// drop(leader); // its client hung up
    /// assert_eq!(follower.await?, 42);
    /// assert_eq!(flights.stats().handovers, 0); // the task went on
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the flight. The work is dropped when the last caller leaves.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and [`Error::Shutdown`](crate::Error::Shutdown).
    ///
    /// # Panics
    ///
    /// With the work's own panic, if this caller started it.
    pub fn spawn<'g, 'k, Q, F, Fut>(&'g self, key: &'k Q, work: F) -> Spawned<'g, 'k, K, V, R, S, Q, F>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = V> + Send + 'static,
        K: Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
        R: Spawn + Send + Sync + 'static,
        S: Send + Sync + 'static,
    {
        self.call().spawn(key, work)
    }

    /// Like [`run`](Self::run), for a thread: leads by calling `work` here and now, or blocks until the flight it joined has ended.
    ///
    /// Threads and tasks share flights. A thread that waits behind a [`relay`](Self::relay) helps to run it, and one that follows a leader who
    /// leaves takes over.
    ///
    /// ```
    /// use std::thread;
    /// use coflight::Group;
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let ask = || {
    ///     flights.run_blocking(&6, || {
    ///         while flights.stats().waiting == 0 {
    ///             thread::yield_now(); // here it takes until somebody else asks
    ///         }
    ///         6 * 7
    ///     })
    /// };
    /// let answers = thread::scope(|scope| [scope.spawn(ask), scope.spawn(ask)].map(|caller| caller.join().unwrap()));
    /// assert_eq!(answers, [Ok(42), Ok(42)]);
    /// assert_eq!(flights.stats().led, 1);
    /// ```
    ///
    /// # Blocking
    ///
    /// Blocks the thread. Never call it from a task of an async runtime: it would hold up that runtime's other tasks, perhaps the very
    /// one that it waits for.
    ///
    /// A closure cannot be stopped: [`cancel`](Self::cancel) answers everyone aboard at once, but newcomers wait until the closure has returned, because
    /// two works for one key never run at a time. Use [`forget`](Self::forget) to let them start regardless.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// With the work's own panic, if this caller ran it.
    #[cfg(feature = "std")]
    pub fn run_blocking<Q, F>(&self, key: &Q, work: F) -> Result<V, Error>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> V,
        V: Clone,
    {
        self.call().run_blocking(key, work)
    }

    /// The primitive below all verbs: become the leader for `key`, or follow the one there is. For those who decide themselves where the work
    /// runs.
    ///
    /// Unlike the verbs that return futures it acts at once: before this returns a leader leads, and a follower is aboard, unless it was refused or has to wait for
    /// the key (see [`Follower::key`](crate::Follower::key)). A task that holds a leader and asks for the same key waits for itself, for ever, unless it does so
    /// [within](crate::Leader::within) it.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Entry, Group, Turn};
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let answer = match flights.enter(&6) {
    ///     Entry::Leader(leader) => leader.complete(6 * 7)?,
    ///     Entry::Follower(follower) => match follower.await? {
    ///         Turn::Value(value) => value,
    ///         Turn::Leader(leader) => leader.complete(6 * 7)?,
    ///     },
    /// };
    /// assert_eq!(answer, 42);
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the [`Leader`](crate::Leader), or the [`Follower`](crate::Follower), leaves the flight.
    ///
    /// # Errors
    ///
    /// None from `enter` itself. A call that is refused is a follower, whose future is ready at once, with the error.
    pub fn enter<'g, 'k, Q>(&'g self, key: &'k Q) -> Entry<'g, 'k, K, V, R, S, Q>
    where
        Q: ?Sized + AsKey<K>,
        V: Clone,
    {
        Entry::new(self, key, None)
    }

    /// The same verbs, with options for one call.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Error, Group};
    ///
    /// let flights: Group<u64, String> = Group::builder().max_flights(1).build();
    /// let _busy = flights.enter(&1);
    /// assert_eq!(flights.run(&2, || async { "a guest".to_owned() }).await, Err(Error::Full));
    ///
    /// // The limit is not for everybody.
    /// let name = flights.call().max_flights(None).run(&2, || async { "an admin".to_owned() }).await?;
    /// assert_eq!(name, "an admin");
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    pub fn call(&self) -> Call<'_, K, V, R, S> {
        Call::new(self)
    }
}

/// The verbs for work that can fail. Each flattens the flight's result and the work's into one.
impl<K, T, E, R, S: BuildHasher> Group<K, Result<T, SharedError<E>>, R, S> {
    /// [`run`](Self::run), for work that can fail. The error is shared as it is.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use std::num::ParseIntError;
    /// use coflight::TryGroup;
    /// use futures_lite::future::{yield_now, zip};
    ///
    /// let flights: TryGroup<String, u16, ParseIntError> = TryGroup::new();
    /// let parse = || async {
    ///     yield_now().await; // it takes a moment
    ///     "80a".parse()
    /// };
    /// let (first, second) = zip(flights.try_run("port", parse), flights.try_run("port", parse)).await;
    ///
    /// let (first, second) = (first.unwrap_err(), second.unwrap_err());
    /// assert_eq!(first.to_string(), "invalid digit found in string");
    /// assert!(std::ptr::eq(first.work().unwrap(), second.work().unwrap())); // one error, not a copy
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// [`TryError::Work`](crate::TryError::Work) with the work's error, [`TryError::Flight`](crate::TryError::Flight) for those of [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    pub fn try_run<'g, 'k, Q, F, Fut>(
        &'g self,
        key: &'k Q,
        work: F,
    ) -> Try<Run<'g, 'k, K, Result<T, SharedError<E>>, R, S, Q, Fallible<F, E>, SharedErr<Fut, E>>>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        T: Clone,
    {
        self.call().try_run(key, work)
    }

    /// [`relay`](Self::relay), for work that can fail. The error is shared as it is.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use std::num::ParseIntError;
    /// use coflight::{TryError, TryGroup};
    ///
    /// let flights: TryGroup<String, u16, ParseIntError> = TryGroup::new();
    /// let error = flights.try_relay("port", || async { "80a".parse() }).await.unwrap_err();
    /// assert!(matches!(error, TryError::Work(_)));
    /// assert_eq!(error.to_string(), "invalid digit found in string");
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// [`TryError::Work`](crate::TryError::Work) with the work's error, [`TryError::Flight`](crate::TryError::Flight) for those of [`relay`](Self::relay).
    ///
    /// # Cancel safety
    ///
    /// As [`relay`](Self::relay).
    ///
    /// # Panics
    ///
    /// As [`relay`](Self::relay).
    pub fn try_relay<'g, 'k, Q, F, Fut>(
        &'g self,
        key: &'k Q,
        work: F,
    ) -> Try<Relay<'g, 'k, K, Result<T, SharedError<E>>, R, S, Q, Fallible<F, E>>>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        K: Send + Sync + 'static,
        T: Clone + Send + Sync + 'static,
        E: Send + Sync + 'static,
    {
        self.call().try_relay(key, work)
    }

    /// [`spawn`](Self::spawn), for work that can fail. The error is shared as it is.
    ///
    /// ```
    /// # coflight::block_on(async {
    /// use std::num::ParseIntError;
    /// use coflight::{Tokio, TryGroup};
    ///
    /// let flights: TryGroup<String, u16, ParseIntError, Tokio> = TryGroup::with_runtime(Tokio::current());
    /// let port = flights.try_spawn("port", || async { "80".parse() }).await?;
    /// assert_eq!(port, 80);
    /// # Ok::<(), coflight::TryError<_>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`TryError::Work`](crate::TryError::Work) with the work's error, [`TryError::Flight`](crate::TryError::Flight) for those of [`spawn`](Self::spawn).
    ///
    /// # Cancel safety
    ///
    /// As [`spawn`](Self::spawn).
    ///
    /// # Panics
    ///
    /// As [`spawn`](Self::spawn).
    pub fn try_spawn<'g, 'k, Q, F, Fut>(
        &'g self,
        key: &'k Q,
        work: F,
    ) -> Try<Spawned<'g, 'k, K, Result<T, SharedError<E>>, R, S, Q, Fallible<F, E>>>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        K: Send + Sync + 'static,
        T: Clone + Send + Sync + 'static,
        E: Send + Sync + 'static,
        R: Spawn + Send + Sync + 'static,
        S: Send + Sync + 'static,
    {
        self.call().try_spawn(key, work)
    }

    /// [`run_blocking`](Self::run_blocking), for work that can fail. The error is shared as it is.
    ///
    /// ```
    /// use std::num::ParseIntError;
    /// use coflight::TryGroup;
    ///
    /// let flights: TryGroup<String, u16, ParseIntError> = TryGroup::new();
    /// let port = flights.try_run_blocking("port", || "80".parse())?;
    /// assert_eq!(port, 80);
    ///
    /// let error = flights.try_run_blocking("port", || "80a".parse()).unwrap_err();
    /// assert_eq!(error.work(), "80a".parse::<u16>().err().as_ref());
    /// # Ok::<(), coflight::TryError<std::num::ParseIntError>>(())
    /// ```
    ///
    /// # Blocking
    ///
    /// As [`run_blocking`](Self::run_blocking).
    ///
    /// # Errors
    ///
    /// [`TryError::Work`](crate::TryError::Work) with the work's error, [`TryError::Flight`](crate::TryError::Flight) for those of [`run_blocking`](Self::run_blocking).
    ///
    /// # Panics
    ///
    /// As [`run_blocking`](Self::run_blocking).
    #[cfg(feature = "std")]
    pub fn try_run_blocking<Q, F>(&self, key: &Q, work: F) -> Result<T, TryError<E>>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Result<T, E>,
        T: Clone,
    {
        self.call().try_run_blocking(key, work)
    }
}

/// Looking at flights, and ending them.
impl<K, V, R, S: BuildHasher> Group<K, V, R, S> {
    /// Whether a flight for `key` is in progress. A result that lingers is not.
    ///
    /// ```
    /// use coflight::Group;
    ///
    /// let flights: Group<String, u64> = Group::new();
    /// let leader = flights.enter("Lisbon");
    /// assert!(flights.contains("Lisbon") && !flights.contains("Porto"));
    ///
    /// drop(leader);
    /// assert!(!flights.contains("Lisbon"));
    /// ```
    #[must_use]
    pub fn contains<Q: ?Sized + AsKey<K>>(&self, key: &Q) -> bool {
        self.find(key).iter().any(|flight| flight.state.load().is_open())
    }

    /// Ends the coalescing, not the flight: those aboard get its result, newcomers start afresh. Returns whether a flight for `key` was in
    /// progress, or its result lingered.
    ///
    /// For when what the work is fetching has just changed. The old work and a new one may then run at the same time.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::Group;
    /// use futures_lite::future::{poll_once, yield_now};
    ///
    /// let prices: Group<String, u64> = Group::new();
    /// let mut early = Box::pin(prices.run("coffee", || async {
    ///     yield_now().await; // it takes a moment
    ///     10
    /// }));
    /// assert_eq!(poll_once(&mut early).await, None); // it has read the price
    ///
    /// // Which changes.
    /// assert!(prices.forget("coffee"));
    /// assert_eq!(prices.run("coffee", || async { 12 }).await, Ok(12));
    /// assert_eq!(early.await, Ok(10));
    /// # });
    /// ```
    pub fn forget<Q: ?Sized + AsKey<K>>(&self, key: &Q) -> bool {
        self.find(key).iter().filter(|flight| self.forget_flight(flight)).count() > 0
    }

    /// Ends the flight: the work is dropped, everyone aboard gets [`Error::Cancelled`](crate::Error::Cancelled). Returns whether a flight for `key` was
    /// in progress, or its result lingered.
    ///
    /// The work of [`relay`](Self::relay) and [`spawn`](Self::spawn) is dropped before this returns, or, if another thread is polling it at this moment, after that
    /// poll. That of [`run`](Self::run) lives in its leader's future: it is never polled again, and dropped when the leader, who is woken, is
    /// polled or dropped.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Error, Group};
    /// use futures_lite::future::poll_once;
    ///
    /// let reports: Group<String, u64> = Group::new();
    /// let mut caller = Box::pin(reports.run("sales", || std::future::pending()));
    /// assert_eq!(poll_once(&mut caller).await, None);
    ///
    /// assert!(reports.cancel("sales"));
    /// assert_eq!(caller.await, Err(Error::Cancelled));
    /// assert!(!reports.cancel("sales")); // there is nothing left
    /// # });
    /// ```
    pub fn cancel<Q: ?Sized + AsKey<K>>(&self, key: &Q) -> bool {
        self.find(key).iter().filter(|flight| self.cancel_flight(flight)).count() > 0
    }

    /// The flights for `key` that were not forgotten: one, and those that newcomers do not join any more.
    pub(crate) fn find<Q: ?Sized + AsKey<K>>(&self, key: &Q) -> Vec<FlightRef<K, V>> {
        let mut found = self.inner.table.find_all(self.inner.hasher.hash_one(key));
        found.retain(|flight| !flight.state.load().is_forgotten() && key.matches(&flight.key));
        found
    }
}

impl<K, V, R, S> Group<K, V, R, S> {
    /// How many flights are in progress, those that were forgotten not counted. Each is counted at some moment during the call, not all
    /// at one.
    ///
    /// ```
    /// use coflight::Group;
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let callers = [&1, &2, &2].map(|key| flights.enter(key));
    /// assert_eq!(flights.len(), 2); // two of them share one
    ///
    /// drop(callers);
    /// assert_eq!(flights.len(), 0);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.table.count_open()
    }

    /// Whether no flight is in progress.
    ///
    /// ```
    /// use coflight::Group;
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let leader = flights.enter(&1);
    /// assert!(!flights.is_empty());
    ///
    /// drop(leader);
    /// assert!(flights.is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// [Forgets](Self::forget) every flight; returns how many.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::Group;
    ///
    /// let prices: Group<String, u64> = Group::new();
    /// let _early = [prices.enter("coffee"), prices.enter("tea")];
    ///
    /// // A new list of prices.
    /// assert_eq!(prices.forget_all(), 2);
    /// assert_eq!(prices.run("coffee", || async { 12 }).await, Ok(12)); // does not wait for an old one
    /// # });
    /// ```
    pub fn forget_all(&self) -> usize {
        self.inner.table.all().iter().filter(|flight| self.forget_flight(flight)).count()
    }

    /// [Cancels](Self::cancel) every flight; returns how many.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Error, Group};
    /// use futures_lite::future::poll_once;
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let mut caller = Box::pin(flights.run(&1, || std::future::pending()));
    /// assert_eq!(poll_once(&mut caller).await, None);
    ///
    /// // The program is about to end.
    /// assert_eq!(flights.cancel_all(), 1);
    /// assert_eq!(caller.await, Err(Error::Cancelled));
    /// # });
    /// ```
    pub fn cancel_all(&self) -> usize {
        let all = self.inner.table.all();
        let cancel = |flight: &&FlightRef<K, V>| !flight.state.load().is_forgotten() && self.cancel_flight(flight);
        all.iter().filter(cancel).count()
    }

    /// `false`: it was over, and nothing lingered.
    fn cancel_flight(&self, flight: &FlightRef<K, V>) -> bool {
        flight.cancel(&self.inner.table) || flight.state.load().is_kept() && self.forget_flight(flight)
    }

    /// `false`: somebody else was first, or it was over and nothing lingered.
    pub(crate) fn forget_flight(&self, flight: &FlightRef<K, V>) -> bool {
        let Some(before) = self.inner.table.forget(flight).filter(|before| !before.is_forgotten()) else {
            return false;
        };
        if before.is_clearing() {
            // Those who wait for the key need not.
            flight.wake_if_heard(before);
        }
        if before.is_kept() {
            if let Some(lingering) = flight.terms.as_ref().and_then(|terms| terms.lingering()) {
                lingering.end(flight);
            }
        }
        before.is_open() || before.is_kept()
    }

    /// What was counted since the group was made, or since [`reset_stats`](Self::reset_stats). Looks at every flight in progress, shard by shard.
    ///
    /// Every count is exact: a call that has returned is in it, and [`calls`](Stats::calls) is the sum of its parts at any moment. Calls that
    /// are being made meanwhile may be in it or not. On targets whose words have 32 bits the counts of what callers did come round after 2³².
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::Group;
    /// use futures_lite::future::{yield_now, zip};
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let ask = || {
    ///     flights.run(&6, || async {
    ///         yield_now().await; // it takes a moment
    ///         6 * 7
    ///     })
    /// };
    /// zip(ask(), ask()).await;
    ///
    /// let stats = flights.stats();
    /// assert_eq!((stats.led, stats.joined, stats.completed), (1, 1, 1));
    /// assert_eq!(stats.hit_rate(), 0.5);
    /// # });
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.accounts.stats()
    }

    /// Starts counting anew; returns what was counted until now. Flights in progress stay so, and are counted again when they end.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::Group;
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// flights.run(&6, || async { 6 * 7 }).await?;
    /// let _busy = flights.enter(&7);
    ///
    /// assert_eq!(flights.reset_stats().led, 2);
    /// let stats = flights.stats();
    /// assert_eq!((stats.led, stats.in_flight), (0, 1));
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    pub fn reset_stats(&self) -> Stats {
        self.inner.accounts.reset()
    }

    /// The flights in progress, each as it was at some moment during the call, in no particular order.
    ///
    /// ```
    /// use coflight::{Group, Verb};
    ///
    /// let flights: Group<String, u64> = Group::new();
    /// let _callers = [flights.enter("Lisbon"), flights.enter("Lisbon")];
    ///
    /// for flight in flights.in_flight() {
    ///     assert_eq!((flight.key.as_str(), flight.callers, flight.verb), ("Lisbon", 2, Verb::Enter));
    /// }
    /// assert_eq!(flights.in_flight().len(), 1);
    /// ```
    #[must_use]
    pub fn in_flight(&self) -> Vec<InFlight<K>>
    where
        K: Clone,
    {
        self.inner.accounts.in_flight(|flight| flight.key.clone())
    }

    pub(crate) fn config(&self) -> Option<&Arc<Config<K, V>>> {
        self.inner.config.get()
    }

    pub(crate) fn table(&self) -> &Table<K, V> {
        &self.inner.table
    }

    /// The runtime this group was built with.
    ///
    /// ```
    /// # coflight::block_on(async {
    /// use std::time::Duration;
    /// use coflight::{Clock, Group, Timer, Tokio};
    ///
    /// let flights: Group<u64, u64, Tokio> = Group::with_runtime(Tokio::current());
    ///
    /// // Pauses as the group's limits do, whichever runtime it has.
    /// let runtime = flights.runtime();
    /// let before = runtime.now();
    /// runtime.sleep(Duration::from_secs(1)).await;
    /// assert!(runtime.now() - before >= Duration::from_secs(1));
    /// # });
    /// ```
    #[must_use]
    pub fn runtime(&self) -> &R {
        &self.inner.runtime
    }

    /// The hasher this group was built with.
    ///
    /// ```
    /// use std::hash::BuildHasher;
    /// use coflight::Group;
    ///
    /// let users: Group<u64, String> = Group::new();
    /// // Another group that hashes alike.
    /// let rights: Group<u64, u32> = Group::builder().hasher(users.hasher().clone()).build();
    /// assert_eq!(users.hasher().hash_one(42), rights.hasher().hash_one(42));
    /// ```
    #[must_use]
    pub fn hasher(&self) -> &S {
        &self.inner.hasher
    }
}

impl<K, V, R, S> Clone for Group<K, V, R, S> {
    /// Another handle to the same group.
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K, V, R: Default, S: Default> Default for Group<K, V, R, S> {
    fn default() -> Self {
        Builder::new().runtime(R::default()).hasher(S::default()).build()
    }
}

impl<K, V, R, S> fmt::Debug for Group<K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("in_flight", &self.len()).finish_non_exhaustive()
    }
}

// A panic can leave no half-done change behind: see the tests of promise 9.
impl<K, V, R, S> core::panic::UnwindSafe for Group<K, V, R, S> {}
impl<K, V, R, S> core::panic::RefUnwindSafe for Group<K, V, R, S> {}
