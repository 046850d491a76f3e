//! Promise 18: which events there are, and in which order.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use coflight::EventKind::*;
use coflight::{Entry, Error, Event, EventKind, Observer, OnFailure, Verb as By};
use coflight_tests::*;

use crate::common::*;

matrix!(
    a_flight_alone_and_a_joined_one,
    nothing_is_told_of_a_call_that_never_asked,
    each_way_to_end,
    a_failed_flight,
    a_panicked_flight,
    a_released_flight,
    a_refused_call,
    a_handover_to_a_follower_and_to_a_newcomer,
    an_overtaken_flight,
    a_retried_work,
    a_lingering_result,
    a_full_flight_and_a_forgotten_one_go_on_under_their_numbers,
);

const SECOND: Duration = Duration::from_secs(1);

/// Keeps what it is told.
#[derive(Clone, Default)]
pub(crate) struct Recorder(Arc<Mutex<Vec<Told>>>);

#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) kind: EventKind,
    pub(crate) key: String,
    pub(crate) shown: String,
    pub(crate) flight: Option<u64>,
    pub(crate) verb: Option<By>,
    pub(crate) elapsed: Option<Duration>,
    pub(crate) metadata: Option<&'static str>,
    pub(crate) leader: Option<&'static str>,
}

impl Observer<String> for Recorder {
    fn event(&self, event: &Event<'_, String>) {
        assert_eq!(event.metadata::<u64>(), None, "no call says a number of itself");
        self.0.lock().unwrap().push(Told {
            kind: event.kind(),
            key: event.key().clone(),
            shown: event.shown_key().to_string(),
            flight: event.flight(),
            verb: event.verb(),
            elapsed: event.elapsed(),
            metadata: event.metadata().copied(),
            leader: event.leader().copied(),
        });
    }
}

impl Recorder {
    pub(crate) fn all(&self) -> Vec<Told> {
        self.0.lock().unwrap().clone()
    }

    fn kinds(&self) -> Vec<EventKind> {
        self.all().iter().map(|told| told.kind).collect()
    }

    /// Waits until it was told as much as this, and checks that it was this.
    pub(crate) async fn tells(&self, lab: &Lab, expected: &[EventKind]) {
        lab.until(|| self.all().len() >= expected.len()).await;
        assert_eq!(self.kinds(), expected);
    }
}

/// A group that keeps time, and who is told of it.
pub(crate) fn observed(lab: &Lab) -> (Flights<u32>, Recorder) {
    let recorder = Recorder::default();
    (lab.builder().timed().observer(recorder.clone()).build(), recorder)
}

async fn a_flight_alone_and_a_joined_one(lab: Lab) {
    for &verb in lab.verbs() {
        let (flights, recorder) = observed(&lab);
        assert_eq!(call(verb, &flights, at_once(1)).await, Ok(1));
        recorder.tells(&lab, &[Missed, Started, Completed]).await;

        let (flights, recorder) = observed(&lab);
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 1)));
        recorder.tells(&lab, &[Missed, Started]).await;
        let followers = [(); 2].map(|()| boarded(call(verb, &flights, never())));
        recorder.tells(&lab, &[Missed, Started, Joined, Joined]).await;
        gate.open();
        for caller in [leader].into_iter().chain(followers) {
            assert_eq!(finish(&lab, caller).await, Ok(1));
        }
        recorder.tells(&lab, &[Missed, Started, Joined, Joined, Completed]).await;
        let numbers: Vec<_> = recorder.all().iter().map(|told| told.flight).collect();
        assert!(numbers[0].is_some() && numbers.iter().all(|number| *number == numbers[0]), "{numbers:?}");
    }
    let (flights, recorder) = observed(&lab);
    let thread = flights.clone();
    assert_eq!(lab.thread(move || thread.run_blocking(KEY, || 1)).await.returned(), Ok(1));
    recorder.tells(&lab, &[Missed, Started, Completed]).await;
    assert!(recorder.all().iter().all(|told| told.verb == Some(By::RunBlocking) && told.key == KEY));
}

