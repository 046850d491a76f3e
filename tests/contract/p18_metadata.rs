//! Promise 18: what each event says of the call and the flight that it is about.

use std::time::Duration;

use coflight::EventKind::*;
use coflight::{Entry, Error, EventKind, OnFailure, Turn, Verb as By};
use coflight_tests::*;

use crate::common::*;
use crate::p18_events::{Recorder, observed};

matrix!(
    metadata_of_a_shared_flight,
    metadata_of_a_flight_that_changed_hands,
    metadata_of_an_overtaken_flight,
    metadata_of_a_retried_work,
    metadata_where_nobody_leads_any_more,
    metadata_that_nobody_reads,
    elapsed_is_exact,
    elapsed_by_the_systems_clock,
    groups_have_names_and_flights_have_numbers,
);

const SECOND: Duration = Duration::from_secs(1);

/// A call that says who it is.
fn labelled(verb: Verb, flights: &Flights<u32>, label: &'static str, work: Work<u32>) -> Call<u32> {
    let flights = flights.clone();
    Box::pin(async move {
        let asked = flights.call().metadata(label);
        let leader = match verb {
            Verb::Run => return asked.run(KEY, work).await,
            Verb::Relay => return asked.relay(KEY, work).await,
            Verb::Spawn => return asked.spawn(KEY, work).await,
            Verb::Enter => match asked.enter(KEY) {
                Entry::Leader(leader) => leader,
                Entry::Follower(follower) => match follower.await? {
                    Turn::Value(value) => return Ok(value),
                    Turn::Leader(leader) => leader,
                },
            },
        };
        leader.complete(work().await)
    })
}

fn by(verb: Verb) -> Option<By> {
    Some(verb.into())
}

type Said = (EventKind, Option<By>, Option<&'static str>, Option<&'static str>);

/// Of each event: its verb, and what the call it is about, and the leader, say of themselves.
async fn said(lab: &Lab, recorder: &Recorder, expected: &[Said]) {
    lab.until(|| recorder.all().len() >= expected.len()).await;
    let said: Vec<_> = recorder.all().iter().map(|told| (told.kind, told.verb, told.metadata, told.leader)).collect();
    assert_eq!(said, expected);
}

async fn metadata_of_a_shared_flight(lab: Lab) {
    for &leading in lab.verbs() {
        for &verb in lab.verbs() {
            let (flights, recorder) = observed(&lab);
            let gate = Gate::new();
            let one = boarded(labelled(leading, &flights, "one", behind(&gate, 1)));
            let two = boarded(labelled(verb, &flights, "two", never()));
            let nobody = boarded(call(verb, &flights, never()));
            gate.open();
            for caller in [one, two, nobody] {
                assert_eq!(finish(&lab, caller).await, Ok(1));
            }
            let one = Some("one");
            let expected = [
                (Missed, by(leading), one, one),
                (Started, by(leading), one, one),
                (Joined, by(verb), Some("two"), one),
                (Joined, by(verb), None, one),
                (Completed, by(leading), one, one),
            ];
            said(&lab, &recorder, &expected).await;
        }
    }
}

async fn metadata_of_a_flight_that_changed_hands(lab: Lab) {
    for &verb in lab.verbs() {
        let (flights, recorder) = observed(&lab);
        let one = boarded(labelled(Verb::Enter, &flights, "one", endless()));
        let two = boarded(labelled(verb, &flights, "two", at_once(2)));
        drop(one);
        assert_eq!(finish(&lab, two).await, Ok(2));
        let (one, two) = (Some("one"), Some("two"));
        let expected = [
            (Missed, Some(By::Enter), one, one),
            (Started, Some(By::Enter), one, one),
            (Joined, by(verb), two, one),
            (Handover, by(verb), two, two),
            (Completed, by(verb), two, two),
        ];
        said(&lab, &recorder, &expected).await;
    }
}

/// When a flight ends, its event is about the call whose work gave the result.
async fn metadata_of_an_overtaken_flight(lab: Lab) {
    for &verb in lab.verbs() {
        let recorder = Recorder::default();
        let flights: Flights<u32> = lab.builder().overtake_after(SECOND).observer(recorder.clone()).build();
        let slow = boarded(labelled(Verb::Run, &flights, "slow", endless()));
        let fast = boarded(labelled(verb, &flights, "fast", at_once(2)));
        lab.time().advance(SECOND);
        assert_eq!(finish(&lab, fast).await, Ok(2));
        drop(slow);
        let (slow, fast) = (Some("slow"), Some("fast"));
        let expected = [
            (Missed, Some(By::Run), slow, slow),
            (Started, Some(By::Run), slow, slow),
            (Joined, by(verb), fast, slow),
            (Overtaken, by(verb), fast, slow),
            (Completed, by(verb), fast, fast),
        ];
        said(&lab, &recorder, &expected).await;
    }
}

