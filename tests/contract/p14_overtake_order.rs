//! Where `overtake_after` is set: who starts beside whom, and when.

use std::task::{Context, Waker};
use std::time::Duration;

use coflight::{Error, OnFailure, Role};
use coflight_tests::*;
use futures_lite::future::block_on;

use crate::by::*;
use crate::common::*;

matrix!(
    everybody_can_overtake_everybody,
    a_work_that_anybody_goes_on_with_is_not_overtaken,
    the_next_one_replaces_an_overtaker_who_is_slow_as_well,
    an_overtaker_who_leaves_makes_room_at_once,
    who_comes_late_overtakes_at_once,
    the_leader_alone_decides_whether_it_can_be_overtaken,
    after_cancel_newcomers_wait_only_for_the_leaders_work,
    newcomers_need_not_wait_for_a_leader_who_was_overtaken,
    a_failure_beside_is_its_callers_alone_and_counts_as_a_try,
    it_says_so,
);

const LIMIT: Duration = Duration::from_secs(5);
const MOMENT: Duration = Duration::from_nanos(1);

async fn everybody_can_overtake_everybody(lab: Lab) {
    for leading in By::ALL {
        if leading == By::Task(Verb::Relay) {
            continue;
        }
        for following in By::ALL {
            let flights: Flights<u32> = lab.builder().overtake_after(LIMIT).build();
            let gate = Gate::new();
            let (mut parked, mut thread) = (None, None);
            match leading {
                By::Task(verb) => parked = Some(boarded(call(verb, &flights, behind(&gate, 1)))),
                By::Thread => thread = Some(By::Thread.aboard(&lab, &flights, behind(&gate, 1)).await),
            }
            let follower = following.aboard(&lab, &flights, at_once(2)).await;
            lab.until(|| lab.time().timers() == 1).await;
            lab.time().advance(LIMIT);
            assert_eq!(follower.await.returned(), Ok(2), "{following:?} behind {leading:?}");
            gate.open();
            if let Some(parked) = parked {
                assert_eq!(finish(&lab, parked).await, Ok(2), "{following:?} behind {leading:?}");
            }
            if let Some(thread) = thread {
                assert_eq!(thread.await.returned(), Ok(2), "{following:?} behind {leading:?}");
            }
            let stats = flights.stats();
            assert_eq!((stats.overtakes, stats.completed, stats.in_flight), (1, 1, 0));
            lab.until(|| lab.time().timers() == 0).await;
        }
    }
}

async fn a_work_that_anybody_goes_on_with_is_not_overtaken(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().overtake_after(LIMIT).build();
        let gate = Gate::new();
        let parked = boarded(call(Verb::Relay, &flights, behind(&gate, 1)));
        let mut follower = boarded(call(verb, &flights, never()));
        lab.time().advance(10 * LIMIT);
        assert!(poll_now(follower.as_mut()).is_pending());
        gate.open();
        assert_eq!(finish(&lab, follower).await, Ok(1), "{verb:?}");
        assert_eq!((finish(&lab, parked).await, flights.stats().overtakes), (Ok(1), 0));
    }
}

async fn the_next_one_replaces_an_overtaker_who_is_slow_as_well(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        let flights: Flights<u32> = lab.builder().overtake_after(LIMIT).build();
        let (first, second, gate) = (Witness::default(), Witness::default(), Gate::new());
        let parked = boarded(call(Verb::Run, &flights, endless()));
        let mut slow = boarded(call(verb, &flights, first.watch(endless())));
        let mut next = boarded(call(verb, &flights, second.watch(behind(&gate, 3))));
        let mut follower = boarded(call(verb, &flights, never()));
        lab.time().advance(LIMIT);
        assert!(poll_now(slow.as_mut()).is_pending());
        lab.until(|| first.begun() == 1).await;
        assert!(poll_now(next.as_mut()).is_pending() && poll_now(follower.as_mut()).is_pending());
        lab.time().advance(LIMIT - MOMENT);
        assert!(poll_now(next.as_mut()).is_pending());
        assert_eq!((second.begun(), flights.stats().overtakes), (0, 1), "{verb:?}: two works, and not three");
        lab.time().advance(MOMENT);
        assert!(poll_now(next.as_mut()).is_pending());
        lab.until(|| second.begun() == 1).await;
        // Who was too slow is a follower again, without a work.
        assert!(poll_now(slow.as_mut()).is_pending());
        lab.until(|| first.gone() == 1).await;
        assert!(poll_now(follower.as_mut()).is_pending());
        gate.open();
        for call in [next, slow, follower, parked] {
            assert_eq!(finish(&lab, call).await, Ok(3), "{verb:?}");
        }
        assert_eq!(flights.stats().overtakes, 2);
    }
}

/// And says so to those who wait for it.
async fn an_overtaker_who_leaves_makes_room_at_once(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().overtake_after(LIMIT).build();
        let (first, second) = (Witness::default(), Witness::default());
        let _parked = boarded(call(Verb::Run, &flights, endless()));
        let mut leaves = boarded(call(verb, &flights, first.watch(endless())));
        let mut next = boarded(call(verb, &flights, second.watch(at_once(2))));
        lab.time().advance(LIMIT);
        assert!(poll_now(leaves.as_mut()).is_pending());
        lab.until(|| first.begun() == 1).await;
        let told = CountingWaker::new();
        let waker = Waker::from(told.clone());
        assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert_eq!((told.wakes(), second.begun()), (0, 0), "{verb:?}: one at a time beside the leader");
        drop(leaves);
        assert!(told.wakes() > 0, "{verb:?}: nobody is told that it may overtake");
        assert_eq!(finish(&lab, next).await, Ok(2), "{verb:?}");
        lab.until(|| first.gone() == 1).await;
        assert_eq!((first.begun(), second.begun(), flights.stats().overtakes), (1, 1, 2), "{verb:?}");
    }
}

