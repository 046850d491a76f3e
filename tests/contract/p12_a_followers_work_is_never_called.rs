//! Promise 12: a follower's work is never called, not even to build its future; and an owned key is made by leaders alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use coflight::Group;
use coflight_tests::*;

use crate::common::*;

matrix!(
    a_followers_work_is_never_called,
    a_call_that_is_not_polled_does_nothing,
    only_a_leader_makes_a_key,
    a_key_is_hashed_once
);

async fn a_followers_work_is_never_called(lab: Lab) {
    for &first in lab.verbs() {
        for &then in lab.verbs() {
            let flights: Flights<u32> = lab.group();
            let gate = Gate::new();
            let leader = boarded(call(first, &flights, behind(&gate, 1)));
            let follower = boarded(call(then, &flights, Box::new(|| panic!("a follower's work is called"))));
            drop(boarded(call(then, &flights, Box::new(|| panic!("a follower's work is called")))));
            gate.open();
            assert_eq!(finish(&lab, leader).await, Ok(1));
            assert_eq!(finish(&lab, follower).await, Ok(1), "{then:?} behind {first:?}");
        }
    }
}

async fn a_call_that_is_not_polled_does_nothing(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let calls = (
        flights.run(KEY, || async { panic!("not polled") }),
        flights.relay(KEY, || async { panic!("not polled") }),
        flights.spawn(KEY, || async { panic!("not polled") }),
    );
    assert!(flights.is_empty());
    drop(calls);
}

/// Counts how often it is cloned and hashed.
#[derive(Default)]
struct Counted {
    cloned: Arc<AtomicUsize>,
    hashed: Arc<AtomicUsize>,
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.cloned.fetch_add(1, Ordering::SeqCst);
        Self { cloned: self.cloned.clone(), hashed: self.hashed.clone() }
    }
}

impl std::hash::Hash for Counted {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.hashed.fetch_add(1, Ordering::SeqCst);
        state.write_u8(1);
    }
}

impl PartialEq for Counted {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Counted {}

async fn only_a_leader_makes_a_key(lab: Lab) {
    let flights: Group<Counted, u32, AnyRuntime> = Group::with_runtime(lab.runtime());
    let key = Counted::default();
    let gate = Gate::new();
    let wait = || async {
        gate.wait().await;
        1
    };
    let leader = boarded(flights.run(&key, wait));
    let followers: Vec<_> = (0..10).map(|_| boarded(flights.run(&key, wait))).collect();
    let _ = (flights.contains(&key), flights.len());
    gate.open();
    assert_eq!(leader.await, Ok(1));
    for follower in followers {
        assert_eq!(follower.await, Ok(1));
    }
    assert_eq!(key.cloned.load(Ordering::SeqCst), 1);
}

async fn a_key_is_hashed_once(lab: Lab) {
    let flights: Group<Counted, u32, AnyRuntime> = Group::with_runtime(lab.runtime());
    let key = Counted::default();
    // Alone; as a follower; and as one that takes over.
    assert_eq!(flights.run(&key, || async { 1 }).await, Ok(1));
    assert_eq!(key.hashed.load(Ordering::SeqCst), 1);
    let leader = boarded(flights.run(&key, std::future::pending::<u32>));
    let follower = boarded(flights.run(&key, || async { 2 }));
    drop(leader);
    assert_eq!(follower.await, Ok(2));
    assert_eq!(key.hashed.load(Ordering::SeqCst), 3);
}
