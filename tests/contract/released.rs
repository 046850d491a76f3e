//! `release`: a result that cannot be shared lets everybody go alone.

use std::time::Duration;

use coflight::{Entry, Error, Role, Turn};
use coflight_tests::*;

use crate::by::*;
use crate::common::*;

matrix!(
    all_works_run_at_the_same_time,
    newcomers_start_a_flight_of_their_own,
    nobody_shares_what_one_alone_found,
    one_who_goes_alone_can_leave,
    limits_of_who_goes_alone,
    the_time_of_who_goes_alone,
    it_is_a_turn_to_lead,
    nothing_to_release_any_more,
);

const LIMIT: Duration = Duration::from_secs(5);

fn leader(flights: &Flights<u32>) -> coflight::Leader<String, u32, AnyRuntime, coflight::DefaultHashBuilder> {
    match flights.enter(KEY) {
        Entry::Leader(leader) => leader,
        Entry::Follower(_) => panic!("somebody else leads"),
    }
}

/// Those of tasks and of threads.
async fn all_works_run_at_the_same_time(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let guard = leader(&flights);
    // Each work waits until all run.
    let all = Latch::new(By::ALL.len());
    let mut callers = Vec::new();
    for (own, by) in (0..).zip(By::ALL) {
        let all = all.clone();
        let work = value(move || async move {
            all.arrive();
            all.wait().await;
            own
        });
        callers.push(by.aboard(&lab, &flights, work).await);
    }
    assert_eq!(guard.release(), Ok(()));
    assert!(flights.is_empty() && !flights.contains(KEY));
    for (own, caller) in (0..).zip(callers) {
        assert_eq!(caller.await.returned(), Ok(own), "{:?}", By::ALL[own as usize]);
    }
    assert_eq!((flights.stats().released, flights.stats().alone, flights.stats().led), (1, 5, 1));
}

async fn newcomers_start_a_flight_of_their_own(lab: Lab) {
    for by in By::ALL {
        let flights: Flights<u32> = lab.group();
        let guard = leader(&flights);
        let gate = Gate::new();
        let alone = by.aboard(&lab, &flights, behind(&gate, 1)).await;
        assert_eq!(guard.release(), Ok(()));
        lab.until(|| flights.stats().alone == 1).await;
        assert_eq!(by.start(&lab, &flights, at_once(2)).await.returned(), Ok(2), "{by:?}: beside who goes alone");
        gate.open();
        assert_eq!(alone.await.returned(), Ok(1), "{by:?}");
    }
}

/// Promise 9 as well: a panic, and a failure, are nobody else's.
async fn nobody_shares_what_one_alone_found(lab: Lab) {
    for by in By::ALL {
        let flights: Flights<u32> = lab.group();
        let guard = leader(&flights);
        let panics = by.aboard(&lab, &flights, value(|| async { panic!("alone") })).await;
        let other = by.aboard(&lab, &flights, at_once(2)).await;
        assert_eq!(guard.release(), Ok(()));
        assert_eq!(panics.await.panicked(), "alone", "{by:?}");
        assert_eq!(other.await.returned(), Ok(2), "{by:?}");
        assert_eq!((flights.stats().panicked, flights.len()), (0, 0), "no flight did");
    }
}

/// Promises 5 and 7.
async fn one_who_goes_alone_can_leave(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let guard = leader(&flights);
        let witness = Witness::default();
        let mut leaves = boarded(call(verb, &flights, witness.watch(endless())));
        let stays = boarded(call(verb, &flights, at_once(2)));
        assert_eq!(guard.release(), Ok(()));
        assert!(poll_now(leaves.as_mut()).is_pending());
        lab.until(|| witness.begun() == 1).await;
        drop(leaves);
        lab.until(|| witness.gone() == 1).await;
        assert_eq!(finish(&lab, stays).await, Ok(2), "{verb:?}");
    }
}

/// Promise 14: a caller's own limit goes with it.
async fn limits_of_who_goes_alone(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        let flights: Flights<u32> = lab.builder().wait_timeout(LIMIT).build();
        let guard = leader(&flights);
        let witness = Witness::default();
        let mut alone = boarded(call(verb, &flights, witness.watch(endless())));
        lab.time().advance(LIMIT / 2);
        assert_eq!(guard.release(), Ok(()));
        assert!(poll_now(alone.as_mut()).is_pending());
        lab.until(|| witness.begun() == 1).await;
        lab.time().advance(LIMIT / 2 - Duration::from_nanos(1));
        assert!(poll_now(alone.as_mut()).is_pending(), "{verb:?}");
        lab.time().advance(Duration::from_nanos(1));
        assert_eq!(finish(&lab, alone).await, Err(Error::WaitTimedOut), "{verb:?}");
        lab.until(|| witness.gone() == 1 && lab.time().timers() == 0).await;
    }
}

async fn the_time_of_who_goes_alone(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        let flights: Flights<u32> = lab.builder().timeout(LIMIT).build();
        let guard = leader(&flights);
        let mut alone = boarded(call(verb, &flights, endless()));
        lab.time().advance(LIMIT / 2);
        assert_eq!(guard.release(), Ok(()));
        // Its work begins now, and has all of it.
        assert!(poll_now(alone.as_mut()).is_pending());
        lab.time().advance(LIMIT - Duration::from_nanos(1));
        assert!(poll_now(alone.as_mut()).is_pending(), "{verb:?}");
        lab.time().advance(Duration::from_nanos(1));
        assert_eq!(finish(&lab, alone).await, Err(Error::TimedOut), "{verb:?}");
    }
}

async fn it_is_a_turn_to_lead(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let guard = leader(&flights);
    let Entry::Follower(follower) = flights.enter(KEY) else { panic!("two lead") };
    let other = boarded(flights.run(KEY, || async { 2 }).with_served());
    assert_eq!(guard.release(), Ok(()));
    let Ok(Turn::Leader(alone)) = follower.await else { panic!("it goes alone") };
    assert_eq!((alone.role(), alone.callers()), (Role::Alone, 1));
    assert!(flights.is_empty(), "nobody can join it");
    assert_eq!(alone.complete(1), Ok(1));
    let (result, served) = finish(&lab, other).await;
    assert_eq!((result, served.role, served.callers), (Ok(2), Role::Alone, 1));
}

async fn nothing_to_release_any_more(lab: Lab) {
    let flights: Flights<u32> = lab.builder().timeout(LIMIT).build();
    let guard = leader(&flights);
    assert!(flights.cancel(KEY));
    assert_eq!(guard.release(), Err(Error::Cancelled));
    let guard = leader(&flights);
    let follower = boarded(call(Verb::Run, &flights, never()));
    lab.time().advance(LIMIT);
    assert_eq!(finish(&lab, follower).await, Err(Error::TimedOut));
    assert_eq!(guard.release(), Err(Error::TimedOut));
    assert_eq!(flights.stats().released, 0);
}
