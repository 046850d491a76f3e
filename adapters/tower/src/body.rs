//! A response's body, as one caller reads it.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::error::{BoxError, Error};
use crate::seat::Seat;

pin_project! {
    /// A body that others may be reading as well: each from its first byte, at its own pace, without waiting for its end.
    ///
    /// Data are [`Bytes`], shared and not copied if those of the inner body are `Bytes`; trailers come as well. Dropping it leaves; the others
    /// go on. When the last one leaves before the end, the inner body is dropped.
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
    /// let mut first = pages.clone().oneshot(get("/report")).await?.into_body();
    /// let second = pages.clone().oneshot(get("/report")).await?.into_body();
    /// let frame = first.frame().await.unwrap()?;
    /// assert_eq!(frame.into_data().unwrap(), "page");
    /// // Whoever reads later reads from the first byte, too.
    /// assert_eq!(second.collect().await?.to_bytes(), "page");
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Service`] if the inner body broke off, for all who still read; [`Error::Lagged`] for a reader that is cut off;
    /// [`Error::Flight`] if the flight is cancelled or its time is over. After an error there is nothing more.
    pub struct CoalescedBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B> {
        Passed { #[pin] body: Plain<B> },
        Shared { seat: Box<Seat>, read: u64 },
        Text { text: Option<Bytes> },
    }
}

impl<B> CoalescedBody<B> {
    pub(crate) fn passed(body: B) -> Self {
        Self { kind: Kind::Passed { body: Plain { body } } }
    }

    pub(crate) fn shared(seat: Box<Seat>) -> Self {
        Self { kind: Kind::Shared { seat, read: 0 } }
    }

    pub(crate) fn text(text: String) -> Self {
        Self { kind: Kind::Text { text: Some(text.into()) } }
    }
}

impl<B> Body for CoalescedBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.project().kind.project() {
            KindProj::Passed { body } => body.poll_frame(cx).map_err(Error::service),
            KindProj::Shared { seat, read } => {
                let frame = ready!(seat.poll_frame(cx));
                if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
                    *read += data.len() as u64;
                }
                Poll::Ready(frame)
            }
            KindProj::Text { text } => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Passed { body } => body.is_end_stream(),
            Kind::Shared { seat, .. } => seat.is_read(),
            Kind::Text { text } => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Passed { body } => body.size_hint(),
            Kind::Shared { seat, read } => {
                seat.total().map_or_else(SizeHint::default, |total| SizeHint::with_exact(total.saturating_sub(*read)))
            }
            Kind::Text { text } => SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64)),
        }
    }
}

/// Without copying, if they are `Bytes` already.
fn to_bytes(mut data: impl Buf) -> Bytes {
    data.copy_to_bytes(data.remaining())
}

pin_project! {
    /// The inner body, whatever its kind of data and errors.
    pub(crate) struct Plain<B> {
        #[pin]
        pub(crate) body: B,
    }
}

impl<B> Body for Plain<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = ready!(self.project().body.poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map(|frame| frame.map_data(to_bytes)).map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> fmt::Debug for CoalescedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Passed { .. } => "passed",
            Kind::Shared { .. } => "shared",
            Kind::Text { .. } => "text",
        };
        f.debug_tuple("CoalescedBody").field(&kind).finish()
    }
}
