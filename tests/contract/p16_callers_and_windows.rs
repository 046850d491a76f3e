//! Promise 16: how many may be aboard, how old a flight may be and be joined.

use std::time::Duration;

use coflight::Error;
use coflight_tests::*;

use crate::common::*;

matrix!(
    after_so_many_callers_the_next_starts_another,
    who_leaves_makes_room,
    cancel_and_forget_mean_all_flights_of_the_key,
    a_call_may_be_aboard_with_any_number,
    a_flight_is_joined_until_it_is_too_old,
    one_that_is_too_old_goes_on,
    a_flight_of_unknown_age_is_too_old,
    threads_start_another,
);

const WINDOW: Duration = Duration::from_secs(5);
const MOMENT: Duration = Duration::from_nanos(1);

/// Also promises 1 and 2: the flights run at the same time, and each has its own result.
async fn after_so_many_callers_the_next_starts_another(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().max_callers(2).build();
        let (first, second) = (Gate::new(), Gate::new());
        let one = boarded(call(verb, &flights, behind(&first, 1)));
        let two = boarded(call(verb, &flights, never()));
        let three = boarded(call(verb, &flights, behind(&second, 3)));
        let four = boarded(call(verb, &flights, never()));
        assert_eq!((flights.len(), flights.stats().led, flights.stats().joined), (2, 2, 2), "{verb:?}");
        second.open();
        assert_eq!(finish(&lab, three).await, Ok(3), "{verb:?}");
        assert_eq!(finish(&lab, four).await, Ok(3));
        assert!(flights.contains(KEY), "the first goes on");
        first.open();
        assert_eq!(finish(&lab, one).await, Ok(1));
        assert_eq!(finish(&lab, two).await, Ok(1));
        assert!(flights.is_empty() && flights.stats().in_flight == 0);
    }
    // None at all is one.
    let flights: Flights<u32> = lab.builder().max_callers(0).build();
    let alone = boarded(call(Verb::Run, &flights, endless()));
    assert_eq!(flights.run(KEY, || async { 2 }).await, Ok(2));
    drop(alone);
}

async fn who_leaves_makes_room(lab: Lab) {
    let flights: Flights<u32> = lab.builder().max_callers(2).build();
    let gate = Gate::new();
    let leader = boarded(call(Verb::Run, &flights, behind(&gate, 1)));
    drop(boarded(call(Verb::Run, &flights, never())));
    let follower = boarded(call(Verb::Run, &flights, never()));
    assert_eq!(flights.len(), 1);
    gate.open();
    assert_eq!(finish(&lab, leader).await, Ok(1));
    assert_eq!(finish(&lab, follower).await, Ok(1));
}

async fn cancel_and_forget_mean_all_flights_of_the_key(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().max_callers(1).build();
        let other = boarded(ask(verb, flights.clone(), "other", endless()));
        let calls: Vec<_> = (0..3).map(|_| boarded(call(Verb::Run, &flights, endless()))).collect();
        assert_eq!(flights.len(), 4);
        assert!(flights.cancel(KEY));
        assert_eq!((flights.len(), flights.stats().cancelled), (1, 3), "{verb:?}");
        for call in calls {
            assert_eq!(finish(&lab, call).await, Err(Error::Cancelled));
        }
        let calls: Vec<_> = (0..3).map(|_| boarded(call(Verb::Run, &flights, endless()))).collect();
        assert!(flights.forget(KEY) && !flights.forget(KEY) && !flights.contains(KEY));
        assert_eq!((flights.len(), flights.stats().in_flight), (1, 4));
        drop((calls, other));
        lab.until(|| flights.stats().in_flight == 0).await;
        assert_eq!(flights.cancel_all(), 0);
    }
}

async fn a_call_may_be_aboard_with_any_number(lab: Lab) {
    let flights: Flights<u32> = lab.builder().max_callers(1).build();
    let gate = Gate::new();
    let leader = boarded(call(Verb::Run, &flights, behind(&gate, 1)));
    let second = boarded(flights.call().max_callers(None).run(KEY, || async { unreachable!("it follows") }));
    let third = boarded(flights.call().max_callers(3).run(KEY, || async { unreachable!("it follows") }));
    assert_eq!(flights.call().max_callers(3).run(KEY, || async { 4 }).await, Ok(4));
    gate.open();
    assert_eq!(finish(&lab, leader).await, Ok(1));
    assert_eq!(finish(&lab, second).await, Ok(1));
    assert_eq!(finish(&lab, third).await, Ok(1));
}

async fn a_flight_is_joined_until_it_is_too_old(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().join_within(WINDOW).build();
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 1)));
        lab.time().advance(WINDOW);
        let joined = boarded(call(verb, &flights, never()));
        lab.time().advance(MOMENT);
        assert_eq!(finish(&lab, call(verb, &flights, at_once(2))).await, Ok(2), "{verb:?}: it asked too late");
        let patient = flights.call().join_within(None).run(KEY, || async { 3 });
        assert_eq!(patient.await, Ok(3), "newcomers do not find the older one any more");
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(1));
        assert_eq!(finish(&lab, joined).await, Ok(1), "{verb:?}: those aboard stay");
    }
    let flights: Flights<u32> = lab.builder().timed().build();
    let _old = boarded(call(Verb::Run, &flights, endless()));
    lab.time().advance(WINDOW);
    assert_eq!(flights.call().join_within(WINDOW - MOMENT).run(KEY, || async { 2 }).await, Ok(2), "by the call alone");
}

async fn one_that_is_too_old_goes_on(lab: Lab) {
    let flights: Flights<u32> = lab.builder().join_within(WINDOW).build();
    let (gate, gone) = (Gate::new(), Witness::default());
    let old = boarded(call(Verb::Run, &flights, gone.watch(behind(&gate, 1))));
    lab.time().advance(2 * WINDOW);
    let new = boarded(call(Verb::Run, &flights, endless()));
    assert_eq!((flights.len(), gone.gone()), (2, 0));
    // Promise 4: it removes itself, and not its successor.
    gate.open();
    assert_eq!(finish(&lab, old).await, Ok(1));
    assert_eq!(flights.len(), 1);
    assert!(flights.cancel(KEY));
    assert_eq!(finish(&lab, new).await, Err(Error::Cancelled));
}

async fn a_flight_of_unknown_age_is_too_old(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let _unknown = boarded(call(Verb::Run, &flights, endless()));
    let call = flights.call().join_within(Duration::from_secs(3600)).run(KEY, || async { 2 });
    assert_eq!(call.await, Ok(2));
}

async fn threads_start_another(lab: Lab) {
    let flights: Flights<u32> = lab.builder().max_callers(1).join_within(WINDOW).build();
    let _leader = boarded(call(Verb::Run, &flights, endless()));
    let full = flights.clone();
    assert_eq!(lab.thread(move || full.run_blocking(KEY, || 2)).await.returned(), Ok(2));
    lab.time().advance(2 * WINDOW);
    let old = flights.clone();
    let work = lab.thread(move || old.call().max_callers(None).run_blocking(KEY, || 3));
    assert_eq!(work.await.returned(), Ok(3));
}
