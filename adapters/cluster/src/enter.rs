//! `enter`: leading by hand, for all processes.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::time::Duration;

use coflight_core::{AsKey, Entry, Runtime, SharedError};
use futures_lite::future;
use serde::Serialize;

use crate::attend::Ending;
use crate::call::Call;
use crate::duty::Duty;
use crate::engine::Engine;
use crate::envelope::Outcome;
use crate::error::{Error, TryError};
use crate::group::Cluster;
use crate::inner::Inner;
use crate::keeping::Status;
use crate::landing::{Came, Delivered, Done, Landed, Undelivered, attend_or_land, hand_out, land};
use crate::lease::Lease;
use crate::served::Trip;
use crate::settle::{Settled, settle};
use crate::watch::ClusterEventKind;

type LocalLeader<K, V, R, S> = coflight_core::Leader<K, Result<Delivered<V>, SharedError<Undelivered<V>>>, R, S>;

/// What [`Cluster::enter`] comes to.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), coflight::cluster::Error> {
/// use std::time::Duration;
/// use coflight::cluster::{Cluster, InProcess, Place, Turn};
/// use coflight::Tokio;
///
/// let engine = InProcess::new();
/// let [here, there]: [Cluster<String, u64, _, _>; 2] = std::array::from_fn(|_| {
///     Cluster::builder("answers", engine.clone(), Tokio::current()).linger(Duration::from_secs(60)).build()
/// });
/// let Turn::Leader(leader) = here.enter("life").await? else { unreachable!("nobody else asked") };
/// leader.complete(42).await?;
/// let Turn::Value(answer, trip) = there.enter("life").await? else { unreachable!("it lingers") };
/// assert_eq!((answer, trip.place), (42, Place::Lingered));
/// # Ok(())
/// # }
/// ```
pub enum Turn<K, V: Clone, En: Engine, R: Runtime, S> {
    /// There is a result.
    Value(V, Trip),
    /// The caller is to run the work.
    Leader(Leader<K, V, En, R, S>),
}

/// The duty to bring a flight of all processes to its end, and the right to choose how: [`complete`](Self::complete),
/// [`release`](Self::release), or drop to abandon it, upon which another caller, of this process or another, leads.
///
/// The work is taken to run for as long as it lives: its lease is renewed until then.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), coflight::cluster::Error> {
/// use coflight::cluster::{Cluster, InProcess, Turn};
/// use coflight::Tokio;
///
/// let answers: Cluster<String, u64, _, _> = Cluster::new("answers", InProcess::new(), Tokio::current());
/// let Turn::Leader(leader) = answers.enter("life").await? else { unreachable!("nobody else asked") };
/// drop(leader); // this one cannot do it after all
///
/// let Turn::Leader(leader) = answers.enter("life").await? else { unreachable!("it was abandoned") };
/// assert!(leader.lease().is_held());
/// assert_eq!(leader.complete(42).await?, 42);
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping it abandons the flight"]
pub struct Leader<K, V: Clone, En: Engine, R: Runtime, S> {
    inner: Arc<Inner<K, V, En, R, S>>,
    /// Of the flight of its own process. None: it was released, and is alone.
    local: Option<LocalLeader<K, V, R, S>>,
    /// None: without the engine.
    duty: Option<Duty<En, R>>,
    linger: Duration,
}

impl<K, V, En, R, S> Cluster<K, V, En, R, S>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    En: Engine,
    R: Runtime,
    S: BuildHasher + Send + Sync + 'static,
{
    /// The primitive below the verbs: waits for the result of whoever leads, or leads. For those who decide themselves where the work runs.
    ///
    /// ```
    /// # use coflight::Threads;
    /// # use coflight::blocking::wait;
    /// use coflight::cluster::{Cluster, InProcess, Turn};
    ///
    /// # wait(async {
    /// let flights: Cluster<String, u64, _, _> = Cluster::new("answers", InProcess::new(), Threads::new());
    /// let answer = match flights.enter("life").await? {
    ///     Turn::Value(value, _) => value,
    ///     Turn::Leader(leader) => leader.complete(42).await?,
    /// };
    /// assert_eq!(answer, 42);
    /// # Ok::<(), coflight::cluster::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the flight.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub async fn enter<Q>(&self, key: &Q) -> Result<Turn<K, V, En, R, S>, Error>
    where
        Q: ?Sized + AsKey<K> + Serialize,
    {
        self.call().enter(key).await
    }
}

