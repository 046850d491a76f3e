//! A work that a flight carries: how it lies there, and the waker by which it wakes whoever can go on with it.

use alloc::boxed::Box;
use core::future::Future;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::Deref;
use core::pin::Pin;
use core::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use pin_project_lite::pin_project;

use crate::flight::{Flight, FlightRef};
use crate::owners::Owned;
use crate::work::Work;

/// A work that lies in the flight, where any caller, or a task of the runtime, can run it. Behind one pointer, because every flight has room for it;
/// and behind a trait, because only the verbs that put a work here need `'static` keys and values.
pub(crate) trait Carried<K, V>: Send {
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<V>;

    /// Whether what it came to is a failure.
    fn failed(&self, value: &V) -> bool;

    /// The waker for polls by callers.
    fn waker<'a>(&self, flight: &'a FlightRef<K, V>) -> BorrowedWaker<'a>;
}

pub(crate) type CarriedWork<K, V> = Pin<Box<dyn Carried<K, V>>>;

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
