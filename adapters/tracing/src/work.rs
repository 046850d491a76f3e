//! A work in its span.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tracing::instrument::Instrumented;
use tracing::{Instrument, Span};

use crate::spans::{Pass, Spans};

/// What a work needs to run in its span, if the call has spans.
pub(crate) struct Ticket(Option<(Arc<Spans>, Pass)>);

impl Ticket {
    pub(crate) fn new(spans: Option<(Arc<Spans>, Pass)>) -> Self {
        Self(spans)
    }

    /// For a work that is a future. Nothing is made of it, nor of the span, before it is called.
    pub(crate) fn asynchronous<Fut: Future>(self, work: impl FnOnce() -> Fut) -> impl FnOnce() -> Working<Fut> {
        move || {
            let (span, gone) = self.begin();
            let future = span.in_scope(work);
            Working { future: future.instrument(span), _gone: gone }
        }
    }

    /// For a work that is a closure.
    pub(crate) fn blocking<T>(self, work: impl FnOnce() -> T) -> impl FnOnce() -> T {
        move || {
            let (span, _gone) = self.begin();
            span.in_scope(work)
        }
    }

    fn begin(self) -> (Span, Gone) {
        match self.0 {
            Some((spans, pass)) => (spans.work().clone(), Gone(Some(pass))),
            None => (Span::none(), Gone(None)),
        }
    }
}

pin_project! {
    /// A work in its span.
    pub(crate) struct Working<Fut> {
        // Dropped first, in the span.
        #[pin]
        future: Instrumented<Fut>,
        _gone: Gone,
    }
}

impl<Fut: Future> Future for Working<Fut> {
    type Output = Fut::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().future.poll(cx)
    }
}

/// Says, when it is dropped, that the work is gone.
struct Gone(Option<Pass>);

impl Drop for Gone {
    fn drop(&mut self) {
        if let Some(pass) = &self.0 {
            pass.work_is_gone();
        }
    }
}
