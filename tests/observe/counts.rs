//! Promise 18: metrics agree with the accounts, to the unit.

use std::time::Duration;

use coflight::{Entry, Error, Metrics, OnFailure, Stats};
use coflight_tests::*;
use metrics::Unit;

use crate::ledger::Ledger;
use coflight_tests::works::*;

matrix!(everything_that_can_happen, callers_that_come_and_go_at_once, flights_in_progress, two_groups_of_one_label);

const SECOND: Duration = Duration::from_secs(1);

const ENDS: [&str; 7] = ["abandoned", "cancelled", "completed", "failed", "panicked", "released", "timed_out"];

/// What each counter must say.
fn expected(stats: &Stats) -> Vec<(String, u64)> {
    let mut counters: Vec<_> = [
        ("hits", stats.hits()),
        ("misses", stats.misses()),
        ("lingered", stats.lingered),
        ("refused", stats.refused),
        ("completed", stats.completed),
        ("errors", stats.failed),
        ("panics", stats.panicked),
        ("timeouts", stats.timed_out),
        ("cancelled", stats.cancelled),
        ("abandoned", stats.abandoned),
        ("released", stats.released),
        ("handovers", stats.handovers),
        ("overtakes", stats.overtakes),
        ("retries", stats.retries),
        ("alone", stats.alone),
    ]
    .map(|(name, count)| (format!("coflight_{name}_total{{group=\"users\"}}"), count))
    .into();
    counters.sort();
    counters
}

/// How many flights ended in each way, for the histogram.
fn ends(stats: &Stats) -> [u64; 7] {
    let Stats { abandoned, cancelled, completed, failed, panicked, released, timed_out, .. } = *stats;
    [abandoned, cancelled, completed, failed, panicked, released, timed_out]
}

/// Waits for the events that others may still be telling, and holds every metric against the accounts.
async fn agree(lab: &Lab, ledger: &Ledger, stats: impl Fn() -> Stats) {
    let metrics = || {
        let durations = ledger.histograms().into_iter().map(|(name, samples)| (name, samples.len() as u64));
        let flights = ledger.gauges().into_iter().map(|(name, flights)| (name, flights as u64));
        ledger.counters().into_iter().chain(flights).chain(durations).collect::<Vec<_>>()
    };
    let accounts = || {
        let stats = stats();
        let duration = |end| format!("coflight_flight_duration_seconds{{group=\"users\",outcome={end:?}}}");
        let durations = ENDS.into_iter().map(duration).zip(ends(&stats));
        let flights = ("coflight_flights{group=\"users\"}".to_owned(), stats.in_flight);
        expected(&stats).into_iter().chain([flights]).chain(durations).collect::<Vec<_>>()
    };
    let mut patience = 100_000;
    lab.until(|| {
        patience -= 1;
        metrics() == accounts() || patience == 0
    })
    .await;
    assert_eq!(metrics(), accounts());
}

/// The names are those that are documented, and there from the first moment on.
#[test]
fn names_and_units() {
    let ledger = Ledger::default();
    ledger.keep(|| {
        Metrics::describe();
        drop(Metrics::new("users"));
    });
    assert_eq!(ledger.counters().into_iter().collect::<Vec<_>>(), expected(&Stats::default()));
    assert_eq!(ledger.histograms().len(), ENDS.len());

    let named = |metrics: Vec<String>| metrics.iter().map(|name| name[..name.find('{').unwrap()].to_owned()).collect();
    let mut names: Vec<String> = named(ledger.counters().into_keys().collect());
    let others: Vec<String> = named(ledger.gauges().into_keys().chain(ledger.histograms().into_keys()).collect());
    names.extend(others);
    names.sort();
    names.dedup();
    let described = ledger.described();
    assert_eq!(described.keys().cloned().collect::<Vec<_>>(), names);
    for (name, unit) in described {
        assert_eq!(unit, Some(if name.ends_with("_seconds") { Unit::Seconds } else { Unit::Count }), "{name}");
        assert!(include_str!("../../adapters/metrics/README.md").contains(&format!("| `{name}` |")), "{name}");
        assert!(include_str!("../../docs/observing.md").contains(&format!("| `{name}` |")), "{name}");
    }
}

