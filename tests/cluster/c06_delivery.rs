//! Promise 6: whoever waits gets the result, in whatever process: at once if it is told, within a third of a lease if it is not.

use coflight::cluster::{Outage, Place};
use coflight_tests::*;

use crate::common::*;

matrix!(
    whoever_waits_is_told_without_any_time_passing,
    whoever_is_not_told_looks_within_a_beat,
    hundreds_of_callers_get_it,
    a_result_waits_for_whoever_looks_late,
);

async fn whoever_waits_is_told_without_any_time_passing(lab: Lab) {
    for by in VERBS {
        let engine = engine(&lab);
        let [a, b, c]: [Process<u32>; 3] = ["a", "b", "c"].map(|name| process(&lab, &engine, name));
        let work = Job::default();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        let followers: Vec<_> = [&b, &c, &c].map(|process| lab.start(call(by, process, KEY, never))).into();
        lab.until(|| b.cluster_stats().followed == 1 && c.cluster_stats().followed == 1 && c.stats().calls() == 2)
            .await;
        work.gate.open();
        assert_eq!(leader.await.returned().0.unwrap(), 1);
        for follower in followers {
            let (value, served) = follower.await.returned();
            assert_eq!((value.unwrap(), served.trip.unwrap().place), (1, Place::Elsewhere), "{by:?}");
        }
        assert_eq!((b.cluster_stats().answered, c.cluster_stats().answered), (1, 1), "once a process");
    }
    assert!(lab.time().now().is_zero());
}

async fn whoever_is_not_told_looks_within_a_beat(lab: Lab) {
    for by in VERBS {
        idle(&lab).await;
        let engine = engine(&lab);
        engine.set_outage(Outage::Mute);
        let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let work = Job::default();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        let follower = lab.start(call(by, &b, KEY, never));
        lab.until(|| b.cluster_stats().followed == 1).await;
        beats(&lab, &engine, 2, 2, Some(&work)).await;
        lab.until(|| lab.time().timers() == 2).await;
        work.gate.open();
        assert_eq!(leader.await.returned().0.unwrap(), 1);
        // Only the follower is left, and sleeps.
        lab.until(|| lab.time().timers() == 1).await;
        let before = lab.time().now();
        lab.time().advance(BEAT);
        assert_eq!(follower.await.returned().0.unwrap(), 1, "{by:?}");
        assert_eq!(lab.time().now() - before, BEAT);
    }
}

/// By any verb, told and not told.
async fn hundreds_of_callers_get_it(lab: Lab) {
    for outage in [None, Some(Outage::Mute)] {
        idle(&lab).await;
        let engine = engine(&lab);
        engine.set_outage(outage);
        let processes: Vec<Process<usize>> = ["a", "b", "c"].map(|name| process(&lab, &engine, name)).into();
        let work = Job::default();
        let callers: Vec<_> =
            (0..300).map(|n| lab.start(call(VERBS[n / 3 % 3], &processes[n % 3], KEY, work.value(n)))).collect();
        lab.until(|| processes.iter().all(|process| attended(process.cluster_stats()) == 1)).await;
        lab.until(|| processes.iter().map(|process| process.stats().calls()).sum::<u64>() == 300).await;
        lab.until(|| work.begun() == 1).await;
        work.gate.open();
        if outage.is_some() {
            lab.until(|| work.gone() == 1 && processes.iter().any(Process::is_empty)).await;
            // The two processes that follow.
            lab.until(|| lab.time().timers() == 2).await;
            lab.time().advance(BEAT);
        }
        let mut values = Vec::new();
        for caller in callers {
            values.push(caller.await.returned().0.unwrap());
        }
        assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
        assert_eq!(work.begun(), 1);
    }
}

async fn a_result_waits_for_whoever_looks_late(lab: Lab) {
    let engine = engine(&lab);
    let [a, b, c]: [Process<u32>; 3] = ["a", "b", "c"].map(|name| process(&lab, &engine, name));
    let work = Job::default();
    let leader = lab.start(call(By::Run, &a, KEY, work.value(1)));
    lab.until(|| work.begun() == 1).await;
    // It follows, and is not polled until the result has been there for a while.
    let follower = boarded(call(By::Run, &b, KEY, never));
    assert_eq!(b.cluster_stats().followed, 1);
    work.gate.open();
    assert_eq!(leader.await.returned().0.unwrap(), 1);
    lab.time().advance(2 * BEAT);
    // Newcomers do not get it any more.
    assert_eq!(lab.start(call(By::Run, &c, KEY, |_| async { 2 })).await.returned().0.unwrap(), 2);
    let (value, served) = lab.start(follower).await.returned();
    assert_eq!((value.unwrap(), &*served.trip.unwrap().process), (1, "a"));
}
