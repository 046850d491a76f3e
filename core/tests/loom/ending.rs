//! `forget` and `cancel` against a flight that is about to end by itself.

use coflight_core::{Entry, Error};

use crate::common::{Answer, Bench, Gate, aboard, block_on, check, elsewhere, thread, value};

/// Promises 4 and 13: what was forgotten ends, and its successor is found all the same.
#[test]
fn forget_against_completion() {
    check("forget against completion", 5, || {
        let (bench, gate) = (Bench::new(), Gate::new());
        let first = aboard(bench.run(bench.works().behind_beside(gate.clone())));
        gate.open();
        let first = elsewhere(first);
        bench.flights.forget(&1);
        let Entry::Leader(second) = bench.flights.enter(&1) else { panic!("a newcomer joined what was forgotten") };
        let first = value(first.join().unwrap());
        assert!(bench.flights.contains(&1), "it took its successor out");
        let second = value(second.complete(bench.works.beside()));
        assert_ne!(first, second);
        drop((first, second));
        bench.ends_clean();
    });
}

/// Promises 2, 13 and 18: all aboard are told the same.
#[test]
fn cancel_against_completion() {
    check("cancel against completion", 4, || {
        let (bench, gate) = (Bench::new(), Gate::new());
        let leader = aboard(bench.run(bench.works().behind(gate.clone())));
        let follower = aboard(bench.run(bench.works().never()));
        gate.open();
        let leader = elsewhere(leader);
        let cancelled = bench.flights.cancel(&1);
        let (theirs, mine) = (leader.join().unwrap(), block_on(follower));
        assert_eq!(theirs, mine);
        was_cancelled(&bench, mine, cancelled);
        drop(theirs);
        bench.ends_clean();
    });
}

/// As above, with nobody who waits, so that less is written.
#[test]
fn cancel_against_a_lone_completion() {
    check("cancel against a lone completion", 6, || {
        let bench = Bench::new();
        let other = elsewhere(bench.run(bench.works().ready()));
        let cancelled = bench.flights.cancel(&1);
        was_cancelled(&bench, other.join().unwrap(), cancelled);
        bench.ends_clean();
    });
}

fn was_cancelled(bench: &Bench, answer: Answer, cancelled: bool) {
    match answer {
        Ok(_) => assert!(!cancelled),
        Err(error) => assert!(cancelled && error == Error::Cancelled),
    }
    let stats = bench.flights.stats();
    assert_eq!((stats.cancelled, stats.completed), (u64::from(cancelled), u64::from(!cancelled)));
}

/// Promises 1 and 13: a work that is being run when its flight is cancelled is gone before the next begins.
#[test]
fn cancel_against_a_newcomer() {
    check("cancel against a newcomer", 2, || {
        let (bench, gate) = (Bench::new(), Gate::new());
        let leader = aboard(bench.relay(bench.works().behind(gate.clone())));
        let (newcomer, flights) = (bench.run(bench.works().ready()), bench.flights.clone());
        let other = thread::spawn(move || {
            let cancelled = flights.cancel(&1);
            (cancelled, value(block_on(newcomer)))
        });
        gate.open();
        let mine = block_on(leader);
        let (cancelled, theirs) = other.join().unwrap();
        match mine {
            Ok(mine) => assert!(!cancelled && mine.0 == 0),
            Err(error) => assert!(cancelled && error == Error::Cancelled && theirs.0 == 1),
        }
        assert_eq!(bench.flights.stats().cancelled, u64::from(cancelled));
        drop(theirs);
        bench.ends_clean();
    });
}
