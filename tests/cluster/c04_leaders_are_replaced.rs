//! Promises 4 and 5: a leader that is dead, stuck, or cut off is replaced within a lease, and cannot publish when it is late.

use std::sync::{Arc, OnceLock};

use coflight::cluster::{Lease, Outage, Place};
use coflight_tests::*;

use crate::common::*;

matrix!(
    a_leader_that_vanished_is_replaced_within_a_lease,
    a_leader_that_is_not_polled_is_replaced_within_a_lease,
    a_leader_that_is_not_polled_while_it_publishes_is_replaced_within_a_lease,
    a_leader_that_is_not_polled_after_it_published_has_published,
    a_late_leader_takes_its_successors_result,
    a_late_leader_cannot_publish,
    who_lost_a_lease_while_nobody_leads_leads_again,
    a_work_that_goes_on_for_others_leads_again,
);

/// What is left of a process that was killed: an entry that nobody renews.
async fn vanished(lab: &Lab, engine: &coflight::cluster::InProcess, key: &'static str) {
    // A runtime of its own, which is then no more.
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let handle = tokio.handle().clone();
    let on_it = coflight::cluster::Cluster::<String, u32, _, _>::builder(
        "test",
        engine.clone(),
        AnyRuntime::Virtual(Box::new(AnyRuntime::Tokio(coflight::Tokio::new(handle))), lab.time().clone()),
    )
    .lease(LEASE)
    .build();
    let leads = on_it.clone();
    tokio.spawn(async move { leads.run(key, |_| std::future::pending()).await });
    lab.until(|| on_it.cluster_stats().led == 1).await;
    // Not by a thread of a runtime, which must not wait until all of its tasks are gone.
    std::thread::spawn(move || drop(tokio)).join().unwrap();
    assert_eq!(lab.time().timers(), 0);
}

async fn a_leader_that_vanished_is_replaced_within_a_lease(lab: Lab) {
    for by in VERBS {
        idle(&lab).await;
        let engine = engine(&lab);
        vanished(&lab, &engine, KEY).await;
        let b: Process<u32> = process(&lab, &engine, "b");
        let work = Job::default();
        work.gate.open();
        let caller = lab.start(call(by, &b, KEY, work.value(2)));
        lab.until(|| attended(b.cluster_stats()) == 1).await;
        // Nobody but the follower sleeps.
        let took = pass_asleep(&lab, LEASE + BEAT, 1, None, || work.begun() == 1).await;
        assert!(took >= LEASE, "{took:?}: it had a lease");
        assert_eq!(caller.await.returned().0.unwrap(), 2);
        let stats = b.cluster_stats();
        assert_eq!((stats.followed, stats.succeeded), (1, 1), "{by:?}");
    }
}

/// Of `run`, whose work only its caller can drive.
async fn a_leader_that_is_not_polled_is_replaced_within_a_lease(lab: Lab) {
    let engine = engine(&lab);
    let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
    let stuck = Job::default();
    let parked = not_polled(&lab, &a, &b, &stuck).await;
    // It is polled again when all is over: nobody leads, so it goes on where it was, for whoever comes.
    stuck.gate.open();
    assert_eq!(lab.start(parked).await.returned().0.unwrap(), 1);
    let stats = a.cluster_stats();
    assert_eq!((stats.resigned, stats.lease_lost, stats.led), (1, 1, 2));
}

/// Its result is lost to the others, because whether it got through, nobody knows.
async fn a_leader_that_is_not_polled_while_it_publishes_is_replaced_within_a_lease(lab: Lab) {
    let engine = engine(&lab);
    let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
    let (work, next) = (Job::default(), Job::default());
    let mut parked = boarded(call(By::Run, &a, KEY, work.value(1)));
    let follower = lab.start(call(By::Run, &b, KEY, next.value(2)));
    lab.until(|| b.cluster_stats().followed == 1).await;
    // One renews, one looks. What waits for an answer has a timer, too.
    lab.until(|| lab.time().timers() == 2).await;
    engine.set_outage(Outage::Silent);
    work.gate.open();
    assert!(poll_now(parked.as_mut()).is_pending());
    engine.set_outage(None);
    next.gate.open();
    pass_asleep(&lab, 2 * BEAT, 2, None, || next.begun() == 1).await;
    assert_eq!(follower.await.returned().0.unwrap(), 2);
    // It is there for its own process.
    assert_eq!(passing(&lab, lab.start(parked)).await.0.0.unwrap(), 1);
    assert_eq!((a.cluster_stats().refused, a.cluster_stats().published), (1, 0));
}

