//! `run_blocking`: the leader's closure on its own thread, and threads that wait.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::task::Wake;
use core::cell::RefCell;
use core::future::{Future, poll_fn};
use core::hash::BuildHasher;
use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker};
use std::thread::{self, Thread};

use crate::caller::{Caller, Turn};
use crate::error::Error;
use crate::group::Group;
use crate::key::AsKey;
use crate::options::Luggage;
use crate::served::Served;
use crate::snapshot::Verb;

pub(crate) fn run<K, V, R, S, Q>(
    group: &Group<K, V, R, S>,
    key: &Q,
    work: impl FnOnce() -> V,
    failed: fn(&V) -> bool,
    luggage: Option<Box<Luggage<K, V>>>,
) -> (Result<V, Error>, Served)
where
    V: Clone,
    S: BuildHasher,
    Q: ?Sized + AsKey<K>,
{
    let mut caller = pin!(Caller::new(group, key, luggage));
    let ending = match block_on(poll_fn(|cx| caller.as_mut().poll_turn(cx, true, Verb::RunBlocking))) {
        Turn::Landed(ending) => ending,
        Turn::Lead => {
            let value = caller.as_mut().start(work);
            let failed = failed(&value);
            match caller.as_mut().land(value, failed) {
                Some(ending) => ending,
                // Somebody else ended the flight, and is about to say how.
                None => match block_on(poll_fn(|cx| caller.as_mut().poll_turn(cx, false, Verb::RunBlocking))) {
                    Turn::Landed(ending) => ending,
                    Turn::Lead => unreachable!("a caller without a work is not told to lead"),
                },
            }
        }
    };
    (ending, caller.served())
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

fn block_on<F: Future>(future: F) -> F::Output {
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
