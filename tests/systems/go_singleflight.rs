//! Go's `golang.org/x/sync/singleflight`: for goroutines, which are tasks here and, where the form differs, threads.

use std::panic::panic_any;
use std::sync::Arc;

use coflight::Error;
use coflight_tests::*;

use crate::common::*;

matrix!(
    a_value_is_returned,
    an_error_is_returned,
    ten_callers_run_fewer_than_ten_times,
    ten_threads_run_fewer_than_ten_times,
    forget_does_not_remove_the_successor,
    forget_of_a_key_that_nobody_shares,
    the_call_can_be_waited_for_later,
    a_panic_reaches_all_five_tasks_and_none_hangs,
    a_panic_reaches_all_five_threads_and_none_hangs,
    a_leader_whose_task_ends_leaves_none_of_five_hanging,
    a_panic_keeps_its_error_value,
    a_followers_function_never_runs,
);

/// Promise 2.
async fn a_value_is_returned(lab: Lab) {
    let (flights, runs): (Flights<String>, _) = (lab.group(), Runs::default());
    for &verb in lab.verbs() {
        let work = runs.now("bar".to_owned());
        assert_eq!(ask(verb, flights.clone(), KEY, work).await.as_deref(), Ok("bar"), "{verb:?}");
    }
    let thread = lab.thread(blocking(&flights, KEY, runs.closure("bar".to_owned())));
    assert_eq!(thread.await.returned().as_deref(), Ok("bar"));
    assert_eq!((runs.count(), flights.len()), (lab.verbs().len() + 1, 0));
}

/// Promise 2.
async fn an_error_is_returned(lab: Lab) {
    let (flights, runs): (Flights<Fallible>, _) = (lab.group(), Runs::default());
    let error = Arc::new(Broken("some error"));
    for &verb in lab.verbs() {
        let told = ask(verb, flights.clone(), KEY, runs.now(Err(error.clone()))).await.unwrap().unwrap_err();
        assert!(Arc::ptr_eq(&told, &error), "{verb:?}");
    }
    let thread = lab.thread(blocking(&flights, KEY, runs.closure(Err(error.clone()))));
    assert!(Arc::ptr_eq(&thread.await.returned().unwrap().unwrap_err(), &error));
    assert_eq!((runs.count(), flights.len()), (lab.verbs().len() + 1, 0));
}

/// Promise 1: two are there together, eight may be late.
async fn ten_callers_run_fewer_than_ten_times(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, two) = (Runs::default(), Latch::new(2));
        let callers: Vec<_> = (0..10)
            .map(|number| {
                let two_are_there = two.clone();
                let work = runs.doing(move || async move {
                    two_are_there.wait().await;
                    1
                });
                let call = ask(verb, flights.clone(), KEY, work);
                if number < 2 { lab.start(asked(call, &two)) } else { lab.start(call) }
            })
            .collect();
        assert_eq!(results(callers).await, vec![Ok(1); 10], "{verb:?}");
        assert!((1..10).contains(&runs.count()), "{verb:?}: {} runs", runs.count());
        assert!(flights.is_empty());
    }
}

/// Promise 1, for threads: two are there together, eight may be late.
async fn ten_threads_run_fewer_than_ten_times(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let runs = Runs::default();
    let first = lead(&flights, KEY);
    let mut threads = thread_crowd(&lab, &first, 2, || blocking(&flights, KEY, runs.closure(1))).await;
    threads.extend((0..8).map(|_| lab.thread(blocking(&flights, KEY, runs.closure(1)))));
    drop(first);
    assert_eq!(results(threads).await, vec![Ok(1); 10]);
    assert!((1..10).contains(&runs.count()), "{} runs", runs.count());
    assert!(flights.is_empty());
}

/// Promise 4: the first ends after `forget`, and a third call joins the second.
async fn forget_does_not_remove_the_successor(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, first_gate, second_gate) = (Runs::default(), Gate::new(), Gate::new());
        let first = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&first_gate, 1)).await;
        assert!(flights.forget(KEY));
        let second = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&second_gate, 2)).await;
        first_gate.open();
        assert_eq!(results(first).await, [Ok(1)]);
        assert!(flights.contains(KEY), "{verb:?}");
        let third = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&second_gate, 3)).await;
        second_gate.open();
        assert_eq!((results(second).await, results(third).await), (vec![Ok(2)], vec![Ok(2)]), "{verb:?}");
        assert_eq!((runs.count(), flights.len()), (2, 0));
    }
}

/// Promise 13: forgetting what nobody shares changes nothing for its only caller, and leaves nothing.
async fn forget_of_a_key_that_nobody_shares(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        assert!(!flights.forget(KEY));
        let caller = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 1)).await;
        assert!(flights.forget(KEY) && !flights.forget(KEY));
        gate.open();
        assert_eq!(results(caller).await, [Ok(1)], "{verb:?}");
        assert_eq!((runs.count(), flights.len()), (1, 0));
    }
}

