//! Promise 10: `forget` lets newcomers of all processes start afresh, and `cancel` ends a flight for everyone in all of them, from any of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Poll;
use std::time::Duration;

use coflight::cluster::{Cluster, Engine, Error, OnOutage, Outage, Place, Turn};
use coflight::{Clock, Spawn, Timer};
use coflight_tests::*;

use crate::common::*;

matrix!(
    newcomers_start_afresh_after_a_forget,
    a_forget_is_heard_within_a_beat_if_nobody_is_told,
    a_cancel_reaches_everyone,
    a_cancel_is_heard_within_a_beat_if_nobody_is_told,
    a_cancel_is_heard_before_the_first_renewal,
    a_cancel_reaches_leaders_by_hand,
    a_cancel_in_the_leading_process_drops_its_work,
    a_cancel_drops_the_work_though_the_engine_refuses,
    a_forget_that_is_heard_late_is_of_the_old_flight,
    a_forget_that_is_heard_by_the_next_one_is_of_the_old_flight,
    a_cancel_is_not_of_a_forgotten_flight,
    what_was_cancelled_does_not_lead_again,
    what_was_forgotten_does_not_lead_again,
    what_was_forgotten_is_dropped_where_it_is_to_have_a_lease,
    what_is_forgotten_while_it_joins_does_not_lead_again,
    a_cancel_of_which_no_engine_knows_strands_nobody,
    a_cancel_of_what_is_not_polled_strands_nobody,
    a_cancel_that_reaches_another_flight_strands_nobody,
    both_end_lingering,
    where_nothing_flies_there_is_nothing_to_end,
);

fn forget<V: Clone + Send + Sync + 'static, En: Engine>(
    lab: &Lab,
    process: &Process<V, En>,
) -> Task<Result<bool, Error>> {
    let process = process.clone();
    lab.start(async move { process.forget(KEY).await })
}

fn cancel<V: Clone + Send + Sync + 'static, En: Engine>(
    lab: &Lab,
    process: &Process<V, En>,
) -> Task<Result<bool, Error>> {
    let process = process.clone();
    lab.start(async move { process.cancel(KEY).await })
}

#[track_caller]
fn cancelled<V: std::fmt::Debug>(result: Result<V, Error>) {
    assert_eq!(result.unwrap_err().flight(), Some(&coflight::Error::Cancelled));
}

/// Forgotten by the process that leads, by one that follows, and by another.
async fn newcomers_start_afresh_after_a_forget(lab: Lab) {
    for (by, whose) in VERBS.into_iter().flat_map(|by| [0, 1, 2].map(|whose| (by, whose))) {
        let engine = engine(&lab);
        let processes: [Process<u32>; 3] = ["a", "b", "c"].map(|name| process(&lab, &engine, name));
        let [a, b, c] = &processes;
        let (old, new) = (Job::default(), Job::default());
        let leader = lab.start(call(by, a, KEY, old.value(1)));
        lab.until(|| old.begun() == 1).await;
        let aboard = [lab.start(call(by, a, KEY, never)), lab.start(call(by, b, KEY, never))];
        lab.until(|| a.stats().calls() == 2 && b.cluster_stats().followed == 1).await;
        assert!(forget(&lab, &processes[whose]).await.returned().unwrap());
        // In the process that forgot it, it is at once, and in the others as soon as they hear.
        assert!(!processes[whose].contains(KEY));
        lab.until(|| !a.contains(KEY) && !b.contains(KEY)).await;
        let newcomer = lab.start(call(by, b, KEY, new.value(2)));
        lab.until(|| new.begun() == 1).await;
        let others = [lab.start(call(by, a, KEY, never)), lab.start(call(by, c, KEY, never))];
        lab.until(|| a.cluster_stats().followed == 1 && c.cluster_stats().followed == 1).await;
        new.gate.open();
        for caller in [newcomer].into_iter().chain(others) {
            assert_eq!(caller.await.returned().0.unwrap(), 2, "{by:?} {whose}");
        }
        assert_eq!(old.gone(), 0, "the old one goes on");
        old.gate.open();
        for caller in [leader].into_iter().chain(aboard) {
            assert_eq!(caller.await.returned().0.unwrap(), 1, "{by:?} {whose}");
        }
    }
    assert!(lab.time().now().is_zero());
}

