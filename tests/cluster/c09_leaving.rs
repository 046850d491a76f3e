//! Promise 9: leaving is free: whoever leaves, in whatever process, others get their result, and a work that nobody waits for any more is dropped.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use coflight::cluster::{Engine, Error, Outage, Place, Served};
use coflight_tests::*;

use crate::common::*;

matrix!(
    a_leader_of_run_that_leaves_hands_over_at_once,
    a_leader_by_hand_that_leaves_hands_over_at_once,
    a_carried_work_goes_on_for_callers_elsewhere,
    a_carried_work_asks_once_who_waits,
    a_carried_work_ends_with_the_last_one_elsewhere,
    a_carried_work_that_cannot_lead_again_is_dropped,
    a_carried_work_that_leads_again_waits_for_whoever_looks_late,
    a_work_for_nobody_is_dropped_at_once,
    followers_that_leave_change_nothing,
    who_leaves_before_the_engine_answers_strands_nobody,
    who_leaves_before_a_lost_answer_strands_nobody,
);

const CARRIED: [By; 2] = [By::Relay, By::Spawn];

/// Somebody of `b`, who asked by `others`, for whom the work goes on that a caller of `a` began by `by`, who left.
async fn carried(
    lab: &Lab,
    by: By,
    others: By,
    [a, b]: [&Process<u32, Fronted>; 2],
    work: &Job,
) -> Task<(Result<u32, Error>, Served)> {
    let leader = lab.start(call(by, a, KEY, work.value(1)));
    lab.until(|| work.begun() == 1).await;
    let follower = lab.start(call(others, b, KEY, never));
    lab.until(|| b.cluster_stats().followed == 1).await;
    leader.abort();
    assert!(matches!(leader.await, Ended::Dropped));
    lab.until(|| a.cluster_stats().continued == 1).await;
    follower
}

async fn a_leader_of_run_that_leaves_hands_over_at_once(lab: Lab) {
    for by in VERBS {
        let engine = engine(&lab);
        let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let (first, second) = (Job::default(), Job::default());
        let leader = lab.start(call(By::Run, &a, KEY, first.value(1)));
        lab.until(|| first.begun() == 1).await;
        let followers = [(); 2].map(|()| lab.start(call(by, &b, KEY, second.value(2))));
        lab.until(|| b.cluster_stats().followed == 1 && b.stats().calls() == 2).await;
        leader.abort();
        assert!(matches!(leader.await, Ended::Dropped));
        assert_eq!(first.gone(), 1);
        lab.until(|| second.begun() == 1).await;
        second.gate.open();
        for follower in followers {
            let (value, served) = follower.await.returned();
            assert_eq!((value.unwrap(), served.trip.unwrap().place), (2, Place::Here), "{by:?}");
        }
        lab.until(|| a.cluster_stats().resigned == 1).await;
        assert_eq!((b.cluster_stats().succeeded, second.begun()), (1, 1));
    }
    assert!(lab.time().now().is_zero());
}

async fn a_leader_by_hand_that_leaves_hands_over_at_once(lab: Lab) {
    let engine = engine(&lab);
    let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
    let Ok(coflight::cluster::Turn::Leader(leader)) = a.enter(KEY).await else { panic!("somebody leads") };
    let follower = lab.start(call(By::Run, &b, KEY, |_| async { 2 }));
    lab.until(|| b.cluster_stats().followed == 1).await;
    drop(leader);
    assert_eq!(follower.await.returned().0.unwrap(), 2);
    assert!(lab.time().now().is_zero());
}

