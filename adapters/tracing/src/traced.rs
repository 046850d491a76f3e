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
///
/// ```
/// use coflight::{Group, Traced};
/// use tracing::Span;
/// # tracing_subscriber::fmt().with_writer(std::io::sink).init();
///
/// let flights: Group<u64, Option<&str>> = Group::new();
/// let work = || Span::current().metadata().map(|span| span.name());
/// assert_eq!(flights.call().traced().run_blocking(&6, work)?, Some("coflight.flight"));
/// assert_eq!(flights.call().run_blocking(&6, work)?, None); // in no span: the caller is in none
/// # Ok::<(), coflight::Error>(())
/// ```
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
///
/// ```
/// use coflight::{Group, Traced};
/// # tracing_subscriber::fmt().with_writer(std::io::sink).init();
///
/// let flights: Group<u64, u64> = Group::builder().max_flights(1).build();
/// let leader = flights.enter(&6);
/// let call = flights.call().max_flights(2).traced(); // the options first
/// assert_eq!(call.clone().run_blocking(&7, || 42), Ok(42));
/// assert_eq!(call.run_blocking(&8, || 43), Ok(43)); // with spans of its own
/// # drop(leader);
/// ```
#[must_use = "does nothing until a verb is called"]
pub struct TracedCall<'g, K, V, R, S> {
    call: Call<'g, K, V, R, S>,
}

/// The verbs of [`Call`]; their promises, errors and panics are the same. [`enter`](Call::enter) is not among them: what a leader by hand does is no work that
/// could be put into a span.
impl<'g, K, V, R, S: BuildHasher> TracedCall<'g, K, V, R, S> {
    /// [`Call::run`], in spans.
    ///
    /// ```
    /// use coflight::{Group, Traced};
    /// use tracing::Span;
    /// # tracing_subscriber::fmt().with_writer(std::io::sink).init();
    /// # futures_lite::future::block_on(async {
    ///
    /// let flights: Group<u64, Option<&str>> = Group::new();
    /// let work = || async { Span::current().metadata().map(|span| span.name()) };
    /// let span = flights.call().traced().run(&6, work).await?;
    /// assert_eq!(span, Some("coflight.flight")); // the one that the work is in
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
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
    ///
    /// ```
    /// use coflight::{Group, Traced};
    /// use tracing::Span;
    /// # tracing_subscriber::fmt().with_writer(std::io::sink).init();
    /// # futures_lite::future::block_on(async {
    ///
    /// let flights: Group<u64, Option<&str>> = Group::new();
    /// let work = || async { Span::current().metadata().map(|span| span.name()) };
    /// let span = flights.call().traced().relay(&6, work).await?;
    /// assert_eq!(span, Some("coflight.flight")); // the one that the work is in
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
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
    ///
    /// Here with a runtime that gives each task a thread:
    ///
    /// ```
    /// use coflight::{Group, Traced};
    /// use tracing::Span;
    /// # tracing_subscriber::fmt().with_writer(std::io::sink).init();
    /// # struct Threads;
    /// # impl coflight::Spawn for Threads {
    /// #     fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
    /// #         std::thread::spawn(|| futures_lite::future::block_on(task));
    /// #     }
    /// # }
    /// # futures_lite::future::block_on(async {
    ///
    /// let flights: Group<u64, Option<&str>, Threads> = Group::with_runtime(Threads);
    /// let work = || async { Span::current().metadata().map(|span| span.name()) };
    /// let span = flights.call().traced().spawn(&6, work).await?;
    /// assert_eq!(span, Some("coflight.flight")); // the one that the work is in
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
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
    /// ```
    /// use coflight::{Group, Traced};
    /// use tracing::Span;
    /// # tracing_subscriber::fmt().with_writer(std::io::sink).init();
    ///
    /// let flights: Group<u64, Option<&str>> = Group::new();
    /// let span = flights.call().traced().run_blocking(&6, || Span::current().metadata().map(|span| span.name()))?;
    /// assert_eq!(span, Some("coflight.flight")); // the one that the work is in
    /// # Ok::<(), coflight::Error>(())
    /// ```
    ///
    /// # Blocking
    ///
    /// As [`Group::run_blocking`](coflight_core::Group::run_blocking).
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
        self.run_blocking_with_served(key, work).0
    }

    /// [`Call::run_blocking_with_served`], in spans.
    ///
    /// ```
    /// use coflight::{Group, Role, Traced};
    /// use tracing::Span;
    /// # tracing_subscriber::fmt().with_writer(std::io::sink).init();
    ///
    /// let flights: Group<u64, Option<&str>> = Group::new();
    /// let work = || Span::current().metadata().map(|span| span.name());
    /// let (span, served) = flights.call().traced().run_blocking_with_served(&6, work);
    /// assert_eq!((span?, served.role), (Some("coflight.flight"), Role::Led));
    /// # Ok::<(), coflight::Error>(())
    /// ```
    ///
    /// # Blocking
    ///
    /// As [`Group::run_blocking`](coflight_core::Group::run_blocking).
    ///
    /// # Errors
    ///
    /// As [`Call::run_blocking`], as the first of the two.
    pub fn run_blocking_with_served<Q, F>(self, key: &Q, work: F) -> (Result<V, Error>, Served)
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> V,
        V: Clone,
    {
        let (call, span, ticket) = self.begin(Verb::RunBlocking);
        span.in_scope(|| call.run_blocking_with_served(key, ticket.blocking(work)))
    }
}

