//! Promise 9: timers and wakers that panic, when used or dropped, are nobody's business but their own.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use coflight::{Clock, Group, Spawn, Timer};
use coflight_tests::*;
use futures_lite::future::block_on;

const HOUR: Duration = Duration::from_secs(3600);

/// What a timer does.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    PanicsWhenPolled,
    PanicsWhenDropped,
}

type Tasks = Vec<Pin<Box<dyn Future<Output = ()> + Send>>>;

/// A runtime whose clock stands still and whose timers have a fault.
#[derive(Clone)]
struct Faulty {
    fault: Fault,
    timers: Arc<AtomicUsize>,
    tasks: Arc<Mutex<Tasks>>,
}

struct Sleep(Fault);

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        assert!(self.0 != Fault::PanicsWhenPolled, "no timers here");
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        assert!(self.0 != Fault::PanicsWhenDropped, "no end to this");
    }
}

impl Timer for Faulty {
    type Sleep = Sleep;

    fn sleep(&self, _: Duration) -> Sleep {
        self.timers.fetch_add(1, Ordering::SeqCst);
        Sleep(self.fault)
    }
}

impl Clock for Faulty {
    fn now(&self) -> Duration {
        Duration::ZERO
    }
}

impl Spawn for Faulty {
    fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.lock().unwrap().push(Box::pin(task));
    }
}

fn faulty(fault: Fault) -> Faulty {
    Faulty { fault, timers: Arc::default(), tasks: Arc::default() }
}

fn group(runtime: &Faulty) -> Group<u32, u32, Faulty> {
    Group::builder().runtime(runtime.clone()).timeout(HOUR).build()
}

#[test]
fn a_timer_that_panics_does_not_ring() {
    let flights = group(&faulty(Fault::PanicsWhenPolled));
    let leader = boarded(flights.run(&1, std::future::pending));
    let follower = boarded(flights.run(&1, || async { 2 }));
    drop(leader);
    assert_eq!(block_on(follower), Ok(2));
}

#[test]
fn a_timer_that_panics_when_dropped() {
    let flights = group(&faulty(Fault::PanicsWhenDropped));
    let leader = boarded(flights.run(&1, std::future::pending));
    let follower = boarded(flights.run(&1, || async { 2 }));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(leader))).is_ok());
    assert_eq!(block_on(follower), Ok(2));
    assert!(flights.is_empty());
}

#[test]
fn a_caller_has_one_timer_however_often_it_is_polled() {
    let runtime = faulty(Fault::None);
    let flights = group(&runtime);
    let leader = boarded(flights.run(&1, std::future::pending));
    let mut follower = boarded(flights.run(&1, || async { 2 }));
    for _ in 0..3 {
        assert!(poll_now(follower.as_mut()).is_pending());
    }
    assert_eq!(runtime.timers.load(Ordering::SeqCst), 2);
    drop((leader, follower));
}

/// Rather than for ever, nothing lingers.
#[test]
fn a_result_does_not_linger_without_a_timer() {
    let runtime = faulty(Fault::PanicsWhenPolled);
    let flights: Group<u32, u32, Faulty> = Group::builder().runtime(runtime.clone()).linger(HOUR).build();
    assert_eq!(block_on(flights.run(&1, || async { 1 })), Ok(1));
    let mut sweeper = runtime.tasks.lock().unwrap().pop().expect("something lingers");
    assert!(poll_now(sweeper.as_mut()).is_ready());
    assert_eq!(block_on(flights.run(&1, || async { 2 })), Ok(2));
}

/// Panics when its last owner drops it.
struct Explosive;

impl Wake for Explosive {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Explosive {
    fn drop(&mut self) {
        panic!("the last owner of a task");
    }
}

#[test]
fn a_waker_that_panics_when_dropped() {
    let flights: Group<u32, u32> = Group::new();
    let mut leader = Box::pin(flights.run(&1, std::future::pending));
    let waker = Waker::from(Arc::new(Explosive));
    assert!(leader.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    let follower = boarded(flights.run(&1, || async { 2 }));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(leader))).is_ok());
    assert_eq!(block_on(follower), Ok(2));
    assert!(flights.is_empty());
}
