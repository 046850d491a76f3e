//! Everything that can be chosen for a group.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use crate::accounts::Accounts;
use crate::config::{Config, Configured, Limits, OnFailure};
use crate::events::{Observer, Show};
use crate::group::{Group, Inner};
use crate::hash::DefaultHashBuilder;
use crate::linger::{self, Lingering};
use crate::registry::{self, Named};
use crate::runtime::{NoRuntime, Runtime, Timed};
use crate::sync::{Arc, AtomicUsize};
use crate::table::Table;
use crate::time::{self, Time};

/// Builds a [`Group`].
///
/// ```
/// use std::collections::hash_map::RandomState;
/// use coflight::Group;
///
/// let flights: Group<String, u64, _, _> = Group::builder().hasher(RandomState::new()).shards(8).max_flights(10_000).build();
/// # assert!(flights.is_empty());
/// ```
///
/// # Limits and windows
///
/// All of them can be overridden by one call, also with none: see [`Call`](crate::Call). Nothing is paid for what is not chosen. Those that need a
/// clock exist only on a builder that was given its [`runtime`](Self::runtime):
///
/// ```compile_fail,E0277
/// use std::time::Duration;
/// use coflight::Group;
///
/// let flights: Group<String, u64> = Group::builder().timeout(Duration::from_secs(5)).build();
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct Builder<K, V, R = NoRuntime, S = DefaultHashBuilder> {
    runtime: R,
    hasher: S,
    shards: Option<usize>,
    detach: bool,
    chosen: Chosen<K, V>,
}

/// What becomes the group's configuration.
struct Chosen<K, V> {
    name: Option<(String, registry::List<K, V>)>,
    limits: Limits,
    linger_failures: bool,
    on_failure: OnFailure,
    failed_if: Option<fn(&V) -> bool>,
    time: Option<Arc<dyn Time>>,
    sweeps: Option<Arc<dyn linger::Start<K, V>>>,
    observers: Vec<Box<dyn Observer<K>>>,
    show: Option<Show<K>>,
}

impl<K, V> Builder<K, V> {
    pub(crate) fn new() -> Self {
        Self {
            runtime: NoRuntime,
            hasher: DefaultHashBuilder::default(),
            shards: None,
            detach: false,
            chosen: Chosen {
                name: None,
                limits: Limits::default(),
                linger_failures: false,
                on_failure: OnFailure::Share,
                failed_if: None,
                time: None,
                sweeps: None,
                observers: Vec::new(),
                show: None,
            },
        }
    }
}

impl<K, V, S> Builder<K, V, NoRuntime, S> {
    /// The runtime, which [`Group::spawn`] and every limit that needs a clock need. Comes before those limits, once. Default: none.
    ///
    /// ```
    /// # coflight::block_on(async {
    /// use coflight::{Group, Tokio};
    ///
    /// let flights: Group<String, u64, Tokio> = Group::builder().runtime(Tokio::current()).build();
    /// assert_eq!(flights.spawn("answer", || async { 42 }).await?, 42);
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    pub fn runtime<R>(self, runtime: R) -> Builder<K, V, R, S> {
        let Self { runtime: _, hasher, shards, detach, chosen } = self;
        Builder { runtime, hasher, shards, detach, chosen }
    }
}

impl<K, V, R, S> Builder<K, V, R, S> {
    /// The hasher. Default: [`DefaultHashBuilder`].
    ///
    /// ```
    /// use std::hash::{BuildHasher, RandomState};
    /// use coflight::{Group, NoRuntime};
    ///
    /// // Keys that strangers choose, who might make them collide.
    /// let state = RandomState::new();
    /// let flights: Group<String, u64, NoRuntime, RandomState> = Group::builder().hasher(state.clone()).build();
    /// assert_eq!(flights.hasher().hash_one("key"), state.hash_one("key"));
    /// ```
    pub fn hasher<S2>(self, hasher: S2) -> Builder<K, V, R, S2> {
        let Self { runtime, hasher: _, shards, detach, chosen } = self;
        Builder { runtime, hasher, shards, detach, chosen }
    }

