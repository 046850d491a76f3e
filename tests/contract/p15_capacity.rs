//! Promise 15: beyond `max_flights` a new key is refused at once, and joining still works.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use coflight::{Entry, Error};
use coflight_tests::*;

use crate::common::*;

matrix!(
    beyond_it_a_new_key_is_refused_at_once,
    joining_still_works,
    every_way_to_end_gives_the_place_back,
    a_forgotten_flight_keeps_its_place_and_a_lingering_result_has_none,
    a_call_has_another_limit_or_none,
);

fn full(lab: &Lab) -> (Flights<u32>, Call<u32>) {
    let flights = lab.builder().max_flights(1).build();
    let first = boarded(call(Verb::Run, &flights, endless()));
    (flights, first)
}

async fn beyond_it_a_new_key_is_refused_at_once(lab: Lab) {
    for &verb in lab.verbs() {
        let (flights, first) = full(&lab);
        let mut refused = Box::pin(ask(verb, flights.clone(), "another", never()));
        assert_eq!(poll_now(refused.as_mut()), std::task::Poll::Ready(Err(Error::Full)), "{verb:?}");
        let threads = flights.clone();
        let refused = lab.thread(move || threads.run_blocking("another", || unreachable!("it is refused")));
        assert_eq!(refused.await.returned(), Err(Error::Full));
        assert_eq!((flights.stats().refused, flights.len()), (2, 1));
        drop(first);
        assert_eq!(ask(verb, flights.clone(), "another", at_once(1)).await, Ok(1), "{verb:?}");
    }
}

async fn joining_still_works(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().max_flights(1).build();
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 1)));
        let follower = boarded(call(verb, &flights, never()));
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(1));
        assert_eq!(finish(&lab, follower).await, Ok(1), "{verb:?}");
    }
}

async fn every_way_to_end_gives_the_place_back(lab: Lab) {
    let flights: Flights<u32> = lab.builder().max_flights(1).timeout(Duration::from_secs(1)).build();
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        assert_eq!(finish(&lab, call(verb, &flights, at_once(1))).await, Ok(1));
        let gate = Gate::new();
        let shared = [boarded(call(verb, &flights, behind(&gate, 2))), boarded(call(verb, &flights, never()))];
        gate.open();
        for call in shared {
            assert_eq!(finish(&lab, call).await, Ok(2));
        }
        // Abandoned; cancelled; out of time.
        drop(boarded(call(verb, &flights, endless())));
        lab.until(|| flights.stats().in_flight == 0).await;
        let cancelled = boarded(call(verb, &flights, endless()));
        assert!(flights.cancel(KEY));
        assert_eq!(finish(&lab, cancelled).await, Err(Error::Cancelled));
        let late = boarded(call(verb, &flights, endless()));
        lab.time().advance(Duration::from_secs(1));
        assert_eq!(finish(&lab, late).await, Err(Error::TimedOut));
        lab.until(|| flights.is_empty()).await;
    }
    let mut panics = call(Verb::Run, &flights, value(|| async { panic!("the work panics") }));
    assert!(catch_unwind(AssertUnwindSafe(|| poll_now(panics.as_mut()))).is_err());
    let Entry::Leader(leader) = flights.enter(KEY) else { panic!("somebody else leads") };
    assert_eq!(leader.release(), Ok(()));
    assert_eq!(flights.run(KEY, || async { 3 }).await, Ok(3));
    let stats = flights.stats();
    assert_eq!((stats.refused, stats.in_flight, stats.led), (0, 0, stats.ended()));
}

async fn a_forgotten_flight_keeps_its_place_and_a_lingering_result_has_none(lab: Lab) {
    let (flights, first) = full(&lab);
    assert!(flights.forget(KEY));
    assert_eq!(flights.run(KEY, || async { 1 }).await, Err(Error::Full));
    drop(first);
    let flights: Flights<u32> = lab.builder().max_flights(1).linger(Duration::from_secs(1)).build();
    assert_eq!(flights.run("lingers", || async { 1 }).await, Ok(1));
    assert_eq!(flights.run("another", || async { 2 }).await, Ok(2));
    assert_eq!(flights.run("lingers", || async { 3 }).await, Ok(1));
}

async fn a_call_has_another_limit_or_none(lab: Lab) {
    let (flights, _first) = full(&lab);
    assert_eq!(flights.call().max_flights(None).run("none", || async { 1 }).await, Ok(1));
    assert_eq!(flights.call().max_flights(2).run("two", || async { 2 }).await, Ok(2));
    assert_eq!(flights.call().max_flights(1).run("one", || async { 3 }).await, Err(Error::Full));
    let without: Flights<u32> = lab.group();
    let _first = boarded(call(Verb::Run, &without, endless()));
    assert_eq!(without.call().max_flights(1).run("one", || async { 1 }).await, Err(Error::Full));
}
