//! Promise 12: a success is served to newcomers in all processes for as long as it was told to linger after it was ready, and not longer.

use std::time::Duration;

use coflight::cluster::{Error, Place, Turn};
use coflight_tests::*;

use crate::common::*;

matrix!(
    newcomers_everywhere_get_what_lingers_and_not_longer,
    what_lingers_for_less_than_a_lease,
    only_successes_linger,
    a_call_can_say_otherwise,
    leaders_by_hand_let_it_linger,
);

const LINGER: Duration = Duration::from_secs(60);
const MOMENT: Duration = Duration::from_millis(1);

/// What a caller gets who would make 2 of it, and from where; at once.
async fn ask(lab: &Lab, by: By, process: &Process<u32>) -> (u32, Place) {
    let before = lab.time().now();
    let (value, served) = lab.start(call(by, process, KEY, |_| async { 2 })).await.returned();
    assert_eq!(lab.time().now(), before);
    (value.unwrap(), served.trip.unwrap().place)
}

async fn newcomers_everywhere_get_what_lingers_and_not_longer(lab: Lab) {
    for by in VERBS {
        idle(&lab).await;
        let engine = engine(&lab);
        let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| building(&lab, &engine, name).linger(LINGER).build());
        let c: Process<u32> = process(&lab, &engine, "c");
        let work = Job::default();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        // It counts from when it is ready.
        beats(&lab, &engine, 5, 1, Some(&work)).await;
        work.gate.open();
        let token = leader.await.returned().1.trip.unwrap().token;
        for process in [&a, &b, &c] {
            assert_eq!(ask(&lab, by, process).await, (1, Place::Lingered), "{by:?}");
        }
        lab.time().advance(LINGER - MOMENT);
        let (value, served) = lab.start(call(by, &b, KEY, never)).await.returned();
        let trip = served.trip.unwrap();
        assert_eq!((value.unwrap(), trip.place, &*trip.process, trip.token), (1, Place::Lingered, "a", token));
        lab.time().advance(MOMENT);
        assert!(engine.is_empty(), "{engine:?}");
        assert_eq!(ask(&lab, by, &c).await, (2, Place::Here), "{by:?}");
        assert_eq!((b.cluster_stats().lingered, b.cluster_stats().led), (2, 0));
        lab.time().advance(LEASE);
        assert!(engine.is_empty(), "{engine:?}");
    }
}

/// It is kept for those who waited, and newcomers do not get it.
async fn what_lingers_for_less_than_a_lease(lab: Lab) {
    let engine = engine(&lab);
    let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| building(&lab, &engine, name).linger(BEAT).build());
    let work = Job::default();
    let leader = lab.start(call(By::Run, &a, KEY, work.value(1)));
    lab.until(|| work.begun() == 1).await;
    let late = boarded(call(By::Run, &b, KEY, never));
    work.gate.open();
    assert_eq!(leader.await.returned().0.unwrap(), 1);
    lab.time().advance(BEAT - MOMENT);
    assert_eq!(ask(&lab, By::Run, &a).await, (1, Place::Lingered));
    lab.time().advance(MOMENT);
    assert_eq!(ask(&lab, By::Run, &a).await, (2, Place::Here));
    assert_eq!(lab.start(late).await.returned().0.unwrap(), 1);
    lab.time().advance(LEASE);
    assert!(engine.is_empty(), "{engine:?}");
}

/// Not errors, nor panics, nor what was cancelled, or late, or is too large.
async fn only_successes_linger(lab: Lab) {
    let engine = engine(&lab);
    let [a, b]: [TryProcess<String, u32>; 2] =
        ["a", "b"].map(|name| building(&lab, &engine, name).linger(LINGER).max_bytes(100).timeout(BEAT).build());
    let gate = Gate::new();
    let request = |process: &TryProcess<String, u32>, end: &'static str| {
        let (process, gate) = (process.clone(), gate.clone());
        lab.start(async move {
            let work = move |_| async move {
                match end {
                    "panics" => panic!("oh no"),
                    "waits" => gate.wait().await,
                    "fails" => return Err(1),
                    _ => {}
                }
                Ok(if end == "large" { "x".repeat(200) } else { end.to_owned() })
            };
            process.try_run(KEY, work).await
        })
    };
    for (before, end) in ["fails", "panics", "large", "cancelled", "late"].into_iter().enumerate() {
        idle(&lab).await;
        let caller = request(&a, if ["cancelled", "late"].contains(&end) { "waits" } else { end });
        lab.until(|| a.cluster_stats().led == before as u64 + 1).await;
        match end {
            "panics" => assert_eq!(caller.await.panicked(), "oh no"),
            "large" => assert_eq!(caller.await.returned().unwrap().len(), 200),
            "fails" => assert_eq!(caller.await.returned().unwrap_err().work(), Some(&1)),
            "late" => {
                // Of its own process, and of who renews.
                lab.until(|| lab.time().timers() == 2).await;
                let told = engine.operations();
                lab.time().advance(BEAT);
                let error = caller.await.returned().unwrap_err();
                assert!(matches!(error.flight(), Some(Error::Flight(coflight::Error::TimedOut))), "{error:?}");
                // It is told elsewhere.
                lab.until(|| lab.time().timers() == 0 && engine.operations() > told).await;
            }
            _ => {
                let a = a.clone();
                assert!(lab.start(async move { a.cancel(KEY).await }).await.returned().unwrap());
                assert!(caller.await.returned().unwrap_err().flight().is_some(), "{end}");
            }
        }
        let fresh = request(&b, "fresh").await.returned().unwrap();
        assert_eq!(fresh, "fresh", "after one that {end}");
        // That one does linger.
        assert_eq!(request(&a, "again").await.returned().unwrap(), "fresh");
        let c = b.clone();
        assert!(lab.start(async move { c.forget(KEY).await }).await.returned().unwrap());
    }
}

async fn a_call_can_say_otherwise(lab: Lab) {
    let engine = engine(&lab);
    let a: Process<u32> = process(&lab, &engine, "a");
    let b: Process<u32> = building(&lab, &engine, "b").linger(LINGER).build();
    for by in VERBS {
        let lingering = |process: &Process<u32>, linger: Option<Duration>| {
            let process = process.clone();
            lab.start(async move {
                match by {
                    By::Run => process.call().linger(linger).run(KEY, |_| async { 1 }).await,
                    By::Relay => process.call().linger(linger).relay(KEY, |_| async { 1 }).await,
                    By::Spawn => process.call().linger(linger).spawn(KEY, |_| async { 1 }).await,
                }
            })
        };
        assert_eq!(lingering(&a, Some(LEASE)).await.returned().unwrap(), 1);
        assert_eq!(ask(&lab, by, &b).await, (1, Place::Lingered), "{by:?}");
        lab.time().advance(LEASE);
        assert_eq!(lingering(&b, None).await.returned().unwrap(), 1);
        assert_eq!(ask(&lab, by, &a).await, (2, Place::Here), "{by:?}");
    }
}

async fn leaders_by_hand_let_it_linger(lab: Lab) {
    let engine = engine(&lab);
    let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| building(&lab, &engine, name).linger(LINGER).build());
    let Ok(Turn::Leader(leader)) = a.enter(KEY).await else { panic!("somebody leads") };
    assert_eq!(leader.complete(1).await.unwrap(), 1);
    match b.enter(KEY).await {
        Ok(Turn::Value(value, trip)) => assert_eq!((value, trip.place), (1, Place::Lingered)),
        other => panic!("{other:?}"),
    }
    lab.time().advance(LINGER);
    assert!(matches!(b.enter(KEY).await, Ok(Turn::Leader(_))));
}
