//! The group, as its users hold it.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use coflight_core::{AsKey, DefaultHashBuilder, InFlight, Runtime, SharedError, Stats};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::builder::Builder;
use crate::call::Call;
use crate::engine::Engine;
use crate::envelope::Outcome;
use crate::error::{Error, TryError};
use crate::inner::Inner;
use crate::lease::Lease;
use crate::served::{Answer, Served};
use crate::watch::ClusterStats;

/// A group whose flights span processes: for one key, one execution at a time in all processes that share an [engine](Engine), and one result for
/// everyone who asked meanwhile, wherever they asked.
///
/// The callers of a process coalesce in a local group first, with all its promises; one of them asks the engine, and one process leads. A clone is another
/// handle to the same group.
///
/// What is promised, and what is not, is in the [guide](crate#promises).
///
/// | parameter | is |
/// |---|---|
/// | `K` | the key: hashed, compared, and written as bytes |
/// | `V` | what the work produces: cloned, written, and read. `Result<T, SharedError<E>>` for the `try_` verbs: see [`TryCluster`] |
/// | `En` | the engine |
/// | `R` | the runtime: a timer, a clock, a way to spawn |
/// | `S` | the hasher of the local group |
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), coflight::cluster::Error> {
/// use coflight::cluster::{Cluster, InProcess};
/// use coflight::Tokio;
/// use futures_lite::future;
///
/// // This engine is for tests: groups that share it are to each other what processes are.
/// let engine = InProcess::new();
/// let here: Cluster<u64, String, _, _> = Cluster::new("users", engine.clone(), Tokio::current());
/// let there: Cluster<u64, String, _, _> = Cluster::new("users", engine, Tokio::current());
///
/// let work = |_| async {
///     future::yield_now().await; // it takes a moment
///     "Ada".to_owned()
/// };
/// let other = |_| async { unreachable!("the work of another process is on its way") };
/// let (led, followed) = future::zip(here.run(&42, work), there.run(&42, other)).await;
/// assert_eq!(led?, followed?);
/// # Ok(())
/// # }
/// ```
pub struct Cluster<K, V, En: Engine, R, S = DefaultHashBuilder> {
    pub(crate) inner: Arc<Inner<K, V, En, R, S>>,
}

/// A cluster group whose work can fail: `T` on success, `E` on failure, which travels as an error. For the `try_` verbs.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), coflight::cluster::Error> {
/// use coflight::cluster::{InProcess, TryCluster};
/// use coflight::Tokio;
///
/// let ports: TryCluster<String, u16, String, _, _> = TryCluster::new("ports", InProcess::new(), Tokio::current());
/// let port = ports.try_run("http", |_| async { Err("no such service".to_owned()) }).await;
/// assert_eq!(port.unwrap_err().to_string(), "no such service");
/// # Ok(())
/// # }
/// ```
pub type TryCluster<K, T, E, En, R, S = DefaultHashBuilder> = Cluster<K, Result<T, SharedError<E>>, En, R, S>;

impl<K, V, En, R> Cluster<K, V, En, R>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Serialize + DeserializeOwned + Send + Sync + 'static,
    En: Engine,
    R: Runtime,
{
    /// A group with the defaults. All processes must give it the same `name`, which other groups on the same engine must not have.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let users: Cluster<u64, String, _, _> = Cluster::new("users", InProcess::new(), Tokio::current());
    /// assert_eq!(users.run(&42, |_| async { "Ada".to_owned() }).await?, "Ada");
    /// assert_eq!(users.name(), "users");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(name: &str, engine: En, runtime: R) -> Self {
        Self::builder(name, engine, runtime).build()
    }

    /// Everything that can be chosen.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess, OnOutage};
    /// use coflight::Tokio;
    ///
    /// let users: Cluster<u64, String, _, _> = Cluster::builder("users", InProcess::new(), Tokio::current())
    ///     .on_outage(OnOutage::Refuse)
    ///     .timeout(Duration::from_secs(30))
    ///     .linger(Duration::from_secs(1))
    ///     .build();
    /// let user = users.run(&42, |_| async { "Ada".to_owned() }).await?;
    /// assert_eq!(users.run(&42, |_| async { unreachable!("it lingers") }).await?, user);
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(name: &str, engine: En, runtime: R) -> Builder<K, V, En, R> {
        Builder::new(name, engine, runtime)
    }
}