async fn a_forget_is_heard_within_a_beat_if_nobody_is_told(lab: Lab) {
    let engine = engine(&lab);
    engine.set_outage(Outage::Mute);
    let [a, b, c]: [Process<u32>; 3] = ["a", "b", "c"].map(|name| process(&lab, &engine, name));
    let work = Job::default();
    let leader = lab.start(call(By::Run, &a, KEY, work.value(1)));
    lab.until(|| work.begun() == 1).await;
    let follower = lab.start(call(By::Run, &b, KEY, never));
    lab.until(|| b.cluster_stats().followed == 1).await;
    assert!(forget(&lab, &c).await.returned().unwrap());
    lab.until(|| lab.time().timers() == 2).await;
    assert!(a.contains(KEY) && b.contains(KEY), "they do not know yet");
    lab.time().advance(BEAT);
    // Both are asleep again.
    lab.until(|| !a.contains(KEY) && !b.contains(KEY) && lab.time().timers() == 2).await;
    work.gate.open();
    assert_eq!(leader.await.returned().0.unwrap(), 1);
    lab.time().advance(BEAT);
    assert_eq!(follower.await.returned().0.unwrap(), 1);
}

async fn a_cancel_reaches_everyone(lab: Lab) {
    for (by, whose) in VERBS.into_iter().flat_map(|by| [0, 1, 2].map(|whose| (by, whose))) {
        let engine = engine(&lab);
        let processes: [Process<u32>; 3] = ["a", "b", "c"].map(|name| process(&lab, &engine, name));
        let [a, b, c] = &processes;
        let work = Job::default();
        let leader = lab.start(call(by, a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        let others = [a, b, b].map(|process| lab.start(call(by, process, KEY, never)));
        lab.until(|| a.stats().calls() == 2 && b.stats().calls() == 2 && b.cluster_stats().followed == 1).await;
        assert!(cancel(&lab, &processes[whose]).await.returned().unwrap());
        // Newcomers do not wait for anybody to hear of it.
        assert_eq!(lab.start(call(by, c, KEY, |_| async { 2 })).await.returned().0.unwrap(), 2);
        for caller in [leader].into_iter().chain(others) {
            cancelled(caller.await.returned().0);
        }
        lab.until(|| work.gone() == 1).await;
        assert!(!cancel(&lab, &processes[whose]).await.returned().unwrap(), "{by:?} {whose}: nothing is left");
        assert_eq!(work.begun(), 1);
    }
    assert!(lab.time().now().is_zero());
}

async fn a_cancel_is_heard_within_a_beat_if_nobody_is_told(lab: Lab) {
    for by in VERBS {
        idle(&lab).await;
        let engine = engine(&lab);
        engine.set_outage(Outage::Mute);
        let [a, b, c]: [Process<u32>; 3] = ["a", "b", "c"].map(|name| process(&lab, &engine, name));
        let work = Job::default();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        let follower = lab.start(call(by, &b, KEY, never));
        lab.until(|| b.cluster_stats().followed == 1).await;
        assert!(cancel(&lab, &c).await.returned().unwrap());
        lab.until(|| lab.time().timers() == 2).await;
        lab.time().advance(BEAT);
        for caller in [leader, follower] {
            cancelled(caller.await.returned().0);
        }
        lab.until(|| work.gone() == 1).await;
    }
}

type Held = Box<dyn FnOnce() + Send>;

/// A runtime that is slow to begin tasks: it waits until the test lets it.
#[derive(Clone)]
struct Slow {
    runtime: AnyRuntime,
    held: Arc<Mutex<Vec<Held>>>,
}

impl Slow {
    fn begin(&self) {
        std::mem::take(&mut *self.held.lock().unwrap()).into_iter().for_each(|task| task());
    }
}

impl Spawn for Slow {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
        let runtime = self.runtime.clone();
        self.held.lock().unwrap().push(Box::new(move || runtime.spawn(task)));
    }
}

impl Timer for Slow {
    type Sleep = <AnyRuntime as Timer>::Sleep;

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.runtime.sleep(duration)
    }
}

