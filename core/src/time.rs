//! Time, for what was given a limit: a runtime's clock and timers, without the runtime's type.
//!
//! A group that has no limit never comes here. One that has pays a box for each caller that waits under it.

use alloc::boxed::Box;
use core::future::Future;
use core::pin::Pin;
use core::task::Context;
use core::time::Duration;

use crate::panics;
use crate::runtime::{Clock, Timed};
use crate::sync::Arc;

/// A runtime, as far as time goes.
pub(crate) trait Time: Send + Sync {
    fn now(&self) -> Duration;
    fn sleep(&self, duration: Duration) -> Sleep;
}

impl<R: Timed> Time for R {
    fn now(&self) -> Duration {
        Clock::now(self)
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep(Box::pin(crate::runtime::Timer::sleep(self, duration)))
    }
}

/// The time of `runtime`.
pub(crate) fn of<R: Timed>(runtime: &R) -> Arc<dyn Time> {
    let boxed: Box<dyn Time> = Box::new(runtime.clone());
    Arc::from(boxed)
}

/// The time, for where a clock that panics must not take anybody along.
pub(crate) fn read(time: &dyn Time) -> Option<Duration> {
    let mut now = None;
    panics::contain(|| now = Some(time.now()));
    now
}

/// Some runtime's timer.
pub(crate) struct Sleep(Pin<Box<dyn Future<Output = ()> + Send>>);

// SAFETY: what is inside is only reached through `&mut Sleep`, in `Alarm::rang`, so a shared reference can do nothing with it.
unsafe impl Sync for Sleep {}

/// Rings at a moment of a clock.
#[derive(Default)]
pub(crate) struct Alarm {
    at: Duration,
    sleep: Option<Sleep>,
    /// The timer panicked, and is done without.
    broken: bool,
}

impl Alarm {
    /// Whether the clock has come to `at`; if not, the task of `cx` is woken then.
    ///
    /// If the timer panics, as those of some runtimes do once that is shut down, the clock alone decides from then on, whenever something
    /// else wakes the task.
    pub(crate) fn rang(&mut self, time: &dyn Time, at: Duration, cx: &mut Context<'_>) -> bool {
        let mut polled = None;
        if !self.broken {
            panics::contain(|| polled = Some(self.poll(time, at, cx)));
        }
        let rang = polled.unwrap_or_else(|| {
            self.broken = true;
            time.now() >= at
        });
        if rang || self.broken {
            self.silence();
        }
        rang
    }

    /// Whether its timer panicked, so that nothing will wake anybody.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    fn poll(&mut self, time: &dyn Time, at: Duration, cx: &mut Context<'_>) -> bool {
        loop {
            let Some(left) = at.checked_sub(time.now()).filter(|left| !left.is_zero()) else {
                return true;
            };
            if self.at != at {
                self.silence();
            }
            let sleep = self.sleep.get_or_insert_with(|| {
                self.at = at;
                time.sleep(left)
            });
            if sleep.0.as_mut().poll(cx).is_pending() {
                return false;
            }
            // Some timers ring a little early.
            self.silence();
        }
    }

    fn silence(&mut self) {
        let sleep = self.sleep.take();
        panics::contain(|| drop(sleep));
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.silence();
    }
}
