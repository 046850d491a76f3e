//! Promise 7: when a flight is over, however it ended, nothing of it is left: nothing in the processes at once, nothing in the engine after a lease.

use coflight::SharedError;
use coflight::cluster::{Cluster, Outage, Turn};
use coflight_tests::*;

use crate::common::*;

matrix!(
    after_a_success,
    after_an_error,
    after_a_panic,
    after_a_cancel,
    after_a_timeout,
    after_everyone_left,
    after_leaders_by_hand,
    the_engine_goes_with_its_groups,
);

type Fallible = Process<Result<u32, SharedError<String>>, Fronted>;

/// Nothing in the processes, no timer, no task, and, a lease later, nothing in the engine.
async fn nothing_is_left<V: Clone + Send + Sync + 'static, const N: usize>(
    lab: &Lab,
    engine: Fronted,
    work: &Job,
    processes: [Process<V, Fronted>; N],
    what: impl std::fmt::Debug,
) {
    let before = lab.time().now();
    lab.until(|| processes.iter().all(Cluster::is_empty) && work.gone() == work.begun()).await;
    lab.until(|| lab.time().timers() == 0).await;
    // Tasks have the engine, by what they share with their process.
    let (alive, behind) = (engine.alive(), engine.behind.clone());
    drop((engine, processes));
    lab.until(|| alive.strong_count() == 0).await;
    assert_eq!(lab.time().now(), before, "{what:?}");
    lab.time().advance(LEASE);
    assert!(behind.is_empty(), "{what:?}: {behind:?}");
}

async fn after_a_success(lab: Lab) {
    for by in VERBS {
        let engine = Fronted::watched(&lab);
        let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let work = Job::default();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        let followers = [(); 2].map(|()| lab.start(call(by, &b, KEY, never)));
        lab.until(|| b.cluster_stats().followed == 1 && b.stats().calls() == 2).await;
        assert!(!engine.behind.is_empty() && !a.is_empty() && !b.is_empty());
        work.gate.open();
        leader.await.returned().0.unwrap();
        for follower in followers {
            follower.await.returned().0.unwrap();
        }
        nothing_is_left(&lab, engine, &work, [a, b], by).await;
    }
}

