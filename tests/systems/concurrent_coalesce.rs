//! concurrent-coalesce: one decorator for sync and async functions, with the arguments as key. Here the key is written out; each test has
//! a form for tasks and one for threads.
//!
//! The decorator is the attribute: its tests are those in `attribute`.

use std::sync::Arc;

use coflight::{Group, TryError};
use coflight_tests::*;

use crate::common::*;

matrix!(
    tasks_in_sequence_run_each_time,
    threads_in_sequence_run_each_time,
    tasks_with_the_same_arguments_share,
    threads_with_the_same_arguments_share,
    tasks_with_different_arguments_do_not_share,
    threads_with_different_arguments_do_not_share,
    an_error_reaches_a_task_and_the_next_call_runs_again,
    an_error_reaches_a_thread_and_the_next_call_runs_again,
    tasks_share_the_very_error,
    threads_share_the_very_error,
    tasks_choose_their_key,
    threads_choose_their_key,
    after_a_shared_call_tasks_run_again,
    after_a_shared_call_threads_run_again,
);

/// Promise 3: nothing is stored at rest.
async fn tasks_in_sequence_run_each_time(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let runs = Runs::default();
        for number in 0..3 {
            assert_eq!(ask(verb, flights.clone(), KEY, runs.now(number)).await, Ok(number), "{verb:?}");
        }
        assert_eq!((runs.count(), flights.len()), (3, 0));
    }
}

/// Promise 3, for threads.
async fn threads_in_sequence_run_each_time(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let runs = Runs::default();
    for number in 0..3 {
        let call = blocking(&flights, KEY, runs.closure(number));
        assert_eq!(lab.thread(call).await.returned(), Ok(number));
    }
    assert_eq!((runs.count(), flights.len()), (3, 0));
}

/// Two arguments of different types, one key.
type Arguments = (u32, String);

fn arguments(number: u32, text: &str) -> Arguments {
    (number, text.to_owned())
}

/// Promise 2.
async fn tasks_with_the_same_arguments_share(lab: Lab) {
    let flights: Group<Arguments, u32, AnyRuntime> = Group::with_runtime(lab.runtime());
    let (runs, gate) = (Runs::default(), Gate::new());
    let [one, same, other] = [arguments(1, "a"), arguments(1, "a"), arguments(1, "b")];
    let first = boarded(flights.run(&one, runs.work(&gate, 1)));
    let second = boarded(flights.relay(&same, runs.work(&gate, 2)));
    let third = boarded(flights.spawn(&other, runs.work(&gate, 3)));
    assert_eq!(flights.len(), 2);
    gate.open();
    assert_eq!((first.await, second.await, third.await), (Ok(1), Ok(1), Ok(3)));
    assert_eq!((runs.count(), flights.len()), (2, 0));
}

/// Promise 2, for threads.
async fn threads_with_the_same_arguments_share(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let runs = Runs::default();
    let first = lead(&flights, KEY);
    let threads = thread_crowd(&lab, &first, 4, || blocking(&flights, KEY, runs.closure(1))).await;
    drop(first);
    assert_eq!(results(threads).await, vec![Ok(1); 4]);
    assert_eq!((runs.count(), flights.len()), (1, 0));
}

/// Promise 1 is for one key.
async fn tasks_with_different_arguments_do_not_share(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let mut callers = Vec::new();
        for number in 0..5 {
            callers.extend(crowd(&lab, verb, &flights, &number.to_string(), 2, || runs.work(&gate, number)).await);
        }
        // All five at a time.
        assert_eq!((runs.live(), flights.len()), (5, 5), "{verb:?}");
        gate.open();
        let expected: Vec<_> = (0..5).flat_map(|number| [Ok(number), Ok(number)]).collect();
        assert_eq!(results(callers).await, expected, "{verb:?}");
        assert_eq!((runs.count(), flights.len()), (5, 0));
    }
}

/// Promise 1 is for one key. None of the works ends before all have begun.
async fn threads_with_different_arguments_do_not_share(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let (runs, all) = (Runs::default(), Arc::new(std::sync::Barrier::new(5)));
    let threads: Vec<_> = (0..5)
        .map(|number| {
            let (all, work) = (all.clone(), runs.closure(number));
            lab.thread(blocking(&flights, &number.to_string(), move || {
                all.wait();
                work()
            }))
        })
        .collect();
    assert_eq!(results(threads).await, [0, 1, 2, 3, 4].map(Ok));
    assert_eq!((runs.count(), flights.len()), (5, 0));
}

/// Promises 2 and 3: a failure is a result like any other, and stored no longer.
async fn an_error_reaches_a_task_and_the_next_call_runs_again(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<Fallible> = lab.group();
        let runs = Runs::default();
        let failed = ask(verb, flights.clone(), KEY, runs.now(Err(Arc::new(Broken("no"))))).await.unwrap();
        assert_eq!(*failed.unwrap_err(), Broken("no"), "{verb:?}");
        assert!(flights.is_empty());
        assert_eq!(ask(verb, flights.clone(), KEY, runs.now(Ok(1))).await, Ok(Ok(1)), "{verb:?}");
        assert_eq!((runs.count(), flights.len()), (2, 0));
    }
}

