//! shared-call: one object for threads and one for asyncio. Waits for stats: hits, misses, errors, the hit rate, and their reset.

use std::sync::{Arc, Barrier};

use coflight::{Role, Served};
use coflight_tests::*;

use crate::common::*;

matrix!(
    six_threads_at_a_barrier,
    six_tasks_at_once,
    after_forget_a_new_call_gets_its_own_value_and_a_third_joins_the_second,
    the_same_for_threads,
);

/// Promises 1 and 2: one execution, equal results, one leader and five followers.
async fn six_threads_at_a_barrier(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let (runs, barrier) = (Runs::default(), Arc::new(Barrier::new(6)));
    // The leader waits until the others are aboard, so that none can be late.
    let coflight::Entry::Leader(leader) = flights.enter(KEY) else { panic!("somebody else leads") };
    let threads: Vec<_> = (0..6)
        .map(|_| {
            let (flights, barrier, work) = (flights.clone(), barrier.clone(), runs.closure(7));
            lab.thread(move || {
                barrier.wait();
                flights.call().run_blocking_with_served(KEY, work)
            })
        })
        .collect();
    lab.until(|| leader.callers() == 7).await;
    drop(leader);
    let served: Vec<Served> = results(threads)
        .await
        .into_iter()
        .map(|(result, served)| {
            assert_eq!(result, Ok(7));
            served
        })
        .collect();
    assert_eq!(runs.count(), 1);
    let of = |role| served.iter().filter(|served| served.role == role).count();
    assert_eq!((of(Role::TookOver), of(Role::Followed)), (1, 5));
    assert!(flights.is_empty());
}

/// Promises 1 and 2, for tasks.
async fn six_tasks_at_once(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let callers = crowd(&lab, verb, &flights, KEY, 6, || runs.work(&gate, 7)).await;
        assert_eq!(flights.len(), 1, "executions in flight, not callers");
        gate.open();
        assert_eq!(results(callers).await, vec![Ok(7); 6], "{verb:?}");
        assert_eq!((runs.count(), flights.len()), (1, 0));
    }
}

/// Promises 4 and 13.
async fn after_forget_a_new_call_gets_its_own_value_and_a_third_joins_the_second(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, old_gate, new_gate) = (Runs::default(), Gate::new(), Gate::new());
        let first = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&old_gate, 1)).await;
        assert!(flights.forget(KEY));
        let second = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&new_gate, 2)).await;
        old_gate.open();
        assert_eq!(results(first).await, [Ok(1)], "the old one keeps its own");
        let third = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&new_gate, 3)).await;
        new_gate.open();
        assert_eq!((results(second).await, results(third).await), (vec![Ok(2)], vec![Ok(2)]), "{verb:?}");
        assert_eq!(runs.count(), 2);
    }
}

/// Promises 4 and 13, for threads.
async fn the_same_for_threads(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let thread = |work: Box<dyn FnOnce() -> u32 + Send>| {
        let flights = flights.clone();
        lab.thread(move || flights.run_blocking(KEY, work))
    };
    let coflight::Entry::Leader(first) = flights.enter(KEY) else { panic!("somebody else leads") };
    let aboard_first = thread(Box::new(|| panic!("a follower's work is called")));
    lab.until(|| first.callers() == 2).await;
    assert!(flights.forget(KEY));
    let coflight::Entry::Leader(second) = flights.enter(KEY) else { panic!("joined a forgotten flight") };
    assert_eq!(first.complete(1), Ok(1));
    assert_eq!(aboard_first.await.returned(), Ok(1));
    let third = thread(Box::new(|| panic!("a follower's work is called")));
    lab.until(|| second.callers() == 2).await;
    assert_eq!(second.complete(2), Ok(2));
    assert_eq!(third.await.returned(), Ok(2));
    assert!(flights.is_empty());
}