impl<K, V, En, R, S> Call<'_, K, V, En, R, S>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    En: Engine,
    R: Runtime,
    S: BuildHasher + Send + Sync + 'static,
{
    /// [`Cluster::enter`], with this call's options. Its own limit, [`wait_timeout`](Self::wait_timeout), holds while it waits for another caller of its
    /// process.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess, Turn};
    /// use coflight::Tokio;
    ///
    /// let answers: Cluster<String, u64, _, _> = Cluster::new("answers", InProcess::new(), Tokio::current());
    /// let call = answers.call().linger(Duration::from_secs(60));
    /// let Turn::Leader(leader) = call.enter("life").await? else { unreachable!("nobody else asked") };
    /// leader.complete(42).await?;
    /// assert_eq!(answers.run("life", |_| async { unreachable!("it lingers") }).await?, 42);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// As [`Cluster::enter`].
    ///
    /// # Errors
    ///
    /// As [`Cluster::enter`].
    pub async fn enter<Q>(self, key: &Q) -> Result<Turn<K, V, En, R, S>, Error>
    where
        Q: ?Sized + AsKey<K> + Serialize,
    {
        let call = self;
        loop {
            let settled = match call.local.clone().enter(key) {
                Entry::Leader(leader) => return call.across(key, leader).await,
                Entry::Follower(follower) => match follower.await? {
                    coflight_core::Turn::Leader(leader) => return call.across(key, leader).await,
                    coflight_core::Turn::Value(landed) => {
                        settle(call.inner, landed.map_err(coflight_core::TryError::Work))
                    }
                },
            };
            match settled {
                Settled::Again => {}
                settled => return call.turn(settled),
            }
        }
    }

    /// The first of its process asks the engine.
    async fn across<Q>(&self, key: &Q, mut local: LocalLeader<K, V, R, S>) -> Result<Turn<K, V, En, R, S>, Error>
    where
        Q: ?Sized + AsKey<K> + Serialize,
    {
        let inner = self.inner;
        let name = match inner.name(key, local.key()) {
            Ok(name) => name,
            Err(error) => return self.finish(local, Err(Undelivered::Key(error))),
        };
        let deadline = inner.link.deadline(self.timeout);
        let following = local.within(|| inner.asking(local.key().clone(), deadline));
        let came = {
            let came = async { Some(attend_or_land(inner, &name, &following).await) };
            let ended = async {
                local.cancelled().await;
                None
            };
            future::or(came, ended).await
        };
        match came {
            Some(Came::Leads(duty)) => {
                // Nobody can see whether the work is driven.
                duty.keeping().never_idle();
                Ok(self.leads(Some(local), Some(duty)))
            }
            Some(Came::Alone) => Ok(self.leads(Some(local), None)),
            Some(Came::Landed(landed)) => self.finish(local, landed),
            // What ended it is what everybody gets.
            None => self.finish(local, Err(Undelivered::Again)),
        }
    }

    fn finish(&self, local: LocalLeader<K, V, R, S>, landed: Landed<V>) -> Result<Turn<K, V, En, R, S>, Error> {
        self.turn(settle(self.inner, local.try_complete(landed)))
    }

    fn turn(&self, settled: Settled<V>) -> Result<Turn<K, V, En, R, S>, Error> {
        match settled {
            Settled::Got(value, trip) => Ok(Turn::Value(value, trip)),
            Settled::Failed(error) => Err(error),
            Settled::Alone => Ok(self.leads(None, None)),
            Settled::Again => Err(Error::LeaseLost),
        }
    }

    fn leads(&self, local: Option<LocalLeader<K, V, R, S>>, duty: Option<Duty<En, R>>) -> Turn<K, V, En, R, S> {
        let inner = Arc::clone(self.inner);
        if duty.is_none() {
            inner.link.watch.tell(ClusterEventKind::Alone, None, None);
        }
        Turn::Leader(Leader { inner, local, duty, linger: self.linger })
    }
}

