//! The verbs, with options for one call.

use alloc::boxed::Box;
use core::any::Any;
use core::fmt;
use core::future::Future;
use core::hash::BuildHasher;
use core::time::Duration;

use crate::enter::Entry;
use crate::error::SharedError;
#[cfg(feature = "std")]
use crate::error::{Error, TryError};
use crate::group::Group;
use crate::key::AsKey;
use crate::linger;
use crate::options::{Luggage, Options};
use crate::relay::Relay;
use crate::run::Run;
use crate::runtime::{Runtime, Spawn, Timed};
#[cfg(feature = "std")]
use crate::served::Served;
use crate::spawn::Spawned;
use crate::sync::Arc;
use crate::time;
use crate::try_twin::Try;
use crate::work::{Fallible, SharedErr};

/// One call to come: options that override the group's, then a verb. From [`Group::call`].
///
/// ```
/// # futures_lite::future::block_on(async {
/// use coflight::{Error, Group};
/// use futures_lite::future::{poll_once, yield_now};
///
/// let flights: Group<u64, u64> = Group::new();
/// let only_join = flights.call().max_flights(0); // can be kept, and cloned
/// assert_eq!(only_join.clone().run(&6, || async { 0 }).await, Err(Error::Full));
///
/// let mut leader = Box::pin(flights.relay(&6, || async {
///     yield_now().await; // it takes a moment
///     6 * 7
/// }));
/// assert_eq!(poll_once(&mut leader).await, None);
/// assert_eq!(only_join.run(&6, || async { 0 }).await, Ok(42));
/// # });
/// ```
#[must_use = "options do nothing until a verb is called"]
pub struct Call<'g, K, V, R, S> {
    group: &'g Group<K, V, R, S>,
    detach: bool,
    /// None as long as nothing else was asked for.
    luggage: Option<Box<Luggage<K, V>>>,
}

impl<'g, K, V, R, S> Call<'g, K, V, R, S> {
    pub(crate) fn new(group: &'g Group<K, V, R, S>) -> Self {
        Self { group, detach: group.inner.detach, luggage: None }
    }

    /// Overrides [`Builder::detach`](crate::Builder::detach), if this call starts the flight.
    ///
    /// ```
    /// # coflight::block_on(async {
    /// use coflight::{Group, Tokio};
    /// use futures_lite::future::{poll_once, yield_now};
    ///
    /// let flights: Group<u64, u64, Tokio> = Group::with_runtime(Tokio::current());
    /// // Once begun, it is to be finished.
    /// let mut payment = Box::pin(flights.call().detach(true).spawn(&6, || async { 6 * 7 }));
    /// assert_eq!(poll_once(&mut payment).await, None);
    /// drop(payment); // its client hung up
    ///
    /// while !flights.is_empty() {
    ///     yield_now().await;
    /// }
    /// assert_eq!((flights.stats().completed, flights.stats().abandoned), (1, 0));
    /// # });
    /// ```
    pub fn detach(mut self, detach: bool) -> Self {
        self.detach = detach;
        self
    }

    /// Overrides [`Builder::max_flights`](crate::Builder::max_flights), if this call would start a flight. `None`: no limit.
    ///
    /// In a group that has no limit of its own, flights are counted one by one when such a call needs to know, and calls made at the same
    /// instant may go beyond.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Error, Group};
    ///
    /// let flights: Group<u64, u64> = Group::builder().max_flights(10).build();
    /// let _busy = [&1, &2].map(|key| flights.enter(key));
    ///
    /// // What nobody waits for leaves most places to others.
    /// let prefetch = flights.call().max_flights(2).run(&3, || async { 9 }).await;
    /// assert_eq!(prefetch, Err(Error::Full));
    /// assert_eq!(flights.run(&3, || async { 9 }).await, Ok(9));
    /// # });
    /// ```
    pub fn max_flights(mut self, flights: impl Into<Option<usize>>) -> Self {
        self.options().max_flights = Some(flights.into());
        self
    }

    /// Overrides [`Builder::max_callers`](crate::Builder::max_callers) for this call: it starts another flight if as many are aboard. `None`: no limit.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::Group;
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let _slow = flights.enter(&6);
    ///
    /// // Shares with nobody who came before.
    /// assert_eq!(flights.call().max_callers(1).run(&6, || async { 6 * 7 }).await?, 42);
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    pub fn max_callers(mut self, callers: impl Into<Option<usize>>) -> Self {
        self.options().max_callers = Some(callers.into());
        self
    }

