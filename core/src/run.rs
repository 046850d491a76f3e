//! `run`: the leader's own future, in place.

use alloc::boxed::Box;
use core::fmt;
use core::future::Future;
use core::hash::BuildHasher;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::caller::{Caller, Stop, Turn};
use crate::circle;
use crate::error::{Error, Panic};
use crate::flight::FlightRef;
use crate::group::Group;
use crate::key::AsKey;
use crate::options::Luggage;
use crate::panics;
use crate::served::{Reports, Served, WithServed};
use crate::snapshot::Verb;
use crate::state::Held;
use crate::work::Work as AnyWork;

pin_project! {
    /// The future of [`Group::run`]. Does nothing until polled; dropping it leaves the flight.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::Group;
    /// use futures_lite::future::{pending, poll_once};
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let mut call = Box::pin(flights.run(&6, || pending()));
    /// assert!(!flights.contains(&6)); // it has not asked yet
    ///
    /// assert!(poll_once(&mut call).await.is_none());
    /// assert!(flights.contains(&6));
    ///
    /// drop(call);
    /// assert!(!flights.contains(&6));
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// When it is polled again after it was ready.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Run<'g, 'k, K, V, R, S, Q: ?Sized, F, Fut> {
        // Dropped first: no follower may take over while this work still exists.
        #[pin]
        work: Work<F, Fut>,
        #[pin]
        caller: Caller<'g, 'k, K, V, R, S, Q>,
    }

    impl<K, V, R, S, Q: ?Sized, F, Fut> PinnedDrop for Run<'_, '_, K, V, R, S, Q, F, Fut> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Work::Running { .. } = &*this.work {
                drop_work(this.caller.flight(), this.work);
            }
        }
    }
}

pin_project! {
    #[project = WorkPinned]
    #[project_replace = WorkTaken]
    enum Work<F, Fut> {
        // Not called; it may never be.
        Idle { start: F },
        // This caller leads. `held`: it holds the work's mark already.
        Running { #[pin] future: Fut, held: bool },
        // Over, and the flight, which somebody else ended, says how.
        Ended,
        Done,
    }
}

impl<'g, 'k, K, V, R, S, Q: ?Sized, F, Fut> Run<'g, 'k, K, V, R, S, Q, F, Fut> {
    pub(crate) fn new(group: &'g Group<K, V, R, S>, key: &'k Q, work: F, luggage: Option<Box<Luggage<K, V>>>) -> Self {
        Self { work: Work::Idle { start: work }, caller: Caller::new(group, key, luggage) }
    }

    /// Also says how the caller was served.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Group, Role};
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let (answer, served) = flights.run(&6, || async { 42 }).with_served().await;
    /// assert_eq!((answer, served.role, served.callers), (Ok(42), Role::Led, 1));
    /// # });
    /// ```
    pub fn with_served(self) -> WithServed<Self> {
        WithServed::new(self)
    }
}

impl<K, V, R, S, Q, F, Fut> Future for Run<'_, '_, K, V, R, S, Q, F, Fut>
where
    V: Clone,
    S: BuildHasher,
    Q: ?Sized + AsKey<K>,
    F: AnyWork<V, Future = Fut>,
    Fut: Future<Output = V>,
{
    type Output = Result<V, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.as_mut().project();
        match this.work.as_mut().project() {
            // Told to lead, it holds the work's mark, and begins.
            WorkPinned::Idle { .. } => match ready!(this.caller.as_mut().poll_turn(cx, true, Verb::Run)) {
                Turn::Landed(ending) => {
                    this.work.set(Work::Done);
                    return Poll::Ready(ending);
                }
                Turn::Lead => {}
            },
            WorkPinned::Running { .. } => {}
            WorkPinned::Ended => return self.poll_ending(cx),
            WorkPinned::Done => panic!("`Run` polled after it was ready"),
        }
        self.poll_work(cx)
    }
}