impl<K, V, En, R, S> Leader<K, V, En, R, S>
where
    V: Clone,
    En: Engine,
    R: Runtime,
{
    /// The lease, with the fencing token.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess, Turn};
    /// use coflight::Tokio;
    ///
    /// let answers: Cluster<String, u64, _, _> = Cluster::new("answers", InProcess::new(), Tokio::current());
    /// let Turn::Leader(leader) = answers.enter("life").await? else { unreachable!("nobody else asked") };
    /// let token = leader.lease().token();
    /// assert!(token.is_some()); // to be passed along to what the work writes to
    /// leader.complete(42).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn lease(&self) -> Lease {
        self.duty.as_ref().map_or_else(Lease::none, Duty::lease)
    }

    /// How many callers of its own process wait for the result, this one included.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess, Turn};
    /// use coflight::Tokio;
    /// use futures_lite::future::poll_once;
    ///
    /// let answers: Cluster<String, u64, _, _> = Cluster::new("answers", InProcess::new(), Tokio::current());
    /// let Turn::Leader(leader) = answers.enter("life").await? else { unreachable!("nobody else asked") };
    /// let mut follows = Box::pin(answers.run("life", |_| async { unreachable!("it is being worked on") }));
    /// assert!(poll_once(&mut follows).await.is_none());
    /// assert_eq!(leader.callers(), 2);
    /// # leader.complete(42).await?;
    /// # assert_eq!(follows.await?, 42);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn callers(&self) -> usize {
        self.local.as_ref().map_or(1, coflight_core::Leader::callers)
    }

    /// Ready when the flight was ended by somebody else: it was cancelled, in whichever process, or its time is over. Those who wait beside this one are
    /// told when it is dropped, or completed. Whether the lease is lost is told by [`Lease::lost`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess, Turn};
    /// use coflight::Tokio;
    /// use futures_lite::future::or;
    ///
    /// let engine = InProcess::new();
    /// let here: Cluster<u64, String, _, _> = Cluster::new("reports", engine.clone(), Tokio::current());
    /// let there: Cluster<u64, String, _, _> = Cluster::new("reports", engine, Tokio::current());
    ///
    /// let Turn::Leader(mut leader) = here.enter(&7).await? else { unreachable!("nobody else asked") };
    /// there.cancel(&7).await?;
    /// let work = std::future::pending::<Option<String>>();
    /// let report = or(work, async {
    ///     leader.cancelled().await;
    ///     None // there is no use in going on
    /// });
    /// assert_eq!(report.await, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost by dropping the future.
    pub async fn cancelled(&mut self) {
        let lease = self.lease();
        let here = async {
            match &mut self.local {
                Some(local) => local.cancelled().await,
                None => future::pending().await,
            }
        };
        future::or(here, lease.ended()).await;
    }

    /// Ends the flight with `value`, for everyone, and gives it back.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess, Turn};
    /// use coflight::Tokio;
    /// use futures_lite::future::zip;
    ///
    /// let engine = InProcess::new();
    /// let here: Cluster<String, u64, _, _> = Cluster::new("answers", engine.clone(), Tokio::current());
    /// let there: Cluster<String, u64, _, _> = Cluster::new("answers", engine, Tokio::current());
    ///
    /// let Turn::Leader(leader) = here.enter("life").await? else { unreachable!("nobody else asked") };
    /// let follows = there.run("life", |_| async { unreachable!("it is being worked on") });
    /// let (followed, completed) = zip(follows, leader.complete(42)).await;
    /// assert_eq!((followed?, completed?), (42, 42));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropped before its first poll, the future abandons the flight. After that the value is published all the same, by a task of the runtime.
    ///
    /// # Errors
    ///
    /// Those of a flight that was ended by somebody else meanwhile. A lease that was lost is no error: the value is for the callers of this process then.
    pub async fn complete(self, value: V) -> Result<V, Error> {
        self.end(value, |_| false).await
    }

    /// Ends the flight because its result cannot be shared: every caller, of every process, goes alone. In the accounts of the local group it counts as
    /// failed.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess, Place, Turn};
    /// use coflight::Tokio;
    /// use futures_lite::future::zip;
    ///
    /// let engine = InProcess::new();
    /// let here: Cluster<String, u64, _, _> = Cluster::new("answers", engine.clone(), Tokio::current());
    /// let there: Cluster<String, u64, _, _> = Cluster::new("answers", engine, Tokio::current());
    ///
    /// let Turn::Leader(leader) = here.enter("life").await? else { unreachable!("nobody else asked") };
    /// let follows = there.run("life", |_| async { 43 }).with_served();
    /// // What came of it turns out to be for this caller alone.
    /// let ((answer, served), released) = zip(follows, leader.release()).await;
    /// released?;
    /// assert_eq!((answer?, served.trip.unwrap().place), (43, Place::Alone));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropped before its first poll, the future abandons the flight. After that it is released all the same, by a task of the runtime.
    ///
    /// # Errors
    ///
    /// As [`complete`](Self::complete), and [`Error::Unavailable`].
    pub async fn release(mut self) -> Result<(), Error> {
        let mut published = Ok(true);
        if let Some(mut duty) = self.duty.take() {
            let ending = self.inner.link.ending(Outcome::Released);
            published = duty.publish(&ending, Duration::ZERO).await;
        }
        if let Some(local) = self.local.take() {
            // Not the local flight's own release: those who wait here would ask the engine, and share again.
            if let Err(coflight_core::TryError::Flight(error)) = local.try_complete(Err(Undelivered::Alone)) {
                return Err(Error::Flight(error));
            }
        }
        published.map(drop).map_err(Error::Unavailable)
    }

    async fn end(mut self, value: V, failed: fn(&V) -> bool) -> Result<V, Error> {
        let inner = Arc::clone(&self.inner);
        let inner = &inner;
        let landed = match self.duty.take() {
            Some(duty) => {
                let done = Done { value: Ok(value), failed, linger: self.linger, context: inner.context() };
                hand_out(inner, duty, done).await
            }
            None => {
                let failed = failed(&value);
                Delivered::alone(value, &inner.link.process).landed(failed)
            }
        };
        let landed = match self.local.take() {
            Some(local) => local.try_complete(landed),
            None => landed.map_err(|undelivered| coflight_core::TryError::Work(SharedError::new(undelivered))),
        };
        match settle(inner, landed) {
            Settled::Got(value, _) => Ok(value),
            Settled::Failed(error) => Err(error),
            Settled::Again | Settled::Alone => Err(Error::LeaseLost),
        }
    }
}