/// Whose answer was lost.
async fn a_leader_that_is_not_polled_after_it_published_has_published(lab: Lab) {
    let engine = Fronted::losing(&lab, "publish", 1);
    let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
    let (gate, lease) = (Gate::new(), Arc::new(OnceLock::new()));
    let work = {
        let (gate, lease) = (gate.clone(), lease.clone());
        move |held| async move {
            lease.set(held).expect("called once");
            gate.wait().await;
            1
        }
    };
    let mut parked = boarded(call(By::Run, &a, KEY, work));
    let follower = lab.start(call(By::Run, &b, KEY, never));
    lab.until(|| lab.time().timers() == 2).await;
    gate.open();
    assert!(poll_now(parked.as_mut()).is_pending());
    assert_eq!(follower.await.returned().0.unwrap(), 1);
    let over = || lease.get().is_some_and(|lease: &Lease| !lease.is_held());
    // Who renews was woken by the publication, went to sleep again for a beat, at once or a little later, and asks then.
    pass_asleep(&lab, 2 * BEAT, 1, None, over).await;
    assert_eq!(lab.start(parked).await.returned().0.unwrap(), 1);
    assert_eq!((a.cluster_stats().published, a.cluster_stats().refused), (1, 0));
    settle(&lab, engine, [a, b]).await;
}

async fn a_late_leader_takes_its_successors_result(lab: Lab) {
    for by in VERBS {
        idle(&lab).await;
        let engine = engine(&lab);
        let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let (first, second) = (Job::default(), Job::default());
        let late = lab.start(call(by, &a, KEY, first.value(1)));
        lab.until(|| first.begun() == 1).await;
        engine.flush();
        let successor = lab.start(call(by, &b, KEY, second.value(2)));
        lab.until(|| second.begun() == 1).await;
        // At its next beat it learns of that, and drops its work.
        beats(&lab, &engine, 1, 2, None).await;
        lab.until(|| first.gone() == 1 && a.cluster_stats().followed == 1).await;
        second.gate.open();
        assert_eq!(successor.await.returned().0.unwrap(), 2);
        let (value, served) = late.await.returned();
        assert_eq!((value.unwrap(), served.trip.unwrap().place), (2, Place::Elsewhere), "{by:?}");
    }
}

async fn a_late_leader_cannot_publish(lab: Lab) {
    for by in VERBS {
        let engine = engine(&lab);
        let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let (first, second) = (Job::default(), Job::default());
        let late = lab.start(call(by, &a, KEY, first.value(1)));
        lab.until(|| first.begun() == 1).await;
        engine.flush();
        let successor = lab.start(call(by, &b, KEY, second.value(2)));
        lab.until(|| second.begun() == 1).await;
        let follower = {
            let c: Process<u32> = process(&lab, &engine, "c");
            let called = lab.start(call(by, &c, KEY, |_| async { unreachable!() }));
            lab.until(|| c.cluster_stats().followed == 1).await;
            called
        };
        // Before it learns.
        first.gate.open();
        assert_eq!(late.await.returned().0.unwrap(), 1, "for its own callers");
        assert_eq!((a.cluster_stats().published, a.cluster_stats().refused), (0, 1));
        second.gate.open();
        assert_eq!(successor.await.returned().0.unwrap(), 2);
        assert_eq!(follower.await.returned().0.unwrap(), 2, "{by:?}");
    }
}

/// The same work goes on, under another lease, so that nobody begins another.
async fn who_lost_a_lease_while_nobody_leads_leads_again(lab: Lab) {
    for by in VERBS {
        idle(&lab).await;
        let engine = engine(&lab);
        let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let work = Job::default();
        let caller = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        engine.flush();
        beats(&lab, &engine, 1, 1, None).await;
        lab.until(|| a.cluster_stats().led == 2).await;
        let follower = lab.start(call(by, &b, KEY, |_| async { unreachable!("somebody leads") }));
        lab.until(|| b.cluster_stats().followed == 1).await;
        beats(&lab, &engine, 3, 2, Some(&work)).await;
        work.gate.open();
        assert_eq!(caller.await.returned().0.unwrap(), 1);
        assert_eq!(follower.await.returned().0.unwrap(), 1, "{by:?}");
        assert_eq!(work.begun(), 1);
    }
}

/// Also if its own callers have left.
async fn a_work_that_goes_on_for_others_leads_again(lab: Lab) {
    for by in [By::Relay, By::Spawn] {
        idle(&lab).await;
        let engine = engine(&lab);
        let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let work = Job::default();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        let follower = lab.start(call(By::Run, &b, KEY, never));
        lab.until(|| lab.time().timers() == 2).await;
        lab.time().advance(BEAT / 2);
        leader.abort();
        assert!(matches!(leader.await, Ended::Dropped));
        // It renews half a beat after the follower looks.
        lab.until(|| a.cluster_stats().continued == 1 && lab.time().timers() == 2).await;
        work.shown(&lab).await;
        let looked = engine.operations();
        lab.time().advance(BEAT / 2);
        lab.until(|| engine.operations() > looked && lab.time().timers() == 2).await;
        work.shown(&lab).await;
        engine.flush();
        lab.time().advance(BEAT / 2);
        lab.until(|| a.cluster_stats().led == 2 && lab.time().timers() == 2).await;
        work.shown(&lab).await;
        let looked = engine.operations();
        lab.time().advance(BEAT / 2);
        lab.until(|| engine.operations() > looked + 1 && lab.time().timers() == 2).await;
        work.gate.open();
        assert_eq!(follower.await.returned().0.unwrap(), 1, "{by:?}");
        assert_eq!((work.begun(), b.cluster_stats().led), (1, 0));
    }
}
