//! Promise 18: what stats count, to the unit: each call once, and each flight by the way it ended.

use coflight::{Entry, Error, Group, SharedError, Stats, Threads, TryError, Turn};
use coflight_tests::*;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::common::*;

matrix!(
    nothing_counts_as_nothing,
    a_call_alone_and_a_call_that_never_asked,
    gauges_show_who_is_aboard,
    a_failure_is_counted_once_a_flight,
    failed_if_says_what_a_failure_is,
    a_panic_is_counted_once_a_flight,
    cancelled_flights,
    timed_out_flights,
    abandoned_flights,
    detached_work_that_nobody_waits_for,
    released_flights_and_those_who_go_alone,
    forgotten_flights_are_counted_when_they_end,
    a_call_that_was_refused_its_waiting_has_joined,
    a_call_that_waits_for_the_key_is_counted_once,
    reset_in_flight_never_goes_below_zero,
    all_handles_see_the_same,
);

/// The stats in which these are counted, and nothing else.
macro_rules! stats {
    ($($field:ident: $value:expr),* $(,)?) => {{
        #[allow(unused_mut)]
        let mut stats = coflight::Stats::default();
        $(stats.$field = $value;)*
        stats
    }};
}
pub(crate) use stats;

const SECOND: Duration = Duration::from_secs(1);

async fn nothing_counts_as_nothing(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let stats = flights.stats();
    assert_eq!(stats, Stats::default());
    assert_eq!((stats.calls(), stats.hits(), stats.misses(), stats.ended()), (0, 0, 0, 0));
    assert_eq!(stats.hit_rate().to_bits(), 0_f64.to_bits(), "not the result of a division by zero");
    assert_eq!(stats.to_string(), "0 calls: 0 led, 0 joined, 0 lingered, 0 refused; 0 in flight, 0 waiting");
    assert_eq!(flights.reset_stats(), Stats::default());
}

async fn a_call_alone_and_a_call_that_never_asked(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        drop(call(verb, &flights, never()));
        assert_eq!(flights.stats(), stats!(), "{verb:?}: a future that was never polled");
        assert_eq!(call(verb, &flights, at_once(1)).await, Ok(1));
        assert_eq!(flights.stats(), stats!(led: 1, completed: 1), "{verb:?}");
        assert_eq!(flights.stats().hit_rate().to_bits(), 0_f64.to_bits());
        assert_eq!((flights.forget(KEY), flights.cancel(KEY)), (false, false));
        assert_eq!(flights.stats(), stats!(led: 1, completed: 1), "{verb:?}: there was nothing to end");
    }
    let flights: Flights<u32> = lab.group();
    let thread = flights.clone();
    assert_eq!(lab.thread(move || thread.run_blocking(KEY, || 1)).await.returned(), Ok(1));
    assert_eq!(flights.stats(), stats!(led: 1, completed: 1));
}

async fn gauges_show_who_is_aboard(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 1)));
        assert_eq!(flights.stats(), stats!(led: 1, in_flight: 1), "{verb:?}");
        let mut followers: Vec<_> = (0..4).map(|_| boarded(call(verb, &flights, never()))).collect();
        let other = boarded(ask(verb, flights.clone(), "other", behind(&gate, 1)));
        assert_eq!(flights.stats(), stats!(led: 2, joined: 4, in_flight: 2, waiting: 4), "{verb:?}");
        drop(followers.pop());
        assert_eq!(flights.stats(), stats!(led: 2, joined: 4, in_flight: 2, waiting: 3), "{verb:?}: one has left");
        gate.open();
        for caller in [leader].into_iter().chain(followers) {
            assert_eq!(finish(&lab, caller).await, Ok(1));
        }
        assert_eq!(finish(&lab, other).await, Ok(1));
        let stats = flights.stats();
        assert_eq!(stats, stats!(led: 2, joined: 4, completed: 2), "{verb:?}");
        assert_eq!((stats.calls(), stats.hits(), stats.misses(), stats.ended()), (6, 4, 2, 2));
        assert!((stats.hit_rate() - 4.0 / 6.0).abs() < 1e-12);
    }
}

type Tried = Result<u32, SharedError<&'static str>>;

