//! cacheflight: what happens to a key in flight, and under load. Its timeouts and its cap are in `cacheflight_limits`, its events and
//! metadata in `cacheflight_observed`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use coflight::{Error, Group};
use coflight_tests::*;

use crate::common::*;

matrix!(
    the_same_key_runs_once,
    different_keys_run_each,
    sequential_calls_run_again,
    clean_after_success,
    clean_after_an_error,
    an_option_of_the_call_beats_that_of_the_group,
    contains_and_len_tell_what_is_in_flight,
    cancel_all_ends_five_keys,
    cancel_ends_a_key,
    cancel_of_an_unknown_key_does_nothing,
    cancel_touches_no_other_key,
    one_waiter_leaves_and_the_others_stay,
    all_leave_and_the_work_sees_it,
    nothing_stale_is_served_after_all_left,
    an_error_reaches_twenty,
    a_hundred_and_fifty_callers_run_once,
    three_keys_of_twenty_callers_run_three_times,
    ten_bursts_of_fifty_run_ten_times,
    a_thousand_callers_over_ten_keys_run_ten_times,
    a_hundred_cycles_with_failures_leave_nothing,
    ten_times_a_thousand_keys_leave_nothing,
);

/// Promise 1.
async fn the_same_key_runs_once(lab: Lab) {
    callers_over_keys(&lab, 2, 1).await;
}

/// Promise 1 is for one key.
async fn different_keys_run_each(lab: Lab) {
    callers_over_keys(&lab, 2, 2).await;
}

/// Promises 1 and 2.
async fn a_hundred_and_fifty_callers_run_once(lab: Lab) {
    callers_over_keys(&lab, 150, 1).await;
}

/// Promises 1 and 2.
async fn three_keys_of_twenty_callers_run_three_times(lab: Lab) {
    callers_over_keys(&lab, 60, 3).await;
}

/// Promises 1, 2 and 3.
async fn ten_bursts_of_fifty_run_ten_times(lab: Lab) {
    for _ in 0..10 {
        callers_over_keys(&lab, 50, 1).await;
    }
}

/// Promises 1 and 2.
async fn a_thousand_callers_over_ten_keys_run_ten_times(lab: Lab) {
    callers_over_keys(&lab, 1_000, 10).await;
}

/// As many runs as keys, and every caller gets its own key's result.
async fn callers_over_keys(lab: &Lab, callers: usize, keys: usize) {
    for &verb in lab.verbs() {
        let flights: Flights<usize> = lab.group();
        let (runs, gate, all) = (Runs::default(), Gate::new(), Latch::new(callers));
        let tasks: Vec<_> = (0..callers)
            .map(|number| {
                let key = number % keys;
                lab.start(asked(ask(verb, flights.clone(), key.to_string(), runs.work(&gate, key)), &all))
            })
            .collect();
        all.wait().await;
        assert_eq!((flights.len(), runs.live()), (keys, keys), "{verb:?}");
        gate.open();
        for (number, result) in results(tasks).await.into_iter().enumerate() {
            assert_eq!(result, Ok(number % keys), "{verb:?}");
        }
        assert_eq!((runs.count(), flights.len()), (keys, 0), "{verb:?}");
    }
}

/// Promise 3.
async fn sequential_calls_run_again(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let runs = Runs::default();
        assert_eq!(ask(verb, flights.clone(), KEY, runs.now(1)).await, Ok(1));
        assert_eq!(ask(verb, flights.clone(), KEY, runs.now(2)).await, Ok(2));
        assert_eq!(runs.count(), 2, "{verb:?}");
    }
}

/// Promise 3.
async fn clean_after_success(lab: Lab) {
    clean_after(&lab, Ok(1)).await;
}

/// Promise 3.
async fn clean_after_an_error(lab: Lab) {
    clean_after(&lab, Err(Arc::new(Broken("no")))).await;
}

async fn clean_after(lab: &Lab, result: Fallible) {
    for &verb in lab.verbs() {
        let flights: Flights<Fallible> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let callers = crowd(lab, verb, &flights, KEY, 2, || runs.work(&gate, result.clone())).await;
        gate.open();
        assert_eq!(results(callers).await, vec![Ok(result.clone()); 2]);
        assert!(!flights.contains(KEY) && flights.is_empty(), "{verb:?}");
        assert_eq!((runs.count(), runs.live()), (1, 0), "{verb:?}");
    }
}

