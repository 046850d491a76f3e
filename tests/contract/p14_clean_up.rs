//! Promises 1 and 14: what the limit ends is torn down by one, and only newcomers wait for that.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use coflight::{Entry, Error};
use coflight_tests::*;
use futures_lite::future::block_on;

use crate::by::*;
use crate::common::*;

matrix!(
    newcomers_wait_until_the_work_is_gone,
    newcomers_wait_no_longer_than_their_own_limit,
    forget_lets_newcomers_start_meanwhile,
    newcomers_wait_until_a_closure_has_returned,
    newcomers_wait_until_a_guard_is_gone,
    a_parked_work_is_in_nobodys_way,
);

const LIMIT: Duration = Duration::from_secs(5);

/// Blocks whoever drops it until it is told to go on.
struct Slow {
    dropping: Arc<AtomicUsize>,
    go_on: mpsc::Receiver<()>,
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.dropping.fetch_add(1, Ordering::SeqCst);
        // An error says that the test is over.
        let _ = self.go_on.recv();
    }
}

/// A flight that has run into its limit, and whose leader, on a thread of its own, is in the middle of dropping the work.
async fn torn_down(lab: &Lab, verb: Verb) -> (Flights<u32>, Task<Result<u32, Error>>, mpsc::Sender<()>) {
    let flights: Flights<u32> = lab.builder().timeout(LIMIT).build();
    let (clean, go_on) = mpsc::channel();
    let dropping = Arc::new(AtomicUsize::new(0));
    let slow = Slow { dropping: Arc::clone(&dropping), go_on };
    let work = value(move || async move {
        let _slow = slow;
        std::future::pending().await
    });
    let leader = call(verb, &flights, work);
    let leader = lab.thread(move || block_on(leader));
    lab.until(|| lab.time().timers() == 1).await;
    lab.time().advance(LIMIT);
    lab.until(|| dropping.load(Ordering::SeqCst) == 1).await;
    (flights, leader, clean)
}

async fn newcomers_wait_until_the_work_is_gone(lab: Lab) {
    for leading in [Verb::Run, Verb::Relay] {
        for &verb in lab.verbs() {
            let (flights, leader, clean) = torn_down(&lab, leading).await;
            assert!(flights.is_empty() && !flights.contains(KEY), "it is over");
            let witness = Witness::default();
            let newcomers = [(); 2].map(|()| boarded(call(verb, &flights, witness.watch(at_once(2)))));
            let thread = flights.clone();
            let thread = lab.thread(move || thread.call().timeout(None).run_blocking(KEY, || 2));
            assert_eq!(witness.begun(), 0, "{verb:?} after {leading:?}");
            clean.send(()).expect("the leader cleans up");
            assert_eq!(leader.await.returned(), Err(Error::TimedOut));
            for newcomer in newcomers {
                assert_eq!(finish(&lab, newcomer).await, Ok(2), "{verb:?} after {leading:?}");
            }
            assert_eq!(thread.await.returned(), Ok(2));
        }
    }
}

async fn newcomers_wait_no_longer_than_their_own_limit(lab: Lab) {
    for leading in [Verb::Run, Verb::Relay] {
        for &verb in lab.verbs() {
            let (flights, leader, clean) = torn_down(&lab, leading).await;
            let groups = boarded(call(verb, &flights, never()));
            let own = boarded(asking(verb, &flights, |call| call.timeout(LIMIT / 2), never()));
            let leaves = boarded(asking(verb, &flights, |call| call.wait_timeout(LIMIT / 2), never()));
            let patient = boarded(asking(verb, &flights, |call| call.timeout(None), at_once(2)));
            lab.time().advance(LIMIT / 2);
            assert_eq!(finish(&lab, own).await, Err(Error::TimedOut), "{verb:?} after {leading:?}");
            assert_eq!(finish(&lab, leaves).await, Err(Error::WaitTimedOut), "{verb:?} after {leading:?}");
            lab.time().advance(LIMIT / 2);
            assert_eq!(finish(&lab, groups).await, Err(Error::TimedOut), "{verb:?} after {leading:?}");
            clean.send(()).expect("the leader cleans up");
            assert_eq!(leader.await.returned(), Err(Error::TimedOut));
            assert_eq!(finish(&lab, patient).await, Ok(2), "{verb:?} after {leading:?}");
        }
    }
}

/// Promise 13.
async fn forget_lets_newcomers_start_meanwhile(lab: Lab) {
    for leading in [Verb::Run, Verb::Relay] {
        let (flights, leader, clean) = torn_down(&lab, leading).await;
        let waits = boarded(call(Verb::Run, &flights, at_once(2)));
        assert!(!flights.forget(KEY), "nothing is in progress");
        assert_eq!(finish(&lab, waits).await, Ok(2), "{leading:?}");
        clean.send(()).expect("the leader cleans up");
        assert_eq!(leader.await.returned(), Err(Error::TimedOut));
    }
}

async fn newcomers_wait_until_a_closure_has_returned(lab: Lab) {
    for by in By::ALL {
        let flights: Flights<u32> = lab.builder().timeout(LIMIT).build();
        let gate = Gate::new();
        let leader = By::Thread.aboard(&lab, &flights, behind(&gate, 1)).await;
        let follower = boarded(call(Verb::Run, &flights, never()));
        lab.time().advance(LIMIT);
        assert_eq!(finish(&lab, follower).await, Err(Error::TimedOut));
        let witness = Witness::default();
        let newcomer = by.start(&lab, &flights, witness.watch(at_once(2)));
        // It waits, and keeps its own limit.
        lab.until(|| lab.time().timers() == 1).await;
        assert_eq!(witness.begun(), 0, "{by:?}");
        gate.open();
        assert_eq!(leader.await.returned(), Err(Error::TimedOut));
        assert_eq!(newcomer.await.returned(), Ok(2), "{by:?}");
        assert_eq!(witness.begun(), 1);
    }
}

async fn newcomers_wait_until_a_guard_is_gone(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().timeout(LIMIT).build();
        let Entry::Leader(guard) = flights.enter(KEY) else { panic!("somebody else leads") };
        let follower = boarded(call(verb, &flights, never()));
        lab.time().advance(LIMIT);
        assert_eq!(finish(&lab, follower).await, Err(Error::TimedOut), "{verb:?}");
        assert!(guard.is_cancelled() && flights.is_empty());
        let newcomer = boarded(call(verb, &flights, at_once(2)));
        drop(guard);
        assert_eq!(finish(&lab, newcomer).await, Ok(2), "{verb:?}");
    }
}

/// A work that is not being polled does not run, so the next one may.
async fn a_parked_work_is_in_nobodys_way(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().timeout(LIMIT).build();
        let witness = Witness::default();
        let parked = boarded(call(Verb::Run, &flights, witness.watch(endless())));
        let follower = boarded(call(verb, &flights, never()));
        lab.time().advance(LIMIT);
        assert_eq!(finish(&lab, follower).await, Err(Error::TimedOut), "{verb:?}");
        assert_eq!(finish(&lab, call(verb, &flights, at_once(2))).await, Ok(2), "{verb:?}");
        assert_eq!(witness.gone(), 0, "it lies in the leader's future");
        assert_eq!(finish(&lab, parked).await, Err(Error::TimedOut));
        assert_eq!(witness.gone(), 1);
    }
}
