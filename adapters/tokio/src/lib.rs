#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

use std::time::Duration;

use coflight_core::{Clock, Spawn, Timer};
use tokio::runtime::{Handle, TryCurrentError};
use tokio::time::Instant;

/// A tokio runtime, multi-thread or current-thread, for [`Builder::runtime`](coflight_core::Builder::runtime).
///
/// It is a handle: it neither keeps the runtime alive nor needs to be used inside it, so callers may be threads, or tasks of other
/// runtimes. The runtime must have its time driver enabled for timers, as `#[tokio::main]` does.
#[derive(Clone, Debug)]
pub struct Tokio {
    handle: Handle,
    /// Where this runtime's clock starts.
    origin: Instant,
}

impl Tokio {
    /// The runtime this is called in.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime. See [`try_current`](Self::try_current) and [`new`](Self::new).
    #[must_use]
    #[track_caller]
    pub fn current() -> Self {
        Self::new(Handle::current())
    }

    /// The runtime this is called in, if any.
    ///
    /// # Errors
    ///
    /// Outside a tokio runtime.
    pub fn try_current() -> Result<Self, TryCurrentError> {
        Handle::try_current().map(Self::new)
    }

    /// The runtime behind `handle`.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        let origin = within(&handle, Instant::now);
        Self { handle, origin }
    }
}

impl Spawn for Tokio {
    fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.handle.spawn(task);
    }
}

impl Timer for Tokio {
    type Sleep = tokio::time::Sleep;

    /// # Panics
    ///
    /// If the runtime was built without its time driver.
    fn sleep(&self, duration: Duration) -> Self::Sleep {
        within(&self.handle, || tokio::time::sleep(duration))
    }
}

impl Clock for Tokio {
    /// tokio's own time, so that it stands still while that is paused.
    fn now(&self) -> Duration {
        within(&self.handle, || self.origin.elapsed())
    }
}

/// Paused time and timers belong to a runtime, and are found through the thread's context.
fn within<T>(handle: &Handle, call: impl FnOnce() -> T) -> T {
    let _context = handle.enter();
    call()
}
