//! An allocator that counts, for tests in programs of their own.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicIsize, AtomicUsize, Ordering};

/// The system's allocator, counting. Make it the `#[global_allocator]` of a test program.
pub struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);
static MADE: AtomicUsize = AtomicUsize::new(0);

/// Bytes allocated and not freed, over the whole program.
pub fn live_bytes() -> isize {
    LIVE.load(Ordering::SeqCst)
}

impl Counting {
    /// Allocations made so far, over the whole program.
    pub fn allocations() -> usize {
        MADE.load(Ordering::SeqCst)
    }
}

fn count(layout: Layout, sign: isize) {
    LIVE.fetch_add(sign * isize::try_from(layout.size()).unwrap_or(isize::MAX), Ordering::SeqCst);
}

// SAFETY: everything is forwarded as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout, 1);
        MADE.fetch_add(1, Ordering::SeqCst);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout, -1);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}