async fn nothing_is_told_of_a_call_that_never_asked(lab: Lab) {
    for &verb in lab.verbs() {
        let (flights, recorder) = observed(&lab);
        drop(call(verb, &flights, never()));
        assert!(!flights.forget(KEY) && !flights.cancel(KEY));
        drop((flights.stats(), flights.in_flight()));
        recorder.tells(&lab, &[]).await;
    }
}

/// How a flight of one leader and one follower is brought to its end from outside.
async fn each_way_to_end(lab: Lab) {
    for &verb in lab.verbs() {
        for end in [TimedOut, Cancelled, Abandoned] {
            let recorder = Recorder::default();
            let flights: Flights<u32> = lab.builder().timeout(SECOND).observer(recorder.clone()).build();
            let leader = boarded(call(verb, &flights, endless()));
            let follower = boarded(call(verb, &flights, never()));
            match end {
                Cancelled => assert!(flights.cancel(KEY)),
                TimedOut => {
                    lab.time().advance(SECOND);
                    assert_eq!(finish(&lab, follower).await, Err(Error::TimedOut));
                }
                _ => {
                    drop(leader);
                    drop(follower);
                }
            }
            recorder.tells(&lab, &[Missed, Started, Joined, end]).await;
        }
    }
}

async fn a_failed_flight(lab: Lab) {
    for &verb in lab.verbs() {
        let recorder = Recorder::default();
        let flights: Flights<u32> = lab.builder().failed_if(|value| *value == 0).observer(recorder.clone()).build();
        assert_eq!(call(verb, &flights, at_once(0)).await, Ok(0));
        recorder.tells(&lab, &[Missed, Started, Failed]).await;
    }
}

async fn a_panicked_flight(lab: Lab) {
    for &verb in lab.verbs() {
        let (flights, recorder) = observed(&lab);
        let leader = lab.start(call(verb, &flights, value(|| async { panic!("the work panics") })));
        assert_eq!(leader.await.panicked(), "the work panics");
        recorder.tells(&lab, &[Missed, Started, Panicked]).await;
    }
}

async fn a_released_flight(lab: Lab) {
    for &verb in lab.verbs() {
        let (flights, recorder) = observed(&lab);
        let Entry::Leader(leader) = flights.enter(KEY) else { panic!("somebody else leads") };
        let followers = [1, 2].map(|number| boarded(call(verb, &flights, at_once(number))));
        leader.release().unwrap();
        for (number, follower) in (1..).zip(followers) {
            assert_eq!(finish(&lab, follower).await, Ok(number));
        }
        recorder.tells(&lab, &[Missed, Started, Joined, Joined, Released, Alone, Alone]).await;
    }
}

async fn a_refused_call(lab: Lab) {
    for &verb in lab.verbs() {
        let recorder = Recorder::default();
        let flights: Flights<u32> = lab.builder().max_flights(1).observer(recorder.clone()).build();
        let _leader = boarded(call(verb, &flights, endless()));
        assert_eq!(ask(verb, flights.clone(), "other", never()).await, Err(Error::Full));
        let _follower = boarded(call(verb, &flights, never()));
        recorder.tells(&lab, &[Missed, Started, Missed, Refused, Joined]).await;
        let refused = &recorder.all()[2..4];
        assert!(refused.iter().all(|told| told.flight.is_none() && told.key == "other"), "{refused:?}");
    }
}