impl<K, V, R, S, Q, F, Fut> Run<'_, '_, K, V, R, S, Q, F, Fut>
where
    V: Clone,
    S: BuildHasher,
    Q: ?Sized + AsKey<K>,
    F: AnyWork<V, Future = Fut>,
    Fut: Future<Output = V>,
{
    /// Runs the work, as the leader.
    fn poll_work(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<V, Error>> {
        let mut this = self.as_mut().project();
        let table = this.caller.group.table();
        let flight = this.caller.flight();
        let mut registered = false;
        if let WorkPinned::Running { held, .. } = this.work.as_mut().project() {
            registered = !core::mem::replace(held, true);
            if registered && flight.state.resume() == Held::Ended {
                // Ended while nobody ran the work, and the key is free already.
                drop_work(flight, this.work.as_mut());
                this.work.set(Work::Ended);
                this.caller.as_mut().follow_on();
                return self.poll_ending(cx);
            }
        }
        let mut polled = Poll::Pending;
        let unseen = || flight.fail(table, Panic::unseen());
        // Beginning it, polling it, and dropping it if that was all there is to it, in one go: nearly always that is all.
        let run = || {
            polled = begun(this.work.as_mut()).poll(cx);
            if polled.is_ready() {
                this.work.set(Work::Done);
            }
        };
        let ran = circle::within(flight.node(), || panics::catch(run, unseen));
        match (polled, ran) {
            (Poll::Ready(value), dropped) => {
                // A destructor that panics must not cost the followers the value that is there.
                let failed = F::failed(&value);
                let landed = this.caller.as_mut().land(value, failed, registered);
                rethrow(dropped);
                match landed {
                    Some(ending) => Poll::Ready(ending),
                    None => {
                        this.work.set(Work::Ended);
                        self.poll_ending(cx)
                    }
                }
            }
            (Poll::Pending, Ok(())) => {
                if registered {
                    flight.runner.register(cx.waker());
                } else {
                    flight.runner.put(cx.waker());
                }
                // While the work is held, so that if its time is over those aboard are told first, then it is dropped, and only then the
                // next one may begin.
                let stop = this.caller.as_mut().poll_lead_limits(cx);
                if let Stop::Leave(error) = stop {
                    let flight = this.caller.flight();
                    panics::contain(|| drop_work(flight, this.work));
                    this.caller.as_mut().leave();
                    return Poll::Ready(Err(error));
                }
                let flight = this.caller.flight();
                if flight.state.pause() != Held::Ended {
                    if let WorkPinned::Running { held, .. } = this.work.project() {
                        *held = false;
                    }
                    return Poll::Pending;
                }
                // Ended while it ran. Only when the work is gone may the next one begin.
                let dropped = panics::catch(|| drop_work(flight, this.work.as_mut()), || flight.free(table));
                flight.free(table);
                this.work.set(Work::Ended);
                this.caller.as_mut().follow_on();
                rethrow(dropped);
                self.poll_ending(cx)
            }
            (Poll::Pending, Err(payload)) => {
                panics::contain(|| drop_work(flight, this.work));
                flight.fail(table, Panic::told(&payload));
                this.caller.as_mut().done();
                panics::resume(payload);
            }
        }
    }

    /// Waits for what somebody else said of the flight.
    #[cold]
    fn poll_ending(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<V, Error>> {
        let mut this = self.project();
        match ready!(this.caller.as_mut().poll_turn(cx, false, Verb::Run)) {
            Turn::Landed(ending) => {
                this.work.set(Work::Done);
                Poll::Ready(ending)
            }
            Turn::Lead => unreachable!("a caller without a work is not told to lead"),
        }
    }
}

/// The work's future, begun if it was not yet.
#[inline]
fn begun<V, F, Fut>(mut work: Pin<&mut Work<F, Fut>>) -> Pin<&mut Fut>
where
    F: AnyWork<V, Future = Fut>,
    Fut: Future<Output = V>,
{
    if let WorkPinned::Idle { .. } = work.as_mut().project() {
        let WorkTaken::Idle { start } = work.as_mut().project_replace(Work::Done) else {
            unreachable!("it was idle a moment ago")
        };
        work.set(Work::Running { future: start.begin(), held: true });
    }
    match work.project() {
        WorkPinned::Running { future, .. } => future,
        _ => unreachable!("only running work is polled"),
    }
}

/// Drops a work that was begun. Like running it: a destructor that asks for its own key must not wait.
fn drop_work<K, V, F, Fut>(flight: &FlightRef<K, V>, mut work: Pin<&mut Work<F, Fut>>) {
    circle::within(flight.node(), || work.set(Work::Done));
}

/// Goes on with a panic that had to wait until everything was in order.
fn rethrow(result: Result<(), panics::Payload>) {
    if let Err(payload) = result {
        panics::resume(payload);
    }
}

impl<K, V, R, S, Q: ?Sized, F, Fut> Reports for Run<'_, '_, K, V, R, S, Q, F, Fut> {
    fn served(&self) -> Served {
        self.caller.served()
    }
}

impl<K, V, R, S, Q: ?Sized, F, Fut> fmt::Debug for Run<'_, '_, K, V, R, S, Q, F, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").finish_non_exhaustive()
    }
}
