//! Promise 18: what an observer may do, and what it gets to see of keys.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Waker};
use std::time::Duration;

use coflight::EventKind::*;
use coflight::{Error, Event, EventKind, Group, blocking};
use coflight_tests::*;

use crate::common::*;
use crate::p18_events::{Recorder, observed};

matrix!(
    observers_are_told_in_the_order_in_which_they_were_added,
    one_that_panics_harms_nothing,
    one_that_uses_the_group_is_outside_all_locks,
    one_that_asks_for_the_very_key_is_told_that_it_waits_for_itself,
    one_that_asks_for_the_key_after_the_end_starts_anew,
    one_that_blocks_holds_up_only_the_call_that_tells_it,
    those_aboard_are_told_first,
    keys_are_hidden_unless_asked_for,
    keys_are_shown_as_told,
);

const SECOND: Duration = Duration::from_secs(1);

async fn observers_are_told_in_the_order_in_which_they_were_added(lab: Lab) {
    for &verb in lab.verbs() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let observer = |name: &'static str| {
            let told = told.clone();
            move |event: &Event<'_, String>| told.lock().unwrap().push((name, event.kind()))
        };
        let flights: Flights<u32> =
            lab.builder().observer(observer("a")).observer(observer("b")).observer(observer("c")).build();
        assert_eq!(call(verb, &flights, at_once(1)).await, Ok(1));
        lab.until(|| told.lock().unwrap().len() == 9).await;
        let expected: Vec<_> =
            [Missed, Started, Completed].iter().flat_map(|kind| ["a", "b", "c"].map(|name| (name, *kind))).collect();
        assert_eq!(*told.lock().unwrap(), expected, "{verb:?}");
    }
}

async fn one_that_panics_harms_nothing(lab: Lab) {
    for &verb in lab.verbs() {
        let recorder = Recorder::default();
        let panics = |event: &Event<'_, String>| panic!("an observer panics, told of {}", event.kind());
        let builder = lab.builder().linger(SECOND).max_flights(2).observer(panics);
        let flights: Flights<u32> = builder.observer(recorder.clone()).observer(panics).build();
        let gate = Gate::new();
        let leader = boarded(call(Verb::Run, &flights, endless()));
        let other = boarded(ask(verb, flights.clone(), "other", endless()));
        assert_eq!(ask(verb, flights.clone(), "third", never()).await, Err(Error::Full));
        let follower = boarded(call(verb, &flights, behind(&gate, 2)));
        drop(leader);
        gate.open();
        assert_eq!(finish(&lab, follower).await, Ok(2), "{verb:?}");
        assert_eq!(finish(&lab, call(verb, &flights, never())).await, Ok(2), "{verb:?}");
        let expected = [Missed, Started, Missed, Started, Missed, Refused, Joined, Handover, Completed, Lingered];
        // Another thread may be telling, and there is no order between flights.
        lab.until(|| recorder.all().len() == expected.len()).await;
        assert!(flights.cancel("other"));
        drop(other);
        let expected: Vec<_> = expected.into_iter().chain([Cancelled]).collect();
        recorder.tells(&lab, &expected).await;
        assert_eq!((flights.len(), flights.stats().ended()), (0, 2), "{verb:?}");
        // The work's own panic is not mixed up with theirs.
        let panicking = lab.start(ask(verb, flights.clone(), "fourth", value(|| async { panic!("the work panics") })));
        assert_eq!(panicking.await.panicked(), "the work panics", "{verb:?}");
    }
}

/// A group whose observer holds the group.
fn using<F>(lab: &Lab, use_it: F) -> Flights<u32>
where
    F: Fn(&Flights<u32>, &Event<'_, String>) + Send + Sync + 'static,
{
    let group = Arc::new(OnceLock::<Flights<u32>>::new());
    let held = group.clone();
    let observer = move |event: &Event<'_, String>| held.get().into_iter().for_each(|flights| use_it(flights, event));
    let builder = lab.builder().timeout(SECOND).max_callers(3).observer(observer);
    let flights = group.get_or_init(|| builder.build());
    flights.clone()
}

async fn one_that_uses_the_group_is_outside_all_locks(lab: Lab) {
    for &verb in lab.verbs() {
        let used = Arc::new(AtomicUsize::new(0));
        let flights = using(&lab, {
            let used = used.clone();
            move |flights, event| {
                if event.key() != KEY {
                    return;
                }
                let there = flights.contains(KEY);
                assert_eq!(flights.len(), flights.in_flight().len());
                assert_eq!(flights.stats().in_flight, flights.len() as u64);
                assert!(!flights.forget("unknown") && !flights.cancel("unknown"));
                assert_eq!(flights.run_blocking("other", || 5), Ok(5));
                assert_eq!(there, flights.contains(KEY));
                used.fetch_add(1, Ordering::SeqCst);
            }
        });
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 1)));
        let follower = boarded(call(verb, &flights, never()));
        gate.open();
        assert_eq!((finish(&lab, leader).await, finish(&lab, follower).await), (Ok(1), Ok(1)), "{verb:?}");
        lab.until(|| used.load(Ordering::SeqCst) == 4).await;
        drop(boarded(call(verb, &flights, endless())));
        lab.until(|| used.load(Ordering::SeqCst) == 7).await;
        assert!(flights.is_empty());
    }
}

