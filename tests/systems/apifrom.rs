//! apifrom: a coalescer for each function, by intent, since the published one does not run.
//!
//! Here the group is written out. The attribute is tested in `attribute`, the sum of stats in `registry`, and its middleware, the layer, in `coflight-tower`.

use std::time::Duration;

use coflight::{Error, Role};
use coflight_tests::*;

use crate::common::*;

matrix!(
    of_three_calls_one_executes,
    each_function_has_its_own_coalescer,
    a_joiner_waits_for_a_fresh_result,
    with_three_requests_at_most_the_fourth_executes_anew,
    the_window_for_joining_expires,
    the_window_for_reuse_expires,
    reuse_can_end_with_the_window_for_joining,
);

const WINDOW: Duration = Duration::from_millis(50);

/// Promises 1 and 2, used directly: of three callers one executes and two are coalesced.
async fn of_three_calls_one_executes(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        // Boarded one after another, so that it is the first who leads.
        let calls: Vec<_> =
            (0..3).map(|_| boarded(ask_served(verb, flights.clone(), KEY, runs.work(&gate, 4)))).collect();
        let calls: Vec<_> = calls.into_iter().map(|call| lab.start(call)).collect();
        gate.open();
        let [first, second, third] = results(calls).await.try_into().unwrap();
        assert_eq!(first, (Ok(4), Role::Led, 3), "{verb:?}");
        assert_eq!((second, third), ((Ok(4), Role::Followed, 3), (Ok(4), Role::Followed, 3)), "{verb:?}");
        assert_eq!((runs.count(), flights.len()), (1, 0));
    }
}

/// Promise 13: what is done to one group is nothing to another.
async fn each_function_has_its_own_coalescer(lab: Lab) {
    for &verb in lab.verbs() {
        let (users, orders): (Flights<u32>, Flights<u32>) = (lab.group(), lab.group());
        let (runs, gate) = (Runs::default(), Gate::new());
        let of_users = crowd(&lab, verb, &users, "1", 3, || runs.work(&gate, 1)).await;
        let of_orders = crowd(&lab, verb, &orders, "1", 3, || runs.work(&gate, 2)).await;
        assert_eq!((users.len(), orders.len()), (1, 1));
        assert_eq!(users.cancel_all(), 1);
        assert!(orders.contains("1"));
        gate.open();
        assert_eq!(results(of_orders).await, vec![Ok(2); 3], "{verb:?}");
        assert_eq!(results(of_users).await, vec![Err(Error::Cancelled); 3], "{verb:?}");
        assert_eq!(runs.live(), 0);
    }
}

/// Promises 2 and 3: never nothing, and never an old result.
async fn a_joiner_waits_for_a_fresh_result(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let runs = Runs::default();
        for round in 0..3 {
            let gate = Gate::new();
            let callers = crowd(&lab, verb, &flights, KEY, 4, || runs.work(&gate, round)).await;
            gate.open();
            assert_eq!(results(callers).await, vec![Ok(round); 4], "{verb:?}");
        }
        assert_eq!((runs.count(), flights.len()), (3, 0));
    }
}

/// Promise 16, and 18: total, coalesced, executed are 3 / 2 / 1, and only then a new one starts.
async fn with_three_requests_at_most_the_fourth_executes_anew(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().max_callers(3).build();
        let (runs, gate) = (Runs::default(), Gate::new());
        let mut callers = crowd(&lab, verb, &flights, KEY, 3, || runs.work(&gate, 1)).await;
        let counts = || {
            let stats = flights.stats();
            (stats.calls(), stats.hits(), stats.misses(), runs.count())
        };
        lab.until(|| runs.count() == 1).await;
        assert_eq!(counts(), (3, 2, 1, 1), "{verb:?}");
        callers.extend(crowd(&lab, verb, &flights, KEY, 2, || runs.work(&gate, 1)).await);
        lab.until(|| runs.count() == 2).await;
        assert_eq!(counts(), (5, 3, 2, 2), "{verb:?}");
        gate.open();
        assert_eq!(results(callers).await, vec![Ok(1); 5], "{verb:?}");
        assert_eq!((flights.len(), flights.stats().completed), (0, 2));
    }
}

/// Promise 16: how old a running flight may be and still be joined.
async fn the_window_for_joining_expires(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().join_within(WINDOW).build();
        let (runs, old_gate, new_gate) = (Runs::default(), Gate::new(), Gate::new());
        let mut old = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&old_gate, 1)).await;
        lab.time().advance(WINDOW);
        old.extend(crowd(&lab, verb, &flights, KEY, 1, || Box::new(never)).await);
        lab.time().advance(Duration::from_nanos(1));
        let mut young = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&new_gate, 2)).await;
        old_gate.open();
        assert_eq!(results(old).await, vec![Ok(1); 2], "{verb:?}");
        young.extend(crowd(&lab, verb, &flights, KEY, 1, || Box::new(never)).await);
        new_gate.open();
        assert_eq!(results(young).await, vec![Ok(2); 2], "{verb:?}");
        assert_eq!((runs.count(), flights.len()), (2, 0));
    }
}

/// Promise 16: for how long a result is reused; and then it is gone, not kept for ever.
async fn the_window_for_reuse_expires(lab: Lab) {
    // Not by `spawn`, whose task may say only after its caller has returned since when the result is there.
    for verb in [Verb::Run, Verb::Relay, Verb::Enter] {
        let flights: Flights<u32> = lab.builder().linger(WINDOW).build();
        let runs = Runs::default();
        assert_eq!(ask(verb, flights.clone(), KEY, runs.now(1)).await, Ok(1));
        lab.time().advance(WINDOW - Duration::from_nanos(1));
        assert_eq!(ask_served(verb, flights.clone(), KEY, runs.now(2)).await, (Ok(1), Role::Lingered, 1), "{verb:?}");
        lab.time().advance(Duration::from_nanos(1));
        assert_eq!(ask(verb, flights.clone(), KEY, runs.now(2)).await, Ok(2), "{verb:?}");
        assert_eq!((runs.count(), flights.stats().lingered), (2, 1));
        assert!(flights.forget(KEY), "{verb:?}: the second lingers");
    }
}

/// Promise 16: a result is reused until the flight is too old, however long it could linger.
async fn reuse_can_end_with_the_window_for_joining(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().linger(1_000 * WINDOW).join_within(WINDOW).build();
        let (runs, gate) = (Runs::default(), Gate::new());
        let first = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 1)).await;
        lab.time().advance(WINDOW / 2);
        gate.open();
        assert_eq!(results(first).await, [Ok(1)]);
        lab.time().advance(WINDOW / 2);
        assert_eq!(ask(verb, flights.clone(), KEY, runs.now(2)).await, Ok(1), "{verb:?}");
        lab.time().advance(Duration::from_nanos(1));
        assert_eq!(ask(verb, flights.clone(), KEY, runs.now(2)).await, Ok(2), "{verb:?}");
        assert_eq!((runs.count(), flights.len()), (2, 0));
    }
}