/// A `try_` call whose work fails when the gate is open.
async fn try_ask(verb: Verb, flights: Flights<Tried>, gate: Gate) -> Result<u32, TryError<&'static str>> {
    let work = || async move {
        gate.wait().await;
        Err("no")
    };
    match verb {
        Verb::Run => flights.try_run(KEY, work).await,
        Verb::Relay => flights.try_relay(KEY, work).await,
        Verb::Spawn => flights.try_spawn(KEY, work).await,
        Verb::Enter => match flights.enter(KEY) {
            Entry::Leader(leader) => leader.try_complete(work().await),
            Entry::Follower(follower) => match follower.await? {
                Turn::Value(value) => value.map_err(TryError::Work),
                Turn::Leader(leader) => leader.try_complete(work().await),
            },
        },
    }
}

async fn a_failure_is_counted_once_a_flight(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<Tried> = lab.group();
        let gate = Gate::new();
        let callers: Vec<_> = (0..3).map(|_| boarded(try_ask(verb, flights.clone(), gate.clone()))).collect();
        gate.open();
        for caller in callers {
            assert_eq!(finish(&lab, caller).await.unwrap_err().work(), Some(&"no"));
        }
        assert_eq!(flights.stats(), stats!(led: 1, joined: 2, failed: 1), "{verb:?}");
        assert!(try_ask(verb, flights.clone(), gate).await.is_err());
        assert_eq!(flights.stats(), stats!(led: 2, joined: 2, failed: 2), "{verb:?}: alone");
    }
    let flights: Flights<Tried> = lab.group();
    let thread = flights.clone();
    assert!(lab.thread(move || thread.try_run_blocking(KEY, || Err("no"))).await.returned().is_err());
    assert_eq!(flights.stats(), stats!(led: 1, failed: 1));
}

async fn failed_if_says_what_a_failure_is(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().failed_if(|value| *value == 0).build();
        let gate = Gate::new();
        let callers: Vec<_> = (0..3).map(|_| boarded(call(verb, &flights, behind(&gate, 0)))).collect();
        gate.open();
        for caller in callers {
            assert_eq!(finish(&lab, caller).await, Ok(0), "{verb:?}: a value like any other");
        }
        assert_eq!(flights.stats(), stats!(led: 1, joined: 2, failed: 1), "{verb:?}");
        assert_eq!(call(verb, &flights, at_once(0)).await, Ok(0));
        assert_eq!(call(verb, &flights, at_once(1)).await, Ok(1));
        assert_eq!(flights.stats(), stats!(led: 3, joined: 2, failed: 2, completed: 1), "{verb:?}");
    }
}

async fn a_panic_is_counted_once_a_flight(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let gate = Gate::new();
        let opened = gate.clone();
        let leader = boarded(call(
            verb,
            &flights,
            value(|| async move {
                opened.wait().await;
                panic!("the work panics")
            }),
        ));
        let followers: Vec<_> = (0..2).map(|_| boarded(call(verb, &flights, never()))).collect();
        let leader = lab.start(leader);
        gate.open();
        assert_eq!(leader.await.panicked(), "the work panics");
        for follower in followers {
            assert!(matches!(finish(&lab, follower).await, Err(Error::Panicked(_))), "{verb:?}");
        }
        assert_eq!(flights.stats(), stats!(led: 1, joined: 2, panicked: 1), "{verb:?}");
    }
    let flights: Flights<u32> = lab.group();
    let thread = flights.clone();
    assert_eq!(lab.thread(move || thread.run_blocking(KEY, || panic!("so"))).await.panicked(), "so");
    assert_eq!(flights.stats(), stats!(led: 1, panicked: 1));
}

async fn cancelled_flights(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let leader = boarded(call(verb, &flights, endless()));
        let follower = boarded(call(verb, &flights, never()));
        assert!(flights.cancel(KEY));
        assert_eq!(flights.stats(), stats!(led: 1, joined: 1, cancelled: 1), "{verb:?}: before anybody is polled");
        drop((leader, follower));
        let more = [1, 2, 3].map(|key| boarded(ask(verb, flights.clone(), key.to_string(), endless())));
        assert_eq!(flights.cancel_all(), 3);
        drop(more);
        assert_eq!(flights.stats(), stats!(led: 4, joined: 1, cancelled: 4), "{verb:?}: and not abandoned, too");
    }
}

