//! Promise 8: while the engine is not available, every process carries on for itself, or refuses, as it was told, and nobody waits for longer than was promised.

use std::error::Error as _;

use coflight::cluster::{Error, Lease, OnOutage, Outage, Place};
use coflight_tests::*;

use crate::common::*;

matrix!(
    each_process_carries_on_for_itself,
    each_process_refuses,
    one_finds_out_whether_the_engine_is_back,
    processes_share_again_when_the_engine_is_back,
    a_follower_is_answered_within_a_beat_and_patience,
    a_leader_goes_on_without_its_engine,
    a_leader_that_was_told_to_refuse_drops_its_work,
    a_short_outage_is_noticed_by_nobody,
);

const DOWN: [Outage; 2] = [Outage::Refuses, Outage::Silent];
const CHOICES: [OnOutage; 2] = [OnOutage::CarryOn, OnOutage::Refuse];

async fn each_process_carries_on_for_itself(lab: Lab) {
    for (by, outage) in VERBS.into_iter().flat_map(|by| DOWN.map(|outage| (by, outage))) {
        let engine = Fronted::watched(&lab);
        engine.behind.set_outage(outage);
        let alone = |lease: Lease| async move { lease.token().is_none() && !lease.is_held() };
        let processes: [Process<bool, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        // Behind each that came in vain, somebody gives up what may have been led by then.
        for (behind, process) in processes.iter().enumerate() {
            let callers = [(); 2].map(|()| lab.start(call(by, process, KEY, alone)));
            lab.until(|| process.stats().calls() == 2).await;
            let [first, second] = callers;
            let (value, served) = found_down(&lab, process, behind + 1, first).await;
            let trip = served.trip.unwrap();
            assert_eq!(
                (value.unwrap(), trip.place, trip.token, &*trip.process),
                (true, Place::Alone, None, process.process())
            );
            assert!(second.await.returned().0.unwrap());
            assert_eq!(process.cluster_stats().alone, 1, "for all of a process there is one execution");
            let before = lab.time().now();
            for key in [KEY, "other"] {
                let (value, served) = lab.start(call(by, process, key, alone)).await.returned();
                assert_eq!((value.unwrap(), served.trip.unwrap().place), (true, Place::Alone));
            }
            assert_eq!(lab.time().now(), before, "who comes later does not wait");
            let stats = process.cluster_stats();
            assert_eq!((stats.alone, stats.engine_down, stats.engine_up, stats.led), (3, 1, 0, 0));
        }
        engine.behind.set_outage(None);
        settle(&lab, engine, processes).await;
    }
}

#[track_caller]
fn unavailable<V: std::fmt::Debug>(result: Result<V, Error>, outage: Outage) {
    let error = result.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    let source = error.source().expect("the engine's error").to_string();
    let expected = if outage == Outage::Refuses { "told to refuse" } else { "no answer within" };
    assert!(source.contains(expected), "{source}");
    assert!(error.to_string().contains(&source));
}

async fn each_process_refuses(lab: Lab) {
    for (by, outage) in VERBS.into_iter().flat_map(|by| DOWN.map(|outage| (by, outage))) {
        let engine = Fronted::watched(&lab);
        engine.behind.set_outage(outage);
        let a: Process<u32, Fronted> = building(&lab, &engine, "a").on_outage(OnOutage::Refuse).build();
        let callers = [(); 2].map(|()| lab.start(call(by, &a, KEY, never)));
        lab.until(|| a.stats().calls() == 2).await;
        let [first, second] = callers;
        let (result, served) = found_down(&lab, &a, 1, first).await;
        assert_eq!(served.trip, None);
        unavailable(result, outage);
        unavailable(second.await.returned().0, outage);
        let before = lab.time().now();
        for key in [KEY, "other"] {
            unavailable(lab.start(call(by, &a, key, never)).await.returned().0, outage);
        }
        assert_eq!(lab.time().now(), before, "who comes later does not wait");
        assert_eq!((a.cluster_stats().alone, a.cluster_stats().engine_down), (0, 1));
        engine.behind.set_outage(None);
        settle(&lab, engine, [a]).await;
    }
}

async fn one_finds_out_whether_the_engine_is_back(lab: Lab) {
    for by in VERBS {
        let engine = Fronted::watched(&lab);
        engine.behind.set_outage(Outage::Silent);
        let a: Process<u32, Fronted> = process(&lab, &engine, "a");
        found_down(&lab, &a, 1, lab.start(call(by, &a, KEY, |_| async { 1 }))).await.0.unwrap();
        for behind in 1..3 {
            lab.time().advance(PATIENCE);
            let trial = lab.start(call(by, &a, "trial", |_| async { 2 }));
            lab.until(|| a.contains("trial")).await;
            // The one is asleep, and so is, of each that came in vain, what it left.
            lab.until(|| lab.time().timers() > behind).await;
            let before = lab.time().now();
            for _ in 0..3 {
                assert_eq!(lab.start(call(by, &a, KEY, |_| async { 3 })).await.returned().0.unwrap(), 3);
            }
            assert_eq!(lab.time().now(), before, "the others do not wait");
            let (value, _) = within(&lab, PATIENCE, behind + 1, None, trial).await;
            assert_eq!(value.unwrap(), 2, "{by:?}");
        }
        assert_eq!(a.cluster_stats().engine_down, 1, "that is no news");
        engine.behind.set_outage(None);
        settle(&lab, engine, [a]).await;
    }
}

async fn processes_share_again_when_the_engine_is_back(lab: Lab) {
    for (outage, choice) in DOWN.into_iter().flat_map(|outage| CHOICES.map(|choice| (outage, choice))) {
        let engine = Fronted::watched(&lab);
        engine.behind.set_outage(outage);
        let [a, b]: [Process<u32, Fronted>; 2] =
            ["a", "b"].map(|name| building(&lab, &engine, name).on_outage(choice).build());
        for (behind, process) in [&a, &b].into_iter().enumerate() {
            let caller = lab.start(call(By::Run, process, KEY, |_| async { 0 }));
            let (value, _) = found_down(&lab, process, behind + 1, caller).await;
            assert_eq!(value.is_ok(), choice == OnOutage::CarryOn);
        }
        engine.behind.set_outage(None);
        lab.time().advance(PATIENCE);
        let work = Job::default();
        let leader = lab.start(call(By::Run, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        let follower = lab.start(call(By::Run, &b, KEY, never));
        lab.until(|| b.cluster_stats().followed >= 1).await;
        work.gate.open();
        for (caller, place) in [(leader, Place::Here), (follower, Place::Elsewhere)] {
            let (value, served) = caller.await.returned();
            assert_eq!((value.unwrap(), served.trip.unwrap().place), (1, place), "{outage:?} {choice:?}");
        }
        for stats in [a.cluster_stats(), b.cluster_stats()] {
            assert_eq!((stats.engine_down, stats.engine_up), (1, 1), "{outage:?} {choice:?}");
        }
        settle(&lab, engine, [a, b]).await;
    }
}

async fn a_follower_is_answered_within_a_beat_and_patience(lab: Lab) {
    for (by, outage) in VERBS.into_iter().flat_map(|by| DOWN.map(|outage| (by, outage))) {
        for choice in CHOICES {
            let engine = Fronted::watched(&lab);
            let [a, b]: [Process<u32, Fronted>; 2] =
                ["a", "b"].map(|name| building(&lab, &engine, name).on_outage(choice).build());
            let (work, own) = (Job::default(), Job::default());
            own.gate.open();
            let leader = lab.start(call(by, &a, KEY, work.value(1)));
            lab.until(|| work.begun() == 1).await;
            let follower = lab.start(call(by, &b, KEY, own.value(2)));
            lab.until(|| b.cluster_stats().followed == 1).await;
            engine.behind.set_outage(outage);
            let (result, served) = within(&lab, BEAT + PATIENCE, 2, Some(&work), follower).await;
            if choice == OnOutage::CarryOn {
                assert_eq!((result.unwrap(), served.trip.unwrap().place), (2, Place::Alone));
            } else {
                unavailable(result, outage);
                assert_eq!(own.begun(), 0);
            }
            assert_eq!(work.gone(), 0, "for the leader it is too early");
            engine.behind.set_outage(None);
            leader.abort();
            assert!(matches!(leader.await, Ended::Dropped));
            settle(&lab, engine, [a, b]).await;
        }
    }
}

async fn a_leader_goes_on_without_its_engine(lab: Lab) {
    for (by, outage) in VERBS.into_iter().flat_map(|by| DOWN.map(|outage| (by, outage))) {
        let engine = Fronted::watched(&lab);
        let a: Process<u32, Fronted> = process(&lab, &engine, "a");
        let work = Job::default();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        let beside = lab.start(call(by, &a, KEY, never));
        lab.until(|| a.stats().calls() == 2).await;
        engine.behind.set_outage(outage);
        let took = pass_asleep(&lab, LEASE + BEAT, 1, Some(&work), || a.cluster_stats().lease_lost == 1).await;
        assert!(took >= LEASE, "{by:?} {outage:?}: {took:?}");
        lab.time().advance(2 * LEASE);
        work.shown(&lab).await;
        assert_eq!(work.gone(), 0);
        work.gate.open();
        let (value, served) = within(&lab, PATIENCE, 1, None, leader).await;
        assert_eq!((value.unwrap(), served.trip.unwrap().place), (1, Place::Here), "{by:?} {outage:?}");
        assert_eq!(beside.await.returned().0.unwrap(), 1);
        assert_eq!((work.begun(), a.cluster_stats().published), (1, 0));
        engine.behind.set_outage(None);
        settle(&lab, engine, [a]).await;
    }
}

async fn a_leader_that_was_told_to_refuse_drops_its_work(lab: Lab) {
    for (by, outage) in VERBS.into_iter().flat_map(|by| DOWN.map(|outage| (by, outage))) {
        let engine = Fronted::watched(&lab);
        let a: Process<u32, Fronted> = building(&lab, &engine, "a").on_outage(OnOutage::Refuse).build();
        let work = Job::default();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        let beside = lab.start(call(by, &a, KEY, never));
        lab.until(|| a.stats().calls() == 2).await;
        engine.behind.set_outage(outage);
        let took = pass_asleep(&lab, LEASE + BEAT, 1, Some(&work), || work.gone() == 1).await;
        assert!(took >= LEASE, "{by:?} {outage:?}: {took:?}");
        let before = lab.time().now();
        for caller in [leader, beside] {
            unavailable(caller.await.returned().0, outage);
        }
        assert_eq!(lab.time().now(), before);
        engine.behind.set_outage(None);
        settle(&lab, engine, [a]).await;
    }
}

/// It is shorter than everybody's patience, and both the leader and the follower ask in the middle of it, and somebody comes for another key.
async fn a_short_outage_is_noticed_by_nobody(lab: Lab) {
    for (by, outage) in VERBS.into_iter().flat_map(|by| DOWN.map(|outage| (by, outage))) {
        for choice in CHOICES {
            let engine = Fronted::watched(&lab);
            let [a, b]: [Process<u32, Fronted>; 2] =
                ["a", "b"].map(|name| building(&lab, &engine, name).on_outage(choice).build());
            let (work, other) = (Job::default(), Job::default());
            let leader = lab.start(call(by, &a, KEY, work.value(1)));
            lab.until(|| work.begun() == 1).await;
            let follower = lab.start(call(by, &b, KEY, never));
            lab.until(|| b.cluster_stats().followed == 1).await;
            beats(&lab, &engine.behind, 1, 2, Some(&work)).await;
            lab.until(|| lab.time().timers() == 2).await;
            lab.time().advance(BEAT - PATIENCE / 4);
            engine.behind.set_outage(outage);
            let before = engine.behind.operations();
            lab.time().advance(PATIENCE / 4);
            lab.until(|| engine.behind.operations() >= before + 2 && lab.time().timers() == 2).await;
            work.shown(&lab).await;
            let newcomers = [&a, &b].map(|process| lab.start(call(by, process, "other", other.value(2))));
            lab.until(|| a.contains("other") && b.contains("other")).await;
            lab.until(|| engine.behind.operations() >= before + 4 || other.begun() > 0).await;
            assert_eq!(other.begun(), 0, "{by:?} {outage:?} {choice:?}: for somebody the engine is down");
            lab.time().advance(PATIENCE / 4);
            engine.behind.set_outage(None);
            // Each of the newcomers renews, or looks.
            pass_asleep(&lab, PATIENCE, 4, Some(&work), || attended_now(&a) + attended_now(&b) == 4).await;
            lab.until(|| other.begun() > 0).await;
            other.gate.open();
            for newcomer in newcomers {
                assert_eq!(newcomer.await.returned().0.unwrap(), 2, "{by:?} {outage:?} {choice:?}");
            }
            assert_eq!(other.begun(), 1, "{by:?} {outage:?} {choice:?}: it is shared");
            for _ in 0..40 {
                lab.until(|| lab.time().timers() == 2).await;
                work.shown(&lab).await;
                lab.time().advance(BEAT / 10);
            }
            work.gate.open();
            for caller in [leader, follower] {
                assert_eq!(caller.await.returned().0.unwrap(), 1);
            }
            for stats in [a.cluster_stats(), b.cluster_stats()] {
                assert_eq!(
                    (stats.engine_down, stats.lease_lost, stats.alone),
                    (0, 0, 0),
                    "{by:?} {outage:?} {choice:?}"
                );
            }
            settle(&lab, engine, [a, b]).await;
        }
    }
}

fn attended_now(process: &Process<u32, Fronted>) -> u64 {
    attended(process.cluster_stats())
}