async fn a_handover_to_a_follower_and_to_a_newcomer(lab: Lab) {
    for &verb in lab.verbs() {
        let (flights, recorder) = observed(&lab);
        let leader = boarded(call(Verb::Run, &flights, endless()));
        let follower = boarded(call(verb, &flights, at_once(2)));
        drop(leader);
        recorder.tells(&lab, &[Missed, Started, Joined]).await;
        assert_eq!(finish(&lab, follower).await, Ok(2));
        recorder.tells(&lab, &[Missed, Started, Joined, Handover, Completed]).await;

        let (flights, recorder) = observed(&lab);
        let leader = boarded(call(Verb::Run, &flights, endless()));
        let parked = boarded(call(verb, &flights, never()));
        drop(leader);
        assert_eq!(finish(&lab, call(verb, &flights, at_once(2))).await, Ok(2));
        assert_eq!(finish(&lab, parked).await, Ok(2));
        recorder.tells(&lab, &[Missed, Started, Joined, Joined, Handover, Completed]).await;
    }
}

async fn an_overtaken_flight(lab: Lab) {
    for &verb in lab.verbs() {
        let recorder = Recorder::default();
        let flights: Flights<u32> = lab.builder().overtake_after(SECOND).observer(recorder.clone()).build();
        let slow = boarded(call(Verb::Run, &flights, endless()));
        let follower = boarded(call(verb, &flights, at_once(2)));
        lab.time().advance(SECOND);
        assert_eq!(finish(&lab, follower).await, Ok(2));
        assert_eq!(finish(&lab, slow).await, Ok(2));
        recorder.tells(&lab, &[Missed, Started, Joined, Overtaken, Completed]).await;
    }
}

async fn a_retried_work(lab: Lab) {
    for &verb in lab.verbs() {
        let recorder = Recorder::default();
        let builder = lab.builder().failed_if(|value| *value == 0).on_failure(OnFailure::Retry { limit: 1 });
        let flights: Flights<u32> = builder.observer(recorder.clone()).build();
        let gate = Gate::new();
        let callers = [(); 3].map(|()| boarded(call(verb, &flights, behind(&gate, 0))));
        gate.open();
        for caller in callers {
            assert_eq!(finish(&lab, caller).await, Ok(0));
        }
        recorder.tells(&lab, &[Missed, Started, Joined, Joined, Retried, Handover, Failed]).await;
    }
}

async fn a_lingering_result(lab: Lab) {
    for &verb in lab.verbs() {
        let recorder = Recorder::default();
        let flights: Flights<u32> = lab.builder().linger(SECOND).observer(recorder.clone()).build();
        assert_eq!(call(verb, &flights, at_once(1)).await, Ok(1));
        for _ in 0..2 {
            assert_eq!(finish(&lab, call(verb, &flights, never())).await, Ok(1));
        }
        assert!(flights.forget(KEY));
        recorder.tells(&lab, &[Missed, Started, Completed, Lingered, Lingered]).await;
    }
}

async fn a_full_flight_and_a_forgotten_one_go_on_under_their_numbers(lab: Lab) {
    for &verb in lab.verbs() {
        let recorder = Recorder::default();
        let flights: Flights<u32> = lab.builder().max_callers(1).observer(recorder.clone()).build();
        let gate = Gate::new();
        let mut callers = vec![boarded(call(verb, &flights, behind(&gate, 1)))];
        callers.push(boarded(call(verb, &flights, behind(&gate, 1))));
        assert!(flights.forget(KEY));
        callers.push(boarded(call(verb, &flights, behind(&gate, 1))));
        recorder.tells(&lab, &[Missed, Started, Missed, Started, Missed, Started]).await;
        gate.open();
        for caller in callers {
            assert_eq!(finish(&lab, caller).await, Ok(1));
        }
        lab.until(|| recorder.all().len() == 9).await;
        let mut numbers: Vec<_> = recorder.all()[6..].iter().map(|told| (told.kind, told.flight)).collect();
        numbers.sort_by_key(|(_, flight)| *flight);
        let started: Vec<_> = recorder.all().iter().step_by(2).take(3).map(|told| (Completed, told.flight)).collect();
        assert_eq!(numbers, started, "{verb:?}: each ends under the number under which it started");
    }
}
