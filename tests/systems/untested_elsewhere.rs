//! What none of those systems tests, and most of them get wrong.

use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex};

use coflight::{Error, Event, Group};
use coflight_tests::*;

use crate::common::*;

matrix!(
    after_forget_a_third_caller_joins_the_second_though_the_first_is_stopped,
    work_that_asks_for_its_own_key_is_told,
    a_thread_whose_work_asks_for_its_own_key_is_told,
    cancel_in_the_same_tick_tells_those_aboard_and_frees_the_key,
    keys_of_one_hash_do_not_mix,
    keys_that_look_alike_do_not_mix,
    nothing_is_left_behind,
    two_runtimes_and_threads_share_one_group,
    an_observer_that_panics_breaks_no_caller,
);

/// Promise 4: the forgotten flight does not even end, but is stopped.
async fn after_forget_a_third_caller_joins_the_second_though_the_first_is_stopped(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let first = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 1)).await.pop().unwrap();
        assert!(flights.forget(KEY));
        let second = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 2)).await;
        first.abort();
        assert!(matches!(first.await, Ended::Dropped), "{verb:?}");
        let third = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 3)).await;
        gate.open();
        assert_eq!((results(second).await, results(third).await), (vec![Ok(2)], vec![Ok(2)]), "{verb:?}");
        assert_eq!((runs.count(), flights.len()), (2, 0));
    }
}

/// Promise 10. Not by `enter`, whose work the group cannot see.
async fn work_that_asks_for_its_own_key_is_told(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        let flights: Flights<bool> = lab.group();
        let (runs, inner) = (Runs::default(), flights.clone());
        let again = runs.now(true);
        let work = runs.doing(move || async move { ask(verb, inner, KEY, again).await == Err(Error::Circular) });
        assert_eq!(lab.start(ask(verb, flights.clone(), KEY, work)).await.returned(), Ok(true), "{verb:?}");
        assert_eq!((runs.count(), flights.len()), (1, 0));
    }
}

/// Promise 10, for threads.
async fn a_thread_whose_work_asks_for_its_own_key_is_told(lab: Lab) {
    let flights: Flights<bool> = lab.group();
    let (runs, inner) = (Runs::default(), flights.clone());
    let (work, again) = (runs.closure(()), runs.closure(true));
    let thread = lab.thread(blocking(&flights, KEY, move || {
        work();
        inner.run_blocking(KEY, again) == Err(Error::Circular)
    }));
    assert_eq!(thread.await.returned(), Ok(true));
    assert_eq!((runs.count(), flights.len()), (1, 0));
}

