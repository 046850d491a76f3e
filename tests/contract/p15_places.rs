//! Promise 15: who takes one of the places, who needs none, and when it is free again.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coflight::{Entry, Error, Group, OnFailure};
use coflight_tests::*;
use futures_lite::future::block_on;

use crate::by::*;
use crate::common::*;

matrix!(
    nobody_exceeds_it_by_any_verb,
    no_place_at_all_refuses_everybody,
    what_goes_on_takes_no_second_place,
    who_goes_alone_needs_none,
    a_second_flight_for_a_key_needs_its_own,
    a_lingering_result_is_served_though_all_are_taken,
    rare_ends_give_it_back_too,
    a_refused_caller_asks_again,
);

const LIMIT: Duration = Duration::from_secs(5);

fn group(lab: &Lab, flights: usize) -> Flights<u32> {
    lab.builder().max_flights(flights).build()
}

async fn nobody_exceeds_it_by_any_verb(lab: Lab) {
    const CAP: usize = 3;
    let flights = group(&lab, CAP);
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let ask_often = |caller: usize| {
        let (running, most) = (Arc::clone(&running), Arc::clone(&most));
        move || {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            value(move || async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                yield_now().await;
                running.fetch_sub(1, Ordering::SeqCst);
                caller as u32
            })
        }
    };
    let callers: Vec<_> = (0..16)
        .map(|caller: usize| {
            let (flights, work) = (flights.clone(), ask_often(caller));
            if caller % 5 == 4 {
                return lab.thread(move || {
                    (0..20)
                        .filter(|round| {
                            let key = ((caller + round) % 8).to_string();
                            full(flights.run_blocking(&key, || block_on(work()())))
                        })
                        .count()
                });
            }
            let verb = lab.verbs()[caller % 5];
            lab.start(async move {
                let mut refused = 0;
                for round in 0..20 {
                    let key = ((caller + round) % 8).to_string();
                    refused += usize::from(full(ask(verb, flights.clone(), key, work()).await));
                }
                refused
            })
        })
        .collect();
    let mut refused = 0;
    for caller in callers {
        refused += caller.await.returned();
    }
    assert!((1..=CAP).contains(&most.load(Ordering::SeqCst)), "{} at once", most.load(Ordering::SeqCst));
    let stats = flights.stats();
    assert_eq!((stats.refused, stats.calls(), stats.in_flight), (refused as u64, 16 * 20, 0));
    // All places are there.
    let taken: Vec<_> =
        (0..CAP).map(|key| boarded(ask(Verb::Run, flights.clone(), key.to_string(), endless()))).collect();
    assert!(full(ask(Verb::Run, flights.clone(), "one more", never()).await));
    drop(taken);
}

/// Whether the call was refused.
fn full(result: Result<u32, Error>) -> bool {
    match result {
        Ok(_) => false,
        Err(Error::Full) => true,
        Err(other) => panic!("{other}"),
    }
}

async fn no_place_at_all_refuses_everybody(lab: Lab) {
    let flights = group(&lab, 0);
    for by in By::ALL {
        assert_eq!(by.start(&lab, &flights, never()).await.returned(), Err(Error::Full), "{by:?}");
    }
    for &verb in lab.verbs() {
        let unlimited = asking(verb, &flights, |call| call.max_flights(None), at_once(1));
        assert_eq!(finish(&lab, unlimited).await, Ok(1), "{verb:?}");
    }
    assert_eq!((flights.stats().refused, flights.len()), (5, 0));
}

/// Promises 6 and 8: taking over, overtaking and trying again are the same flight.
async fn what_goes_on_takes_no_second_place(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        let builder = lab.builder().max_flights(1).overtake_after(LIMIT).on_failure(OnFailure::Retry { limit: 1 });
        let flights: Flights<u32> = builder.failed_if(|value| *value == 0).build();
        let leader = boarded(call(Verb::Run, &flights, endless()));
        let next = boarded(call(verb, &flights, at_once(2)));
        drop(leader);
        assert_eq!(finish(&lab, next).await, Ok(2), "{verb:?}");
        let parked = boarded(call(Verb::Run, &flights, endless()));
        let overtaker = boarded(call(verb, &flights, at_once(3)));
        lab.time().advance(LIMIT);
        assert_eq!(finish(&lab, overtaker).await, Ok(3), "{verb:?}");
        let gate = Gate::new();
        let fails = boarded(call(Verb::Run, &flights, behind(&gate, 0)));
        let tries = boarded(call(verb, &flights, at_once(4)));
        gate.open();
        assert_eq!(finish(&lab, fails).await, Ok(0));
        assert_eq!(finish(&lab, tries).await, Ok(4), "{verb:?}");
        drop(parked);
        let stats = flights.stats();
        assert_eq!((stats.handovers, stats.overtakes, stats.retries, stats.refused), (2, 1, 1, 0), "{verb:?}");
        assert_eq!(finish(&lab, call(verb, &flights, at_once(5))).await, Ok(5), "{verb:?}");
    }
}

