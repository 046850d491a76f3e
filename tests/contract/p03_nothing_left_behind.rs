//! Promise 3: a flight leaves the table before its result is published; nobody joins a finished or dying flight; nothing stays.
//! What is left in bytes is counted in `tests/memory`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use coflight_tests::*;

use crate::common::*;

matrix!(
    the_key_is_free_when_the_news_comes,
    nobody_joins_a_finished_flight,
    empty_after_every_way_out,
    who_leaves_takes_its_waker_along,
    who_lands_does_not_wake_itself,
    results_do_not_keep_the_work
);

async fn the_key_is_free_when_the_news_comes(lab: Lab) {
    // By relay, callers are also woken to run the work, so a wake is not yet news.
    for verb in [Verb::Run, Verb::Spawn, Verb::Enter] {
        let flights: Flights<u32> = lab.group();
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 1)));
        let mut follower = call(verb, &flights, never());
        let seen = Arc::new(Mutex::new(None));
        let waker = CountingWaker::calling({
            let (flights, seen) = (flights.clone(), seen.clone());
            move || *seen.lock().unwrap() = Some(flights.contains(KEY))
        });
        assert!(follower.as_mut().poll(&mut Context::from_waker(&Waker::from(waker))).is_pending());
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(1));
        lab.until(|| seen.lock().unwrap().is_some()).await;
        assert_eq!(*seen.lock().unwrap(), Some(false), "{verb:?}");
    }
}

async fn who_leaves_takes_its_waker_along(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (waker, gate) = (CountingWaker::new(), Gate::new());
        let task = Waker::from(waker.clone());
        let mut leader = call(verb, &flights, behind(&gate, 1));
        assert!(leader.as_mut().poll(&mut Context::from_waker(&task)).is_pending());
        let parked = boarded(call(verb, &flights, never()));
        let mut follower = call(verb, &flights, never());
        assert!(follower.as_mut().poll(&mut Context::from_waker(&task)).is_pending());
        drop(task);
        drop(leader);
        drop(follower);
        assert_eq!(Arc::strong_count(&waker), 1, "{verb:?}: a waker of nobody");
        drop(parked);
        assert!(flights.is_empty());
    }
}

async fn who_lands_does_not_wake_itself(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let (waker, gate) = (CountingWaker::new(), Gate::new());
    let task = Waker::from(waker.clone());
    let mut cx = Context::from_waker(&task);
    let mut leader = call(Verb::Run, &flights, behind(&gate, 1));
    assert!(leader.as_mut().poll(&mut cx).is_pending());
    let follower = boarded(call(Verb::Run, &flights, never()));
    gate.open();
    assert_eq!(waker.wakes(), 1, "by its work");
    assert!(leader.as_mut().poll(&mut cx).is_ready());
    assert_eq!((waker.wakes(), Arc::strong_count(&waker)), (1, 2));
    assert_eq!(finish(&lab, follower).await, Ok(1));
}

async fn nobody_joins_a_finished_flight(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 1)));
        // It holds on to the finished flight, and is never polled.
        let idle = boarded(call(verb, &flights, never()));
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(1));
        assert_eq!(call(verb, &flights, at_once(2)).await, Ok(2), "{verb:?}");
        assert_eq!(idle.await, Ok(1));
    }
}

async fn empty_after_every_way_out(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        drop(boarded(call(verb, &flights, endless())));
        assert!(flights.is_empty(), "a leader alone left by {verb:?}");

        let (leader, follower) = (boarded(call(verb, &flights, endless())), boarded(call(verb, &flights, endless())));
        assert_eq!(flights.len(), 1);
        drop(leader);
        drop(follower);
        assert!(flights.is_empty(), "the leader left first by {verb:?}");

        let (leader, follower) = (boarded(call(verb, &flights, endless())), boarded(call(verb, &flights, endless())));
        drop(follower);
        drop(leader);
        assert!(flights.is_empty(), "the follower left first by {verb:?}");

        drop(call(verb, &flights, endless()));
        assert!(flights.is_empty(), "a call that was never polled by {verb:?}");

        let caller = lab.start(call(verb, &flights, value(|| async { panic!("the work panics") })));
        assert_eq!(caller.await.panicked(), "the work panics");
        assert!(flights.is_empty(), "a panic by {verb:?}");
    }
}

async fn results_do_not_keep_the_work(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (gate, witness) = (Gate::new(), Witness::default());
        let leader = boarded(call(verb, &flights, witness.watch(behind(&gate, 1))));
        let idle = boarded(call(verb, &flights, never()));
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(1));
        lab.until(|| witness.gone() == 1).await;
        drop(idle);
    }
    // A waker that a finished work kept may be called at any time.
    let flights: Flights<u32> = lab.group();
    let kept: Arc<Mutex<Option<Waker>>> = Arc::default();
    let keep = kept.clone();
    let polls = Arc::new(AtomicUsize::new(0));
    let work = value(move || {
        std::future::poll_fn(move |cx| {
            *keep.lock().unwrap() = Some(cx.waker().clone());
            if polls.fetch_add(1, Ordering::SeqCst) == 0 {
                cx.waker().wake_by_ref();
                return std::task::Poll::Pending;
            }
            std::task::Poll::Ready(5)
        })
    });
    assert_eq!(call(Verb::Relay, &flights, work).await, Ok(5));
    kept.lock().unwrap().take().unwrap().wake();
    assert!(flights.is_empty());
}
