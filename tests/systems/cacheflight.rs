//! cacheflight. Waits for timeouts, the cap on keys in flight, events, and metadata.

use std::sync::Arc;

use coflight::Error;
use coflight_tests::*;

use crate::common::*;

matrix!(
    the_same_key_runs_once,
    different_keys_run_each,
    sequential_calls_run_again,
    clean_after_success_and_error,
    has_and_size,
    clear,
    cancel_of_a_key,
    cancel_of_an_unknown_key,
    cancel_touches_no_others,
    one_waiter_leaves,
    all_leave_and_the_work_sees_it,
    nothing_stale_afterwards,
    a_hundred_and_fifty_callers,
    three_keys_of_twenty,
    ten_bursts_of_fifty,
    a_thousand_callers_over_ten_keys,
    an_error_reaches_twenty,
    soak,
    ten_times_a_thousand_keys,
);

/// Promise 1.
async fn the_same_key_runs_once(lab: Lab) {
    callers_over_keys(&lab, 2, 1).await;
}

/// Promise 1 is for one key.
async fn different_keys_run_each(lab: Lab) {
    callers_over_keys(&lab, 2, 2).await;
}

async fn a_hundred_and_fifty_callers(lab: Lab) {
    callers_over_keys(&lab, 150, 1).await;
}

async fn three_keys_of_twenty(lab: Lab) {
    callers_over_keys(&lab, 60, 3).await;
}

async fn ten_bursts_of_fifty(lab: Lab) {
    for _ in 0..10 {
        callers_over_keys(&lab, 50, 1).await;
    }
}

async fn a_thousand_callers_over_ten_keys(lab: Lab) {
    callers_over_keys(&lab, 1_000, 10).await;
}

/// Promise 1: as many runs as keys, and every caller gets its own key's result.
async fn callers_over_keys(lab: &Lab, callers: usize, keys: usize) {
    // A thread for each caller is what that column means, but a thousand of them would only test the machine.
    let callers = if matches!(lab.on(), On::Threads | On::Mixed) { callers.min(100) } else { callers };
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
        assert_eq!(flights.len(), keys);
        gate.open();
        for (number, result) in results(tasks).await.into_iter().enumerate() {
            assert_eq!(result, Ok(number % keys), "{verb:?}");
        }
        assert_eq!(runs.count(), keys, "{verb:?}");
        assert!(flights.is_empty());
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
async fn clean_after_success_and_error(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<Fallible> = lab.group();
        let runs = Runs::default();
        for result in [Ok(1), Err(Arc::new(Broken("no")))] {
            assert_eq!(ask(verb, flights.clone(), KEY, runs.now(result.clone())).await, Ok(result));
            assert!(!flights.contains(KEY) && flights.is_empty(), "{verb:?}");
        }
    }
}

/// `has` is `contains`, `size` is `len`.
async fn has_and_size(lab: Lab) {
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
        assert!(flights.is_empty());
    }
}

/// `clear`, with five keys, is `cancel_all`.
async fn clear(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let mut callers = Vec::new();
        for key in 0..5 {
            callers.extend(crowd(&lab, verb, &flights, &key.to_string(), 2, || runs.work(&gate, 1)).await);
        }
        assert_eq!(flights.cancel_all(), 5);
        assert!(flights.is_empty(), "{verb:?}");
        assert_eq!(results(callers).await, vec![Err(Error::Cancelled); 10]);
    }
}

/// Promise 13.
async fn cancel_of_a_key(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let callers = crowd(&lab, verb, &flights, KEY, 3, || runs.work(&gate, 1)).await;
        assert!(flights.cancel(KEY), "{verb:?}");
        assert_eq!(results(callers).await, vec![Err(Error::Cancelled); 3]);
        assert!(flights.is_empty());
    }
}

/// Promise 13.
async fn cancel_of_an_unknown_key(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    assert!(!flights.cancel("unknown"));
    let gate = Gate::new();
    let caller = crowd(&lab, Verb::Run, &flights, KEY, 1, || Runs::default().work(&gate, 1)).await;
    assert!(!flights.cancel("unknown"));
    gate.open();
    assert_eq!(results(caller).await, [Ok(1)]);
}

