//! singleflight for Python: the same calls for threads, green threads and asyncio. Its tests of wrong types are those of what does not
//! compile: see `coflight_tests::compile_fail`. Waits for the attribute, which is what its `wrap` is.

use coflight_tests::*;

use crate::common::*;

matrix!(threads_call, tasks_call, callers_of_both_call, two_functions_with_a_group_each_do_not_mix);

/// Promise 1, for threads, each of which may come when the others are done.
async fn threads_call(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let runs = Runs::default();
    let threads: Vec<_> = (0..10)
        .map(|_| {
            let (flights, work) = (flights.clone(), runs.closure(5));
            lab.thread(move || flights.run_blocking(KEY, work))
        })
        .collect();
    assert_eq!(results(threads).await, vec![Ok(5); 10]);
    assert!((1..=10).contains(&runs.count()));
    assert!(flights.is_empty());
}

/// Promise 1, for tasks.
async fn tasks_call(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let callers = crowd(&lab, verb, &flights, KEY, 10, || runs.work(&gate, 5)).await;
        gate.open();
        assert_eq!(results(callers).await, vec![Ok(5); 10], "{verb:?}");
        assert_eq!(runs.count(), 1);
    }
}

/// Promise 17: green threads and threads on one key.
async fn callers_of_both_call(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let coflight::Entry::Leader(leader) = flights.enter(KEY) else { panic!("somebody else leads") };
    let (runs, gate) = (Runs::default(), Gate::new());
    let tasks = crowd(&lab, Verb::Relay, &flights, KEY, 5, || runs.work(&gate, 5)).await;
    let threads: Vec<_> = (0..5)
        .map(|_| {
            let (flights, work) = (flights.clone(), runs.closure(5));
            lab.thread(move || flights.run_blocking(KEY, work))
        })
        .collect();
    lab.until(|| leader.callers() == 11).await;
    drop(leader);
    gate.open();
    assert_eq!(results(tasks).await, vec![Ok(5); 5]);
    assert_eq!(results(threads).await, vec![Ok(5); 5]);
    assert_eq!(runs.count(), 1);
}

/// Two functions may use the same keys if each has a group of its own.
async fn two_functions_with_a_group_each_do_not_mix(lab: Lab) {
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
