//! Promise 18: stats and events agree with each other and with what happened, to the unit, under concurrency.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

use coflight::EventKind::*;
use coflight::{Event, EventKind, Observer, OnFailure, Stats};
use coflight_tests::*;

matrix!(events_and_stats_agree, events_agree_with_what_happened);

const KINDS: [EventKind; 16] = [
    Missed, Joined, Refused, Started, Completed, Failed, Panicked, TimedOut, Cancelled, Abandoned, Released, Handover,
    Overtaken, Retried, Lingered, Alone,
];

/// Checks the order of each flight's events while it is told of them, and counts.
#[derive(Clone, Default)]
struct Auditor(Arc<Books>);

#[derive(Default)]
struct Books {
    flights: Mutex<HashMap<u64, Arc<Story>>>,
    refused: Mutex<Vec<EventKind>>,
    /// What is wrong: a panic in an observer would be contained.
    wrong: Mutex<Vec<String>>,
}

#[derive(Default)]
struct Story {
    being_told: AtomicBool,
    told: Mutex<Vec<EventKind>>,
}

impl Observer<String> for Auditor {
    fn event(&self, event: &Event<'_, String>) {
        let Some(number) = event.flight() else {
            self.0.refused.lock().unwrap().push(event.kind());
            return;
        };
        let story = self.0.flights.lock().unwrap().entry(number).or_default().clone();
        if story.being_told.swap(true, Ordering::SeqCst) {
            self.0.wrong.lock().unwrap().push(format!("two events of flight {number} at once"));
        }
        thread::yield_now();
        story.told.lock().unwrap().push(event.kind());
        story.being_told.store(false, Ordering::SeqCst);
    }
}

impl Auditor {
    fn counts(&self) -> HashMap<EventKind, u64> {
        let mut counts = HashMap::new();
        let flights = self.0.flights.lock().unwrap();
        let told: Vec<_> = flights.values().map(|story| story.told.lock().unwrap().clone()).collect();
        for kind in told.into_iter().flatten().chain(self.0.refused.lock().unwrap().iter().copied()) {
            *counts.entry(kind).or_default() += 1;
        }
        counts
    }

    /// Waits until as many events were told as the stats say, then checks each number and each flight's order.
    async fn agrees(&self, lab: &Lab, flights: &Flights<u32>) {
        let expected = expected(&flights.stats());
        let all: u64 = expected.iter().map(|(_, count)| count).sum();
        lab.until(|| self.counts().values().sum::<u64>() >= all).await;
        let counts = self.counts();
        let told = KINDS.map(|kind| (kind, counts.get(&kind).copied().unwrap_or_default()));
        assert_eq!(told, expected);
        assert_eq!(*self.0.wrong.lock().unwrap(), Vec::<String>::new());
        for (number, story) in &*self.0.flights.lock().unwrap() {
            in_order(*number, &story.told.lock().unwrap());
        }
    }
}

/// How often there must be each event, by the stats.
fn expected(stats: &Stats) -> [(EventKind, u64); 16] {
    KINDS.map(|kind| {
        let count = match kind {
            Missed => stats.led + stats.refused,
            Joined => stats.joined,
            Refused => stats.refused,
            Started => stats.led,
            Completed => stats.completed,
            Failed => stats.failed,
            Panicked => stats.panicked,
            TimedOut => stats.timed_out,
            Cancelled => stats.cancelled,
            Abandoned => stats.abandoned,
            Released => stats.released,
            Handover => stats.handovers,
            Overtaken => stats.overtakes,
            Retried => stats.retries,
            Lingered => stats.lingered,
            Alone => stats.alone,
            kind => panic!("a new kind of event: {kind}"),
        };
        (kind, count)
    })
}

/// Missed, started, then what happens in flight, one end, and after it only what may come then.
fn in_order(number: u64, told: &[EventKind]) {
    assert_eq!(told.get(..2), Some(&[Missed, Started][..]), "flight {number}: {told:?}");
    let end = told.iter().position(|kind| kind.is_end());
    let end = end.unwrap_or_else(|| panic!("flight {number} has no end: {told:?}"));
    let in_flight = |kind: &EventKind| matches!(kind, Joined | Handover | Overtaken | Retried);
    assert!(told[2..end].iter().all(in_flight), "flight {number}: {told:?}");
    let after = match told[end] {
        Released => Some(Alone),
        Completed | Failed => Some(Lingered),
        _ => None,
    };
    assert!(told[end + 1..].iter().all(|kind| Some(*kind) == after), "flight {number}: {told:?}");
}

