//! Promises 2 and 9: what those aboard wait for is theirs, whoever of their process leaves, and however; and theirs alone.

use std::sync::{Arc, OnceLock};

use coflight::cluster::{Outage, Place, Turn};
use coflight_tests::*;

use crate::common::*;

matrix!(
    a_follower_that_leaves,
    a_follower_by_hand_that_leaves,
    a_follower_of_a_forgotten_flight_that_leaves,
    a_follower_that_leaves_before_a_forget,
    a_leader_that_leaves_while_it_publishes,
    a_leader_by_hand_that_leaves_while_it_publishes,
    a_leader_that_leaves_after_a_cancel,
    a_leader_by_hand_that_leaves_after_a_cancel_that_it_was_not_told_of,
    a_leader_that_leaves_after_a_cancel_that_it_was_not_told_of,
    those_who_leave_one_after_another_in_an_outage,
    one_who_overtakes,
    one_who_overtakes_and_leaves,
    one_who_is_overtaken_and_comes_back,
);

/// Whoever was aboard gets it, also if those of its process that asked left, one after another, when the result was there. Newcomers do not.
async fn a_follower_that_leaves(lab: Lab) {
    let engine = engine(&lab);
    let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
    let work = Job::default();
    let leader = lab.start(call(By::Run, &a, KEY, work.value(1)));
    lab.until(|| work.begun() == 1).await;
    let asks = boarded(call(By::Run, &b, KEY, never));
    let mut next = boarded(call(By::Run, &b, KEY, never));
    let beside = boarded(call(By::Run, &b, KEY, never));
    let by_hand = boarded(by_hand(&b));
    assert_eq!((b.stats().calls(), b.cluster_stats().followed), (4, 1));
    // The next one looks, and the leader works still.
    drop(asks);
    assert!(poll_now(next.as_mut()).is_pending());
    work.gate.open();
    assert_eq!(leader.await.returned().0.unwrap(), 1);
    drop(next);
    // It joins nobody who waits here.
    let (value, served) = lab.start(call(By::Run, &b, KEY, |_| async { 2 })).await.returned();
    assert_eq!((value.unwrap(), served.trip.unwrap().place), (2, Place::Here));
    let beside = lab.start(beside);
    let (value, served) = beside.await.returned();
    assert_eq!((value.unwrap(), served.trip.unwrap().place), (1, Place::Elsewhere));
    assert_eq!(lab.start(by_hand).await.returned(), Some(1));
    assert_eq!((b.cluster_stats().followed, b.cluster_stats().answered), (1, 1));
}

/// The same if those who ask do so by hand.
async fn a_follower_by_hand_that_leaves(lab: Lab) {
    let engine = engine(&lab);
    let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
    let work = Job::default();
    let leader = lab.start(call(By::Run, &a, KEY, work.value(1)));
    lab.until(|| work.begun() == 1).await;
    let asks = boarded(by_hand(&b));
    let beside = boarded(by_hand(&b));
    assert_eq!((b.stats().calls(), b.cluster_stats().followed), (2, 1));
    work.gate.open();
    assert_eq!(leader.await.returned().0.unwrap(), 1);
    drop(asks);
    assert_eq!(lab.start(beside).await.returned(), Some(1));
    assert_eq!(lab.start(by_hand(&b)).await.returned(), None, "it is to lead");
}

/// A result, if there is one.
fn by_hand(process: &Process<u32>) -> Call<Option<u32>> {
    let process = process.clone();
    Box::pin(async move {
        match process.enter(KEY).await.unwrap() {
            coflight::cluster::Turn::Value(value, _) => Some(value),
            coflight::cluster::Turn::Leader(_) => None,
        }
    })
}

/// Those who are aboard of a forgotten flight get its result, whoever of them left, and newcomers do not.
async fn a_follower_of_a_forgotten_flight_that_leaves(lab: Lab) {
    let engine = engine(&lab);
    let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
    let (first, second) = (Job::default(), Job::default());
    let leader = lab.start(call(By::Run, &a, KEY, first.value(1)));
    lab.until(|| first.begun() == 1).await;
    let asks = boarded(call(By::Run, &b, KEY, never));
    let beside = boarded(call(By::Run, &b, KEY, never));
    assert!(b.forget(KEY).await.unwrap());
    let newcomer = lab.start(call(By::Run, &b, KEY, second.value(2)));
    lab.until(|| second.begun() == 1).await;
    let after = boarded(call(By::Run, &b, KEY, |_| async { 3 }));
    first.gate.open();
    assert_eq!(leader.await.returned().0.unwrap(), 1);
    drop(asks);
    newcomer.abort();
    assert!(matches!(newcomer.await, Ended::Dropped));
    assert_eq!(lab.start(after).await.returned().0.unwrap(), 3);
    assert_eq!(lab.start(beside).await.returned().0.unwrap(), 1);
}

