//! Promise 14: a caller's own limit makes that caller leave, and nobody else.

use std::time::Duration;

use coflight::{Entry, Error, Turn};
use coflight_tests::*;

use crate::common::*;

matrix!(
    a_follower_leaves_and_nobody_notices,
    a_leader_by_run_hands_over,
    a_leader_by_relay_leaves_its_work_to_the_others,
    the_last_one_takes_the_work_along,
    a_call_has_another_limit_or_none,
    a_thread_leaves,
    whoever_waits_for_the_key_to_be_free_leaves,
    a_follower_may_give_up_its_limit,
);

const LIMIT: Duration = Duration::from_secs(5);

async fn a_follower_leaves_and_nobody_notices(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().build();
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 1)));
        let stays = boarded(call(verb, &flights, never()));
        let leaves = flights.call().wait_timeout(LIMIT).run(KEY, || async { unreachable!("it follows") });
        let mut leaves = boarded(leaves);
        lab.time().advance(LIMIT - Duration::from_nanos(1));
        assert!(poll_now(leaves.as_mut()).is_pending());
        lab.time().advance(Duration::from_nanos(1));
        assert_eq!(finish(&lab, leaves).await, Err(Error::WaitTimedOut), "{verb:?}");
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(1), "{verb:?}");
        assert_eq!(finish(&lab, stays).await, Ok(1), "{verb:?}");
        assert_eq!((flights.stats().completed, flights.stats().timed_out), (1, 0));
    }
}

async fn a_leader_by_run_hands_over(lab: Lab) {
    let flights: Flights<u32> = lab.builder().build();
    let witness = Witness::default();
    let work = witness.watch(endless());
    let leader = boarded(flights.call().wait_timeout(LIMIT).run(KEY, work));
    let follower = boarded(call(Verb::Run, &flights, at_once(2)));
    lab.time().advance(LIMIT);
    assert_eq!(finish(&lab, leader).await, Err(Error::WaitTimedOut));
    assert_eq!(witness.gone(), 1);
    assert_eq!(finish(&lab, follower).await, Ok(2));
    assert_eq!(flights.stats().handovers, 1);
}

async fn a_leader_by_relay_leaves_its_work_to_the_others(lab: Lab) {
    for verb in [Verb::Relay, Verb::Spawn] {
        let flights: Flights<u32> = lab.builder().build();
        let (witness, gate) = (Witness::default(), Gate::new());
        let work = witness.watch(behind(&gate, 1));
        let leader: Call<u32> = {
            let flights = flights.clone();
            Box::pin(async move {
                let call = flights.call().wait_timeout(LIMIT);
                if verb == Verb::Relay { call.relay(KEY, work).await } else { call.spawn(KEY, work).await }
            })
        };
        let leader = boarded(leader);
        let follower = boarded(call(Verb::Run, &flights, never()));
        lab.time().advance(LIMIT);
        assert_eq!(finish(&lab, leader).await, Err(Error::WaitTimedOut), "{verb:?}");
        gate.open();
        assert_eq!(finish(&lab, follower).await, Ok(1), "{verb:?}");
        assert_eq!(witness.begun(), 1);
    }
}

async fn the_last_one_takes_the_work_along(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        let flights: Flights<u32> = lab.builder().wait_timeout(LIMIT).build();
        let witness = Witness::default();
        let alone = boarded(call(verb, &flights, witness.watch(endless())));
        lab.time().advance(LIMIT);
        assert_eq!(finish(&lab, alone).await, Err(Error::WaitTimedOut), "{verb:?}");
        lab.until(|| witness.gone() == 1 && flights.is_empty()).await;
        assert_eq!(flights.stats().abandoned, 1, "{verb:?}");
    }
}

async fn a_call_has_another_limit_or_none(lab: Lab) {
    let flights: Flights<u32> = lab.builder().wait_timeout(LIMIT).build();
    let mut none = boarded(flights.call().wait_timeout(None).run(KEY, std::future::pending));
    let shorter = boarded(flights.call().wait_timeout(LIMIT / 2).run(KEY, std::future::pending));
    let default = boarded(flights.run(KEY, std::future::pending));
    lab.time().advance(LIMIT / 2);
    assert_eq!(finish(&lab, shorter).await, Err(Error::WaitTimedOut));
    lab.time().advance(LIMIT / 2);
    assert_eq!(finish(&lab, default).await, Err(Error::WaitTimedOut));
    lab.time().advance(100 * LIMIT);
    assert!(poll_now(none.as_mut()).is_pending());
}

async fn a_thread_leaves(lab: Lab) {
    let flights: Flights<u32> = lab.builder().wait_timeout(LIMIT).build();
    let gate = Gate::new();
    let work = behind(&gate, 1);
    let leader = boarded(flights.call().wait_timeout(None).relay(KEY, work));
    let waiting = flights.clone();
    let thread = lab.thread(move || waiting.run_blocking(KEY, || unreachable!("it follows")));
    lab.until(|| lab.time().timers() == 1).await;
    lab.time().advance(LIMIT);
    assert_eq!(thread.await.returned(), Err(Error::WaitTimedOut));
    gate.open();
    assert_eq!(finish(&lab, leader).await, Ok(1));
}

async fn whoever_waits_for_the_key_to_be_free_leaves(lab: Lab) {
    let flights: Flights<u32> = lab.builder().build();
    let coflight::Entry::Leader(guard) = flights.enter(KEY) else { panic!("somebody else leads") };
    assert!(flights.cancel(KEY));
    let waits = boarded(flights.call().wait_timeout(LIMIT).run(KEY, || async { 2 }));
    lab.time().advance(LIMIT);
    assert_eq!(finish(&lab, waits).await, Err(Error::WaitTimedOut));
    drop(guard);
    assert_eq!(flights.run(KEY, || async { 2 }).await, Ok(2));
}

async fn a_follower_may_give_up_its_limit(lab: Lab) {
    let flights: Flights<u32> = lab.builder().wait_timeout(LIMIT).build();
    let Entry::Leader(leader) = flights.enter(KEY) else { panic!("somebody else leads") };
    let (Entry::Follower(patient), Entry::Follower(other)) = (flights.enter(KEY), flights.enter(KEY)) else {
        panic!("two lead")
    };
    let (mut patient, mut other) = (Box::pin(patient), Box::pin(other));
    assert!(poll_now(patient.as_mut()).is_pending() && poll_now(other.as_mut()).is_pending());
    patient.as_mut().unlimited();
    lab.time().advance(10 * LIMIT);
    assert!(matches!(other.await, Err(Error::WaitTimedOut)));
    assert!(poll_now(patient.as_mut()).is_pending());
    assert_eq!(leader.callers(), 2);
    assert_eq!(leader.complete(1), Ok(1));
    assert!(matches!(patient.await, Ok(Turn::Value(1))));
}