async fn who_goes_alone_needs_none(lab: Lab) {
    for by in By::ALL {
        let flights = group(&lab, 1);
        let Entry::Leader(leader) = flights.enter(KEY) else { panic!("somebody else leads") };
        let gate = Gate::new();
        let alone =
            [by.aboard(&lab, &flights, behind(&gate, 1)).await, by.aboard(&lab, &flights, behind(&gate, 2)).await];
        assert_eq!(leader.release(), Ok(()));
        lab.until(|| flights.stats().alone == 2).await;
        assert_eq!(flights.run("another", || async { 3 }).await, Ok(3), "{by:?}: nor do they take one");
        gate.open();
        let [one, two] = alone;
        assert_eq!((one.await.returned(), two.await.returned()), (Ok(1), Ok(2)), "{by:?}");
    }
}

async fn a_second_flight_for_a_key_needs_its_own(lab: Lab) {
    for by in By::ALL {
        let flights: Flights<u32> = lab.builder().max_flights(1).max_callers(1).build();
        let leader = boarded(call(Verb::Run, &flights, endless()));
        assert_eq!(by.start(&lab, &flights, never()).await.returned(), Err(Error::Full), "{by:?}");
        drop(leader);
        let flights: Flights<u32> = lab.builder().max_flights(1).join_within(LIMIT).build();
        let _leader = boarded(call(Verb::Run, &flights, endless()));
        lab.time().advance(2 * LIMIT);
        assert_eq!(by.start(&lab, &flights, never()).await.returned(), Err(Error::Full), "{by:?}");
        assert_eq!((flights.stats().refused, flights.len()), (1, 1));
    }
}

async fn a_lingering_result_is_served_though_all_are_taken(lab: Lab) {
    for by in By::ALL {
        let flights: Flights<u32> = lab.builder().max_flights(1).linger(LIMIT).build();
        assert_eq!(flights.run(KEY, || async { 1 }).await, Ok(1));
        let _other = boarded(ask(Verb::Run, flights.clone(), "another", endless()));
        assert_eq!(by.start(&lab, &flights, never()).await.returned(), Ok(1), "{by:?}");
        lab.time().advance(LIMIT);
        assert_eq!(by.start(&lab, &flights, never()).await.returned(), Err(Error::Full), "{by:?}");
    }
}

async fn rare_ends_give_it_back_too(lab: Lab) {
    let builder = lab.builder().max_flights(1).timeout(LIMIT).on_failure(OnFailure::Retry { limit: 1 });
    let flights: Flights<u32> = builder.failed_if(|value| *value == 0).build();
    let is_free = async || {
        lab.until(|| flights.stats().in_flight == 0).await;
        flights.run("another", || async { 7 }).await == Ok(7)
    };
    // A guard that is dropped, and one whose time is over.
    let Entry::Leader(guard) = flights.enter(KEY) else { panic!("somebody else leads") };
    guard.abandon();
    assert!(is_free().await);
    let Entry::Leader(mut guard) = flights.enter(KEY) else { panic!("somebody else leads") };
    let follower = boarded(call(Verb::Run, &flights, never()));
    lab.time().advance(LIMIT);
    assert_eq!(finish(&lab, follower).await, Err(Error::TimedOut));
    guard.cancelled().await;
    assert!(is_free().await, "before the guard is gone");
    drop(guard);
    // Works that panic, when called or later.
    for by in By::ALL {
        let panics = by.start(&lab, &flights, Box::new(|| panic!("at once")));
        assert_eq!(panics.await.panicked(), "at once");
        let panics = value(|| async {
            yield_now().await;
            panic!("later")
        });
        assert_eq!(by.start(&lab, &flights, panics).await.panicked(), "later");
        assert!(is_free().await, "{by:?}");
        // Failures, alone and after a last try.
        assert_eq!(by.start(&lab, &flights, at_once(0)).await.returned(), Ok(0));
        let gate = Gate::new();
        let fail =
            [by.aboard(&lab, &flights, behind(&gate, 0)).await, by.aboard(&lab, &flights, behind(&gate, 0)).await];
        gate.open();
        for fail in fail {
            assert_eq!(fail.await.returned(), Ok(0), "{by:?}");
        }
        assert!(is_free().await, "{by:?}");
    }
    let stats = flights.stats();
    assert_eq!((stats.refused, stats.led), (0, stats.ended()));
}

