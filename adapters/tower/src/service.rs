//! What the layer puts around a service.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower::ServiceExt;
use tower_service::Service;

use crate::body::Plain;
use crate::error::{BoxError, Error};
use crate::exchange;
use crate::future::ResponseFuture;
use crate::layer::Settings;
use crate::seat::Seat;

/// How a response came to this caller. In the response's extensions, unless its request was none to coalesce.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use coflight::tower::Part;
/// # use coflight::tower::CoalesceLayer;
/// # use http::{Request, Response};
/// # use tower::{Layer, ServiceExt, service_fn};
/// # let get = |uri: &str| Request::get(uri).body(String::new()).unwrap();
/// # let pages = CoalesceLayer::default().layer(service_fn(|_: Request<String>| async {
/// #     Ok::<_, std::io::Error>(Response::new("page".to_owned()))
/// # }));
///
/// let first = pages.clone().oneshot(get("/report")).await?;
/// let second = pages.clone().oneshot(get("/report")).await?; // while the first is read
/// let passed = pages.clone().oneshot(Request::post("/report").body(String::new())?).await?;
/// assert_eq!(first.extensions().get(), Some(&Part::Led));
/// assert_eq!(second.extensions().get(), Some(&Part::Joined));
/// assert_eq!(passed.extensions().get::<Part>(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Part {
    /// Its own request was sent, and others could join.
    Led,
    /// It has the response to another caller's request.
    Joined,
    /// Its own request was sent, for itself alone: the response that it waited for was not to be shared.
    Alone,
}

impl Part {
    /// `led`, `joined` or `alone`.
    ///
    /// ```
    /// use coflight::tower::Part;
    ///
    /// assert_eq!(Part::Joined.name(), "joined"); // as in the header
    /// ```
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Led => "led",
            Self::Joined => "joined",
            Self::Alone => "alone",
        }
    }
}

/// A service that sends one of the requests that are the same, and gives everyone the response. From a
/// [`CoalesceLayer`](crate::CoalesceLayer).
///
/// ```
/// # futures_lite::future::block_on(async {
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use coflight::tower::{Coalesce, CoalesceLayer};
/// use http::{Request, Response};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// static SENT: AtomicU64 = AtomicU64::new(0);
///
/// let pages: Coalesce<_> = CoalesceLayer::default().layer(service_fn(|_: Request<String>| async {
///     SENT.fetch_add(1, Ordering::Relaxed);
///     Ok::<_, std::io::Error>(Response::new("page".to_owned()))
/// }));
/// let get = || Request::get("/report").body(String::new());
/// let first = pages.clone().oneshot(get()?).await?;
/// let second = pages.clone().oneshot(get()?).await?; // while the first is read
/// assert_eq!((second.status().as_u16(), SENT.load(Ordering::Relaxed)), (200, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
///
/// # Readiness
///
/// It is always ready: whether a caller needs the inner service at all is known only when there is a request. The one that leads clones the inner service and waits
/// inside its flight until that is ready, so that others can join meanwhile, and followers take no place of a limit of concurrency inside. Bound how many
/// requests wait there with [`max_flights`](coflight_core::Builder::max_flights); beyond, a call gets [`Full`](coflight_core::Error::Full) at once. Errors of the
/// inner service's readiness are those of the call.
pub struct Coalesce<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> Coalesce<S> {
    pub(crate) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }

    /// The service inside.
    ///
    /// ```
    /// use coflight::tower::CoalesceLayer;
    /// use tower::Layer;
    ///
    /// #[derive(Clone)]
    /// struct Client {
    ///     base: &'static str,
    /// }
    ///
    /// let client = CoalesceLayer::default().layer(Client { base: "https://example.org" });
    /// assert_eq!(client.get_ref().base, "https://example.org");
    /// ```
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// Bytes of bodies that all its flights keep now.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use http_body_util::BodyExt;
    /// # use coflight::tower::CoalesceLayer;
    /// # use http::{Request, Response};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # let get = |uri: &str| Request::get(uri).body(String::new()).unwrap();
    /// # let pages = CoalesceLayer::default().layer(service_fn(|_: Request<String>| async {
    /// #     Ok::<_, std::io::Error>(Response::new("page".to_owned()))
    /// # }));
    ///
    /// let mut first = pages.clone().oneshot(get("/report")).await?;
    /// let second = pages.clone().oneshot(get("/report")).await?;
    /// first.frame().await.unwrap()?;
    /// assert!(pages.kept() >= "page".len()); // for the other one, who reads slowly
    /// first.collect().await?;
    /// second.collect().await?;
    /// assert_eq!(pages.kept(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn kept(&self) -> usize {
        self.settings.budget.used()
    }
}

impl<S, B, ResB> Service<Request<B>> for Coalesce<S>
where
    S: Service<Request<B>, Response = Response<ResB>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    ResB: Body + Send + 'static,
    ResB::Error: Into<BoxError>,
{
    type Response = Response<crate::CoalescedBody<ResB>>;
    type Error = Error;
    type Future = ResponseFuture<ResB>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let settings = &self.settings;
        let (parts, body) = request.into_parts();
        let key = if settings.bodies || body.is_end_stream() { (settings.key)(&parts) } else { None };
        let headers = key.is_some().then(|| parts.headers.clone());
        let request = Request::from_parts(parts, body);
        let inner = self.inner.clone();
        let (Some(key), Some(headers)) = (key, headers) else {
            return ResponseFuture::passed(Box::pin(async { inner.oneshot(request).await.map_err(Error::service) }));
        };
        let send = move || -> exchange::Request {
            Box::pin(async move {
                let response = inner.oneshot(request).await.map_err(Into::into)?;
                Ok(response.map(|body| Box::pin(Plain { body }) as exchange::Incoming))
            })
        };
        let seat = Seat::new(Arc::clone(&settings.tickets), Arc::clone(&settings.budget), key, headers, Box::new(send));
        ResponseFuture::coalesced(seat, settings.header.clone())
    }
}

impl<S: Clone> Clone for Coalesce<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), settings: Arc::clone(&self.settings) }
    }
}

impl<S: fmt::Debug> fmt::Debug for Coalesce<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coalesce").field("inner", &self.inner).finish_non_exhaustive()
    }
}