impl Clock for Slow {
    fn now(&self) -> Duration {
        self.runtime.now()
    }
}

/// It is told when the task that renews the lease has not begun to listen.
async fn a_cancel_is_heard_before_the_first_renewal(lab: Lab) {
    let engine = engine(&lab);
    let slow = Slow { runtime: runtime(&lab), held: Arc::default() };
    let a: Cluster<String, u32, _, Slow> =
        Cluster::builder("test", engine.clone(), slow.clone()).lease(LEASE).patience(PATIENCE).build();
    let c: Process<u32> = process(&lab, &engine, "c");
    let work = Job::default();
    let leader = {
        let (a, work) = (a.clone(), work.value(1));
        lab.start(async move { a.run(KEY, work).await })
    };
    lab.until(|| work.begun() == 1).await;
    assert!(cancel(&lab, &c).await.returned().unwrap());
    slow.begin();
    cancelled(leader.await.returned());
    assert!(lab.time().now().is_zero());
}

async fn a_cancel_reaches_leaders_by_hand(lab: Lab) {
    for whose in 0..3 {
        let engine = engine(&lab);
        let processes: [Process<u32>; 3] = ["a", "b", "c"].map(|name| process(&lab, &engine, name));
        let [a, b, _] = &processes;
        let Ok(Turn::Leader(mut leader)) = a.enter(KEY).await else { panic!("somebody leads") };
        let beside = lab.start(call(By::Run, a, KEY, never));
        let follower = lab.start(call(By::Run, b, KEY, never));
        lab.until(|| a.stats().calls() == 2 && b.cluster_stats().followed == 1).await;
        assert!(cancel(&lab, &processes[whose]).await.returned().unwrap());
        leader.cancelled().await;
        cancelled(follower.await.returned().0);
        // It may end it as it likes: it comes too late.
        if whose == 0 {
            drop(leader);
        } else {
            cancelled(leader.complete(1).await);
        }
        cancelled(beside.await.returned().0);
        assert_eq!(lab.start(call(By::Run, b, KEY, |_| async { 2 })).await.returned().0.unwrap(), 2, "{whose}");
    }
    assert!(lab.time().now().is_zero());
}

/// Although somebody waits elsewhere, for whom it would go on if its callers had left.
async fn a_cancel_in_the_leading_process_drops_its_work(lab: Lab) {
    for by in VERBS {
        let engine = engine(&lab);
        let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let work = Job::default();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        let follower = lab.start(call(by, &b, KEY, never));
        lab.until(|| b.cluster_stats().followed == 1).await;
        if by != By::Run {
            // It does already.
            leader.abort();
            assert!(matches!(leader.await, Ended::Dropped));
            lab.until(|| a.cluster_stats().continued == 1).await;
        }
        assert!(cancel(&lab, &a).await.returned().unwrap());
        lab.until(|| work.gone() == 1).await;
        cancelled(follower.await.returned().0);
    }
    assert!(lab.time().now().is_zero());
}

async fn a_cancel_drops_the_work_though_the_engine_refuses(lab: Lab) {
    for by in VERBS {
        let engine = Fronted::watched(&lab);
        let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let (work, own) = (Job::default(), Job::default());
        own.gate.open();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        let follower = lab.start(call(by, &b, KEY, own.value(2)));
        lab.until(|| b.cluster_stats().followed == 1 && lab.time().timers() == 2).await;
        engine.behind.set_outage(Outage::Refuses);
        let cancels = cancel(&lab, &a);
        let error = within(&lab, PATIENCE, 3, Some(&work), cancels).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
        lab.until(|| work.gone() == 1).await;
        cancelled(leader.await.returned().0);
        engine.behind.set_outage(None);
        let began = lab.time().now();
        let ((value, _), _) = passing(&lab, follower).await;
        assert_eq!(value.unwrap(), 2, "{by:?}: it was not told, and does the work itself");
        assert!(lab.time().now() - began <= LEASE + BEAT);
        settle(&lab, engine, [a, b]).await;
    }
}