/// The verbs. Each returns a future that does nothing until it is polled, and whose [`with_served`](Answer::with_served) says how the caller was served.
///
/// The work is a function of a [`Lease`], which has the fencing token.
impl<K, V, En, R, S> Cluster<K, V, En, R, S>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    En: Engine,
    R: Runtime,
    S: BuildHasher + Send + Sync + 'static,
{
    /// [`coflight_core::Group::run`], for all processes: the work of one caller runs, in its own future.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let reports: Cluster<u64, String, _, _> = Cluster::new("reports", InProcess::new(), Tokio::current());
    /// let title = String::from("Sales"); // the work may borrow
    /// let report = reports
    ///     .run(&7, async |lease| {
    ///         assert!(lease.token().is_some(), "this process leads");
    ///         format!("{title}: 12")
    ///     })
    ///     .await?;
    /// assert_eq!(report, "Sales: 12");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the flight. If it led, its work is dropped, the lease is given up at once, and another caller, of this process or another,
    /// starts **its own** work.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    ///
    /// # Panics
    ///
    /// With the work's own panic, if this caller ran it.
    #[doc(alias = "singleflight")]
    pub fn run<Q, F, Fut>(&self, key: &Q, work: F) -> Answer<impl Future<Output = (Result<V, Error>, Served)>>
    where
        Q: ?Sized + AsKey<K> + Serialize,
        F: FnOnce(Lease) -> Fut,
        Fut: Future<Output = V>,
    {
        self.call().run(key, work)
    }

    /// [`coflight_core::Group::relay`], for all processes: any caller of the leading process can go on with the one work; when all of them have left, and callers of other
    /// processes wait, a task of the runtime does.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    /// use futures_lite::future::{poll_once, yield_now};
    ///
    /// # let engine = InProcess::new();
    /// # let [here, there]: [Cluster<String, u64, _, _>; 2] =
    /// #     std::array::from_fn(|_| Cluster::new("answers", engine.clone(), Tokio::current()));
    /// // Of two processes, the first one works and the other waits.
    /// let mut leaves = Box::pin(here.relay("life", |_| async {
    ///     yield_now().await; // it takes a moment
    ///     42
    /// }));
    /// let mut waits = Box::pin(there.relay("life", |_| async { unreachable!("it is being worked on") }));
    /// assert!(poll_once(&mut leaves).await.is_none() && poll_once(&mut waits).await.is_none());
    ///
    /// drop(leaves); // with `run` the work would go with it
    /// assert_eq!(waits.await?, 42);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the flight. The work is dropped within a lease after the last caller anywhere has left.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    ///
    /// # Panics
    ///
    /// With the work's own panic, if this caller started it, or is polling it when the one who started it has left.
    pub fn relay<Q, F, Fut>(&self, key: &Q, work: F) -> Answer<impl Future<Output = (Result<V, Error>, Served)>>
    where
        Q: ?Sized + AsKey<K> + Serialize,
        F: FnOnce(Lease) -> Fut + Send + 'static,
        Fut: Future<Output = V> + Send + 'static,
    {
        self.call().relay(key, work)
    }

    /// [`coflight_core::Group::spawn`], for all processes: the work is a task of the runtime, and goes on for as long as anyone waits, in any process.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::thread;
    /// use coflight::Threads;
    /// use coflight::blocking::wait;
    /// use coflight::cluster::{Cluster, InProcess};
    ///
    /// // This runtime has a thread for each task.
    /// let names: Cluster<String, bool, _, _> = Cluster::new("names", InProcess::new(), Threads::new());
    /// let caller = thread::current().id();
    /// let elsewhere = wait(names.spawn("work", move |_| async move { thread::current().id() != caller }))?;
    /// assert!(elsewhere);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the flight. The work is dropped within a lease after the last caller anywhere has left.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    ///
    /// # Panics
    ///
    /// With the work's own panic, if this caller started it.
    pub fn spawn<Q, F, Fut>(&self, key: &Q, work: F) -> Answer<impl Future<Output = (Result<V, Error>, Served)>>
    where
        Q: ?Sized + AsKey<K> + Serialize,
        F: FnOnce(Lease) -> Fut + Send + 'static,
        Fut: Future<Output = V> + Send + 'static,
    {
        self.call().spawn(key, work)
    }

    /// [`coflight_core::Group::run_blocking`], for all processes: the closure of one caller runs, on its own thread.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use coflight::Threads;
    /// use coflight::cluster::{Cluster, InProcess};
    ///
    /// let sums: Cluster<u64, u64, _, _> = Cluster::new("sums", InProcess::new(), Threads::new());
    /// let sum = sums.run_blocking(&1000, |_| (1..=1000).sum())?;
    /// assert_eq!(sum, 500_500);
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
    /// See [`Error`].
    ///
    /// # Panics
    ///
    /// With the work's own panic, if this caller ran it.
    pub fn run_blocking<Q, F>(&self, key: &Q, work: F) -> Result<V, Error>
    where
        Q: ?Sized + AsKey<K> + Serialize,
        F: FnOnce(Lease) -> V,
    {
        self.call().run_blocking(key, work)
    }

    /// The same verbs, with options for one call.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let answers: Cluster<String, u64, _, _> = Cluster::new("answers", InProcess::new(), Tokio::current());
    /// let answer = answers.call().linger(Duration::from_secs(60)).run("life", |_| async { 42 }).await?;
    /// assert_eq!(answers.run("life", |_| async { unreachable!("it lingers") }).await?, answer);
    /// # Ok(())
    /// # }
    /// ```
    pub fn call(&self) -> Call<'_, K, V, En, R, S> {
        Call::new(&self.inner)
    }
}

