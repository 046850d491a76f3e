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
        let stats = bench.flights.stats();
        assert_eq!((bench.works.begun(), stats.handovers + stats.abandoned), (2, 1));
        bench.ends_clean();
    });
}

/// Promises 1, 3 and 7: a flight that lost its last caller is not joined.
#[test]
fn last_caller_out_against_a_newcomer() {
    check("last caller out against a newcomer", 4, || {
        let bench = Bench::new();
        let leader = aboard(bench.relay(bench.works().never()));
        let mut newcomer = bench.run(bench.works().ready());
        let other = thread::spawn(move || match poll(&mut newcomer) {
            Poll::Ready(answer) => {
                assert_eq!(value(answer).0, 1);
                None
            }
            Poll::Pending => Some(newcomer),
        });
        drop(leader);
        if let Some(mut newcomer) = other.join().unwrap() {
            if bench.flights.is_empty() {
                // It waited for the flight to be torn down.
                assert_eq!(value(block_on(newcomer)).0, 1);
            } else {
                // It joined in time, and would wait for ever.
                assert!(poll(&mut newcomer).is_pending());
                assert_eq!(bench.works.begun(), 1);
            }
        }
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
        let (begun, panicked) = match (mine, other.join().unwrap()) {
            // The other one led.
            (Ok(mine), theirs) => {
                assert_eq!(value(mine), value(theirs));
                (1, 0)
            }
            (Err(_), Err(Error::Panicked(panic))) => {
                assert_eq!(panic.message(), Some(ON_PURPOSE));
                (1, 1)
            }
            (Err(payload), theirs) => {
                assert_eq!(payload.downcast_ref(), Some(&ON_PURPOSE));
                drop(value(theirs));
                (2, 1)
            }
        };
        assert_eq!((bench.works.begun(), bench.flights.stats().panicked), (begun, panicked));
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
        let stats = bench.flights.stats();
        assert_eq!((stats.released, stats.led + stats.alone, bench.works.begun()), (1, 2, 1));
        bench.ends_clean();
    });
}
