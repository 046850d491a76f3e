//! Scenarios on one thread, whose callers are polled by hand, in the order in which they came.

use std::future::{Future, poll_fn, ready};
use std::hint::black_box;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use super::{Calls, Case};
use crate::gate::Gate;
use crate::subjects::{Blocking, Key, Subject};

/// Keys that calls take by turns, so that they meet cold and warm shards.
const KEYS: usize = 1024;

/// Calls that nobody shares, whose work is ready at once.
pub(crate) fn solo<K: Key, S: Subject<K>>() -> Case {
    let subject = S::new(KEYS);
    let keys: Vec<K> = (0..KEYS).map(K::numbered).collect();
    let run = move |calls| {
        let mut cx = Context::from_waker(Waker::noop());
        let began = Instant::now();
        for call in 0..calls {
            let key = black_box(&keys[call % KEYS]);
            let mut future = pin!(subject.call(key.borrow(), || ready(7)));
            let Poll::Ready(answer) = future.as_mut().poll(&mut cx) else { panic!("{} is not ready", S::NAME) };
            assert_eq!(black_box(S::value(answer)), 7);
        }
        began.elapsed()
    };
    let name = if size_of::<K>() == 8 { "solo_u64" } else { "solo_str" };
    Case {
        scenario: name.to_owned(),
        subject: S::NAME,
        kind: S::KIND,
        calls: Calls::Timed,
        at_once: 1,
        run: Box::new(run),
        polls: None,
    }
}

/// The same, whose work is not ready when it is polled first, as nearly all works there are.
pub(crate) fn solo_pending<K: Key, S: Subject<K>>() -> Case {
    let subject = S::new(KEYS);
    let keys: Vec<K> = (0..KEYS).map(K::numbered).collect();
    let run = move |calls| {
        let waker = Waker::from(Arc::new(Idle));
        let mut cx = Context::from_waker(&waker);
        let began = Instant::now();
        for call in 0..calls {
            let key = black_box(&keys[call % KEYS]);
            let work = || {
                let mut polled = false;
                poll_fn(move |_| if mem::replace(&mut polled, true) { Poll::Ready(7) } else { Poll::Pending })
            };
            let mut future = pin!(subject.call(key.borrow(), work));
            assert!(future.as_mut().poll(&mut cx).is_pending());
            let Poll::Ready(answer) = future.as_mut().poll(&mut cx) else { panic!("{} is not ready", S::NAME) };
            assert_eq!(black_box(S::value(answer)), 7);
        }
        began.elapsed()
    };
    Case {
        scenario: "solo_pending".to_owned(),
        subject: S::NAME,
        kind: S::KIND,
        calls: Calls::Timed,
        at_once: 1,
        run: Box::new(run),
        polls: None,
    }
}

/// The same, of a thread.
pub(crate) fn solo_blocking<K: Key, S: Blocking<K>>() -> Case {
    let subject = S::new();
    let keys: Vec<K> = (0..KEYS).map(K::numbered).collect();
    let run = move |calls| {
        let began = Instant::now();
        for call in 0..calls {
            let key = black_box(&keys[call % KEYS]);
            assert_eq!(black_box(subject.call(key.borrow(), || 7)), 7);
        }
        began.elapsed()
    };
    let name = if size_of::<K>() == 8 { "solo_u64" } else { "solo_str" };
    Case {
        scenario: name.to_owned(),
        subject: S::NAME,
        kind: S::KIND,
        calls: Calls::Timed,
        at_once: 1,
        run: Box::new(run),
        polls: None,
    }
}

/// Callers of one key, all aboard before the work is done.
pub(crate) fn fan_in<K: Key, S: Subject<K>>(callers: usize) -> Case {
    crowd::<K, S>(format!("fan_in_{callers}"), callers, One, Leave::Nobody)
}

/// The same, and every second caller leaves before the work is done.
pub(crate) fn churn<K: Key, S: Subject<K>>(callers: usize) -> Case {
    crowd::<K, S>(format!("churn_{callers}"), callers, One, Leave::EverySecond)
}

/// As many flights at once, each with one caller.
pub(crate) fn open<K: Key, S: Subject<K>>(callers: usize) -> Case {
    crowd::<K, S>(format!("open_{callers}"), callers, Own, Leave::Nobody)
}

/// Whose key the callers have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    One,
    Own,
}
use Keys::{One, Own};

/// Who leaves before the work is done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leave {
    Nobody,
    EverySecond,
}

fn crowd<K: Key, S: Subject<K>>(scenario: String, callers: usize, whose: Keys, leave: Leave) -> Case {
    let flights = if whose == Own { callers } else { 1 };
    let subject = S::new(flights);
    let keys: Vec<K> = (0..flights).map(K::numbered).collect();
    let gate = Gate::leaked();
    let run = move |callers| {
        gate.close();
        // Cloning one counts, as it does for those of any executor.
        let waker = Waker::from(Arc::new(Idle));
        let mut cx = Context::from_waker(&waker);
        let mut calls: Vec<Option<Pin<Box<_>>>> = Vec::with_capacity(callers);
        let began = Instant::now();
        for call in 0..callers {
            let key = &keys[call % flights];
            let mut call = Box::pin(subject.call(key.borrow(), move || gate.work(7)));
            assert!(call.as_mut().poll(&mut cx).is_pending(), "{} does not wait", S::NAME);
            calls.push(Some(call));
        }
        if leave == Leave::EverySecond {
            for call in calls.iter_mut().skip(1).step_by(2) {
                *call = None;
            }
        }
        gate.open();
        let mut left = calls.iter().flatten().count();
        while left > 0 {
            let before = left;
            for place in &mut calls {
                let Some(call) = place else { continue };
                if let Poll::Ready(answer) = call.as_mut().poll(&mut cx) {
                    assert_eq!(S::value(answer), 7);
                    *place = None;
                    left -= 1;
                }
            }
            assert!(left < before, "{} does not go on", S::NAME);
        }
        began.elapsed()
    };
    Case {
        scenario,
        subject: S::NAME,
        kind: S::KIND,
        calls: Calls::Fixed(callers),
        at_once: callers,
        run: Box::new(run),
        polls: None,
    }
}

struct Idle;

impl Wake for Idle {
    fn wake(self: Arc<Self>) {}
}
