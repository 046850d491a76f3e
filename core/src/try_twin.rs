//! The future of a `try_` verb: two results flattened into one.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use pin_project_lite::pin_project;

use crate::error::{Error, SharedError, TryError};
use crate::served::{Reports, Served, WithServed};

pin_project! {
    /// The future of a `try_` verb. Does nothing until polled; as cancel safe as the verb's own future.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use std::num::ParseIntError;
    /// use coflight::TryGroup;
    ///
    /// let flights: TryGroup<String, u16, ParseIntError> = TryGroup::new();
    /// let port = flights.try_run("port", || async { "80".parse() });
    /// assert_eq!(flights.stats().calls(), 0); // not asked yet
    /// assert_eq!(port.await?, 80);
    /// # Ok::<(), coflight::TryError<_>>(()) }).unwrap();
    /// ```
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Try<Fut> {
        #[pin]
        future: Fut,
    }
}

impl<Fut> Try<Fut> {
    pub(crate) fn new(future: Fut) -> Self {
        Self { future }
    }

    /// Also says how the caller was served.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use std::num::ParseIntError;
    /// use coflight::{Role, TryGroup};
    ///
    /// let flights: TryGroup<String, u16, ParseIntError> = TryGroup::new();
    /// let (port, served) = flights.try_run("port", || async { "80".parse() }).with_served().await;
    /// assert_eq!(port?, 80);
    /// assert_eq!((served.role, served.callers), (Role::Led, 1));
    /// # Ok::<(), coflight::TryError<_>>(()) }).unwrap();
    /// ```
    pub fn with_served(self) -> WithServed<Self> {
        WithServed::new(self)
    }
}

impl<Fut, T, E> Future for Try<Fut>
where
    Fut: Future<Output = Result<Result<T, SharedError<E>>, Error>>,
{
    type Output = Result<T, TryError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().future.poll(cx).map(flatten)
    }
}

impl<Fut: Reports> Reports for Try<Fut> {
    fn served(&self) -> Served {
        self.future.served()
    }
}

pub(crate) fn flatten<T, E>(result: Result<Result<T, SharedError<E>>, Error>) -> Result<T, TryError<E>> {
    match result {
        Ok(work) => work.map_err(TryError::Work),
        Err(error) => Err(TryError::Flight(error)),
    }
}

impl<Fut> fmt::Debug for Try<Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Try").finish_non_exhaustive()
    }
}
