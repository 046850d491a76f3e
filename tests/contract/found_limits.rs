//! As `found.rs`: bugs that were found in limits, windows and accounts, each by the name of what went wrong.

use std::future::pending;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use coflight::{Builder, Clock, Error, Group, Spawn, Timer, blocking};
use coflight_tests::*;

const SECOND: Duration = Duration::from_secs(1);

type Tasks = Vec<Pin<Box<dyn Future<Output = ()> + Send>>>;

/// Polls its tasks when told to, can be shut down, and keeps the test's time.
#[derive(Clone, Default)]
struct Doomed {
    tasks: Arc<Mutex<Tasks>>,
    time: VirtualTime,
}

impl Spawn for Doomed {
    fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.lock().unwrap().push(Box::pin(task));
    }
}

impl Timer for Doomed {
    type Sleep = VirtualSleep;

    fn sleep(&self, duration: Duration) -> VirtualSleep {
        self.time.sleep(duration)
    }
}

impl Clock for Doomed {
    fn now(&self) -> Duration {
        self.time.now()
    }
}

impl Doomed {
    fn poll_all(&self) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap());
        tasks.retain_mut(|task| poll_now(task.as_mut()).is_pending());
        self.tasks.lock().unwrap().extend(tasks);
    }

    fn shut_down(&self) {
        drop(std::mem::take(&mut *self.tasks.lock().unwrap()));
    }
}

fn doomed() -> (Builder<u32, u32, Doomed>, Doomed) {
    let runtime = Doomed::default();
    (Group::builder().runtime(runtime.clone()), runtime)
}

/// Waits for a call that was polled before, so that it must be woken.
fn within_the_deadline(call: Pin<Box<impl Future<Output = Result<u32, Error>>>>) -> Result<u32, Error> {
    let limit = blocking::wait_timeout(call, 10 * SECOND);
    limit.expect("the caller was never told")
}

/// Promise 6: a detached work beside a slow leader's outlived its caller, and its place outlived it.
#[test]
fn nobody_could_overtake_any_more_once_the_task_of_an_overtaker_was_dropped() {
    let (builder, runtime) = doomed();
    let flights = builder.overtake_after(SECOND).detach(true).build();
    let _parked = boarded(flights.run(&1, pending));
    let mut overtaker = boarded(flights.spawn(&1, pending));
    let waiting = boarded(flights.run(&1, || async { 2 }));
    runtime.time.advance(SECOND);
    assert!(poll_now(overtaker.as_mut()).is_pending());
    runtime.poll_all();
    drop(overtaker);
    assert_eq!(flights.stats().overtakes, 1);
    runtime.shut_down();
    assert_eq!(within_the_deadline(waiting), Ok(2));
}

/// Promise 8: the same, of an overtaker who is not polled any more.
#[test]
fn a_parked_overtaker_whose_task_was_dropped_held_up_the_others() {
    let (builder, runtime) = doomed();
    let flights = builder.overtake_after(SECOND).build();
    let _parked = boarded(flights.run(&1, pending));
    let mut overtaker = boarded(flights.spawn(&1, pending));
    let waiting = boarded(flights.run(&1, || async { 2 }));
    runtime.time.advance(SECOND);
    assert!(poll_now(overtaker.as_mut()).is_pending());
    runtime.poll_all();
    runtime.shut_down();
    assert_eq!(within_the_deadline(waiting), Ok(2));
    assert_eq!(within_the_deadline(overtaker), Ok(2));
}
