//! A work that is not ready before it is let go.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use futures_util::task::AtomicWaker;

/// While it is closed, [`Gate::work`] is pending. Lives as long as the program, so that a work that captures it counts no references.
#[derive(Default)]
pub(crate) struct Gate {
    open: AtomicBool,
    waiting: AtomicWaker,
}

impl Gate {
    pub(crate) fn leaked() -> &'static Self {
        Box::leak(Box::default())
    }

    pub(crate) fn close(&self) {
        self.open.store(false, Ordering::SeqCst);
    }

    pub(crate) fn open(&self) {
        self.open.store(true, Ordering::SeqCst);
        self.waiting.wake();
    }

    /// Ready with `value` when the gate is open. The last one that was polled is woken then.
    pub(crate) fn work(&'static self, value: u64) -> Work {
        Work { gate: self, value }
    }
}

pub(crate) struct Work {
    gate: &'static Gate,
    value: u64,
}

impl Future for Work {
    type Output = u64;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u64> {
        if !self.gate.open.load(Ordering::SeqCst) {
            self.gate.waiting.register(cx.waker());
            if !self.gate.open.load(Ordering::SeqCst) {
                return Poll::Pending;
            }
        }
        Poll::Ready(self.value)
    }
}
