//! A thread that waits.

use alloc::sync::Arc;
use alloc::task::Wake;
use core::cell::RefCell;
use core::future::Future;
use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use std::thread::{self, Thread};

/// Blocks this thread until `future` is ready.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    std::thread_local! {
        /// One for each thread, so that following costs no allocation.
        static ALARM: RefCell<(Arc<Alarm>, Waker)> = RefCell::new(Alarm::new());
    }

    let mut future = pin!(future);
    let mut wait = |(alarm, waker): &(Arc<Alarm>, Waker)| {
        let mut cx = Context::from_waker(waker);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                return output;
            }
            while !alarm.rung.swap(false, Ordering::Acquire) {
                thread::park();
            }
        }
    };
    ALARM
        .try_with(|alarm| alarm.try_borrow_mut().ok().map(|alarm| wait(&alarm)))
        .ok()
        .flatten()
        // The thread waits already, further up its stack, or is about to end.
        .unwrap_or_else(|| wait(&Alarm::new()))
}

/// Wakes a thread that waits in [`block_on`].
struct Alarm {
    thread: Thread,
    /// Unparking leaves a token that any other parking on this thread may use up, so the news is kept here.
    rung: AtomicBool,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Pairs with the acquire in `block_on`: the poll after it sees what was done before this.
        if !self.rung.swap(true, Ordering::Release) {
            self.thread.unpark();
        }
    }
}

impl Alarm {
    fn new() -> (Arc<Self>, Waker) {
        let alarm = Arc::new(Self { thread: thread::current(), rung: AtomicBool::new(false) });
        let waker = Waker::from(Arc::clone(&alarm));
        (alarm, waker)
    }
}