/// The verbs for work that can fail.
impl<'g, K, T, E, R, S: BuildHasher> TracedCall<'g, K, Result<T, SharedError<E>>, R, S> {
    /// [`Call::try_run`], in spans.
    ///
    /// ```
    /// use coflight::{Traced, TryGroup};
    /// use tracing::Span;
    /// # tracing_subscriber::fmt().with_writer(std::io::sink).init();
    /// # futures_lite::future::block_on(async {
    ///
    /// let flights: TryGroup<u64, u64, &str> = TryGroup::new();
    /// let work = || async { Err(Span::current().metadata().map(|span| span.name()).unwrap_or_default()) };
    /// let answer = flights.call().traced().try_run(&6, work).await;
    /// assert_eq!(answer.unwrap_err().work(), Some(&"coflight.flight")); // the span that the work failed in
    /// # });
    /// ```
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
    ///
    /// ```
    /// use coflight::{Traced, TryGroup};
    /// use tracing::Span;
    /// # tracing_subscriber::fmt().with_writer(std::io::sink).init();
    /// # futures_lite::future::block_on(async {
    ///
    /// let flights: TryGroup<u64, u64, &str> = TryGroup::new();
    /// let work = || async { Err(Span::current().metadata().map(|span| span.name()).unwrap_or_default()) };
    /// let answer = flights.call().traced().try_relay(&6, work).await;
    /// assert_eq!(answer.unwrap_err().work(), Some(&"coflight.flight")); // the span that the work failed in
    /// # });
    /// ```
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
    ///
    /// Here with a runtime that gives each task a thread:
    ///
    /// ```
    /// use coflight::{Traced, TryGroup};
    /// use tracing::Span;
    /// # tracing_subscriber::fmt().with_writer(std::io::sink).init();
    /// # struct Threads;
    /// # impl coflight::Spawn for Threads {
    /// #     fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
    /// #         std::thread::spawn(|| futures_lite::future::block_on(task));
    /// #     }
    /// # }
    /// # futures_lite::future::block_on(async {
    ///
    /// let flights: TryGroup<u64, u64, &str, Threads> = TryGroup::with_runtime(Threads);
    /// let work = || async { Err(Span::current().metadata().map(|span| span.name()).unwrap_or_default()) };
    /// let answer = flights.call().traced().try_spawn(&6, work).await;
    /// assert_eq!(answer.unwrap_err().work(), Some(&"coflight.flight")); // the span that the work failed in
    /// # });
    /// ```
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
    /// ```
    /// use coflight::{Traced, TryGroup};
    /// use tracing::Span;
    /// # tracing_subscriber::fmt().with_writer(std::io::sink).init();
    ///
    /// let flights: TryGroup<u64, u64, &str> = TryGroup::new();
    /// let work = || Err(Span::current().metadata().map(|span| span.name()).unwrap_or_default());
    /// let answer = flights.call().traced().try_run_blocking(&6, work);
    /// assert_eq!(answer.unwrap_err().work(), Some(&"coflight.flight")); // the span that the work failed in
    /// ```
    ///
    /// # Blocking
    ///
    /// As [`Group::try_run_blocking`](coflight_core::Group::try_run_blocking).
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
    ///
    /// ```
    /// use coflight::{Group, Traced};
    /// use tracing::Span;
    /// # tracing_subscriber::fmt().with_writer(std::io::sink).init();
    /// # futures_lite::future::block_on(async {
    ///
    /// let flights: Group<u64, Option<&str>> = Group::new();
    /// let call = flights.call().traced().run(&6, || async { Span::current().metadata().map(|span| span.name()) });
    /// assert!(flights.is_empty()); // it has not asked yet
    /// assert_eq!(call.await?, Some("coflight.flight"));
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
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
    ///
    /// ```
    /// use coflight::{Group, Traced};
    /// # tracing_subscriber::fmt().with_writer(std::io::sink).init();
    /// # futures_lite::future::block_on(async {
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let call = flights.call().traced().run(&6, || async { 42 });
    /// assert_eq!(call.span().metadata().map(|span| span.name()), Some("coflight.call"));
    ///
    /// call.span().in_scope(|| tracing::info!("for the start page"));
    /// assert_eq!(call.await?, 42);
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    pub fn span(&self) -> &Span {
        self.call.span()
    }

    /// Also says how the caller was served.
    ///
    /// ```
    /// use coflight::{Group, Role, Traced};
    /// # tracing_subscriber::fmt().with_writer(std::io::sink).init();
    /// # futures_lite::future::block_on(async {
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let (answer, served) = flights.call().traced().run(&6, || async { 42 }).with_served().await;
    /// assert_eq!((answer, served.role), (Ok(42), Role::Led));
    /// # });
    /// ```
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

/// Each of the two makes a call with spans of its own.
impl<K, V, R, S> Clone for TracedCall<'_, K, V, R, S> {
    fn clone(&self) -> Self {
        Self { call: self.call.clone() }
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