async fn a_refused_caller_asks_again(lab: Lab) {
    for &verb in lab.verbs() {
        let flights = group(&lab, 1);
        let gate = Gate::new();
        let first = boarded(ask(verb, flights.clone(), "another", behind(&gate, 1)));
        let call = call(verb, &flights, at_once(2));
        assert_eq!(finish(&lab, asking(verb, &flights, |call| call, never())).await, Err(Error::Full), "{verb:?}");
        gate.open();
        assert_eq!(finish(&lab, first).await, Ok(1));
        assert_eq!(finish(&lab, call).await, Ok(2), "{verb:?}: it had not asked when there was no place");
    }
}

/// Promise 9: making the key is the user's code.
#[test]
fn a_key_that_cannot_be_made_takes_no_place() {
    static PANICS: AtomicBool = AtomicBool::new(true);

    #[derive(Hash, PartialEq, Eq)]
    struct Key;

    impl Clone for Key {
        fn clone(&self) -> Self {
            assert!(!PANICS.load(Ordering::SeqCst), "clone of a key");
            Self
        }
    }

    let flights: Group<Key, u32> = Group::builder().max_flights(1).build();
    for _ in 0..3 {
        let mut call = Box::pin(flights.run(&Key, || async { 1 }));
        assert!(catch_unwind(AssertUnwindSafe(|| poll_now(call.as_mut()))).is_err());
    }
    PANICS.store(false, Ordering::SeqCst);
    assert_eq!(block_on(flights.run(&Key, || async { 1 })), Ok(1));
}

/// A key that is asked for by somebody else while it is cloned to start a flight, once.
struct Late(u32, Arc<Mutex<Option<Somebody>>>);

type Somebody = Box<dyn FnOnce() + Send>;

impl PartialEq for Late {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Late {}

impl std::hash::Hash for Late {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Clone for Late {
    fn clone(&self) -> Self {
        let somebody = self.1.lock().unwrap().take();
        if let Some(asks) = somebody {
            asks();
        }
        Self(self.0, Arc::default())
    }
}

#[test]
fn a_flight_that_was_made_in_vain_needs_none() {
    let flights: Group<Late, u32> = Group::builder().max_flights(2).build();
    let (led, leader) = (flights.clone(), Arc::new(Mutex::new(None)));
    let first = Arc::clone(&leader);
    let somebody: Somebody = Box::new(move || {
        if let Entry::Leader(leads) = led.enter(&Late(1, Arc::default())) {
            *first.lock().unwrap() = Some(leads);
        }
    });
    let follower = boarded(async {
        let late = Late(1, Arc::new(Mutex::new(Some(somebody))));
        flights.run(&late, || async { unreachable!("a follower's work is called") }).await
    });
    let leader = leader.lock().unwrap().take().expect("it asked meanwhile, and leads");
    assert_eq!(leader.complete(7), Ok(7));
    assert_eq!(block_on(follower), Ok(7));
    // Both places are free.
    let keys = [Late(2, Arc::default()), Late(3, Arc::default())];
    let taken = keys.each_ref().map(|key| boarded(flights.run(key, std::future::pending)));
    assert_eq!(block_on(flights.run(&Late(4, Arc::default()), || async { 4 })), Err(Error::Full));
    drop(taken);
}

#[test]
fn a_call_that_was_cloned_asks_for_the_same() {
    let flights: Group<u32, u32> = Group::new();
    let none = flights.call().max_flights(0);
    assert_eq!(block_on(none.clone().run(&1, || async { 1 })), Err(Error::Full));
    assert_eq!(block_on(none.run(&1, || async { 1 })), Err(Error::Full));
    assert_eq!(block_on(flights.run(&1, || async { 1 })), Ok(1));
}