async fn a_carried_work_goes_on_for_callers_elsewhere(lab: Lab) {
    for by in CARRIED {
        idle(&lab).await;
        let engine = engine(&lab);
        let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let work = Job::default();
        let leaders = [(); 2].map(|()| lab.start(call(by, &a, KEY, work.value(1))));
        lab.until(|| work.begun() == 1 && a.stats().calls() == 2).await;
        let follower = lab.start(call(By::Run, &b, KEY, never));
        lab.until(|| b.cluster_stats().followed == 1).await;
        let before = lab.time().now();
        leaders.iter().for_each(Task::abort);
        for leader in leaders {
            assert!(matches!(leader.await, Ended::Dropped));
        }
        lab.until(|| a.is_empty() && a.cluster_stats().continued == 1).await;
        assert_eq!(lab.time().now(), before);
        // For longer than a lease.
        beats(&lab, &engine, 5, 2, Some(&work)).await;
        assert_eq!(work.gone(), 0);
        // Whoever comes to its process meanwhile shares it, too.
        let newcomer = lab.start(call(by, &a, KEY, never));
        lab.until(|| a.cluster_stats().followed == 1).await;
        work.gate.open();
        for caller in [follower, newcomer] {
            let (value, served) = caller.await.returned();
            assert_eq!((value.unwrap(), &*served.trip.unwrap().process), (1, "a"), "{by:?}");
        }
        lab.until(|| work.gone() == 1 && a.cluster_stats().published == 1).await;
        assert_eq!((work.begun(), a.cluster_stats().continued), (1, 1));
    }
}

/// Who waits elsewhere is asked for at once, and once.
async fn a_carried_work_asks_once_who_waits(lab: Lab) {
    for by in CARRIED {
        let (engine, renewed) = Fronted::counting(&lab, "renew");
        let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let work = Job::default();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        let follower = lab.start(call(By::Run, &b, KEY, never));
        lab.until(|| b.cluster_stats().followed == 1).await;
        // Both are asleep.
        lab.until(|| lab.time().timers() == 2).await;
        leader.abort();
        assert!(matches!(leader.await, Ended::Dropped));
        lab.until(|| a.cluster_stats().continued == 1 && lab.time().timers() == 2).await;
        assert_eq!(renewed.load(Ordering::SeqCst), 1, "{by:?}");
        work.gate.open();
        assert_eq!(follower.await.returned().0.unwrap(), 1);
        assert_eq!(renewed.load(Ordering::SeqCst), 1, "{by:?}");
        settle(&lab, engine, [a, b]).await;
    }
}

async fn a_carried_work_ends_with_the_last_one_elsewhere(lab: Lab) {
    for by in CARRIED {
        let engine = Fronted::watched(&lab);
        let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let work = Job::default();
        let follower = carried(&lab, by, by, [&a, &b], &work).await;
        beats(&lab, &engine.behind, 2, 2, Some(&work)).await;
        follower.abort();
        assert!(matches!(follower.await, Ended::Dropped));
        lab.until(|| b.is_empty() && lab.time().timers() == 1).await;
        let before = engine.behind.operations();
        let took = pass_asleep(&lab, LEASE, 1, Some(&work), || work.gone() == 1).await;
        assert!(took > BEAT, "{by:?}: whoever waits looks once a beat");
        lab.until(|| a.cluster_stats().resigned == 1).await;
        assert!(engine.behind.operations() - before <= 4, "once a beat, and at the end");
        settle(&lab, engine, [a, b]).await;
    }
}

/// It lost its lease, and the engine is down from then on: whether anybody waits, nobody knows.
async fn a_carried_work_that_cannot_lead_again_is_dropped(lab: Lab) {
    for by in CARRIED {
        idle(&lab).await;
        let (is_down, told) = (Arc::new(AtomicBool::new(false)), AtomicBool::new(false));
        let down = Arc::clone(&is_down);
        let engine = Fronted::new(&engine(&lab), move |operation, _| {
            let last = || operation == "renew" && !told.swap(true, Ordering::SeqCst);
            if !down.load(Ordering::SeqCst) || last() { Fate::Answered } else { Fate::Failed }
        });
        let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let work = Job::default();
        let follower = carried(&lab, by, By::Run, [&a, &b], &work).await;
        follower.abort();
        assert!(matches!(follower.await, Ended::Dropped));
        work.shown(&lab).await;
        // The task that renews.
        lab.until(|| b.is_empty() && lab.time().timers() == 1).await;
        engine.behind.flush();
        is_down.store(true, Ordering::SeqCst);
        pass_asleep(&lab, BEAT + PATIENCE, 1, None, || work.gone() == 1).await;
        let stats = a.cluster_stats();
        assert_eq!((stats.led, stats.lease_lost, stats.engine_down), (1, 1, 1), "{by:?}");
        settle(&lab, engine, [a, b]).await;
    }
}

