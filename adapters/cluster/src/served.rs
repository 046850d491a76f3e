//! How a caller was served, across processes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::engine::Token;

/// What a caller can learn about its own call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Served {
    /// Its part in the flight of its own process, and how many shared that.
    pub local: coflight_core::Served,
    /// Where the result is from. `None`: there is none.
    pub trip: Option<Trip>,
}

/// Where a result is from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trip {
    /// Where the work ran, as this process sees it.
    pub place: Place,
    /// The execution's number, if it had a lease.
    pub token: Option<Token>,
    /// What the process in which the work ran [calls itself](crate::Builder::process).
    pub process: Arc<str>,
    /// The trace to which the execution belongs, as the [propagation](crate::Builder::propagation) of its process told it.
    pub context: Option<Arc<str>>,
}

/// Where a work ran.
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
