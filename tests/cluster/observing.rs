//! What can be seen of what happens between processes: metrics, spans, and traces that meet.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use coflight::cluster::{ClusterEvent, ClusterEventKind, ClusterMetrics, ClusterObserver, Outage, Propagation, Trip};
use coflight_tests::*;

use crate::common::*;

matrix!(
    the_trace_of_an_execution_reaches_its_followers,
    observers_and_counts_agree,
    a_resignation_counts_if_it_got_there,
    a_leader_that_is_dropped_after_its_process_resigned_did_so_once,
    prometheus_has_the_names,
);

/// Contexts are whatever the caller's task says they are.
#[derive(Clone, Default)]
struct Contexts {
    own: &'static str,
    seen: Arc<Mutex<Vec<(String, String)>>>,
}

impl Propagation for Contexts {
    fn context(&self) -> Option<String> {
        Some(self.own.to_owned())
    }

    fn answered(&self, trip: &Trip) {
        let context = trip.context.as_deref().unwrap_or("none").to_owned();
        self.seen.lock().unwrap().push((trip.process.to_string(), context));
    }
}

async fn the_trace_of_an_execution_reaches_its_followers(lab: Lab) {
    for by in VERBS {
        let engine = engine(&lab);
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let (here, there) = (Contexts { own: trace, ..Contexts::default() }, Contexts::default());
        let a: Process<u32> = building(&lab, &engine, "a").propagation(here.clone()).build();
        let b: Process<u32> = building(&lab, &engine, "b").propagation(there.clone()).build();
        let work = Job::default();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        let followers: Vec<_> = (0..3).map(|_| lab.start(call(by, &b, KEY, work.value(2)))).collect();
        lab.until(|| b.stats().calls() == 3 && b.cluster_stats().followed == 1).await;
        work.gate.open();
        let trip = leader.await.returned().1.trip.unwrap();
        assert_eq!(trip.context.as_deref(), Some(trace));
        for follower in followers {
            assert_eq!(follower.await.returned().1.trip.unwrap().context.as_deref(), Some(trace));
        }
        let seen = there.seen.lock().unwrap().clone();
        assert_eq!(seen, vec![("a".to_owned(), trace.to_owned()); 3], "each caller links its own span: {by:?}");
        assert!(here.seen.lock().unwrap().is_empty());
    }
}

#[derive(Clone, Default)]
struct Kinds(Arc<Mutex<Vec<ClusterEventKind>>>);

impl ClusterObserver for Kinds {
    fn event(&self, event: &ClusterEvent<'_>) {
        self.0.lock().unwrap().push(event.kind);
    }
}

/// An observer that panics keeps nothing from anybody.
struct Panics;

impl ClusterObserver for Panics {
    fn event(&self, _: &ClusterEvent<'_>) {
        panic!("an observer")
    }
}

async fn observers_and_counts_agree(lab: Lab) {
    let engine = engine(&lab);
    let kinds = Kinds::default();
    let a: Process<u32> = building(&lab, &engine, "a").watch(Panics).watch(kinds.clone()).build();
    let b: Process<u32> = process(&lab, &engine, "b");
    let work = Job::default();
    let leader = lab.start(call(By::Run, &b, KEY, work.value(1)));
    lab.until(|| work.begun() == 1).await;
    let follower = lab.start(call(By::Run, &a, KEY, work.value(2)));
    lab.until(|| a.cluster_stats().followed == 1).await;
    leader.abort();
    lab.until(|| work.begun() == 2).await;
    work.gate.open();
    assert_eq!(follower.await.returned().0.unwrap(), 2);
    let seen = kinds.0.lock().unwrap().clone();
    assert_eq!(seen, [ClusterEventKind::Followed, ClusterEventKind::Succeeded, ClusterEventKind::Published]);
    let stats = a.cluster_stats();
    assert_eq!((stats.followed, stats.succeeded, stats.published, stats.led), (1, 1, 1, 0));
}

async fn a_resignation_counts_if_it_got_there(lab: Lab) {
    for (fail, resigned) in [(0, 1), (1, 1), (usize::MAX, 0)] {
        let engine = {
            let tries = AtomicUsize::new(0);
            Fronted::new(&engine(&lab), move |operation, _| {
                let fails = operation == "resign" && tries.fetch_add(1, Ordering::SeqCst) < fail;
                if fails { Fate::Failed } else { Fate::Answered }
            })
        };
        let kinds = Kinds::default();
        let a: Process<u32, Fronted> = building(&lab, &engine, "a").watch(kinds.clone()).build();
        let work = Job::default();
        let leader = lab.start(call(By::Run, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        leader.abort();
        assert!(matches!(leader.await, Ended::Dropped));
        settle(&lab, engine, [a]).await;
        let told = kinds.0.lock().unwrap().clone();
        let count = told.iter().filter(|kind| **kind == ClusterEventKind::Resigned).count();
        assert_eq!(count, resigned, "{fail} fail: {told:?}");
    }
}

/// As what lost a `select!` is: not polled, and then dropped.
async fn a_leader_that_is_dropped_after_its_process_resigned_did_so_once(lab: Lab) {
    let engine = Fronted::new(&engine(&lab), |_, _| Fate::Answered);
    let kinds = Kinds::default();
    let a: Process<u32, Fronted> = building(&lab, &engine, "a").watch(kinds.clone()).build();
    let b: Process<u32, Fronted> = process(&lab, &engine, "b");
    drop(not_polled(&lab, &a, &b, &Job::default()).await);
    settle(&lab, engine, [a, b]).await;
    let told = kinds.0.lock().unwrap().clone();
    assert_eq!(told.iter().filter(|kind| **kind == ClusterEventKind::Resigned).count(), 1, "{told:?}");
}

async fn prometheus_has_the_names(lab: Lab) {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let metrics = metrics::with_local_recorder(&recorder, || {
        ClusterMetrics::describe();
        ClusterMetrics::new("test")
    });
    let engine = engine(&lab);
    let a: Process<u32> = building(&lab, &engine, "a").watch(metrics).build();
    let work = Job::default();
    work.gate.open();
    assert_eq!(lab.start(call(By::Run, &a, KEY, work.value(1))).await.returned().0.unwrap(), 1);
    let shown = recorder.handle().render();
    for line in [
        r#"coflight_cluster_events_total{group="test",event="led"} 1"#,
        r#"coflight_cluster_events_total{group="test",event="published"} 1"#,
        r#"coflight_cluster_events_total{group="test",event="engine_down"} 0"#,
        r#"coflight_cluster_operation_seconds_count{group="test",operation="join"} 1"#,
        r#"coflight_cluster_operation_errors_total{group="test",operation="join"} 0"#,
        r#"coflight_cluster_engine_up{group="test"} 1"#,
    ] {
        assert!(shown.contains(line), "no {line} in\n{shown}");
    }
    engine.set_outage(Outage::Refuses);
    let ((value, _), _) = passing(&lab, lab.start(call(By::Run, &a, KEY, work.value(2)))).await;
    assert_eq!(value.unwrap(), 2);
    let shown = recorder.handle().render();
    for line in [r#"coflight_cluster_engine_up{group="test"} 0"#, r#"event="alone"} 1"#, r#"event="engine_down"} 1"#] {
        assert!(shown.contains(line), "no {line} in\n{shown}");
    }
}
