//! Promise 18: what `in_flight` shows is what is in flight.

use std::time::Duration;

use coflight::FlightState::{Overtaken, Running, Vacant};
use coflight::{Entry, Error, FlightState, InFlight, OnFailure, Verb as By};
use coflight_tests::*;

use crate::common::*;

matrix!(
    each_flight_with_its_verb_and_callers,
    ages_by_the_runtimes_clock,
    vacant_until_somebody_takes_over,
    a_handover_by_another_verb,
    overtaken_while_another_work_runs,
    a_failed_work_makes_way,
    what_newcomers_do_not_find_is_not_listed,
    what_has_ended_is_not_in_flight,
    a_thread_in_flight,
);

const SECOND: Duration = Duration::from_secs(1);

/// The one flight there is.
#[track_caller]
fn only(flights: &Flights<u32>) -> InFlight<String> {
    let [flight] = flights.in_flight().try_into().expect("one flight");
    flight
}

#[track_caller]
fn is(flights: &Flights<u32>, state: FlightState, verb: By, callers: usize) {
    let flight = only(flights);
    assert_eq!((flight.state, flight.verb, flight.callers, flight.listed), (state, verb, callers, true), "{flight:?}");
}

async fn each_flight_with_its_verb_and_callers(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    assert_eq!(flights.in_flight(), []);
    let gate = Gate::new();
    let mut aboard = Vec::new();
    for (number, &verb) in lab.verbs().iter().enumerate() {
        for _ in 0..=number {
            aboard.push(boarded(ask(verb, flights.clone(), number.to_string(), behind(&gate, 1))));
        }
    }
    let mut shown = flights.in_flight();
    shown.sort_by(|one, other| one.key.cmp(&other.key));
    assert_eq!((shown.len(), flights.len()), (4, 4));
    for (number, (flight, &verb)) in shown.iter().zip(lab.verbs()).enumerate() {
        assert_eq!((flight.key.as_str(), flight.callers), (number.to_string().as_str(), number + 1));
        assert_eq!((flight.state, flight.verb, flight.listed), (Running, By::from(verb), true), "{flight:?}");
        assert_eq!(flight.age, None, "nothing keeps time");
    }
    gate.open();
    for caller in aboard {
        assert_eq!(finish(&lab, caller).await, Ok(1));
    }
    assert_eq!(flights.in_flight(), []);
}

async fn ages_by_the_runtimes_clock(lab: Lab) {
    for &verb in lab.verbs() {
        let timed: [Flights<u32>; 2] = [lab.builder().timed().build(), lab.builder().timeout(9 * SECOND).build()];
        for flights in timed {
            lab.time().advance(SECOND);
            let leader = boarded(call(verb, &flights, endless()));
            assert_eq!(only(&flights).age, Some(Duration::ZERO), "{verb:?}");
            lab.time().advance(SECOND);
            let _follower = boarded(call(verb, &flights, endless()));
            lab.time().advance(SECOND / 2);
            drop(leader);
            assert_eq!(only(&flights).age, Some(SECOND.mul_f64(1.5)), "{verb:?}: since its first leader began");
        }
        // Where only some calls keep time, their flights have an age.
        let flights: Flights<u32> = lab.builder().build();
        let _timed = boarded(flights.call().timeout(9 * SECOND).run(KEY, std::future::pending));
        lab.time().advance(SECOND);
        assert_eq!(only(&flights).age, Some(SECOND));
    }
}

async fn vacant_until_somebody_takes_over(lab: Lab) {
    for leading in [Verb::Run, Verb::Enter] {
        for &verb in lab.verbs() {
            let flights: Flights<u32> = lab.group();
            let leader = boarded(call(leading, &flights, endless()));
            let followers = [(); 2].map(|()| boarded(call(verb, &flights, endless())));
            is(&flights, Running, By::from(leading), 3);
            drop(leader);
            is(&flights, Vacant, By::from(leading), 2);
            let [mut next, other] = followers;
            assert!(poll_now(next.as_mut()).is_pending());
            is(&flights, Running, By::from(verb), 2);
            drop((next, other));
            assert_eq!(flights.in_flight(), []);
        }
    }
    // A work that goes on leaves no vacancy.
    for verb in [Verb::Relay, Verb::Spawn] {
        let flights: Flights<u32> = lab.group();
        let leader = boarded(call(verb, &flights, endless()));
        let _follower = boarded(call(verb, &flights, never()));
        drop(leader);
        is(&flights, Running, By::from(verb), 1);
    }
}

async fn a_handover_by_another_verb(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let leader = boarded(call(Verb::Run, &flights, endless()));
        let _parked = boarded(call(Verb::Enter, &flights, endless()));
        drop(leader);
        let _newcomer = boarded(call(verb, &flights, endless()));
        is(&flights, Running, By::from(verb), 2);
    }
}

