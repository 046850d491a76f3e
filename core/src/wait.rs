//! A place to wait in, inside the caller's own future.
//!
//! event-listener can keep a listener on the stack, but only through a macro that makes its type impossible to name, inside an
//! async block. Boxing that block would cost every follower an allocation. So the block is kept in a field of plain
//! memory here, and its type is found again, whenever it is needed, by naming the function that makes it.

use core::future::{Future, poll_fn};
use core::marker::PhantomPinned;
use core::mem::MaybeUninit;
use core::pin::Pin;
use core::task::{Context, Poll};

use event_listener::{Event, listener};

use crate::panics;
use crate::sync;

/// Room for the listening future: eleven words with event-listener 5.4 and `std`. If it ever needs more, the future moves to
/// the heap instead of failing to compile.
const WORDS: usize = 11;

pub(crate) struct Waiting {
    slot: MaybeUninit<[usize; WORDS]>,
    listening: bool,
    _pinned: PhantomPinned,
}

/// The event that is listened to. Whoever holds a `Waiting` keeps the event alive; see [`Waiting::listen`].
struct Source(*const Event);

// SAFETY: it is only used as the `&Event` it was made from, and `Event` is `Sync`.
unsafe impl Send for Source {}

/// Waits for one notification after the first poll. `false`: listening panicked.
async fn listen(source: Source) -> bool {
    // SAFETY: `Waiting::listen` requires the event to outlive this future.
    let event = unsafe { &*source.0 };
    sync::unseen_step();
    listener!(event => listener);
    poll_fn(move |cx| {
        let mut polled = None;
        // A panic must not unwind through this block: it would drop the listener while unwinding, and event-listener's own
        // assertions may not hold then, which would abort.
        panics::contain(|| polled = Some(Pin::new(&mut listener).poll(cx)));
        match polled {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(())) => Poll::Ready(true),
            None => Poll::Ready(false),
        }
    })
    .await
}

impl Waiting {
    pub(crate) fn new() -> Self {
        Self { slot: MaybeUninit::uninit(), listening: false, _pinned: PhantomPinned }
    }

    #[inline]
    pub(crate) fn is_listening(&self) -> bool {
        self.listening
    }

    /// [Polls](Self::poll), after it [began to listen](Self::listen) if it did not before.
    ///
    /// # Safety
    ///
    /// As for [`listen`](Self::listen).
    #[inline]
    pub(crate) unsafe fn listen_or_poll(self: Pin<&mut Self>, event: &Event, cx: &mut Context<'_>) -> Poll<()> {
        if self.listening {
            return self.poll(cx);
        }
        // SAFETY: as the caller promises.
        unsafe { self.listen(event, cx) }
    }

    /// Begins to listen to `event`: from now on no notification is missed. Ready only if that failed, because of what wakers did that panicked.
    ///
    /// # Safety
    ///
    /// `event` must stay where it is and live until [`stop`](Self::stop) or the drop of `self`.
    #[inline]
    unsafe fn listen(mut self: Pin<&mut Self>, event: &Event, cx: &mut Context<'_>) -> Poll<()> {
        self.as_mut().stop();
        // SAFETY: nothing is moved out; the slot is only ever used pinned.
        let this = unsafe { self.as_mut().get_unchecked_mut() };
        // SAFETY: the slot is vacant after `stop`, and dropped by `stop` before it is reused or freed.
        unsafe { place(&raw mut this.slot, listen, Source(event)) };
        this.listening = true;
        // Nothing that panics: what is dropped if the waker cannot be cloned was not notified yet, and so cannot have been miscounted.
        // SAFETY: the slot was filled a moment ago, and `self` is pinned, so it is, too.
        match unsafe { future(&raw mut this.slot, listen) }.poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(notified) => {
                self.notified(Some(notified), cx);
                Poll::Ready(())
            }
        }
    }

    /// Ready when a notification came since [`listen`](Self::listen).
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        debug_assert!(self.listening);
        // SAFETY: nothing is moved out.
        let this = unsafe { self.as_mut().get_unchecked_mut() };
        let mut polled = None;
        // SAFETY: `listening` says that the slot holds the future, and `self` is pinned, so it is too.
        panics::contain(|| polled = Some(unsafe { future(&raw mut this.slot, listen) }.poll(cx)));
        match polled {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(notified)) => {
                self.notified(Some(notified), cx);
                Poll::Ready(())
            }
            None => {
                self.notified(None, cx);
                Poll::Ready(())
            }
        }
    }

    fn notified(self: Pin<&mut Self>, notified: Option<bool>, cx: &mut Context<'_>) {
        self.stop();
        if notified != Some(true) {
            // Either event-listener tripped over what a panicking waker left behind (see `unlisten`), or it is this caller's waker that
            // cannot be cloned. The latter panics again here, where it is the caller's own business.
            drop(cx.waker().clone());
        }
    }

    /// Stops listening and leaves no trace in the event.
    #[inline]
    pub(crate) fn stop(self: Pin<&mut Self>) {
        // Most callers never listened.
        if self.listening {
            self.unlisten();
        }
    }

    fn unlisten(self: Pin<&mut Self>) {
        // SAFETY: nothing is moved out.
        let this = unsafe { self.get_unchecked_mut() };
        if core::mem::take(&mut this.listening) {
            sync::unseen_step();
            // A waker that panicked in the event's notification can leave event-listener's counters off by one, which its
            // own debug assertions turn into a panic here; the listener is unlinked all the same.
            // SAFETY: the slot holds the future, which is dropped in place and, as `listening` is false now, never used again.
            panics::contain(|| unsafe { clear(&raw mut this.slot, listen) });
        }
    }
}

