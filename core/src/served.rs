//! How a caller was served.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

/// What a caller can learn about its own call: its part in the flight, and how many shared it. Of one that was [refused](crate::Error::Full) this says that it
/// followed, alone; there is no flight that it had a part in.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use coflight::{Group, Role};
/// use futures_lite::future;
///
/// let flights: Group<u64, u64> = Group::new();
/// let ask = || {
///     let work = || async {
///         future::yield_now().await; // it takes a moment
///         42
///     };
///     flights.run(&6, work).with_served()
/// };
/// let ((_, first), (_, second)) = future::zip(ask(), ask()).await;
/// assert_eq!((first.role, first.callers), (Role::Led, 2));
/// assert_eq!((second.role, second.callers), (Role::Followed, 2));
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Served {
    /// The caller's part in the flight.
    pub role: Role,
    /// Callers aboard when the flight ended, this one included. Callers who had left by then do not count; to them it is one.
    pub callers: usize,
}

impl Served {
    pub(crate) fn new(role: Role, callers: usize) -> Self {
        Self { role, callers }
    }
}

/// A caller's part in a flight.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use coflight::{Group, Role};
/// use futures_lite::future::poll_once;
///
/// let flights: Group<u64, u64> = Group::new();
/// let leader = flights.enter(&6);
/// let mut call = Box::pin(flights.run(&6, || async { 42 }).with_served());
/// assert!(poll_once(&mut call).await.is_none()); // it follows…
///
/// drop(leader); // …until there is nobody to follow
/// let (answer, served) = call.await;
/// assert_eq!((answer, served.role), (Ok(42), Role::TookOver));
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// It started the flight; its work ran.
    Led,
    /// It waited for the leader's work. Also what a call says that was [refused](crate::Error::Full), or stopped waiting for the key of a flight that was cancelled.
    Followed,
    /// It followed until the leader left, then ran its own work for the same flight.
    TookOver,
    /// It followed until the leader was too slow, then ran its own work beside the leader's.
    Overtook,
    /// It was served a result that [lingered](crate::Builder::linger).
    Lingered,
    /// It followed until the leader released its followers, then ran its own work for itself alone.
    Alone,
}

/// A call's future that knows how it was served.
pub(crate) trait Reports {
    fn served(&self) -> Served;
}

pin_project! {
    /// A call's future that also says how the caller was served. From the `with_served` of a call's future, and as lazy and cancel
    /// safe as that.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Group, Role};
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let call = flights.run(&6, || async { 42 }).with_served();
    /// let (answer, served) = call.await;
    /// assert_eq!((answer, served.role), (Ok(42), Role::Led));
    /// # });
    /// ```
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct WithServed<Fut> {
        #[pin]
        future: Fut,
    }
}

impl<Fut> WithServed<Fut> {
    pub(crate) fn new(future: Fut) -> Self {
        Self { future }
    }
}

impl<Fut: Future + Reports> Future for WithServed<Fut> {
    type Output = (Fut::Output, Served);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let output = ready!(this.future.as_mut().poll(cx));
        Poll::Ready((output, this.future.served()))
    }
}

impl<Fut> fmt::Debug for WithServed<Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithServed").finish_non_exhaustive()
    }
}
