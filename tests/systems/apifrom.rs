//! apifrom: a coalescer for each function, by intent, since the published one does not run. Waits for `max_callers`, `join_within`, the
//! attribute, summed stats, and the web layer.

use coflight::Role;
use coflight_tests::*;

use crate::common::*;

matrix!(direct_use, a_coalescer_for_each_function, a_joiner_waits_for_the_result);

/// Promises 1 and 2: of three callers one executes and two are coalesced.
async fn direct_use(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let (runs, gate) = (Runs::default(), Gate::new());
    let calls: Vec<_> = (0..3).map(|_| boarded(flights.relay(KEY, runs.work(&gate, 4)).with_served())).collect();
    gate.open();
    let mut roles = Vec::new();
    for call in calls {
        let (result, served) = call.await;
        assert_eq!((result, served.callers), (Ok(4), 3));
        roles.push(served.role);
    }
    assert_eq!(roles, [Role::Led, Role::Followed, Role::Followed]);
    assert_eq!(runs.count(), 1);
}

/// Two groups know nothing of each other.
async fn a_coalescer_for_each_function(lab: Lab) {
    for &verb in lab.verbs() {
        let (users, orders): (Flights<u32>, Flights<u32>) = (lab.group(), lab.group());
        let (runs, gate) = (Runs::default(), Gate::new());
        let of_users = crowd(&lab, verb, &users, "1", 3, || runs.work(&gate, 1)).await;
        let of_orders = crowd(&lab, verb, &orders, "1", 3, || runs.work(&gate, 2)).await;
        assert!(users.cancel_all() == 1 && orders.contains("1"));
        gate.open();
        assert_eq!(results(of_orders).await, vec![Ok(2); 3], "{verb:?}");
        for caller in of_users {
            assert_eq!(caller.await.returned(), Err(coflight::Error::Cancelled));
        }
    }
}

/// Promise 2: never nothing, and never an old result.
async fn a_joiner_waits_for_the_result(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let runs = Runs::default();
        for round in 0..3 {
            let gate = Gate::new();
            let callers = crowd(&lab, verb, &flights, KEY, 4, || runs.work(&gate, round)).await;
            gate.open();
            assert_eq!(results(callers).await, vec![Ok(round); 4], "{verb:?}");
        }
        assert_eq!(runs.count(), 3);
    }
}