async fn after_an_error(lab: Lab) {
    for by in VERBS {
        let engine = Fronted::watched(&lab);
        let [a, b]: [Fallible; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let work = Job::default();
        let request = |process: &Fallible| {
            let (process, work) = (process.clone(), work.value(Err("no".to_owned())));
            lab.start(async move {
                match by {
                    By::Run => process.try_run(KEY, work).await,
                    By::Relay => process.try_relay(KEY, work).await,
                    By::Spawn => process.try_spawn(KEY, work).await,
                }
            })
        };
        let leader = request(&a);
        lab.until(|| work.begun() == 1).await;
        let follower = request(&b);
        lab.until(|| b.cluster_stats().followed == 1).await;
        work.gate.open();
        assert!(leader.await.returned().unwrap_err().work().is_some());
        assert!(follower.await.returned().unwrap_err().work().is_some());
        nothing_is_left(&lab, engine, &work, [a, b], by).await;
    }
}

async fn after_a_panic(lab: Lab) {
    for by in VERBS {
        let engine = Fronted::watched(&lab);
        let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let work = Job::default();
        let panics = {
            let work = work.value(());
            |lease| async {
                work(lease).await;
                panic!("oh no")
            }
        };
        let leader = lab.start(call(by, &a, KEY, panics));
        lab.until(|| work.begun() == 1).await;
        let follower = lab.start(call(by, &b, KEY, never));
        lab.until(|| b.cluster_stats().followed == 1).await;
        work.gate.open();
        assert_eq!(leader.await.panicked(), "oh no");
        follower.await.returned().0.unwrap_err();
        nothing_is_left(&lab, engine, &work, [a, b], by).await;
    }
}

/// By the process that leads, by one that follows, and by another.
async fn after_a_cancel(lab: Lab) {
    for by in VERBS {
        for whose in 0..3 {
            let engine = Fronted::watched(&lab);
            let processes: [Process<u32, Fronted>; 3] = ["a", "b", "c"].map(|name| process(&lab, &engine, name));
            let [a, b, c] = processes;
            let work = Job::default();
            let leader = lab.start(call(by, &a, KEY, work.value(1)));
            lab.until(|| work.begun() == 1).await;
            let follower = lab.start(call(by, &b, KEY, never));
            lab.until(|| b.cluster_stats().followed == 1).await;
            let cancels = [&a, &b, &c][whose].clone();
            assert!(lab.start(async move { cancels.cancel(KEY).await }).await.returned().unwrap());
            for caller in [leader, follower] {
                let error = caller.await.returned().0.unwrap_err();
                assert_eq!(error.flight(), Some(&coflight::Error::Cancelled), "{by:?} {whose}");
            }
            nothing_is_left(&lab, engine, &work, [a, b, c], (by, whose)).await;
        }
    }
}

async fn after_a_timeout(lab: Lab) {
    for by in VERBS {
        let engine = Fronted::watched(&lab);
        let a: Process<u32, Fronted> = building(&lab, &engine, "a").timeout(BEAT / 2).build();
        let b: Process<u32, Fronted> = process(&lab, &engine, "b");
        let work = Job::default();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        let follower = lab.start(call(by, &b, KEY, never));
        lab.until(|| b.cluster_stats().followed == 1).await;
        lab.time().advance(BEAT / 2);
        for caller in [leader, follower] {
            assert_eq!(caller.await.returned().0.unwrap_err().flight(), Some(&coflight::Error::TimedOut), "{by:?}");
        }
        nothing_is_left(&lab, engine, &work, [a, b], by).await;
    }
}

/// Before they were told anything, in the middle, leaders last and leaders first.
async fn after_everyone_left(lab: Lab) {
    for by in VERBS {
        for leaders_last in [true, false] {
            let engine = Fronted::watched(&lab);
            let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
            let work = Job::default();
            let leaders = [(); 2].map(|()| lab.start(call(by, &a, KEY, work.value(1))));
            lab.until(|| work.begun() == 1 && a.stats().calls() == 2).await;
            let followers = [(); 2].map(|()| lab.start(call(by, &b, KEY, work.value(2))));
            lab.until(|| b.cluster_stats().followed == 1 && b.stats().calls() == 2).await;
            let (first, last) = if leaders_last { (followers, leaders) } else { (leaders, followers) };
            first.iter().chain(&last).for_each(Task::abort);
            for caller in first.into_iter().chain(last) {
                assert!(matches!(caller.await, Ended::Dropped));
            }
            // Somebody who was there at the end is taken to wait for a while.
            pass_until(&lab, 3 * LEASE, "the work is dropped", || work.gone() == work.begun()).await;
            nothing_is_left(&lab, engine, &work, [a, b], (by, leaders_last)).await;
        }
        let engine = Fronted::watched(&lab);
        let a: Process<u32, Fronted> = process(&lab, &engine, "a");
        drop(call(by, &a, KEY, never));
        nothing_is_left(&lab, engine, &Job::default(), [a], by).await;
    }
}

/// That complete, are dropped, or let everybody go alone.
async fn after_leaders_by_hand(lab: Lab) {
    for end in ["complete", "drop", "release"] {
        let engine = Fronted::watched(&lab);
        let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let work = Job::default();
        work.gate.open();
        let follower = {
            let Ok(Turn::Leader(leader)) = a.enter(KEY).await else { panic!("somebody leads") };
            let follower = lab.start(call(By::Run, &b, KEY, work.value(2)));
            lab.until(|| b.cluster_stats().followed == 1).await;
            match end {
                "complete" => assert_eq!(leader.complete(1).await.unwrap(), 1),
                "release" => leader.release().await.unwrap(),
                _ => drop(leader),
            }
            follower
        };
        assert_eq!(follower.await.returned().0.unwrap(), if end == "complete" { 1 } else { 2 });
        nothing_is_left(&lab, engine, &work, [a, b], end).await;
    }
}

/// Whatever was going on: what is left to do is done soon, whether the engine answers or not, and then nobody has it any more.
async fn the_engine_goes_with_its_groups(lab: Lab) {
    for by in VERBS {
        for outage in [None, Some(Outage::Mute), Some(Outage::Refuses), Some(Outage::Silent)] {
            idle(&lab).await;
            let fronted = Fronted::watched(&lab);
            let (behind, alive) = (fronted.behind.clone(), fronted.alive());
            let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| process(&lab, &fronted, name));
            drop(fronted);
            let work = Job::default();
            let done = Job::default();
            done.gate.open();
            lab.start(call(by, &a, "done", done.value(1))).await.returned().0.unwrap();
            let leader = lab.start(call(by, &a, KEY, work.value(1)));
            lab.until(|| work.begun() == 1).await;
            let follower = lab.start(call(by, &b, KEY, never));
            lab.until(|| b.cluster_stats().followed == 1).await;
            behind.set_outage(outage);
            let newcomer = boarded(call(by, &b, "new", |_| std::future::pending()));
            drop((a, b));
            assert!(alive.upgrade().is_some());
            drop(newcomer);
            for caller in [follower, leader] {
                caller.abort();
                assert!(matches!(caller.await, Ended::Dropped));
            }
            // A work that goes on learns after a lease that nobody answers, and gives up for so long.
            pass_until(&lab, 5 * LEASE, "the engine is dropped", || alive.strong_count() == 0).await;
            assert_eq!(work.gone(), work.begun(), "{by:?} {outage:?}");
        }
    }
}
