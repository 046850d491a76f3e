//! shared-call: one object for threads and one for asyncio. Its stats are `hits`, `misses`, `failed`, `in_flight` and `hit_rate` here.
//!
//! Here the group is written out; what is decorated is tested in `attribute`. Its load test is the example `stampede`.

use std::sync::Arc;

use coflight::{Role, Stats};
use coflight_tests::*;

use crate::common::*;

matrix!(
    six_threads_at_once_execute_once,
    six_tasks_at_once_execute_once,
    stats_of_six_threads_are_5_1_0_0,
    stats_of_six_tasks_are_5_1_0_0,
    an_error_is_counted_once_however_many_share_it,
    reset_starts_anew,
    reset_in_flight_gives_no_negative_number,
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

/// Hits, misses, errors, in flight.
fn accounts(stats: Stats) -> [u64; 4] {
    [stats.hits(), stats.misses(), stats.failed, stats.in_flight]
}

/// Promise 18: the one who executes waits until the other five are there.
async fn stats_of_six_threads_are_5_1_0_0(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let runs = Runs::default();
    let threads: Vec<_> = (0..6)
        .map(|_| {
            let (inner, work) = (flights.clone(), runs.closure(7));
            lab.thread(blocking(&flights, KEY, move || {
                while inner.stats().waiting < 5 {
                    std::thread::yield_now();
                }
                assert_eq!(accounts(inner.stats()), [5, 1, 0, 1], "executions in flight, not callers");
                work()
            }))
        })
        .collect();
    assert_eq!(results(threads).await, vec![Ok(7); 6]);
    let stats = flights.stats();
    assert_eq!((accounts(stats), runs.count()), ([5, 1, 0, 0], 1));
    assert!((stats.hit_rate() - 5.0 / 6.0).abs() < 1e-12);
}

/// Promise 18, for tasks.
async fn stats_of_six_tasks_are_5_1_0_0(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        assert_eq!(flights.stats().hit_rate().to_bits(), 0_f64.to_bits(), "none yet");
        let (runs, gate) = (Runs::default(), Gate::new());
        let callers = crowd(&lab, verb, &flights, KEY, 6, || runs.work(&gate, 7)).await;
        assert_eq!(accounts(flights.stats()), [5, 1, 0, 1], "{verb:?}: executions in flight, not callers");
        gate.open();
        assert_eq!(results(callers).await, vec![Ok(7); 6], "{verb:?}");
        let stats = flights.stats();
        assert_eq!((accounts(stats), runs.count()), ([5, 1, 0, 0], 1), "{verb:?}");
        assert!((stats.hit_rate() - 5.0 / 6.0).abs() < 1e-12);
    }
}

/// Promise 18: one a flight.
async fn an_error_is_counted_once_however_many_share_it(lab: Lab) {
    let failing = |result: &Fallible| result.is_err();
    for &verb in lab.verbs() {
        let flights: Flights<Fallible> = lab.builder().failed_if(failing).build();
        let (runs, gate) = (Runs::default(), Gate::new());
        let callers = crowd(&lab, verb, &flights, KEY, 4, || runs.work(&gate, Err(Arc::new(Broken("no"))))).await;
        gate.open();
        assert!(results(callers).await.into_iter().all(|result| result.unwrap().is_err()));
        assert_eq!(accounts(flights.stats()), [3, 1, 1, 0], "{verb:?}");
    }
    // The `try_` verbs know by themselves.
    let flights: Flights<Fallible> = lab.group();
    let inner = flights.clone();
    assert!(lab.thread(move || inner.try_run_blocking(KEY, || Err(Broken("no")))).await.returned().is_err());
    assert_eq!(accounts(flights.stats()), [0, 1, 1, 0]);
}

/// Promise 18.
async fn reset_starts_anew(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let callers = crowd(&lab, verb, &flights, KEY, 3, || runs.work(&gate, 1)).await;
        gate.open();
        assert_eq!(results(callers).await, vec![Ok(1); 3]);
        assert_eq!(accounts(flights.reset_stats()), [2, 1, 0, 0], "{verb:?}");
        assert_eq!((flights.stats(), flights.stats().hit_rate().to_bits()), (Stats::default(), 0_f64.to_bits()));
        assert_eq!(ask(verb, flights.clone(), KEY, runs.now(2)).await, Ok(2));
        assert_eq!(accounts(flights.stats()), [0, 1, 0, 0], "{verb:?}");
    }
}

/// Promise 18.
async fn reset_in_flight_gives_no_negative_number(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let callers = crowd(&lab, verb, &flights, KEY, 3, || runs.work(&gate, 1)).await;
        flights.reset_stats();
        assert_eq!(accounts(flights.stats()), [0, 0, 0, 1], "{verb:?}: what is in flight stays so");
        gate.open();
        assert_eq!(results(callers).await, vec![Ok(1); 3]);
        assert_eq!(accounts(flights.stats()), [0, 0, 0, 0], "{verb:?}");
        assert_eq!(flights.stats().completed, 1, "{verb:?}: it ended after the reset");
    }
}