async fn timed_out_flights(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().timeout(SECOND).build();
        let leader = boarded(call(verb, &flights, endless()));
        let follower = boarded(call(verb, &flights, never()));
        lab.time().advance(SECOND);
        assert_eq!(finish(&lab, follower).await, Err(Error::TimedOut), "{verb:?}");
        assert_eq!(flights.stats(), stats!(led: 1, joined: 1, timed_out: 1), "{verb:?}");
        drop(leader);
        assert_eq!(flights.stats(), stats!(led: 1, joined: 1, timed_out: 1), "{verb:?}");
        // A caller's own limit ends no flight. Another key is free already.
        let leader = boarded(ask(verb, flights.clone(), "other", endless()));
        let impatient = flights.call().wait_timeout(SECOND / 2);
        let impatient = boarded(impatient.run("other", || async { panic!("a follower's work is called") }));
        lab.time().advance(SECOND / 2);
        assert_eq!(impatient.await, Err(Error::WaitTimedOut));
        assert_eq!(flights.stats(), stats!(led: 2, joined: 2, timed_out: 1, in_flight: 1), "{verb:?}");
        drop(leader);
        assert_eq!(flights.stats(), stats!(led: 2, joined: 2, timed_out: 1, abandoned: 1), "{verb:?}");
    }
}

async fn abandoned_flights(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        // Of another key, which is free only when the work is gone.
        drop(boarded(ask(verb, flights.clone(), "other", endless())));
        assert_eq!(flights.stats(), stats!(led: 1, abandoned: 1), "{verb:?}");
        let leader = boarded(call(verb, &flights, endless()));
        let followers = [(); 2].map(|()| boarded(call(verb, &flights, never())));
        drop(leader);
        assert_eq!(flights.stats(), stats!(led: 2, joined: 2, abandoned: 1, in_flight: 1, waiting: 2), "{verb:?}");
        drop(followers);
        assert_eq!(flights.stats(), stats!(led: 2, joined: 2, abandoned: 2), "{verb:?}");
    }
}

/// Promise 18: the last caller leaves while the task's thread is in the middle of the work.
#[test]
fn abandoned_while_another_thread_polls_the_work() {
    with_deadline("abandoned while polled", || {
        let flights: Group<u32, u32, Threads> = Group::with_runtime(Threads::new());
        let (running, is_running) = channel();
        let (go_on, may_go_on) = channel();
        let caller = boarded(flights.spawn(&1, move || async move {
            running.send(()).unwrap();
            may_go_on.recv().unwrap()
        }));
        is_running.recv().unwrap();
        drop(caller);
        assert_eq!(flights.stats(), stats!(led: 1, abandoned: 1));
        go_on.send(1).unwrap();
        assert_eq!(coflight::blocking::wait(flights.run(&1, || async { 2 })), Ok(2));
        assert_eq!(flights.stats(), stats!(led: 2, abandoned: 1, completed: 1), "what the work came to is nobody's");
    });
}

async fn detached_work_that_nobody_waits_for(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let gate = Gate::new();
    drop(boarded(flights.call().detach(true).spawn(KEY, behind(&gate, 1))));
    assert_eq!(flights.stats(), stats!(led: 1, in_flight: 1), "its task is no caller");
    drop(boarded(flights.run(KEY, || async { panic!("a follower's work is called") })));
    assert_eq!(flights.stats(), stats!(led: 1, joined: 1, in_flight: 1));
    gate.open();
    lab.until(|| flights.is_empty()).await;
    assert_eq!(flights.stats(), stats!(led: 1, joined: 1, completed: 1));
}

async fn released_flights_and_those_who_go_alone(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let Entry::Leader(leader) = flights.enter(KEY) else { panic!("somebody else leads") };
        let followers = [1, 2].map(|number| boarded(call(verb, &flights, at_once(number))));
        let gone = boarded(call(verb, &flights, never()));
        leader.release().unwrap();
        assert_eq!(flights.stats(), stats!(led: 1, joined: 3, released: 1), "{verb:?}");
        drop(gone);
        for (number, follower) in (1..).zip(followers) {
            assert_eq!(finish(&lab, follower).await, Ok(number));
        }
        assert_eq!(flights.stats(), stats!(led: 1, joined: 3, released: 1, alone: 2), "{verb:?}");
    }
}

