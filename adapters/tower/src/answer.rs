//! Errors as responses, for services that must not fail.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{self, HeaderValue};
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::body::CoalescedBody;
use crate::error::Error;
use crate::service::Coalesce;

/// Makes responses of the errors of a [`Coalesce`] service, so that it cannot fail. From
/// [`CoalesceLayer::answering_errors`](crate::CoalesceLayer::answering_errors).
///
/// | error | status |
/// |---|---|
/// | the inner service's | 502 |
/// | [`TimedOut`](coflight_core::Error::TimedOut), [`WaitTimedOut`](coflight_core::Error::WaitTimedOut) | 504 |
/// | [`Full`](coflight_core::Error::Full), [`Cancelled`](coflight_core::Error::Cancelled), [`Shutdown`](coflight_core::Error::Shutdown) | 503, with `retry-after: 1` |
/// | [`Circular`](coflight_core::Error::Circular) | 508 |
/// | a panic, and all others | 500 |
///
/// The body is one line that says which, without the text of the inner error, which may not be for everybody's eyes. Errors in the middle of a body cannot be
/// answered any more; they cut it off.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use coflight::tower::{BoxError, CoalesceLayer};
/// use http::{Request, Response, StatusCode};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// // An upstream that is not there.
/// let upstream = service_fn(|_: Request<String>| async {
///     Err::<Response<String>, BoxError>("connection refused to 10.0.0.7".into())
/// });
/// let service = ServiceBuilder::new().layer(CoalesceLayer::default().answering_errors()).service(upstream);
/// let response = service.oneshot(Request::get("/report").body(String::new())?).await?;
/// assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AnswerLayer {
    _private: (),
}

impl AnswerLayer {
    pub(crate) fn new() -> Self {
        Self { _private: () }
    }
}

impl<S> Layer<Coalesce<S>> for AnswerLayer {
    type Service = Answer<S>;

    fn layer(&self, inner: Coalesce<S>) -> Answer<S> {
        Answer { inner }
    }
}

/// A [`Coalesce`] service around `S` that answers its errors: see [`AnswerLayer`].
///
/// ```
/// # futures_lite::future::block_on(async {
/// use coflight::tower::{Answer, CoalesceLayer};
/// use http::{Request, Response};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// let pages = service_fn(|_: Request<String>| async { Ok::<_, std::io::Error>(Response::new("page".to_owned())) });
/// let (answering, coalescing) = CoalesceLayer::default().answering_errors();
/// let service: Answer<_> = answering.layer(coalescing.layer(pages));
/// // Its error is `Infallible`.
/// let Ok(response) = service.oneshot(Request::get("/report").body(String::new())?).await;
/// assert_eq!(response.status(), 200);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Answer<S> {
    inner: Coalesce<S>,
}

impl<S, B, ResB> Service<Request<B>> for Answer<S>
where
    Coalesce<S>: Service<Request<B>, Response = Response<CoalescedBody<ResB>>, Error = Error>,
{
    type Response = Response<CoalescedBody<ResB>>;
    type Error = Infallible;
    type Future = AnswerFuture<<Coalesce<S> as Service<Request<B>>>::Future>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // That of `Coalesce` always is.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        AnswerFuture { future: self.inner.call(request) }
    }
}

pin_project! {
    /// The response to come of an [`Answer`] service.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::tower::{AnswerFuture, CoalesceLayer};
    /// use http::{Request, Response};
    /// use tower::{Service, ServiceBuilder, service_fn};
    ///
    /// let pages = service_fn(|_: Request<String>| async { Ok::<_, std::io::Error>(Response::new("page".to_owned())) });
    /// let mut service = ServiceBuilder::new().layer(CoalesceLayer::default().answering_errors()).service(pages);
    /// let response: AnswerFuture<_> = service.call(Request::get("/report").body(String::new())?);
    /// let Ok(response) = response.await; // there is no `Err`
    /// assert_eq!(response.status(), 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    pub struct AnswerFuture<F> {
        #[pin]
        future: F,
    }
}

impl<F, B> Future for AnswerFuture<F>
where
    F: Future<Output = Result<Response<CoalescedBody<B>>, Error>>,
{
    type Output = Result<Response<CoalescedBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(ready!(self.project().future.poll(cx)).unwrap_or_else(|error| error.answer())))
    }
}

impl<F> fmt::Debug for AnswerFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerFuture").finish_non_exhaustive()
    }
}

/// What its errors become is known of that service alone, which is also always ready:
///
/// ```
/// # use coflight_tower::CoalesceLayer;
/// # use tower::{ServiceBuilder, service_fn};
/// # let origin = service_fn(|_: http::Request<String>| async { Ok::<_, std::io::Error>(http::Response::new(String::new())) });
/// let (answer, coalesce) = CoalesceLayer::default().answering_errors();
/// let service = ServiceBuilder::new().layer(answer).layer(coalesce).concurrency_limit(1).service(origin);
/// ```
///
/// ```compile_fail,E0277
/// # use coflight_tower::CoalesceLayer;
/// # use tower::{ServiceBuilder, service_fn};
/// # let origin = service_fn(|_: http::Request<String>| async { Ok::<_, std::io::Error>(http::Response::new(String::new())) });
/// let (answer, coalesce) = CoalesceLayer::default().answering_errors();
/// let service = ServiceBuilder::new().layer(answer).concurrency_limit(1).layer(coalesce).service(origin);
/// ```
#[cfg(doctest)]
struct AroundNothingElse;

impl Error {
    /// The status that says it best: see [`AnswerLayer`].
    ///
    /// ```
    /// use coflight::tower::Error;
    /// use http::StatusCode;
    ///
    /// let error = Error::from(coflight::Error::TimedOut);
    /// assert_eq!(error.status(), StatusCode::GATEWAY_TIMEOUT);
    /// ```
    #[must_use]
    pub fn status(&self) -> StatusCode {
        use coflight_core::Error as Flight;
        match self {
            Self::Service(_) => StatusCode::BAD_GATEWAY,
            Self::Flight(Flight::TimedOut | Flight::WaitTimedOut) => StatusCode::GATEWAY_TIMEOUT,
            Self::Flight(Flight::Full | Flight::Cancelled | Flight::Shutdown) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Flight(Flight::Circular) => StatusCode::LOOP_DETECTED,
            Self::Flight(_) | Self::Lagged | Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The response that says it best: see [`AnswerLayer`].
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::tower::Error;
    /// use http::header::RETRY_AFTER;
    /// use http_body_util::BodyExt;
    ///
    /// let error = Error::from(coflight::Error::Full);
    /// // The body of the other responses of the service is a `String`.
    /// let response = error.answer::<String>();
    /// assert_eq!((response.status().as_u16(), &response.headers()[RETRY_AFTER]), (503, &"1".parse()?));
    /// assert!(response.into_body().collect().await?.to_bytes().ends_with(b"\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn answer<B>(&self) -> Response<CoalescedBody<B>> {
        let status = self.status();
        let text = match self {
            Self::Service(_) => "the service behind failed\n".to_owned(),
            // Without the message.
            Self::Flight(coflight_core::Error::Panicked(_)) => format!("{}\n", Self::Panicked),
            other => format!("{other}\n"),
        };
        let mut response = Response::new(CoalescedBody::text(text));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
