//! What none of those systems tests, and most of them get wrong.

use std::hash::{BuildHasher, Hasher};

use coflight::{Error, Group};
use coflight_tests::*;
use futures_lite::future::block_on;

use crate::common::*;

matrix!(
    a_cancelled_leader_gives_nobody_a_false_result,
    a_third_caller_after_forget,
    work_that_asks_for_itself,
    cancel_in_the_same_tick,
    keys_that_collide,
    keys_that_look_alike,
    nothing_is_left_behind,
    two_runtimes_on_one_group,
);

/// Promise 6: whoever is left gets a real result, and the key is usable.
async fn a_cancelled_leader_gives_nobody_a_false_result(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let leader = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 1)).await.pop().unwrap();
        let followers = crowd(&lab, verb, &flights, KEY, 5, || runs.work(&gate, 1)).await;
        leader.abort();
        let _ = leader.await;
        gate.open();
        assert_eq!(results(followers).await, vec![Ok(1); 5], "{verb:?}");
        assert_eq!(ask(verb, flights.clone(), KEY, runs.now(2)).await, Ok(2));
    }
}

/// Promise 4.
async fn a_third_caller_after_forget(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let first = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 1)).await.pop().unwrap();
        assert!(flights.forget(KEY));
        let second = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 2)).await;
        // The forgotten one does not even end, but is stopped.
        first.abort();
        let _ = first.await;
        let third = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 3)).await;
        gate.open();
        assert_eq!((results(second).await, results(third).await), (vec![Ok(2)], vec![Ok(2)]), "{verb:?}");
    }
}

/// Promise 10.
async fn work_that_asks_for_itself(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        let flights: Flights<bool> = lab.group();
        let inner = flights.clone();
        let work =
            value(move || async move { ask(verb, inner, KEY, value(|| async { true })).await == Err(Error::Circular) });
        assert_eq!(lab.start(ask(verb, flights, KEY, work)).await.returned(), Ok(true), "{verb:?}");
    }
}

/// Promise 13: those aboard are told, whoever comes next is served.
async fn cancel_in_the_same_tick(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let aboard = boarded(ask(verb, flights.clone(), KEY, runs.work(&gate, 1)));
        assert!(flights.cancel(KEY));
        assert_eq!(aboard.await, Err(Error::Cancelled), "{verb:?}");
        assert_eq!(ask(verb, flights.clone(), KEY, runs.now(2)).await, Ok(2), "{verb:?}");
    }
}

/// Gives every key the same hash.
#[derive(Clone, Default)]
struct Constant;

impl BuildHasher for Constant {
    type Hasher = Self;
    fn build_hasher(&self) -> Self {
        Self
    }
}

impl Hasher for Constant {
    fn write(&mut self, _: &[u8]) {}
    fn finish(&self) -> u64 {
        7
    }
}

/// Promise 2: equal hashes are not equal keys, however many there are, in whatever order they come and go.
async fn keys_that_collide(lab: Lab) {
    let flights: Group<u32, u32, AnyRuntime, Constant> =
        Group::builder().runtime(lab.runtime()).hasher(Constant).build();
    let (runs, gate) = (Runs::default(), Gate::new());
    let keys: Vec<u32> = (0..50).collect();
    let leaders: Vec<_> = keys.iter().map(|key| boarded(flights.run(key, runs.work(&gate, *key)))).collect();
    let followers: Vec<_> = keys.iter().map(|key| boarded(flights.relay(key, runs.work(&gate, 99)))).collect();
    assert_eq!((flights.len(), runs.count()), (50, 50));
    assert!(flights.forget(&10) && !flights.contains(&10) && flights.contains(&11));
    assert!(flights.cancel(&20) && !flights.contains(&20));
    gate.open();
    for (key, (leader, follower)) in (0..).zip(leaders.into_iter().zip(followers)) {
        let expected = if key == 20 { Err(Error::Cancelled) } else { Ok(key) };
        assert_eq!((leader.await, follower.await), (expected.clone(), expected));
    }
    assert!(flights.is_empty());
}

/// Keys of one type are equal or not; values of different types never meet in one group.
async fn keys_that_look_alike(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let (runs, gate) = (Runs::default(), Gate::new());
    let mut callers = Vec::new();
    for key in ["1", "1.0", "true", "True", " 1", ""] {
        callers.extend(crowd(&lab, Verb::Run, &flights, key, 1, || runs.work(&gate, 0)).await);
    }
    gate.open();
    results(callers).await;
    assert_eq!(runs.count(), 6);
}

/// Promise 3, after everything at once.
async fn nothing_is_left_behind(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        for round in 0..10 {
            let callers = crowd(&lab, verb, &flights, KEY, 6, || runs.work(&gate, 1)).await;
            for caller in callers.iter().step_by(2) {
                caller.abort();
            }
            match round % 3 {
                0 => drop(flights.cancel(KEY)),
                1 => drop(flights.forget(KEY)),
                _ => gate.open(),
            }
            if verb == Verb::Enter || round % 3 == 1 {
                callers.iter().for_each(Task::abort);
            }
            for caller in callers {
                let _ = caller.await;
            }
            lab.until(|| flights.is_empty()).await;
        }
    }
}

/// Promise 17.
async fn two_runtimes_on_one_group(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate, all) = (Runs::default(), Gate::new(), Latch::new(2));
        let here = crowd(&lab, verb, &flights, KEY, 2, || runs.work(&gate, 1)).await;
        let start = |work| asked(ask(verb, flights.clone(), KEY, work), &all);
        let on_smol = smol::spawn(start(runs.work(&gate, 2)));
        let on_async_std = async_std::task::spawn(start(runs.work(&gate, 3)));
        let thread = std::thread::spawn({
            let all = all.clone();
            move || block_on(all.wait())
        });
        all.wait().await;
        thread.join().unwrap();
        gate.open();
        assert_eq!(results(here).await, vec![Ok(1); 2], "{verb:?}");
        assert_eq!((on_smol.await, on_async_std.await), (Ok(1), Ok(1)), "{verb:?}");
        assert_eq!(runs.count(), 1);
    }
}