async fn forgotten_flights_are_counted_when_they_end(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().timeout(SECOND).build();
        let gate = Gate::new();
        let completes = boarded(call(verb, &flights, behind(&gate, 1)));
        assert!(flights.forget(KEY));
        assert_eq!((flights.len(), flights.stats()), (0, stats!(led: 1, in_flight: 1)), "{verb:?}: it goes on");
        let abandoned = boarded(call(verb, &flights, endless()));
        assert_eq!(flights.forget_all(), 1);
        let late = [(); 2].map(|()| boarded(call(verb, &flights, endless())));
        assert!(flights.forget(KEY));
        assert_eq!(flights.stats(), stats!(led: 3, joined: 1, in_flight: 3, waiting: 1), "{verb:?}");
        gate.open();
        assert_eq!(finish(&lab, completes).await, Ok(1));
        drop(abandoned);
        lab.time().advance(SECOND);
        let [leader, follower] = late;
        assert_eq!(finish(&lab, follower).await, Err(Error::TimedOut), "{verb:?}");
        drop(leader);
        let stats = stats!(led: 3, joined: 1, completed: 1, abandoned: 1, timed_out: 1);
        assert_eq!(flights.stats(), stats, "{verb:?}");
    }
}

async fn a_call_that_was_refused_its_waiting_has_joined(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        let flights: Flights<bool> = lab.group();
        let inner = flights.clone();
        let work = value(move || async move { call(verb, &inner, never()).await == Err(Error::Circular) });
        assert_eq!(finish(&lab, call(verb, &flights, work)).await, Ok(true), "{verb:?}");
        assert_eq!(flights.stats(), stats!(led: 1, joined: 1, completed: 1), "{verb:?}");
    }
}

async fn a_call_that_waits_for_the_key_is_counted_once(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let Entry::Leader(leader) = flights.enter(KEY) else { panic!("somebody else leads") };
    assert!(flights.cancel(KEY));
    // The guard is taken to be at work until it is gone.
    let newcomer = boarded(call(Verb::Run, &flights, at_once(2)));
    assert_eq!(flights.stats(), stats!(led: 1, cancelled: 1));
    drop(leader);
    assert_eq!(newcomer.await, Ok(2));
    assert_eq!(flights.stats(), stats!(led: 2, cancelled: 1, completed: 1));
}

async fn reset_in_flight_never_goes_below_zero(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let gate = Gate::new();
        assert_eq!(call(verb, &flights, at_once(1)).await, Ok(1));
        let leader = boarded(call(verb, &flights, behind(&gate, 2)));
        let follower = boarded(call(verb, &flights, never()));
        let before = stats!(led: 2, joined: 1, completed: 1, in_flight: 1, waiting: 1);
        assert_eq!(flights.reset_stats(), before, "{verb:?}: what was counted until then");
        assert_eq!(flights.stats(), stats!(in_flight: 1, waiting: 1), "{verb:?}: who is aboard stays aboard");
        assert_eq!(flights.stats().hit_rate().to_bits(), 0_f64.to_bits());
        let late = boarded(call(verb, &flights, never()));
        gate.open();
        for caller in [leader, follower, late] {
            assert_eq!(finish(&lab, caller).await, Ok(2));
        }
        assert_eq!(flights.stats(), stats!(joined: 1, completed: 1), "{verb:?}: more ended than was led");
        assert_eq!(flights.reset_stats(), stats!(joined: 1, completed: 1));
        assert_eq!(flights.stats(), Stats::default());
    }
}

async fn all_handles_see_the_same(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let other = flights.clone();
    assert_eq!(call(Verb::Run, &other, at_once(1)).await, Ok(1));
    let elsewhere: Flights<u32> = lab.group();
    assert_eq!((flights.stats(), elsewhere.stats()), (stats!(led: 1, completed: 1), stats!()));
    assert_eq!(other.reset_stats(), stats!(led: 1, completed: 1));
    assert_eq!(flights.stats(), stats!());
}
