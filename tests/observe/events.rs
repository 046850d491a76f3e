//! Events in the log: what they say, how loud, and what they keep to themselves.

use coflight::{Entry, EventKind, Group, Traced, Tracing};
use coflight_tests::*;
use tracing::Level;

use crate::recorder::{KeptEvent, Trail};
use coflight_tests::works::{behind, finish, never};

matrix!(an_event_belongs_to_the_call_or_the_work_that_it_is_about);

const SECRET: &str = "alice@example.com";

/// Which levels the events of these kinds have.
fn levels(events: &[KeptEvent]) -> Vec<(&str, Level)> {
    events.iter().map(|event| (&*event.fields["kind"], event.level)).collect()
}

#[test]
fn fields() {
    let trail = Trail::new();
    let flights: Group<String, u32> = Group::builder().name("users").observer(Tracing::new()).build();
    trail.within(|| flights.run_blocking(SECRET, || 1)).unwrap();
    let events = trail.events("coflight");
    assert_eq!(levels(&events), [("missed", Level::DEBUG), ("started", Level::DEBUG), ("completed", Level::DEBUG)]);
    for event in &events {
        assert_eq!(event.span, Some(trail.number), "a call without spans is told of in the current one");
        assert_eq!((&*event.fields["group"], &*event.fields["verb"]), ("users", "run_blocking"));
        assert_eq!(event.fields["flight"], events[0].fields["flight"]);
    }
    assert!(events[2].fields["elapsed"].parse::<f64>().unwrap() >= 0.0);
}

/// Keys can hold secrets.
#[test]
fn keys_are_hidden_unless_shown() {
    let trail = Trail::new();
    let hidden: Group<String, u32> = Group::builder().observer(Tracing::new()).build();
    trail.within(|| {
        hidden.call().traced().run_blocking(SECRET, || 1).unwrap();
        hidden.run_blocking(SECRET, || 1).unwrap();
    });
    let spans: Vec<_> = trail.spans("coflight.call").into_iter().chain(trail.spans("coflight.flight")).collect();
    let events = trail.events("coflight");
    let told = format!("{spans:?}{events:?}");
    assert!(spans.len() == 2 && events.len() == 6);
    assert!(!told.contains("alice") && !told.contains("example"), "{told}");
    let key = &spans[0].fields["key"];
    assert!(key.starts_with('#') && spans.iter().all(|span| span.fields["key"] == *key), "{told}");
    assert!(events.iter().all(|event| event.fields["key"] == *key), "the same key has the same number: {told}");

    let trail = Trail::new();
    let shown: Group<String, u32> =
        Group::builder().observer(Tracing::new()).show_keys(|key, f| write!(f, "user {key}")).build();
    trail.within(|| shown.call().traced().run_blocking("7", || 1)).unwrap();
    assert_eq!(trail.spans("coflight.flight")[0].fields["key"], "user 7");
    assert!(trail.events("coflight").iter().all(|event| event.fields["key"] == "user 7"));
}

#[test]
fn levels_by_default_and_as_chosen() {
    let tell = |tracing: Tracing| {
        let trail = Trail::new();
        let flights: Group<String, u32> = Group::builder().max_flights(1).observer(tracing).build();
        trail.within(|| {
            let Entry::Leader(leader) = flights.enter(KEY) else { unreachable!("nobody else is there") };
            flights.run_blocking("other", || 1).unwrap_err();
            leader.release().unwrap();
        });
        trail.events("coflight")
    };
    let (missed, started) = (("missed", Level::DEBUG), ("started", Level::DEBUG));
    let refused = ("refused", Level::WARN);
    assert_eq!(levels(&tell(Tracing::default())), [missed, started, missed, refused, ("released", Level::INFO)]);

    let chosen = tell(Tracing::new().levels(|kind| match kind {
        EventKind::Missed | EventKind::Started => None,
        EventKind::Refused => Some(Level::ERROR),
        _ => Some(Level::TRACE),
    }));
    assert_eq!(levels(&chosen), [("refused", Level::ERROR), ("released", Level::TRACE)]);
}

/// Whoever tells it, and also when the work is gone.
async fn an_event_belongs_to_the_call_or_the_work_that_it_is_about(lab: Lab) {
    for end in ["completed", "cancelled"] {
        let (trail, gate) = (Trail::new(), Gate::new());
        let flights: Flights<u32> = lab.builder().observer(Tracing::new()).build();
        let traced = |work: Work<u32>| boarded(trail.within(|| flights.call().traced().run(KEY, work)));
        let leader = traced(behind(&gate, 1));
        let follower = traced(never());
        match end {
            "completed" => gate.open(),
            _ => assert!(flights.cancel(KEY)),
        }
        assert_eq!(finish(&lab, leader).await, finish(&lab, follower).await);

        let calls: Vec<_> = trail.spans("coflight.call").iter().map(|call| call.number).collect();
        let work = trail.spans("coflight.flight")[0].number;
        let events = trail.events("coflight");
        let told: Vec<_> = events.iter().map(|event| (&*event.fields["kind"], event.span)).collect();
        let [leader, follower, work] = [calls[0], calls[1], work].map(Some);
        assert_eq!(told, [("missed", leader), ("started", leader), ("joined", follower), (end, work)]);
    }
}
