//! Spans: which work a call waited for, and for how long each is open.

use std::pin::Pin;
use std::time::Duration;

use coflight::{Entry, Error, Event, EventKind, Observer, Role, Traced, Tracing, TryError, TryGroup};
use coflight_tests::*;

use crate::recorder::{KeptSpan, Trail};
use coflight_tests::works::{at_once, behind, endless, finish, never};

matrix!(
    a_work_runs_in_a_child_of_its_leaders_call,
    a_work_stays_in_its_span_when_its_leader_has_left,
    a_handover_begins_a_new_span,
    an_overtaker_has_a_span_of_its_own,
    released_followers_have_spans_of_their_own,
    a_panicking_work_closes_its_span,
    what_lingers_keeps_no_span_open,
    without_the_observer_there_are_spans_all_the_same,
    a_call_without_spans_leads_or_follows_one_with,
    nothing_is_made_of_a_call_that_is_not_polled,
    options_hold,
    many_at_once,
);

const SECOND: Duration = Duration::from_secs(1);

type Call<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Asks for [`KEY`] by a verb whose calls can have spans, in the test's span.
fn call(trail: &Trail, verb: Verb, flights: &Flights<u32>, work: Work<u32>) -> Call<Result<u32, Error>> {
    let (flights, root) = (flights.clone(), trail.root.clone());
    Box::pin(async move {
        let call = flights.call().traced();
        match verb {
            Verb::Run => root.in_scope(|| call.run(KEY, work)).await,
            Verb::Relay => root.in_scope(|| call.relay(KEY, work)).await,
            Verb::Spawn => root.in_scope(|| call.spawn(KEY, work)).await,
            Verb::Enter => unreachable!("has no work of its own"),
        }
    })
}

const VERBS: [Verb; 3] = [Verb::Run, Verb::Relay, Verb::Spawn];

fn observed(lab: &Lab) -> Flights<u32> {
    lab.builder().name("users").observer(Tracing::new()).build()
}

/// A work that says something before and after it waits.
fn telling(gate: &Gate) -> Work<u32> {
    let gate = gate.clone();
    value(move || {
        tracing::info!(target: "work", "called");
        async move {
            tracing::info!(target: "work", "begun");
            gate.wait().await;
            tracing::info!(target: "work", "done");
            1
        }
    })
}

fn calls(trail: &Trail) -> Vec<KeptSpan> {
    trail.spans("coflight.call")
}

fn works(trail: &Trail) -> Vec<KeptSpan> {
    trail.spans("coflight.flight")
}

/// Waits for what other threads still do: dropping a task, telling an event.
async fn all_closed(lab: &Lab, trail: &Trail) {
    let open = || calls(trail).into_iter().chain(works(trail)).filter(|span| !span.closed).collect::<Vec<_>>();
    let mut patience = 100_000;
    lab.until(|| {
        patience -= 1;
        open().is_empty() || patience == 0
    })
    .await;
    assert_eq!(open().len(), 0, "{:#?}", open());
}

async fn a_work_runs_in_a_child_of_its_leaders_call(lab: Lab) {
    for verb in VERBS {
        let (trail, flights, gate) = (Trail::new(), observed(&lab), Gate::new());
        let leader = boarded(call(&trail, verb, &flights, telling(&gate)));
        let followers = [(); 2].map(|()| boarded(call(&trail, verb, &flights, never())));
        gate.open();
        for caller in [leader].into_iter().chain(followers) {
            assert_eq!(finish(&lab, caller).await, Ok(1));
        }
        all_closed(&lab, &trail).await;

        let (calls, works) = (calls(&trail), works(&trail));
        assert_eq!((calls.len(), works.len()), (3, 1), "{verb:?}");
        let work = &works[0];
        assert_eq!(work.parent, Some(calls[0].number), "{verb:?}");
        assert_eq!((&*work.fields["group"], &*work.fields["key"]), ("users", &*calls[0].fields["key"]));
        let said: Vec<_> = trail.events("work").into_iter().map(|event| event.span).collect();
        assert_eq!(said, [Some(work.number); 3], "{verb:?}: called, begun, done");
        for (call, follows) in calls.iter().zip([&[] as &[usize], &[work.number], &[work.number]]) {
            assert_eq!(call.parent, Some(trail.number));
            assert_eq!(call.follows, follows, "{verb:?}");
            assert_eq!(call.fields, work.fields, "{verb:?}: the verb, and whose number is the flight's");
        }
    }
}