/// Another process forgets the flight, and nobody here is told, because nobody is polled.
async fn a_follower_that_leaves_before_a_forget(lab: Lab) {
    let engine = engine(&lab);
    let [a, b, c]: [Process<u32>; 3] = ["a", "b", "c"].map(|name| process(&lab, &engine, name));
    let work = Job::default();
    let leader = lab.start(call(By::Run, &a, KEY, work.value(1)));
    lab.until(|| work.begun() == 1).await;
    let asks = boarded(call(By::Run, &b, KEY, never));
    let beside = boarded(call(By::Run, &b, KEY, never));
    drop(asks);
    assert!(c.forget(KEY).await.unwrap());
    lab.until(|| !a.contains(KEY)).await;
    work.shown(&lab).await;
    // Long ago.
    beats(&lab, &engine, 9, 1, Some(&work)).await;
    let (value, served) = lab.start(call(By::Run, &b, KEY, |_| async { 2 })).await.returned();
    assert_eq!((value.unwrap(), served.trip.unwrap().place), (2, Place::Here));
    work.gate.open();
    assert_eq!(leader.await.returned().0.unwrap(), 1);
    assert_eq!(lab.start(beside).await.returned().0.unwrap(), 1);
}

/// Its publication gets there, and the answer is lost.
async fn a_leader_that_leaves_while_it_publishes(lab: Lab) {
    let engine = Fronted::losing(&lab, "publish", 1);
    let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
    let work = Job::default();
    let mut leader = boarded(call(By::Run, &a, KEY, work.value(1)));
    let beside = boarded(call(By::Run, &a, KEY, never));
    let elsewhere = lab.start(call(By::Run, &b, KEY, never));
    lab.until(|| b.cluster_stats().followed == 1).await;
    work.gate.open();
    assert!(poll_now(leader.as_mut()).is_pending());
    assert_eq!(elsewhere.await.returned().0.unwrap(), 1);
    drop(leader);
    assert_eq!(lab.start(call(By::Run, &a, KEY, |_| async { 2 })).await.returned().0.unwrap(), 2);
    assert_eq!(lab.start(beside).await.returned().0.unwrap(), 1);
    lab.until(|| a.cluster_stats().published == 2).await;
    settle(&lab, engine, [a, b]).await;
}

/// Its publication does not get there at first.
async fn a_leader_by_hand_that_leaves_while_it_publishes(lab: Lab) {
    let engine = Fronted::watched(&lab);
    let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
    let Ok(Turn::Leader(leader)) = a.enter(KEY).await else { panic!("somebody leads") };
    let beside = boarded(call(By::Run, &a, KEY, never));
    let elsewhere = lab.start(call(By::Run, &b, KEY, never));
    lab.until(|| b.cluster_stats().followed == 1).await;
    engine.behind.set_outage(Outage::Refuses);
    drop(boarded(leader.complete(1)));
    engine.behind.set_outage(None);
    let callers = [lab.start(beside), elsewhere];
    for caller in callers {
        assert_eq!(passing(&lab, caller).await.0.0.unwrap(), 1);
    }
    settle(&lab, engine, [a, b]).await;
}

async fn a_leader_that_leaves_after_a_cancel(lab: Lab) {
    let engine = engine(&lab);
    let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
    let lease = Arc::new(OnceLock::new());
    let leader = {
        let lease = lease.clone();
        boarded(call(By::Run, &a, KEY, move |held| {
            lease.set(held).expect("called once");
            std::future::pending()
        }))
    };
    let beside = boarded(call(By::Run, &a, KEY, never));
    assert!(b.cancel(KEY).await.unwrap());
    // Its process hears of it, and it is not polled.
    lab.until(|| lease.get().is_some_and(|lease| !lease.is_held())).await;
    drop(leader);
    assert_eq!(lab.start(call(By::Run, &a, KEY, |_| async { 2 })).await.returned().0.unwrap(), 2);
    let (value, _) = lab.start(beside).await.returned();
    assert_eq!(value.unwrap_err().flight(), Some(&coflight::Error::Cancelled));
}

async fn a_leader_by_hand_that_leaves_after_a_cancel_that_it_was_not_told_of(lab: Lab) {
    let engine = engine(&lab);
    engine.set_outage(Outage::Mute);
    let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
    let Ok(Turn::Leader(leader)) = a.enter(KEY).await else { panic!("somebody leads") };
    let beside = boarded(call(By::Run, &a, KEY, never));
    assert!(b.cancel(KEY).await.unwrap());
    drop(leader);
    let (value, _) = lab.start(beside).await.returned();
    assert_eq!(value.unwrap_err().flight(), Some(&coflight::Error::Cancelled));
}

/// Nor is a newcomer that comes before the others are polled.
async fn a_leader_that_leaves_after_a_cancel_that_it_was_not_told_of(lab: Lab) {
    let engine = engine(&lab);
    engine.set_outage(Outage::Mute);
    let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
    let leader = boarded(call(By::Run, &a, KEY, |_| std::future::pending()));
    let beside = boarded(call(By::Run, &a, KEY, never));
    assert!(b.cancel(KEY).await.unwrap());
    drop(leader);
    // It learns of it when it resigns.
    lab.until(|| !a.contains(KEY)).await;
    assert_eq!(a.cluster_stats().resigned, 0);
    assert_eq!(lab.start(call(By::Run, &a, KEY, |_| async { 2 })).await.returned().0.unwrap(), 2);
    let (value, _) = lab.start(beside).await.returned();
    assert_eq!(value.unwrap_err().flight(), Some(&coflight::Error::Cancelled));
}

