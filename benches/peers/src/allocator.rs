//! An allocator that counts while it is asked to. What is timed runs while it is not, and pays one load and one branch for each allocation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering};

/// The system's allocator.
pub(crate) struct Counting;

static ON: AtomicBool = AtomicBool::new(false);
static MADE: AtomicUsize = AtomicUsize::new(0);
static LIVE: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicIsize = AtomicIsize::new(0);

/// What was allocated while something ran.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allocated {
    /// How often.
    pub(crate) times: usize,
    /// The most bytes that were there at once, beyond those that were there before.
    pub(crate) bytes: usize,
}

/// Counts what `run` allocates, on every thread.
pub(crate) fn count(run: impl FnOnce()) -> Allocated {
    MADE.store(0, Ordering::SeqCst);
    LIVE.store(0, Ordering::SeqCst);
    PEAK.store(0, Ordering::SeqCst);
    ON.store(true, Ordering::SeqCst);
    run();
    ON.store(false, Ordering::SeqCst);
    Allocated {
        times: MADE.load(Ordering::SeqCst),
        bytes: usize::try_from(PEAK.load(Ordering::SeqCst)).unwrap_or_default(),
    }
}

/// How many bytes of what `run` allocates, on every thread, are still there after it.
pub(crate) fn left(run: impl FnOnce()) -> isize {
    count(run);
    LIVE.load(Ordering::SeqCst)
}

fn note(size: usize, sign: isize) {
    let change = sign * isize::try_from(size).unwrap_or(isize::MAX);
    let live = LIVE.fetch_add(change, Ordering::SeqCst) + change;
    PEAK.fetch_max(live, Ordering::SeqCst);
}

// SAFETY: everything is forwarded as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if ON.load(Ordering::Relaxed) {
            note(layout.size(), 1);
            MADE.fetch_add(1, Ordering::SeqCst);
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if ON.load(Ordering::Relaxed) {
            note(layout.size(), -1);
        }
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}
