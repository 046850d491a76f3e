//! The one place that knows where locks, atomics and `Arc` come from.
//!
//! | build | lock | atomics and `Arc` |
//! |---|---|---|
//! | `std` | `std::sync::Mutex`, poison ignored: no user code ever runs under it | `core`, `alloc` |
//! | no `std` | `spin::Mutex` | `core`, `alloc` |
//! | no `std`, `critical-section` | `spin::Mutex` taken with interrupts off | `core`, `alloc` |
//! | `portable-atomic` | as above | `portable-atomic`, `portable-atomic-util` |

#[cfg(not(feature = "portable-atomic"))]
pub(crate) use alloc::sync::Arc;
#[cfg(not(feature = "portable-atomic"))]
pub(crate) use core::sync::atomic::{AtomicUsize, Ordering};
#[cfg(feature = "portable-atomic")]
pub(crate) use portable_atomic::{AtomicUsize, Ordering};
#[cfg(feature = "portable-atomic")]
pub(crate) use portable_atomic_util::Arc;

use core::task::Waker;

use crate::panics;

/// A mutex that is only reachable through a closure, so that no guard can outlive a statement,
/// be held across an await, or be leaked.
pub(crate) struct Lock<T> {
    #[cfg(feature = "std")]
    inner: std::sync::Mutex<T>,
    #[cfg(not(feature = "std"))]
    inner: spin::mutex::SpinMutex<T>,
}

impl<T> Lock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self {
            #[cfg(feature = "std")]
            inner: std::sync::Mutex::new(value),
            #[cfg(not(feature = "std"))]
            inner: spin::mutex::SpinMutex::new(value),
        }
    }

    /// Runs `access` with the lock held. `access` must not call user code.
    #[inline]
    pub(crate) fn with<R>(&self, access: impl FnOnce(&mut T) -> R) -> R {
        #[cfg(feature = "std")]
        {
            // Nothing that panics runs under the lock, so a poisoned one holds sound data.
            let mut guard = self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            access(&mut guard)
        }
        #[cfg(all(not(feature = "std"), feature = "critical-section"))]
        {
            // Without this an interrupt handler could spin on a lock that the code it interrupted
            // holds, for ever.
            critical_section::with(|_| access(&mut self.inner.lock()))
        }
        #[cfg(all(not(feature = "std"), not(feature = "critical-section")))]
        {
            access(&mut self.inner.lock())
        }
    }
}

/// Lets somebody else do the few instructions that are waited for.
pub(crate) fn relax() {
    #[cfg(feature = "std")]
    std::thread::yield_now();
    #[cfg(not(feature = "std"))]
    core::hint::spin_loop();
}

/// A waker that was taken from its place. Dropping it may drop the last owner of a task, and so run any destructor.
pub(crate) struct Taken(Option<Waker>);

impl Drop for Taken {
    fn drop(&mut self) {
        panics::contain(|| drop(self.0.take()));
    }
}

/// A place for one waker. Its user code (clone, wake, drop) runs outside the lock, so a waker that panics leaves the place usable.
pub(crate) struct WakerSlot(Lock<Option<Waker>>);

impl WakerSlot {
    pub(crate) const fn new() -> Self {
        Self(Lock::new(None))
    }

    /// Puts `waker` here, unless one that wakes the same task is here already.
    pub(crate) fn register(&self, waker: &Waker) {
        let here = |place: &mut Option<Waker>| place.as_ref().is_some_and(|here| here.will_wake(waker));
        if self.0.with(here) {
            return;
        }
        let waker = waker.clone();
        let replaced = self.0.with(|place| place.replace(waker));
        panics::contain(|| drop(replaced));
    }

    /// Wakes whoever is here, once. A panic of the waker is its own, not that of whoever brings the news.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.0.with(Option::take) {
            panics::contain(|| waker.wake());
        }
    }

    /// Empties the place.
    pub(crate) fn take(&self) -> Taken {
        Taken(self.0.with(Option::take))
    }
}
