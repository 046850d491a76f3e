//! What errors say, and when two are the same.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::num::ParseIntError;
use std::sync::Arc;

use coflight::{Error, EventKind, TryError, TryGroup, Verb};
use coflight_tests::{boarded, poll_now};
use futures_lite::future::block_on;

#[test]
fn each_says_something_else() {
    let all = [Error::Cancelled, Error::TimedOut, Error::WaitTimedOut, Error::Full, Error::Circular, Error::Shutdown];
    let said: BTreeSet<_> = all.iter().map(ToString::to_string).collect();
    assert!(said.len() == all.len() && said.iter().all(|text| text.len() > 10), "{said:?}");
}

/// Promise 9.
#[test]
fn a_panic_is_the_same_for_all_who_hear_of_it() {
    let flights = coflight::Group::<u8, u8>::new();
    let hear = |message: &'static str| {
        let mut leader = boarded(flights.run(&1, || async move {
            futures_lite::future::yield_now().await;
            panic!("{message}")
        }));
        let followers = [0, 1].map(|_| boarded(flights.run(&1, || async { 1 })));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(poll_now(leader.as_mut())))).is_err());
        followers.map(|follower| block_on(follower).expect_err("it panicked"))
    };
    let ([one, same], [other, _]) = (hear("no"), hear("no"));
    assert_eq!(one, same);
    assert_ne!(one, other);
    let Error::Panicked(panic) = one else { panic!("{one}") };
    assert_eq!(panic.message(), Some("no"));
    assert_eq!(panic.to_string(), "the work panicked: no");
    assert!(same.to_string().contains("no"));
}

#[test]
fn an_error_of_a_work_is_as_it_was() {
    let flights: TryGroup<u8, u8, ParseIntError> = TryGroup::new();
    let failed = block_on(flights.try_run(&1, || async { "x".parse() })).expect_err("no number");
    let original = "x".parse::<u8>().expect_err("no number");
    assert_eq!((failed.work(), failed.flight()), (Some(&original), None));
    assert_eq!(failed.to_string(), original.to_string());

    let ended = TryError::<ParseIntError>::from(Error::Full);
    assert_eq!((ended.work(), ended.flight()), (None, Some(&Error::Full)));
    assert_eq!(ended.to_string(), Error::Full.to_string());

    /// Caused by another.
    #[derive(Debug)]
    struct Caused(ParseIntError);

    impl std::fmt::Display for Caused {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("caused")
        }
    }

    impl std::error::Error for Caused {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    let caused = TryError::Work(Arc::new(Caused(original.clone())));
    assert_eq!(caused.source().map(ToString::to_string), Some(original.to_string()));
    assert!(TryError::<Caused>::from(Error::Full).source().is_none());
}

#[test]
fn names_are_what_they_show() {
    let verbs = [Verb::Run, Verb::Relay, Verb::Spawn, Verb::RunBlocking, Verb::Enter];
    assert_eq!(verbs.map(Verb::name), ["run", "relay", "spawn", "run_blocking", "enter"]);
    assert!(verbs.iter().all(|verb| verb.to_string() == verb.name()));
    for (kind, name, ends) in [
        (EventKind::Started, "started", false),
        (EventKind::Joined, "joined", false),
        (EventKind::Completed, "completed", true),
        (EventKind::Cancelled, "cancelled", true),
    ] {
        assert_eq!((kind.name(), kind.to_string().as_str(), kind.is_end()), (name, name, ends));
    }
}
