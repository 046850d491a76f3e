//! Go's `golang.org/x/sync/singleflight`.

use std::sync::Arc;

use coflight::Error;
use coflight_tests::*;

use crate::common::*;

matrix!(
    a_value,
    an_error,
    duplicates_are_suppressed,
    forget_does_not_remove_the_successor,
    the_call_is_a_future,
    a_panic_reaches_all_and_nobody_hangs,
    a_leader_whose_task_ends_hangs_nobody,
    a_panic_keeps_its_error_value,
    a_duplicates_function_never_runs,
    forget_of_an_unshared_key,
);

/// Promise 2.
async fn a_value(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<String> = lab.group();
        let work = value(|| async { "bar".to_owned() });
        assert_eq!(ask(verb, flights.clone(), KEY, work).await.as_deref(), Ok("bar"));
    }
}

/// Promise 2.
async fn an_error(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<Fallible> = lab.group();
        let error = Arc::new(Broken("some error"));
        let work = Runs::default().now(Err(error.clone()));
        let told = ask(verb, flights.clone(), KEY, work).await.unwrap().unwrap_err();
        assert!(Arc::ptr_eq(&told, &error), "{verb:?}");
    }
}

/// Promise 1: ten callers who need not be there at the same time: at least one and fewer than ten runs.
async fn duplicates_are_suppressed(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let callers = crowd(&lab, verb, &flights, KEY, 10, || runs.work(&gate, 1)).await;
        gate.open();
        assert_eq!(results(callers).await, vec![Ok(1); 10]);
        assert!((1..10).contains(&runs.count()), "{verb:?}: {} runs", runs.count());
    }
}

/// Promise 4: the first ends after `forget`, and a third call joins the second.
async fn forget_does_not_remove_the_successor(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, first_gate, second_gate) = (Runs::default(), Gate::new(), Gate::new());
        let first = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&first_gate, 1)).await;
        flights.forget(KEY);
        let second = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&second_gate, 2)).await;
        first_gate.open();
        assert_eq!(results(first).await, [Ok(1)]);
        let third = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&second_gate, 3)).await;
        second_gate.open();
        assert_eq!((results(second).await, results(third).await), (vec![Ok(2)], vec![Ok(2)]), "{verb:?}");
    }
}

/// The channel form: here any call is a future, to be waited for when one likes.
async fn the_call_is_a_future(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let mut callers = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 1)).await;
        let caller = callers.pop().unwrap();
        gate.open();
        lab.until(|| flights.is_empty()).await;
        assert_eq!(caller.await.returned(), Ok(1), "{verb:?}");
    }
}

/// Promise 9.
async fn a_panic_reaches_all_and_nobody_hangs(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let gate = Gate::new();
        let work = || {
            let gate = gate.clone();
            value(move || async move {
                gate.wait().await;
                panic!("invalid memory address or nil pointer dereference")
            })
        };
        let callers = crowd(&lab, verb, &flights, KEY, 5, work).await;
        gate.open();
        let (mut unwound, mut told) = (0, 0);
        for caller in callers {
            match caller.await {
                Ended::Panicked(_) => unwound += 1,
                Ended::Returned(Err(Error::Panicked(_))) => told += 1,
                other => panic!("{verb:?}: {other:?}"),
            }
        }
        assert_eq!((unwound, told), (1, 4), "{verb:?}");
        assert!(flights.is_empty());
    }
}

/// Promise 6: Go's goroutine exits; here the leader's task is stopped. Nobody hangs, and all get a result.
async fn a_leader_whose_task_ends_hangs_nobody(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let leader = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 1)).await.pop().unwrap();
        let followers = crowd(&lab, verb, &flights, KEY, 4, || runs.work(&gate, 1)).await;
        leader.abort();
        assert!(matches!(leader.await, Ended::Dropped));
        gate.open();
        assert_eq!(results(followers).await, vec![Ok(1); 4], "{verb:?}");
        let expected = if matches!(verb, Verb::Run | Verb::Enter) { 2 } else { 1 };
        assert_eq!(runs.count(), expected, "{verb:?}");
    }
}

/// Promise 9: the leader unwinds with the very value.
async fn a_panic_keeps_its_error_value(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let work = value(|| async { std::panic::panic_any(Broken("in a panic")) });
        let Ended::Panicked(payload) = lab.start(ask(verb, flights, KEY, work)).await else { panic!("{verb:?}") };
        assert_eq!(payload.downcast_ref::<Broken>(), Some(&Broken("in a panic")), "{verb:?}");
    }
}

/// Promise 12.
async fn a_duplicates_function_never_runs(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let leader = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 1)).await;
        let followers =
            crowd(&lab, verb, &flights, KEY, 4, || Box::new(|| panic!("a follower's work is called"))).await;
        gate.open();
        assert_eq!(results(leader).await, [Ok(1)]);
        assert_eq!(results(followers).await, vec![Ok(1); 4], "{verb:?}");
        assert_eq!(runs.count(), 1);
    }
}

/// Promise 13: forgetting what nobody shares changes nothing for its only caller, and leaves nothing.
async fn forget_of_an_unshared_key(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        assert!(!flights.forget(KEY));
        let caller = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 1)).await;
        assert!(flights.forget(KEY));
        gate.open();
        assert_eq!(results(caller).await, [Ok(1)], "{verb:?}");
        assert!(flights.is_empty());
    }
}
