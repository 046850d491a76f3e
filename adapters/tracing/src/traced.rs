//! Calls with spans of their own.

use std::fmt;
use std::future::Future;
use std::hash::BuildHasher;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use coflight_core::{AsKey, Call, Error, Served, SharedError, Spawn, TryError, Verb};
use pin_project_lite::pin_project;
use tracing::instrument::Instrumented;
use tracing::{Instrument, Span};

use crate::spans::{Pass, Spans};
use crate::work::Ticket;

/// Gives a call spans: `flights.call().traced().run(…)`.
pub trait Traced {
    /// What has the verbs.
    type Call;

    /// The call runs in a span `coflight.call`, a child of the one that is current when the verb is called; its work, if it is begun, runs in a span
    /// `coflight.flight`, a child of that, wherever it is polled. Both have the level `INFO` and the target `coflight`.
    ///
    /// Comes after the options, before the verb. Takes the place of the call's [metadata](Call::metadata).
    fn traced(self) -> Self::Call;
}

impl<'g, K, V, R, S> Traced for Call<'g, K, V, R, S> {
    type Call = TracedCall<'g, K, V, R, S>;

    fn traced(self) -> Self::Call {
        TracedCall { call: self }
    }
}

/// One call to come, with spans. From [`Traced::traced`].
#[must_use = "does nothing until a verb is called"]
pub struct TracedCall<'g, K, V, R, S> {
    call: Call<'g, K, V, R, S>,
}

/// The verbs of [`Call`]; their promises, errors and panics are the same. [`enter`](Call::enter) is not among them: what a leader by hand does is no work that
/// could be put into a span.
impl<'g, K, V, R, S: BuildHasher> TracedCall<'g, K, V, R, S> {
    /// [`Call::run`], in spans.
    pub fn run<Q, F, Fut>(self, key: &Q, work: F) -> InSpan<impl Future<Output = (Result<V, Error>, Served)>>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = V>,
        V: Clone,
    {
        let (call, span, ticket) = self.begin(Verb::Run);
        InSpan::new(call.run(key, ticket.asynchronous(work)).with_served(), span)
    }

    /// [`Call::relay`], in spans.
    pub fn relay<Q, F, Fut>(self, key: &Q, work: F) -> InSpan<impl Future<Output = (Result<V, Error>, Served)>>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = V> + Send + 'static,
        K: Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
    {
        let (call, span, ticket) = self.begin(Verb::Relay);
        InSpan::new(call.relay(key, ticket.asynchronous(work)).with_served(), span)
    }

    /// [`Call::spawn`], in spans.
    pub fn spawn<Q, F, Fut>(self, key: &Q, work: F) -> InSpan<impl Future<Output = (Result<V, Error>, Served)>>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = V> + Send + 'static,
        K: Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
        R: Spawn + Send + Sync + 'static,
        S: Send + Sync + 'static,
    {
        let (call, span, ticket) = self.begin(Verb::Spawn);
        InSpan::new(call.spawn(key, ticket.asynchronous(work)).with_served(), span)
    }

    /// [`Call::run_blocking`], in spans.
    ///
    /// # Errors
    ///
    /// As [`Call::run_blocking`].
    pub fn run_blocking<Q, F>(self, key: &Q, work: F) -> Result<V, Error>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> V,
        V: Clone,
    {
        let (call, span, ticket) = self.begin(Verb::RunBlocking);
        span.in_scope(|| call.run_blocking(key, ticket.blocking(work)))
    }
}

/// The verbs for work that can fail.
impl<'g, K, T, E, R, S: BuildHasher> TracedCall<'g, K, Result<T, SharedError<E>>, R, S> {
    /// [`Call::try_run`], in spans.
    pub fn try_run<Q, F, Fut>(self, key: &Q, work: F) -> InSpan<impl Future<Output = (Result<T, TryError<E>>, Served)>>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        T: Clone,
    {
        let (call, span, ticket) = self.begin(Verb::Run);
        InSpan::new(call.try_run(key, ticket.asynchronous(work)).with_served(), span)
    }

    /// [`Call::try_relay`], in spans.
    pub fn try_relay<Q, F, Fut>(
        self,
        key: &Q,
        work: F,
    ) -> InSpan<impl Future<Output = (Result<T, TryError<E>>, Served)>>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        K: Send + Sync + 'static,
        T: Clone + Send + Sync + 'static,
        E: Send + Sync + 'static,
    {
        let (call, span, ticket) = self.begin(Verb::Relay);
        InSpan::new(call.try_relay(key, ticket.asynchronous(work)).with_served(), span)
    }

    /// [`Call::try_spawn`], in spans.
    pub fn try_spawn<Q, F, Fut>(
        self,
        key: &Q,
        work: F,
    ) -> InSpan<impl Future<Output = (Result<T, TryError<E>>, Served)>>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        K: Send + Sync + 'static,
        T: Clone + Send + Sync + 'static,
        E: Send + Sync + 'static,
        R: Spawn + Send + Sync + 'static,
        S: Send + Sync + 'static,
    {
        let (call, span, ticket) = self.begin(Verb::Spawn);
        InSpan::new(call.try_spawn(key, ticket.asynchronous(work)).with_served(), span)
    }

    /// [`Call::try_run_blocking`], in spans.
    ///
    /// # Errors
    ///
    /// As [`Call::try_run_blocking`].
    pub fn try_run_blocking<Q, F>(self, key: &Q, work: F) -> Result<T, TryError<E>>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Result<T, E>,
        T: Clone,
    {
        let (call, span, ticket) = self.begin(Verb::RunBlocking);
        span.in_scope(|| call.try_run_blocking(key, ticket.blocking(work)))
    }
}

impl<'g, K, V, R, S> TracedCall<'g, K, V, R, S> {
    /// The call, its span, and what its work needs. A span that nobody wants costs no more than finding that out.
    fn begin(self, verb: Verb) -> (Call<'g, K, V, R, S>, Span, Ticket) {
        let spans = Spans::new(verb);
        let span = spans.call().clone();
        if span.is_disabled() {
            return (self.call, span, Ticket::new(None));
        }
        let spans = Arc::new(spans);
        let pass = Pass::new(Arc::clone(&spans));
        (self.call.metadata(pass.clone()), span, Ticket::new(Some((spans, pass))))
    }
}

pin_project! {
    /// The future of a traced call: polled, and dropped, in the call's span. As lazy and cancel safe as the verb's own future.
    #[must_use = "futures do nothing unless polled"]
    pub struct InSpan<Fut> {
        #[pin]
        call: Instrumented<Fut>,
    }
}

impl<Fut> InSpan<Fut> {
    fn new(call: Fut, span: Span) -> Self {
        Self { call: call.instrument(span) }
    }

    /// The call's span, for fields and events of your own.
    pub fn span(&self) -> &Span {
        self.call.span()
    }

    /// Also says how the caller was served.
    pub fn with_served(self) -> Instrumented<Fut> {
        self.call
    }
}

impl<Fut, T> Future for InSpan<Fut>
where
    Fut: Future<Output = (T, Served)>,
{
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.project().call.poll(cx).map(|(output, _)| output)
    }
}

impl<K, V, R, S> fmt::Debug for TracedCall<'_, K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracedCall").field("call", &self.call).finish()
    }
}

impl<Fut> fmt::Debug for InSpan<Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InSpan").field("span", self.span()).finish_non_exhaustive()
    }
}
