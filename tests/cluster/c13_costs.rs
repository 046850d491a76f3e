//! Promise 13: a flight costs its leader's process two round trips, each process that follows at most two, every further caller none, and what lingers one.

use std::sync::{Arc, Mutex};

use coflight::cluster::Place;
use coflight_tests::*;

use crate::common::*;

matrix!(
    a_leader_costs_two_round_trips,
    a_process_that_follows_costs_two,
    further_callers_cost_nothing,
    what_lingers_costs_one,
    nothing_is_asked_before_the_first_poll,
    a_long_work_costs_one_a_beat,
);

async fn a_leader_costs_two_round_trips(lab: Lab) {
    for by in VERBS {
        let asked: Arc<Mutex<Vec<&str>>> = Arc::default();
        let engine = {
            let asked = asked.clone();
            Fronted::new(&engine(&lab), move |operation, _| {
                asked.lock().unwrap().push(operation);
                Fate::Answered
            })
        };
        let a: Process<u32, Fronted> = process(&lab, &engine, "a");
        for flights in 1..=20 {
            assert_eq!(lab.start(call(by, &a, KEY, |_| async { 1 })).await.returned().0.unwrap(), 1);
            // Also behind its back.
            lab.until(|| lab.time().timers() == 0).await;
            assert_eq!(*asked.lock().unwrap(), ["join", "publish"].repeat(flights), "{by:?}");
        }
    }
}

async fn a_process_that_follows_costs_two(lab: Lab) {
    for by in VERBS {
        let engine = engine(&lab);
        let all: [Process<u32>; 4] = ["a", "b", "c", "d"].map(|name| process(&lab, &engine, name));
        let work = Job::default();
        let mut callers = Vec::new();
        for (n, process) in all.iter().enumerate() {
            callers.push(lab.start(call(by, process, KEY, work.value(1))));
            lab.until(|| attended(process.cluster_stats()) == 1).await;
            assert_eq!(engine.operations(), n as u64 + 1, "{by:?}: one to join");
        }
        work.gate.open();
        for caller in callers {
            assert_eq!(caller.await.returned().0.unwrap(), 1);
        }
        lab.until(|| lab.time().timers() == 0).await;
        assert!(engine.operations() <= 8, "{by:?}: {} for 4 processes", engine.operations());
    }
}

async fn further_callers_cost_nothing(lab: Lab) {
    for by in VERBS {
        let engine = engine(&lab);
        let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let work = Job::default();
        let mut callers = vec![lab.start(call(by, &a, KEY, work.value(1)))];
        lab.until(|| work.begun() == 1).await;
        callers.push(lab.start(call(by, &b, KEY, never)));
        lab.until(|| b.cluster_stats().followed == 1).await;
        let before = engine.operations();
        for n in 0..100 {
            callers.push(lab.start(call(VERBS[n % 3], [&a, &b][n % 2], KEY, never)));
        }
        lab.until(|| a.stats().calls() + b.stats().calls() == 102).await;
        assert_eq!(engine.operations(), before, "{by:?}");
        work.gate.open();
        for caller in callers {
            assert_eq!(caller.await.returned().0.unwrap(), 1);
        }
        lab.until(|| lab.time().timers() == 0).await;
        assert!(engine.operations() <= 4, "{by:?}: {} for 102 callers", engine.operations());
    }
}

async fn what_lingers_costs_one(lab: Lab) {
    for by in VERBS {
        let engine = engine(&lab);
        let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| building(&lab, &engine, name).linger(LEASE).build());
        lab.start(call(by, &a, KEY, |_| async { 1 })).await.returned().0.unwrap();
        lab.until(|| lab.time().timers() == 0).await;
        for _ in 0..10 {
            let before = engine.operations();
            let (value, served) = lab.start(call(by, &b, KEY, never)).await.returned();
            assert_eq!((value.unwrap(), served.trip.unwrap().place), (1, Place::Lingered));
            assert_eq!(engine.operations(), before + 1, "{by:?}");
        }
    }
}

async fn nothing_is_asked_before_the_first_poll(lab: Lab) {
    let engine = engine(&lab);
    let a: Process<u32> = process(&lab, &engine, "a");
    {
        let _run = a.run(KEY, never);
        let _relay = a.relay(KEY, never);
        let _spawn = a.spawn(KEY, never).with_served();
        let (_enter, _forget, _cancel) = (a.enter(KEY), a.forget(KEY), a.cancel(KEY));
        assert_eq!((engine.operations(), a.stats().calls()), (0, 0));
    }
    drop(a);
    lab.until(|| lab.time().timers() == 0).await;
    assert_eq!(engine.operations(), 0);
}

async fn a_long_work_costs_one_a_beat(lab: Lab) {
    for by in VERBS {
        idle(&lab).await;
        let engine = engine(&lab);
        let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let work = Job::default();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        let follower = lab.start(call(by, &b, KEY, never));
        lab.until(|| b.cluster_stats().followed == 1).await;
        beats(&lab, &engine, 10, 2, Some(&work)).await;
        assert_eq!(engine.operations(), 2 + 10 * 2, "{by:?}: one renews, one looks");
        work.gate.open();
        for caller in [leader, follower] {
            assert_eq!(caller.await.returned().0.unwrap(), 1);
        }
    }
}
