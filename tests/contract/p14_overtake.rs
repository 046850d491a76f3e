//! Promises 1, 2 and 8, where `overtake_after` is set: a leader that is too slow is not waited for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use coflight::{Entry, Error, Role, Turn};
use coflight_tests::*;

use crate::common::*;

matrix!(
    one_follower_overtakes_and_answers_all,
    the_leader_is_quicker_after_all,
    nobody_else_starts_when_the_leader_leaves_meanwhile,
    cancel_and_a_timeout_end_both_works,
    a_panic_of_either_answers_all,
    newcomers_follow,
    a_call_waits_longer_or_for_ever,
    a_new_leader_has_the_whole_time_again,
    a_guard_overtakes,
    what_is_released_meanwhile_goes_on_alone,
    who_overtook_is_told_that_time_was_over,
    a_guard_is_not_overtaken_if_it_says_so,
);

const LIMIT: Duration = Duration::from_secs(5);

/// The verbs by which a leader can be too slow. A relay has none.
const LEADING: [Verb; 3] = [Verb::Run, Verb::Spawn, Verb::Enter];

async fn one_follower_overtakes_and_answers_all(lab: Lab) {
    for leading in LEADING {
        for &verb in lab.verbs() {
            let flights: Flights<u32> = lab.builder().overtake_after(LIMIT).build();
            let (slow, quick) = (Witness::default(), Witness::default());
            let parked = boarded(call(leading, &flights, slow.watch(endless())));
            let latch = Latch::new(3);
            let gate = Gate::new();
            let followers: Vec<_> =
                (0..3).map(|_| lab.start(asked(call(verb, &flights, quick.watch(behind(&gate, 2))), &latch))).collect();
            latch.wait().await;
            lab.until(|| lab.time().timers() >= 3).await;
            lab.time().advance(LIMIT - Duration::from_nanos(1));
            assert_eq!(quick.begun(), 0, "{verb:?} behind {leading:?}");
            lab.time().advance(Duration::from_nanos(1));
            lab.until(|| quick.begun() == 1).await;
            gate.open();
            for follower in followers {
                assert_eq!(follower.await.returned(), Ok(2), "{verb:?} behind {leading:?}");
            }
            assert_eq!((quick.begun(), flights.stats().overtakes), (1, 1), "one of them");
            assert!(flights.is_empty(), "the key is free, though the leader has not noticed");
            if leading == Verb::Enter {
                // Its work is nobody's to stop.
                drop(parked);
            } else {
                assert_eq!(finish(&lab, parked).await, Ok(2), "the leader gets the same");
            }
            lab.until(|| slow.gone() == 1).await;
        }
    }
}

async fn the_leader_is_quicker_after_all(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().overtake_after(LIMIT).build();
        let (gate, witness) = (Gate::new(), Witness::default());
        let leader = boarded(call(Verb::Run, &flights, behind(&gate, 1)));
        let mut overtaker = boarded(call(verb, &flights, witness.watch(endless())));
        lab.time().advance(LIMIT);
        assert!(poll_now(overtaker.as_mut()).is_pending());
        assert_eq!(witness.begun(), 1, "{verb:?}");
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(1));
        if verb == Verb::Enter {
            // It runs its work outside, and is not stopped by the group.
            drop(overtaker);
        } else {
            assert_eq!(finish(&lab, overtaker).await, Ok(1), "{verb:?}");
        }
        lab.until(|| witness.gone() == 1).await;
        assert!(flights.is_empty());
    }
    let flights: Flights<u32> = lab.builder().overtake_after(LIMIT).build();
    let parked = boarded(flights.run(KEY, std::future::pending));
    let overtaker = boarded(flights.run(KEY, || async { 2 }).with_served());
    lab.time().advance(LIMIT);
    let (result, served) = finish(&lab, overtaker).await;
    assert_eq!((result, served.role, served.callers), (Ok(2), Role::Overtook, 2));
    drop(parked);
}

