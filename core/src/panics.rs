//! Catching a panic of user code where that is possible, and noticing it where it is not.

use alloc::borrow::Cow;

/// What a panic carries. Without `std` no panic can be caught, so there is none.
#[cfg(feature = "std")]
pub(crate) type Payload = alloc::boxed::Box<dyn core::any::Any + Send>;
#[cfg(not(feature = "std"))]
pub(crate) enum Payload {}

/// Runs user code. With `std` a panic comes back as `Err`; without, it goes on unwinding (or aborts) after `unwinding`
/// was called.
#[cfg(feature = "std")]
#[inline]
pub(crate) fn catch<R>(user: impl FnOnce() -> R, _unwinding: impl FnOnce()) -> Result<R, Payload> {
    // What `user` touches is either not used again after a panic or is the user's own.
    std::panic::catch_unwind(core::panic::AssertUnwindSafe(user))
}

#[cfg(not(feature = "std"))]
#[inline]
pub(crate) fn catch<R>(user: impl FnOnce() -> R, unwinding: impl FnOnce()) -> Result<R, Payload> {
    let bomb = OnUnwind(Some(unwinding));
    let result = user();
    bomb.defuse();
    Ok(result)
}

/// Runs user code whose panic is nobody's business but its own: a waker, or a destructor on a path that must go on.
/// The panic hook has reported it by then.
#[inline]
pub(crate) fn contain(user: impl FnOnce()) {
    #[cfg(all(feature = "std", not(loom)))]
    if let Err(payload) = catch(user, || {}) {
        // A payload's own destructor may panic as well.
        let _ = catch(|| drop(payload), || {});
    }
    // What loom has found is a panic, and must come through.
    #[cfg(any(not(feature = "std"), loom))]
    user();
}

/// Goes on with a caught panic.
#[cfg(feature = "std")]
pub(crate) fn resume(payload: Payload) -> ! {
    std::panic::resume_unwind(payload)
}

#[cfg(not(feature = "std"))]
pub(crate) fn resume(payload: Payload) -> ! {
    match payload {}
}

/// Whether this thread is unwinding now. Unknown, hence `false`, without `std`.
pub(crate) fn unwinding() -> bool {
    #[cfg(feature = "std")]
    return std::thread::panicking();
    #[cfg(not(feature = "std"))]
    false
}

pub(crate) fn message(payload: &Payload) -> Option<Cow<'static, str>> {
    #[cfg(feature = "std")]
    return crate::error::text(&**payload);
    #[cfg(not(feature = "std"))]
    match *payload {}
}

/// Calls its closure when dropped, unless it was defused.
#[cfg(not(feature = "std"))]
struct OnUnwind<F: FnOnce()>(Option<F>);

#[cfg(not(feature = "std"))]
impl<F: FnOnce()> OnUnwind<F> {
    fn defuse(mut self) {
        self.0 = None;
    }
}

#[cfg(not(feature = "std"))]
impl<F: FnOnce()> Drop for OnUnwind<F> {
    fn drop(&mut self) {
        if let Some(last) = self.0.take() {
            last();
        }
    }
}
