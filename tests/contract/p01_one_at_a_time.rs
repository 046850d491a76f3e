//! Promise 1: for one key there is never more than one work running, however callers arrive, leave, panic or are cancelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use coflight_tests::*;

use crate::common::*;

matrix!(
    a_hundred_callers_run_one_work,
    a_newcomer_waits_while_a_cancelled_work_is_being_polled,
    forget_lets_a_newcomer_past_a_cancelled_work,
    threads_run_one_closure,
    storms_never_overlap,
);

async fn a_hundred_callers_run_one_work(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<usize> = lab.group();
        let (runs, gate, all) = (Arc::new(AtomicUsize::new(0)), Gate::new(), Latch::new(100));
        let callers: Vec<_> = (0..100)
            .map(|_| {
                let (runs, gate) = (runs.clone(), gate.clone());
                let work = value(move || async move {
                    gate.wait().await;
                    runs.fetch_add(1, Ordering::SeqCst)
                });
                lab.start(asked(ask(verb, flights.clone(), KEY, work), &all))
            })
            .collect();
        all.wait().await;
        gate.open();
        for caller in callers {
            assert_eq!(caller.await.returned(), Ok(0), "{verb:?}");
        }
        assert_eq!(runs.load(Ordering::SeqCst), 1, "{verb:?}");
        assert!(flights.is_empty());
    }
}

/// A work that blocks its thread inside a poll, and the two ends to see and end that.
fn stuck_in_a_poll() -> (Work<u32>, mpsc::Receiver<()>, mpsc::Sender<()>) {
    let ((begun, is_begun), (end, is_ended)) = (mpsc::channel(), mpsc::channel());
    let work = value(move || async move {
        begun.send(()).unwrap();
        is_ended.recv().unwrap();
        1
    });
    (work, is_begun, end)
}

async fn a_newcomer_waits_while_a_cancelled_work_is_being_polled(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Enter] {
        let flights: Flights<u32> = lab.group();
        let (work, begun, end) = stuck_in_a_poll();
        let leader = lab.thread({
            let flights = flights.clone();
            move || futures_lite::future::block_on(ask(verb, flights, KEY, work))
        });
        begun.recv().unwrap();
        let mut follower = boarded(call(verb, &flights, never()));

        assert!(flights.cancel(KEY));
        // Those aboard are told at once; the work is still being polled.
        assert_eq!(poll_now(follower.as_mut()), std::task::Poll::Ready(Err(coflight::Error::Cancelled)));
        assert!(!flights.contains(KEY));
        let witness = Witness::default();
        let newcomer = boarded(call(verb, &flights, witness.watch(at_once(2))));
        let second = boarded(call(verb, &flights, at_once(3)));
        assert_eq!(witness.begun(), 0, "two works at a time by {verb:?}");

        end.send(()).unwrap();
        assert_eq!(leader.await.returned(), Err(coflight::Error::Cancelled));
        let first = finish(&lab, newcomer).await;
        assert_eq!(first, Ok(2));
        assert_eq!(finish(&lab, second).await, Ok(3));
        assert_eq!(witness.begun(), 1);
        assert!(flights.is_empty());
    }
}

async fn forget_lets_a_newcomer_past_a_cancelled_work(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let (begun, is_begun) = mpsc::channel();
    let (end, is_ended) = mpsc::channel::<()>();
    let leader = lab.thread({
        let flights = flights.clone();
        move || {
            flights.run_blocking(KEY, || {
                begun.send(()).unwrap();
                is_ended.recv().unwrap();
                1
            })
        }
    });
    is_begun.recv().unwrap();
    assert!(flights.cancel(KEY));
    let newcomer = boarded(call(Verb::Run, &flights, at_once(2)));
    // Nothing is in progress that could be forgotten, but the newcomer need not wait any more.
    assert!(!flights.forget(KEY));
    assert_eq!(finish(&lab, newcomer).await, Ok(2));
    end.send(()).unwrap();
    assert_eq!(leader.await.returned(), Err(coflight::Error::Cancelled));
    assert!(flights.is_empty());
}

async fn threads_run_one_closure(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let witness = Witness::default();
    // The flight is known to be shared by all before anybody works.
    let coflight::Entry::Leader(leader) = flights.enter(KEY) else { panic!("somebody else leads") };
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let (flights, witness) = (flights.clone(), witness.clone());
            lab.thread(move || {
                flights.run_blocking(KEY, || {
                    let _sign = witness.sign();
                    9
                })
            })
        })
        .collect();
    let tasks: Vec<_> = (0..8).map(|_| lab.start(call(Verb::Run, &flights, witness.watch(at_once(9))))).collect();
    lab.until(|| leader.callers() == 17).await;
    drop(leader);
    for caller in threads.into_iter().chain(tasks) {
        assert_eq!(caller.await.returned(), Ok(9));
    }
    assert_eq!(witness.begun(), 1);
    assert!(flights.is_empty());
}

/// Callers of all verbs come, leave after a few polls, panic, and cancel, on few keys, while every poll of a work checks that it
/// is the only one for its key.
async fn storms_never_overlap(lab: Lab) {
    const KEYS: usize = 3;
    let flights: Flights<usize> = lab.group();
    let busy: Arc<[AtomicUsize; KEYS]> = Arc::new(std::array::from_fn(|_| AtomicUsize::new(0)));
    let callers: Vec<_> = (0..400)
        .map(|number: usize| {
            let (flights, busy) = (flights.clone(), busy.clone());
            let verb = lab.verbs()[number % lab.verbs().len()];
            lab.start(async move {
                let key = number % KEYS;
                let work = value(move || async move {
                    for step in 0..4 {
                        assert_eq!(busy[key].fetch_add(1, Ordering::SeqCst), 0, "two works at a time");
                        std::thread::yield_now();
                        let one = busy[key].fetch_sub(1, Ordering::SeqCst);
                        assert!(!(number % 17 == 0 && step == 2), "this work panics");
                        assert_eq!(one, 1, "two works at a time");
                        yield_now().await;
                    }
                    key
                });
                let mut call = Box::pin(ask(verb, flights.clone(), key.to_string(), work));
                let patience = if number % 3 == 0 { number % 7 } else { usize::MAX };
                for _ in 0..patience {
                    match poll_once(&mut call).await {
                        Some(Ok(found)) => return assert_eq!(found, key),
                        Some(Err(coflight::Error::Cancelled)) => return,
                        Some(Err(error)) => return assert!(!error.to_string().contains("at a time"), "{error}"),
                        None => yield_now().await,
                    }
                }
                if number % 5 == 0 {
                    flights.cancel(&key.to_string());
                }
            })
        })
        .collect();
    for caller in callers {
        if let Ended::Panicked(payload) = caller.await {
            assert_eq!(payload.downcast_ref::<&str>(), Some(&"this work panics"));
        }
    }
    lab.until(|| flights.is_empty()).await;
}
