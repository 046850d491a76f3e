//! Promise 4: a flight removes only itself, never a successor under the same key.

use coflight_tests::*;

use crate::common::*;

matrix!(
    forget_then_the_old_flight_ends_then_a_third_caller,
    a_dropped_leader_spares_its_successor,
    a_cancelled_flight_spares_its_successor
);

async fn forget_then_the_old_flight_ends_then_a_third_caller(lab: Lab) {
    for &first in lab.verbs() {
        for &second in lab.verbs() {
            let flights: Flights<u32> = lab.group();
            let (old_gate, new_gate) = (Gate::new(), Gate::new());
            let old = boarded(call(first, &flights, behind(&old_gate, 1)));
            assert!(flights.forget(KEY));
            let new = boarded(call(second, &flights, behind(&new_gate, 2)));
            old_gate.open();
            assert_eq!(finish(&lab, old).await, Ok(1));
            assert!(flights.contains(KEY), "{first:?} took its successor away");
            let third = boarded(call(second, &flights, never()));
            new_gate.open();
            assert_eq!(finish(&lab, new).await, Ok(2));
            assert_eq!(finish(&lab, third).await, Ok(2));
            assert!(flights.is_empty());
        }
    }
}

async fn a_dropped_leader_spares_its_successor(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let gate = Gate::new();
        let old = boarded(call(verb, &flights, endless()));
        assert!(flights.forget(KEY));
        let new = boarded(call(verb, &flights, behind(&gate, 2)));
        drop(old);
        assert!(flights.contains(KEY), "{verb:?}");
        gate.open();
        assert_eq!(finish(&lab, new).await, Ok(2));
    }
}

async fn a_cancelled_flight_spares_its_successor(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let gate = Gate::new();
        let old = boarded(call(verb, &flights, endless()));
        assert!(flights.cancel(KEY));
        // By `enter` the work is taken to run until its leader is gone.
        let old = if verb == Verb::Enter {
            drop(old);
            None
        } else {
            Some(old)
        };
        let new = boarded(call(verb, &flights, behind(&gate, 2)));
        if let Some(old) = old {
            assert_eq!(finish(&lab, old).await, Err(coflight::Error::Cancelled));
        }
        assert!(flights.contains(KEY), "{verb:?}");
        gate.open();
        assert_eq!(finish(&lab, new).await, Ok(2));
        assert!(flights.is_empty());
    }
}