    /// Nobody overtakes the flight, if this call starts it, whatever [`Builder::overtake_after`](crate::Builder::overtake_after) says. For works that
    /// must not run beside each other, or whose callers already have a part of the result. Needs no clock.
    ///
    /// ```
    /// # coflight::block_on(async {
    /// use std::time::Duration;
    /// use coflight::{Group, Timer, Tokio};
    /// use futures_lite::future::poll_once;
    ///
    /// let flights: Group<u64, u64, Tokio> =
    ///     Group::builder().runtime(Tokio::current()).overtake_after(Duration::from_secs(1)).build();
    /// let _payment = flights.call().without_overtaking().enter(&1);
    ///
    /// flights.runtime().sleep(Duration::from_secs(2)).await;
    /// let mut follower = Box::pin(flights.run(&1, || async { unreachable!("there is no second payment") }));
    /// assert_eq!(poll_once(&mut follower).await, None);
    /// # });
    /// ```
    pub fn without_overtaking(mut self) -> Self {
        self.options().overtake_after = Some(None);
        self
    }

    /// What [observers](crate::Observer) get to know of this call: see [`Event::metadata`](crate::Event::metadata). A request's number, a span, the user.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use std::sync::{Arc, Mutex};
    /// use coflight::{Event, Group};
    ///
    /// struct Request(u64); // its number
    ///
    /// let log = Arc::new(Mutex::new(Vec::new()));
    /// let told = Arc::clone(&log);
    /// let observer = move |event: &Event<'_, u64>| {
    ///     if let Some(Request(number)) = event.metadata() {
    ///         told.lock().unwrap().push(format!("request {number}: {}", event.kind()));
    ///     }
    /// };
    /// let flights: Group<u64, u64> = Group::builder().observer(observer).build();
    ///
    /// flights.call().metadata(Request(17)).run(&6, || async { 6 * 7 }).await?;
    /// assert_eq!(*log.lock().unwrap(), ["request 17: missed", "request 17: started", "request 17: completed"]);
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    pub fn metadata(mut self, metadata: impl Any + Send + Sync) -> Self {
        let metadata: Box<dyn Any + Send + Sync> = Box::new(metadata);
        self.options().metadata = Some(Arc::from(metadata));
        self
    }

    fn options(&mut self) -> &mut Options<K, V> {
        &mut self.luggage.get_or_insert_default().options
    }
}

/// What needs a clock. `None` beats the group's default: no limit.
impl<'g, K, V, R, S> Call<'g, K, V, R, S> {
    /// Overrides [`Builder::timeout`](crate::Builder::timeout). If this call starts the flight, it is the flight's limit; if it joins one, whose
    /// limit is set already, this caller alone leaves after that time, with the same error.
    ///
    /// ```
    /// # coflight::block_on(async {
    /// use std::time::Duration;
    /// use coflight::{Error, Group, Tokio};
    ///
    /// let flights: Group<u64, u64, Tokio> = Group::with_runtime(Tokio::current());
    ///
    /// // A server that never answers.
    /// let answer = flights.call().timeout(Duration::from_secs(5)).run(&1, || std::future::pending()).await;
    /// assert_eq!(answer, Err(Error::TimedOut));
    /// # });
    /// ```
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Self
    where
        R: Timed,
    {
        self.timed().timeout = Some(limit.into());
        self
    }

    /// Overrides [`Builder::overtake_after`](crate::Builder::overtake_after), if this call starts the flight.
    ///
    /// ```
    /// # coflight::block_on(async {
    /// use std::time::Duration;
    /// use coflight::{Group, Role, Tokio};
    ///
    /// let flights: Group<u64, u64, Tokio> = Group::with_runtime(Tokio::current());
    /// let _slow = flights.call().overtake_after(Duration::from_secs(1)).enter(&6);
    ///
    /// // What a follower may do was chosen by the leader's call.
    /// let (answer, served) = flights.run(&6, || async { 6 * 7 }).with_served().await;
    /// assert_eq!((answer, served.role), (Ok(42), Role::Overtook));
    /// # });
    /// ```
    pub fn overtake_after(mut self, limit: impl Into<Option<Duration>>) -> Self
    where
        R: Timed,
    {
        self.timed().overtake_after = Some(limit.into());
        self
    }

    /// Overrides [`Builder::wait_timeout`](crate::Builder::wait_timeout) for this call.
    ///
    /// ```
    /// # coflight::block_on(async {
    /// use std::time::Duration;
    /// use coflight::{Error, Group, Tokio};
    ///
    /// let flights: Group<u64, u64, Tokio> = Group::with_runtime(Tokio::current());
    /// let _slow = flights.enter(&6);
    ///
    /// // A client who would not wait longer.
    /// let answer = flights.call().wait_timeout(Duration::from_secs(1)).run(&6, || async { 6 * 7 }).await;
    /// assert_eq!(answer, Err(Error::WaitTimedOut));
    /// assert!(flights.contains(&6)); // the flight goes on
    /// # });
    /// ```
    pub fn wait_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self
    where
        R: Timed,
    {
        self.timed().wait_timeout = Some(limit.into());
        self
    }