/// Promise 2: the channel form. Here any call is a future, whose result can be taken long after it is there.
async fn the_call_can_be_waited_for_later(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let callers = crowd(&lab, verb, &flights, KEY, 2, || runs.work(&gate, 1)).await;
        gate.open();
        lab.until(|| flights.is_empty()).await;
        assert_eq!(results(callers).await, vec![Ok(1); 2], "{verb:?}");
        assert_eq!(runs.count(), 1);
    }
}

const NIL: &str = "invalid memory address or nil pointer dereference";

/// How five callers ended: with the panic itself, or with word of it.
async fn unwound_and_told(callers: Vec<Task<Result<u32, Error>>>) -> (usize, usize) {
    let (mut unwound, mut told) = (0, 0);
    for caller in callers {
        match caller.await {
            Ended::Returned(Err(Error::Panicked(panic))) => {
                assert_eq!(panic.message(), Some(NIL));
                told += 1;
            }
            ended => {
                assert_eq!(ended.panicked(), NIL);
                unwound += 1;
            }
        }
    }
    (unwound, told)
}

/// Promise 9.
async fn a_panic_reaches_all_five_tasks_and_none_hangs(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let work = || {
            let gate = gate.clone();
            runs.doing(move || async move {
                gate.wait().await;
                panic!("{NIL}")
            })
        };
        let callers = crowd(&lab, verb, &flights, KEY, 5, work).await;
        gate.open();
        if verb == Verb::Enter {
            // Its work panics in the caller's own code, so that nobody sees with what.
            let mut told = 0;
            for caller in callers {
                told += usize::from(matches!(caller.await, Ended::Returned(Err(Error::Panicked(_)))));
            }
            assert_eq!(told, 4);
        } else {
            assert_eq!(unwound_and_told(callers).await, (1, 4), "{verb:?}");
        }
        assert_eq!((runs.count(), flights.len()), (1, 0), "{verb:?}");
        assert_eq!(ask(verb, flights.clone(), KEY, runs.now(2)).await, Ok(2), "{verb:?}");
    }
}

/// Promise 9, for threads.
async fn a_panic_reaches_all_five_threads_and_none_hangs(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let runs = Runs::default();
    let first = lead(&flights, KEY);
    let threads = thread_crowd(&lab, &first, 5, || {
        let work = runs.closure(());
        blocking(&flights, KEY, move || {
            work();
            panic!("{NIL}")
        })
    })
    .await;
    drop(first);
    assert_eq!(unwound_and_told(threads).await, (1, 4));
    assert_eq!((runs.count(), flights.len()), (1, 0));
    assert_eq!(lab.thread(blocking(&flights, KEY, runs.closure(2))).await.returned(), Ok(2));
}

/// Promise 6: Go's goroutine exits; here the leader's task is stopped. All five end, four of them with a result.
async fn a_leader_whose_task_ends_leaves_none_of_five_hanging(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let leader = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 1)).await.pop().unwrap();
        let followers = crowd(&lab, verb, &flights, KEY, 4, || runs.work(&gate, 1)).await;
        leader.abort();
        assert!(matches!(leader.await, Ended::Dropped), "{verb:?}");
        gate.open();
        assert_eq!(results(followers).await, vec![Ok(1); 4], "{verb:?}");
        // A follower starts its own work, or goes on with the leader's.
        let expected = if matches!(verb, Verb::Run | Verb::Enter) { 2 } else { 1 };
        assert_eq!((runs.count(), flights.len()), (expected, 0), "{verb:?}");
        assert_eq!(ask(verb, flights.clone(), KEY, runs.now(2)).await, Ok(2), "{verb:?}: the key is clean");
    }
}

/// Promise 9: the leader unwinds with the value itself.
async fn a_panic_keeps_its_error_value(lab: Lab) {
    let (flights, runs): (Flights<u32>, _) = (lab.group(), Runs::default());
    let broken = |ended: Ended<_>| match ended {
        Ended::Panicked(payload) => payload.downcast::<Broken>().map(|broken| *broken).ok(),
        _ => None,
    };
    for &verb in lab.verbs() {
        let work = runs.doing(|| async { panic_any(Broken("in a panic")) });
        let ended = lab.start(ask(verb, flights.clone(), KEY, work)).await;
        assert_eq!(broken(ended), Some(Broken("in a panic")), "{verb:?}");
    }
    let work = runs.closure(());
    let thread = lab.thread(blocking(&flights, KEY, move || {
        work();
        panic_any(Broken("in a panic"))
    }));
    assert_eq!(broken(thread.await), Some(Broken("in a panic")));
    assert_eq!((runs.count(), flights.len()), (lab.verbs().len() + 1, 0));
}

/// Promise 12.
async fn a_followers_function_never_runs(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let leader = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 1)).await;
        let followers = crowd(&lab, verb, &flights, KEY, 4, || Box::new(never)).await;
        gate.open();
        assert_eq!(results(leader).await, [Ok(1)]);
        assert_eq!(results(followers).await, vec![Ok(1); 4], "{verb:?}");
        assert_eq!((runs.count(), flights.len()), (1, 0));
    }
}
