//! Promise 17: callers of any runtimes and threads share one flight; if the runtime that led is shut down, the others take over.
//! These tests need runtimes of their own to shut down, so they run once each, not in the matrix.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use coflight::{Error, Group, Smol, Tokio};
use coflight_tests::*;
use futures_lite::future::block_on;
use tokio::runtime::Builder;

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

/// A runtime that one thread drives, until it is told to shut it down.
struct Doomed {
    spawn: Box<dyn Fn(Anything)>,
    end: Gate,
    driver: JoinHandle<()>,
}

type Anything = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Doomed {
    /// Of each kind that can be shut down, and a group that spawns on it.
    fn all<V>() -> [(Self, Flights<V>); 3] {
        let mut multi = Builder::new_multi_thread();
        multi.worker_threads(1);
        [Self::tokio(multi), Self::tokio(Builder::new_current_thread()), Self::smol()]
    }

    fn tokio<V>(mut builder: Builder) -> (Self, Flights<V>) {
        let runtime = builder.enable_all().build().unwrap();
        let handle = runtime.handle().clone();
        let flights = Group::with_runtime(AnyRuntime::Tokio(Tokio::new(handle.clone())));
        let spawn = move |task: Anything| drop(handle.spawn(task));
        (Self::driven(spawn, move |told| runtime.block_on(told.wait())), flights)
    }

    fn smol<V>() -> (Self, Flights<V>) {
        let executor = Arc::new(smol::Executor::new());
        let flights = Group::with_runtime(AnyRuntime::Smol(Smol::new(&executor)));
        let weak = Arc::downgrade(&executor);
        let spawn = move |task: Anything| weak.upgrade().expect("it is not shut down").spawn(task).detach();
        (Self::driven(spawn, move |told| block_on(executor.run(told.wait()))), flights)
    }

    fn driven(spawn: impl Fn(Anything) + 'static, drive: impl FnOnce(Gate) + Send + 'static) -> Self {
        let end = Gate::new();
        let told = end.clone();
        Self { spawn: Box::new(spawn), end, driver: thread::spawn(move || drive(told)) }
    }

    fn spawn(&self, task: impl Future<Output: Send> + Send + 'static) {
        (self.spawn)(Box::pin(async move { drop(task.await) }));
    }

    fn shut_down(self) {
        self.end.open();
        self.driver.join().unwrap();
    }
}

#[test]
fn a_runtime_shut_down_while_it_leads() {
    for verb in [Verb::Run, Verb::Relay, Verb::Enter] {
        with_deadline("a runtime shut down while it leads", move || {
            for (runtime, flights) in Doomed::all() {
                let (gate, led) = (Gate::new(), Witness::default());
                runtime.spawn(call(verb, &flights, led.watch(behind(&gate, 1))));
                while led.begun() == 0 {
                    thread::yield_now();
                }
                let all = Latch::new(2);
                let on_smol = smol::spawn(asked(call(verb, &flights, at_once(2)), &all));
                let on_async_std = async_std::task::spawn(asked(call(verb, &flights, at_once(2)), &all));
                block_on(all.wait());
                let thread = thread::spawn({
                    let flights = flights.clone();
                    move || flights.run_blocking(KEY, || 2)
                });
                runtime.shut_down();
                gate.open();
                // By relay the same work goes on; else a follower's own is run, once.
                let expected = if verb == Verb::Relay { 1 } else { 2 };
                assert_eq!(block_on(on_smol), Ok(expected), "{verb:?}");
                assert_eq!(block_on(on_async_std), Ok(expected), "{verb:?}");
                // It may have come too late for that flight.
                assert!([Ok(expected), Ok(2)].contains(&thread.join().unwrap()), "{verb:?}");
                assert!(flights.is_empty());
            }
        });
    }
}

#[test]
fn a_runtime_shut_down_while_it_runs_a_spawned_work() {
    with_deadline("a runtime shut down while it runs a spawned work", || {
        for (runtime, flights) in Doomed::all::<u32>() {
            let witness = Witness::default();
            let leader = boarded(call(Verb::Spawn, &flights, witness.watch(endless())));
            while witness.begun() == 0 {
                thread::yield_now();
            }
            // The task has been polled once another has; only then is its work bound to the runtime.
            let polled = Gate::new();
            let opened = polled.clone();
            runtime.spawn(async move { opened.open() });
            block_on(polled.wait());
            let follower = boarded(call(Verb::Run, &flights, at_once(2)));
            runtime.shut_down();
            assert_eq!(witness.gone(), 1, "the runtime drops its works");
            assert_eq!(block_on(leader), Err(Error::Shutdown));
            assert_eq!(block_on(follower), Ok(2));
            assert!(flights.is_empty());
        }
    });
}

#[test]
fn a_runtime_that_is_shut_down_already() {
    with_deadline("a runtime that is shut down already", || {
        for (runtime, flights) in Doomed::all::<u32>() {
            runtime.shut_down();
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
        }
    });
}

/// Promise 3: works that nobody runs any more, and results that linger, keep neither the executor nor the group.
#[test]
fn an_executor_that_nobody_drives_any_more() {
    with_deadline("an executor that nobody drives any more", || {
        let executor = Arc::new(smol::Executor::new());
        let flights: Flights<u32> =
            Group::builder().runtime(AnyRuntime::Smol(Smol::new(&executor))).linger(Duration::from_secs(3600)).build();
        assert_eq!(block_on(executor.run(call(Verb::Spawn, &flights, at_once(1)))), Ok(1));
        let witness = Witness::default();
        block_on(executor.run(async {
            let detached = flights.call().detach(true).spawn("another", witness.watch(endless()));
            assert!(poll_once(detached).await.is_none());
            while witness.begun() == 0 {
                yield_now().await;
            }
        }));
        let alive = Arc::downgrade(&executor);
        drop((flights, executor));
        assert_eq!(alive.strong_count(), 0);
        assert_eq!((witness.begun(), witness.gone()), (1, 1));
    });
}
