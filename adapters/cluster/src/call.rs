//! The verbs, with options for one call.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::time::Duration;

use coflight_core::{AsKey, Runtime, SharedError};
use futures_lite::future;
use serde::Serialize;

use crate::across::{Across, Slot, Wants};
use crate::engine::Engine;
use crate::error::{Error, TryError};
use crate::inner::Inner;
use crate::landing::{Delivered, Undelivered};
use crate::lease::Lease;
use crate::served::{Answer, Served};
use crate::settle::{conclude, flatten};

/// What a verb does: asks by the local group's verb, with a work that goes to the engine, until there is an answer. The verbs' futures have types of their own, and
/// ask different things of the work, so that a function could not be for all.
macro_rules! until_concluded {
    ($call:ident, $key:ident, $work:ident, $failed:ident, $verb:ident, $how:ident) => {{
        let slot = Slot::new($work);
        let wants = Wants { failed: $failed, linger: $call.linger, timeout: $call.timeout };
        loop {
            let across = || Across::new($call.inner, $key, slot.clone(), wants).$how();
            let (landed, local) = $call.local.clone().$verb($key, across).with_served().await;
            if let Some(concluded) = conclude($call.inner, &slot, landed, local).await {
                return concluded;
            }
        }
    }};
}

type Local<'c, K, V, R, S> = coflight_core::Call<'c, K, Result<Delivered<V>, SharedError<Undelivered<V>>>, R, S>;

/// One call to come: options that override the group's, then a verb. From [`Cluster::call`](crate::Cluster::call).
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), coflight::cluster::Error> {
/// use std::time::Duration;
/// use coflight::cluster::{Cluster, InProcess};
/// use coflight::Tokio;
///
/// let answers: Cluster<String, u64, _, _> = Cluster::new("answers", InProcess::new(), Tokio::current());
/// let call = answers.call().timeout(Duration::from_secs(1)).linger(Duration::from_secs(60));
/// assert_eq!(call.run("life", |_| async { 42 }).await?, 42);
/// assert_eq!(answers.run("life", |_| async { unreachable!("it lingers") }).await?, 42);
/// # Ok(())
/// # }
/// ```
#[must_use = "options do nothing until a verb is called"]
pub struct Call<'c, K, V, En: Engine, R, S> {
    pub(crate) inner: &'c Arc<Inner<K, V, En, R, S>>,
    pub(crate) local: Local<'c, K, V, R, S>,
    pub(crate) linger: Duration,
    pub(crate) timeout: Option<Duration>,
}

impl<'c, K, V, En: Engine, R: Runtime, S: BuildHasher> Call<'c, K, V, En, R, S> {
    pub(crate) fn new(inner: &'c Arc<Inner<K, V, En, R, S>>) -> Self {
        Self { inner, local: inner.local.call(), linger: inner.linger, timeout: inner.timeout }
    }