/// Whoever forgot it, when the engine lost everything.
async fn what_was_forgotten_does_not_lead_again(lab: Lab) {
    for (by, whose) in VERBS.into_iter().flat_map(|by| [0, 1].map(|whose| (by, whose))) {
        idle(&lab).await;
        let engine = engine(&lab);
        let processes: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let [a, b] = &processes;
        let old = Job::default();
        let leader = lab.start(call(by, a, KEY, old.value(1)));
        lab.until(|| old.begun() == 1).await;
        assert!(forget(&lab, &processes[whose]).await.returned().unwrap());
        // It led, was forgotten, and renewed at once, because it was told.
        lab.until(|| !a.contains(KEY) && engine.operations() == 3 && lab.time().timers() == 1).await;
        engine.flush();
        lab.time().advance(BEAT);
        lab.until(|| a.cluster_stats().lease_lost == 1).await;
        // Not before it is known how it goes on.
        old.shown(&lab).await;
        let newcomer = lab.start(call(by, b, KEY, |_| async { 2 }));
        assert_eq!(newcomer.await.returned().0.unwrap(), 2, "{by:?} {whose}");
        old.gate.open();
        assert_eq!(leader.await.returned().0.unwrap(), 1, "for those who were aboard");
        assert_eq!((a.cluster_stats().led, old.begun()), (1, 1));
    }
}

/// Where works without a lease are not wanted, it is dropped.
async fn what_was_forgotten_is_dropped_where_it_is_to_have_a_lease(lab: Lab) {
    for by in VERBS {
        idle(&lab).await;
        let engine = engine(&lab);
        let a: Process<u32> = building(&lab, &engine, "a").on_outage(OnOutage::Refuse).build();
        let old = Job::default();
        let leader = lab.start(call(by, &a, KEY, old.value(1)));
        lab.until(|| old.begun() == 1).await;
        let beside = lab.start(call(by, &a, KEY, |_| async { 2 }));
        lab.until(|| a.stats().calls() == 2).await;
        assert!(forget(&lab, &a).await.returned().unwrap());
        lab.until(|| engine.operations() == 3 && lab.time().timers() == 1).await;
        engine.flush();
        lab.time().advance(BEAT);
        assert!(matches!(leader.await.returned().0, Err(Error::LeaseLost)), "{by:?}");
        assert_eq!(beside.await.returned().0.unwrap(), 2, "{by:?}: it asks again");
        assert_eq!((old.begun(), old.gone()), (1, 1));
    }
}

/// By its own process, when it is not there, because the engine lost everything.
async fn what_is_forgotten_while_it_joins_does_not_lead_again(lab: Lab) {
    let (forgets, joins) = (Arc::new(OnceLock::<Process<u32, Fronted>>::new()), AtomicUsize::new(0));
    let engine = {
        let forgets = Arc::clone(&forgets);
        Fronted::new(&engine(&lab), move |operation, _| {
            if operation == "join" && joins.fetch_add(1, Ordering::SeqCst) == 1 {
                // The engine is asked, and knows of nothing.
                let mut forget = Box::pin(forgets.get().unwrap().forget(KEY));
                assert!(matches!(poll_now(forget.as_mut()), Poll::Ready(Ok(_))));
            }
            Fate::Answered
        })
    };
    let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
    forgets.set(a.clone()).ok().unwrap();
    let old = Job::default();
    let leader = lab.start(call(By::Run, &a, KEY, old.value(1)));
    lab.until(|| old.begun() == 1 && lab.time().timers() == 1).await;
    engine.behind.flush();
    lab.time().advance(BEAT);
    lab.until(|| a.cluster_stats().lease_lost == 1).await;
    old.shown(&lab).await;
    assert_eq!(lab.start(call(By::Run, &b, KEY, |_| async { 2 })).await.returned().0.unwrap(), 2);
    old.gate.open();
    assert_eq!(leader.await.returned().0.unwrap(), 1);
    // The engine's front has a process, which has the engine.
    drop((a, b, engine));
}

