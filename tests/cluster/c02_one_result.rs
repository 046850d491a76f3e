//! Promise 2: everyone gets the one result: a value, an error, a panic, in whatever process they asked.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use coflight::SharedError;
use coflight::cluster::{Error, TryError};
use coflight_tests::*;
use serde::{Deserialize, Serialize};

use crate::common::*;

matrix!(
    errors_travel_as_errors,
    a_panic_happens_once,
    a_time_limit_is_told_to_all,
    a_time_limit_is_told_to_all_though_there_is_a_result,
    served_says_how,
);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Denied {
    code: u16,
    path: Option<String>,
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "denied: {}", self.code)
    }
}

impl std::error::Error for Denied {}

async fn errors_travel_as_errors(lab: Lab) {
    let engine = engine(&lab);
    let [a, b]: [TryProcess<u32, Denied>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
    let denied = || Denied { code: 403, path: Some("/x".into()) };
    for by in VERBS {
        let gate = Gate::new();
        let request = |process: &TryProcess<u32, Denied>| {
            let (process, gate) = (process.clone(), gate.clone());
            let work = move |_| async move {
                gate.wait().await;
                Err(denied())
            };
            lab.start(async move {
                match by {
                    By::Run => process.try_run(KEY, work).await,
                    By::Relay => process.try_relay(KEY, work).await,
                    By::Spawn => process.try_spawn(KEY, work).await,
                }
            })
        };
        let (led, followed, calls) = (a.cluster_stats().led, b.cluster_stats().followed, b.stats().calls());
        let leader = request(&a);
        lab.until(|| a.cluster_stats().led > led).await;
        let followers = [request(&b), request(&b)];
        lab.until(|| b.cluster_stats().followed > followed && b.stats().calls() == calls + 2).await;
        gate.open();
        let mut errors = vec![leader.await.returned().unwrap_err()];
        for follower in followers {
            errors.push(follower.await.returned().unwrap_err());
        }
        for error in &errors {
            assert_eq!(error.work(), Some(&denied()), "{by:?}");
            assert_eq!(error.to_string(), "denied: 403");
        }
        // Within a process they are shared as they are.
        let [_, TryError::Work(one), TryError::Work(other)] = &errors[..] else { panic!("{errors:?}") };
        assert!(SharedError::ptr_eq(one, other));
    }
    assert_eq!((a.stats().failed, b.stats().failed), (3, 3), "and they count as failures");
}

async fn a_panic_happens_once(lab: Lab) {
    for by in VERBS {
        let engine = engine(&lab);
        let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let gate = Gate::new();
        let panics = {
            let gate = gate.clone();
            move |_| async move {
                gate.wait().await;
                panic!("oh no {}", 42)
            }
        };
        let leader = lab.start(call(by, &a, KEY, panics));
        lab.until(|| a.cluster_stats().led == 1).await;
        let here = lab.start(call(By::Run, &a, KEY, |_| async { unreachable!() }));
        lab.until(|| a.stats().hits() == 1).await;
        let there = lab.start(call(By::Run, &b, KEY, |_| async { unreachable!() }));
        lab.until(|| b.cluster_stats().followed == 1).await;
        gate.open();
        assert_eq!(leader.await.panicked(), "oh no 42", "{by:?}");
        let here = here.await.returned().0.unwrap_err();
        let Some(coflight::Error::Panicked(panic)) = here.flight() else { panic!("{here:?}") };
        assert_eq!(panic.message(), Some("oh no 42"));
        let there = there.await.returned().0.unwrap_err();
        let Error::PanickedElsewhere(panic) = &there else { panic!("{there:?}") };
        assert_eq!((panic.message(), panic.process()), (Some("oh no 42"), "a"));
        assert_eq!(there.to_string(), "the work panicked in process a: oh no 42");
        assert_eq!(lab.start(call(by, &b, KEY, |_| async { 1 })).await.returned().0.unwrap(), 1, "the key is clean");
    }
}

async fn a_time_limit_is_told_to_all(lab: Lab) {
    for by in VERBS {
        let engine = engine(&lab);
        let a: Process<u32> = building(&lab, &engine, "a").timeout(BEAT / 2).build();
        let b: Process<u32> = process(&lab, &engine, "b");
        let work = Job::default();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        let follower = lab.start(call(by, &b, KEY, |_| async { unreachable!() }));
        lab.until(|| b.cluster_stats().followed == 1).await;
        lab.time().advance(BEAT / 2);
        for caller in [leader, follower] {
            let error = caller.await.returned().0.unwrap_err();
            assert_eq!(error.flight(), Some(&coflight::Error::TimedOut), "{by:?}");
        }
        lab.until(|| work.gone() == 1).await;
    }
}

/// Which does not get through before its time is over.
async fn a_time_limit_is_told_to_all_though_there_is_a_result(lab: Lab) {
    let publishes = Arc::new(AtomicBool::new(false));
    let engine = {
        let publishes = publishes.clone();
        Fronted::new(&engine(&lab), move |operation, _| match operation {
            "publish" if !publishes.load(Ordering::SeqCst) => Fate::Failed,
            _ => Fate::Answered,
        })
    };
    let a: Process<u32, Fronted> = building(&lab, &engine, "a").timeout(BEAT).build();
    let b: Process<u32, Fronted> = process(&lab, &engine, "b");
    let work = Job::default();
    let leader = lab.start(call(By::Run, &a, KEY, work.value(1)));
    lab.until(|| work.begun() == 1).await;
    let follower = lab.start(call(By::Run, &b, KEY, never));
    // The limit, who renews, and who looks.
    lab.until(|| lab.time().timers() == 3).await;
    lab.time().advance(BEAT - BEAT / 10);
    work.gate.open();
    // Who publishes.
    lab.until(|| work.gone() == 1 && lab.time().timers() == 4).await;
    lab.time().advance(BEAT / 10);
    let (here, _) = leader.await.returned();
    publishes.store(true, Ordering::SeqCst);
    let ((there, _), _) = passing(&lab, follower).await;
    for result in [here, there] {
        assert_eq!(result.unwrap_err().flight(), Some(&coflight::Error::TimedOut));
    }
    settle(&lab, engine, [a, b]).await;
}

async fn served_says_how(lab: Lab) {
    let engine = engine(&lab);
    let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
    let work = Job::default();
    let leader = lab.start(call(By::Run, &a, KEY, work.value(1)));
    lab.until(|| work.begun() == 1).await;
    let followers: Vec<_> = (0..2).map(|_| lab.start(call(By::Run, &b, KEY, work.value(2)))).collect();
    lab.until(|| b.stats().calls() == 2 && b.cluster_stats().followed == 1).await;
    work.gate.open();
    let led = leader.await.returned().1;
    assert_eq!((led.local.role, led.local.callers), (coflight::Role::Led, 1));
    let trip = led.trip.unwrap();
    for follower in followers {
        let served = follower.await.returned().1;
        assert_eq!(served.local.callers, 2);
        let elsewhere = served.trip.unwrap();
        assert_eq!((&*elsewhere.process, elsewhere.token), ("a", trip.token));
    }
}