/// The verbs for work that can fail. The error travels as an error: everyone everywhere gets it, and it never lingers.
impl<K, T, E, En, R, S> Cluster<K, Result<T, SharedError<E>>, En, R, S>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
    E: Send + Sync + 'static,
    En: Engine,
    R: Runtime,
    S: BuildHasher + Send + Sync + 'static,
{
    /// [`run`](Self::run), for work that can fail.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{InProcess, TryCluster, TryError};
    /// use coflight::Tokio;
    ///
    /// let ports: TryCluster<String, u16, String, _, _> = TryCluster::new("ports", InProcess::new(), Tokio::current());
    /// let parsed = ports.try_run("http", |_| async { "80a".parse().map_err(|_| "no number".to_owned()) }).await;
    /// match parsed {
    ///     Err(TryError::Work(error)) => assert_eq!(*error, "no number"), // everyone who asked has it
    ///     other => unreachable!("{other:?}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// [`TryError::Work`] with the work's error, [`TryError::Flight`] for those of [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    pub fn try_run<Q, F, Fut>(&self, key: &Q, work: F) -> Answer<impl Future<Output = (Result<T, TryError<E>>, Served)>>
    where
        Q: ?Sized + AsKey<K> + Serialize,
        F: FnOnce(Lease) -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        self.call().try_run(key, work)
    }

    /// [`relay`](Self::relay), for work that can fail.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{InProcess, TryCluster};
    /// use coflight::Tokio;
    ///
    /// let ports: TryCluster<String, u16, String, _, _> = TryCluster::new("ports", InProcess::new(), Tokio::current());
    /// let text = "80a".to_owned();
    /// let parse = |_| async move { text.parse().map_err(|_| format!("no number: {text}")) };
    /// let parsed = ports.try_relay("http", parse).await;
    /// assert_eq!(parsed.unwrap_err().work().unwrap(), "no number: 80a");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// As [`relay`](Self::relay).
    ///
    /// # Errors
    ///
    /// As [`try_run`](Self::try_run).
    ///
    /// # Panics
    ///
    /// As [`relay`](Self::relay).
    pub fn try_relay<Q, F, Fut>(
        &self,
        key: &Q,
        work: F,
    ) -> Answer<impl Future<Output = (Result<T, TryError<E>>, Served)>>
    where
        Q: ?Sized + AsKey<K> + Serialize,
        F: FnOnce(Lease) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.call().try_relay(key, work)
    }

    /// [`spawn`](Self::spawn), for work that can fail.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{InProcess, TryCluster};
    /// use coflight::Tokio;
    ///
    /// let ports: TryCluster<String, u16, String, _, _> = TryCluster::new("ports", InProcess::new(), Tokio::current());
    /// let parsed = ports.try_spawn("http", |_| async { "80".parse().map_err(|_| "no number".to_owned()) }).await;
    /// assert_eq!(parsed.unwrap(), 80);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// As [`spawn`](Self::spawn).
    ///
    /// # Errors
    ///
    /// As [`try_run`](Self::try_run).
    ///
    /// # Panics
    ///
    /// As [`spawn`](Self::spawn).
    pub fn try_spawn<Q, F, Fut>(
        &self,
        key: &Q,
        work: F,
    ) -> Answer<impl Future<Output = (Result<T, TryError<E>>, Served)>>
    where
        Q: ?Sized + AsKey<K> + Serialize,
        F: FnOnce(Lease) -> Fut + Send + 'static,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
    {
        self.call().try_spawn(key, work)
    }

    /// [`run_blocking`](Self::run_blocking), for work that can fail.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use coflight::Threads;
    /// use coflight::cluster::{InProcess, TryCluster};
    ///
    /// let ports: TryCluster<String, u16, String, _, _> = TryCluster::new("ports", InProcess::new(), Threads::new());
    /// let parsed = ports.try_run_blocking("http", |_| "80a".parse().map_err(|_| "no number".to_owned()));
    /// assert_eq!(parsed.unwrap_err().work().unwrap(), "no number");
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
    /// As [`try_run`](Self::try_run).
    ///
    /// # Panics
    ///
    /// As [`run_blocking`](Self::run_blocking).
    pub fn try_run_blocking<Q, F>(&self, key: &Q, work: F) -> Result<T, TryError<E>>
    where
        Q: ?Sized + AsKey<K> + Serialize,
        F: FnOnce(Lease) -> Result<T, E>,
    {
        self.call().try_run_blocking(key, work)
    }
}

