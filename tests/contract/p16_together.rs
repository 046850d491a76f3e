//! Promise 16: numbers of callers, windows and limits beside each other, for every kind of caller.

use std::sync::Arc;
use std::time::Duration;

use coflight::{Entry, Error, OnFailure, Role, Turn};
use coflight_tests::*;

use crate::by::*;
use crate::common::*;

matrix!(
    nobody_is_one_too_many,
    room_is_found_only_in_the_youngest_flight,
    the_third_joins_the_second,
    a_handover_stays_in_its_flight,
    everybody_joins_until_the_window_is_over,
    a_window_of_no_time_is_this_moment,
    what_a_younger_flight_found_is_served_to_all,
    an_older_flight_leaves_the_younger_ones_result_alone,
    whatever_answers_all_lingers,
    what_is_tried_again_lingers_when_it_succeeds,
    it_lingers_by_every_verb_and_for_everybody,
    its_memory_goes_though_only_a_call_let_it_linger,
    it_stays_as_long_as_any_handle,
    no_time_is_no_window,
);

const WINDOW: Duration = Duration::from_secs(5);
const MOMENT: Duration = Duration::from_nanos(1);

/// Under concurrency.
async fn nobody_is_one_too_many(lab: Lab) {
    const MOST: usize = 3;
    let flights: Flights<u32> = lab.builder().max_callers(MOST).build();
    let callers: Vec<_> = (0..16)
        .map(|caller| {
            let flights = flights.clone();
            if caller % 4 == 3 {
                return lab.thread(move || {
                    let counts = (0..20).map(|_| flights.call().run_blocking_with_served(KEY, || 1).1.callers);
                    counts.max().unwrap_or_default()
                });
            }
            lab.start(async move {
                let mut most = 0;
                for _ in 0..20 {
                    let work = || async {
                        yield_now().await;
                        1
                    };
                    let (result, served) = flights.run(KEY, work).with_served().await;
                    assert_eq!(result, Ok(1));
                    most = most.max(served.callers);
                }
                most
            })
        })
        .collect();
    for caller in callers {
        assert!((1..=MOST).contains(&caller.await.returned()));
    }
    let stats = flights.stats();
    assert_eq!((stats.calls(), stats.in_flight, stats.completed), (16 * 20, 0, stats.led));
}

async fn room_is_found_only_in_the_youngest_flight(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().max_callers(2).build();
        let (old, young) = (Gate::new(), Gate::new());
        let leader = boarded(call(verb, &flights, behind(&old, 1)));
        let leaves = boarded(call(verb, &flights, never()));
        let second = boarded(call(verb, &flights, behind(&young, 2)));
        drop(leaves);
        let joins = boarded(call(verb, &flights, never()));
        let third = boarded(call(verb, &flights, behind(&young, 3)));
        assert_eq!(flights.len(), 3, "{verb:?}");
        young.open();
        assert_eq!(finish(&lab, second).await, Ok(2), "{verb:?}");
        assert_eq!(finish(&lab, joins).await, Ok(2), "{verb:?}");
        assert_eq!(finish(&lab, third).await, Ok(3), "{verb:?}");
        // Now it is the only one, but newcomers do not find it any more.
        assert_eq!(finish(&lab, call(verb, &flights, at_once(4))).await, Ok(4), "{verb:?}");
        old.open();
        assert_eq!(finish(&lab, leader).await, Ok(1), "{verb:?}");
    }
}

/// Promise 4: also when the first flight ends between.
async fn the_third_joins_the_second(lab: Lab) {
    for &verb in lab.verbs() {
        for windowed in [false, true] {
            let flights: Flights<u32> =
                if windowed { lab.builder().join_within(WINDOW).build() } else { lab.builder().max_callers(1).build() };
            let (old, young) = (Gate::new(), Gate::new());
            let first = boarded(call(verb, &flights, behind(&old, 1)));
            lab.time().advance(2 * WINDOW);
            let second = boarded(call(verb, &flights, behind(&young, 2)));
            old.open();
            assert_eq!(finish(&lab, first).await, Ok(1), "{verb:?}");
            assert!(flights.contains(KEY) && flights.len() == 1);
            let third = boarded(asking(verb, &flights, |call| call.max_callers(None), never()));
            young.open();
            assert_eq!(finish(&lab, second).await, Ok(2), "{verb:?}");
            assert_eq!(finish(&lab, third).await, Ok(2), "{verb:?}");
        }
    }
}