async fn metadata_of_a_retried_work(lab: Lab) {
    for &verb in lab.verbs() {
        let recorder = Recorder::default();
        let builder = lab.builder().failed_if(|value| *value == 0).on_failure(OnFailure::Retry { limit: 1 });
        let flights: Flights<u32> = builder.observer(recorder.clone()).build();
        let gate = Gate::new();
        let one = boarded(labelled(verb, &flights, "one", behind(&gate, 0)));
        let two = boarded(labelled(verb, &flights, "two", behind(&gate, 2)));
        gate.open();
        assert_eq!((finish(&lab, one).await, finish(&lab, two).await), (Ok(0), Ok(2)));
        let (one, two, by) = (Some("one"), Some("two"), by(verb));
        let expected = [
            (Missed, by, one, one),
            (Started, by, one, one),
            (Joined, by, two, one),
            (Retried, by, one, one),
            (Handover, by, two, two),
            (Completed, by, two, two),
        ];
        said(&lab, &recorder, &expected).await;
    }
}

async fn metadata_where_nobody_leads_any_more(lab: Lab) {
    for &verb in lab.verbs() {
        let recorder = Recorder::default();
        let builder = lab.builder().linger(SECOND).max_flights(1).observer(recorder.clone());
        let flights: Flights<u32> = builder.build();
        let lead = |label| match flights.call().metadata(label).enter(KEY) {
            Entry::Leader(leader) => leader,
            Entry::Follower(_) => panic!("somebody else leads"),
        };
        let one = lead("one");
        let two = boarded(labelled(verb, &flights, "two", at_once(2)));
        assert_eq!(flights.call().metadata("three").run("other", || async { 3 }).await, Err(Error::Full));
        one.release().unwrap();
        assert_eq!(finish(&lab, two).await, Ok(2));
        let (one, two, enter) = (Some("one"), Some("two"), Some(By::Enter));
        let mut expected = vec![
            (Missed, enter, one, one),
            (Started, enter, one, one),
            (Joined, by(verb), two, one),
            (Missed, Some(By::Run), Some("three"), None),
            (Refused, Some(By::Run), Some("three"), None),
            (Released, enter, one, one),
            (Alone, by(verb), two, one),
        ];
        said(&lab, &recorder, &expected).await;
        // Those who are served what lingers learn whose it is.
        assert_eq!(lead("one").complete(1), Ok(1));
        assert_eq!(finish(&lab, labelled(verb, &flights, "two", never())).await, Ok(1));
        expected.extend([Missed, Started, Completed].map(|kind| (kind, enter, one, one)));
        expected.push((Lingered, by(verb), two, one));
        said(&lab, &recorder, &expected).await;
    }
}

async fn metadata_that_nobody_reads(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        assert_eq!(finish(&lab, labelled(verb, &flights, "one", at_once(1))).await, Ok(1), "{verb:?}");
    }
}

async fn elapsed_is_exact(lab: Lab) {
    for &verb in lab.verbs() {
        let recorder = Recorder::default();
        let flights: Flights<u32> = lab.builder().linger(SECOND).observer(recorder.clone()).build();
        let gate = Gate::new();
        lab.time().advance(SECOND);
        let leader = boarded(call(Verb::Run, &flights, endless()));
        lab.time().advance(SECOND);
        let follower = boarded(call(verb, &flights, behind(&gate, 2)));
        lab.time().advance(SECOND);
        drop(leader);
        lab.time().advance(SECOND);
        let mut follower = follower;
        assert!(poll_now(follower.as_mut()).is_pending());
        lab.time().advance(SECOND);
        gate.open();
        assert_eq!(finish(&lab, follower).await, Ok(2));
        lab.time().advance(SECOND / 2);
        assert_eq!(finish(&lab, call(verb, &flights, never())).await, Ok(2));
        let expected = [(Joined, 1.0), (Handover, 3.0), (Completed, 4.0), (Lingered, 4.5)];
        lab.until(|| recorder.all().len() == 2 + expected.len()).await;
        let elapsed: Vec<_> = recorder.all()[2..].iter().map(|told| (told.kind, told.elapsed)).collect();
        assert_eq!(elapsed, expected.map(|(kind, after)| (kind, Some(SECOND.mul_f64(after)))), "{verb:?}");
    }
}

async fn elapsed_by_the_systems_clock(lab: Lab) {
    for &verb in lab.verbs() {
        let recorder = Recorder::default();
        let flights: Flights<u32> = lab.builder().observer(recorder.clone()).build();
        let leader = boarded(call(verb, &flights, endless()));
        lab.time().advance(1_000 * SECOND);
        drop((boarded(call(verb, &flights, never())), leader));
        let joined = recorder.all()[2].elapsed.unwrap();
        let abandoned = recorder.all()[3].elapsed.unwrap();
        assert!(joined <= abandoned && abandoned < 1_000 * SECOND, "{verb:?}: not by the runtime's clock");
    }
}

async fn groups_have_names_and_flights_have_numbers(lab: Lab) {
    let recorder = Recorder::default();
    let named = |name: &str| -> Flights<u32> {
        let expected = name.to_owned();
        let checks = move |event: &coflight::Event<'_, String>| assert_eq!(event.group(), expected);
        let builder = lab.builder().observer(checks).observer(recorder.clone());
        if name.is_empty() { builder.build() } else { builder.name(name).build() }
    };
    let users = named("users");
    for number in 0..10 {
        let key = number.to_string();
        assert_eq!(ask(lab.verbs()[number % 4], users.clone(), key, at_once(1)).await, Ok(1));
    }
    lab.until(|| recorder.all().len() == 30).await;
    let mut numbers: Vec<_> = recorder.all().iter().map(|told| told.flight.unwrap()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 10);
    assert_eq!(call(Verb::Run, &named(""), at_once(1)).await, Ok(1));
}
