//! shared-call: one object for threads and one for asyncio. What it counts in stats is counted by the works and by the callers' roles.
//!
//! Waits for: stats (hits, misses, errors, in flight, the hit rate) and their reset.

use coflight::Role;
use coflight_tests::*;

use crate::common::*;

matrix!(
    six_threads_at_once_execute_once,
    six_tasks_at_once_execute_once,
    after_forget_each_thread_keeps_its_own_value_and_a_third_joins_the_second,
    after_forget_each_task_keeps_its_own_value_and_a_third_joins_the_second,
);

/// Promises 1 and 2: five joined, one executed, none failed, none is left.
async fn six_threads_at_once_execute_once(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let runs = Runs::default();
    // This is the barrier: it leaves when all six are aboard, and one of them takes over.
    let barrier = lead(&flights, KEY);
    let threads = thread_crowd(&lab, &barrier, 6, || {
        let (flights, work) = (flights.clone(), runs.closure(7));
        move || flights.call().run_blocking_with_served(KEY, work)
    })
    .await;
    assert_eq!((runs.count(), flights.len()), (0, 1));
    drop(barrier);
    let (mut executed, mut joined) = (0, 0);
    for (result, served) in results(threads).await {
        assert_eq!((result, served.callers), (Ok(7), 6));
        match served.role {
            Role::TookOver => executed += 1,
            Role::Followed => joined += 1,
            role => panic!("{role:?}"),
        }
    }
    assert_eq!((joined, executed, runs.count(), flights.len()), (5, 1, 1, 0));
}

/// Promises 1 and 2, for tasks.
async fn six_tasks_at_once_execute_once(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate, all) = (Runs::default(), Gate::new(), Latch::new(6));
        let callers: Vec<_> = (0..6)
            .map(|_| {
                let (flights, work) = (flights.clone(), runs.work(&gate, 7));
                lab.start(asked(async move { ask_served(verb, flights, KEY, work).await }, &all))
            })
            .collect();
        all.wait().await;
        assert_eq!(flights.len(), 1, "executions in flight, not callers");
        gate.open();
        let (mut executed, mut joined) = (0, 0);
        for (result, role, callers) in results(callers).await {
            assert_eq!((result, callers), (Ok(7), 6), "{verb:?}");
            match role {
                Role::Led => executed += 1,
                Role::Followed => joined += 1,
                role => panic!("{verb:?}: {role:?}"),
            }
        }
        assert_eq!((joined, executed, runs.count(), flights.len()), (5, 1, 1, 0), "{verb:?}");
    }
}

/// Promises 4 and 13, for threads.
async fn after_forget_each_thread_keeps_its_own_value_and_a_third_joins_the_second(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let first = lead(&flights, KEY);
    let aboard_first = thread_crowd(&lab, &first, 1, || blocking(&flights, KEY, never)).await;
    assert!(flights.forget(KEY));
    let second = lead(&flights, KEY);
    assert_eq!(first.complete(1), Ok(1));
    assert_eq!(results(aboard_first).await, [Ok(1)], "the old one keeps its own");
    let third = thread_crowd(&lab, &second, 1, || blocking(&flights, KEY, never)).await;
    assert_eq!(second.complete(2), Ok(2));
    assert_eq!(results(third).await, [Ok(2)]);
    assert!(flights.is_empty());
}

/// Promises 4 and 13, for tasks.
async fn after_forget_each_task_keeps_its_own_value_and_a_third_joins_the_second(lab: Lab) {
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
        assert_eq!((runs.count(), flights.len()), (2, 0));
    }
}