/// There is one work in their process, newcomers included.
async fn those_who_leave_one_after_another_in_an_outage(lab: Lab) {
    let engine = engine(&lab);
    let a: Process<u32> = process(&lab, &engine, "a");
    let work = Job::default();
    let leader = boarded(call(By::Run, &a, KEY, |_| std::future::pending()));
    let mut next = boarded(call(By::Run, &a, KEY, never));
    let beside = boarded(call(By::Run, &a, KEY, work.value(1)));
    engine.set_outage(Outage::Refuses);
    drop(leader);
    assert!(poll_now(next.as_mut()).is_pending());
    drop(next);
    let callers = [lab.start(beside), lab.start(call(By::Run, &a, KEY, work.value(1)))];
    lab.until(|| a.stats().calls() == 4).await;
    // One resigns for the leader who left, one asks for those who are there.
    pass_asleep(&lab, PATIENCE, 2, None, || work.begun() == 1).await;
    work.gate.open();
    for caller in callers {
        assert_eq!(passing(&lab, caller).await.0.0.unwrap(), 1);
    }
    assert_eq!(work.begun(), 1);
}

/// One who asks and is not polled any more.
async fn one_who_overtakes(lab: Lab) {
    let engine = engine(&lab);
    let a: Process<u32> = process(&lab, &engine, "a");
    let b: Process<u32> = building(&lab, &engine, "b").overtake_after(2 * BEAT).build();
    let work = Job::default();
    let leader = lab.start(call(By::Run, &a, KEY, work.value(1)));
    lab.until(|| work.begun() == 1).await;
    let _asks = boarded(call(By::Run, &b, KEY, never));
    let beside = lab.start(call(By::Run, &b, KEY, never));
    lab.until(|| b.stats().calls() == 2 && b.cluster_stats().followed == 1).await;
    work.gate.open();
    assert_eq!(leader.await.returned().0.unwrap(), 1);
    assert_eq!(passing(&lab, beside).await.0.0.unwrap(), 1);
}

/// By then another flight is followed than the one that was overtaken knows, who leaves last.
async fn one_who_overtakes_and_leaves(lab: Lab) {
    let engine = engine(&lab);
    let [a, c]: [Process<u32>; 2] = ["a", "c"].map(|name| process(&lab, &engine, name));
    let b: Process<u32> = building(&lab, &engine, "b").overtake_after(BEAT).build();
    let work = Job::default();
    let leader = boarded(call(By::Run, &a, KEY, |_| std::future::pending()));
    let stuck = boarded(call(By::Run, &b, KEY, never));
    let mut overtakes = boarded(call(By::Run, &b, KEY, never));
    let beside = boarded(call(By::Run, &b, KEY, never));
    drop(leader);
    lab.until(|| a.cluster_stats().resigned == 1).await;
    let next = lab.start(call(By::Run, &c, KEY, work.value(2)));
    lab.until(|| work.begun() == 1).await;
    lab.time().advance(BEAT);
    assert!(poll_now(overtakes.as_mut()).is_pending());
    drop(overtakes);
    drop(stuck);
    work.gate.open();
    assert_eq!(next.await.returned().0.unwrap(), 2);
    assert_eq!(lab.start(beside).await.returned().0.unwrap(), 2);
}

/// It gets what the one waited for that overtook it, and those who came later do not.
async fn one_who_is_overtaken_and_comes_back(lab: Lab) {
    let engine = engine(&lab);
    let [a, c]: [Process<u32>; 2] = ["a", "c"].map(|name| process(&lab, &engine, name));
    let b: Process<u32> = building(&lab, &engine, "b").overtake_after(BEAT).build();
    let work = Job::default();
    let leader = boarded(call(By::Run, &a, KEY, |_| std::future::pending()));
    let stuck = boarded(call(By::Run, &b, KEY, never));
    let mut overtakes = boarded(call(By::Run, &b, KEY, never));
    drop(leader);
    lab.until(|| a.cluster_stats().resigned == 1).await;
    let next = lab.start(call(By::Run, &c, KEY, work.value(2)));
    lab.until(|| work.begun() == 1).await;
    lab.time().advance(BEAT);
    assert!(poll_now(overtakes.as_mut()).is_pending());
    drop(overtakes);
    work.gate.open();
    assert_eq!(next.await.returned().0.unwrap(), 2);
    assert_eq!(lab.start(call(By::Run, &b, KEY, |_| async { 3 })).await.returned().0.unwrap(), 3);
    assert_eq!(lab.start(stuck).await.returned().0.unwrap(), 2);
}