/// Looking at flights, and ending them.
impl<K, V, En, R, S> Cluster<K, V, En, R, S>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    En: Engine,
    R: Runtime,
    S: BuildHasher + Send + Sync + 'static,
{
    /// Ends the coalescing, not the flight: those aboard get its result, newcomers start afresh; those of this process from the moment this
    /// returns, those of another as soon as it hears of it, which is at once, or if the news is lost, within a third of a lease. Also ends a result's
    /// lingering. Returns whether there was a flight in any process, or a result that lingered.
    ///
    /// For when what the work is fetching has just changed. The old work and a new one may then run at the same time.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let stock: Cluster<u64, u64, _, _> =
    ///     Cluster::builder("stock", InProcess::new(), Tokio::current()).linger(Duration::from_secs(60)).build();
    /// assert_eq!(stock.run(&7, |_| async { 12 }).await?, 12);
    ///
    /// // One was sold: nobody is to get what was counted before.
    /// assert!(stock.forget(&7).await?);
    /// assert_eq!(stock.run(&7, |_| async { 11 }).await?, 11);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, it may have reached the other processes, and has not reached this one. Call it again.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`]: in this process it is forgotten all the same, in the others it may not be. [`Error::Key`].
    pub async fn forget<Q>(&self, key: &Q) -> Result<bool, Error>
    where
        Q: ?Sized + AsKey<K> + Serialize,
    {
        let (link, local) = (&self.inner.link, &self.inner.local);
        let elsewhere = match self.inner.name(key, &key.to_key()) {
            Ok(name) => {
                // First this, so that it does not lead again meanwhile.
                let led = link.leads.forget(&name);
                let forgotten = link.insist("forget", link.patience, || link.engine.forget(&name)).await;
                if let Some(led) = led {
                    link.leads.forgotten(&name, &led);
                }
                forgotten.map_err(Error::Unavailable)
            }
            Err(error) => Err(Error::Key(error)),
        };
        let here = local.forget(key);
        elsewhere.map(|elsewhere| elsewhere || here)
    }

    /// Ends the flight: everyone aboard, in every process, gets [`Cancelled`](coflight_core::Error::Cancelled), and the work is dropped: in this process as
    /// [`coflight_core::Group::cancel`] says, in another as soon as it hears of it. Newcomers do not wait for that. Also ends a result's lingering. Returns whether there was
    /// a flight in any process, or a result that lingered.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    /// use futures_lite::future::poll_once;
    ///
    /// let engine = InProcess::new();
    /// let here: Cluster<u64, String, _, _> = Cluster::new("reports", engine.clone(), Tokio::current());
    /// let there: Cluster<u64, String, _, _> = Cluster::new("reports", engine, Tokio::current());
    ///
    /// let mut report = Box::pin(here.run(&7, |_| std::future::pending()));
    /// assert!(poll_once(&mut report).await.is_none()); // it has begun
    ///
    /// assert!(there.cancel(&7).await?);
    /// assert_eq!(report.await.unwrap_err().flight(), Some(&coflight::Error::Cancelled));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, it may have reached the other processes, and has not reached this one. Call it again.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`]: in this process it is cancelled all the same, in the others it may not be. [`Error::Key`].
    pub async fn cancel<Q>(&self, key: &Q) -> Result<bool, Error>
    where
        Q: ?Sized + AsKey<K> + Serialize,
    {
        let (link, local) = (&self.inner.link, &self.inner.local);
        let elsewhere = match self.inner.name(key, &key.to_key()) {
            Ok(name) => {
                let ending = link.ending(Outcome::Cancelled);
                let cancel = || link.engine.cancel(&name, &ending, link.lease);
                let cancelled = link.insist("cancel", link.patience, cancel).await;
                // Not to be taken for one whose callers left, and which goes on for others.
                link.leads.end(&name, &ending);
                cancelled.map_err(Error::Unavailable)
            }
            Err(error) => Err(Error::Key(error)),
        };
        let here = local.cancel(key);
        elsewhere.map(|elsewhere| elsewhere || here)
    }

    /// Whether callers of this process wait for `key`, or one of them leads.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let flights: Cluster<String, bool, _, _> = Cluster::new("flights", InProcess::new(), Tokio::current());
    /// assert!(flights.run("a key", |_| async { flights.contains("a key") }).await?);
    /// assert!(!flights.contains("a key"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn contains<Q: ?Sized + AsKey<K>>(&self, key: &Q) -> bool {
        self.inner.local.contains(key)
    }
}

