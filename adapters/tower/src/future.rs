//! What a call to the service goes through until there is a response.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderName, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower::util::Oneshot;
use tower_service::Service;

use crate::body::CoalescedBody;
use crate::error::{BoxError, Error};
use crate::seat::Seat;

pin_project! {
    /// The response to come, of a [`Coalesce`](crate::Coalesce) service.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves the flight; the others do not notice. When the last one leaves, the inner request is dropped.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, B> where S: Service<Request<B>> {
        #[pin]
        way: Way<S, B>,
    }
}

pin_project! {
    #[project = WayProj]
    enum Way<S, B> where S: Service<Request<B>> {
        Passed { #[pin] future: Oneshot<S, Request<B>> },
        Coalesced { seat: Option<Box<Seat>>, header: Option<HeaderName> },
    }
}

impl<S: Service<Request<B>>, B> ResponseFuture<S, B> {
    pub(crate) fn passed(future: Oneshot<S, Request<B>>) -> Self {
        Self { way: Way::Passed { future } }
    }

    pub(crate) fn coalesced(seat: Seat, header: Option<HeaderName>) -> Self {
        Self { way: Way::Coalesced { seat: Some(Box::new(seat)), header } }
    }
}

impl<S, B, ResB> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<ResB>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<Response<CoalescedBody<ResB>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().way.project() {
            WayProj::Passed { future } => {
                let response = ready!(future.poll(cx)).map_err(Error::service)?;
                Poll::Ready(Ok(response.map(CoalescedBody::passed)))
            }
            WayProj::Coalesced { seat, header } => {
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

impl<S: Service<Request<B>>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