    /// Overrides [`Builder::join_within`](crate::Builder::join_within) for this call. A flight of which nobody knows how old it is, because
    /// neither its group nor its leader kept [time](crate::Builder::timed), is taken to be too old.
    ///
    /// ```
    /// # coflight::block_on(async {
    /// use std::time::Duration;
    /// use coflight::{Group, Timer, Tokio};
    ///
    /// let prices: Group<String, u64, Tokio> = Group::builder().runtime(Tokio::current()).timed().build();
    /// let _slow = prices.enter("coffee");
    /// prices.runtime().sleep(Duration::from_secs(2)).await;
    ///
    /// // To be paid now: what was read two seconds ago will not do.
    /// let price = prices.call().join_within(Duration::from_secs(1)).run("coffee", || async { 12 }).await?;
    /// assert_eq!(price, 12);
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    pub fn join_within(mut self, age: impl Into<Option<Duration>>) -> Self
    where
        R: Timed,
    {
        self.timed().join_within = Some(age.into());
        self
    }

    /// Overrides [`Builder::linger`](crate::Builder::linger), if this call starts the flight. `None`: the result does not linger.
    ///
    /// In a group that has no such window of its own, the result's memory is freed when its time is over even if the group is dropped before.
    ///
    /// ```
    /// # coflight::block_on(async {
    /// use std::time::Duration;
    /// use coflight::{Group, Tokio};
    ///
    /// let prices: Group<String, u64, Tokio> = Group::with_runtime(Tokio::current());
    /// prices.call().linger(Duration::from_secs(1)).run("coffee", || async { 10 }).await?;
    ///
    /// // Whoever comes within a second is served the same.
    /// assert_eq!(prices.run("coffee", || async { 12 }).await?, 10);
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    pub fn linger(mut self, linger: impl Into<Option<Duration>>) -> Self
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
        R: Runtime,
    {
        if self.group.config().is_none_or(|config| config.lingering.is_none()) {
            self.options().sweeps = Some(linger::on(&self.group.inner.runtime));
        }
        self.timed().linger = Some(linger.into());
        self
    }

    fn timed(&mut self) -> &mut Options<K, V>
    where
        R: Timed,
    {
        // That of the group, if it has one already.
        if self.group.config().is_none_or(|config| config.time.is_none()) {
            let time = time::of(&self.group.inner.runtime);
            self.options().time = Some(time);
        }
        self.options()
    }
}

