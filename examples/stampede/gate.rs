//! The gate that all callers wait at, tasks and threads, so that they ask at the same moment.

use std::future::poll_fn;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Instant;

#[derive(Default)]
pub struct Gate {
    state: Mutex<State>,
    arrival: Condvar,
    opening: Condvar,
}

#[derive(Default)]
struct State {
    waiting: usize,
    tasks: Vec<Waker>,
    opened: Option<Instant>,
}

impl Gate {
    /// Opens once `callers` wait, and not before.
    pub fn open_for(&self, callers: usize) {
        let mut state = self.lock();
        while state.waiting < callers {
            state = self.arrival.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let tasks = std::mem::take(&mut state.tasks);
        state.opened = Some(Instant::now());
        drop(state);
        self.opening.notify_all();
        tasks.into_iter().for_each(Waker::wake);
    }

    /// Waits, as a task. Returns when it was opened.
    pub async fn pass(&self) -> Instant {
        let mut counted = false;
        poll_fn(|cx| {
            let mut state = self.lock();
            if let Some(opened) = state.opened {
                return Poll::Ready(opened);
            }
            state.tasks.push(cx.waker().clone());
            if !counted {
                counted = true;
                self.arrived(&mut state);
            }
            Poll::Pending
        })
        .await
    }

    /// Waits, as a thread. Returns when it was opened.
    pub fn pass_blocking(&self) -> Instant {
        let mut state = self.lock();
        self.arrived(&mut state);
        loop {
            match state.opened {
                Some(opened) => return opened,
                None => state = self.opening.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn arrived(&self, state: &mut State) {
        state.waiting += 1;
        self.arrival.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