/// Promise 6.
async fn a_handover_stays_in_its_flight(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().max_callers(2).build();
        let leader = boarded(call(Verb::Run, &flights, endless()));
        let follower = boarded(call(verb, &flights, at_once(1)));
        let gate = Gate::new();
        let other = boarded(call(verb, &flights, behind(&gate, 2)));
        drop(leader);
        assert_eq!(finish(&lab, follower).await, Ok(1), "{verb:?}");
        assert!(flights.contains(KEY) && flights.len() == 1);
        gate.open();
        assert_eq!(finish(&lab, other).await, Ok(2), "{verb:?}");
        assert_eq!((flights.stats().handovers, flights.stats().led), (1, 2));
    }
}

async fn everybody_joins_until_the_window_is_over(lab: Lab) {
    for leading in By::ALL {
        for by in By::ALL {
            let flights: Flights<u32> = lab.builder().join_within(WINDOW).build();
            let gate = Gate::new();
            let leader = leading.aboard(&lab, &flights, behind(&gate, 1)).await;
            lab.time().advance(WINDOW);
            let joins = by.aboard(&lab, &flights, never()).await;
            lab.time().advance(MOMENT);
            assert_eq!(by.start(&lab, &flights, at_once(2)).await.returned(), Ok(2), "{by:?} behind {leading:?}");
            gate.open();
            assert_eq!(leader.await.returned(), Ok(1));
            assert_eq!(joins.await.returned(), Ok(1), "{by:?} behind {leading:?}");
        }
    }
}

async fn a_window_of_no_time_is_this_moment(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().join_within(Duration::ZERO).build();
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 1)));
        let joins = boarded(call(verb, &flights, never()));
        lab.time().advance(MOMENT);
        assert_eq!(finish(&lab, call(verb, &flights, at_once(2))).await, Ok(2), "{verb:?}");
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(1), "{verb:?}");
        assert_eq!(finish(&lab, joins).await, Ok(1), "{verb:?}");
    }
}

async fn what_a_younger_flight_found_is_served_to_all(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Enter] {
        let flights: Flights<u32> = lab.builder().linger(WINDOW).build();
        assert_eq!(call(verb, &flights, at_once(1)).await, Ok(1));
        lab.time().advance(MOMENT);
        let fresh = |work| asking(verb, &flights, |call| call.join_within(Duration::ZERO), work);
        assert_eq!(fresh(at_once(2)).await, Ok(2), "{verb:?}: the data is as old as the flight");
        assert_eq!(call(verb, &flights, never()).await, Ok(2), "{verb:?}");
        lab.time().advance(WINDOW - MOMENT);
        assert_eq!(call(verb, &flights, never()).await, Ok(2), "{verb:?}");
    }
}

async fn an_older_flight_leaves_the_younger_ones_result_alone(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Enter] {
        let flights: Flights<u32> = lab.builder().max_callers(1).linger(WINDOW).build();
        let gate = Gate::new();
        let old = boarded(call(verb, &flights, behind(&gate, 1)));
        assert_eq!(finish(&lab, call(verb, &flights, at_once(2))).await, Ok(2));
        gate.open();
        assert_eq!(finish(&lab, old).await, Ok(1));
        // As many as want to: nobody is aboard.
        for _ in 0..3 {
            assert_eq!(call(verb, &flights, never()).await, Ok(2), "{verb:?}");
        }
    }
}

async fn whatever_answers_all_lingers(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Enter] {
        let flights: Flights<u32> = lab.builder().linger(WINDOW).overtake_after(WINDOW).build();
        let parked = boarded(call(Verb::Run, &flights, endless()));
        let overtaker = boarded(call(verb, &flights, at_once(2)));
        lab.time().advance(WINDOW);
        assert_eq!(finish(&lab, overtaker).await, Ok(2), "{verb:?}");
        assert_eq!(call(verb, &flights, never()).await, Ok(2), "{verb:?}");
        assert_eq!(finish(&lab, parked).await, Ok(2));
        lab.time().advance(WINDOW);
        let leader = boarded(call(Verb::Run, &flights, endless()));
        let next = boarded(call(verb, &flights, at_once(3)));
        drop(leader);
        assert_eq!(finish(&lab, next).await, Ok(3), "{verb:?}");
        assert_eq!(call(verb, &flights, never()).await, Ok(3), "{verb:?}");
        assert!(flights.forget(KEY));
    }
}