async fn who_comes_late_overtakes_at_once(lab: Lab) {
    for by in By::ALL {
        let flights: Flights<u32> = lab.builder().overtake_after(LIMIT).build();
        let parked = boarded(call(Verb::Run, &flights, endless()));
        lab.time().advance(LIMIT);
        assert_eq!(by.start(&lab, &flights, at_once(2)).await.returned(), Ok(2), "{by:?}");
        assert_eq!(finish(&lab, parked).await, Ok(2));
    }
}

async fn the_leader_alone_decides_whether_it_can_be_overtaken(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().build();
        let parked = boarded(call(Verb::Run, &flights, endless()));
        let mut eager = boarded(asking(verb, &flights, |call| call.overtake_after(MOMENT), never()));
        lab.time().advance(LIMIT);
        assert!(poll_now(eager.as_mut()).is_pending(), "{verb:?}");
        drop((eager, parked));
        // In the same group, which has no such limit of its own.
        let parked = boarded(asking(Verb::Run, &flights, |call| call.overtake_after(LIMIT), endless()));
        let follower = boarded(asking(verb, &flights, |call| call.overtake_after(None), at_once(2)));
        lab.time().advance(LIMIT);
        assert_eq!(finish(&lab, follower).await, Ok(2), "{verb:?}");
        drop(parked);
    }
}

/// Promises 1 and 13.
async fn after_cancel_newcomers_wait_only_for_the_leaders_work(lab: Lab) {
    let flights: Flights<u32> = lab.builder().overtake_after(LIMIT).build();
    let gate = Gate::new();
    let parked = boarded(call(Verb::Run, &flights, endless()));
    let overtaker = By::Thread.aboard(&lab, &flights, behind(&gate, 2)).await;
    lab.until(|| lab.time().timers() == 1).await;
    lab.time().advance(LIMIT);
    lab.until(|| flights.stats().overtakes == 1).await;
    assert!(flights.cancel(KEY));
    assert_eq!(finish(&lab, call(Verb::Run, &flights, at_once(3))).await, Ok(3), "beside the closure");
    gate.open();
    assert_eq!(overtaker.await.returned(), Err(Error::Cancelled));
    assert_eq!(finish(&lab, parked).await, Err(Error::Cancelled));
}

async fn newcomers_need_not_wait_for_a_leader_who_was_overtaken(lab: Lab) {
    for by in By::ALL {
        let flights: Flights<u32> = lab.builder().overtake_after(LIMIT).build();
        let gate = Gate::new();
        let leader = By::Thread.aboard(&lab, &flights, behind(&gate, 1)).await;
        let overtaker = by.aboard(&lab, &flights, at_once(2)).await;
        lab.until(|| lab.time().timers() == 1).await;
        lab.time().advance(LIMIT);
        assert_eq!(overtaker.await.returned(), Ok(2), "{by:?}");
        assert_eq!(by.start(&lab, &flights, at_once(3)).await.returned(), Ok(3), "{by:?}: beside the closure");
        gate.open();
        assert_eq!(leader.await.returned(), Ok(2), "{by:?}");
    }
}

async fn a_failure_beside_is_its_callers_alone_and_counts_as_a_try(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        let builder = lab.builder().overtake_after(LIMIT).on_failure(OnFailure::Retry { limit: 1 });
        let flights: Flights<u32> = builder.failed_if(|value| *value == 0).build();
        let parked = boarded(call(Verb::Run, &flights, endless()));
        let first = boarded(call(verb, &flights, at_once(0)));
        let second = boarded(call(verb, &flights, at_once(0)));
        let follower = boarded(call(verb, &flights, never()));
        lab.time().advance(LIMIT);
        assert_eq!(finish(&lab, first).await, Ok(0), "{verb:?}");
        assert_eq!((flights.stats().retries, flights.stats().failed, flights.len()), (1, 0, 1), "{verb:?}");
        // There are no more tries, so this one's failure is everybody's.
        assert_eq!(finish(&lab, second).await, Ok(0), "{verb:?}");
        assert_eq!(finish(&lab, follower).await, Ok(0), "{verb:?}");
        assert_eq!(finish(&lab, parked).await, Ok(0), "{verb:?}");
        let stats = flights.stats();
        assert_eq!((stats.retries, stats.failed, stats.overtakes, stats.in_flight), (1, 1, 2, 0));
    }
}

async fn it_says_so(lab: Lab) {
    let flights: Flights<u32> = lab.builder().overtake_after(LIMIT).build();
    for verb in 0..3 {
        let parked = boarded(flights.run(KEY, std::future::pending).with_served());
        let follower = boarded(flights.run(KEY, std::future::pending).with_served());
        lab.time().advance(LIMIT);
        let (result, served) = match verb {
            0 => flights.relay(KEY, || async { 2 }).with_served().await,
            1 => lab.start(served_by_spawn(flights.clone())).await.returned(),
            _ => {
                let flights = flights.clone();
                lab.thread(move || flights.call().run_blocking_with_served(KEY, || 2)).await.returned()
            }
        };
        assert_eq!((result, served.role, served.callers), (Ok(2), Role::Overtook, 3), "{verb}");
        let (result, served) = block_on(parked);
        assert_eq!((result, served.role, served.callers), (Ok(2), Role::Led, 3), "{verb}");
        let (result, served) = block_on(follower);
        assert_eq!((result, served.role, served.callers), (Ok(2), Role::Followed, 3), "{verb}");
    }
}

async fn served_by_spawn(flights: Flights<u32>) -> (Result<u32, Error>, coflight::Served) {
    flights.spawn(KEY, || async { 2 }).with_served().await
}
