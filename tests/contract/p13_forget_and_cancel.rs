//! Promise 13: `forget` ends the coalescing, `cancel` the flight; both say whether there was one.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use coflight::{Entry, Error, Group, Turn};
use coflight_tests::*;
use futures_lite::future::block_on;

use crate::common::*;

matrix!(
    forget_lets_those_aboard_have_their_result,
    forget_and_cancel_say_whether_there_was_one,
    cancel_tells_all_aboard,
    cancel_in_the_same_tick_as_the_call,
    cancel_drops_the_work,
    cancel_of_a_vacant_flight,
    cancel_touches_no_other_key,
    forget_all_and_cancel_all,
    cancel_reaches_threads,
    a_guard_learns_of_cancel,
    a_guard_forgets_its_own_flight,
);

async fn forget_lets_those_aboard_have_their_result(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 1)));
        let follower = boarded(call(verb, &flights, never()));
        assert!(flights.forget(KEY));
        assert!(!flights.contains(KEY));
        assert_eq!(call(verb, &flights, at_once(2)).await, Ok(2), "{verb:?}");
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(1));
        assert_eq!(finish(&lab, follower).await, Ok(1));
    }
    // A handover inside a forgotten flight stays inside it.
    let flights: Flights<u32> = lab.group();
    let leader = boarded(call(Verb::Run, &flights, endless()));
    let follower = boarded(call(Verb::Run, &flights, at_once(3)));
    assert!(flights.forget(KEY));
    let newcomer = boarded(call(Verb::Run, &flights, endless()));
    drop(leader);
    assert_eq!(follower.await, Ok(3));
    assert!(flights.contains(KEY));
    drop(newcomer);
    assert!(flights.is_empty());
}

async fn forget_and_cancel_say_whether_there_was_one(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        assert!(!flights.forget(KEY) && !flights.cancel(KEY) && !flights.contains(KEY));
        let leader = boarded(call(verb, &flights, endless()));
        assert!(flights.contains(KEY) && !flights.contains("another"));
        assert!(flights.cancel(KEY), "{verb:?}");
        assert!(!flights.contains(KEY) && !flights.cancel(KEY) && !flights.forget(KEY), "{verb:?}");
        drop(leader);
        let leader = boarded(call(verb, &flights, endless()));
        assert!(flights.forget(KEY));
        assert!(!flights.forget(KEY) && !flights.cancel(KEY), "{verb:?}");
        drop(leader);
        assert_eq!(call(verb, &flights, at_once(1)).await, Ok(1));
        assert!(!flights.forget(KEY) && !flights.cancel(KEY));
    }
}

async fn cancel_tells_all_aboard(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (gate, begun, all) = (Gate::new(), Witness::default(), Latch::new(9));
        let leader = lab.start(call(verb, &flights, begun.watch(behind(&gate, 1))));
        lab.until(|| begun.begun() == 1).await;
        let followers: Vec<_> = (0..9).map(|_| lab.start(asked(call(verb, &flights, never()), &all))).collect();
        all.wait().await;
        assert!(flights.cancel(KEY));
        for follower in followers {
            assert_eq!(follower.await.returned(), Err(Error::Cancelled), "{verb:?}");
        }
        if verb == Verb::Enter {
            // A guard's work is the user's own to stop: its leader is told at the end.
            gate.open();
        }
        assert_eq!(leader.await.returned(), Err(Error::Cancelled), "{verb:?}");
        lab.until(|| flights.is_empty()).await;
        assert_eq!(call(verb, &flights, at_once(1)).await, Ok(1));
    }
}

async fn cancel_in_the_same_tick_as_the_call(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        let flights: Flights<u32> = lab.group();
        let leader = boarded(call(verb, &flights, endless()));
        assert!(flights.cancel(KEY));
        let gate = Gate::new();
        let newcomer = boarded(call(verb, &flights, behind(&gate, 2)));
        assert_eq!(finish(&lab, leader).await, Err(Error::Cancelled), "{verb:?}");
        gate.open();
        assert_eq!(finish(&lab, newcomer).await, Ok(2), "{verb:?}");
        // Asked, but not polled yet: there is nothing to cancel.
        let lazy = call(verb, &flights, at_once(3));
        assert!(!flights.cancel(KEY));
        assert_eq!(finish(&lab, lazy).await, Ok(3));
        assert!(flights.is_empty());
    }
}

async fn cancel_drops_the_work(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let witness = Witness::default();
    let parked = boarded(call(Verb::Relay, &flights, witness.watch(endless())));
    assert!(flights.cancel(KEY));
    assert_eq!(witness.gone(), 1, "a relayed work is dropped before `cancel` returns");
    assert_eq!(parked.await, Err(Error::Cancelled));

    let parked = boarded(call(Verb::Spawn, &flights, witness.watch(endless())));
    assert!(flights.cancel(KEY));
    lab.until(|| witness.gone() == 2).await;
    assert_eq!(parked.await, Err(Error::Cancelled));

    // The work of `run` goes when its leader, who is woken, is polled; the key is free before.
    let waiting = lab.start(call(Verb::Run, &flights, witness.watch(endless())));
    lab.until(|| flights.contains(KEY)).await;
    assert!(flights.cancel(KEY));
    assert_eq!(waiting.await.returned(), Err(Error::Cancelled));
    assert_eq!((witness.begun(), witness.gone()), (3, 3));
}

