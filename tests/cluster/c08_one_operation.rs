//! Promise 8: one operation that fails, or whose answer is lost, is no outage: it is tried again, and nobody notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use coflight::cluster::Place;
use coflight_tests::*;

use crate::common::*;

matrix!(to_join, to_look, to_renew, to_publish, to_resign, to_cancel, to_forget, to_tell,);

/// How long they wait for an answer; shorter than a beat.
const AGAIN: Duration = Duration::from_millis(250);
const FATES: [Fate; 2] = [Fate::Failed, Fate::Unanswered];

/// An engine, one operation of which meets its fate, the first time after it was armed.
struct Spoiled {
    engine: Fronted,
    armed: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
}

impl Spoiled {
    fn new(lab: &Lab, spoiled: &'static str, fate: Fate) -> Self {
        let (armed, asked): (Arc<AtomicUsize>, Arc<AtomicUsize>) = Default::default();
        let front = {
            let (armed, asked) = (armed.clone(), asked.clone());
            move |operation: &'static str, _: &_| {
                if operation != spoiled {
                    return Fate::Answered;
                }
                asked.fetch_add(1, Ordering::SeqCst);
                if armed.swap(0, Ordering::SeqCst) == 1 { fate } else { Fate::Answered }
            }
        };
        Self { engine: Fronted::new(&engine(lab), front), armed, asked }
    }

    /// From now on.
    fn arm(&self) {
        self.asked.store(0, Ordering::SeqCst);
        self.armed.store(1, Ordering::SeqCst);
    }

    /// How often the operation was asked for since.
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// It was spoiled, and is asked for again after a time in which nobody else does anything.
    async fn again(&self, lab: &Lab) {
        lab.until(|| self.asked() >= 1).await;
        while self.asked() < 2 {
            lab.until(|| self.asked() >= 2 || lab.time().next_within(AGAIN).is_some()).await;
            lab.time().advance(lab.time().next_within(AGAIN).unwrap_or_default());
        }
    }

    /// Nobody noticed.
    async fn done<const N: usize>(self, lab: &Lab, processes: [Process<u32, Fronted>; N]) {
        assert!(self.asked() >= 2, "asked again");
        for process in &processes {
            let stats = process.cluster_stats();
            assert_eq!((stats.engine_down, stats.alone, stats.lease_lost, stats.refused), (0, 0, 0, 0), "{stats:?}");
        }
        settle(lab, self.engine, processes).await;
    }
}

fn all() -> impl Iterator<Item = (By, Fate)> {
    VERBS.into_iter().flat_map(|by| FATES.map(|fate| (by, fate)))
}

async fn to_join(lab: Lab) {
    for (by, fate) in all() {
        let engine = Spoiled::new(&lab, "join", fate);
        let a: Process<u32, Fronted> = process(&lab, &engine.engine, "a");
        engine.arm();
        let leader = lab.start(call(by, &a, KEY, |_| async { 1 }));
        engine.again(&lab).await;
        let (value, served) = leader.await.returned();
        assert_eq!((value.unwrap(), served.trip.unwrap().place), (1, Place::Here), "{by:?} {fate:?}");
        engine.done(&lab, [a]).await;
    }
}

async fn to_look(lab: Lab) {
    for (by, fate) in all() {
        let engine = Spoiled::new(&lab, "look", fate);
        let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &engine.engine, name));
        let work = Job::default();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        let follower = lab.start(call(by, &b, KEY, never));
        lab.until(|| b.cluster_stats().followed == 1).await;
        engine.arm();
        work.gate.open();
        assert_eq!(leader.await.returned().0.unwrap(), 1);
        engine.again(&lab).await;
        let (value, served) = follower.await.returned();
        assert_eq!((value.unwrap(), served.trip.unwrap().place), (1, Place::Elsewhere), "{by:?} {fate:?}");
        engine.done(&lab, [a, b]).await;
    }
}

/// The lease lasts on.
async fn to_renew(lab: Lab) {
    for (by, fate) in all() {
        let engine = Spoiled::new(&lab, "renew", fate);
        let a: Process<u32, Fronted> = process(&lab, &engine.engine, "a");
        let work = Job::default();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        engine.arm();
        pass_asleep(&lab, BEAT + PATIENCE + BEAT / 4, 1, Some(&work), || engine.asked() == 2).await;
        // The lease that it began with is over then.
        for _ in 0..2 {
            lab.until(|| lab.time().timers() == 1).await;
            work.shown(&lab).await;
            let before = engine.asked();
            lab.time().advance(BEAT);
            lab.until(|| engine.asked() > before).await;
        }
        engine.asked.store(2, Ordering::SeqCst);
        work.gate.open();
        let (value, served) = leader.await.returned();
        assert_eq!((value.unwrap(), served.trip.unwrap().place), (1, Place::Here), "{by:?} {fate:?}");
        assert_eq!((work.begun(), a.cluster_stats().published), (1, 1));
        engine.done(&lab, [a]).await;
    }
}

