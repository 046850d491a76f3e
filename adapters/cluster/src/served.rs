//! How a caller was served, across processes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::engine::Token;

/// What a caller can learn about its own call.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), coflight::cluster::Error> {
/// use coflight::cluster::{Cluster, InProcess, Place};
/// use coflight::{Role, Tokio};
///
/// let answers: Cluster<String, u64, _, _> = Cluster::new("answers", InProcess::new(), Tokio::current());
/// let (answer, served) = answers.run("life", |_| async { 42 }).with_served().await;
/// assert_eq!(answer?, 42);
/// assert_eq!((served.local.role, served.local.callers), (Role::Led, 1));
/// assert_eq!(served.trip.map(|trip| trip.place), Some(Place::Here));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Served {
    /// Its part in the flight of its own process, and how many shared that.
    pub local: coflight_core::Served,
    /// Where the result is from. `None`: there is none.
    pub trip: Option<Trip>,
}

/// Where a result is from.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), coflight::cluster::Error> {
/// use std::time::Duration;
/// use coflight::cluster::{Cluster, InProcess, Place};
/// use coflight::Tokio;
///
/// let engine = InProcess::new();
/// let [here, there]: [Cluster<String, Option<u64>, _, _>; 2] = ["web-1", "web-2"].map(|process| {
///     let builder = Cluster::builder("tokens", engine.clone(), Tokio::current()).process(process);
///     builder.linger(Duration::from_secs(60)).build()
/// });
/// let token = here.run("a key", |lease| async move { lease.token().map(|token| token.0) }).await?;
///
/// let (_, served) = there.run("a key", |_| async { None }).with_served().await;
/// let trip = served.trip.unwrap();
/// assert_eq!((trip.place, &*trip.process), (Place::Lingered, "web-1"));
/// assert_eq!(trip.token.map(|token| token.0), token);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trip {
    /// Where the work ran, as this process sees it.
    pub place: Place,
    /// The number of the lease under which the execution ended, if it had one. That which it began with, its [fence](crate::Lease::token), is smaller if it lost
    /// that and led again.
    pub token: Option<Token>,
    /// What the process in which the work ran [calls itself](crate::Builder::process).
    pub process: Arc<str>,
    /// The trace to which the execution belongs, as the [propagation](crate::Builder::propagation) of its process told it.
    pub context: Option<Arc<str>>,
}

/// Where a work ran.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), coflight::cluster::Error> {
/// use coflight::cluster::{Cluster, InProcess, Place};
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
/// let calls = zip(a.run("life", work).with_served(), b.run("life", work).with_served());
/// let ((_, of_a), (_, of_b)) = calls.await;
/// let places = [of_a, of_b].map(|served| served.trip.unwrap().place);
/// assert_eq!(places, [Place::Here, Place::Elsewhere]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// In this process, for the whole cluster.
    Here,
    /// In another process.
    Elsewhere,
    /// In another process, or an earlier flight of this one: the result lingered.
    Lingered,
    /// In this process, for itself: the engine was not available, or the result of another could not be used here.
    Alone,
}

impl Place {
    /// In lower case, for logs and labels.
    ///
    /// ```
    /// use coflight::cluster::Place;
    ///
    /// assert_eq!(Place::Elsewhere.name(), "elsewhere");
    /// ```
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Here => "here",
            Self::Elsewhere => "elsewhere",
            Self::Lingered => "lingered",
            Self::Alone => "alone",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

pin_project! {
    /// The future of a call. Does nothing until polled; dropping it leaves the flight.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let answers: Cluster<String, u64, _, _> = Cluster::new("answers", InProcess::new(), Tokio::current());
    /// let answer = answers.run("life", |_| async { 42 });
    /// assert!(answers.is_empty()); // nothing is done yet
    /// assert_eq!(answer.await?, 42);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub struct Answer<Fut> {
        #[pin]
        call: Fut,
    }
}

impl<Fut> Answer<Fut> {
    pub(crate) fn new(call: Fut) -> Self {
        Self { call }
    }

    /// Also says how the caller was served.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess, Outage, Place};
    /// use coflight::Tokio;
    ///
    /// let engine = InProcess::new();
    /// let answers: Cluster<String, u64, _, _> = Cluster::new("answers", engine.clone(), Tokio::current());
    /// engine.set_outage(Outage::Refuses);
    /// let (answer, served) = answers.run("life", |_| async { 42 }).with_served().await;
    /// assert_eq!((answer?, served.trip.unwrap().place), (42, Place::Alone));
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_served(self) -> Fut {
        self.call
    }
}

impl<Fut: Future<Output = (T, Served)>, T> Future for Answer<Fut> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Poll::Ready(ready!(self.project().call.poll(cx)).0)
    }
}

impl<Fut> fmt::Debug for Answer<Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}