/// Also on another task or thread, or in another caller's poll.
async fn a_work_stays_in_its_span_when_its_leader_has_left(lab: Lab) {
    for verb in [Verb::Relay, Verb::Spawn] {
        let (trail, flights, gate) = (Trail::new(), observed(&lab), Gate::new());
        let leader = boarded(call(&trail, verb, &flights, telling(&gate)));
        let follower = boarded(call(&trail, Verb::Run, &flights, never()));
        drop(leader);
        gate.open();
        assert_eq!(finish(&lab, follower).await, Ok(1));
        all_closed(&lab, &trail).await;
        let work = works(&trail)[0].number;
        assert!(trail.events("work").iter().all(|event| event.span == Some(work)), "{verb:?}");
        assert_eq!((trail.events("work").len(), works(&trail).len()), (3, 1), "{verb:?}");
    }
}

async fn a_handover_begins_a_new_span(lab: Lab) {
    for verb in VERBS {
        let (trail, flights) = (Trail::new(), observed(&lab));
        let leader = boarded(call(&trail, Verb::Run, &flights, endless()));
        let follower = boarded(call(&trail, verb, &flights, at_once(2)));
        drop(leader);
        assert_eq!(finish(&lab, follower).await, Ok(2));
        all_closed(&lab, &trail).await;

        let (calls, works) = (calls(&trail), works(&trail));
        assert_eq!((calls.len(), works.len()), (2, 2), "{verb:?}");
        assert_eq!(works[0].parent, Some(calls[0].number));
        assert_eq!(works[1].parent, Some(calls[1].number), "{verb:?}: of the one that took over");
        assert_eq!(works[0].fields["flight"], works[1].fields["flight"]);
        assert_eq!(calls[1].follows, [works[0].number], "{verb:?}: it waited for the first");
    }
}

async fn an_overtaker_has_a_span_of_its_own(lab: Lab) {
    for verb in VERBS {
        let trail = Trail::new();
        let flights: Flights<u32> = lab.builder().overtake_after(SECOND).observer(Tracing::new()).build();
        let slow = boarded(call(&trail, Verb::Run, &flights, endless()));
        let follower = boarded(call(&trail, verb, &flights, at_once(2)));
        lab.time().advance(SECOND);
        assert_eq!(finish(&lab, follower).await, Ok(2));
        assert_eq!(finish(&lab, slow).await, Ok(2));
        all_closed(&lab, &trail).await;
        let (calls, works) = (calls(&trail), works(&trail));
        let parents: Vec<_> = works.iter().map(|work| work.parent).collect();
        assert_eq!(parents, [Some(calls[0].number), Some(calls[1].number)], "{verb:?}");
        assert_eq!(works[0].fields["flight"], works[1].fields["flight"], "{verb:?}");
    }
}

async fn released_followers_have_spans_of_their_own(lab: Lab) {
    for verb in VERBS {
        let (trail, flights) = (Trail::new(), observed(&lab));
        let Entry::Leader(leader) = flights.enter(KEY) else { panic!("somebody else leads") };
        let followers = [1, 2].map(|number| boarded(call(&trail, verb, &flights, at_once(number))));
        leader.release().unwrap();
        for (number, follower) in (1..).zip(followers) {
            assert_eq!(finish(&lab, follower).await, Ok(number));
        }
        all_closed(&lab, &trail).await;
        let parents: Vec<_> = works(&trail).iter().map(|work| work.parent).collect();
        assert_eq!(parents, calls(&trail).iter().map(|call| Some(call.number)).collect::<Vec<_>>(), "{verb:?}");
    }
}

async fn a_panicking_work_closes_its_span(lab: Lab) {
    for verb in VERBS {
        let (trail, flights) = (Trail::new(), observed(&lab));
        let panics = lab.start(call(&trail, verb, &flights, value(|| async { panic!("the work panics") })));
        assert_eq!(panics.await.panicked(), "the work panics");
        all_closed(&lab, &trail).await;
        assert_eq!(works(&trail).len(), 1, "{verb:?}");
        let panics = lab.start(call(&trail, verb, &flights, Box::new(|| panic!("it never begins"))));
        assert_eq!(panics.await.panicked(), "it never begins");
        all_closed(&lab, &trail).await;
    }
}

