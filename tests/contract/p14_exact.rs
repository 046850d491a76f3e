//! Promise 14, to the nanosecond and for every kind of caller.

use std::time::Duration;

use coflight::{Clock, Entry, Error, Group, Tokio};
use coflight_tests::*;
use futures_lite::future::block_on;

use crate::by::*;
use crate::common::*;

matrix!(
    nobody_is_held_beyond_it_by_a_parked_leader,
    it_counts_from_the_first_poll,
    none_at_all_leaves_time_for_what_is_ready,
    it_may_be_longer_than_time_itself,
    a_late_result_counts_if_nobody_looked_before,
    who_joins_can_wait_shorter_but_not_longer,
    whoever_ends_leaves_no_timer_behind,
    a_handover_moves_no_limit_of_a_caller,
);

const LIMIT: Duration = Duration::from_secs(5);
const MOMENT: Duration = Duration::from_nanos(1);

/// Also promise 8.
async fn nobody_is_held_beyond_it_by_a_parked_leader(lab: Lab) {
    for leading in By::ALL {
        for following in By::ALL {
            let flights: Flights<u32> = lab.builder().timeout(LIMIT).build();
            let gate = Gate::new();
            let (mut parked, mut thread) = (None, None);
            match leading {
                By::Task(verb) => parked = Some(boarded(call(verb, &flights, endless()))),
                By::Thread => thread = Some(By::Thread.aboard(&lab, &flights, behind(&gate, 1)).await),
            }
            // Whoever leads by hand, or on a thread, has no timer; who spawns has one, and so has its task, as soon as that runs.
            let armed = match leading {
                By::Task(Verb::Enter) | By::Thread => 0,
                By::Task(Verb::Spawn) => 2,
                By::Task(_) => 1,
            };
            lab.until(|| lab.time().timers() == armed).await;
            let follower = following.aboard(&lab, &flights, never()).await;
            lab.until(|| lab.time().timers() > armed).await;
            lab.time().advance(LIMIT);
            assert_eq!(follower.await.returned(), Err(Error::TimedOut), "{following:?} behind {leading:?}");
            assert!(flights.is_empty() && flights.stats().timed_out == 1);
            drop(parked);
            gate.open();
            if let Some(thread) = thread {
                assert_eq!(thread.await.returned(), Err(Error::TimedOut), "its value came too late");
            }
        }
    }
}

async fn it_counts_from_the_first_poll(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().timeout(LIMIT).build();
        let patient: Flights<u32> = lab.builder().wait_timeout(LIMIT).build();
        let lazy = [call(verb, &flights, endless()), call(verb, &flights, never())];
        let lazy_too = [call(verb, &patient, endless()), call(verb, &patient, endless())];
        lab.time().advance(10 * LIMIT);
        let [_leader, mut follower] = lazy.map(boarded);
        let [_patient, mut waits] = lazy_too.map(boarded);
        lab.time().advance(LIMIT - MOMENT);
        assert!(poll_now(follower.as_mut()).is_pending() && poll_now(waits.as_mut()).is_pending(), "{verb:?}");
        lab.time().advance(MOMENT);
        assert_eq!(finish(&lab, follower).await, Err(Error::TimedOut), "{verb:?}");
        assert_eq!(finish(&lab, waits).await, Err(Error::WaitTimedOut), "{verb:?}");
    }
}

async fn none_at_all_leaves_time_for_what_is_ready(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Enter] {
        let flights: Flights<u32> = lab.builder().timeout(Duration::ZERO).wait_timeout(Duration::ZERO).build();
        assert_eq!(call(verb, &flights, at_once(1)).await, Ok(1), "{verb:?}");
    }
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        let flights: Flights<u32> = lab.builder().timeout(Duration::ZERO).build();
        assert_eq!(finish(&lab, call(verb, &flights, endless())).await, Err(Error::TimedOut), "{verb:?}");
        let flights: Flights<u32> = lab.builder().wait_timeout(Duration::ZERO).build();
        assert_eq!(finish(&lab, call(verb, &flights, endless())).await, Err(Error::WaitTimedOut), "{verb:?}");
        lab.until(|| flights.is_empty()).await;
    }
}