/// Promise 7, by the one option that is no limit: the group's applies, the call's beats it, and none means none.
async fn an_option_of_the_call_beats_that_of_the_group(lab: Lab) {
    for (group, call) in [(None, None), (Some(true), None), (Some(true), Some(false)), (None, Some(true))] {
        let flights: Flights<u32> = Group::builder().runtime(lab.runtime()).detach(group.unwrap_or_default()).build();
        let (runs, gate) = (Runs::default(), Gate::new());
        let mut asked = flights.call();
        if let Some(detach) = call {
            asked = asked.detach(detach);
        }
        drop(boarded(asked.spawn(KEY, runs.work(&gate, 1))));
        let goes_on = call.or(group).unwrap_or_default();
        assert_eq!(flights.contains(KEY), goes_on, "{group:?} {call:?}");
        let next = boarded(ask(Verb::Run, flights.clone(), KEY, runs.work(&gate, 2)));
        gate.open();
        assert_eq!(next.await, Ok(if goes_on { 1 } else { 2 }), "{group:?} {call:?}");
        assert_eq!((runs.count(), flights.len()), (if goes_on { 1 } else { 2 }, 0));
    }
}

/// Promise 3: `has` is `contains`, `size` is `len`.
async fn contains_and_len_tell_what_is_in_flight(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        assert!(!flights.contains(KEY) && flights.is_empty());
        let mut callers = crowd(&lab, verb, &flights, KEY, 2, || runs.work(&gate, 1)).await;
        assert!(flights.contains(KEY) && flights.len() == 1);
        callers.extend(crowd(&lab, verb, &flights, "other", 1, || runs.work(&gate, 1)).await);
        assert!(flights.contains("other") && flights.len() == 2 && !flights.is_empty(), "{verb:?}");
        gate.open();
        assert_eq!(results(callers).await, vec![Ok(1); 3]);
        assert!(!flights.contains(KEY) && !flights.contains("other") && flights.is_empty(), "{verb:?}");
        assert_eq!(runs.count(), 2);
    }
}

/// Promise 13: `clear`, with five keys, is `cancel_all`.
async fn cancel_all_ends_five_keys(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let (mut leaders, mut followers) = (Vec::new(), Vec::new());
        for key in 0..5 {
            leaders.extend(crowd(&lab, verb, &flights, &key.to_string(), 1, || runs.work(&gate, 1)).await);
            followers.extend(crowd(&lab, verb, &flights, &key.to_string(), 1, || runs.work(&gate, 1)).await);
        }
        assert_eq!(flights.cancel_all(), 5);
        assert!(flights.is_empty() && flights.cancel_all() == 0, "{verb:?}");
        all_cancelled(verb, leaders, followers, &gate).await;
        assert_eq!(runs.count(), 5);
        lab.until(|| runs.live() == 0).await;
    }
}

/// Promise 13.
async fn cancel_ends_a_key(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let leader = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 1)).await;
        let followers = crowd(&lab, verb, &flights, KEY, 2, || runs.work(&gate, 1)).await;
        assert!(flights.cancel(KEY) && !flights.cancel(KEY), "{verb:?}");
        all_cancelled(verb, leader, followers, &gate).await;
        assert_eq!((runs.count(), flights.len()), (1, 0), "{verb:?}");
        lab.until(|| runs.live() == 0).await;
    }
}

/// Everyone is told before any work has ended; only a leader by `enter` is on its own until it has.
async fn all_cancelled(
    verb: Verb,
    leaders: Vec<Task<Result<u32, Error>>>,
    followers: Vec<Task<Result<u32, Error>>>,
    gate: &Gate,
) {
    for told in results(followers).await {
        assert_eq!(told, Err(Error::Cancelled), "{verb:?}");
    }
    if verb == Verb::Enter {
        gate.open();
    }
    for told in results(leaders).await {
        assert_eq!(told, Err(Error::Cancelled), "{verb:?}");
    }
}

/// Promise 13.
async fn cancel_of_an_unknown_key_does_nothing(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        assert!(!flights.cancel("unknown"));
        let (runs, gate) = (Runs::default(), Gate::new());
        let caller = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 1)).await;
        assert!(!flights.cancel("unknown") && flights.contains(KEY));
        gate.open();
        assert_eq!(results(caller).await, [Ok(1)], "{verb:?}");
        assert!(!flights.cancel(KEY));
        assert_eq!(runs.count(), 1);
    }
}

/// Promise 13.
async fn cancel_touches_no_other_key(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let one = crowd(&lab, verb, &flights, "one", 2, || runs.work(&gate, 1)).await;
        let other = crowd(&lab, verb, &flights, "other", 2, || runs.work(&gate, 2)).await;
        assert!(flights.cancel("one") && flights.contains("other"), "{verb:?}");
        gate.open();
        assert_eq!(results(one).await, vec![Err(Error::Cancelled); 2], "{verb:?}");
        assert_eq!(results(other).await, vec![Ok(2); 2], "{verb:?}");
        assert_eq!((runs.count(), flights.len()), (2, 0));
    }
}

