//! An inner service in the hands of the test: each request waits until the test answers it, each body until the test sends more.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use coflight_tower::{BoxError, Coalesce, CoalesceLayer, CoalescedBody, Error};
use futures_lite::future::poll_once;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use http_body_util::Empty;
use tokio::sync::{mpsc, oneshot};
use tower::{Layer, Service};

pub(crate) type Outgoing = Response<CoalescedBody<Fed>>;
pub(crate) type Answered = Result<Outgoing, Error>;
pub(crate) type Asking = Pin<Box<dyn Future<Output = Answered> + Send>>;

/// The service, and how often it was asked.
#[derive(Clone)]
pub(crate) struct Origin {
    arrivals: mpsc::UnboundedSender<Arrived>,
    requests: Arc<AtomicUsize>,
}

/// A request that waits for its answer.
pub(crate) struct Arrived {
    pub(crate) request: http::request::Parts,
    answer: oneshot::Sender<Result<Response<Fed>, BoxError>>,
}

/// What feeds a body.
pub(crate) struct Feed(Option<mpsc::UnboundedSender<io::Result<Frame<Bytes>>>>);

/// A body that is fed.
pub(crate) struct Fed(mpsc::UnboundedReceiver<io::Result<Frame<Bytes>>>);

/// Where requests arrive.
pub(crate) struct Arrivals(mpsc::UnboundedReceiver<Arrived>);

impl Origin {
    pub(crate) fn new() -> (Self, Arrivals) {
        let (arrivals, arrived) = mpsc::unbounded_channel();
        (Self { arrivals, requests: Arc::default() }, Arrivals(arrived))
    }

    /// Behind a layer.
    pub(crate) fn behind(layer: &CoalesceLayer) -> (Coalesce<Self>, Arrivals, Self) {
        let (origin, arrivals) = Self::new();
        (layer.layer(origin.clone()), arrivals, origin)
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

impl<B> Service<Request<B>> for Origin {
    type Response = Response<Fed>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Fed>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let (answer, answered) = oneshot::channel();
        let _ = self.arrivals.send(Arrived { request: request.into_parts().0, answer });
        Box::pin(async move { answered.await? })
    }
}

impl Arrivals {
    /// The request that has arrived.
    pub(crate) fn next(&mut self) -> Arrived {
        self.0.try_recv().expect("a request has arrived")
    }

    pub(crate) fn is_empty(&mut self) -> bool {
        self.0.is_empty()
    }
}

impl Arrived {
    /// Answers with these headers and a body to come.
    pub(crate) fn answer(self, headers: &[(&'static str, &str)]) -> Feed {
        let (feed, fed) = mpsc::unbounded_channel();
        let mut response = Response::new(Fed(fed));
        for (name, value) in headers {
            response.headers_mut().append(*name, value.parse().unwrap());
        }
        // Whoever asked may be gone.
        let _ = self.answer.send(Ok(response));
        Feed(Some(feed))
    }

    pub(crate) fn fail(self, error: &str) {
        let _ = self.answer.send(Err(error.into()));
    }

    /// Whether nobody waits for the answer.
    pub(crate) fn is_dropped(&self) -> bool {
        self.answer.is_closed()
    }
}

impl Feed {
    pub(crate) fn data(&self, data: impl Into<Bytes>) {
        self.send(Ok(Frame::data(data.into())));
    }

    pub(crate) fn trailers(&self, name: &'static str, value: &str) {
        let mut trailers = HeaderMap::new();
        trailers.insert(name, value.parse().unwrap());
        self.send(Ok(Frame::trailers(trailers)));
    }

    pub(crate) fn break_off(self) {
        self.send(Err(io::Error::new(io::ErrorKind::ConnectionReset, "the upstream died")));
    }

    fn send(&self, frame: io::Result<Frame<Bytes>>) {
        let _ = self.0.as_ref().expect("the body has not ended").send(frame);
    }

    /// The end of the body.
    pub(crate) fn end(mut self) {
        self.0 = None;
    }

    /// Whether the body is gone.
    pub(crate) fn is_dropped(&self) -> bool {
        self.0.as_ref().is_some_and(mpsc::UnboundedSender::is_closed)
    }
}

impl Body for Fed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(cx)
    }
}

/// `GET /` with these headers.
pub(crate) fn get(headers: &[(&str, &str)]) -> Request<Empty<Bytes>> {
    let mut request = Request::get("http://example.org/");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Empty::new()).unwrap()
}

/// A call that has been polled once, and is not ready.
pub(crate) async fn asked<B>(service: &Coalesce<Origin>, request: Request<B>) -> Asking
where
    B: Body + Send + 'static,
{
    let mut asking: Asking = Box::pin(service.clone().call(request));
    assert!(poll_once(&mut asking).await.is_none(), "it had to wait for nothing");
    asking
}

/// The response of a call that has no reason to wait.
pub(crate) async fn now(asking: &mut Asking) -> Outgoing {
    poll_once(asking).await.expect("it has no reason to wait").expect("it has no reason to fail")
}

/// The next frame's data of a body, if there is one without waiting.
pub(crate) async fn data(response: &mut Outgoing) -> Option<Bytes> {
    let frame = poll_once(frame(response)).await?;
    Some(frame?.expect("no reason to fail").into_data().expect("data"))
}

pub(crate) async fn frame(response: &mut Outgoing) -> Option<Result<Frame<Bytes>, Error>> {
    std::future::poll_fn(|cx| Pin::new(response.body_mut()).poll_frame(cx)).await
}

/// All of a body, and its trailers.
pub(crate) async fn all(response: &mut Outgoing) -> Result<(Vec<u8>, Option<HeaderMap>), Error> {
    let (mut read, mut trailers) = (Vec::new(), None);
    while let Some(next) = frame(response).await {
        match next?.into_data() {
            Ok(data) => read.extend_from_slice(&data),
            Err(other) => trailers = other.into_trailers().ok(),
        }
    }
    Ok((read, trailers))
}

/// All of a body as text.
pub(crate) async fn text(response: &mut Outgoing) -> String {
    String::from_utf8(all(response).await.expect("no reason to fail").0).unwrap()
}