async fn one_that_asks_for_the_very_key_is_told_that_it_waits_for_itself(lab: Lab) {
    for &verb in lab.verbs() {
        for at in [Missed, Started, Joined] {
            // Asking is joining, of which it is told as well: once is enough.
            let answer = Arc::new(Mutex::new(None));
            let flights = using(&lab, {
                let (answer, asking) = (answer.clone(), AtomicBool::new(false));
                move |flights, event| {
                    if event.kind() == at && !asking.swap(true, Ordering::SeqCst) {
                        let by_thread = flights.run_blocking(KEY, || 2);
                        let by_task = blocking::wait(flights.relay(KEY, || async { 2 }));
                        *answer.lock().unwrap() = Some((by_thread, by_task));
                    }
                }
            });
            let gate = Gate::new();
            let leader = boarded(call(verb, &flights, behind(&gate, 1)));
            let follower = boarded(call(verb, &flights, never()));
            let told = answer.lock().unwrap().take();
            assert_eq!(told, Some((Err(Error::Circular), Err(Error::Circular))), "{verb:?}, told of {at}");
            gate.open();
            assert_eq!((finish(&lab, leader).await, finish(&lab, follower).await), (Ok(1), Ok(1)), "{verb:?}");
        }
    }
}

async fn one_that_asks_for_the_key_after_the_end_starts_anew(lab: Lab) {
    for &verb in lab.verbs() {
        let answer = Arc::new(Mutex::new(None));
        let flights = using(&lab, {
            let (answer, asking) = (answer.clone(), AtomicBool::new(false));
            move |flights, event| {
                if event.kind().is_end() && !asking.swap(true, Ordering::SeqCst) {
                    *answer.lock().unwrap() = Some(flights.run_blocking(KEY, || 2));
                }
            }
        });
        assert_eq!(call(verb, &flights, at_once(1)).await, Ok(1));
        lab.until(|| answer.lock().unwrap().is_some()).await;
        assert_eq!(*answer.lock().unwrap(), Some(Ok(2)), "{verb:?}");
    }
}

/// A leader on a thread of its own is held in an observer; by `spawn`, it is the task that is told, on a thread of its own.
async fn one_that_blocks_holds_up_only_the_call_that_tells_it(lab: Lab) {
    for &verb in lab.verbs() {
        let (held, go_on) = (Gate::new(), Gate::new());
        let recorder = Recorder::default();
        let blocks = {
            let (held, go_on) = (held.clone(), go_on.clone());
            move |event: &Event<'_, String>| {
                if (event.kind(), event.key().as_str()) == (Completed, KEY) && !held.is_open() {
                    held.open();
                    blocking::wait(go_on.wait());
                }
            }
        };
        let runtime = AnyRuntime::Virtual(Box::new(AnyRuntime::Threads(coflight::Threads::new())), lab.time().clone());
        let builder = Group::builder().runtime(runtime).linger(SECOND).observer(blocks);
        let flights: Flights<u32> = builder.observer(recorder.clone()).build();
        let gate = Gate::new();
        let leader = lab.thread({
            let call = call(verb, &flights, behind(&gate, 1));
            move || blocking::wait(call)
        });
        lab.until(|| flights.contains(KEY)).await;
        let followers = [(); 3].map(|()| boarded(call(verb, &flights, never())));
        gate.open();
        held.wait().await;
        for follower in followers {
            assert_eq!(finish(&lab, follower).await, Ok(1), "{verb:?}: held up by an observer");
        }
        assert_eq!(finish(&lab, call(verb, &flights, never())).await, Ok(1), "{verb:?}: a newcomer");
        assert!(flights.forget(KEY));
        assert_eq!(finish(&lab, call(verb, &flights, at_once(2))).await, Ok(2), "{verb:?}: the next flight");
        assert_eq!(finish(&lab, Box::pin(ask(verb, flights.clone(), "other", at_once(3)))).await, Ok(3));
        assert_eq!((flights.stats().led, flights.stats().lingered, flights.stats().ended()), (3, 1, 3));
        go_on.open();
        assert_eq!(leader.await.returned(), Ok(1));
        // What it missed it is told now, in order.
        lab.until(|| recorder.all().len() == 13).await;
        let first = recorder.all()[0].flight;
        let of_first: Vec<_> =
            recorder.all().into_iter().filter(|told| told.flight == first).map(|told| told.kind).collect();
        assert_eq!(of_first, [Missed, Started, Joined, Joined, Joined, Completed, Lingered], "{verb:?}");
    }
}

