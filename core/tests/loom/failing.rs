//! Works that fail, and tasks that are dropped by their runtime.

use coflight_core::{Group, OnFailure};

use crate::common::{Bench, Gate, aboard, check, elsewhere, thread, value};
use crate::virtual_time::Virtual;

/// A failure under `Retry` is its own caller's, whoever ran the work; the next one's result is the others'.
#[test]
fn a_relayed_failure_against_its_starter() {
    check("a relayed failure against its starter", 2, || {
        let first_fails = Group::builder().shards(1).failed_if(|value: &crate::common::Value| value.0 == 0);
        let bench = Bench::of(first_fails.on_failure(OnFailure::Retry { limit: 1 }).build());
        let gate = Gate::new();
        let starter = aboard(bench.relay(bench.works().behind(gate.clone())));
        let follower = aboard(bench.relay(bench.works().ready()));
        gate.open();
        let (starter, follower) = (elsewhere(starter), elsewhere(follower));
        assert_eq!(value(starter.join().unwrap()).0, 0);
        assert_eq!(value(follower.join().unwrap()).0, 1);
        // With the waker of the work, which keeps the flight.
        drop(gate);
        bench.ends_clean();
    });
}

/// Promises 3, 7 and 17: whoever goes last takes the work along.
#[test]
fn a_detached_task_is_dropped_while_its_caller_leaves() {
    check("a detached task is dropped while its caller leaves", 5, || {
        let runtime = Virtual::new();
        let bench = Bench::of(Group::builder().shards(1).runtime(runtime.clone()).detach(true).build());
        let call = aboard(bench.spawn(bench.works().never()));
        let task = runtime.task().expect("spawned");
        let dropped = thread::spawn(move || drop(task));
        drop(call);
        dropped.join().unwrap();
        bench.ends_clean();
    });
}

/// Promises 6 and 17: the task is dropped before it ran, and a caller runs the work; or after, and a follower takes over.
#[test]
fn a_runtime_is_shut_down_against_a_follower() {
    check("a runtime is shut down against a follower", 1, || {
        let runtime = Virtual::new();
        let bench = Bench::of(Group::builder().shards(1).runtime(runtime.clone()).build());
        let gate = Gate::new();
        let leader = aboard(bench.spawn(bench.works().behind(gate.clone())));
        let mut task = runtime.task().expect("spawned");
        let follower = elsewhere(bench.run(bench.works().ready()));
        let dropped = thread::spawn(move || {
            let _ = task.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
            drop(task);
        });
        drop(leader);
        dropped.join().unwrap();
        let value = value(follower.join().unwrap());
        // Its own: nobody has opened the gate.
        assert_eq!(value.0 + 1, bench.works.begun());
        drop(value);
        gate.open();
        bench.ends_clean();
    });
}