/// Who does not know yet of the lease that it has now.
async fn a_carried_work_that_leads_again_waits_for_whoever_looks_late(lab: Lab) {
    for by in CARRIED {
        idle(&lab).await;
        let (in_vain, named) = (Arc::new(AtomicBool::new(false)), Arc::new(OnceLock::new()));
        let engine = {
            let (in_vain, named) = (Arc::clone(&in_vain), Arc::clone(&named));
            Fronted::new(&engine(&lab), move |operation, name| {
                named.get_or_init(|| name.clone());
                let is_lost = operation == "look" && in_vain.swap(false, Ordering::SeqCst);
                if is_lost { Fate::Unanswered } else { Fate::Answered }
            })
        };
        let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let work = Job::default();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        let follower = lab.start(call(By::Run, &b, KEY, never));
        lab.until(|| b.cluster_stats().followed == 1 && lab.time().timers() == 2).await;
        lab.time().advance(BEAT / 10);
        leader.abort();
        assert!(matches!(leader.await, Ended::Dropped));
        lab.until(|| a.cluster_stats().continued == 1).await;
        // The follower looks, and a tenth of a beat later the lease is renewed.
        let passes = async |time: Duration| {
            work.shown(&lab).await;
            lab.until(|| lab.time().timers() == 2).await;
            let before = engine.behind.operations();
            lab.time().advance(time);
            lab.until(|| engine.behind.operations() > before).await;
        };
        passes(BEAT - BEAT / 10).await;
        passes(BEAT / 10).await;
        engine.behind.flush();
        in_vain.store(true, Ordering::SeqCst);
        passes(BEAT - BEAT / 10).await;
        passes(BEAT / 10).await;
        lab.until(|| a.cluster_stats().led == 2 && lab.time().timers() == 2).await;
        // It renews at once if it is told of anything.
        let before = engine.behind.operations();
        engine.behind.tell(named.get().unwrap()).await.unwrap();
        lab.until(|| engine.behind.operations() > before + 1 && lab.time().timers() == 2).await;
        // The follower asks again, and will find it.
        lab.time().advance(PATIENCE / 2);
        lab.until(|| lab.time().timers() == 2).await;
        beats(&lab, &engine.behind, 3, 2, Some(&work)).await;
        assert_eq!(work.gone(), 0, "{by:?}");
        work.gate.open();
        assert_eq!(follower.await.returned().0.unwrap(), 1, "{by:?}");
        assert_eq!((work.begun(), b.cluster_stats().succeeded), (1, 0));
        settle(&lab, engine, [a, b]).await;
    }
}

async fn a_work_for_nobody_is_dropped_at_once(lab: Lab) {
    for by in VERBS {
        let engine = engine(&lab);
        let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let work = Job::default();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        let beside = lab.start(call(by, &a, KEY, never));
        lab.until(|| a.stats().calls() == 2).await;
        let before = lab.time().now();
        // The one that follows first, which might begin its own.
        beside.abort();
        assert!(matches!(beside.await, Ended::Dropped));
        leader.abort();
        assert!(matches!(leader.await, Ended::Dropped));
        lab.until(|| work.gone() == work.begun() && a.cluster_stats().resigned == 1).await;
        assert_eq!(lab.time().now(), before, "{by:?}");
        assert_eq!(a.cluster_stats().continued, 0);
        assert_eq!(lab.start(call(by, &b, KEY, |_| async { 2 })).await.returned().0.unwrap(), 2);
    }
}

