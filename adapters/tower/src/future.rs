//! What a call to the service goes through until there is a response.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderName, HeaderValue, Response};

use crate::body::CoalescedBody;
use crate::error::Error;
use crate::seat::Seat;

/// The response to come, of a [`Coalesce`](crate::Coalesce) service.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use coflight::tower::{CoalesceLayer, ResponseFuture};
/// use http::{Request, Response};
/// use tower::{Layer, Service, service_fn};
///
/// let upstream = service_fn(|_: Request<String>| async { Ok::<_, std::io::Error>(Response::new("page".to_owned())) });
/// let mut pages = CoalesceLayer::default().layer(upstream);
/// // Not a type with that of the inner future in it: it can be a field.
/// let response: ResponseFuture<String> = pages.call(Request::get("/report").body(String::new())?);
/// assert_eq!(response.await?.status(), 200);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
///
/// # Cancel safety
///
/// Dropping it leaves the flight; the others do not notice. When the last one leaves, the inner request is dropped.
///
/// # Errors
///
/// See [`Error`].
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<B>(Way<B>);

/// Boxed, so that what the inner service and its errors are does not show in the types of those who wait for it.
pub(crate) type Passing<B> = Pin<Box<dyn Future<Output = Result<Response<B>, Error>> + Send>>;

enum Way<B> {
    Passed(Passing<B>),
    /// Until it is ready.
    Coalesced(Option<Box<Seat>>, Option<HeaderName>),
}

impl<B> ResponseFuture<B> {
    pub(crate) fn passed(future: Passing<B>) -> Self {
        Self(Way::Passed(future))
    }

    pub(crate) fn coalesced(seat: Seat, header: Option<HeaderName>) -> Self {
        Self(Way::Coalesced(Some(Box::new(seat)), header))
    }
}

impl<B> Future for ResponseFuture<B> {
    type Output = Result<Response<CoalescedBody<B>>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Way::Passed(future) => {
                let response = ready!(future.as_mut().poll(cx))?;
                Poll::Ready(Ok(response.map(CoalescedBody::passed)))
            }
            Way::Coalesced(seat, header) => {
                let Some(aboard) = seat.as_mut() else { panic!("polled after it was ready") };
                let parts = ready!(aboard.poll_head(cx));
                let Some(aboard) = seat.take() else { unreachable!("there is one, as above") };
                let mut parts = parts?;
                let part = aboard.part();
                parts.extensions.insert(part);
                if let Some(header) = header {
                    parts.headers.insert(&*header, HeaderValue::from_static(part.name()));
                }
                Poll::Ready(Ok(Response::from_parts(parts, CoalescedBody::shared(aboard))))
            }
        }
    }
}

impl<B> fmt::Debug for ResponseFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