    /// How many parts the table has, each with a lock of its own; rounded up to a power of two, between 1 and 65,536. Each takes 128
    /// bytes when empty, and every eight of them 64 more. Default: 64 for each core, at least 128 and at most 2,048; without `std`, one.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::Group;
    ///
    /// // A group for each of many users, who make a few calls each: no need for many locks, nor for their memory.
    /// let groups: Vec<Group<u64, u64>> = (0..1_000).map(|_| Group::builder().shards(1).build()).collect();
    /// assert_eq!(groups[7].run(&6, || async { 6 * 7 }).await?, 42);
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// Whether [`spawn`](Group::spawn)ed work goes on when the last caller has left. Default: `false`, it is dropped.
    ///
    /// ```
    /// # coflight::block_on(async {
    /// use coflight::{Group, Tokio};
    /// use futures_lite::future::{poll_once, yield_now};
    ///
    /// let flights: Group<u64, u64, Tokio> = Group::builder().runtime(Tokio::current()).detach(true).build();
    /// let mut caller = Box::pin(flights.spawn(&6, || async { 6 * 7 }));
    /// assert_eq!(poll_once(&mut caller).await, None);
    /// drop(caller); // its client hung up
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

    /// What the group is called in [events](crate::Event::group), and so in metrics and logs, and in the [registry](crate::registry), where it is
    /// found by this name as long as it exists. Costs the calls nothing. Names need not differ. Default: nothing, and in no registry.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Group, registry};
    ///
    /// let prices: Group<String, u64> = Group::builder().name("prices").build();
    /// prices.run("coffee", || async { 12 }).await?;
    /// assert_eq!(registry::overview().get("prices").unwrap().stats.led, 1);
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Self
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
    {
        self.chosen.name = Some((name.into(), registry::list::<K, V>));
        self
    }

    /// How many flights may be in progress at a time. Beyond that a call for a new key gets [`Error::Full`](crate::Error::Full) at once; joining a flight
    /// in progress still works. A lingering result is not in progress, a forgotten flight is. Default: any number.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Entry, Error, Group};
    ///
    /// let flights: Group<String, u64> = Group::builder().max_flights(1).build();
    /// let _busy = flights.enter("Lisbon");
    ///
    /// assert_eq!(flights.run("Porto", || async { 55 }).await, Err(Error::Full));
    /// assert!(matches!(flights.enter("Lisbon"), Entry::Follower(_)));
    /// # });
    /// ```
    pub fn max_flights(mut self, flights: usize) -> Self {
        self.chosen.limits.max_flights = Some(flights);
        self
    }

    /// How many callers may be aboard one flight, its leader included; at least 1. The next one starts another flight for the same key, whose
    /// work then runs at the same time; [`cancel`](Group::cancel) and [`forget`](Group::forget) mean both. A caller that leaves makes room,
    /// until another flight was started. Default: any number.
    ///
    /// ```
    /// use coflight::{Entry, Group};
    ///
    /// let flights: Group<u64, u64> = Group::builder().max_callers(2).build();
    /// let [first, second, third] = [(); 3].map(|()| flights.enter(&1));
    ///
    /// assert!(matches!((first, second), (Entry::Leader(_), Entry::Follower(_))));
    /// assert!(matches!(third, Entry::Leader(_))); // of another flight
    /// ```
    pub fn max_callers(mut self, callers: usize) -> Self {
        self.chosen.limits.max_callers = Some(callers);
        self
    }

    /// Adds an observer, which is told everything that happens in the group, after those that were added before. Default: none.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use std::sync::{Arc, Mutex};
    /// use coflight::{Event, EventKind, Group};
    ///
    /// let log = Arc::new(Mutex::new(Vec::new()));
    /// let told = Arc::clone(&log);
    /// let flights: Group<u64, u64> =
    ///     Group::builder().observer(move |event: &Event<'_, u64>| told.lock().unwrap().push(event.kind())).build();
    ///
    /// flights.run(&6, || async { 6 * 7 }).await?;
    /// assert_eq!(*log.lock().unwrap(), [EventKind::Missed, EventKind::Started, EventKind::Completed]);
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    pub fn observer(mut self, observer: impl Observer<K> + 'static) -> Self {
        self.chosen.observers.push(Box::new(observer));
        self
    }