async fn it_may_be_longer_than_time_itself(lab: Lab) {
    lab.time().advance(LIMIT);
    for &verb in lab.verbs() {
        let ever = Duration::MAX;
        let builder = lab.builder().timeout(ever).wait_timeout(ever).overtake_after(ever);
        let flights: Flights<u32> = builder.join_within(ever).linger(ever).build();
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 1)));
        let follower = boarded(call(verb, &flights, never()));
        lab.time().advance(1_000_000 * LIMIT);
        let latecomer = boarded(call(verb, &flights, never()));
        gate.open();
        for call in [leader, follower, latecomer] {
            assert_eq!(finish(&lab, call).await, Ok(1), "{verb:?}");
        }
        lab.time().advance(1_000_000 * LIMIT);
        assert_eq!(call(verb, &flights, never()).await, Ok(1), "{verb:?}: it lingers");
    }
}

async fn a_late_result_counts_if_nobody_looked_before(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Enter] {
        let flights: Flights<u32> = lab.builder().timeout(LIMIT).wait_timeout(LIMIT).build();
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 1)));
        let follower = boarded(call(Verb::Run, &flights, never()));
        gate.open();
        lab.time().advance(2 * LIMIT);
        assert_eq!(finish(&lab, leader).await, Ok(1), "{verb:?}");
        assert_eq!(finish(&lab, follower).await, Ok(1), "{verb:?}: though it looks even later");
        assert_eq!((flights.stats().completed, flights.stats().timed_out), (1, 0));
    }
    let flights: Flights<u32> = lab.builder().timeout(LIMIT).wait_timeout(LIMIT).build();
    let (time, thread) = (lab.time().clone(), flights.clone());
    let work = move || {
        time.advance(2 * LIMIT);
        1
    };
    assert_eq!(lab.thread(move || thread.run_blocking(KEY, work)).await.returned(), Ok(1));
}

async fn who_joins_can_wait_shorter_but_not_longer(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().timeout(LIMIT).build();
        let _parked = boarded(call(Verb::Run, &flights, endless()));
        let shorter = boarded(asking(verb, &flights, |call| call.timeout(LIMIT / 2), never()));
        let longer = boarded(asking(verb, &flights, |call| call.timeout(2 * LIMIT), never()));
        let none = boarded(asking(verb, &flights, |call| call.timeout(None), never()));
        lab.time().advance(LIMIT / 2);
        assert_eq!(finish(&lab, shorter).await, Err(Error::TimedOut), "{verb:?}");
        assert_eq!((flights.len(), flights.stats().timed_out), (1, 0), "it only left");
        lab.time().advance(LIMIT / 2);
        assert_eq!(finish(&lab, longer).await, Err(Error::TimedOut), "{verb:?}");
        assert_eq!(finish(&lab, none).await, Err(Error::TimedOut), "{verb:?}");
    }
    // In a flight that has none, a joiner's is still its own, and counts from when it joined.
    let flights: Flights<u32> = lab.builder().build();
    let gate = Gate::new();
    let leader = boarded(call(Verb::Relay, &flights, behind(&gate, 1)));
    lab.time().advance(LIMIT);
    let mut joins = boarded(asking(Verb::Run, &flights, |call| call.timeout(LIMIT), never()));
    lab.time().advance(LIMIT - MOMENT);
    assert!(poll_now(joins.as_mut()).is_pending());
    lab.time().advance(MOMENT);
    assert_eq!(finish(&lab, joins).await, Err(Error::TimedOut));
    gate.open();
    assert_eq!(finish(&lab, leader).await, Ok(1));
}

