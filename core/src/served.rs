//! How a caller was served.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

/// What a caller can learn about its own call: its part in the flight, and how many shared it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Served {
    /// The caller's part in the flight.
    pub role: Role,
    /// Callers aboard when the flight ended, this one included. Callers who had left by then do not count.
    pub callers: usize,
}

impl Served {
    pub(crate) fn new(role: Role, callers: usize) -> Self {
        Self { role, callers }
    }
}

/// A caller's part in a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// It started the flight; its work ran.
    Led,
    /// It waited for the leader's work.
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
    #[must_use = "futures do nothing unless polled"]
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