/// Everything that the accounts can count, at least once.
async fn everything_that_can_happen(lab: Lab) {
    let ledger = Ledger::default();
    let flights: Flights<u32> = lab
        .builder()
        .timeout(60 * SECOND)
        .linger(SECOND)
        .max_flights(4)
        .failed_if(|value| *value == 0)
        .on_failure(OnFailure::Retry { limit: 1 })
        .observer(ledger.keep(|| Metrics::new("users")))
        .build();
    // Not `enter`, whose leaders look after limits themselves.
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        let name = |what: &str| format!("{what} by {verb:?}");
        let call = |key: &str, work| Box::pin(ask(verb, flights.clone(), key.to_owned(), work));

        let gate = Gate::new();
        let callers = [(); 3].map(|()| boarded(call(&name("joined"), behind(&gate, 1))));
        gate.open();
        for caller in callers {
            assert_eq!(finish(&lab, caller).await, Ok(1));
        }
        assert_eq!(finish(&lab, call(&name("joined"), never())).await, Ok(1), "it lingers");

        let gate = Gate::new();
        let callers = [(); 3].map(|()| boarded(call(&name("failed"), behind(&gate, 0))));
        gate.open();
        for caller in callers {
            assert_eq!(finish(&lab, caller).await, Ok(0));
        }

        let panics = lab.start(call(&name("panicked"), value(|| async { panic!("the work panics") })));
        assert_eq!(panics.await.panicked(), "the work panics");

        let late = boarded(call(&name("late"), endless()));
        lab.time().advance(60 * SECOND);
        assert_eq!(finish(&lab, late).await, Err(Error::TimedOut));

        let cancelled = boarded(call(&name("cancelled"), endless()));
        assert!(flights.cancel(&name("cancelled")));
        assert_eq!(finish(&lab, cancelled).await, Err(Error::Cancelled));

        drop(boarded(call(&name("abandoned"), endless())));

        let Entry::Leader(leader) = flights.enter(&name("released")) else { panic!("somebody else leads") };
        let followers = [(); 2].map(|()| boarded(call(&name("released"), at_once(1))));
        leader.release().unwrap();
        for follower in followers {
            assert_eq!(finish(&lab, follower).await, Ok(1));
        }

        let crowd = ["a", "b", "c", "d"].map(|key| boarded(call(key, endless())));
        assert_eq!(finish(&lab, call("e", never())).await, Err(Error::Full));
        drop(crowd);

        let leader = boarded(ask(Verb::Run, flights.clone(), name("handover"), endless()));
        let follower = boarded(call(&name("handover"), at_once(2)));
        drop(leader);
        assert_eq!(finish(&lab, follower).await, Ok(2));

        let overtaken = name("overtaken");
        let slow = flights.call().overtake_after(SECOND);
        let slow = boarded(slow.run(&overtaken, std::future::pending));
        let follower = boarded(call(&overtaken, at_once(2)));
        lab.time().advance(SECOND);
        assert_eq!(finish(&lab, follower).await, Ok(2));
        drop(slow);
    }
    agree(&lab, &ledger, || flights.stats()).await;
    assert!(expected(&flights.stats()).iter().all(|(_, count)| *count > 0), "{:?}", flights.stats());
}

/// Under concurrency: nothing is counted twice, or missed.
async fn callers_that_come_and_go_at_once(lab: Lab) {
    let ledger = Ledger::default();
    let flights: Flights<u32> = lab
        .builder()
        .max_flights(3)
        .failed_if(|value| *value == 0)
        .on_failure(OnFailure::Retry { limit: 2 })
        .observer(ledger.keep(|| Metrics::new("users")))
        .build();
    let mut tasks = Vec::new();
    for caller in 0..96 {
        let verb = lab.verbs()[caller % 4];
        let work = value(move || async move {
            for _ in 0..caller % 3 {
                yield_now().await;
            }
            assert!(caller % 8 != 5, "some works panic");
            (caller % 5) as u32
        });
        let task = lab.start(ask(verb, flights.clone(), format!("key {}", caller % 4), work));
        if caller % 7 == 0 {
            task.abort();
        }
        if caller % 31 == 0 {
            flights.cancel_all();
        }
        tasks.push(task);
    }
    for task in tasks {
        task.await;
    }
    lab.until(|| flights.is_empty()).await;
    assert!(flights.stats().led > 0);
    agree(&lab, &ledger, || flights.stats()).await;
}

/// The gauge, while there is something to show; and what a reset does not touch.
async fn flights_in_progress(lab: Lab) {
    let ledger = Ledger::default();
    let flights: Flights<u32> = lab.builder().observer(ledger.keep(|| Metrics::new("users"))).build();
    let calls = ["a", "b"].map(|key| boarded(ask(Verb::Run, flights.clone(), key, endless())));
    agree(&lab, &ledger, || flights.stats()).await;
    assert_eq!(ledger.gauges().into_values().collect::<Vec<_>>(), [2.0]);

    flights.reset_stats();
    drop(calls);
    assert_eq!(ledger.gauges().into_values().collect::<Vec<_>>(), [0.0]);
    assert_eq!(ledger.counters()["coflight_misses_total{group=\"users\"}"], 2);
}

/// Metrics of one label are summed, whichever group they come from.
async fn two_groups_of_one_label(lab: Lab) {
    let ledger = Ledger::default();
    for _ in 0..2 {
        let flights: Flights<u32> = lab.builder().observer(ledger.keep(|| Metrics::new("users"))).build();
        assert_eq!(call(Verb::Run, &flights, at_once(1)).await, Ok(1));
    }
    assert_eq!(ledger.counters()["coflight_completed_total{group=\"users\"}"], 2);
}
