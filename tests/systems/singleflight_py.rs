//! singleflight for Python: the same calls for threads, green threads and asyncio. Its tests of wrong types are those of what does not
//! compile: see `coflight_tests::compile_fail`.
//!
//! Here the group is written out. Its `wrap` is the attribute, whose tests are those in `attribute`.

use coflight_tests::*;

use crate::common::*;

matrix!(threads_share_a_call, tasks_share_a_call, threads_and_tasks_share_a_call, two_functions_do_not_mix);

/// Promise 1, for threads.
async fn threads_share_a_call(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let runs = Runs::default();
    let first = lead(&flights, KEY);
    let threads = thread_crowd(&lab, &first, 10, || blocking(&flights, KEY, runs.closure(5))).await;
    drop(first);
    assert_eq!(results(threads).await, vec![Ok(5); 10]);
    assert_eq!((runs.count(), flights.len()), (1, 0));
}

/// Promise 1, for tasks.
async fn tasks_share_a_call(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let callers = crowd(&lab, verb, &flights, KEY, 10, || runs.work(&gate, 5)).await;
        gate.open();
        assert_eq!(results(callers).await, vec![Ok(5); 10], "{verb:?}");
        assert_eq!((runs.count(), flights.len()), (1, 0));
    }
}

/// Promises 1, 6 and 17: whichever of them goes on when the first has left, they share it.
async fn threads_and_tasks_share_a_call(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let first = lead(&flights, KEY);
        let tasks = crowd(&lab, verb, &flights, KEY, 5, || runs.work(&gate, 5)).await;
        let threads = thread_crowd(&lab, &first, 5, || blocking(&flights, KEY, runs.closure(5))).await;
        drop(first);
        gate.open();
        assert_eq!(results(tasks).await, vec![Ok(5); 5], "{verb:?}");
        assert_eq!(results(threads).await, vec![Ok(5); 5], "{verb:?}");
        assert_eq!((runs.count(), flights.len()), (1, 0), "{verb:?}");
    }
}

/// Promise 2: two functions may use the same keys if each has a group of its own, whatever they produce.
async fn two_functions_do_not_mix(lab: Lab) {
    for &verb in lab.verbs() {
        let (lengths, names): (Flights<usize>, Flights<String>) = (lab.group(), lab.group());
        let (runs, gate) = (Runs::default(), Gate::new());
        let one = crowd(&lab, verb, &lengths, KEY, 2, || runs.work(&gate, 3)).await;
        let other = crowd(&lab, verb, &names, KEY, 2, || runs.work(&gate, "name".to_owned())).await;
        gate.open();
        assert_eq!(results(one).await, vec![Ok(3); 2]);
        assert_eq!(results(other).await, vec![Ok("name".to_owned()); 2], "{verb:?}");
        assert_eq!(runs.count(), 2);
    }
}
