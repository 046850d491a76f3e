//! A body that breaks off if nothing comes for too long while somebody waits for it.
//!
//! That of tower-http does not pass on where a body ends and how long it is, which coalescing needs.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use coflight::tower::BoxError;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

pin_project! {
    pub(crate) struct Stalling<B> {
        #[pin]
        body: B,
        limit: Duration,
        // Only while somebody waits: a client that takes its time is no fault of the upstream.
        #[pin]
        waiting: Option<Sleep>,
    }
}

/// Nothing came for too long.
#[derive(Debug)]
pub(crate) struct Stalled;

impl fmt::Display for Stalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the upstream stopped in the middle of its answer")
    }
}

impl std::error::Error for Stalled {}

impl<B> Stalling<B> {
    pub(crate) fn new(body: B, limit: Duration) -> Self {
        Self { body, limit, waiting: None }
    }
}

impl<B> Body for Stalling<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let mut this = self.project();
        if let Poll::Ready(frame) = this.body.poll_frame(cx) {
            this.waiting.set(None);
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        if this.waiting.is_none() {
            this.waiting.set(Some(sleep(*this.limit)));
        }
        match this.waiting.as_pin_mut().map(|waiting| waiting.poll(cx)) {
            Some(Poll::Ready(())) => Poll::Ready(Some(Err(Stalled.into()))),
            _ => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