/// Promise 13. By `enter` the leader itself would only be told when its work has ended.
async fn cancel_in_the_same_tick_tells_those_aboard_and_frees_the_key(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        let flights: Flights<u32> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let leader = boarded(ask(verb, flights.clone(), KEY, runs.work(&gate, 1)));
        let follower = boarded(ask(verb, flights.clone(), KEY, runs.work(&gate, 1)));
        assert!(flights.cancel(KEY));
        let newcomer = ask(verb, flights.clone(), KEY, runs.now(2));
        assert_eq!(lab.start(newcomer).await.returned(), Ok(2), "{verb:?}");
        assert_eq!(follower.await, Err(Error::Cancelled), "{verb:?}");
        assert_eq!(leader.await, Err(Error::Cancelled), "{verb:?}");
        assert_eq!((runs.count(), flights.len()), (2, 0));
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

/// Promises 2 and 4: equal hashes are not equal keys, however many there are, and whichever of them goes.
async fn keys_of_one_hash_do_not_mix(lab: Lab) {
    let flights: Group<u32, u32, AnyRuntime, Constant> =
        Group::builder().runtime(lab.runtime()).hasher(Constant).build();
    let (runs, gate) = (Runs::default(), Gate::new());
    let keys: Vec<u32> = (0..50).collect();
    let leaders: Vec<_> = keys.iter().map(|key| boarded(flights.run(key, runs.work(&gate, *key)))).collect();
    let followers: Vec<_> = keys.iter().map(|key| boarded(flights.relay(key, runs.work(&gate, 99)))).collect();
    assert_eq!((flights.len(), runs.count()), (50, 50));
    assert!(flights.forget(&10) && flights.cancel(&20));
    let found: Vec<u32> = keys.iter().copied().filter(|key| flights.contains(key)).collect();
    let expected: Vec<u32> = keys.iter().copied().filter(|key| ![10, 20].contains(key)).collect();
    assert_eq!(found, expected);
    gate.open();
    for (key, (leader, follower)) in (0..).zip(leaders.into_iter().zip(followers)) {
        let expected = if key == 20 { Err(Error::Cancelled) } else { Ok(key) };
        assert_eq!((leader.await, follower.await), (expected.clone(), expected), "{key}");
    }
    assert_eq!((runs.count(), flights.len()), (50, 0));
}

/// Promise 2. Keys of different types never meet in one group: that does not compile.
async fn keys_that_look_alike_do_not_mix(lab: Lab) {
    const KEYS: [&str; 7] = ["1", "1.0", "true", "True", " 1", "1\0", ""];
    for &verb in lab.verbs() {
        let flights: Flights<String> = lab.group();
        let (runs, gate) = (Runs::default(), Gate::new());
        let mut callers = Vec::new();
        for key in KEYS {
            callers.extend(crowd(&lab, verb, &flights, key, 1, || runs.work(&gate, key.to_owned())).await);
        }
        gate.open();
        assert_eq!(results(callers).await, KEYS.map(|key| Ok(key.to_owned())), "{verb:?}");
        assert_eq!((runs.count(), flights.len()), (KEYS.len(), 0));
    }
}

/// Promise 3, after everything that can happen to a flight.
async fn nothing_is_left_behind(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let runs = Runs::default();
        for round in 0..12 {
            let gate = Gate::new();
            let callers = crowd(&lab, verb, &flights, KEY, 6, || runs.work(&gate, round)).await;
            callers.iter().step_by(2).for_each(Task::abort);
            match round % 4 {
                0 => assert!(flights.cancel(KEY)),
                1 => assert!(flights.forget(KEY)),
                2 => assert_eq!(flights.forget_all(), 1),
                _ => {}
            }
            gate.open();
            let mut served = 0;
            for caller in callers {
                match caller.await {
                    Ended::Returned(Ok(found)) => assert_eq!(found, round),
                    Ended::Returned(Err(error)) => assert_eq!((error, round % 4), (Error::Cancelled, 0)),
                    Ended::Dropped => continue,
                    ended => panic!("{verb:?}: {ended:?}"),
                }
                served += 1;
            }
            assert!(served >= 3, "{verb:?}: those who were not stopped are served");
            lab.until(|| flights.is_empty() && runs.live() == 0).await;
        }
        assert!(runs.count() >= 12 && flights.forget_all() == 0 && flights.cancel_all() == 0);
    }
}

/// Promise 17.
async fn two_runtimes_and_threads_share_one_group(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate, all) = (Runs::default(), Gate::new(), Latch::new(2));
        let first = lead(&flights, KEY);
        let here = crowd(&lab, verb, &flights, KEY, 2, || runs.work(&gate, 1)).await;
        let elsewhere = |work| asked(ask(verb, flights.clone(), KEY, work), &all);
        let on_smol = smol::spawn(elsewhere(runs.work(&gate, 1)));
        let on_async_std = async_std::task::spawn(elsewhere(runs.work(&gate, 1)));
        all.wait().await;
        let threads = thread_crowd(&lab, &first, 2, || blocking(&flights, KEY, runs.closure(1))).await;
        assert_eq!((first.callers(), flights.len()), (7, 1), "{verb:?}");
        drop(first);
        gate.open();
        assert_eq!(results(here).await, vec![Ok(1); 2], "{verb:?}");
        assert_eq!((on_smol.await, on_async_std.await), (Ok(1), Ok(1)), "{verb:?}");
        assert_eq!(results(threads).await, vec![Ok(1); 2], "{verb:?}");
        assert_eq!((runs.count(), flights.len()), (1, 0), "{verb:?}");
    }
}

/// Promises 9 and 18: at every event, and whoever is told next is still told.
async fn an_observer_that_panics_breaks_no_caller(lab: Lab) {
    for &verb in lab.verbs() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let tells = told.clone();
        let flights: Flights<u32> = lab
            .builder()
            .observer(|event: &Event<'_, String>| panic!("told of {}", event.kind()))
            .observer(move |event: &Event<'_, String>| tells.lock().unwrap().push(event.kind().name()))
            .build();
        let (runs, gate) = (Runs::default(), Gate::new());
        let mut callers = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 1)).await;
        callers.extend(crowd(&lab, verb, &flights, KEY, 3, || runs.work(&gate, 1)).await);
        gate.open();
        assert_eq!(results(callers).await, vec![Ok(1); 4], "{verb:?}");
        lab.until(|| told.lock().unwrap().len() == 6).await;
        assert_eq!(*told.lock().unwrap(), ["missed", "started", "joined", "joined", "joined", "completed"]);
        assert_eq!((runs.count(), flights.len()), (1, 0), "{verb:?}");
        // And the key is usable.
        assert_eq!(ask(verb, flights.clone(), KEY, runs.now(2)).await, Ok(2), "{verb:?}");
    }
}