/// Promises 2 and 3, for threads.
async fn an_error_reaches_a_thread_and_the_next_call_runs_again(lab: Lab) {
    let flights: Flights<Fallible> = lab.group();
    let runs = Runs::default();
    let call = |result| {
        let (flights, work) = (flights.clone(), runs.closure(result));
        lab.thread(move || flights.try_run_blocking(KEY, work))
    };
    let failed = call(Err(Broken("no"))).await.returned().unwrap_err();
    assert_eq!(failed.work(), Some(&Broken("no")));
    assert!(flights.is_empty());
    assert_eq!(call(Ok(1)).await.returned().unwrap(), 1);
    assert_eq!((runs.count(), flights.len()), (2, 0));
}

/// Promise 2: everyone gets the same error, which need not be `Clone`.
async fn tasks_share_the_very_error(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<Fallible> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let callers = crowd(&lab, verb, &flights, KEY, 5, || runs.work(&gate, Err(Arc::new(Broken("shared"))))).await;
        gate.open();
        let errors: Vec<_> = results(callers).await.into_iter().map(|result| result.unwrap().unwrap_err()).collect();
        assert_eq!((errors.len(), &*errors[0]), (5, &Broken("shared")));
        assert!(errors.iter().all(|error| Arc::ptr_eq(error, &errors[0])), "{verb:?}");
        assert_eq!((runs.count(), flights.len()), (1, 0));
    }
}

/// Promise 2, for threads.
async fn threads_share_the_very_error(lab: Lab) {
    let flights: Flights<Fallible> = lab.group();
    let runs = Runs::default();
    let first = lead(&flights, KEY);
    let threads = thread_crowd(&lab, &first, 5, || {
        let (flights, work) = (flights.clone(), runs.closure(Err(Broken("shared"))));
        move || flights.try_run_blocking(KEY, work)
    })
    .await;
    drop(first);
    let errors: Vec<_> = results(threads)
        .await
        .into_iter()
        .map(|result| match result {
            Err(TryError::Work(error)) => error,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!((errors.len(), &*errors[0]), (5, &Broken("shared")));
    assert!(errors.iter().all(|error| Arc::ptr_eq(error, &errors[0])));
    assert_eq!((runs.count(), flights.len()), (1, 0));
}

/// Users are grouped by a property of theirs.
fn key_of(user: u32) -> String {
    (user % 2).to_string()
}

/// Promise 2: what should be grouped has one key, whatever else differs.
async fn tasks_choose_their_key(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let mut callers = Vec::new();
        for user in 0..6 {
            callers.extend(crowd(&lab, verb, &flights, &key_of(user), 1, || runs.work(&gate, user)).await);
        }
        gate.open();
        assert_eq!(results(callers).await, [0, 1, 0, 1, 0, 1].map(Ok), "{verb:?}");
        assert_eq!((runs.count(), flights.len()), (2, 0));
    }
}

/// Promise 2, for threads.
async fn threads_choose_their_key(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let leaders = [0, 1].map(|user| lead(&flights, &key_of(user)));
    let mut threads = Vec::new();
    for user in 2..6 {
        let leader = &leaders[user as usize % 2];
        threads.extend(thread_crowd(&lab, leader, 1, || blocking(&flights, &key_of(user), never)).await);
    }
    assert_eq!(flights.len(), 2);
    for (number, leader) in (0..).zip(leaders) {
        assert_eq!(leader.complete(number), Ok(number));
    }
    assert_eq!(results(threads).await, [0, 1, 0, 1].map(Ok));
    assert!(flights.is_empty());
}

/// Promise 3.
async fn after_a_shared_call_tasks_run_again(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let callers = crowd(&lab, verb, &flights, KEY, 3, || runs.work(&gate, 1)).await;
        gate.open();
        assert_eq!(results(callers).await, vec![Ok(1); 3], "{verb:?}");
        assert_eq!(ask(verb, flights.clone(), KEY, runs.now(2)).await, Ok(2), "{verb:?}");
        assert_eq!((runs.count(), flights.len()), (2, 0));
    }
}

/// Promise 3, for threads.
async fn after_a_shared_call_threads_run_again(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let runs = Runs::default();
    let first = lead(&flights, KEY);
    let threads = thread_crowd(&lab, &first, 3, || blocking(&flights, KEY, never)).await;
    assert_eq!(first.complete(1), Ok(1));
    assert_eq!(results(threads).await, vec![Ok(1); 3]);
    assert_eq!(lab.thread(blocking(&flights, KEY, runs.closure(2))).await.returned(), Ok(2));
    assert_eq!((runs.count(), flights.len()), (1, 0));
}
