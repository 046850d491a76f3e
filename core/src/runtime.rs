//! What an adapter supplies: a timer, a clock, a way to spawn.
//!
//! Each trait has one method, so that an adapter for another executor is a page of code. The example
//! `own_executor` in the repository is one, complete.

use core::future::Future;
use core::time::Duration;

/// Waits for a time.
pub trait Timer {
    /// The future that [`sleep`](Self::sleep) returns.
    type Sleep: Future<Output = ()> + Send + 'static;

    /// A future that is ready once `duration` has passed on this runtime's [`Clock`], counted from this call. Dropping it
    /// before leaves nothing behind.
    fn sleep(&self, duration: Duration) -> Self::Sleep;
}

/// Tells the time.
pub trait Clock {
    /// The time since a moment that stays the same for the life of this runtime. It never goes back. It follows the same
    /// time as [`Timer`], so that where the runtime's time can be paused, both are.
    fn now(&self) -> Duration;
}

/// What a limit needs of a runtime: timers and a clock. Implemented for whatever has them.
#[diagnostic::on_unimplemented(
    message = "this group has no runtime to keep time for it",
    label = "a limit or a window needs a group with a runtime",
    note = "build the group with `Group::builder().runtime(…)`, before the limits, or with `Group::with_runtime(…)`"
)]
pub trait Timed: Timer + Clock + Clone + Send + Sync + 'static {}

impl<R: Timer + Clock + Clone + Send + Sync + 'static> Timed for R {}

/// Runs tasks.
#[diagnostic::on_unimplemented(
    message = "this group has no runtime to spawn on",
    label = "`spawn` needs a group with a runtime",
    note = "build the group with `Group::builder().runtime(…)` or `Group::with_runtime(…)`, or use `run` or `relay`, which need none"
)]
pub trait Spawn {
    /// Starts `task`, to be polled until it is finished. A runtime that is shut down, or cannot take the task, drops it; that is
    /// how coflight learns of it. Must not wait for the task.
    ///
    /// A runtime that is shut down must drop its tasks then, as all those with an adapter here do. If it leaves them to whoever
    /// drops their last waker, a task that follows a flight can be dropped inside its own waker's `wake`, or when that waker is
    /// replaced. event-listener does both with its list locked, and that thread would wait for itself.
    fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static;
}

/// All that an adapter supplies. Implemented for whatever has the parts.
#[diagnostic::on_unimplemented(
    message = "this group has no runtime with timers, a clock, and a way to spawn",
    label = "a result can linger only in a group with a runtime",
    note = "build the group with `Group::builder().runtime(…)`, before its windows, or with `Group::with_runtime(…)`"
)]
pub trait Runtime: Timer + Clock + Spawn + Clone + Send + Sync + 'static {}

impl<R: Timer + Clock + Spawn + Clone + Send + Sync + 'static> Runtime for R {}

/// The runtime of a group that was given none: every verb but `spawn` works, everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoRuntime;
