//! The one place that knows where locks, atomics, cells and the counts of owners come from.
//!
//! | build | lock | atomics, `Arc` | cells |
//! |---|---|---|---|
//! | `std` | `std::sync::Mutex`, poison ignored: no user code ever runs under it | `core`, `alloc` | `core` |
//! | no `std` | `spin::Mutex` | `core`, `alloc` | `core` |
//! | no `std`, `critical-section` | `spin::Mutex` taken with interrupts off | `core`, `alloc` | `core` |
//! | `portable-atomic` | as above | `portable-atomic`, `portable-atomic-util` | `core` |
//! | `--cfg loom` | loom's, which tries every order of steps | loom's, and the values that a load may see | loom's, which notice two threads |
//! | `--cfg shuttle` | shuttle's, which tries random orders of steps | shuttle's | `core` |
//!
//! The last two are for `tests/loom` and `tests/shuttle`, and need `std`.

#[cfg(not(feature = "portable-atomic"))]
pub(crate) use alloc::sync::Arc;
#[cfg(feature = "portable-atomic")]
pub(crate) use portable_atomic_util::Arc;

#[cfg(not(any(loom, shuttle, feature = "portable-atomic")))]
pub(crate) use core::sync::atomic::{AtomicUsize, Ordering};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::Ordering;
#[cfg(all(not(any(loom, shuttle)), feature = "portable-atomic"))]
pub(crate) use portable_atomic::{AtomicUsize, Ordering};
#[cfg(shuttle)]
pub(crate) use shuttle::sync::atomic::{AtomicUsize, Ordering};

#[cfg(loom)]
pub(crate) use watched::AtomicUsize;

#[cfg(loom)]
use loom::sync::Mutex;
#[cfg(shuttle)]
use shuttle::sync::Mutex;
#[cfg(not(feature = "std"))]
use spin::mutex::SpinMutex as Mutex;
#[cfg(all(feature = "std", not(any(loom, shuttle))))]
use std::sync::Mutex;

/// A mutex that is only reachable through a closure, so that no guard can outlive a statement,
/// be held across an await, or be leaked.
pub(crate) struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    #[cfg(not(loom))]
    pub(crate) const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    #[cfg(loom)]
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Runs `access` with the lock held. `access` must not call user code.
    #[inline]
    pub(crate) fn with<R>(&self, access: impl FnOnce(&mut T) -> R) -> R {
        #[cfg(feature = "std")]
        {
            // Nothing that panics runs under the lock, so a poisoned one holds sound data.
            let mut guard = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            access(&mut guard)
        }
        #[cfg(all(not(feature = "std"), feature = "critical-section"))]
        {
            // Without this an interrupt handler could spin on a lock that the code it interrupted
            // holds, for ever.
            critical_section::with(|_| access(&mut self.0.lock()))
        }
        #[cfg(all(not(feature = "std"), not(feature = "critical-section")))]
        {
            access(&mut self.0.lock())
        }
    }
}

/// `core::cell::UnsafeCell`, or one that notices two threads in it at a time.
#[cfg(loom)]
pub(crate) use loom::cell::UnsafeCell;
#[cfg(not(loom))]
pub(crate) use plain::UnsafeCell;

#[cfg(not(loom))]
mod plain {
    pub(crate) struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(core::cell::UnsafeCell::new(value))
        }

        #[inline]
        pub(crate) fn with<R>(&self, access: impl FnOnce(*const T) -> R) -> R {
            access(self.0.get())
        }

        #[inline]
        pub(crate) fn with_mut<R>(&self, access: impl FnOnce(*mut T) -> R) -> R {
            access(self.0.get())
        }
    }
}

/// Takes a few steps that no interrupt handler may come between. Where there are threads these need not be told apart from other steps: who waits for the
/// last of them [gives way](relax).
#[inline]
pub(crate) fn uninterrupted<R>(steps: impl FnOnce() -> R) -> R {
    #[cfg(all(not(feature = "std"), feature = "critical-section"))]
    return critical_section::with(|_| steps());
    #[cfg(any(feature = "std", not(feature = "critical-section")))]
    steps()
}

/// Lets somebody else do the few instructions that are waited for.
pub(crate) fn relax() {
    #[cfg(loom)]
    loom::thread::yield_now();
    #[cfg(shuttle)]
    shuttle::thread::yield_now();
    #[cfg(all(feature = "std", not(any(loom, shuttle))))]
    std::thread::yield_now();
    #[cfg(not(feature = "std"))]
    core::hint::spin_loop();
}

/// Looks a few times whether what another thread is at is over: for about a microsecond at most, so that nobody waits like this for what takes
/// longer. Not where there is one processor, nor where each look would be one more step to try.
#[inline]
pub(crate) fn spin_while(busy: impl Fn() -> bool) {
    #[cfg(all(feature = "std", not(any(loom, shuttle))))]
    {
        const LOOKS: usize = 64;
        for _ in 0..LOOKS {
            if !busy() {
                return;
            }
            core::hint::spin_loop();
        }
    }
    #[cfg(any(not(feature = "std"), loom, shuttle))]
    let _ = busy;
}

/// Before a step that shuttle does not see: inside `Event`.
#[inline]
pub(crate) fn unseen_step() {
    #[cfg(shuttle)]
    shuttle::thread::yield_now();
}

/// loom's atomics, whose loads take part in the order of steps.
///
/// loom remembers one access of an atomic that a write could trade places with, the last. A thread that reads before it writes so hides the reads of others, and
/// the orders in which the write comes first are left out: [tokio-rs/loom#166](https://github.com/tokio-rs/loom/issues/166),
/// [#392](https://github.com/tokio-rs/loom/issues/392). Here each load comes after a step whose order between threads
/// matters to loom, on an atomic beside it that says nothing about memory.
#[cfg(loom)]
mod watched {
    use loom::sync::atomic::Ordering;

    #[derive(Debug, Default)]
    pub(crate) struct AtomicUsize {
        value: loom::sync::atomic::AtomicUsize,
        turns: loom::sync::atomic::AtomicUsize,
    }

    impl AtomicUsize {
        pub(crate) fn new(value: usize) -> Self {
            Self { value: loom::sync::atomic::AtomicUsize::new(value), turns: loom::sync::atomic::AtomicUsize::new(0) }
        }

        pub(crate) fn load(&self, order: Ordering) -> usize {
            self.take_turn();
            self.value.load(order)
        }

        /// Loads as well.
        pub(crate) fn fetch_update(
            &self,
            set: Ordering,
            fetch: Ordering,
            change: impl FnMut(usize) -> Option<usize>,
        ) -> Result<usize, usize> {
            self.take_turn();
            self.value.fetch_update(set, fetch, change)
        }

        fn take_turn(&self) {
            self.turns.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl core::ops::Deref for AtomicUsize {
        type Target = loom::sync::atomic::AtomicUsize;

        fn deref(&self) -> &Self::Target {
            &self.value
        }
    }
}