/// Its lease is given up by the task that renews it.
async fn a_cancel_of_what_is_not_polled_strands_nobody(lab: Lab) {
    let engine =
        Fronted::new(&engine(&lab), |operation, _| if operation == "cancel" { Fate::Failed } else { Fate::Answered });
    let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
    let (stuck, own) = (Job::default(), Job::default());
    let mut parked = boarded(call(By::Run, &a, KEY, stuck.value(1)));
    lab.until(|| poll_now(parked.as_mut()).is_pending() && stuck.begun() == 1).await;
    let follower = lab.start(call(By::Run, &b, KEY, own.value(2)));
    lab.until(|| b.cluster_stats().followed == 1 && lab.time().timers() == 2).await;
    let cancels = cancel(&lab, &a);
    within(&lab, PATIENCE, 3, None, cancels).await.unwrap_err();
    // Without any more time.
    lab.until(|| own.begun() == 1).await;
    own.gate.open();
    assert_eq!(follower.await.returned().0.unwrap(), 2);
    cancelled(lab.start(parked).await.returned().0);
    lab.until(|| a.cluster_stats().resigned == 1).await;
    settle(&lab, engine, [a, b]).await;
}

/// A newer one, because its process has not heard that the one it leads was forgotten.
async fn a_cancel_that_reaches_another_flight_strands_nobody(lab: Lab) {
    let engine = Fronted::watched(&lab);
    let [a, b, c]: [Process<u32, Fronted>; 3] = ["a", "b", "c"].map(|name| process(&lab, &engine, name));
    let (stuck, own) = (Job::default(), Job::default());
    let mut parked = boarded(call(By::Run, &a, KEY, stuck.value(1)));
    lab.until(|| poll_now(parked.as_mut()).is_pending() && stuck.begun() == 1).await;
    let follower = lab.start(call(By::Run, &c, KEY, own.value(2)));
    lab.until(|| c.cluster_stats().followed == 1).await;
    engine.behind.set_outage(Outage::Mute);
    assert!(b.forget(KEY).await.unwrap());
    let newest = boarded(call(By::Run, &b, KEY, |_| std::future::pending()));
    lab.until(|| b.cluster_stats().led == 1).await;
    assert!(a.cancel(KEY).await.unwrap());
    lab.until(|| a.cluster_stats().resigned == 1).await;
    drop(newest);
    pass_until(&lab, 2 * BEAT, "it looks, and leads", || own.begun() == 1).await;
    own.gate.open();
    assert_eq!(follower.await.returned().0.unwrap(), 2);
    cancelled(lab.start(parked).await.returned().0);
    settle(&lab, engine, [a, b, c]).await;
}