async fn cancel_of_a_vacant_flight(lab: Lab) {
    for verb in [Verb::Run, Verb::Enter] {
        let flights: Flights<u32> = lab.group();
        let leader = boarded(call(verb, &flights, endless()));
        let follower = boarded(call(verb, &flights, never()));
        drop(leader);
        assert!(flights.cancel(KEY));
        assert_eq!(follower.await, Err(Error::Cancelled), "{verb:?}");
        assert!(flights.is_empty());
    }
}

async fn cancel_touches_no_other_key(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let gate = Gate::new();
        let other = boarded(ask(verb, flights.clone(), "other", behind(&gate, 1)));
        let leader = boarded(call(verb, &flights, endless()));
        assert!(flights.cancel(KEY));
        drop(leader);
        gate.open();
        assert_eq!(finish(&lab, other).await, Ok(1), "{verb:?}");
    }
}

async fn forget_all_and_cancel_all(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let gate = Gate::new();
        let callers: Vec<_> = (0..5)
            .map(|number| boarded(ask(verb, flights.clone(), number.to_string(), behind(&gate, number))))
            .collect();
        assert_eq!(flights.len(), 5);
        assert_eq!(flights.forget_all(), 5);
        assert_eq!((flights.forget_all(), flights.cancel_all(), flights.len()), (0, 0, 0));
        gate.open();
        for (number, caller) in (0..).zip(callers) {
            assert_eq!(finish(&lab, caller).await, Ok(number), "{verb:?}");
        }
        let callers: Vec<_> =
            (0..5).map(|number| boarded(ask(verb, flights.clone(), number.to_string(), endless()))).collect();
        assert_eq!(flights.cancel_all(), 5);
        assert_eq!(flights.len(), 0);
        if verb != Verb::Enter {
            for caller in callers {
                assert_eq!(finish(&lab, caller).await, Err(Error::Cancelled), "{verb:?}");
            }
        }
        assert!(flights.is_empty());
    }
}

async fn cancel_reaches_threads(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let Entry::Leader(leader) = flights.enter(KEY) else { panic!("somebody else leads") };
    let thread = lab.thread({
        let flights = flights.clone();
        move || flights.run_blocking(KEY, || panic!("a follower's work is called"))
    });
    lab.until(|| leader.callers() == 2).await;
    assert!(flights.cancel(KEY));
    assert_eq!(thread.await.returned(), Err(Error::Cancelled));
    assert_eq!(leader.complete(1), Err(Error::Cancelled));
    assert!(flights.is_empty());
}

async fn a_guard_learns_of_cancel(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let Entry::Leader(mut leader) = flights.enter(KEY) else { panic!("somebody else leads") };
    assert!(!leader.is_cancelled());
    let (asked_for, told) = (Latch::new(1), Gate::new());
    let watcher = lab.start({
        let (asked_for, told) = (asked_for.clone(), told.clone());
        async move {
            asked(leader.cancelled(), &asked_for).await;
            told.open();
            leader
        }
    });
    asked_for.wait().await;
    assert!(flights.cancel(KEY));
    told.wait().await;
    let leader = watcher.await.returned();
    assert!(leader.is_cancelled());
    assert_eq!(leader.release(), Err(Error::Cancelled));
    assert!(flights.is_empty());
}

async fn a_guard_forgets_its_own_flight(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let Entry::Leader(first) = flights.enter(KEY) else { panic!("somebody else leads") };
    let follower = boarded(call(Verb::Enter, &flights, never()));
    assert!(first.forget() && !first.forget());
    assert!(!flights.contains(KEY));
    let Entry::Leader(second) = flights.enter(KEY) else { panic!("a newcomer joined what was forgotten") };
    // Not its successor, which a call by key would mean.
    assert!(!first.forget() && flights.contains(KEY));
    assert_eq!(first.complete(1), Ok(1));
    assert_eq!(finish(&lab, follower).await, Ok(1));
    assert!(flights.contains(KEY));
    assert_eq!(second.complete(2), Ok(2));
    assert!(flights.is_empty());
}

/// Equal to all others of its kind, but not the same.
#[derive(Clone, Debug)]
struct Twin(Arc<str>);

impl PartialEq for Twin {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Twin {}

impl Hash for Twin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

#[test]
fn a_follower_sees_the_leaders_key() {
    with_deadline("a follower sees the leader's key", || block_on(equal_keys()));
}

async fn equal_keys() {
    let flights: Group<Twin, u32> = Group::new();
    let (mine, other) = (Twin("key".into()), Twin("key".into()));
    let Entry::Leader(leader) = flights.enter(&mine) else { panic!("somebody else leads") };
    let Entry::Follower(follower) = flights.enter(&other) else { panic!("two lead") };
    assert!(follower.key().is_some_and(|key| Arc::ptr_eq(&key.0, &mine.0)));
    // What waits for a cancelled work to go is aboard of nothing.
    assert!(flights.cancel(&mine));
    let Entry::Follower(waiting) = flights.enter(&other) else { panic!("two works at a time") };
    assert!(waiting.key().is_none());
    assert!(waiting.clearing().is_some_and(|key| Arc::ptr_eq(&key.0, &mine.0)) && follower.clearing().is_none());
    drop(leader);
    let mut waiting = std::pin::pin!(waiting);
    assert!(matches!(waiting.as_mut().await, Ok(Turn::Leader(leader)) if Arc::ptr_eq(&leader.key().0, &other.0)));
    assert!(waiting.key().is_none() && waiting.clearing().is_none());
    assert!(matches!(follower.await, Err(Error::Cancelled)));
    assert!(flights.is_empty());
}
