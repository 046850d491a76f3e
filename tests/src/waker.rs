//! Wakers that count, call back, or misbehave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

/// Counts how often it was woken, and calls back each time.
pub struct CountingWaker {
    wakes: AtomicUsize,
    call: Box<dyn Fn() + Send + Sync>,
}

impl CountingWaker {
    /// Counts.
    pub fn new() -> Arc<Self> {
        Self::calling(|| {})
    }

    /// Counts, and calls `call` when woken.
    pub fn calling(call: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { wakes: AtomicUsize::new(0), call: Box::new(call) })
    }

    /// How often it was woken.
    pub fn wakes(&self) -> usize {
        self.wakes.load(Ordering::SeqCst)
    }
}

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::SeqCst);
        (self.call)();
    }
}

/// Panics when woken.
pub struct PanickingWaker;

impl PanickingWaker {
    /// A waker of it.
    pub fn waker() -> Waker {
        Waker::from(Arc::new(Self))
    }
}

impl Wake for PanickingWaker {
    fn wake(self: Arc<Self>) {
        panic!("a waker panics");
    }
}
