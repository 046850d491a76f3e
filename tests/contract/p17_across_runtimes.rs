//! Promise 17: callers of any runtimes and threads share one flight; if the runtime that led is shut down, the others take over.
//! These tests need tokio runtimes of their own to shut down, so they run once each, not in the matrix.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use coflight::{Error, Group, Tokio};
use coflight_tests::*;
use futures_lite::future::block_on;

use crate::common::*;

matrix!(everyone_shares_one_flight);

/// Whatever the column: callers of four runtimes and plain threads on one key.
async fn everyone_shares_one_flight(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (witness, gate, all) = (Witness::default(), Gate::new(), Latch::new(8));
        let tokio = tokio::runtime::Runtime::new().unwrap();
        let mut callers = vec![lab.start(asked(call(verb, &flights, witness.watch(behind(&gate, 1))), &all))];
        lab.until(|| witness.begun() == 1).await;
        let mut start = |place: &dyn Fn(Call<u32>) -> Task<Result<u32, Error>>| {
            callers.push(place(Box::pin(asked(call(verb, &flights, never()), &all))));
        };
        for _ in 0..2 {
            start(&|call| lab.start(call));
            start(&|call| lab.thread(|| block_on(call)));
        }
        let (told, is_told) = std::sync::mpsc::channel();
        let place = |spawn: &dyn Fn(std::pin::Pin<Box<dyn Future<Output = ()> + Send>>)| {
            let (told, call) = (told.clone(), asked(call(verb, &flights, never()), &all));
            spawn(Box::pin(async move { told.send(call.await).unwrap() }));
        };
        place(&|task| drop(tokio.spawn(task)));
        place(&|task| smol::spawn(task).detach());
        place(&|task| drop(async_std::task::spawn(task)));
        all.wait().await;
        gate.open();
        for caller in callers {
            assert_eq!(caller.await.returned(), Ok(1), "{verb:?}");
        }
        for _ in 0..3 {
            let mut result = None;
            lab.until(|| {
                result = is_told.try_recv().ok();
                result.is_some()
            })
            .await;
            assert_eq!(result, Some(Ok(1)), "{verb:?}");
        }
        assert_eq!(witness.begun(), 1);
        tokio.shutdown_background();
    }
}

/// A runtime, and a group that spawns on it.
fn doomed<V>() -> (tokio::runtime::Runtime, Flights<V>) {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let flights = Group::with_runtime(AnyRuntime::Tokio(Tokio::new(tokio.handle().clone())));
    (tokio, flights)
}

#[test]
fn a_runtime_shut_down_while_it_leads() {
    for verb in [Verb::Run, Verb::Relay, Verb::Enter] {
        with_deadline("a runtime shut down while it leads", move || {
            let (tokio, flights) = doomed();
            let (gate, led) = (Gate::new(), Witness::default());
            tokio.spawn(call(verb, &flights, led.watch(behind(&gate, 1))));
            while led.begun() == 0 {
                std::thread::yield_now();
            }
            let all = Latch::new(2);
            let on_smol = smol::spawn(asked(call(verb, &flights, at_once(2)), &all));
            let on_async_std = async_std::task::spawn(asked(call(verb, &flights, at_once(2)), &all));
            block_on(all.wait());
            let thread = std::thread::spawn({
                let flights = flights.clone();
                move || flights.run_blocking(KEY, || 2)
            });
            drop(tokio);
            gate.open();
            // By relay the same work goes on; else a follower's own is run, once.
            let expected = if verb == Verb::Relay { 1 } else { 2 };
            assert_eq!(block_on(on_smol), Ok(expected), "{verb:?}");
            assert_eq!(block_on(on_async_std), Ok(expected), "{verb:?}");
            // It may have come too late for that flight.
            assert!([Ok(expected), Ok(2)].contains(&thread.join().unwrap()), "{verb:?}");
            assert!(flights.is_empty());
        });
    }
}

#[test]
fn a_runtime_shut_down_while_it_runs_a_spawned_work() {
    with_deadline("a runtime shut down while it runs a spawned work", || {
        let (tokio, flights) = doomed::<u32>();
        let witness = Witness::default();
        let leader = boarded(call(Verb::Spawn, &flights, witness.watch(endless())));
        while witness.begun() == 0 {
            std::thread::yield_now();
        }
        // The task has been polled once it is idle; only then is its work bound to the runtime.
        tokio.block_on(async { tokio::spawn(async {}).await.unwrap() });
        let follower = boarded(call(Verb::Run, &flights, at_once(2)));
        drop(tokio);
        assert_eq!(witness.gone(), 1, "the runtime drops its works");
        assert_eq!(block_on(leader), Err(Error::Shutdown));
        assert_eq!(block_on(follower), Ok(2));
        assert!(flights.is_empty());
    });
}

#[test]
fn a_runtime_that_is_shut_down_already() {
    with_deadline("a runtime that is shut down already", || {
        let (tokio, flights) = doomed::<u32>();
        drop(tokio);
        let runs = Arc::new(AtomicUsize::new(0));
        let work = || {
            let runs = runs.clone();
            value(move || async move {
                yield_now().await;
                runs.fetch_add(1, Ordering::SeqCst);
                3
            })
        };
        // The callers run the work themselves.
        assert_eq!(block_on(call(Verb::Spawn, &flights, work())), Ok(3));
        let gate = Gate::new();
        let leader = boarded(call(Verb::Spawn, &flights, behind(&gate, 4)));
        let follower = boarded(call(Verb::Spawn, &flights, never()));
        drop(leader);
        gate.open();
        assert_eq!(block_on(follower), Ok(4));
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        drop(boarded(flights.call().detach(true).spawn(KEY, std::future::pending)));
        assert!(flights.is_empty());
    });
}