/// Promise 13.
async fn cancel_touches_no_others(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let one = crowd(&lab, verb, &flights, "one", 2, || runs.work(&gate, 1)).await;
        let other = crowd(&lab, verb, &flights, "other", 2, || runs.work(&gate, 2)).await;
        assert!(flights.cancel("one"));
        gate.open();
        assert_eq!(results(one).await, vec![Err(Error::Cancelled); 2], "{verb:?}");
        assert_eq!(results(other).await, vec![Ok(2); 2], "{verb:?}");
    }
}

/// Promise 5.
async fn one_waiter_leaves(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let mut callers = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 1)).await;
        lab.until(|| runs.count() == 1).await;
        let leaving = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 1)).await.pop().unwrap();
        callers.extend(crowd(&lab, verb, &flights, KEY, 2, || runs.work(&gate, 1)).await);
        leaving.abort();
        assert!(matches!(leaving.await, Ended::Dropped));
        gate.open();
        assert_eq!(results(callers).await, vec![Ok(1); 3], "{verb:?}");
        assert_eq!(runs.count(), 1);
    }
}

/// Promise 7.
async fn all_leave_and_the_work_sees_it(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let seen = Gate::new();
        let work = || {
            let seen = seen.clone();
            value(move || async move {
                let _sign = OnDrop(seen);
                std::future::pending().await
            })
        };
        let callers = crowd(&lab, verb, &flights, KEY, 3, work).await;
        for caller in &callers {
            caller.abort();
        }
        for caller in callers {
            assert!(matches!(caller.await, Ended::Dropped), "{verb:?}");
        }
        seen.wait().await;
        lab.until(|| flights.is_empty()).await;
    }
}

struct OnDrop(Gate);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// Promise 3: a new call after all left runs anew.
async fn nothing_stale_afterwards(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let caller = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 1)).await.pop().unwrap();
        caller.abort();
        assert!(matches!(caller.await, Ended::Dropped));
        gate.open();
        assert_eq!(ask(verb, flights.clone(), KEY, runs.now(2)).await, Ok(2), "{verb:?}");
        assert!(flights.is_empty());
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
            assert_eq!(result.unwrap().unwrap_err().0, "for twenty", "{verb:?}");
        }
        assert_eq!(runs.count(), 1);
    }
}

/// Promises 1, 2 and 3: a hundred cycles of a hundred callers over twenty keys, three in ten works failing; always empty after.
async fn soak(lab: Lab) {
    let cycles = if matches!(lab.on(), On::Threads | On::Mixed) { 10 } else { 100 };
    let flights: Flights<Fallible> = lab.group();
    let mut dice = Dice(1);
    for cycle in 0..cycles {
        let verb = lab.verbs()[cycle % lab.verbs().len()];
        let callers: Vec<_> = (0..100)
            .map(|_| {
                let key = dice.below(20) as u32;
                let result = if dice.below(10) < 3 { Err(Arc::new(Broken("unlucky"))) } else { Ok(key) };
                let work = value(move || async move {
                    yield_now().await;
                    result
                });
                let call = ask(verb, flights.clone(), key.to_string(), work);
                lab.start(async move { (key, call.await) })
            })
            .collect();
        for (key, result) in results(callers).await {
            match result {
                Ok(Ok(found)) => assert_eq!(found, key),
                Ok(Err(error)) => assert_eq!(error.0, "unlucky"),
                Err(error) => panic!("{verb:?}: {error}"),
            }
        }
        assert!(flights.is_empty(), "after cycle {cycle} by {verb:?}");
    }
}

/// Promise 3: ten times a thousand distinct keys at once; always empty after.
async fn ten_times_a_thousand_keys(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<usize> = lab.group();
        for _ in 0..10 {
            let gate = Gate::new();
            let calls: Vec<_> = (0..1_000)
                .map(|key| {
                    let work = Runs::default().work(&gate, key);
                    boarded(ask(verb, flights.clone(), key.to_string(), work))
                })
                .collect();
            assert_eq!(flights.len(), 1_000);
            gate.open();
            for (key, call) in calls.into_iter().enumerate() {
                assert_eq!(call.await, Ok(key), "{verb:?}");
            }
            assert!(flights.is_empty());
        }
    }
}