impl<'g, K, V, R, S: BuildHasher> Call<'g, K, V, R, S> {
    /// [`Group::run`], with this call's options.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::Group;
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let _slow = flights.enter(&6);
    ///
    /// let factor = 7; // the work may borrow
    /// assert_eq!(flights.call().max_callers(1).run(&6, || async { 6 * factor }).await?, 42);
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Cancel safety
    ///
    /// As [`Group::run`].
    ///
    /// # Errors
    ///
    /// As [`Group::run`].
    ///
    /// # Panics
    ///
    /// As [`Group::run`].
    pub fn run<'k, Q, F, Fut>(self, key: &'k Q, work: F) -> Run<'g, 'k, K, V, R, S, Q, F, Fut>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = V>,
        V: Clone,
    {
        Run::new(self.group, key, work, self.luggage)
    }

    /// [`Group::relay`], with this call's options.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::Group;
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let _slow = flights.enter(&6);
    /// assert_eq!(flights.call().max_callers(1).relay(&6, || async { 6 * 7 }).await?, 42);
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Cancel safety
    ///
    /// As [`Group::relay`].
    ///
    /// # Errors
    ///
    /// As [`Group::relay`].
    ///
    /// # Panics
    ///
    /// As [`Group::relay`].
    pub fn relay<'k, Q, F, Fut>(self, key: &'k Q, work: F) -> Relay<'g, 'k, K, V, R, S, Q, F>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = V> + Send + 'static,
        K: Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
    {
        Relay::new(self.group, key, work, self.luggage)
    }

    /// [`Group::spawn`], with this call's options.
    ///
    /// ```
    /// # coflight::block_on(async {
    /// use coflight::{Group, Tokio};
    ///
    /// let flights: Group<u64, u64, Tokio> = Group::with_runtime(Tokio::current());
    /// let _slow = flights.enter(&6);
    /// assert_eq!(flights.call().max_callers(1).spawn(&6, || async { 6 * 7 }).await?, 42);
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Cancel safety
    ///
    /// As [`Group::spawn`].
    ///
    /// # Errors
    ///
    /// As [`Group::spawn`].
    ///
    /// # Panics
    ///
    /// As [`Group::spawn`].
    pub fn spawn<'k, Q, F, Fut>(self, key: &'k Q, work: F) -> Spawned<'g, 'k, K, V, R, S, Q, F>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = V> + Send + 'static,
        K: Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
        R: Spawn + Send + Sync + 'static,
        S: Send + Sync + 'static,
    {
        Spawned::new(self.group, key, work, self.detach, self.luggage)
    }

    /// [`Group::run_blocking`], with this call's options.
    ///
    /// ```
    /// use coflight::Group;
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let _slow = flights.enter(&6);
    /// assert_eq!(flights.call().max_callers(1).run_blocking(&6, || 6 * 7)?, 42);
    /// # Ok::<(), coflight::Error>(())
    /// ```
    ///
    /// # Blocking
    ///
    /// As [`Group::run_blocking`].
    ///
    /// # Errors
    ///
    /// As [`Group::run_blocking`].
    ///
    /// # Panics
    ///
    /// As [`Group::run_blocking`].
    #[cfg(feature = "std")]
    pub fn run_blocking<Q, F>(self, key: &Q, work: F) -> Result<V, Error>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> V,
        V: Clone,
    {
        self.run_blocking_with_served(key, work).0
    }

    /// [`Group::run_blocking`], with this call's options; also says how the caller was served.
    ///
    /// ```
    /// use coflight::{Group, Role};
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let (answer, served) = flights.call().run_blocking_with_served(&6, || 6 * 7);
    /// assert_eq!(answer, Ok(42));
    /// assert_eq!((served.role, served.callers), (Role::Led, 1));
    /// ```
    ///
    /// # Blocking
    ///
    /// As [`Group::run_blocking`].
    ///
    /// # Errors
    ///
    /// As [`Group::run_blocking`], as the first of the two.
    ///
    /// # Panics
    ///
    /// As [`Group::run_blocking`].
    #[cfg(feature = "std")]
    pub fn run_blocking_with_served<Q, F>(self, key: &Q, work: F) -> (Result<V, Error>, Served)
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> V,
        V: Clone,
    {
        crate::blocking::run(self.group, key, work, |_| false, self.luggage)
    }

    /// [`Group::enter`], with this call's options.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Entry, Group};
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let _slow = flights.enter(&6);
    /// match flights.call().max_callers(1).enter(&6) {
    ///     Entry::Leader(leader) => assert_eq!(leader.complete(6 * 7)?, 42),
    ///     Entry::Follower(_) => unreachable!("one caller is aboard the only flight there was"),
    /// }
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Cancel safety
    ///
    /// As [`Group::enter`].
    ///
    /// # Errors
    ///
    /// As [`Group::enter`].
    pub fn enter<'k, Q>(self, key: &'k Q) -> Entry<'g, 'k, K, V, R, S, Q>
    where
        Q: ?Sized + AsKey<K>,
        V: Clone,
    {
        Entry::new(self.group, key, self.luggage)
    }
}

