//! The heap: how much of it is in use, and an interrupt at every allocation for those who ask for that.

use core::alloc::{GlobalAlloc, Layout};
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use embedded_alloc::LlffHeap;

use crate::device;

/// The smaller chip has 16 KiB of memory, for the stack and everything else, too.
const SIZE: usize = if cfg!(feature = "no-cas") { 10 * 1024 } else { 24 * 1024 };

#[global_allocator]
static HEAP: Heap = Heap { inner: LlffHeap::empty(), interrupts: AtomicBool::new(false), most: AtomicUsize::new(0) };

struct Heap {
    inner: LlffHeap,
    interrupts: AtomicBool,
    most: AtomicUsize,
}

/// Must come before everything that allocates, once.
pub fn init() {
    static mut MEMORY: MaybeUninit<[u8; SIZE]> = MaybeUninit::uninit();
    // SAFETY: nothing else uses that memory; a second call would panic.
    unsafe { HEAP.inner.init((&raw mut MEMORY) as usize, SIZE) }
}

/// Bytes in use.
pub fn used() -> usize {
    HEAP.inner.used()
}

/// Bytes in use, at most, since this was last asked.
pub fn most_used() -> usize {
    let most = HEAP.most.load(Ordering::Relaxed);
    HEAP.most.store(used(), Ordering::Relaxed);
    most
}

/// Whether every allocation makes the device interrupt. Those under a lock are the worst moments for that, and no code but an
/// allocator's ever runs there. Returns what was asked before.
pub fn interrupt_at_allocations(ask: bool) -> bool {
    let before = HEAP.interrupts.load(Ordering::Relaxed);
    HEAP.interrupts.store(ask, Ordering::Relaxed);
    before
}

// SAFETY: the inner heap is one; what is done besides touches no memory of it.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        let memory = unsafe { self.inner.alloc(layout) };
        self.most.store(self.most.load(Ordering::Relaxed).max(used()), Ordering::Relaxed);
        if self.interrupts.load(Ordering::Relaxed) {
            device::interrupt();
        }
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { self.inner.dealloc(memory, layout) }
    }
}