/// With the observer, or with another that does not link spans. Nor does any other way to end.
async fn what_lingers_keeps_no_span_open(lab: Lab) {
    for verb in VERBS {
        for observed in [true, false] {
            let group = || -> Flights<u32> {
                let builder = lab.builder().linger(SECOND).timeout(SECOND);
                match observed {
                    true => builder.observer(Tracing::new()).build(),
                    false => builder.observer(|_: &Event<'_, String>| {}).build(),
                }
            };
            let (trail, flights) = (Trail::new(), group());
            assert_eq!(finish(&lab, call(&trail, verb, &flights, at_once(1))).await, Ok(1));
            assert_eq!(finish(&lab, call(&trail, verb, &flights, never())).await, Ok(1), "it lingers");
            all_closed(&lab, &trail).await;
            assert_eq!((calls(&trail).len(), works(&trail).len()), (2, 1), "{verb:?}");
            let flight = calls(&trail)[1].fields.get("flight").cloned();
            assert_eq!(flight, works(&trail)[0].fields.get("flight").cloned(), "{verb:?}");
            assert_eq!(flight.is_some(), observed);

            let flights = group();
            drop(boarded(call(&trail, verb, &flights, endless())));
            let flights = group();
            let cancelled = boarded(call(&trail, verb, &flights, endless()));
            assert!(flights.cancel(KEY));
            assert_eq!(finish(&lab, cancelled).await, Err(Error::Cancelled));
            let flights = group();
            let late = boarded(call(&trail, verb, &flights, endless()));
            lab.time().advance(SECOND);
            assert_eq!(finish(&lab, late).await, Err(Error::TimedOut));
            all_closed(&lab, &trail).await;
        }
    }
}

async fn without_the_observer_there_are_spans_all_the_same(lab: Lab) {
    for verb in VERBS {
        let (trail, gate) = (Trail::new(), Gate::new());
        let flights: Flights<u32> = lab.group();
        let leader = boarded(call(&trail, verb, &flights, telling(&gate)));
        let follower = boarded(call(&trail, verb, &flights, never()));
        gate.open();
        assert_eq!((finish(&lab, leader).await, finish(&lab, follower).await), (Ok(1), Ok(1)));
        all_closed(&lab, &trail).await;
        let (calls, works) = (calls(&trail), works(&trail));
        assert_eq!((calls.len(), works.len()), (2, 1), "{verb:?}");
        assert_eq!(works[0].parent, Some(calls[0].number));
        assert!(calls.iter().all(|call| call.follows.is_empty() && !call.fields.contains_key("flight")), "{verb:?}");
        assert!(trail.events("work").iter().all(|event| event.span == Some(works[0].number)), "{verb:?}");
    }
}

async fn a_call_without_spans_leads_or_follows_one_with(lab: Lab) {
    for verb in VERBS {
        let (trail, flights, gate) = (Trail::new(), observed(&lab), Gate::new());
        let leader = boarded(ask(verb, flights.clone(), KEY, behind(&gate, 1)));
        let follower = boarded(call(&trail, verb, &flights, never()));
        gate.open();
        assert_eq!((finish(&lab, leader).await, finish(&lab, follower).await), (Ok(1), Ok(1)));
        let follower = &calls(&trail)[0];
        assert!(follower.follows.is_empty() && follower.fields.contains_key("flight"), "{verb:?}");

        let gate = Gate::new();
        let leader = boarded(call(&trail, verb, &flights, behind(&gate, 1)));
        let follower = boarded(ask(verb, flights.clone(), KEY, never()));
        gate.open();
        assert_eq!((finish(&lab, leader).await, finish(&lab, follower).await), (Ok(1), Ok(1)));
        all_closed(&lab, &trail).await;
        assert_eq!((calls(&trail).len(), works(&trail).len()), (2, 1), "{verb:?}");
    }
}

async fn nothing_is_made_of_a_call_that_is_not_polled(lab: Lab) {
    let (trail, flights) = (Trail::new(), observed(&lab));
    drop(trail.within(|| flights.call().traced().run(KEY, never())));
    drop(trail.within(|| flights.call().traced().relay(KEY, never())));
    drop(trail.within(|| flights.call().traced().spawn(KEY, never())));
    all_closed(&lab, &trail).await;
    assert_eq!((works(&trail).len(), trail.events("coflight").len(), flights.len()), (0, 0, 0));
}

async fn options_hold(lab: Lab) {
    let trail = Trail::new();
    let flights: Flights<u32> = lab.builder().observer(Tracing::new()).build();
    let call = flights.call().timeout(SECOND).traced();
    let late = boarded(trail.within(|| call.run(KEY, std::future::pending)));
    lab.time().advance(SECOND);
    assert_eq!(finish(&lab, late).await, Err(Error::TimedOut));
    let call = trail.within(|| flights.call().traced().run(KEY, || async { 1 }));
    let (result, served) = call.with_served().await;
    assert_eq!((result, served.role), (Ok(1), Role::Led));
}

/// Whoever tells the events, and in whichever order flights begin and end.
async fn many_at_once(lab: Lab) {
    let (trail, flights) = (Trail::new(), observed(&lab));
    let mut tasks = Vec::new();
    for caller in 0..48 {
        let work = value(move || async move {
            for _ in 0..caller % 4 {
                yield_now().await;
            }
            1
        });
        let task = lab.start(call(&trail, VERBS[caller % 3], &flights, work));
        if caller % 9 == 8 {
            task.abort();
        }
        tasks.push(task);
    }
    for task in tasks {
        task.await;
    }
    lab.until(|| flights.is_empty()).await;
    all_closed(&lab, &trail).await;
    let (calls, works) = (calls(&trail), works(&trail));
    let flight = |span: &KeptSpan| span.fields.get("flight").cloned();
    for work in &works {
        let call = calls.iter().find(|call| work.parent == Some(call.number)).expect("a call for each work");
        assert!(flight(work).is_some() && flight(work) == flight(call), "{work:?} {call:?}");
    }
    for call in calls.iter().filter(|call| !call.follows.is_empty()) {
        let works: Vec<_> = works.iter().filter(|work| call.follows.contains(&work.number)).collect();
        assert!(works.len() == 1 && flight(works[0]) == flight(call), "{call:?} {works:?}");
    }
}

/// Threads, and works that can fail.
#[test]
fn the_other_verbs() {
    let trail = Trail::new();
    let flights: TryGroup<String, u32, &str> = coflight::Group::builder().observer(Tracing::new()).build();
    let said = || tracing::info!(target: "work", "runs");
    let call = || flights.call().traced();
    let block = |call: Call<Result<u32, TryError<&'static str>>>| futures_lite::future::block_on(call);
    trail.within(|| {
        let fails = |result: Result<u32, TryError<&str>>| assert_eq!(result.unwrap_err().work(), Some(&"no"));
        let flights: &'static TryGroup<String, u32, &str> = Box::leak(Box::new(flights.clone()));
        let work = move || {
            said();
            async { Err("no") }
        };
        fails(block(Box::pin(flights.call().traced().try_run(KEY, work))));
        fails(block(Box::pin(flights.call().traced().try_relay(KEY, work))));
        fails(call().try_run_blocking(KEY, || {
            said();
            Err("no")
        }));
        let fine = call().run_blocking(KEY, || {
            said();
            Ok(1)
        });
        assert_eq!(fine.unwrap(), Ok(1));
    });
    let works = works(&trail);
    let said: Vec<_> = trail.events("work").into_iter().map(|event| event.span).collect();
    assert_eq!(said, works.iter().map(|work| Some(work.number)).collect::<Vec<_>>());
    let verbs: Vec<_> = works.iter().map(|work| &*work.fields["verb"]).collect();
    assert_eq!(verbs, ["run", "relay", "run_blocking", "run_blocking"]);
    assert!(calls(&trail).iter().chain(&works).all(|span| span.closed));
}

/// A span that nobody wants costs nothing: the call keeps its own metadata.
#[test]
fn a_call_whose_span_nobody_wants() {
    struct Sees;
    impl Observer<String> for Sees {
        fn event(&self, event: &Event<'_, String>) {
            if event.kind() == EventKind::Started {
                assert_eq!(event.metadata(), Some(&"mine"));
            }
        }
    }
    tracing::subscriber::with_default(tracing::subscriber::NoSubscriber::default(), || {
        let flights: coflight::Group<String, u32> = coflight::Group::builder().observer(Sees).build();
        assert_eq!(flights.call().metadata("mine").traced().run_blocking(KEY, || 1), Ok(1));
    });
}
