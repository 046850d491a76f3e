//! apifrom: a coalescer for each function, by intent, since the published one does not run.
//!
//! Waits for: the attribute with summed stats, `join_within`, `max_callers`, and the web layer.

use coflight::{Error, Role};
use coflight_tests::*;

use crate::common::*;

matrix!(of_three_calls_one_executes, each_function_has_its_own_coalescer, a_joiner_waits_for_a_fresh_result);

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