/// For work that can fail.
impl<K, T, E, En, R, S> Leader<K, Result<T, SharedError<E>>, En, R, S>
where
    T: Clone,
    En: Engine,
    R: Runtime,
{
    /// [`complete`](Self::complete), for work that can fail.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{InProcess, TryCluster, Turn};
    /// use coflight::Tokio;
    ///
    /// let ports: TryCluster<String, u16, String, _, _> = TryCluster::new("ports", InProcess::new(), Tokio::current());
    /// let Turn::Leader(leader) = ports.enter("http").await? else { unreachable!("nobody else asked") };
    /// let port = leader.try_complete("80a".parse().map_err(|_| "no number".to_owned())).await;
    /// assert_eq!(port.unwrap_err().work().unwrap(), "no number");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// As [`complete`](Self::complete).
    ///
    /// # Errors
    ///
    /// [`TryError::Work`] with the work's error, [`TryError::Flight`] for those of [`complete`](Self::complete).
    pub async fn try_complete(self, result: Result<T, E>) -> Result<T, TryError<E>> {
        match self.end(result.map_err(SharedError::new), Result::is_err).await {
            Ok(result) => result.map_err(TryError::Work),
            Err(error) => Err(TryError::Flight(error)),
        }
    }
}

impl<K, V: Clone, En: Engine, R: Runtime, S> Drop for Leader<K, V, En, R, S> {
    fn drop(&mut self) {
        let (Some(local), Some(duty)) = (self.local.take(), self.duty.take()) else { return };
        let status = duty.keeping().state().status.clone();
        // If another process ended the flight, nobody here is to begin anew either.
        if let Status::Ended(bytes) = status {
            let lead = duty.lead();
            let ending = Ending { token: lead.token, bytes, lingered: false };
            if let Some(landed) = land(&self.inner, &lead.name, &ending) {
                // Whoever waits gets it; this caller left.
                let _ = local.try_complete(landed);
            }
        }
    }
}

impl<K, V: Clone + fmt::Debug, En: Engine, R: Runtime, S> fmt::Debug for Turn<K, V, En, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value, trip) => f.debug_tuple("Value").field(value).field(trip).finish(),
            Self::Leader(leader) => leader.fmt(f),
        }
    }
}

impl<K, V: Clone, En: Engine, R: Runtime, S> fmt::Debug for Leader<K, V, En, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leader")
            .field("token", &self.duty.as_ref().map(|duty| duty.lead().token))
            .finish_non_exhaustive()
    }
}