    /// Overrides [`Builder::linger`](crate::Builder::linger), if this call's work runs.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let answers: Cluster<String, u64, _, _> =
    ///     Cluster::builder("answers", InProcess::new(), Tokio::current()).linger(Duration::from_secs(60)).build();
    /// answers.call().linger(None).run("life", |_| async { 41 }).await?; // not to be had later
    /// assert_eq!(answers.run("life", |_| async { 42 }).await?, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn linger(mut self, linger: impl Into<Option<Duration>>) -> Self {
        self.linger = linger.into().unwrap_or_default();
        self
    }

    /// Overrides [`Builder::timeout`](crate::Builder::timeout). If this call joins a flight of its process, whose limit is set already, this caller alone leaves
    /// after that time, with the same error.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let answers: Cluster<String, u64, _, _> =
    ///     Cluster::builder("answers", InProcess::new(), Tokio::current()).timeout(Duration::from_secs(30)).build();
    /// let call = answers.call().timeout(Duration::from_secs(60)); // this one may take longer
    /// let work = |_| async {
    ///     tokio::time::sleep(Duration::from_secs(45)).await;
    ///     42
    /// };
    /// assert_eq!(call.run("life", work).await?, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.timeout = limit.into();
        self.local = self.local.timeout(self.timeout);
        self
    }

    /// Overrides [`Builder::wait_timeout`](crate::Builder::wait_timeout).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let answers: Cluster<String, u64, _, _> = Cluster::new("answers", InProcess::new(), Tokio::current());
    /// let call = answers.call().wait_timeout(Duration::from_secs(1));
    /// let late = call.run("life", |_| std::future::pending()).await;
    /// assert_eq!(late.unwrap_err().flight(), Some(&coflight::Error::WaitTimedOut));
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self {
        self.local = self.local.wait_timeout(limit);
        self
    }

    /// Overrides [`Builder::max_flights`](crate::Builder::max_flights), if this call would start a flight in its process.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    /// use futures_lite::future::poll_once;
    ///
    /// let reports: Cluster<u64, u64, _, _> =
    ///     Cluster::builder("reports", InProcess::new(), Tokio::current()).max_flights(1).build();
    /// let mut first = Box::pin(reports.run(&1, |_| std::future::pending()));
    /// assert!(poll_once(&mut first).await.is_none()); // it is in flight
    ///
    /// // For somebody who must not be refused.
    /// assert_eq!(reports.call().max_flights(None).run(&2, |_| async { 42 }).await?, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_flights(mut self, flights: impl Into<Option<usize>>) -> Self {
        self.local = self.local.max_flights(flights);
        self
    }

    /// Overrides [`Builder::detach`](crate::Builder::detach).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    /// use futures_lite::future::poll_once;
    /// use tokio::sync::oneshot;
    ///
    /// let tokens: Cluster<String, (), _, _> = Cluster::new("tokens", InProcess::new(), Tokio::current());
    /// let (done, told) = oneshot::channel();
    /// let call = tokens.call().detach(true);
    /// let mut leaves = Box::pin(call.spawn("ada", |_| async { done.send("refreshed").unwrap() }));
    /// assert!(poll_once(&mut leaves).await.is_none());
    /// drop(leaves); // nobody waits any more
    /// assert_eq!(told.await?, "refreshed");
    /// # Ok(())
    /// # }
    /// ```
    pub fn detach(mut self, detach: bool) -> Self {
        self.local = self.local.detach(detach);
        self
    }

    /// What [observers](coflight_core::Observer) of the local group get to know of this call.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::mpsc::channel;
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::{Event, Tokio};
    ///
    /// struct Request(u64);
    ///
    /// let (log, logged) = channel();
    /// let answers: Cluster<String, u64, _, _> = Cluster::builder("answers", InProcess::new(), Tokio::current())
    ///     .observer(move |event: &Event<'_, String>| log.send(event.metadata().map(|Request(id)| *id)).unwrap())
    ///     .build();
    /// answers.call().metadata(Request(7)).run("life", |_| async { 42 }).await?;
    /// assert_eq!(logged.recv()?, Some(7));
    /// # Ok(())
    /// # }
    /// ```
    pub fn metadata(mut self, metadata: impl std::any::Any + Send + Sync) -> Self {
        self.local = self.local.metadata(metadata);
        self
    }
}

