//! Promise 5: any caller may be dropped at any await point; the others do not notice; joining and leaving cost O(1).

use std::task::Poll;
use std::time::{Duration, Instant};

use coflight_tests::*;

use crate::common::*;

matrix!(
    a_leader_dropped_at_every_await_point,
    a_follower_dropped_at_every_await_point,
    leaving_costs_the_same_in_a_crowd
);

/// A work of `steps` await points.
fn stepping(steps: usize, result: u32) -> Work<u32> {
    value(move || async move {
        for _ in 0..steps {
            yield_now().await;
        }
        result
    })
}

async fn a_leader_dropped_at_every_await_point(lab: Lab) {
    const STEPS: usize = 5;
    for &verb in lab.verbs() {
        for polls in 0..STEPS {
            let flights: Flights<u32> = lab.group();
            let mut leader = call(verb, &flights, stepping(STEPS, 1));
            for _ in 0..polls {
                if poll_now(leader.as_mut()).is_ready() {
                    assert_eq!(verb, Verb::Spawn);
                    leader = call(verb, &flights, stepping(STEPS, 1));
                }
            }
            let mut followers: Vec<_> = (0..3).map(|_| call(verb, &flights, stepping(STEPS, 1))).collect();
            followers.retain_mut(|follower| match poll_now(follower.as_mut()) {
                // A relayed work may end by this very poll, a spawned one at any time.
                Poll::Ready(result) => {
                    assert_eq!(result, Ok(1));
                    assert!(matches!(verb, Verb::Relay | Verb::Spawn));
                    false
                }
                Poll::Pending => true,
            });
            drop(leader);
            for follower in followers {
                assert_eq!(finish(&lab, follower).await, Ok(1), "{verb:?} after {polls} polls");
            }
            lab.until(|| flights.is_empty()).await;
        }
    }
}

async fn a_follower_dropped_at_every_await_point(lab: Lab) {
    const STEPS: usize = 4;
    for &verb in lab.verbs() {
        for polls in 0..=STEPS {
            let flights: Flights<u32> = lab.group();
            let witness = Witness::default();
            let gate = Gate::new();
            let leader = boarded(call(verb, &flights, witness.watch(behind(&gate, 1))));
            let mut leaving = call(verb, &flights, never());
            let staying = boarded(call(verb, &flights, never()));
            for _ in 0..polls {
                assert!(poll_now(leaving.as_mut()).is_pending());
            }
            drop(leaving);
            assert_eq!(witness.gone(), 0, "the work was disturbed");
            gate.open();
            assert_eq!(finish(&lab, leader).await, Ok(1));
            assert_eq!(finish(&lab, staying).await, Ok(1));
            assert_eq!(witness.begun(), 1, "{verb:?}");
        }
    }
}

/// The least time that one of `crowd` callers takes to join, and to leave a crowd in the order of joining, which is the worst
/// for a list, and then in the reverse order.
fn cost_of_one(verb: Verb, flights: &Flights<u32>, crowd: u32) -> Duration {
    let attempt = || {
        let start = Instant::now();
        let leader = boarded(call(verb, flights, endless()));
        let followers: Vec<_> = (0..crowd).map(|_| boarded(call(verb, flights, never()))).collect();
        let mut half = followers.into_iter();
        for _ in 0..crowd / 2 {
            drop(half.next());
        }
        while half.next_back().is_some() {}
        drop(leader);
        start.elapsed() / crowd
    };
    (0..5).map(|_| attempt()).min().expect("attempts were made")
}

async fn leaving_costs_the_same_in_a_crowd(lab: Lab) {
    // Followers of `spawn` are those of `relay`, beside a task that comes and goes on a thread of its own.
    for verb in [Verb::Run, Verb::Relay, Verb::Enter] {
        let flights: Flights<u32> = lab.group();
        let few = cost_of_one(verb, &flights, 100);
        let many = cost_of_one(verb, &flights, 6_400);
        // 64 times the crowd: a linear cost would show as 64. Caches and a noisy machine are allowed for.
        assert!(many < few * 12, "{verb:?}: a caller among 100 costs {few:?}, among 6,400 {many:?}");
    }
}
