//! concurrent-coalesce: one decorator for sync and async functions, with the arguments as key. Waits for the attribute; here the key is
//! written out.

use std::sync::Arc;

use coflight::{Group, TryError};
use coflight_tests::*;

use crate::common::*;

matrix!(
    sequential_calls_run_again,
    the_same_arguments_share,
    different_arguments_do_not,
    an_error_arrives,
    an_error_is_shared,
    a_key_of_the_callers_choice,
    threads_share_errors_too,
);

/// Promise 3: nothing is stored at rest, for tasks and threads.
async fn sequential_calls_run_again(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let runs = Runs::default();
        for number in 0..3 {
            assert_eq!(ask(verb, flights.clone(), KEY, runs.now(number)).await, Ok(number), "{verb:?}");
        }
        assert_eq!(runs.count(), 3);
    }
    let flights: Flights<u32> = lab.group();
    let runs = Runs::default();
    for number in 0..3 {
        let (flights, work) = (flights.clone(), runs.closure(number));
        assert_eq!(lab.thread(move || flights.run_blocking(KEY, work)).await.returned(), Ok(number));
    }
    assert_eq!(runs.count(), 3);
}

/// Promise 2: arguments of several types are one key.
async fn the_same_arguments_share(lab: Lab) {
    let flights: Group<(u32, String), u32, AnyRuntime> = Group::with_runtime(lab.runtime());
    let (runs, gate) = (Runs::default(), Gate::new());
    let key = (1, "a".to_owned());
    let first = boarded(flights.run(&key, runs.work(&gate, 1)));
    let same = (1, "a".to_owned());
    let second = boarded(flights.relay(&same, runs.work(&gate, 2)));
    gate.open();
    assert_eq!((first.await, second.await), (Ok(1), Ok(1)));
    assert_eq!(runs.count(), 1);
}

/// Promise 1 is for one key.
async fn different_arguments_do_not(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let mut callers = Vec::new();
        for number in 0..5 {
            callers.extend(crowd(&lab, verb, &flights, &number.to_string(), 2, || runs.work(&gate, number)).await);
        }
        lab.until(|| runs.count() == 5).await;
        assert_eq!(flights.len(), 5);
        gate.open();
        let expected: Vec<_> = (0..5).flat_map(|number| [Ok(number), Ok(number)]).collect();
        assert_eq!(results(callers).await, expected, "{verb:?}");
        assert_eq!(runs.count(), 5);
    }
}

/// Promise 2: a failure is a result like any other; and promise 3: the next call runs again.
async fn an_error_arrives(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<Fallible> = lab.group();
        let runs = Runs::default();
        let failed = ask(verb, flights.clone(), KEY, runs.now(Err(Arc::new(Broken("no"))))).await.unwrap();
        assert_eq!(*failed.unwrap_err(), Broken("no"), "{verb:?}");
        assert!(flights.is_empty());
        assert_eq!(ask(verb, flights.clone(), KEY, runs.now(Ok(1))).await, Ok(Ok(1)));
        assert_eq!(runs.count(), 2);
    }
}

/// Promise 2: everyone gets the very same error, which need not be `Clone`.
async fn an_error_is_shared(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<Fallible> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let callers = crowd(&lab, verb, &flights, KEY, 5, || runs.work(&gate, Err(Arc::new(Broken("shared"))))).await;
        gate.open();
        let errors: Vec<_> = results(callers).await.into_iter().map(|result| result.unwrap().unwrap_err()).collect();
        assert!(errors.iter().all(|error| Arc::ptr_eq(error, &errors[0])), "{verb:?}");
        assert_eq!(runs.count(), 1);
    }
}

/// What should be grouped has one key, whatever else differs.
async fn a_key_of_the_callers_choice(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let group_of = |user: u32| (user % 2).to_string();
        let mut callers = Vec::new();
        for user in 0..6 {
            callers.extend(crowd(&lab, verb, &flights, &group_of(user), 1, || runs.work(&gate, user)).await);
        }
        gate.open();
        assert_eq!(results(callers).await, [0, 1, 0, 1, 0, 1].map(Ok), "{verb:?}");
        assert_eq!(runs.count(), 2);
    }
}

/// Promise 2, for threads.
async fn threads_share_errors_too(lab: Lab) {
    let flights: Flights<Fallible> = lab.group();
    let coflight::Entry::Leader(leader) = flights.enter(KEY) else { panic!("somebody else leads") };
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let flights = flights.clone();
            lab.thread(move || flights.try_run_blocking(KEY, || panic!("a follower's work is called")))
        })
        .collect();
    lab.until(|| leader.callers() == 5).await;
    let error = Arc::new(Broken("shared"));
    assert!(leader.complete(Err(error.clone())).unwrap().is_err());
    for result in results(threads).await {
        let Err(TryError::Work(shared)) = result else { panic!("not the work's error") };
        assert!(Arc::ptr_eq(&shared, &error));
    }
}