/// It is known in its own process alone, also when the result is on its way.
async fn a_cancel_of_which_no_engine_knows_strands_nobody(lab: Lab) {
    for publishes in [false, true] {
        let engine = Fronted::new(&engine(&lab), |operation, _| {
            if ["cancel", "publish"].contains(&operation) { Fate::Failed } else { Fate::Answered }
        });
        let [a, b, c]: [Process<u32, Fronted>; 3] = ["a", "b", "c"].map(|name| process(&lab, &engine, name));
        let [first, second, own] = [(); 3].map(|()| Job::default());
        let leads = lab.start(call(By::Run, &c, KEY, first.value(1)));
        lab.until(|| first.begun() == 1).await;
        let asks = boarded(call(By::Run, &a, KEY, never));
        lab.until(|| a.cluster_stats().followed == 1).await;
        let next = lab.start(call(By::Run, &a, KEY, second.value(2)));
        lab.until(|| a.stats().calls() == 2).await;
        // What those aboard wait for is not for newcomers from then on, nor is it ended in its process by its key.
        drop(asks);
        lab.until(|| !a.contains(KEY)).await;
        leads.abort();
        assert!(matches!(leads.await, Ended::Dropped));
        lab.until(|| second.begun() == 1).await;
        let follower = lab.start(call(By::Run, &b, KEY, own.value(3)));
        // One renews, one looks.
        lab.until(|| b.cluster_stats().followed == 1 && lab.time().timers() == 2).await;
        let began = lab.time().now();
        let cancels = cancel(&lab, &a);
        lab.until(|| lab.time().timers() == 3).await;
        if publishes {
            pass_asleep(&lab, PATIENCE, 3, None, || lab.time().now() - began >= PATIENCE / 2).await;
            second.gate.open();
            lab.until(|| second.gone() == 1 && lab.time().timers() == 4).await;
        }
        let sleepers = 3 + usize::from(publishes);
        within(&lab, PATIENCE, sleepers, None, cancels).await.unwrap_err();
        // Without any more time.
        lab.until(|| own.begun() == 1).await;
        own.gate.open();
        let result = next.await.returned().0;
        if publishes {
            assert_eq!(result.unwrap(), 2, "it was done");
        } else {
            cancelled(result);
        }
        passing(&lab, follower).await.0.0.unwrap();
        settle(&lab, engine, [a, b, c]).await;
    }
}

async fn both_end_lingering(lab: Lab) {
    for cancels in [true, false] {
        for whose in 0..3 {
            let engine = engine(&lab);
            let processes: [Process<u32>; 3] =
                ["a", "b", "c"].map(|name| building(&lab, &engine, name).linger(10 * LEASE).build());
            let [a, b, _] = &processes;
            assert_eq!(lab.start(call(By::Run, a, KEY, |_| async { 1 })).await.returned().0.unwrap(), 1);
            let (value, served) = lab.start(call(By::Run, b, KEY, never)).await.returned();
            assert_eq!((value.unwrap(), served.trip.unwrap().place), (1, Place::Lingered));
            let ends = if cancels { cancel } else { forget };
            assert!(ends(&lab, &processes[whose]).await.returned().unwrap(), "there was something to end");
            assert!(!ends(&lab, &processes[whose]).await.returned().unwrap(), "and now there is not");
            let (value, served) = lab.start(call(By::Run, b, KEY, |_| async { 2 })).await.returned();
            assert_eq!((value.unwrap(), served.trip.unwrap().place), (2, Place::Here), "{cancels} {whose}");
        }
    }
}

async fn where_nothing_flies_there_is_nothing_to_end(lab: Lab) {
    let engine = engine(&lab);
    let a: Process<u32> = process(&lab, &engine, "a");
    for _ in 0..2 {
        assert!(!cancel(&lab, &a).await.returned().unwrap());
        assert!(!forget(&lab, &a).await.returned().unwrap());
        assert_eq!(lab.start(call(By::Run, &a, KEY, |_| async { 1 })).await.returned().0.unwrap(), 1);
    }
}

/// Not of the one that was begun since, which its process finds, and tells circles by.
async fn a_forget_that_is_heard_late_is_of_the_old_flight(lab: Lab) {
    for by in VERBS {
        let (engine, renewed) = Fronted::counting(&lab, "renew");
        let a: Process<u32, Fronted> = process(&lab, &engine, "a");
        let (old, gate) = (Job::default(), Gate::new());
        let leader = lab.start(call(by, &a, KEY, old.value(1)));
        lab.until(|| old.begun() == 1).await;
        assert!(a.forget(KEY).await.unwrap());
        let newcomer = {
            let (again, gate) = (a.clone(), gate.clone());
            let work = move |_| async move {
                gate.wait().await;
                let circular = again.run(KEY, |_| async { 0 }).await.unwrap_err();
                assert_eq!(circular.flight(), Some(&coflight::Error::Circular));
                2
            };
            lab.start(call(by, &a, KEY, work))
        };
        // Both leaders sleep, and the first one has heard.
        lab.until(|| a.contains(KEY) && renewed.load(Ordering::SeqCst) > 0 && lab.time().timers() == 2).await;
        assert!(a.contains(KEY), "{by:?}");
        gate.open();
        assert_eq!(newcomer.await.returned().0.unwrap(), 2, "{by:?}");
        old.gate.open();
        assert_eq!(leader.await.returned().0.unwrap(), 1);
        settle(&lab, engine, [a]).await;
    }
}

