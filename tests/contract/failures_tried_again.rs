//! `OnFailure::Retry`, for every kind of caller and beside whatever else happens to a flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use coflight::{Entry, Error, OnFailure, Role, TryError, TryGroup};
use coflight_tests::*;

use crate::by::*;
use crate::common::*;

matrix!(
    everybody_tries_after_everybody,
    until_one_succeeds,
    no_try_at_all_is_shared,
    who_tries_has_taken_over,
    a_caller_that_is_not_polled_holds_up_no_try,
    a_newcomer_tries,
    a_failure_waits_for_whoever_started_the_work,
    who_is_told_of_its_failure_takes_nobodys_waker_along,
    cancel_between_two_tries,
    the_limit_counts_from_the_first_try,
    a_panic_in_a_later_try_is_not_tried_again,
    the_failures_of_a_guard,
    a_spawned_failure_is_its_starters,
    the_last_error_is_shared_as_it_is,
    retries_start_anew_with_each_flight,
);

const LIMIT: Duration = Duration::from_secs(5);

/// Zero is a failure.
fn group(lab: &Lab, limit: usize) -> Flights<u32> {
    lab.builder().failed_if(|value| *value == 0).on_failure(OnFailure::Retry { limit }).build()
}

async fn everybody_tries_after_everybody(lab: Lab) {
    for leading in By::ALL {
        for by in By::ALL {
            let flights = group(&lab, 1);
            let gate = Gate::new();
            let leader = leading.aboard(&lab, &flights, behind(&gate, 0)).await;
            let next = by.aboard(&lab, &flights, at_once(2)).await;
            gate.open();
            assert_eq!(leader.await.returned(), Ok(0), "{by:?} after {leading:?}: its own");
            assert_eq!(next.await.returned(), Ok(2), "{by:?} after {leading:?}");
            let stats = flights.stats();
            assert_eq!((stats.led, stats.retries, stats.completed, stats.failed, stats.in_flight), (1, 1, 1, 0, 0));
        }
    }
}

async fn until_one_succeeds(lab: Lab) {
    for by in By::ALL {
        let flights = group(&lab, 10);
        let (gate, tries) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
        let mut callers = Vec::new();
        for _ in 0..6 {
            let (gate, tries) = (gate.clone(), Arc::clone(&tries));
            let third = value(move || async move {
                gate.wait().await;
                u32::from(tries.fetch_add(1, Ordering::SeqCst) >= 2)
            });
            callers.push(by.aboard(&lab, &flights, third).await);
        }
        gate.open();
        let mut results = Vec::new();
        for caller in callers {
            results.push(caller.await.returned().expect("a value"));
        }
        results.sort_unstable();
        assert_eq!(results, [0, 0, 1, 1, 1, 1], "{by:?}: two had failures of their own");
        assert_eq!((tries.load(Ordering::SeqCst), flights.stats().retries), (3, 2));
    }
}

async fn no_try_at_all_is_shared(lab: Lab) {
    for by in By::ALL {
        let flights = group(&lab, 0);
        let gate = Gate::new();
        let leader = by.aboard(&lab, &flights, behind(&gate, 0)).await;
        let follower = by.aboard(&lab, &flights, never()).await;
        gate.open();
        assert_eq!((leader.await.returned(), follower.await.returned()), (Ok(0), Ok(0)), "{by:?}");
        assert_eq!((flights.stats().failed, flights.stats().retries), (1, 0));
    }
}

async fn who_tries_has_taken_over(lab: Lab) {
    let flights = group(&lab, 1);
    let gate = Gate::new();
    let fails = boarded(flights.run(KEY, behind(&gate, 0)).with_served());
    let tries = boarded(flights.run(KEY, at_once(2)).with_served());
    gate.open();
    let (result, served) = finish(&lab, fails).await;
    assert_eq!((result, served.role), (Ok(0), Role::Led));
    let (result, served) = finish(&lab, tries).await;
    assert_eq!((result, served.role, served.callers), (Ok(2), Role::TookOver, 1));
}

