//! `relay`: one future that any caller can go on with.

use core::fmt;
use core::future::Future;
use core::hash::BuildHasher;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use alloc::boxed::Box;

use pin_project_lite::pin_project;

use crate::caller::{Caller, Turn};
use crate::error::Error;
use crate::group::Group;
use crate::key::AsKey;
use crate::options::Luggage;
use crate::served::{Reports, Served, WithServed};
use crate::snapshot::Verb;
use crate::state::Held;
use crate::work::Work;

pin_project! {
    /// The future of [`Group::relay`]. Does nothing until polled; dropping it leaves the flight.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::Group;
    /// use futures_lite::future::{pending, poll_once, yield_now};
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let work = || async {
    ///     yield_now().await;
    ///     yield_now().await;
    ///     42
    /// };
    /// let mut first = Box::pin(flights.relay(&6, work));
    /// let mut second = Box::pin(flights.relay(&6, || pending()));
    /// assert!(poll_once(&mut first).await.is_none()); // begins the work
    /// assert!(poll_once(&mut second).await.is_none()); // goes on with it
    /// drop(first);
    /// assert_eq!(second.await, Ok(42)); // the same work, to its end
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// When it is polled again after it was ready.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Relay<'g, 'k, K, V, R, S, Q: ?Sized, F> {
        work: Option<F>,
        #[pin]
        caller: Caller<'g, 'k, K, V, R, S, Q>,
    }
}

impl<'g, 'k, K, V, R, S, Q: ?Sized, F> Relay<'g, 'k, K, V, R, S, Q, F> {
    pub(crate) fn new(group: &'g Group<K, V, R, S>, key: &'k Q, work: F, luggage: Option<Box<Luggage<K, V>>>) -> Self {
        Self { work: Some(work), caller: Caller::new(group, key, luggage) }
    }

    /// Also says how the caller was served.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Group, Role};
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let (answer, served) = flights.relay(&6, || async { 42 }).with_served().await;
    /// assert_eq!((answer, served.role, served.callers), (Ok(42), Role::Led, 1));
    /// # });
    /// ```
    pub fn with_served(self) -> WithServed<Self> {
        WithServed::new(self)
    }
}

impl<K, V, R, S, Q, F> Future for Relay<'_, '_, K, V, R, S, Q, F>
where
    K: Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    S: BuildHasher,
    Q: ?Sized + AsKey<K>,
    F: Work<V, Future: Send + 'static>,
{
    type Output = Result<V, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match ready!(this.caller.as_mut().poll_turn(cx, this.work.is_some(), Verb::Relay)) {
                Turn::Landed(ending) => {
                    *this.work = None;
                    return Poll::Ready(ending);
                }
                Turn::Lead => {
                    let Some(start) = this.work.take() else {
                        unreachable!("only a caller with a work is told to lead")
                    };
                    // SAFETY: this caller was just told to lead.
                    unsafe { this.caller.as_mut().carry(start, true) };
                    let flight = this.caller.flight();
                    if flight.state.offer() == Held::Ended {
                        // SAFETY: still held: who ended the flight left the mark to this caller, and `offer` left it as it was.
                        unsafe { flight.tear_down(this.caller.group.table()) };
                    }
                }
            }
        }
    }
}

impl<K, V, R, S, Q: ?Sized, F> Reports for Relay<'_, '_, K, V, R, S, Q, F> {
    fn served(&self) -> Served {
        self.caller.served()
    }
}

impl<K, V, R, S, Q: ?Sized, F> fmt::Debug for Relay<'_, '_, K, V, R, S, Q, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").finish_non_exhaustive()
    }
}