    /// How keys are shown in logs. Default: not at all, but as a number that tells nothing of the key, because keys can hold secrets.
    ///
    /// ```
    /// use coflight::{Group, registry};
    ///
    /// let accounts: Group<u64, String> =
    ///     Group::builder().name("accounts").show_keys(|number, f| write!(f, "account {number}")).build();
    /// let _leader = accounts.enter(&42);
    /// assert_eq!(registry::overview().get("accounts").unwrap().in_flight[0].key, "account 42");
    /// ```
    pub fn show_keys(mut self, show: fn(&K, &mut fmt::Formatter<'_>) -> fmt::Result) -> Self {
        self.chosen.show = Some(show);
        self
    }

    /// What becomes of a work that failed. Default: [`OnFailure::Share`].
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use std::num::ParseIntError;
    /// use coflight::{OnFailure, TryGroup};
    /// use futures_lite::future::{yield_now, zip};
    ///
    /// let flights: TryGroup<String, u16, ParseIntError> =
    ///     TryGroup::builder().on_failure(OnFailure::Retry { limit: 3 }).build();
    /// let bad = || async {
    ///     yield_now().await; // it takes a moment
    ///     "80a".parse()
    /// };
    /// let (first, second) = zip(flights.try_run("port", bad), flights.try_run("port", || async { "80".parse() })).await;
    /// assert!(first.is_err()); // what its own work said
    /// assert_eq!(second?, 80);
    /// # Ok::<(), coflight::TryError<_>>(()) }).unwrap();
    /// ```
    pub fn on_failure(mut self, on_failure: OnFailure) -> Self {
        self.chosen.on_failure = on_failure;
        self
    }

    /// Which values of a plain verb are failures, for [`on_failure`](Self::on_failure), [`linger`](Self::linger) and the accounts. The errors of the `try_`
    /// verbs always are. Default: none.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::Group;
    ///
    /// // No user is a result like any other, but not one to count as a success.
    /// let users: Group<u64, Option<String>> = Group::builder().failed_if(Option::is_none).build();
    /// users.run(&1, || async { Some("Ada".to_owned()) }).await?;
    /// users.run(&2, || async { None }).await?;
    /// assert_eq!((users.stats().completed, users.stats().failed), (1, 1));
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    pub fn failed_if(mut self, failed: fn(&V) -> bool) -> Self {
        self.chosen.failed_if = Some(failed);
        self
    }

    /// Whether failures [linger](Self::linger) like other results. Default: `false`.
    ///
    /// ```
    /// # coflight::block_on(async {
    /// use std::{num::ParseIntError, time::Duration};
    /// use coflight::{Tokio, TryGroup};
    ///
    /// let ports: TryGroup<String, u16, ParseIntError, Tokio> = TryGroup::builder()
    ///     .runtime(Tokio::current())
    ///     .linger(Duration::from_secs(1))
    ///     .linger_failures(true) // what went wrong is not tried again for a second
    ///     .build();
    /// assert!(ports.try_run("http", || async { "80a".parse() }).await.is_err());
    /// assert!(ports.try_run("http", || async { "80".parse() }).await.is_err());
    /// assert_eq!(ports.stats().lingered, 1);
    /// # });
    /// ```
    pub fn linger_failures(mut self, linger: bool) -> Self {
        self.chosen.linger_failures = linger;
        self
    }

    /// The group.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::Group;
    ///
    /// /// What all handlers of a program share.
    /// struct App {
    ///     users: Group<u64, String>, // what keys and values are is said where the group is kept
    /// }
    ///
    /// let app = App { users: Group::builder().max_flights(1_000).build() };
    /// assert_eq!(app.users.run(&42, || async { "Ada".to_owned() }).await?, "Ada");
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    pub fn build(self) -> Group<K, V, R, S> {
        let Self { runtime, hasher, shards, detach, mut chosen } = self;
        let table = Table::new(shards.unwrap_or_else(default_shards));
        let accounts = Arc::new(Accounts::new(table.clone()));
        let name = chosen.name.take();
        let config = Configured::new(chosen.into_config(name.as_ref().map(|(name, _)| name), &table));
        let _listed = name.map(|(name, list)| list(Named::new(name, Arc::clone(&accounts), config.get().cloned())));
        Group { inner: Arc::new(Inner { config, table, hasher, runtime, detach, accounts, _listed }) }
    }
}

/// What needs a clock.
impl<K, V, R, S> Builder<K, V, R, S> {
    /// How long a flight may take, from when its first leader began. Then its work is dropped, all aboard get
    /// [`Error::TimedOut`](crate::Error::TimedOut), and the key is free as soon as the work is gone; nobody waits for the work's
    /// own cleaning up but the one caller that does it. Default: any time.
    ///
    /// Every caller aboard keeps the limit for itself, so no caller that is polled waits longer, whatever the leader does. A result that is
    /// ready counts, even if it came late and nobody looked before. A closure of `run_blocking` cannot be stopped:
    /// the key stays taken until it returns. If the runtime is shut down its timers ring no more; the limit then holds whenever something else wakes a
    /// caller.
    ///
    /// ```
    /// # coflight::block_on(async {
    /// use std::time::Duration;
    /// use coflight::{Error, Group, Tokio};
    ///
    /// let flights: Group<u64, u64, Tokio> =
    ///     Group::builder().runtime(Tokio::current()).timeout(Duration::from_secs(5)).build();
    ///
    /// // A server that never answers.
    /// assert_eq!(flights.run(&1, || std::future::pending()).await, Err(Error::TimedOut));
    /// assert!(flights.is_empty());
    /// # });
    /// ```
    pub fn timeout(mut self, limit: Duration) -> Self
    where
        R: Timed,
    {
        self.chosen.limits.timeout = Some(limit);
        self.timed()
    }

