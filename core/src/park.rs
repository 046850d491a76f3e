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

#[cfg(test)]
#[cfg(not(any(loom, shuttle)))]
mod tests {
    use core::future::poll_fn;
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn a_thread_that_waits_does_not_spin() {
        let (hand_over, handed_over) = channel::<Waker>();
        let ready = Arc::new(AtomicBool::new(false));
        let other = Arc::clone(&ready);
        let wakes = thread::spawn(move || {
            let waker = handed_over.recv().unwrap();
            // Time enough for thousands of polls.
            (0..1000).for_each(|_| thread::yield_now());
            other.store(true, Ordering::Release);
            waker.wake();
        });
        let mut polls = 0;
        block_on(poll_fn(|cx| {
            polls += 1;
            if ready.load(Ordering::Acquire) {
                return Poll::Ready(());
            }
            let _ = hand_over.send(cx.waker().clone());
            Poll::Pending
        }));
        wakes.join().unwrap();
        assert_eq!(polls, 2);
    }
}