async fn nobody_else_starts_when_the_leader_leaves_meanwhile(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().overtake_after(LIMIT).build();
        let (gate, third) = (Gate::new(), Witness::default());
        let leader = boarded(call(Verb::Run, &flights, endless()));
        let mut overtaker = boarded(call(verb, &flights, behind(&gate, 2)));
        let mut follower = boarded(call(verb, &flights, third.watch(at_once(3))));
        lab.time().advance(LIMIT);
        assert!(poll_now(overtaker.as_mut()).is_pending());
        drop(leader);
        let mut newcomer = boarded(call(verb, &flights, third.watch(at_once(3))));
        assert!(poll_now(follower.as_mut()).is_pending() && poll_now(newcomer.as_mut()).is_pending());
        gate.open();
        assert_eq!(finish(&lab, overtaker).await, Ok(2), "{verb:?}");
        assert_eq!(finish(&lab, follower).await, Ok(2), "{verb:?}");
        assert_eq!(finish(&lab, newcomer).await, Ok(2), "{verb:?}");
        assert_eq!((third.begun(), flights.stats().handovers), (0, 0));
    }
}

async fn cancel_and_a_timeout_end_both_works(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        for cancel in [false, true] {
            let flights: Flights<u32> = lab.builder().overtake_after(LIMIT).timeout(2 * LIMIT).build();
            let (slow, quick) = (Witness::default(), Witness::default());
            let leader = boarded(call(Verb::Run, &flights, slow.watch(endless())));
            let mut overtaker = boarded(call(verb, &flights, quick.watch(endless())));
            lab.time().advance(LIMIT);
            assert!(poll_now(overtaker.as_mut()).is_pending());
            if cancel {
                assert!(flights.cancel(KEY));
            } else {
                lab.time().advance(LIMIT);
            }
            let expected = Err(if cancel { Error::Cancelled } else { Error::TimedOut });
            assert_eq!(finish(&lab, overtaker).await, expected, "{verb:?}");
            assert_eq!(finish(&lab, leader).await, expected, "{verb:?}");
            lab.until(|| (slow.gone(), quick.gone()) == (1, 1)).await;
            assert!(flights.is_empty());
        }
    }
}

/// Promise 9 as well.
async fn a_panic_of_either_answers_all(lab: Lab) {
    let explode = |gate: &Gate| {
        let gate = gate.clone();
        value(move || async move {
            gate.wait().await;
            panic!("the work panics")
        })
    };
    for leader_panics in [false, true] {
        let flights: Flights<u32> = lab.builder().overtake_after(LIMIT).build();
        let gate = Gate::new();
        let works = if leader_panics { [explode(&gate), endless()] } else { [endless(), explode(&gate)] };
        let [slow, quick] = works;
        let mut leader = boarded(call(Verb::Run, &flights, slow));
        let mut overtaker = boarded(call(Verb::Run, &flights, quick));
        let follower = boarded(call(Verb::Run, &flights, never()));
        lab.time().advance(LIMIT);
        assert!(poll_now(overtaker.as_mut()).is_pending());
        gate.open();
        let (panics, other) = if leader_panics { (&mut leader, overtaker) } else { (&mut overtaker, leader) };
        assert!(catch_unwind(AssertUnwindSafe(|| poll_now(panics.as_mut()))).is_err());
        for call in [other, follower] {
            assert!(matches!(finish(&lab, call).await, Err(Error::Panicked(_))), "leader: {leader_panics}");
        }
        assert_eq!((flights.stats().panicked, flights.len()), (1, 0));
    }
}

async fn newcomers_follow(lab: Lab) {
    let flights: Flights<u32> = lab.builder().overtake_after(LIMIT).build();
    let gate = Gate::new();
    let _parked = boarded(call(Verb::Run, &flights, endless()));
    let mut overtaker = boarded(call(Verb::Run, &flights, behind(&gate, 2)));
    lab.time().advance(LIMIT);
    assert!(poll_now(overtaker.as_mut()).is_pending());
    let newcomer = boarded(call(Verb::Run, &flights, never()));
    gate.open();
    assert_eq!(finish(&lab, overtaker).await, Ok(2));
    assert_eq!(finish(&lab, newcomer).await, Ok(2));
}

async fn a_call_waits_longer_or_for_ever(lab: Lab) {
    let flights: Flights<u32> = lab.builder().overtake_after(LIMIT).build();
    let patient = flights.call().overtake_after(2 * LIMIT);
    let _parked = boarded(patient.run("patient", std::future::pending));
    let mut behind_patient = boarded(flights.run("patient", || async { 2 }));
    let _for_ever = boarded(flights.call().overtake_after(None).run("for ever", std::future::pending));
    let mut behind_for_ever = boarded(flights.run("for ever", || async { 2 }));
    lab.time().advance(LIMIT);
    assert!(poll_now(behind_patient.as_mut()).is_pending() && poll_now(behind_for_ever.as_mut()).is_pending());
    lab.time().advance(LIMIT);
    assert_eq!(finish(&lab, behind_patient).await, Ok(2));
    lab.time().advance(100 * LIMIT);
    assert!(poll_now(behind_for_ever.as_mut()).is_pending());
}