    /// How long a leader may take before one follower starts **its own** work beside the leader's. The first result, or panic, of the
    /// two answers all, and the other work is dropped. If that follower leaves, or takes as long again, the next one starts in its place; never more
    /// than two works count. Newcomers just follow. Default: any time.
    ///
    /// For [`run`](Group::run), this bounds how long a leader that is alive but not polled holds up the others. The work of a
    /// [`relay`](Group::relay) has no leader who could hold it up, as any caller goes on with it, and so is not overtaken; a follower by `relay` that
    /// overtakes somebody else's work goes on with its own alone. A new leader has the whole time again. With [`OnFailure::Retry`] a failure of the
    /// work beside is its caller's alone, and counts as a try. [`cancel`](Group::cancel) and a [timeout](Self::timeout) end both works, but newcomers wait only
    /// for the leader's to be gone.
    ///
    /// ```
    /// # coflight::block_on(async {
    /// use std::time::Duration;
    /// use coflight::{Group, Role, Tokio};
    /// use futures_lite::future::{poll_once, yield_now};
    ///
    /// let flights: Group<u64, u64, Tokio> =
    ///     Group::builder().runtime(Tokio::current()).overtake_after(Duration::from_secs(1)).build();
    ///
    /// let mut stalled = Box::pin(flights.run(&6, || async {
    ///     yield_now().await; // it takes a moment
    ///     0
    /// }));
    /// assert_eq!(poll_once(&mut stalled).await, None); // it leads, but nobody polls it any more
    ///
    /// let (answer, served) = flights.run(&6, || async { 6 * 7 }).with_served().await;
    /// assert_eq!((answer, served.role), (Ok(42), Role::Overtook));
    /// assert_eq!(stalled.await, Ok(42));
    /// # });
    /// ```
    pub fn overtake_after(mut self, limit: Duration) -> Self
    where
        R: Timed,
    {
        self.chosen.limits.overtake_after = Some(limit);
        self.timed()
    }

    /// How long one call may take, from its first poll. Then that caller leaves, with [`Error::WaitTimedOut`](crate::Error::WaitTimedOut), as if it had been dropped: the
    /// others do not notice. Default: any time.
    ///
    /// ```
    /// # coflight::block_on(async {
    /// use std::time::Duration;
    /// use coflight::{Error, Group, Tokio};
    ///
    /// let flights: Group<u64, u64, Tokio> =
    ///     Group::builder().runtime(Tokio::current()).wait_timeout(Duration::from_secs(1)).build();
    /// let _slow = flights.enter(&6);
    ///
    /// assert_eq!(flights.run(&6, || async { 6 * 7 }).await, Err(Error::WaitTimedOut));
    /// assert!(flights.contains(&6)); // the flight goes on
    /// # });
    /// ```
    pub fn wait_timeout(mut self, limit: Duration) -> Self
    where
        R: Timed,
    {
        self.chosen.limits.wait_timeout = Some(limit);
        self.timed()
    }

    /// How old a flight may be and still be joined. A newcomer that finds an older one starts another, so that the data it gets is never
    /// older than this; the older one goes on, and [`cancel`](Group::cancel) and [`forget`](Group::forget) mean both. Also holds for a result that
    /// [lingers](Self::linger). Default: any age.
    ///
    /// ```
    /// # coflight::block_on(async {
    /// use std::time::Duration;
    /// use coflight::{Entry, Group, Timer, Tokio};
    ///
    /// let flights: Group<u64, u64, Tokio> =
    ///     Group::builder().runtime(Tokio::current()).join_within(Duration::from_secs(1)).build();
    /// let _slow = flights.enter(&1);
    /// assert!(matches!(flights.enter(&1), Entry::Follower(_)));
    ///
    /// flights.runtime().sleep(Duration::from_secs(2)).await;
    /// assert!(matches!(flights.enter(&1), Entry::Leader(_))); // what that one reads may be out of date
    /// # });
    /// ```
    pub fn join_within(mut self, age: Duration) -> Self
    where
        R: Timed,
    {
        self.chosen.limits.join_within = Some(age);
        self.timed()
    }

