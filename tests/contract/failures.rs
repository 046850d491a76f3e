//! What becomes of a work that failed, and of a result that is not for sharing.

use coflight::{Entry, Error, OnFailure, TryError, TryGroup};
use coflight_tests::*;

use crate::common::*;

matrix!(
    a_failure_is_shared_unless_chosen_otherwise,
    the_next_one_tries_and_the_failure_is_its_own_callers,
    no_more_than_so_many_try,
    alone_a_failure_is_simply_returned,
    a_starter_who_is_not_polled_gets_its_failure_later,
    a_starter_who_left_is_not_missed,
    a_panic_is_not_tried_again,
    errors_of_the_try_verbs_are_failures,
);

/// Zero is a failure.
fn group(lab: &Lab, on_failure: OnFailure) -> Flights<u32> {
    lab.builder().failed_if(|value| *value == 0).on_failure(on_failure).build()
}

async fn a_failure_is_shared_unless_chosen_otherwise(lab: Lab) {
    for &verb in lab.verbs() {
        let flights = group(&lab, OnFailure::Share);
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 0)));
        let follower = boarded(call(verb, &flights, never()));
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(0), "{verb:?}");
        assert_eq!(finish(&lab, follower).await, Ok(0), "{verb:?}");
        assert_eq!((flights.stats().failed, flights.stats().completed), (1, 0));
    }
}

async fn the_next_one_tries_and_the_failure_is_its_own_callers(lab: Lab) {
    for &verb in lab.verbs() {
        let flights = group(&lab, OnFailure::Retry { limit: 3 });
        let gate = Gate::new();
        let tried = Witness::default();
        let leader = boarded(call(verb, &flights, behind(&gate, 0)));
        let followers: Vec<_> = (0..3).map(|_| boarded(call(verb, &flights, tried.watch(at_once(2))))).collect();
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(0), "{verb:?}: its own failure");
        for follower in followers {
            assert_eq!(finish(&lab, follower).await, Ok(2), "{verb:?}");
        }
        let stats = flights.stats();
        assert_eq!((tried.begun(), stats.retries, stats.completed, stats.failed), (1, 1, 1, 0), "{verb:?}");
    }
}

async fn no_more_than_so_many_try(lab: Lab) {
    for &verb in lab.verbs() {
        let flights = group(&lab, OnFailure::Retry { limit: 2 });
        let gate = Gate::new();
        let tried = Witness::default();
        let calls: Vec<_> = (0..6).map(|_| boarded(call(verb, &flights, tried.watch(behind(&gate, 0))))).collect();
        gate.open();
        let calls: Vec<_> = calls.into_iter().map(|call| lab.start(call)).collect();
        for call in calls {
            assert_eq!(call.await.returned(), Ok(0), "{verb:?}");
        }
        let stats = flights.stats();
        assert_eq!((tried.begun(), stats.retries, stats.failed), (3, 2, 1), "{verb:?}");
        assert!(flights.is_empty());
    }
}

async fn alone_a_failure_is_simply_returned(lab: Lab) {
    for &verb in lab.verbs() {
        let flights = group(&lab, OnFailure::Retry { limit: 2 });
        assert_eq!(finish(&lab, call(verb, &flights, at_once(0))).await, Ok(0), "{verb:?}");
        lab.until(|| flights.stats().failed == 1).await;
        assert_eq!((flights.stats().retries, flights.len()), (0, 0));
    }
}

async fn a_starter_who_is_not_polled_gets_its_failure_later(lab: Lab) {
    let flights = group(&lab, OnFailure::Retry { limit: 1 });
    let gate = Gate::new();
    let parked = boarded(call(Verb::Relay, &flights, behind(&gate, 0)));
    let follower = boarded(call(Verb::Relay, &flights, at_once(2)));
    gate.open();
    assert_eq!(finish(&lab, follower).await, Ok(2));
    assert!(flights.is_empty());
    assert_eq!(finish(&lab, parked).await, Ok(0));
}

async fn a_starter_who_left_is_not_missed(lab: Lab) {
    let flights = group(&lab, OnFailure::Retry { limit: 1 });
    let gate = Gate::new();
    let starter = boarded(call(Verb::Relay, &flights, behind(&gate, 0)));
    let one = boarded(call(Verb::Relay, &flights, at_once(2)));
    let two = boarded(call(Verb::Relay, &flights, at_once(2)));
    drop(starter);
    gate.open();
    assert_eq!(finish(&lab, one).await, Ok(2));
    assert_eq!(finish(&lab, two).await, Ok(2));
}

/// Promise 9.
async fn a_panic_is_not_tried_again(lab: Lab) {
    let flights = group(&lab, OnFailure::Retry { limit: 5 });
    let gate = Gate::new();
    let leader = boarded(call(Verb::Run, &flights, {
        let gate = gate.clone();
        value(move || async move {
            gate.wait().await;
            panic!("the work panics")
        })
    }));
    let follower = boarded(call(Verb::Run, &flights, never()));
    let leader = lab.start(leader);
    gate.open();
    assert_eq!(leader.await.panicked(), "the work panics");
    assert!(matches!(finish(&lab, follower).await, Err(Error::Panicked(_))));
}

async fn errors_of_the_try_verbs_are_failures(lab: Lab) {
    let flights: TryGroup<String, u32, &str, AnyRuntime> =
        lab.builder().on_failure(OnFailure::Retry { limit: 1 }).build();
    let gate = Gate::new();
    let failing = || {
        let gate = gate.clone();
        || async move {
            gate.wait().await;
            Err("no")
        }
    };
    let leader = boarded(flights.try_relay(KEY, failing()));
    let follower = boarded(flights.try_run(KEY, || async { Ok(2) }));
    gate.open();
    assert!(matches!(finish(&lab, leader).await, Err(TryError::Work(error)) if *error == "no"));
    assert_eq!(finish(&lab, follower).await.ok(), Some(2));
    let Entry::Leader(leader) = flights.enter(KEY) else { panic!("somebody else leads") };
    let follower = boarded(flights.try_run(KEY, || async { Ok(3) }));
    assert!(leader.try_complete(Err("no")).is_err());
    assert_eq!(finish(&lab, follower).await.ok(), Some(3));
    let thread = flights.clone();
    let thread = lab.thread(move || thread.try_run_blocking(KEY, || Err("no")));
    assert!(matches!(thread.await.returned(), Err(TryError::Work(_))));
    let stats = flights.stats();
    assert_eq!((stats.retries, stats.completed, stats.failed), (2, 2, 1));
}