async fn followers_that_leave_change_nothing(lab: Lab) {
    for by in VERBS {
        let engine = engine(&lab);
        let [a, b, c]: [Process<u32>; 3] = ["a", "b", "c"].map(|name| process(&lab, &engine, name));
        let work = Job::default();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        let first = lab.start(call(by, &b, KEY, never));
        lab.until(|| b.cluster_stats().followed == 1).await;
        let mut others: Vec<_> = (0..5).map(|n| lab.start(call(VERBS[n % 3], &b, KEY, never))).collect();
        let elsewhere: Vec<_> = VERBS.map(|by| lab.start(call(by, &c, KEY, never))).into();
        lab.until(|| b.stats().calls() == 6 && c.stats().calls() == 3 && c.cluster_stats().followed == 1).await;
        let last = others.pop().unwrap();
        // Some of one process, and then the one that asked for all of them; all of another.
        for leaves in others.into_iter().chain([first]).chain(elsewhere) {
            leaves.abort();
            assert!(matches!(leaves.await, Ended::Dropped));
        }
        lab.until(|| c.is_empty()).await;
        work.gate.open();
        assert_eq!(last.await.returned().0.unwrap(), 1, "{by:?}");
        assert_eq!(leader.await.returned().0.unwrap(), 1);
        assert_eq!(work.begun(), 1);
    }
}

/// Whose first poll asked, and who was dropped then; also if the engine does not answer at that moment.
async fn who_leaves_before_the_engine_answers_strands_nobody(lab: Lab) {
    for by in VERBS {
        for outage in [None, Some(Outage::Silent), Some(Outage::Refuses)] {
            if outage.is_none() && by != By::Run {
                // It leads, and its work may go on for whoever comes.
                continue;
            }
            let engine = Fronted::watched(&lab);
            let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
            engine.behind.set_outage(outage);
            let before = lab.time().now();
            let joins = boarded(call(by, &a, KEY, |_| std::future::pending()));
            // Whoever does it has asked.
            lab.until(|| engine.behind.operations() >= 1).await;
            drop(joins);
            engine.behind.set_outage(None);
            let (value, served) = within(&lab, BEAT, 1, None, lab.start(call(by, &b, KEY, |_| async { 2 }))).await;
            assert_eq!((value.unwrap(), served.trip.unwrap().place), (2, Place::Here), "{by:?} {outage:?}");
            assert!(lab.time().now() - before < LEASE, "{by:?} {outage:?}: nobody waits for a lease to run out");
            settle(&lab, engine, [a, b]).await;
        }
    }
}

/// It leads, and does not know, and nobody is there to be told.
async fn who_leaves_before_a_lost_answer_strands_nobody(lab: Lab) {
    for by in VERBS {
        // Of two tries that a caller has in its patience, one is lost at most.
        for lost in 1..3 {
            let engine = Fronted::losing(&lab, "join", lost);
            let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
            let mut joins_now = boarded(call(by, &a, KEY, |_| std::future::pending()));
            // It leads, and does not know.
            lab.until(|| poll_now(joins_now.as_mut()).is_pending() && !engine.behind.is_empty()).await;
            let before = lab.time().now();
            drop(joins_now);
            // What it left behind has asked, too.
            lab.until(|| engine.behind.operations() >= 2).await;
            let caller = lab.start(call(by, &b, KEY, |_| async { 2 }));
            let (value, served) = within(&lab, PATIENCE, 2, None, caller).await;
            assert_eq!((value.unwrap(), served.trip.unwrap().place), (2, Place::Here), "{by:?} {lost}");
            assert!(lab.time().now() - before < LEASE, "{by:?} {lost}: nobody waits for the lease to run out");
            settle(&lab, engine, [a, b]).await;
        }
    }
}