/// Promise 8.
async fn a_caller_that_is_not_polled_holds_up_no_try(lab: Lab) {
    for &verb in lab.verbs() {
        let flights = group(&lab, 1);
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 0)));
        let parked: Vec<_> = (0..5).map(|_| boarded(call(verb, &flights, never()))).collect();
        let polled = boarded(call(verb, &flights, at_once(2)));
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(0), "{verb:?}");
        assert_eq!(finish(&lab, polled).await, Ok(2), "{verb:?}");
        for parked in parked {
            assert_eq!(finish(&lab, parked).await, Ok(2), "{verb:?}");
        }
    }
}

/// Promise 6.
async fn a_newcomer_tries(lab: Lab) {
    for by in By::ALL {
        let flights = group(&lab, 1);
        let gate = Gate::new();
        let leader = boarded(call(Verb::Run, &flights, behind(&gate, 0)));
        let parked = boarded(call(Verb::Run, &flights, never()));
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(0));
        assert_eq!(by.start(&lab, &flights, at_once(2)).await.returned(), Ok(2), "{by:?}");
        assert_eq!(finish(&lab, parked).await, Ok(2));
        assert_eq!((flights.stats().led, flights.stats().retries), (1, 1));
    }
}

/// Also if another leads by then.
async fn a_failure_waits_for_whoever_started_the_work(lab: Lab) {
    let flights = group(&lab, 2);
    let gates = [Gate::new(), Gate::new(), Gate::new()];
    let mut callers = [0, 0, 2].into_iter().zip(&gates).map(|(value, gate)| {
        let call = call(Verb::Relay, &flights, behind(gate, value));
        boarded(call)
    });
    let (mut first, mut second) = (callers.next().unwrap(), callers.next().unwrap());
    let mut last = callers.next().unwrap();
    // Each goes on with the work of the one before it, and then leads itself.
    gates[0].open();
    assert!(poll_now(second.as_mut()).is_pending());
    gates[1].open();
    assert!(poll_now(last.as_mut()).is_pending());
    assert_eq!(flights.stats().handovers, 2);
    assert_eq!(poll_now(first.as_mut()), Poll::Ready(Ok(0)));
    assert_eq!(poll_now(second.as_mut()), Poll::Ready(Ok(0)));
    gates[2].open();
    assert_eq!(finish(&lab, last).await, Ok(2));
}

async fn who_is_told_of_its_failure_takes_nobodys_waker_along(lab: Lab) {
    let flights = group(&lab, 1);
    let (first, second) = (Gate::new(), Gate::new());
    let mut fails = boarded(call(Verb::Relay, &flights, behind(&first, 0)));
    let mut next = boarded(call(Verb::Relay, &flights, behind(&second, 2)));
    first.open();
    let woken = CountingWaker::new();
    let waker = Waker::from(Arc::clone(&woken));
    // Until it has nothing more to do, as any executor would.
    let mut seen = usize::MAX;
    while std::mem::replace(&mut seen, woken.wakes()) != woken.wakes() {
        assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(poll_now(fails.as_mut()), Poll::Ready(Ok(0)));
    second.open();
    assert!(woken.wakes() > seen, "nobody knows that the work can go on");
    assert_eq!(finish(&lab, next).await, Ok(2));
}

/// Promise 13.
async fn cancel_between_two_tries(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        let flights = group(&lab, 1);
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 0)));
        let follower = boarded(call(verb, &flights, never()));
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(0), "{verb:?}");
        assert!(flights.contains(KEY) && flights.cancel(KEY));
        assert_eq!(finish(&lab, follower).await, Err(Error::Cancelled), "{verb:?}");
        assert!(flights.is_empty());
    }
}