/// Who asks in the stead of one that heard of it, and left.
async fn a_forget_that_is_heard_by_the_next_one_is_of_the_old_flight(lab: Lab) {
    let engine = engine(&lab);
    let [a, b, c]: [Process<u32>; 3] = ["a", "b", "c"].map(|name| process(&lab, &engine, name));
    let old = Job::default();
    let leader = lab.start(call(By::Run, &a, KEY, old.value(1)));
    lab.until(|| old.begun() == 1).await;
    let mut asks = boarded(call(By::Run, &b, KEY, never));
    let mut next = boarded(call(By::Run, &b, KEY, never));
    assert!(c.forget(KEY).await.unwrap());
    assert!(poll_now(asks.as_mut()).is_pending());
    assert!(!b.contains(KEY), "it heard");
    let newcomer = boarded(call(By::Run, &b, KEY, |_| std::future::pending()));
    drop(asks);
    assert!(poll_now(next.as_mut()).is_pending());
    assert!(b.contains(KEY), "that is the newcomer's");
    drop(newcomer);
    old.gate.open();
    assert_eq!(leader.await.returned().0.unwrap(), 1);
    assert_eq!(lab.start(next).await.returned().0.unwrap(), 1);
}

/// Asked by the process that leads it, when nobody leads a newer one, and when another does.
async fn a_cancel_is_not_of_a_forgotten_flight(lab: Lab) {
    for newer in [false, true] {
        let engine = engine(&lab);
        let [a, b, c]: [Process<u32>; 3] = ["a", "b", "c"].map(|name| process(&lab, &engine, name));
        let old = Job::default();
        let leader = lab.start(call(By::Run, &a, KEY, old.value(1)));
        lab.until(|| old.begun() == 1).await;
        let follower = lab.start(call(By::Run, &b, KEY, never));
        lab.until(|| b.cluster_stats().followed == 1).await;
        assert!(forget(&lab, &c).await.returned().unwrap());
        lab.until(|| !a.contains(KEY)).await;
        let newest = Job::default();
        let newest = newer.then(|| boarded(call(By::Run, &c, KEY, newest.value(2))));
        assert_eq!(cancel(&lab, &a).await.returned().unwrap(), newer);
        if let Some(newest) = newest {
            cancelled(lab.start(newest).await.returned().0);
        }
        old.gate.open();
        for caller in [leader, follower] {
            assert_eq!(caller.await.returned().0.unwrap(), 1, "{newer}");
        }
    }
}

/// By its own process, while another leads, because the engine lost everything, which nobody has noticed yet.
async fn what_was_cancelled_does_not_lead_again(lab: Lab) {
    for by in VERBS {
        let engine = Fronted::watched(&lab);
        let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let [old, new] = [(); 2].map(|()| Job::default());
        let first = lab.start(call(by, &a, KEY, old.value(1)));
        lab.until(|| old.begun() == 1).await;
        engine.behind.flush();
        let second = lab.start(call(by, &b, KEY, new.value(2)));
        // Both renew.
        lab.until(|| new.begun() == 1 && lab.time().timers() == 2).await;
        // Nor is anybody told.
        engine.behind.set_outage(Outage::Mute);
        assert!(a.cancel(KEY).await.unwrap());
        cancelled(first.await.returned().0);
        lab.until(|| old.gone() == 1).await;
        assert_eq!((a.cluster_stats().led, a.cluster_stats().lease_lost), (1, 0), "{by:?}");
        // The other one learns of it when it renews, as the first does no more.
        lab.until(|| lab.time().timers() == 1).await;
        pass_asleep(&lab, BEAT, 1, Some(&new), || new.gone() == 1).await;
        cancelled(second.await.returned().0);
        settle(&lab, engine, [a, b]).await;
    }
}