/// Promise 3.
async fn whoever_ends_leaves_no_timer_behind(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        for end in ["value", "cancel", "leave", "time", "own time"] {
            let builder = lab.builder().timeout(3 * LIMIT).wait_timeout(2 * LIMIT).overtake_after(LIMIT / 2);
            let flights: Flights<u32> = builder.build();
            let gate = Gate::new();
            let leader = boarded(asking(verb, &flights, |call| call.wait_timeout(None), behind(&gate, 1)));
            let follower = boarded(call(verb, &flights, endless()));
            let (leader, follower) = (lab.start(leader), lab.start(follower));
            lab.until(|| lab.time().timers() >= 2).await;
            match end {
                "value" => gate.open(),
                "cancel" => assert!(flights.cancel(KEY)),
                "time" => lab.time().advance(3 * LIMIT),
                "own time" => lab.time().advance(2 * LIMIT),
                _ => [&leader, &follower].into_iter().for_each(Task::abort),
            }
            if end == "leave" {
                // Each lets go of its timer first, and then of the flight.
                assert!(matches!((leader.await, follower.await), (Ended::Dropped, Ended::Dropped)));
            } else {
                let follower = follower.await.returned();
                if end == "own time" {
                    gate.open();
                }
                match (leader.await.returned(), follower) {
                    (Ok(1), Ok(1)) => assert_eq!(end, "value", "{verb:?}"),
                    (Ok(1), Err(Error::WaitTimedOut)) => assert_eq!(end, "own time", "{verb:?}"),
                    (Err(Error::Cancelled), Err(Error::Cancelled)) => assert_eq!(end, "cancel", "{verb:?}"),
                    (Err(Error::TimedOut), Err(_)) => assert_eq!(end, "time", "{verb:?}"),
                    other => panic!("{verb:?} {end}: {other:?}"),
                }
            }
            lab.until(|| lab.time().timers() == 0).await;
            assert!(flights.is_empty(), "{verb:?} {end}");
        }
    }
}

async fn a_handover_moves_no_limit_of_a_caller(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        let flights: Flights<u32> = lab.builder().wait_timeout(LIMIT).build();
        let leader = boarded(call(Verb::Run, &flights, endless()));
        lab.time().advance(LIMIT / 2);
        let mut next = boarded(call(verb, &flights, endless()));
        drop(leader);
        assert!(poll_now(next.as_mut()).is_pending());
        assert_eq!(flights.stats().handovers, 1);
        lab.time().advance(LIMIT - MOMENT);
        assert!(poll_now(next.as_mut()).is_pending(), "{verb:?}");
        lab.time().advance(MOMENT);
        assert_eq!(finish(&lab, next).await, Err(Error::WaitTimedOut), "{verb:?}");
        lab.until(|| flights.is_empty()).await;
    }
}

/// Then no timer rings, and the limit holds whenever something else wakes a caller.
#[test]
fn the_clock_decides_when_the_runtime_is_gone() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (tokio, limit) = (Tokio::new(runtime.handle().clone()), Duration::from_millis(300));
    let flights: Group<u32, u32, Tokio> = Group::builder().runtime(tokio.clone()).timeout(limit).build();
    let mut calls = [endless(), never()].map(|work| boarded(flights.run(&1, work)));
    let asked = tokio.now();
    drop(runtime);
    // Real time: there is no runtime whose clock could be moved.
    std::thread::sleep((asked + limit).saturating_sub(tokio.now()));
    assert!(tokio.now() >= asked + limit);
    let [leader, follower] = &mut calls;
    assert_eq!(poll_now(follower.as_mut()), std::task::Poll::Ready(Err(Error::TimedOut)));
    assert_eq!(poll_now(leader.as_mut()), std::task::Poll::Ready(Err(Error::TimedOut)));
    // What begins now goes on without timers.
    assert_eq!(block_on(flights.run(&1, || async { 2 })), Ok(2));
    let Entry::Leader(leader) = flights.enter(&1) else { panic!("somebody else leads") };
    assert_eq!(leader.complete(3), Ok(3));
}
