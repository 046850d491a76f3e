//! Catching a panic of user code where that is possible, and noticing it where it is not.

use alloc::borrow::Cow;

#[cfg(not(feature = "std"))]
pub(crate) use noticed::{Payload, catch, contain, message, resume, unwinding};

#[cfg(feature = "std")]
pub(crate) use caught::{Payload, catch, contain, message, resume, unwinding};

/// Ends the program.
pub(crate) fn abort(why: &'static str) -> ! {
    /// A panic while panicking ends the program, with or without `std`.
    struct Again;

    impl Drop for Again {
        fn drop(&mut self) {
            panic!("and so the program ends");
        }
    }

    let _again = Again;
    panic!("{why}");
}

#[cfg(feature = "std")]
mod caught {
    use super::Cow;

    /// What a panic carries.
    pub(crate) type Payload = alloc::boxed::Box<dyn core::any::Any + Send>;

    /// Runs user code. A panic comes back as `Err`.
    #[inline]
    pub(crate) fn catch<R>(user: impl FnOnce() -> R, _unwinding: impl FnOnce()) -> Result<R, Payload> {
        // What `user` touches is either not used again after a panic or is the user's own.
        std::panic::catch_unwind(core::panic::AssertUnwindSafe(user))
    }

    /// Runs user code whose panic is nobody's business but its own: a waker, or a destructor on a path that must go on.
    /// The panic hook has reported it by then.
    #[inline]
    pub(crate) fn contain(user: impl FnOnce()) {
        #[cfg(not(loom))]
        if let Err(payload) = catch(user, || {}) {
            // A payload's own destructor may panic as well.
            let _ = catch(|| drop(payload), || {});
        }
        // What loom has found is a panic, and must come through.
        #[cfg(loom)]
        user();
    }

    /// Goes on with a caught panic.
    pub(crate) fn resume(payload: Payload) -> ! {
        std::panic::resume_unwind(payload)
    }

    /// Whether this thread is unwinding now.
    pub(crate) fn unwinding() -> bool {
        std::thread::panicking()
    }

    pub(crate) fn message(payload: &Payload) -> Option<Cow<'static, str>> {
        crate::error::text(&**payload)
    }
}

#[cfg(not(feature = "std"))]
mod noticed {
    use super::Cow;

    /// Without `std` no panic can be caught, so there is nothing that one carries.
    pub(crate) enum Payload {}

    /// Runs user code. A panic goes on unwinding (or aborts) after `unwinding` was called.
    #[inline]
    pub(crate) fn catch<R>(user: impl FnOnce() -> R, unwinding: impl FnOnce()) -> Result<R, Payload> {
        let bomb = OnUnwind(Some(unwinding));
        let result = user();
        bomb.defuse();
        Ok(result)
    }

    #[inline]
    pub(crate) fn contain(user: impl FnOnce()) {
        user();
    }

    pub(crate) fn resume(payload: Payload) -> ! {
        match payload {}
    }

    /// Unknown, hence `false`.
    pub(crate) fn unwinding() -> bool {
        false
    }

    pub(crate) fn message(payload: &Payload) -> Option<Cow<'static, str>> {
        match *payload {}
    }

    /// Calls its closure when dropped, unless it was defused.
    struct OnUnwind<F: FnOnce()>(Option<F>);

    impl<F: FnOnce()> OnUnwind<F> {
        fn defuse(mut self) {
            self.0 = None;
        }
    }

    impl<F: FnOnce()> Drop for OnUnwind<F> {
        fn drop(&mut self) {
            if let Some(last) = self.0.take() {
                last();
            }
        }
    }
}