impl<K, V, En: Engine, R, S> Cluster<K, V, En, R, S> {
    /// Flights in which callers of this process take part.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let flights: Cluster<String, usize, _, _> = Cluster::new("flights", InProcess::new(), Tokio::current());
    /// assert_eq!(flights.run("a key", |_| async { flights.len() }).await?, 1);
    /// assert_eq!(flights.len(), 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.local.len()
    }

    /// Whether no caller of this process takes part in a flight.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let flights: Cluster<String, bool, _, _> = Cluster::new("flights", InProcess::new(), Tokio::current());
    /// assert!(!flights.run("a key", |_| async { flights.is_empty() }).await?);
    /// assert!(flights.is_empty()); // so a process may end
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inner.local.is_empty()
    }

    /// The accounts of this process's own flights: to them, the work of a flight that another process leads is to wait for its result.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    /// use futures_lite::future::{yield_now, zip};
    ///
    /// let answers: Cluster<String, u64, _, _> = Cluster::new("answers", InProcess::new(), Tokio::current());
    /// let work = |_| async {
    ///     yield_now().await; // it takes a moment
    ///     42
    /// };
    /// let _ = zip(answers.run("life", work), answers.run("life", work)).await;
    /// assert_eq!((answers.stats().led, answers.stats().joined), (1, 1));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.local.stats()
    }

    /// What this process did beyond itself.
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
    /// for _ in 0..2 {
    ///     answers.run("life", |_| async { 42 }).await?;
    /// }
    /// let stats = answers.cluster_stats();
    /// assert_eq!((stats.led, stats.published, stats.lingered), (1, 1, 1));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn cluster_stats(&self) -> ClusterStats {
        self.inner.link.watch.stats()
    }

    /// What is in flight in this process.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let flights: Cluster<String, Vec<String>, _, _> = Cluster::new("flights", InProcess::new(), Tokio::current());
    /// let keys = async || flights.in_flight().into_iter().map(|flight| flight.key).collect();
    /// assert_eq!(flights.run("a key", |_| keys()).await?, ["a key"]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn in_flight(&self) -> Vec<InFlight<K>>
    where
        K: Clone,
    {
        self.inner.local.in_flight()
    }

    /// The name that all processes know the group by.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let users: Cluster<u64, String, _, _> = Cluster::new("users", InProcess::new(), Tokio::current());
    /// assert_eq!(users.name(), "users");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// What this process calls itself.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let builder = || Cluster::<u64, String, _, _>::builder("users", InProcess::new(), Tokio::current());
    /// assert_eq!(builder().process("web-1").build().process(), "web-1");
    /// // Unless it was told a name: its number, and something random.
    /// assert!(builder().build().process().starts_with(&std::process::id().to_string()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn process(&self) -> &str {
        &self.inner.link.process
    }

    /// The engine.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let answers: Cluster<String, u64, _, _> = Cluster::new("answers", InProcess::new(), Tokio::current());
    /// answers.run("life", |_| async { 42 }).await?;
    /// assert_eq!(answers.engine().operations(), 2); // one to lead, one to publish
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn engine(&self) -> &En {
        &self.inner.link.engine
    }
}

impl<K, V, En: Engine, R, S> Clone for Cluster<K, V, En, R, S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K, V, En: Engine, R, S> fmt::Debug for Cluster<K, V, En, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("name", &self.name()).field("len", &self.len()).finish_non_exhaustive()
    }
}