async fn those_aboard_are_told_first(lab: Lab) {
    for &verb in lab.verbs() {
        for end in [Completed, Panicked, TimedOut, Cancelled] {
            let told = CountingWaker::new();
            let at_the_end = Arc::new(Mutex::new(None::<(EventKind, usize)>));
            let flights = using(&lab, {
                let (told, at_the_end) = (told.clone(), at_the_end.clone());
                move |_, event| {
                    if event.kind().is_end() {
                        *at_the_end.lock().unwrap() = Some((event.kind(), told.wakes()));
                    }
                }
            });
            let gate = Gate::new();
            let opened = gate.clone();
            let leader = lab.start(call(
                verb,
                &flights,
                value(move || async move {
                    opened.wait().await;
                    assert_eq!(end, Completed);
                    1
                }),
            ));
            lab.until(|| flights.contains(KEY)).await;
            let mut follower = call(verb, &flights, never());
            let waker = Waker::from(told.clone());
            assert!(follower.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            match end {
                Cancelled => assert!(flights.cancel(KEY)),
                TimedOut => {
                    lab.time().advance(SECOND);
                    lab.until(|| follower.as_mut().poll(&mut Context::from_waker(&waker)).is_ready()).await;
                }
                _ => gate.open(),
            }
            lab.until(|| at_the_end.lock().unwrap().is_some()).await;
            let (kind, wakes) = at_the_end.lock().unwrap().take().unwrap();
            assert!(kind == end && wakes > 0, "{verb:?}: {kind} when those aboard were woken {wakes} times");
            leader.abort();
            gate.open();
            drop(leader.await);
        }
    }
}

async fn keys_are_hidden_unless_asked_for(lab: Lab) {
    let shown = Arc::new(Mutex::new(Vec::new()));
    let keeps = {
        let shown = shown.clone();
        move |event: &Event<'_, String>| {
            let key = event.shown_key();
            let number = format!("{key}");
            let all = format!("{number} {key:?} {event:?} {event:#?}");
            assert!(!all.contains("secret") && !all.contains(event.key().as_str()), "{all}");
            assert_eq!(number, format!("{key:?}"));
            assert!(format!("{event:?}").contains(&number), "{event:?}");
            shown.lock().unwrap().push((event.key().clone(), number));
        }
    };
    let (builder, recorder) = (lab.builder(), Recorder::default());
    let flights: Flights<u32> = builder.max_flights(1).observer(keeps).observer(recorder.clone()).build();
    let keys = ["secret-1", "secret-2", "secret-3", "secret-"];
    for key in keys.into_iter().cycle().take(2 * keys.len()) {
        let leader = boarded(ask(Verb::Run, flights.clone(), key, endless()));
        assert_eq!(ask(Verb::Run, flights.clone(), "secret-refused", never()).await, Err(Error::Full));
        drop(leader);
    }
    let mut numbers = shown.lock().unwrap().clone();
    // Nobody is told of an event in which an assertion above failed.
    assert_eq!(numbers.len(), 2 * keys.len() * 5);
    assert_eq!(recorder.all().into_iter().map(|told| (told.key, told.shown)).collect::<Vec<_>>(), numbers);
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), keys.len() + 1, "one number for a key, whatever becomes of it: {numbers:?}");
    numbers.dedup_by(|(_, one), (_, other)| one == other);
    assert_eq!(numbers.len(), keys.len() + 1, "and another for another: {numbers:?}");
}

async fn keys_are_shown_as_told(lab: Lab) {
    let texts = Arc::new(Mutex::new(Vec::new()));
    let keeps = {
        let texts = texts.clone();
        move |event: &Event<'_, String>| {
            let (key, text) = (event.shown_key(), format!("{event:?}"));
            texts.lock().unwrap().push((format!("{key} {key:?}"), text.contains("user k..")));
        }
    };
    let builder = lab.builder().show_keys(|key, f| write!(f, "user {}..", &key[..1])).observer(keeps);
    let flights: Flights<u32> = builder.build();
    drop(boarded(call(Verb::Run, &flights, endless())));
    assert_eq!(*texts.lock().unwrap(), vec![("user k.. user k..".to_owned(), true); 3]);
    // Without anybody to show them to, nothing happens.
    let flights: Flights<u32> = lab.builder().show_keys(|_, _| panic!("shown to nobody")).name("nobody").build();
    assert_eq!(call(Verb::Run, &flights, at_once(1)).await, Ok(1));
    let (flights, recorder) = observed(&lab);
    assert_eq!(call(Verb::Run, &flights, at_once(1)).await, Ok(1));
    assert!(recorder.all().iter().all(|told| told.shown.starts_with('#')));
}
