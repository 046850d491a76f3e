//! `relay`: one future that any caller can go on with.

use core::fmt;
use core::future::Future;
use core::hash::BuildHasher;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::pin::Pin;
use core::task::{Context, Poll, RawWaker, RawWakerVTable, Waker, ready};

use alloc::boxed::Box;

use pin_project_lite::pin_project;

use crate::caller::{Caller, Turn};
use crate::error::Error;
use crate::flight::{Carried, CarriedWork, Flight, FlightRef};
use crate::group::Group;
use crate::key::AsKey;
use crate::options::Luggage;
use crate::owners::Owned;
use crate::served::{Reports, Served, WithServed};
use crate::snapshot::Verb;
use crate::state::Held;
use crate::work::Work;

pin_project! {
    /// The future of [`Group::relay`]. Does nothing until polled; dropping it leaves the flight.
    ///
    /// ```
    /// # extern crate coflight_core as coflight;
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
    #[must_use = "futures do nothing unless polled"]
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
    /// # extern crate coflight_core as coflight;
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
                    let carried = this.caller.as_mut().start(|| carry(start));
                    let flight = this.caller.flight();
                    // SAFETY: this caller was just told to lead, and so holds the work.
                    unsafe { flight.set_work(Some(carried)) };
                    // Before anybody else may run the work, fail, and hand the flight to the next leader.
                    this.caller.as_mut().stay_aboard(true);
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

pin_project! {
    /// The work of a `relay` or `spawn`, as it lies in the flight.
    struct Begun<V, Fut> {
        #[pin]
        future: Fut,
        failed: fn(&V) -> bool,
    }
}

/// Begins `work`.
pub(crate) fn carry<K, V, W>(work: W) -> CarriedWork<K, V>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
    W: Work<V, Future: Send + 'static>,
{
    Box::pin(Begun { future: work.begin(), failed: W::failed })
}

impl<K, V, Fut> Carried<K, V> for Begun<V, Fut>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
    Fut: Future<Output = V> + Send,
{
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<V> {
        self.project().future.poll(cx)
    }

    fn failed(&self, value: &V) -> bool {
        (self.failed)(value)
    }

    /// A caller's, also for `spawn`: should the runtime drop the task before it ever ran.
    fn waker<'a>(&self, flight: &'a FlightRef<K, V>) -> BorrowedWaker<'a> {
        borrowed_waker(flight)
    }
}

/// The waker of a carried work, for one poll by a caller: cloned, and so counted, only if the work keeps it.
pub(crate) struct BorrowedWaker<'a> {
    waker: ManuallyDrop<Waker>,
    _flight: PhantomData<&'a ()>,
}

fn borrowed_waker<K, V>(flight: &FlightRef<K, V>) -> BorrowedWaker<'_>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    let raw = RawWaker::new(flight.as_ptr().cast(), vtable::<K, V>());
    BorrowedWaker {
        // SAFETY: the functions of the table treat the pointer as a counted `FlightRef`, and are `Send + Sync` as the flight is.
        // This first waker is not counted, and never dropped; the flight outlives the borrow.
        waker: ManuallyDrop::new(unsafe { Waker::from_raw(raw) }),
        _flight: PhantomData,
    }
}

impl Deref for BorrowedWaker<'_> {
    type Target = Waker;

    fn deref(&self) -> &Waker {
        &self.waker
    }
}

fn vtable<K, V>() -> &'static RawWakerVTable
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    struct Table<K, V>(PhantomData<(K, V)>);

    impl<K: Send + Sync + 'static, V: Send + Sync + 'static> Table<K, V> {
        const VTABLE: RawWakerVTable = RawWakerVTable::new(Self::clone, Self::wake, Self::wake_by_ref, Self::drop);

        unsafe fn clone(flight: *const ()) -> RawWaker {
            // SAFETY: the pointer is that of a living, counted flight.
            let this = ManuallyDrop::new(unsafe { FlightRef::from_ptr(flight.cast::<Owned<Flight<K, V>>>()) });
            core::mem::forget(FlightRef::clone(&this));
            RawWaker::new(flight, &Self::VTABLE)
        }

        unsafe fn wake(flight: *const ()) {
            // SAFETY: this waker owns one count, which it gives up here.
            wake(&*unsafe { FlightRef::from_ptr(flight.cast::<Owned<Flight<K, V>>>()) });
        }

        unsafe fn wake_by_ref(flight: *const ()) {
            // SAFETY: the pointer is that of a living, counted flight.
            wake(&ManuallyDrop::new(unsafe { FlightRef::from_ptr(flight.cast::<Owned<Flight<K, V>>>()) }));
        }

        unsafe fn drop(flight: *const ()) {
            // SAFETY: this waker owns one count, which it gives up here.
            core::mem::drop(unsafe { FlightRef::from_ptr(flight.cast::<Owned<Flight<K, V>>>()) });
        }
    }

    &Table::<K, V>::VTABLE
}

fn wake<K, V>(flight: &Flight<K, V>) {
    if flight.state.mark_runnable() {
        flight.wake_callers();
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