async fn to_publish(lab: Lab) {
    for (by, fate) in all() {
        let engine = Spoiled::new(&lab, "publish", fate);
        let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &engine.engine, name));
        let work = Job::default();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        let follower = lab.start(call(by, &b, KEY, never));
        lab.until(|| b.cluster_stats().followed == 1).await;
        engine.arm();
        work.gate.open();
        engine.again(&lab).await;
        let (value, served) = leader.await.returned();
        assert_eq!((value.unwrap(), served.trip.unwrap().place), (1, Place::Here), "{by:?} {fate:?}");
        assert_eq!(follower.await.returned().0.unwrap(), 1);
        assert_eq!(a.cluster_stats().published, 1);
        engine.done(&lab, [a, b]).await;
    }
}

/// The next one does not wait for the lease to run out.
async fn to_resign(lab: Lab) {
    for (by, fate) in all() {
        let engine = Spoiled::new(&lab, "resign", fate);
        let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &engine.engine, name));
        let [first, second] = [(); 2].map(|()| Job::default());
        let leader = lab.start(call(By::Run, &a, KEY, first.value(1)));
        lab.until(|| first.begun() == 1).await;
        let follower = lab.start(call(by, &b, KEY, second.value(2)));
        lab.until(|| b.cluster_stats().followed == 1).await;
        engine.arm();
        leader.abort();
        assert!(matches!(leader.await, Ended::Dropped));
        engine.again(&lab).await;
        lab.until(|| second.begun() == 1).await;
        second.gate.open();
        assert_eq!(follower.await.returned().0.unwrap(), 2, "{by:?} {fate:?}");
        assert_eq!(b.cluster_stats().succeeded, 1);
        engine.done(&lab, [a, b]).await;
    }
}

async fn to_cancel(lab: Lab) {
    for (by, fate) in all() {
        let engine = Spoiled::new(&lab, "cancel", fate);
        let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &engine.engine, name));
        let work = Job::default();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        engine.arm();
        let cancels = b.clone();
        let cancels = lab.start(async move { cancels.cancel(KEY).await });
        engine.again(&lab).await;
        // The second time there was nothing to cancel, if the first one got there.
        assert_eq!(cancels.await.returned().unwrap(), fate == Fate::Failed, "{by:?}");
        let error = leader.await.returned().0.unwrap_err();
        assert_eq!(error.flight(), Some(&coflight::Error::Cancelled), "{by:?} {fate:?}");
        lab.until(|| work.gone() == 1).await;
        engine.done(&lab, [a, b]).await;
    }
}

async fn to_forget(lab: Lab) {
    for (by, fate) in all() {
        let engine = Spoiled::new(&lab, "forget", fate);
        let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &engine.engine, name));
        let work = Job::default();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        engine.arm();
        let forgets = b.clone();
        let forgets = lab.start(async move { forgets.forget(KEY).await });
        engine.again(&lab).await;
        assert_eq!(forgets.await.returned().unwrap(), fate == Fate::Failed, "{by:?}");
        assert_eq!(lab.start(call(by, &b, KEY, |_| async { 2 })).await.returned().0.unwrap(), 2);
        work.gate.open();
        assert_eq!(leader.await.returned().0.unwrap(), 1, "{by:?} {fate:?}");
        engine.done(&lab, [a, b]).await;
    }
}

/// Of one who took over, for those who follow beside it.
async fn to_tell(lab: Lab) {
    for (by, fate) in all() {
        let engine = Spoiled::new(&lab, "tell", fate);
        let [a, b, c]: [Process<u32, Fronted>; 3] = ["a", "b", "c"].map(|name| process(&lab, &engine.engine, name));
        let [first, second] = [(); 2].map(|()| Job::default());
        let leader = lab.start(call(By::Run, &a, KEY, first.value(1)));
        lab.until(|| first.begun() == 1).await;
        let followers = [&b, &c].map(|process| lab.start(call(by, process, KEY, second.value(2))));
        lab.until(|| b.cluster_stats().followed == 1 && c.cluster_stats().followed == 1).await;
        engine.arm();
        leader.abort();
        assert!(matches!(leader.await, Ended::Dropped));
        engine.again(&lab).await;
        second.gate.open();
        for follower in followers {
            assert_eq!(follower.await.returned().0.unwrap(), 2, "{by:?} {fate:?}");
        }
        engine.done(&lab, [a, b, c]).await;
    }
}
