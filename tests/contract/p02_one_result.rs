//! Promise 2: all callers of a flight get that flight's result; a leader alone gets its value moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use coflight_tests::*;

use crate::common::*;

matrix!(
    everyone_gets_the_same,
    a_leader_alone_gets_its_value_moved,
    a_value_is_cloned_once_for_each_who_shares_it,
    errors_are_shared_as_they_are
);

async fn everyone_gets_the_same(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<Arc<str>> = lab.group();
        let (gate, all) = (Gate::new(), Latch::new(20));
        let callers: Vec<_> = (0..20)
            .map(|number| {
                let result = Arc::from(number.to_string());
                lab.start(asked(call(verb, &flights, behind(&gate, result)), &all))
            })
            .collect();
        all.wait().await;
        gate.open();
        let mut results = Vec::new();
        for caller in callers {
            results.push(caller.await.returned().unwrap());
        }
        assert!(results.iter().all(|result| Arc::ptr_eq(result, &results[0])), "{verb:?}");
    }
}

/// Counts how often it was cloned.
struct Cloned(Arc<AtomicUsize>);

impl Clone for Cloned {
    fn clone(&self) -> Self {
        self.0.fetch_add(1, Ordering::SeqCst);
        Self(self.0.clone())
    }
}

async fn a_leader_alone_gets_its_value_moved(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Enter] {
        let flights: Flights<Cloned> = lab.group();
        let clones = Arc::new(AtomicUsize::new(0));
        call(verb, &flights, at_once(Cloned(clones.clone()))).await.unwrap_or_else(|_| panic!("{verb:?}"));
        assert_eq!(clones.load(Ordering::SeqCst), 0, "{verb:?}");
    }
    let flights: Flights<Cloned> = lab.group();
    let clones = Arc::new(AtomicUsize::new(0));
    let value = Cloned(clones.clone());
    let led = lab.thread(move || flights.run_blocking(KEY, || value).is_ok());
    assert!(led.await.returned());
    assert_eq!(clones.load(Ordering::SeqCst), 0);
}

async fn a_value_is_cloned_once_for_each_who_shares_it(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<Cloned> = lab.group();
        let (gate, clones) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
        let leader = boarded(call(verb, &flights, behind(&gate, Cloned(clones.clone()))));
        let followers: Vec<_> = (0..9).map(|_| boarded(call(verb, &flights, never()))).collect();
        gate.open();
        for caller in std::iter::once(leader).chain(followers) {
            assert!(finish(&lab, caller).await.is_ok());
        }
        assert_eq!(clones.load(Ordering::SeqCst), 10, "{verb:?}");
    }
}

#[derive(Debug)]
struct Refused(std::num::ParseIntError);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("refused")
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

async fn errors_are_shared_as_they_are(lab: Lab) {
    use coflight::{Group, TryError, TryGroup};
    use std::error::Error;

    let flights: TryGroup<String, u32, Refused, AnyRuntime> = Group::with_runtime(lab.runtime());
    let refuse = || async {
        yield_now().await;
        yield_now().await;
        "x".parse::<u32>().map_err(Refused)
    };
    let leader = boarded(flights.try_run(KEY, refuse));
    let relayed = boarded(flights.try_relay(KEY, refuse));
    let spawned = boarded(flights.try_spawn(KEY, refuse));
    let mut shared = Vec::new();
    for result in [finish(&lab, leader).await, finish(&lab, relayed).await, finish(&lab, spawned).await] {
        let error = result.unwrap_err();
        assert_eq!(error.to_string(), "refused");
        assert!(error.source().is_some_and(|source| source.is::<std::num::ParseIntError>()));
        let TryError::Work(error) = error else { panic!("not the work's own error") };
        shared.push(error);
    }
    assert!(shared.iter().all(|error| Arc::ptr_eq(error, &shared[0])), "one error, shared");

    let blocking = lab.thread(move || flights.try_run_blocking(KEY, || Err(Refused("y".parse::<u32>().unwrap_err()))));
    assert!(blocking.await.returned().unwrap_err().work().is_some());
}
