//! Promise 6: exactly one follower takes over from a leader that leaves, as the verb says, and newcomers may.

use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use coflight::{Entry, Error, Role, Turn};
use coflight_tests::*;

use crate::common::*;

matrix!(
    by_run_one_follower_starts_its_own_work,
    by_relay_the_same_future_goes_on,
    by_spawn_nothing_happens,
    by_enter_the_guard_hands_over,
    a_newcomer_may_take_over,
    a_verb_takes_over_from_another,
    released_followers_go_alone,
    a_thread_takes_over,
    a_newcomer_takes_over_before_the_leader_is_quite_gone,
    leaders_leave_one_after_another,
);

async fn by_run_one_follower_starts_its_own_work(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let (first, others, gate) = (Witness::default(), Witness::default(), Gate::new());
    let leader = boarded(call(Verb::Run, &flights, first.watch(endless())));
    let all = Latch::new(10);
    let followers: Vec<_> =
        (0..10).map(|_| lab.start(asked(call(Verb::Run, &flights, others.watch(behind(&gate, 2))), &all))).collect();
    all.wait().await;
    drop(leader);
    assert_eq!(first.gone(), 1, "the old work is gone before the new one begins");
    lab.until(|| others.begun() == 1).await;
    gate.open();
    for follower in followers {
        assert_eq!(follower.await.returned(), Ok(2));
    }
    assert_eq!((first.begun(), others.begun()), (1, 1));
    assert!(flights.is_empty());
}

async fn by_relay_the_same_future_goes_on(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let (witness, gate) = (Witness::default(), Gate::new());
    let leader = boarded(call(Verb::Relay, &flights, witness.watch(behind(&gate, 1))));
    let all = Latch::new(10);
    let followers: Vec<_> = (0..10).map(|_| lab.start(asked(call(Verb::Relay, &flights, never()), &all))).collect();
    all.wait().await;
    drop(leader);
    assert_eq!(witness.gone(), 0, "the work lives on");
    gate.open();
    for follower in followers {
        assert_eq!(follower.await.returned(), Ok(1));
    }
    assert_eq!((witness.begun(), witness.gone()), (1, 1));
    assert!(flights.is_empty());
}

async fn by_spawn_nothing_happens(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let (witness, gate) = (Witness::default(), Gate::new());
    let leader = boarded(call(Verb::Spawn, &flights, witness.watch(behind(&gate, 1))));
    let follower = boarded(call(Verb::Spawn, &flights, never()));
    drop(leader);
    assert_eq!(witness.gone(), 0);
    gate.open();
    assert_eq!(finish(&lab, follower).await, Ok(1));
    assert_eq!(witness.begun(), 1);
}

async fn by_enter_the_guard_hands_over(lab: Lab) {
    for abandon in [true, false] {
        let flights: Flights<u32> = lab.group();
        let Entry::Leader(leader) = flights.enter(KEY) else { panic!("somebody else leads") };
        assert_eq!((leader.role(), leader.callers(), leader.key().as_str()), (Role::Led, 1, KEY));
        let Entry::Follower(first) = flights.enter(KEY) else { panic!("two leaders") };
        let Entry::Follower(second) = flights.enter(KEY) else { panic!("two leaders") };
        assert_eq!(leader.callers(), 3);
        if abandon {
            leader.abandon()
        } else {
            drop(leader)
        }
        let Ok(Turn::Leader(leader)) = first.await else { panic!("nobody took over") };
        assert_eq!((leader.role(), leader.callers()), (Role::TookOver, 2));
        let mut second = Box::pin(second);
        assert!(poll_now(second.as_mut()).is_pending(), "two take over");
        assert_eq!(leader.complete(7), Ok(7));
        let Ok(Turn::Value(7)) = second.await else { panic!("no value") };
        assert!(flights.is_empty());
    }
}

async fn a_newcomer_may_take_over(lab: Lab) {
    for verb in [Verb::Run, Verb::Enter] {
        let flights: Flights<u32> = lab.group();
        let leader = boarded(call(verb, &flights, endless()));
        // It is aboard, but never polled again.
        let parked = boarded(call(verb, &flights, never()));
        drop(leader);
        assert!(flights.contains(KEY));
        assert_eq!(call(verb, &flights, at_once(2)).await, Ok(2), "{verb:?}");
        assert_eq!(parked.await, Ok(2), "one flight, one result");
    }
}

