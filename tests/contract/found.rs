//! Bugs that were found by attacking the core, each by the name of what went wrong. Polled by hand, on a runtime that can be stopped at
//! any moment, because each needs one exact order of events.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use coflight::{Entry, Error, Group, Turn};
use coflight_tests::*;
use futures_lite::future::block_on;

use crate::doomed::*;

type OnDoomed = Group<u32, u32, Doomed>;

/// A group, and its runtime.
fn doomed() -> (OnDoomed, Doomed) {
    let runtime = Doomed::default();
    (Group::with_runtime(runtime.clone()), runtime)
}

fn unwinds<T>(action: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(action)).is_err()
}

/// Promise 2: the one whose spawned work was dropped has none left to go alone with.
#[test]
fn released_after_its_work_was_dropped() {
    let (flights, runtime) = doomed();
    let spawned = boarded(flights.spawn(&1, pending));
    runtime.poll_all();
    let Entry::Follower(follower) = flights.enter(&1) else { panic!("two lead") };
    runtime.shut_down();
    let Ok(Turn::Leader(leader)) = block_on(follower) else { panic!("nobody took over") };
    assert_eq!(leader.release(), Ok(()));
    assert_eq!(block_on(spawned), Err(Error::Shutdown));
}

/// Promise 9: after a runtime dropped its work, a caller is not the leader any more, whoever asks.
#[test]
fn a_former_leader_is_no_leader() {
    for former_stays in [true, false] {
        let (flights, runtime) = doomed();
        let former = boarded(flights.spawn(&1, pending));
        runtime.poll_all();
        let gate = Gate::new();
        let mut leader = boarded(flights.relay(&1, {
            let gate = gate.clone();
            || async move {
                gate.wait().await;
                panic!("the work panics")
            }
        }));
        let follower = boarded(flights.relay(&1, pending));
        runtime.shut_down();
        assert!(poll_now(leader.as_mut()).is_pending(), "it takes over");
        let former = Some(former).filter(|_| former_stays);
        gate.open();
        // Whoever of these two runs the work, the panic is the leader's.
        if let Some(former) = former {
            assert!(matches!(block_on(former), Err(Error::Panicked(_))));
        }
        assert!(matches!(block_on(follower), Err(Error::Panicked(_))));
        assert!(unwinds(|| poll_now(leader.as_mut())));
        assert!(flights.is_empty());
    }
}

/// A detached task counts as a caller inside, and for nobody outside.
#[test]
fn a_detached_task_is_no_caller() {
    for exit in ["value", "panic", "cancel"] {
        let (flights, runtime) = doomed();
        let work = move || async move {
            assert!(exit != "panic", "the work panics");
            if exit == "cancel" { pending().await } else { 1 }
        };
        let leader = boarded(flights.call().detach(true).spawn(&1, work));
        let follower = boarded(flights.run(&1, pending).with_served());
        runtime.poll_all();
        if exit == "cancel" {
            assert!(flights.cancel(&1));
        }
        let (_, served) = block_on(follower);
        assert_eq!(served.callers, 2, "{exit}");
        drop(leader);
        assert!(flights.is_empty());
    }
}

/// Promise 10: an edge lasts no longer than the wait it stands for.
#[test]
fn a_call_that_left_a_work_is_no_edge_of_it() {
    let flights: Group<u32, u32> = Group::new();
    let gate = Gate::new();
    let y = boarded(flights.run(&2, || async {
        gate.wait().await;
        flights.run(&1, || async { 0 }).await.unwrap_or(99)
    }));
    // Polled once inside the work of 1, then moved out: 1 does not wait for it.
    let moved = RefCell::new(None);
    let mut x = boarded(flights.run(&1, || async {
        *moved.borrow_mut() = Some(boarded(flights.run(&2, pending)));
        yield_now().await;
        yield_now().await;
        5
    }));
    let mut moved = moved.take().expect("it was moved out");
    assert!(poll_now(moved.as_mut()).is_pending());
    gate.open();
    let mut y = y;
    assert!(poll_now(y.as_mut()).is_pending(), "refused, though nothing is circular");
    assert!(poll_now(x.as_mut()).is_pending());
    assert_eq!(block_on(x), Ok(5));
    assert_eq!((block_on(y), block_on(moved)), (Ok(5), Ok(5)));
}