async fn overtaken_while_another_work_runs(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().overtake_after(SECOND).build();
        let slow = boarded(call(Verb::Run, &flights, endless()));
        let mut follower = boarded(call(verb, &flights, endless()));
        lab.time().advance(SECOND);
        is(&flights, Running, By::Run, 2);
        assert!(poll_now(follower.as_mut()).is_pending());
        is(&flights, Overtaken, By::Run, 2);
        // Somebody runs a work, so this is no vacancy.
        drop(slow);
        is(&flights, Overtaken, By::Run, 1);
        drop(follower);
        assert_eq!(flights.in_flight(), [], "{verb:?}");
    }
}

async fn a_failed_work_makes_way(lab: Lab) {
    for &verb in lab.verbs() {
        let builder = lab.builder().failed_if(|value| *value == 0).on_failure(OnFailure::Retry { limit: 1 });
        let flights: Flights<u32> = builder.build();
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 0)));
        let mut follower = boarded(call(Verb::Run, &flights, endless()));
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(0));
        is(&flights, Vacant, By::from(verb), 1);
        assert!(poll_now(follower.as_mut()).is_pending());
        is(&flights, Running, By::Run, 1);
    }
}

async fn what_newcomers_do_not_find_is_not_listed(lab: Lab) {
    for &verb in lab.verbs() {
        let listed = |flights: &Flights<u32>| {
            let mut listed: Vec<_> =
                flights.in_flight().iter().map(|flight| (flight.listed, flight.callers, flight.age)).collect();
            listed.sort_unstable();
            listed
        };
        let at = |seconds| Some(seconds * SECOND);

        let flights: Flights<u32> = lab.builder().timed().build();
        let _forgotten = boarded(call(verb, &flights, endless()));
        assert!(flights.forget(KEY));
        assert_eq!(listed(&flights), [(false, 1, at(0))], "{verb:?}: nobody comes after it");
        lab.time().advance(SECOND);
        let _next = [(); 2].map(|()| boarded(call(verb, &flights, endless())));
        assert_eq!(listed(&flights), [(false, 1, at(1)), (true, 2, at(0))], "{verb:?}: forgotten");

        let flights: Flights<u32> = lab.builder().timed().max_callers(2).build();
        let _full = [(); 2].map(|()| boarded(call(verb, &flights, endless())));
        assert_eq!(listed(&flights), [(true, 2, at(0))], "{verb:?}: full, but the next has not come");
        let _next = boarded(call(verb, &flights, endless()));
        assert_eq!(listed(&flights), [(false, 2, at(0)), (true, 1, at(0))], "{verb:?}: full");

        let flights: Flights<u32> = lab.builder().join_within(SECOND).build();
        let _old = boarded(call(verb, &flights, endless()));
        lab.time().advance(2 * SECOND);
        assert_eq!(listed(&flights), [(true, 1, at(2))], "{verb:?}: old, but the next has not come");
        let _young = boarded(call(verb, &flights, endless()));
        assert_eq!(listed(&flights), [(false, 1, at(2)), (true, 1, at(0))], "{verb:?}: too old");
    }
}

async fn what_has_ended_is_not_in_flight(lab: Lab) {
    for &verb in lab.verbs() {
        // Each of its own group, because a key is free only when the last work is gone.
        let group = || -> Flights<u32> { lab.builder().linger(SECOND).timeout(SECOND).build() };
        let flights = group();
        assert_eq!(call(verb, &flights, at_once(1)).await, Ok(1));
        assert_eq!(flights.in_flight(), [], "{verb:?}: its result lingers");

        let flights = group();
        let _leader = boarded(call(verb, &flights, endless()));
        assert!(flights.cancel(KEY));
        assert_eq!(flights.in_flight(), [], "{verb:?}: though its leader is still to be told");

        let flights = group();
        let _leader = boarded(call(verb, &flights, endless()));
        let follower = boarded(call(verb, &flights, never()));
        lab.time().advance(SECOND);
        assert_eq!(finish(&lab, follower).await, Err(Error::TimedOut));
        assert_eq!(flights.in_flight(), [], "{verb:?}");

        let flights = group();
        let Entry::Leader(leader) = flights.enter(KEY) else { panic!("somebody else leads") };
        let mut alone = boarded(call(verb, &flights, endless()));
        leader.release().unwrap();
        assert!(poll_now(alone.as_mut()).is_pending());
        assert_eq!(flights.in_flight(), [], "{verb:?}: those who were released are nobody's concern");
    }
}

async fn a_thread_in_flight(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let (go_on, may_go_on) = std::sync::mpsc::channel();
    let thread = lab.thread({
        let flights = flights.clone();
        move || flights.run_blocking(KEY, || may_go_on.recv().unwrap())
    });
    lab.until(|| !flights.is_empty()).await;
    is(&flights, Running, By::RunBlocking, 1);
    go_on.send(1).unwrap();
    assert_eq!(thread.await.returned(), Ok(1));
    assert_eq!(flights.in_flight(), []);
}