impl Drop for Waiting {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: `self` is being dropped, so it is never moved again.
        unsafe { Pin::new_unchecked(self) }.stop();
    }
}

/// Other threads write to the listener inside, through event-listener's list, also while there is a `&mut Waiting`. That is sound because `Waiting` is not
/// `Unpin`: a `&mut` to what is not does not claim to be the only way there. A `&mut Slot` would, so the slot alone is only handled by raw pointer.
type Slot = MaybeUninit<[usize; WORDS]>;

/// Whether the future that `F` stands for lies in the slot itself.
struct Fits<F>(core::marker::PhantomData<F>);

impl<F> Fits<F> {
    const IN_PLACE: bool = size_of::<F>() <= size_of::<Slot>() && align_of::<F>() <= align_of::<Slot>();
}

/// `F: Send`, because nobody else asks: a `Waiting` is `Send` for the plain numbers that its slot is declared as.
///
/// # Safety
///
/// The slot is vacant, and will be [cleared](clear) with the same `make`.
unsafe fn place<A, F: Future<Output = bool> + Send>(slot: *mut Slot, make: impl Fn(A) -> F, argument: A) {
    let future = make(argument);
    if Fits::<F>::IN_PLACE {
        // SAFETY: it fits, by the check above.
        unsafe { slot.cast::<F>().write(future) };
    } else {
        let heap = alloc::boxed::Box::into_raw(alloc::boxed::Box::new(future));
        // SAFETY: a pointer fits into eleven words.
        unsafe { slot.cast::<*mut F>().write(heap) };
    }
}

/// # Safety
///
/// The slot was filled by [`place`] and not cleared since.
unsafe fn pointer<F>(slot: *mut Slot) -> *mut F {
    if Fits::<F>::IN_PLACE {
        slot.cast()
    } else {
        // SAFETY: `place` wrote this pointer.
        unsafe { slot.cast::<*mut F>().read() }
    }
}

/// # Safety
///
/// The slot was filled by [`place`] with the same `make`, not cleared since, and does not move.
unsafe fn future<'a, A, F: Future<Output = bool> + 'a>(slot: *mut Slot, _make: impl Fn(A) -> F) -> Pin<&'a mut F> {
    // SAFETY: the future is there and is never moved: it lies in a pinned slot, or on the heap.
    unsafe { Pin::new_unchecked(&mut *pointer::<F>(slot)) }
}

/// # Safety
///
/// As for [`future`]; the slot is vacant afterwards, even if this panics.
unsafe fn clear<A, F: Future<Output = bool>>(slot: *mut Slot, _make: impl Fn(A) -> F) {
    // SAFETY: as the caller promises.
    let future = unsafe { pointer::<F>(slot) };
    if Fits::<F>::IN_PLACE {
        // SAFETY: the future is there and not used again.
        unsafe { future.drop_in_place() };
    } else {
        // SAFETY: `place` made it from a box.
        drop(unsafe { alloc::boxed::Box::from_raw(future) });
    }
}

#[cfg(test)]
#[cfg(not(any(loom, shuttle)))]
mod tests {
    use core::pin::pin;

    use super::*;

    #[test]
    fn a_listener_lies_in_the_slot_and_not_on_the_heap() {
        fn in_place<A, F>(_make: impl Fn(A) -> F) -> bool {
            Fits::<F>::IN_PLACE
        }
        assert!(in_place(listen));
    }

    #[test]
    fn notified_only_after_it_listens() {
        let event = Event::new();
        let mut waiting = pin!(Waiting::new());
        let mut cx = Context::from_waker(core::task::Waker::noop());
        event.notify(1);
        // SAFETY: the event lives in this frame, longer than `waiting`, which stops when it is dropped.
        assert!(unsafe { waiting.as_mut().listen(&event, &mut cx) }.is_pending());
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        event.notify(1);
        assert!(waiting.as_mut().poll(&mut cx).is_ready());
        assert!(!waiting.listening);
    }
}