/// Callers of every kind, from tasks and threads: who lead, follow, fail, panic, leave, are refused, forgotten, cancelled, and let go alone.
async fn events_and_stats_agree(lab: Lab) {
    let auditor = Auditor::default();
    let builder = lab.builder().failed_if(|value| *value == 0).on_failure(OnFailure::Retry { limit: 1 });
    let builder = builder.linger(std::time::Duration::from_secs(1)).max_flights(4).max_callers(9);
    let flights: Flights<u32> = builder.observer(auditor.clone()).build();
    let mut callers = Vec::new();
    for number in 0..300_usize {
        let key = (number * 7 % 6).to_string();
        let work = move || async move {
            for _ in 0..number % 4 {
                yield_now().await;
            }
            assert_ne!(number % 13, 12, "some panic");
            (number % 3) as u32
        };
        callers.push(match number % 19 {
            9 => lab.thread(blocking_call(&flights, &key, number)),
            _ => lab.start(ask(lab.verbs()[number % 4], flights.clone(), key.clone(), value(work))),
        });
        match number % 17 {
            3 => callers[number].abort(),
            5 => drop(flights.forget(&key)),
            8 => drop(flights.cancel(&key)),
            11 => lab.time().advance(std::time::Duration::from_secs(1)),
            14 => release(&flights, &key),
            _ => {}
        }
        if number % 16 == 0 {
            yield_now().await;
        }
    }
    for caller in callers {
        drop(caller.await);
    }
    lab.until(|| flights.is_empty()).await;
    flights.forget_all();
    auditor.agrees(&lab, &flights).await;
    let stats = flights.stats();
    assert_eq!((stats.led, stats.in_flight, stats.waiting), (stats.ended(), 0, 0), "{stats:?}");
    assert!(stats.completed > 0 && stats.calls() > 150, "{stats:?}");
}

fn blocking_call(
    flights: &Flights<u32>,
    key: &str,
    number: usize,
) -> impl FnOnce() -> Result<u32, coflight::Error> + use<> {
    let (flights, key) = (flights.clone(), key.to_owned());
    move || flights.run_blocking(&key, || (number % 3) as u32)
}

/// Leads, if nobody does, and lets the followers go alone.
fn release(flights: &Flights<u32>, key: &str) {
    if let coflight::Entry::Leader(leader) = flights.enter(key) {
        drop(leader.release());
    }
}

/// Threads at a barrier, all on one key, many times.
async fn events_agree_with_what_happened(lab: Lab) {
    const THREADS: usize = 4;
    const ROUNDS: usize = 50;
    let auditor = Auditor::default();
    let flights: Flights<u32> = lab.builder().observer(auditor.clone()).build();
    let (barrier, runs) = (Arc::new(Barrier::new(THREADS)), Arc::new(AtomicUsize::new(0)));
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let (flights, barrier, runs) = (flights.clone(), barrier.clone(), runs.clone());
            lab.thread(move || {
                for _ in 0..ROUNDS {
                    barrier.wait();
                    let runs = runs.clone();
                    let work = move || {
                        runs.fetch_add(1, Ordering::SeqCst);
                        thread::yield_now();
                        1
                    };
                    let result = match number % 2 {
                        0 => flights.run_blocking(KEY, work),
                        _ => coflight::blocking::wait(flights.relay(KEY, || async move { work() })),
                    };
                    assert_eq!(result, Ok(1));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.await.returned();
    }
    auditor.agrees(&lab, &flights).await;
    let (stats, runs) = (flights.stats(), runs.load(Ordering::SeqCst) as u64);
    assert_eq!((stats.led, stats.completed, stats.calls()), (runs, runs, (THREADS * ROUNDS) as u64));
}

/// Promise 18: each kind has a name of its own, and ends are ends.
#[test]
fn kinds_of_events_have_names() {
    let mut names = KINDS.map(EventKind::name).to_vec();
    assert_eq!(names[7], "timed_out");
    assert!(KINDS.iter().all(|kind| kind.to_string() == kind.name()));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), KINDS.len());
    let ends = [Completed, Failed, Panicked, TimedOut, Cancelled, Abandoned, Released];
    assert!(KINDS.iter().all(|kind| kind.is_end() == ends.contains(kind)));
}
