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

pub(crate) use futures_util::task::AtomicWaker;

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