impl<'c, K, V, En, R, S> Call<'c, K, V, En, R, S>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    En: Engine,
    R: Runtime,
    S: BuildHasher + Send + Sync + 'static,
{
    /// [`Cluster::run`](crate::Cluster::run), with this call's options.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let answers: Cluster<String, u64, _, _> = Cluster::new("answers", InProcess::new(), Tokio::current());
    /// let call = answers.call().timeout(Duration::from_secs(5));
    /// let late = call.run("life", |_| std::future::pending()).await;
    /// assert_eq!(late.unwrap_err().flight(), Some(&coflight::Error::TimedOut));
    /// # Ok(())
    /// # }
    /// ```
    pub fn run<Q, F, Fut>(self, key: &Q, work: F) -> Answer<impl Future<Output = (Result<V, Error>, Served)>>
    where
        Q: ?Sized + AsKey<K> + Serialize,
        F: FnOnce(Lease) -> Fut,
        Fut: Future<Output = V>,
    {
        Answer::new(self.begin_run(key, work, |_| false))
    }

    /// [`Cluster::relay`](crate::Cluster::relay), with this call's options.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let answers: Cluster<String, u64, _, _> = Cluster::new("answers", InProcess::new(), Tokio::current());
    /// let call = answers.call().linger(Duration::from_secs(60));
    /// assert_eq!(call.relay("life", |_| async { 42 }).await?, 42);
    /// assert_eq!(answers.relay("life", |_| async { unreachable!("it lingers") }).await?, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn relay<Q, F, Fut>(self, key: &Q, work: F) -> Answer<impl Future<Output = (Result<V, Error>, Served)>>
    where
        Q: ?Sized + AsKey<K> + Serialize,
        F: FnOnce(Lease) -> Fut + Send + 'static,
        Fut: Future<Output = V> + Send + 'static,
    {
        Answer::new(self.begin_relay(key, work, |_| false))
    }

    /// [`Cluster::spawn`](crate::Cluster::spawn), with this call's options.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let answers: Cluster<String, u64, _, _> = Cluster::new("answers", InProcess::new(), Tokio::current());
    /// let call = answers.call().timeout(Duration::from_secs(5)); // then the task is dropped
    /// let late = call.spawn("life", |_| std::future::pending()).await;
    /// assert_eq!(late.unwrap_err().flight(), Some(&coflight::Error::TimedOut));
    /// # Ok(())
    /// # }
    /// ```
    pub fn spawn<Q, F, Fut>(self, key: &Q, work: F) -> Answer<impl Future<Output = (Result<V, Error>, Served)>>
    where
        Q: ?Sized + AsKey<K> + Serialize,
        F: FnOnce(Lease) -> Fut + Send + 'static,
        Fut: Future<Output = V> + Send + 'static,
    {
        Answer::new(self.begin_spawn(key, work, |_| false))
    }

    /// [`Cluster::run_blocking`](crate::Cluster::run_blocking), with this call's options.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use coflight::Threads;
    /// use coflight::cluster::{Cluster, InProcess};
    ///
    /// let sums: Cluster<u64, u64, _, _> = Cluster::new("sums", InProcess::new(), Threads::new());
    /// let sum = sums.call().linger(Duration::from_secs(60)).run_blocking(&1000, |_| (1..=1000).sum())?;
    /// assert_eq!(sums.run_blocking(&1000, |_| unreachable!("it lingers"))?, sum);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Blocking
    ///
    /// Blocks the thread. Never call it from a task of an async runtime.
    ///
    /// # Errors
    ///
    /// As [`Cluster::run_blocking`](crate::Cluster::run_blocking).
    ///
    /// # Panics
    ///
    /// As [`Cluster::run_blocking`](crate::Cluster::run_blocking).
    pub fn run_blocking<Q, F>(self, key: &Q, work: F) -> Result<V, Error>
    where
        Q: ?Sized + AsKey<K> + Serialize,
        F: FnOnce(Lease) -> V,
    {
        future::block_on(self.run(key, |lease| async move { work(lease) }))
    }

    async fn begin_run<Q, F, Fut>(self, key: &Q, work: F, failed: fn(&V) -> bool) -> (Result<V, Error>, Served)
    where
        Q: ?Sized + AsKey<K> + Serialize,
        F: FnOnce(Lease) -> Fut,
        Fut: Future<Output = V>,
    {
        until_concluded!(self, key, work, failed, try_run, in_place)
    }

    async fn begin_relay<Q, F, Fut>(self, key: &Q, work: F, failed: fn(&V) -> bool) -> (Result<V, Error>, Served)
    where
        Q: ?Sized + AsKey<K> + Serialize,
        F: FnOnce(Lease) -> Fut + Send + 'static,
        Fut: Future<Output = V> + Send + 'static,
    {
        until_concluded!(self, key, work, failed, try_relay, carried)
    }

    async fn begin_spawn<Q, F, Fut>(self, key: &Q, work: F, failed: fn(&V) -> bool) -> (Result<V, Error>, Served)
    where
        Q: ?Sized + AsKey<K> + Serialize,
        F: FnOnce(Lease) -> Fut + Send + 'static,
        Fut: Future<Output = V> + Send + 'static,
    {
        until_concluded!(self, key, work, failed, try_spawn, carried)
    }
}