async fn a_verb_takes_over_from_another(lab: Lab) {
    for &before in &[Verb::Run, Verb::Enter] {
        for &after in lab.verbs() {
            let flights: Flights<u32> = lab.group();
            let gate = Gate::new();
            let leader = boarded(call(before, &flights, endless()));
            let successor = boarded(call(after, &flights, behind(&gate, 2)));
            let follower = boarded(call(before, &flights, never()));
            drop(leader);
            let successor = {
                let mut successor = successor;
                assert!(poll_now(successor.as_mut()).is_pending());
                successor
            };
            gate.open();
            assert_eq!(finish(&lab, successor).await, Ok(2), "{after:?} after {before:?}");
            assert_eq!(finish(&lab, follower).await, Ok(2));
            assert!(flights.is_empty());
        }
    }
}

async fn released_followers_go_alone(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let Entry::Leader(leader) = flights.enter(KEY) else { panic!("somebody else leads") };
        let (gate, witness) = (Gate::new(), Witness::default());
        let followers: Vec<_> =
            (0..5).map(|number| boarded(call(verb, &flights, witness.watch(behind(&gate, number))))).collect();
        assert_eq!(leader.release(), Ok(()));
        assert!(flights.is_empty());
        // In parallel: each has begun before any may end.
        let followers: Vec<_> = followers
            .into_iter()
            .map(|mut follower| {
                assert!(poll_now(follower.as_mut()).is_pending());
                follower
            })
            .collect();
        lab.until(|| witness.begun() == 5).await;
        gate.open();
        for (number, follower) in (0..).zip(followers) {
            assert_eq!(finish(&lab, follower).await, Ok(number), "{verb:?}");
        }
    }
}

async fn a_thread_takes_over(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let Entry::Leader(leader) = flights.enter(KEY) else { panic!("somebody else leads") };
    let thread = lab.thread({
        let flights = flights.clone();
        move || flights.call().run_blocking_with_served(KEY, || 3)
    });
    lab.until(|| leader.callers() == 2).await;
    drop(leader);
    let (result, served) = thread.await.returned();
    assert_eq!((result, served.role, served.callers), (Ok(3), Role::TookOver, 1));
}

async fn leaders_leave_one_after_another(lab: Lab) {
    for verb in [Verb::Run, Verb::Enter] {
        let flights: Flights<u32> = lab.group();
        let witness = Witness::default();
        let mut callers: Vec<_> = (0..20).map(|_| boarded(call(verb, &flights, witness.watch(endless())))).collect();
        let last = boarded(call(verb, &flights, at_once(9)));
        while !callers.is_empty() {
            drop(callers.remove(0));
            for caller in &mut callers {
                assert!(poll_now(caller.as_mut()).is_pending());
            }
        }
        // Each led once, one after another; the last one's work ends.
        assert_eq!((witness.begun(), witness.gone()), (20, 20), "{verb:?}");
        assert_eq!(last.await, Ok(9));
        assert!(flights.is_empty());
    }
}

/// A leaver once took the waker of its successor along, who then slept through everything.
async fn a_newcomer_takes_over_before_the_leader_is_quite_gone(lab: Lab) {
    for first in [Verb::Run, Verb::Enter] {
        for then in [Verb::Run, Verb::Relay] {
            let flights: Flights<u32> = lab.group();
            let gate = Gate::new();
            let leader = boarded(call(first, &flights, endless()));
            let (successor, wakes) = (Arc::new(Mutex::new(None)), CountingWaker::new());
            // The follower is told of the handover inside the leader's drop, and lets a newcomer in at that moment.
            let door = CountingWaker::calling({
                let (flights, successor, wakes, gate) =
                    (flights.clone(), successor.clone(), wakes.clone(), gate.clone());
                move || {
                    let mut newcomer = call(then, &flights, behind(&gate, 2));
                    let waker = Waker::from(wakes.clone());
                    assert!(newcomer.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
                    successor.lock().unwrap().get_or_insert(newcomer);
                }
            });
            let mut follower = call(first, &flights, never());
            assert!(follower.as_mut().poll(&mut Context::from_waker(&Waker::from(door))).is_pending());
            drop(leader);
            let successor = successor.lock().unwrap().take().expect("a successor");
            assert_eq!(wakes.wakes(), 0);
            if then == Verb::Relay {
                gate.open();
            } else {
                assert!(flights.cancel(KEY));
            }
            assert_eq!(wakes.wakes(), 1, "{then:?} after {first:?}: the successor is not woken");
            let expected = if then == Verb::Relay { Ok(2) } else { Err(Error::Cancelled) };
            assert_eq!((successor.await, follower.await), (expected.clone(), expected), "{then:?} after {first:?}");
            assert!(flights.is_empty());
        }
    }
}