async fn what_is_tried_again_lingers_when_it_succeeds(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Enter] {
        let builder = lab.builder().linger(WINDOW).on_failure(OnFailure::Retry { limit: 1 });
        let flights: Flights<u32> = builder.failed_if(|value| *value == 0).build();
        let gate = Gate::new();
        let fails = boarded(call(verb, &flights, behind(&gate, 0)));
        let tries = boarded(call(verb, &flights, at_once(2)));
        gate.open();
        assert_eq!(finish(&lab, fails).await, Ok(0), "{verb:?}");
        assert_eq!(finish(&lab, tries).await, Ok(2), "{verb:?}");
        assert_eq!(call(verb, &flights, never()).await, Ok(2), "{verb:?}");
    }
}

/// Also promise 3: its memory goes when its time is over.
async fn it_lingers_by_every_verb_and_for_everybody(lab: Lab) {
    for leading in By::ALL {
        let flights: Flights<Arc<u32>> = lab.builder().linger(WINDOW).build();
        let (value, seen) = mortal();
        assert!(leading.start(&lab, &flights, at_once(value)).await.returned().is_ok());
        for by in By::ALL {
            let served = by.start(&lab, &flights, never()).await.returned();
            assert_eq!(served, Ok(Arc::new(1)), "{by:?} after {leading:?}");
        }
        // By the primitive below them it is a follower whose answer is there.
        let Entry::Follower(follower) = flights.enter(KEY) else { panic!("it lingers") };
        let (turn, served) = follower.with_served().await;
        assert!(matches!(turn, Ok(Turn::Value(_))) && served.role == Role::Lingered, "{leading:?}");
        drop(turn);
        lab.until(|| lab.time().timers() == 1).await;
        lab.time().advance(WINDOW);
        lab.until(|| seen.strong_count() == 0 && lab.time().timers() == 0).await;
    }
}

/// Also after the group is gone, in which nothing else lingers.
async fn its_memory_goes_though_only_a_call_let_it_linger(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Enter] {
        let flights: Flights<Arc<u32>> = lab.builder().build();
        let (value, seen) = mortal();
        let asked = asking(verb, &flights, |call| call.linger(WINDOW), at_once(value));
        assert!(finish(&lab, asked).await.is_ok());
        lab.until(|| lab.time().timers() == 1).await;
        assert_eq!(seen.strong_count(), 1, "{verb:?}");
        drop(flights);
        lab.time().advance(WINDOW);
        lab.until(|| seen.strong_count() == 0 && lab.time().timers() == 0).await;
    }
}

async fn it_stays_as_long_as_any_handle(lab: Lab) {
    let flights: Flights<Arc<u32>> = lab.builder().linger(WINDOW).build();
    let other = flights.clone();
    let (value, seen) = mortal();
    assert!(flights.run(KEY, || async { value }).await.is_ok());
    drop(flights);
    assert_eq!(seen.strong_count(), 1);
    assert!(other.run(KEY, || async { unreachable!("it is served") }).await.is_ok());
    drop(other);
    assert_eq!(seen.strong_count(), 0);
    lab.until(|| lab.time().timers() == 0).await;
}

async fn no_time_is_no_window(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().linger(Duration::ZERO).build();
        assert_eq!(finish(&lab, call(verb, &flights, at_once(1))).await, Ok(1));
        assert_eq!(finish(&lab, call(verb, &flights, at_once(2))).await, Ok(2), "{verb:?}");
        // Nor where it is the call that says so, nor beside one that is in progress.
        let flights: Flights<u32> = lab.builder().linger(WINDOW).build();
        let none = asking(verb, &flights, |call| call.linger(None), at_once(1));
        assert_eq!(finish(&lab, none).await, Ok(1));
        assert!(!flights.forget(KEY) && flights.stats().lingered == 0, "{verb:?}");
        let cancelled = boarded(call(Verb::Run, &flights, endless()));
        assert!(flights.cancel(KEY) && !flights.forget(KEY));
        assert_eq!(finish(&lab, cancelled).await, Err(Error::Cancelled));
    }
}
