//! A runtime whose time and tasks are moved by the model.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use coflight_core::{Clock, Spawn, Timer};
use loom::sync::Mutex;

/// One moment.
pub const TICK: Duration = Duration::from_secs(1);

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

#[derive(Clone)]
pub struct Virtual(Arc<Mutex<State>>);

struct State {
    now: Duration,
    ended: bool,
    /// Wakers of timers, by when they ring. One that was dropped stays here; being woken for nothing is allowed.
    timers: Vec<(Duration, Waker)>,
    tasks: Vec<Task>,
}

impl Virtual {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(State { now: Duration::ZERO, ended: false, timers: Vec::new(), tasks: Vec::new() })))
    }

    /// One tick passes.
    pub fn tick(&self) {
        let due: Vec<_> = {
            let mut state = self.0.lock().unwrap();
            state.now += TICK;
            let now = state.now;
            let (due, later) = std::mem::take(&mut state.timers).into_iter().partition(|(at, _)| *at <= now);
            state.timers = later;
            due
        };
        due.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// The task that was spawned last.
    pub fn task(&self) -> Option<Task> {
        self.0.lock().unwrap().tasks.pop()
    }

    /// From now on it is late: every timer rings at once.
    pub fn end(&self) {
        let due = {
            let mut state = self.0.lock().unwrap();
            state.now += TICK * 1000;
            state.ended = true;
            std::mem::take(&mut state.timers)
        };
        due.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

impl Clock for Virtual {
    fn now(&self) -> Duration {
        self.0.lock().unwrap().now
    }
}

impl Timer for Virtual {
    type Sleep = Sleep;

    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep { runtime: self.clone(), at: Clock::now(self) + duration }
    }
}

impl Spawn for Virtual {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
        self.0.lock().unwrap().tasks.push(Box::pin(task));
    }
}

pub struct Sleep {
    runtime: Virtual,
    at: Duration,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.runtime.0.lock().unwrap();
        if state.ended || state.now >= self.at {
            return Poll::Ready(());
        }
        let replaced: Vec<_> = {
            let (mine, others) =
                std::mem::take(&mut state.timers).into_iter().partition(|(_, waker)| waker.will_wake(cx.waker()));
            state.timers = others;
            state.timers.push((self.at, cx.waker().clone()));
            mine
        };
        drop(state);
        drop(replaced);
        Poll::Pending
    }
}