/// Promise 5.
async fn one_waiter_leaves_and_the_others_stay(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let mut callers = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 1)).await;
        let leaving = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 1)).await.pop().unwrap();
        callers.extend(crowd(&lab, verb, &flights, KEY, 2, || runs.work(&gate, 1)).await);
        leaving.abort();
        assert!(matches!(leaving.await, Ended::Dropped));
        assert_eq!((runs.live(), flights.len()), (1, 1), "{verb:?}");
        gate.open();
        assert_eq!(results(callers).await, vec![Ok(1); 3], "{verb:?}");
        assert_eq!(runs.count(), 1);
    }
}

/// Promise 7: it is dropped.
async fn all_leave_and_the_work_sees_it(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, never_open) = (Runs::default(), Gate::new());
        let callers = crowd(&lab, verb, &flights, KEY, 3, || runs.work(&never_open, 1)).await;
        assert_eq!(runs.live(), 1, "{verb:?}");
        callers.iter().for_each(Task::abort);
        for caller in callers {
            assert!(matches!(caller.await, Ended::Dropped), "{verb:?}");
        }
        lab.until(|| runs.live() == 0 && flights.is_empty()).await;
    }
}

/// Promise 3: a new call after all left runs anew.
async fn nothing_stale_is_served_after_all_left(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let caller = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 1)).await.pop().unwrap();
        caller.abort();
        assert!(matches!(caller.await, Ended::Dropped));
        gate.open();
        assert_eq!(ask(verb, flights.clone(), KEY, runs.now(2)).await, Ok(2), "{verb:?}");
        assert_eq!((runs.count(), flights.len()), (2, 0), "{verb:?}");
    }
}

/// Promise 2.
async fn an_error_reaches_twenty(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<Fallible> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let error = Arc::new(Broken("for twenty"));
        let callers = crowd(&lab, verb, &flights, KEY, 20, || runs.work(&gate, Err(error.clone()))).await;
        gate.open();
        for result in results(callers).await {
            assert!(Arc::ptr_eq(&result.unwrap().unwrap_err(), &error), "{verb:?}");
        }
        assert_eq!((runs.count(), flights.len()), (1, 0));
    }
}

/// Promises 1, 2 and 3: a hundred cycles of a hundred callers over twenty keys, three works in ten failing; always empty after.
async fn a_hundred_cycles_with_failures_leave_nothing(lab: Lab) {
    let flights: Flights<Fallible> = lab.group();
    let mut dice = Dice(1);
    let (mut failures, mut values) = (0, 0);
    for cycle in 0..100 {
        let verb = lab.verbs()[cycle % lab.verbs().len()];
        let runs: [Runs; 20] = Default::default();
        let overlaps = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = (0..100)
            .map(|_| {
                let key = dice.below(20) as u32;
                let result = if dice.below(10) < 3 { Err(Arc::new(Broken("unlucky"))) } else { Ok(key) };
                let (of_key, overlaps) = (runs[key as usize].clone(), overlaps.clone());
                let work = runs[key as usize].doing(move || async move {
                    yield_now().await;
                    overlaps.fetch_add(of_key.live() - 1, Ordering::SeqCst);
                    result
                });
                let call = ask(verb, flights.clone(), key.to_string(), work);
                lab.start(async move { (key, call.await) })
            })
            .collect();
        let mut asked = [0; 20];
        for (key, result) in results(callers).await {
            asked[key as usize] += 1;
            match result.unwrap() {
                Ok(found) => {
                    assert_eq!(found, key, "{verb:?}");
                    values += 1;
                }
                Err(error) => {
                    assert_eq!(*error, Broken("unlucky"));
                    failures += 1;
                }
            }
        }
        assert_eq!(overlaps.load(Ordering::SeqCst), 0, "by {verb:?}, two works for one key");
        for (runs, asked) in runs.iter().zip(asked) {
            assert!((asked.min(1)..=asked).contains(&runs.count()) && runs.live() == 0, "{verb:?}");
        }
        assert!(flights.is_empty(), "after cycle {cycle} by {verb:?}");
    }
    assert_eq!(failures + values, 10_000);
    assert!(failures > 0 && values > failures, "{failures} failures");
}

/// Promise 3: ten times a thousand distinct keys at once; always empty after.
async fn ten_times_a_thousand_keys_leave_nothing(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<usize> = lab.group();
        let runs = Runs::default();
        for round in 1..=10 {
            let gate = Gate::new();
            let calls: Vec<_> = (0..1_000)
                .map(|key| boarded(ask(verb, flights.clone(), key.to_string(), runs.work(&gate, key))))
                .collect();
            assert_eq!((flights.len(), runs.live()), (1_000, 1_000), "{verb:?}");
            gate.open();
            for (key, call) in calls.into_iter().enumerate() {
                assert_eq!(call.await, Ok(key), "{verb:?}");
            }
            assert_eq!((runs.count(), flights.len()), (round * 1_000, 0), "{verb:?}");
        }
    }
}