/// Promise 3: a waker does not outlive the leader that waited with it.
#[test]
fn release_keeps_no_waker() {
    let flights: Group<u32, u32> = Group::new();
    let Entry::Leader(mut leader) = flights.enter(&1) else { panic!("somebody else leads") };
    let Entry::Follower(_idle) = flights.enter(&1) else { panic!("two lead") };
    let counting = CountingWaker::new();
    {
        let waker = Waker::from(counting.clone());
        let mut cancelled = std::pin::pin!(leader.cancelled());
        assert!(cancelled.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(leader.release(), Ok(()));
    assert_eq!(Arc::strong_count(&counting), 1);
}

std::thread_local! {
    static ON_EQ: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
    static DROP_PANICS: Cell<bool> = const { Cell::new(false) };
}

/// A key that ends a flight while it is compared, and panics in the drop after.
#[derive(Clone)]
struct Spiteful;

impl Hash for Spiteful {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u8(0);
    }
}

impl PartialEq for Spiteful {
    fn eq(&self, _: &Self) -> bool {
        if let Some(hook) = ON_EQ.take() {
            hook();
        }
        true
    }
}

impl Eq for Spiteful {}

impl Drop for Spiteful {
    fn drop(&mut self) {
        assert!(!DROP_PANICS.replace(false), "drop of a key");
    }
}

/// Promises 3 and 9: a newcomer that saw a flight end, and drops the last of it, once left its own listed with nobody aboard.
#[test]
fn no_ghost_of_a_newcomer() {
    let flights: Group<Spiteful, u32> = Group::new();
    let Entry::Leader(leader) = flights.enter(&Spiteful) else { panic!("somebody else leads") };
    ON_EQ.set(Some(Box::new(move || {
        assert_eq!(leader.complete(1), Ok(1));
        DROP_PANICS.set(true);
    })));
    let key = Spiteful;
    let mut newcomer = Box::pin(flights.run(&key, pending));
    let _ = unwinds(|| poll_now(newcomer.as_mut()).is_pending());
    drop(newcomer);
    assert!(flights.is_empty());
    assert_eq!(poll_now(std::pin::pin!(flights.run(&Spiteful, || async { 5 }))), Poll::Ready(Ok(5)));
}

std::thread_local! {
    static WAKER_PANICS: Cell<&'static str> = const { Cell::new("") };
}

fn evil() -> Waker {
    static VTABLE: RawWakerVTable = RawWakerVTable::new(
        |pointer| {
            assert!(WAKER_PANICS.get() != "clone", "clone of a waker");
            RawWaker::new(pointer, &VTABLE)
        },
        |_| (),
        |_| (),
        |_| assert!(WAKER_PANICS.get() != "drop", "drop of a waker"),
    );
    // SAFETY: the functions do not use the pointer.
    unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &VTABLE)) }
}

/// Promise 9: the place for a leader's waker survives a waker that panics in it.
#[test]
fn a_waker_breaks_nothing_for_the_next_leader() {
    for trap in ["clone", "drop"] {
        let flights: Group<u32, u32> = Group::new();
        let mut leader = Box::pin(flights.run(&1, pending));
        let waker = evil();
        let mut cx = Context::from_waker(&waker);
        if trap == "drop" {
            assert!(leader.as_mut().poll(&mut cx).is_pending());
        }
        WAKER_PANICS.set(trap);
        let mut other = Context::from_waker(Waker::noop());
        let _ = unwinds(|| leader.as_mut().poll(if trap == "clone" { &mut cx } else { &mut other }).is_pending());
        WAKER_PANICS.set("");

        let (gate, counting) = (Gate::new(), CountingWaker::new());
        let waker = Waker::from(counting.clone());
        let mut next = Box::pin(flights.relay(&1, {
            let gate = gate.clone();
            || async move {
                gate.wait().await;
                7
            }
        }));
        assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(leader);
        assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "it leads");
        let before = counting.wakes();
        gate.open();
        assert_eq!(counting.wakes(), before + 1, "after a panic in {trap}");
        assert_eq!(block_on(next), Ok(7));
    }
}
