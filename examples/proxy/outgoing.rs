//! The body that goes to the client, and a note of how it ended.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use coflight::tower::{BoxError, CoalescedBody, Error};
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use http_body_util::Either;
use pin_project_lite::pin_project;

use crate::access_log::{AccessLog, End, Entry};
use crate::upstream::Received;

/// From the upstream, or of the proxy's own.
pub(crate) type Answering = Either<CoalescedBody<Received>, axum::body::Body>;

/// Notes how a response ends.
pub(crate) struct Watch {
    entry: Entry,
    log: AccessLog,
    status: StatusCode,
    part: &'static str,
    bytes: u64,
    end: End,
}

impl Watch {
    pub(crate) fn new(entry: Entry, log: AccessLog, status: StatusCode, part: &'static str) -> Self {
        Self { entry, log, status, part, bytes: 0, end: End::HungUp }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.log.write(&self.entry, self.status, self.part, self.bytes, self.end);
        metrics::counter!("proxy_responses_ended_total", "how" => self.end.name()).increment(1);
        metrics::counter!("proxy_sent_bytes_total").increment(self.bytes);
    }
}

pin_project! {
    /// The body that goes to the client.
    pub(crate) struct Outgoing {
        #[pin]
        body: Answering,
        watch: Option<Watch>,
    }
}

impl Outgoing {
    pub(crate) fn new(body: Answering, mut watch: Option<Watch>) -> Self {
        if let Some(watch) = watch.as_mut().filter(|_| body.is_end_stream()) {
            // Nobody will ask for it.
            watch.end = End::Whole;
        }
        Self { body, watch }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        let frame = ready!(this.body.as_mut().poll_frame(cx));
        if let Some(watch) = this.watch {
            match &frame {
                None => watch.end = End::Whole,
                Some(Ok(frame)) => {
                    watch.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                    // Also if a server that has sent all that was promised will not ask for the end.
                    if this.body.is_end_stream() || this.body.size_hint().exact() == Some(0) {
                        watch.end = End::Whole;
                    }
                }
                Some(Err(error)) => {
                    let lagged = error.downcast_ref().is_some_and(|error| matches!(error, Error::Lagged));
                    watch.end = if lagged { End::CutOff } else { End::Broken };
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