/// Promise 14.
async fn the_limit_counts_from_the_first_try(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        let builder = lab.builder().timeout(LIMIT).failed_if(|value| *value == 0);
        let flights: Flights<u32> = builder.on_failure(OnFailure::Retry { limit: 1 }).build();
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 0)));
        let mut next = boarded(call(verb, &flights, endless()));
        lab.time().advance(LIMIT / 2);
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(0), "{verb:?}");
        assert!(poll_now(next.as_mut()).is_pending());
        lab.time().advance(LIMIT / 2 - Duration::from_nanos(1));
        assert!(poll_now(next.as_mut()).is_pending());
        lab.time().advance(Duration::from_nanos(1));
        assert_eq!(finish(&lab, next).await, Err(Error::TimedOut), "{verb:?}");
        assert_eq!((flights.stats().retries, flights.stats().timed_out), (1, 1));
    }
}

/// Promise 9.
async fn a_panic_in_a_later_try_is_not_tried_again(lab: Lab) {
    for by in By::ALL {
        let flights = group(&lab, 5);
        let gate = Gate::new();
        let leader = boarded(call(Verb::Run, &flights, behind(&gate, 0)));
        let panics = value(|| async {
            yield_now().await;
            panic!("the second try")
        });
        let second = by.aboard(&lab, &flights, panics).await;
        let follower = boarded(call(Verb::Run, &flights, never()));
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(0));
        assert_eq!(second.await.panicked(), "the second try", "{by:?}");
        let told = finish(&lab, follower).await;
        assert!(
            matches!(told, Err(Error::Panicked(panic)) if by == By::Task(Verb::Enter) || panic.message() == Some("the second try"))
        );
        assert_eq!((flights.stats().retries, flights.stats().panicked, flights.len()), (1, 1, 0));
    }
}

async fn the_failures_of_a_guard(lab: Lab) {
    for by in By::ALL {
        let flights = group(&lab, 1);
        let Entry::Leader(guard) = flights.enter(KEY) else { panic!("somebody else leads") };
        let next = by.aboard(&lab, &flights, at_once(2)).await;
        assert_eq!(guard.complete(0), Ok(0), "{by:?}");
        assert_eq!(next.await.returned(), Ok(2), "{by:?}");
    }
}

async fn a_spawned_failure_is_its_starters(lab: Lab) {
    for polled in [false, true] {
        let flights = group(&lab, 1);
        let gate = Gate::new();
        let starter = boarded(call(Verb::Spawn, &flights, behind(&gate, 0)));
        let next = boarded(call(Verb::Spawn, &flights, at_once(2)));
        let starter = if polled {
            gate.open();
            Some(starter)
        } else {
            drop(starter);
            gate.open();
            None
        };
        assert_eq!(finish(&lab, next).await, Ok(2));
        if let Some(starter) = starter {
            assert_eq!(finish(&lab, starter).await, Ok(0), "though it looks only now");
        }
        assert_eq!(flights.stats().retries, 1);
    }
}

async fn the_last_error_is_shared_as_it_is(lab: Lab) {
    let flights: TryGroup<String, u32, u32, AnyRuntime> =
        lab.builder().on_failure(OnFailure::Retry { limit: 1 }).build();
    let gate = Gate::new();
    let failing = |error: u32| {
        let gate = gate.clone();
        move || async move {
            gate.wait().await;
            Err(error)
        }
    };
    let first = boarded(flights.try_run(KEY, failing(1)));
    let second = boarded(flights.try_run(KEY, failing(2)));
    let third = boarded(flights.try_run(KEY, failing(3)));
    gate.open();
    let work = |result: Result<u32, TryError<u32>>| match result {
        Err(TryError::Work(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(*work(finish(&lab, first).await), 1);
    let (second, third) = (work(finish(&lab, second).await), work(finish(&lab, third).await));
    assert!(*second == 2 && Arc::ptr_eq(&second, &third), "{second} and {third}");
}

async fn retries_start_anew_with_each_flight(lab: Lab) {
    let flights = group(&lab, 1);
    for round in 1..=3 {
        let gate = Gate::new();
        let leader = boarded(call(Verb::Run, &flights, behind(&gate, 0)));
        let next = boarded(call(Verb::Run, &flights, at_once(2)));
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(0));
        assert_eq!(finish(&lab, next).await, Ok(2));
        assert_eq!(flights.stats().retries, round);
    }
}
