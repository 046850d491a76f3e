//! cacheflight: events, with their durations, and metadata.
//!
//! The metrics that it suggests are held to the accounts by the tests in `observe`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use coflight::{Error, Event};
use coflight_tests::*;

use crate::common::*;

matrix!(
    hits_and_misses_are_told,
    an_error_is_told,
    a_timeout_and_a_cancellation_are_told_with_their_durations,
    the_cap_is_told,
    metadata_is_told,
    keys_are_hidden_in_logs,
);

const SECOND: Duration = Duration::from_secs(1);

/// What was told: the kind of event, and after how long.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Entry>>>);

/// An event's name, and its duration.
type Entry = (&'static str, Option<Duration>);

impl Told {
    fn observer(&self) -> impl Fn(&Event<'_, String>) + Send + Sync + 'static {
        let told = self.clone();
        move |event: &Event<'_, String>| told.0.lock().unwrap().push((event.kind().name(), event.elapsed()))
    }

    fn kinds(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().iter().map(|(kind, _)| *kind).collect()
    }

    /// An end is told after those aboard.
    async fn becomes(&self, lab: &Lab, expected: &[&str]) {
        lab.until(|| self.kinds().len() >= expected.len()).await;
        assert_eq!(self.kinds(), expected);
    }

    fn last(&self) -> Option<Duration> {
        self.0.lock().unwrap().last().and_then(|(_, elapsed)| *elapsed)
    }
}

/// Promise 18: miss, task started, hit, task resolved.
async fn hits_and_misses_are_told(lab: Lab) {
    for &verb in lab.verbs() {
        let told = Told::default();
        let flights: Flights<u32> = lab.builder().timed().observer(told.observer()).build();
        let (runs, gate) = (Runs::default(), Gate::new());
        let mut callers = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 1)).await;
        callers.extend(crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 1)).await);
        lab.time().advance(SECOND);
        gate.open();
        assert_eq!(results(callers).await, vec![Ok(1); 2], "{verb:?}");
        told.becomes(&lab, &["missed", "started", "joined", "completed"]).await;
        assert_eq!((told.last(), runs.count()), (Some(SECOND), 1), "{verb:?}");
    }
}

/// Promise 18: task rejected.
async fn an_error_is_told(lab: Lab) {
    for &verb in lab.verbs() {
        let told = Told::default();
        let flights: Flights<Fallible> =
            lab.builder().timed().failed_if(Result::is_err).observer(told.observer()).build();
        let (runs, gate) = (Runs::default(), Gate::new());
        let callers = crowd(&lab, verb, &flights, KEY, 2, || runs.work(&gate, Err(Arc::new(Broken("no"))))).await;
        lab.time().advance(SECOND);
        gate.open();
        assert!(results(callers).await.into_iter().all(|result| result.unwrap().is_err()));
        told.becomes(&lab, &["missed", "started", "joined", "failed"]).await;
        assert_eq!((told.last(), runs.count()), (Some(SECOND), 1), "{verb:?}");
    }
}

/// Promise 18: task timed out, task cancelled.
async fn a_timeout_and_a_cancellation_are_told_with_their_durations(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        for (after, end) in [(2 * SECOND, "timed_out"), (SECOND, "cancelled")] {
            let told = Told::default();
            let flights: Flights<u32> = lab.builder().timeout(2 * SECOND).observer(told.observer()).build();
            let (runs, never_open) = (Runs::default(), Gate::new());
            let callers = crowd(&lab, verb, &flights, KEY, 2, || runs.work(&never_open, 1)).await;
            lab.time().advance(after);
            let cancelled = after < 2 * SECOND && flights.cancel(KEY);
            let error = if cancelled { Error::Cancelled } else { Error::TimedOut };
            assert_eq!(results(callers).await, vec![Err(error); 2], "{verb:?}");
            told.becomes(&lab, &["missed", "started", "joined", end]).await;
            assert_eq!(told.last(), Some(after), "{verb:?}");
        }
    }
}

/// Promise 18: miss, key rejected, and then the error.
async fn the_cap_is_told(lab: Lab) {
    for &verb in lab.verbs() {
        let told = Told::default();
        let flights: Flights<u32> = lab.builder().max_flights(1).observer(told.observer()).build();
        let (runs, gate) = (Runs::default(), Gate::new());
        let caller = crowd(&lab, verb, &flights, KEY, 1, || runs.work(&gate, 1)).await;
        assert_eq!(ask(verb, flights.clone(), "other", Box::new(never)).await, Err(Error::Full), "{verb:?}");
        told.becomes(&lab, &["missed", "started", "missed", "refused"]).await;
        gate.open();
        assert_eq!(results(caller).await, [Ok(1)], "{verb:?}");
    }
}

/// A request, as a user may know it.
#[derive(Clone, Debug, PartialEq)]
struct Request(u32);

/// Promise 18: each call's own, and that of the call it waits for.
async fn metadata_is_told(lab: Lab) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tells = told.clone();
    let observer = move |event: &Event<'_, String>| {
        let (own, leader) = (event.metadata::<Request>().cloned(), event.leader::<Request>().cloned());
        tells.lock().unwrap().push((event.kind().name(), own, leader));
    };
    let flights: Flights<u32> = lab.builder().observer(observer).build();
    let (runs, gate) = (Runs::default(), Gate::new());
    let first = boarded(flights.call().metadata(Request(1)).run(KEY, runs.work(&gate, 1)));
    let second = boarded(flights.call().metadata(Request(2)).relay(KEY, runs.work(&gate, 2)));
    let third = boarded(flights.spawn(KEY, runs.work(&gate, 3)));
    gate.open();
    assert_eq!((first.await, second.await, third.await), (Ok(1), Ok(1), Ok(1)));
    let request = |number| Some(Request(number));
    let expected = [
        ("missed", request(1), request(1)),
        ("started", request(1), request(1)),
        ("joined", request(2), request(1)),
        ("joined", None, request(1)),
        ("completed", request(1), request(1)),
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}

/// Promise 18: it suggests to hash keys before they are logged; here, who does not ask for the key gets a number.
async fn keys_are_hidden_in_logs(lab: Lab) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let logs = lines.clone();
    let observer = move |event: &Event<'_, String>| {
        logs.lock().unwrap().push(format!("{} {} {event:?}", event.kind(), event.shown_key()));
    };
    let flights: Flights<u32> = lab.builder().observer(observer).build();
    assert_eq!(ask(Verb::Run, flights.clone(), "alice@example.com", Runs::default().now(1)).await, Ok(1));
    let lines = lines.lock().unwrap();
    assert!(lines.len() == 3 && lines.iter().all(|line| !line.contains("alice")), "{lines:?}");
}
