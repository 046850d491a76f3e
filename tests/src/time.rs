//! Time that stands still until a test moves it, on every runtime.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A clock, and timers that follow it.
#[derive(Clone, Default)]
pub struct VirtualTime(Arc<Mutex<Times>>);

#[derive(Default)]
struct Times {
    now: Duration,
    made: u64,
    /// Timers that were polled and have not rung, by when they will.
    waiting: BTreeMap<(Duration, u64), Waker>,
}

impl VirtualTime {
    /// Time zero.
    pub fn new() -> Self {
        Self::default()
    }

    /// The time.
    pub fn now(&self) -> Duration {
        self.0.lock().unwrap().now
    }

    /// Moves the time forward and rings every timer that is due.
    pub fn advance(&self, by: Duration) {
        let due = {
            let mut times = self.0.lock().unwrap();
            times.now += by;
            let after = (times.now + Duration::from_nanos(1), 0);
            let later = times.waiting.split_off(&after);
            std::mem::replace(&mut times.waiting, later)
        };
        due.into_values().for_each(Waker::wake);
    }

    /// How many timers wait to ring.
    pub fn timers(&self) -> usize {
        self.0.lock().unwrap().waiting.len()
    }

    /// When the next one will ring, if that is within this time.
    pub fn next_within(&self, time: Duration) -> Option<Duration> {
        let times = self.0.lock().unwrap();
        let ((next, _), _) = times.waiting.first_key_value()?;
        let left = next.saturating_sub(times.now);
        (left <= time).then_some(left)
    }

    /// A timer.
    pub fn sleep(&self, duration: Duration) -> VirtualSleep {
        let mut times = self.0.lock().unwrap();
        times.made += 1;
        VirtualSleep { time: self.clone(), place: (times.now.saturating_add(duration), times.made) }
    }
}

/// The future of a [`VirtualTime`]'s timer.
pub struct VirtualSleep {
    time: VirtualTime,
    place: (Duration, u64),
}

impl Future for VirtualSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut times = self.time.0.lock().unwrap();
        if times.now >= self.place.0 {
            return Poll::Ready(());
        }
        let replaced = times.waiting.insert(self.place, cx.waker().clone());
        drop(times);
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for VirtualSleep {
    fn drop(&mut self) {
        let removed = self.time.0.lock().unwrap().waiting.remove(&self.place);
        drop(removed);
    }
}