impl<'c, K, T, E, En, R, S> Call<'c, K, Result<T, SharedError<E>>, En, R, S>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
    E: Send + Sync + 'static,
    En: Engine,
    R: Runtime,
    S: BuildHasher + Send + Sync + 'static,
{
    /// [`Cluster::try_run`](crate::Cluster::try_run), with this call's options.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{InProcess, TryCluster};
    /// use coflight::Tokio;
    ///
    /// let ports: TryCluster<String, u16, String, _, _> = TryCluster::new("ports", InProcess::new(), Tokio::current());
    /// let call = ports.call().linger(Duration::from_secs(60));
    /// assert!(call.try_run("http", |_| async { Err("not yet".to_owned()) }).await.is_err());
    /// // No failure lingers.
    /// assert_eq!(ports.try_run("http", |_| async { Ok(80) }).await.unwrap(), 80);
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_run<Q, F, Fut>(self, key: &Q, work: F) -> Answer<impl Future<Output = (Result<T, TryError<E>>, Served)>>
    where
        Q: ?Sized + AsKey<K> + Serialize,
        F: FnOnce(Lease) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        let work = |lease| async move { work(lease).await.map_err(SharedError::new) };
        Answer::new(async move { flatten(self.begin_run(key, work, Result::is_err).await) })
    }

    /// [`Cluster::try_relay`](crate::Cluster::try_relay), with this call's options.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{InProcess, TryCluster};
    /// use coflight::Tokio;
    ///
    /// let ports: TryCluster<String, u16, String, _, _> = TryCluster::new("ports", InProcess::new(), Tokio::current());
    /// let call = ports.call().timeout(Duration::from_secs(5));
    /// let port = call.try_relay("http", |_| async { Err("no such service".to_owned()) }).await;
    /// assert_eq!(port.unwrap_err().work().unwrap(), "no such service");
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_relay<Q, F, Fut>(
        self,
        key: &Q,
        work: F,
    ) -> Answer<impl Future<Output = (Result<T, TryError<E>>, Served)>>
    where
        Q: ?Sized + AsKey<K> + Serialize,
        F: FnOnce(Lease) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        let work = |lease| async move { work(lease).await.map_err(SharedError::new) };
        Answer::new(async move { flatten(self.begin_relay(key, work, Result::is_err).await) })
    }

    /// [`Cluster::try_spawn`](crate::Cluster::try_spawn), with this call's options.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Error, InProcess, TryCluster};
    /// use coflight::Tokio;
    ///
    /// let ports: TryCluster<String, u16, String, _, _> = TryCluster::new("ports", InProcess::new(), Tokio::current());
    /// let call = ports.call().timeout(Duration::from_secs(5));
    /// let late = call.try_spawn("http", |_| std::future::pending()).await;
    /// assert!(matches!(late.unwrap_err().flight(), Some(Error::Flight(coflight::Error::TimedOut))));
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_spawn<Q, F, Fut>(
        self,
        key: &Q,
        work: F,
    ) -> Answer<impl Future<Output = (Result<T, TryError<E>>, Served)>>
    where
        Q: ?Sized + AsKey<K> + Serialize,
        F: FnOnce(Lease) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        let work = |lease| async move { work(lease).await.map_err(SharedError::new) };
        Answer::new(async move { flatten(self.begin_spawn(key, work, Result::is_err).await) })
    }

    /// [`Cluster::try_run_blocking`](crate::Cluster::try_run_blocking), with this call's options.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use coflight::Threads;
    /// use coflight::cluster::{InProcess, TryCluster};
    ///
    /// let ports: TryCluster<String, u16, String, _, _> = TryCluster::new("ports", InProcess::new(), Threads::new());
    /// let call = ports.call().linger(Duration::from_secs(60));
    /// let port = call.try_run_blocking("http", |_| "80".parse().map_err(|_| "no number".to_owned()));
    /// assert_eq!(port.unwrap(), 80);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Blocking
    ///
    /// Blocks the thread. Never call it from a task of an async runtime.
    ///
    /// # Errors
    ///
    /// As [`Cluster::try_run_blocking`](crate::Cluster::try_run_blocking).
    ///
    /// # Panics
    ///
    /// As [`Cluster::try_run_blocking`](crate::Cluster::try_run_blocking).
    pub fn try_run_blocking<Q, F>(self, key: &Q, work: F) -> Result<T, TryError<E>>
    where
        Q: ?Sized + AsKey<K> + Serialize,
        F: FnOnce(Lease) -> Result<T, E>,
    {
        future::block_on(self.try_run(key, |lease| async move { work(lease) }))
    }
}

impl<K, V, En: Engine, R, S> fmt::Debug for Call<'_, K, V, En, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("group", &self.inner.name).finish_non_exhaustive()
    }
}