impl<'g, K, T, E, R, S: BuildHasher> Call<'g, K, Result<T, SharedError<E>>, R, S> {
    /// [`Group::try_run`], with this call's options.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use std::num::ParseIntError;
    /// use coflight::{Error, TryGroup};
    ///
    /// let flights: TryGroup<String, u16, ParseIntError> = TryGroup::new();
    /// let only_join = flights.call().max_flights(0);
    /// let error = only_join.try_run("port", || async { "80".parse() }).await.unwrap_err();
    /// assert_eq!(error.flight(), Some(&Error::Full)); // and not the work's
    /// # });
    /// ```
    ///
    /// # Cancel safety
    ///
    /// As [`Group::try_run`].
    ///
    /// # Errors
    ///
    /// As [`Group::try_run`].
    ///
    /// # Panics
    ///
    /// As [`Group::try_run`].
    pub fn try_run<'k, Q, F, Fut>(
        self,
        key: &'k Q,
        work: F,
    ) -> Try<Run<'g, 'k, K, Result<T, SharedError<E>>, R, S, Q, Fallible<F, E>, SharedErr<Fut, E>>>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        T: Clone,
    {
        Try::new(Run::new(self.group, key, Fallible::new(work), self.luggage))
    }

    /// [`Group::try_relay`], with this call's options.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use std::num::ParseIntError;
    /// use coflight::{Error, TryGroup};
    ///
    /// let flights: TryGroup<String, u16, ParseIntError> = TryGroup::new();
    /// let only_join = flights.call().max_flights(0);
    /// let error = only_join.try_relay("port", || async { "80".parse() }).await.unwrap_err();
    /// assert_eq!(error.flight(), Some(&Error::Full));
    /// # });
    /// ```
    ///
    /// # Cancel safety
    ///
    /// As [`Group::try_relay`].
    ///
    /// # Errors
    ///
    /// As [`Group::try_relay`].
    ///
    /// # Panics
    ///
    /// As [`Group::try_relay`].
    pub fn try_relay<'k, Q, F, Fut>(
        self,
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
        Try::new(Relay::new(self.group, key, Fallible::new(work), self.luggage))
    }

    /// [`Group::try_spawn`], with this call's options.
    ///
    /// ```
    /// # coflight::block_on(async {
    /// use std::num::ParseIntError;
    /// use coflight::{Error, Tokio, TryGroup};
    ///
    /// let flights: TryGroup<String, u16, ParseIntError, Tokio> = TryGroup::with_runtime(Tokio::current());
    /// let only_join = flights.call().max_flights(0);
    /// let error = only_join.try_spawn("port", || async { "80".parse() }).await.unwrap_err();
    /// assert_eq!(error.flight(), Some(&Error::Full));
    /// # });
    /// ```
    ///
    /// # Cancel safety
    ///
    /// As [`Group::try_spawn`].
    ///
    /// # Errors
    ///
    /// As [`Group::try_spawn`].
    ///
    /// # Panics
    ///
    /// As [`Group::try_spawn`].
    pub fn try_spawn<'k, Q, F, Fut>(
        self,
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
        Try::new(Spawned::new(self.group, key, Fallible::new(work), self.detach, self.luggage))
    }

    /// [`Group::try_run_blocking`], with this call's options.
    ///
    /// ```
    /// use std::num::ParseIntError;
    /// use coflight::{Error, TryGroup};
    ///
    /// let flights: TryGroup<String, u16, ParseIntError> = TryGroup::new();
    /// let only_join = flights.call().max_flights(0);
    /// let error = only_join.try_run_blocking("port", || "80".parse()).unwrap_err();
    /// assert_eq!(error.flight(), Some(&Error::Full));
    /// ```
    ///
    /// # Blocking
    ///
    /// As [`Group::try_run_blocking`].
    ///
    /// # Errors
    ///
    /// As [`Group::try_run_blocking`].
    ///
    /// # Panics
    ///
    /// As [`Group::try_run_blocking`].
    #[cfg(feature = "std")]
    pub fn try_run_blocking<Q, F>(self, key: &Q, work: F) -> Result<T, TryError<E>>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Result<T, E>,
        T: Clone,
    {
        self.try_run_blocking_with_served(key, work).0
    }

    /// [`Group::try_run_blocking`], with this call's options; also says how the caller was served.
    ///
    /// ```
    /// # extern crate coflight_core as coflight;
    /// use std::num::ParseIntError;
    /// use coflight::{Role, TryGroup};
    ///
    /// let flights: TryGroup<String, u16, ParseIntError> = TryGroup::new();
    /// let (port, served) = flights.call().try_run_blocking_with_served("port", || "80".parse());
    /// assert_eq!(port, Ok(80));
    /// assert_eq!((served.role, served.callers), (Role::Led, 1));
    /// ```
    ///
    /// # Blocking
    ///
    /// As [`Group::try_run_blocking`].
    ///
    /// # Errors
    ///
    /// As [`Group::try_run_blocking`], as the first of the two.
    ///
    /// # Panics
    ///
    /// As [`Group::try_run_blocking`].
    #[cfg(feature = "std")]
    pub fn try_run_blocking_with_served<Q, F>(self, key: &Q, work: F) -> (Result<T, TryError<E>>, Served)
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Result<T, E>,
        T: Clone,
    {
        let work = || work().map_err(SharedError::new);
        let (result, served) = crate::blocking::run(self.group, key, work, Result::is_err, self.luggage);
        (crate::try_twin::flatten(result), served)
    }
}

impl<K, V, R, S> Clone for Call<'_, K, V, R, S> {
    fn clone(&self) -> Self {
        let luggage = self.luggage.as_ref().map(|luggage| Box::new(Luggage::new(luggage.options.clone())));
        Self { group: self.group, detach: self.detach, luggage }
    }
}

impl<K, V, R, S> fmt::Debug for Call<'_, K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("detach", &self.detach).finish_non_exhaustive()
    }
}