async fn a_new_leader_has_the_whole_time_again(lab: Lab) {
    let flights: Flights<u32> = lab.builder().overtake_after(LIMIT).build();
    let leader = boarded(call(Verb::Run, &flights, endless()));
    let mut next = boarded(call(Verb::Run, &flights, endless()));
    let mut third = boarded(call(Verb::Run, &flights, at_once(3)));
    lab.time().advance(LIMIT / 2);
    drop(leader);
    assert!(poll_now(next.as_mut()).is_pending());
    lab.time().advance(LIMIT / 2);
    assert!(poll_now(third.as_mut()).is_pending(), "the new leader has led for half the time");
    lab.time().advance(LIMIT / 2);
    assert_eq!(finish(&lab, third).await, Ok(3));
}

async fn a_guard_overtakes(lab: Lab) {
    let flights: Flights<u32> = lab.builder().overtake_after(LIMIT).build();
    let Entry::Leader(slow) = flights.enter(KEY) else { panic!("somebody else leads") };
    let Entry::Follower(follower) = flights.enter(KEY) else { panic!("two lead") };
    let follower = boarded(follower);
    let waits = boarded(call(Verb::Run, &flights, never()));
    lab.time().advance(LIMIT);
    let Ok(Turn::Leader(quick)) = finish(&lab, follower).await else { panic!("it was to overtake") };
    assert_eq!(quick.role(), Role::Overtook);
    assert_eq!(quick.complete(2), Ok(2));
    assert!(slow.is_cancelled());
    assert_eq!(slow.complete(1), Ok(2), "one result");
    assert_eq!(finish(&lab, waits).await, Ok(2));
}

async fn what_is_released_meanwhile_goes_on_alone(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        let flights: Flights<u32> = lab.builder().overtake_after(LIMIT).build();
        let gate = Gate::new();
        let Entry::Leader(leader) = flights.enter(KEY) else { panic!("somebody else leads") };
        let mut overtaker = boarded(call(verb, &flights, behind(&gate, 2)));
        let other = boarded(call(Verb::Run, &flights, at_once(3)));
        lab.time().advance(LIMIT);
        assert!(poll_now(overtaker.as_mut()).is_pending());
        assert_eq!(leader.release(), Ok(()));
        assert_eq!(finish(&lab, other).await, Ok(3), "alone");
        gate.open();
        assert_eq!(finish(&lab, overtaker).await, Ok(2), "{verb:?}");
        assert!(flights.is_empty());
    }
}

async fn who_overtook_is_told_that_time_was_over(lab: Lab) {
    let flights: Flights<u32> = lab.builder().timeout(2 * LIMIT).overtake_after(LIMIT).build();
    let Entry::Leader(_slow) = flights.enter(KEY) else { panic!("nobody else leads") };
    let mut overtaker = boarded(async {
        let Entry::Follower(follower) = flights.enter(KEY) else { panic!("two lead") };
        follower.await
    });
    let waiting = boarded(call(Verb::Run, &flights, never()));
    lab.time().advance(LIMIT);
    let std::task::Poll::Ready(Ok(Turn::Leader(overtaker))) = poll_now(overtaker.as_mut()) else {
        panic!("it was to overtake")
    };
    // It is the third caller who finds that the time is over.
    lab.time().advance(LIMIT);
    assert_eq!(finish(&lab, waiting).await, Err(Error::TimedOut));
    assert_eq!(overtaker.release(), Err(Error::TimedOut));
}

async fn a_guard_is_not_overtaken_if_it_says_so(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().overtake_after(LIMIT).build();
        let Entry::Leader(leader) = flights.call().without_overtaking().enter(KEY) else {
            panic!("somebody else leads")
        };
        let mut follower = boarded(call(verb, &flights, never()));
        lab.time().advance(10 * LIMIT);
        assert!(poll_now(follower.as_mut()).is_pending(), "{verb:?}");
        assert_eq!((leader.complete(1), flights.stats().overtakes), (Ok(1), 0));
        assert_eq!(finish(&lab, follower).await, Ok(1));
    }
}
