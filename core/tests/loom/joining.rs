//! Newcomers against everything that ends a flight.

use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::task::Poll;

use coflight_core::{Entry, Error, Turn};

use crate::common::{Bench, ON_PURPOSE, aboard, block_on, check, elsewhere, poll, thread, value};

/// Promises 1, 2 and 3.
#[test]
fn join_against_completion() {
    check("join against completion", 4, || {
        let bench = Bench::new();
        let other = elsewhere(bench.run(bench.works().ready()));
        let mine = value(block_on(bench.run(bench.works().ready())));
        let theirs = value(other.join().unwrap());
        assert_eq!(bench.works.begun(), if mine == theirs { 1 } else { 2 });
        drop((mine, theirs));
        bench.ends_clean();
    });
}

/// Promise 3: the lost wake-up. The follower may be about to listen while the result is published.
#[test]
fn publishing_against_registering() {
    check("publishing against registering", 4, || {
        let bench = Bench::new();
        let Entry::Leader(leader) = bench.flights.enter(&1) else { unreachable!("the first to ask") };
        let other = elsewhere(bench.run(bench.works().ready()));
        let mine = value(leader.complete(bench.works.begin().end()));
        let theirs = value(other.join().unwrap());
        assert_eq!(bench.works.begun(), if mine == theirs { 1 } else { 2 });
        drop((mine, theirs));
        bench.ends_clean();
    });
}

/// Promises 1, 6 and 7.
#[test]
fn leader_drop_against_join() {
    check("leader drop against join", 4, || {
        let bench = Bench::new();
        let leader = aboard(bench.run(bench.works().never()));
        let other = elsewhere(bench.run(bench.works().ready()));
        drop(leader);
        assert_eq!(value(other.join().unwrap()).0, 1);
        bench.ends_clean();
    });
}

/// Promises 1, 3 and 7: a flight that lost its last caller is not joined.
#[test]
fn last_caller_out_against_a_newcomer() {
    check("last caller out against a newcomer", 4, || {
        let bench = Bench::new();
        let leader = aboard(bench.relay(bench.works().never()));
        let (mut newcomer, works) = (bench.run(bench.works().ready()), bench.works());
        let other = thread::spawn(move || match poll(&mut newcomer) {
            Poll::Ready(answer) => assert_eq!(value(answer).0, 1),
            // It joined in time, and would wait for ever.
            Poll::Pending => assert_eq!(works.begun(), 1),
        });
        drop(leader);
        other.join().unwrap();
        bench.ends_clean();
    });
}

/// Promises 1, 2 and 9.
#[test]
fn panic_against_join() {
    check("panic against join", 3, || {
        let bench = Bench::new();
        let other = elsewhere(bench.run(bench.works().ready()));
        let works = bench.works();
        let call = bench.run(async move {
            let _work = works.begin();
            panic_any(ON_PURPOSE)
        });
        let mine = catch_unwind(AssertUnwindSafe(|| block_on(call)));
        match (mine, other.join().unwrap()) {
            // The other one led.
            (Ok(mine), theirs) => assert_eq!(value(mine), value(theirs)),
            (Err(_), Err(Error::Panicked(panic))) => assert_eq!(panic.message(), Some(ON_PURPOSE)),
            (Err(payload), theirs) => {
                assert_eq!(payload.downcast_ref(), Some(&ON_PURPOSE));
                drop(value(theirs));
            }
        }
        bench.ends_clean();
    });
}

/// What is released is never shared, and nobody waits for it.
#[test]
fn release_against_join() {
    check("release against join", 5, || {
        let bench = Bench::new();
        let Entry::Leader(leader) = bench.flights.enter(&1) else { unreachable!("the first to ask") };
        let (flights, works) = (bench.flights.clone(), bench.works());
        let other = thread::spawn(move || {
            let turn = match flights.enter(&1) {
                Entry::Leader(leader) => Turn::Leader(leader),
                Entry::Follower(follower) => block_on(follower).unwrap(),
            };
            match turn {
                Turn::Leader(leader) => drop(value(leader.complete(works.begin().end()))),
                Turn::Value(_) => unreachable!("nothing was shared"),
            }
        });
        leader.release().unwrap();
        other.join().unwrap();
        bench.ends_clean();
    });
}