    /// Notes when each flight starts, by the runtime's clock, for the ages of [`Group::in_flight`], the durations of events, and
    /// [`Call::join_within`](crate::Call::join_within). Every limit that needs a clock does this already.
    ///
    /// ```
    /// # coflight::block_on(async {
    /// use std::time::Duration;
    /// use coflight::{Group, Timer, Tokio};
    ///
    /// let flights: Group<u64, u64, Tokio> = Group::builder().runtime(Tokio::current()).timed().build();
    /// let _slow = flights.enter(&1);
    ///
    /// flights.runtime().sleep(Duration::from_secs(2)).await;
    /// assert!(flights.in_flight()[0].age >= Some(Duration::from_secs(2)));
    /// # });
    /// ```
    pub fn timed(mut self) -> Self
    where
        R: Timed,
    {
        self.chosen.time = Some(time::of(&self.runtime));
        self
    }

    /// How long a result is served to newcomers after it was ready; [`forget`](Group::forget) and [`cancel`](Group::cancel) end that. Failures do not
    /// linger unless [asked](Self::linger_failures). Default: not at all.
    ///
    /// The memory that a result takes is freed by a task of the runtime when the time is over, or, if the runtime is shut down, at once.
    ///
    /// ```
    /// # coflight::block_on(async {
    /// use std::time::Duration;
    /// use coflight::{Group, Tokio};
    ///
    /// let prices: Group<String, u64, Tokio> =
    ///     Group::builder().runtime(Tokio::current()).linger(Duration::from_secs(1)).build();
    /// assert_eq!(prices.run("coffee", || async { 10 }).await, Ok(10));
    /// assert_eq!(prices.run("coffee", || async { 12 }).await, Ok(10)); // fresh enough
    ///
    /// prices.forget("coffee"); // it has changed
    /// assert_eq!(prices.run("coffee", || async { 12 }).await, Ok(12));
    /// # });
    /// ```
    pub fn linger(mut self, linger: Duration) -> Self
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
        R: Runtime,
    {
        self.chosen.limits.linger = Some(linger);
        self.chosen.sweeps = Some(linger::on(&self.runtime));
        self.timed()
    }
}

impl<K, V> Chosen<K, V> {
    /// Nothing, if nothing was chosen that a call must know of.
    fn into_config(self, name: Option<&String>, table: &Table<K, V>) -> Option<Config<K, V>> {
        let Self { name: _, limits, linger_failures, on_failure, failed_if, time, sweeps, observers, show } = self;
        let limited = time.is_some() || limits.max_flights.is_some() || limits.max_callers.is_some();
        let judges = linger_failures || on_failure != OnFailure::Share || failed_if.is_some();
        if !limited && !judges && observers.is_empty() && show.is_none() {
            return None;
        }
        let lingering = sweeps
            .zip(time.as_ref())
            .map(|(sweeps, time)| Arc::new(Lingering::new(Arc::clone(time), sweeps, table.clone())));
        Some(Config {
            name: name.cloned(),
            limits,
            linger_failures,
            on_failure,
            failed_if,
            time,
            lingering,
            observers,
            show,
            blind: DefaultHashBuilder::default(),
            flights: AtomicUsize::new(0),
            number: AtomicUsize::new(0),
            #[cfg(feature = "std")]
            origin: std::time::Instant::now(),
        })
    }
}

fn default_shards() -> usize {
    #[cfg(feature = "std")]
    {
        // Asking the system takes longer than everything else here.
        static CORES: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
        shards_for(*CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, Into::into)))
    }
    #[cfg(not(feature = "std"))]
    1
}

#[cfg(feature = "std")]
fn shards_for(cores: usize) -> usize {
    (cores * 64).clamp(128, 2048)
}

impl<K, V, R, S> fmt::Debug for Builder<K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("shards", &self.shards).field("detach", &self.detach).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(feature = "std")]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_as_many_shards_as_the_docs_say() {
        assert_eq!([1, 2, 4, 32, 1000].map(shards_for), [128, 128, 256, 2048, 2048]);
        let cores = std::thread::available_parallelism().map_or(1, Into::into);
        assert_eq!(default_shards(), shards_for(cores));
    }
}
