//! What an adapter supplies: a timer, a clock, a way to spawn.
//!
//! Each trait has one method, so that an adapter for another executor is a page of code. The example
//! `own_executor` in the repository is one, complete.

use core::future::Future;
use core::time::Duration;

/// Waits for a time.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use std::future::{Future, poll_fn};
/// use std::pin::Pin;
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
/// use std::task::Poll;
/// use std::time::Duration;
/// use coflight::{Clock, Timer};
///
/// /// Time of a test, which moves it by hand, and then polls again.
/// #[derive(Clone, Default)]
/// struct Paused(Arc<AtomicU64>);
///
/// # impl Clock for Paused {
/// #     fn now(&self) -> Duration {
/// #         Duration::from_secs(self.0.load(Ordering::Relaxed))
/// #     }
/// # }
/// impl Timer for Paused {
///     type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;
///
///     fn sleep(&self, duration: Duration) -> Self::Sleep {
///         let (clock, due) = (self.clone(), self.now() + duration);
///         Box::pin(poll_fn(move |_| if clock.now() < due { Poll::Pending } else { Poll::Ready(()) }))
///     }
/// }
///
/// let time = Paused::default();
/// let mut sleep = time.sleep(Duration::from_secs(5));
/// assert!(futures_lite::future::poll_once(&mut sleep).await.is_none());
/// time.0.fetch_add(5, Ordering::Relaxed);
/// sleep.await;
/// # });
/// ```
pub trait Timer {
    /// The future that [`sleep`](Self::sleep) returns.
    type Sleep: Future<Output = ()> + Send + 'static;

    /// A future that is ready once `duration` has passed on this runtime's [`Clock`], counted from this call. Dropping it
    /// before leaves nothing behind.
    fn sleep(&self, duration: Duration) -> Self::Sleep;
}

/// Tells the time.
///
/// ```
/// use std::time::{Duration, Instant};
/// use coflight::Clock;
///
/// struct System {
///     origin: Instant,
/// }
///
/// impl Clock for System {
///     fn now(&self) -> Duration {
///         self.origin.elapsed()
///     }
/// }
///
/// let system = System { origin: Instant::now() };
/// let before = system.now();
/// assert!(before <= system.now());
/// ```
pub trait Clock {
    /// The time since a moment that stays the same for the life of this runtime. It never goes back. It follows the same
    /// time as [`Timer`], so that where the runtime's time can be paused, both are.
    fn now(&self) -> Duration;
}

/// What a limit needs of a runtime: timers and a clock. Implemented for whatever has them.
///
/// A function that makes groups asks for it. Here with a runtime whose time stands still until the test moves it:
///
/// ```
/// # futures_lite::future::block_on(async {
/// use std::time::Duration;
/// use coflight::{Error, Group, Timed};
/// use futures_lite::future::{pending, poll_once};
/// # use std::{future::{Future, poll_fn}, pin::Pin, sync::{Arc, atomic::{AtomicU64, Ordering}}, task::Poll};
/// # #[derive(Clone, Default)]
/// # struct Paused(Arc<AtomicU64>);
/// # impl Paused {
/// #     fn advance(&self, time: Duration) {
/// #         self.0.fetch_add(time.as_secs(), Ordering::Relaxed);
/// #     }
/// # }
/// # impl coflight::Clock for Paused {
/// #     fn now(&self) -> Duration {
/// #         Duration::from_secs(self.0.load(Ordering::Relaxed))
/// #     }
/// # }
/// # impl coflight::Timer for Paused {
/// #     type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;
/// #     fn sleep(&self, time: Duration) -> Self::Sleep {
/// #         let (clock, due) = (self.clone(), coflight::Clock::now(self) + time);
/// #         Box::pin(poll_fn(move |_| if coflight::Clock::now(&clock) < due { Poll::Pending } else { Poll::Ready(()) }))
/// #     }
/// # }
///
/// /// Whatever the runtime is, nobody waits longer than five seconds.
/// fn limited<R: Timed>(runtime: R) -> Group<u64, u64, R> {
///     Group::builder().runtime(runtime).timeout(Duration::from_secs(5)).build()
/// }
///
/// let runtime = Paused::default();
/// let flights = limited(runtime.clone());
/// let mut call = Box::pin(flights.run(&6, || pending()));
/// assert!(poll_once(&mut call).await.is_none());
///
/// runtime.advance(Duration::from_secs(5));
/// assert_eq!(call.await, Err(Error::TimedOut));
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` keeps no time for this group",
    label = "a limit or a window needs a group with a runtime",
    note = "build the group with `Group::builder().runtime(…)`, before the limits, or with `Group::with_runtime(…)`",
    note = "in generic code: `R: coflight::Runtime`"
)]
pub trait Timed: Timer + Clock + Clone + Send + Sync + 'static {}

// Else each part that is missing is an error of its own.
#[diagnostic::do_not_recommend]
impl<R: Timer + Clock + Clone + Send + Sync + 'static> Timed for R {}

/// Runs tasks.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use std::thread;
/// use coflight::{Group, Spawn};
/// use futures_lite::future;
///
/// /// A thread for each task.
/// struct Threads;
///
/// impl Spawn for Threads {
///     fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
///         // A task whose thread does not start is dropped, which is enough.
///         drop(thread::Builder::new().spawn(|| future::block_on(task)));
///     }
/// }
///
/// let flights: Group<u64, u64, Threads> = Group::with_runtime(Threads);
/// assert_eq!(flights.spawn(&6, || async { 42 }).await, Ok(42));
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot run tasks for this group",
    label = "`spawn` needs a group with a runtime",
    note = "build the group with `Group::builder().runtime(…)` or `Group::with_runtime(…)`, or use `run` or `relay`, which need none",
    note = "the handle of a runtime is not one yet: `Tokio::new(handle)`, `Smol::new(&executor)`; in generic code: `R: coflight::Runtime`"
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
///
/// A function that makes groups asks for it. Here with a runtime whose time stands still until the test moves it:
///
/// ```
/// # futures_lite::future::block_on(async {
/// use std::time::Duration;
/// use coflight::{Group, Runtime};
/// # use std::{future::{Future, poll_fn}, pin::Pin, sync::{Arc, atomic::{AtomicU64, Ordering}}, task::Poll};
/// # #[derive(Clone, Default)]
/// # struct Paused(Arc<AtomicU64>);
/// # impl Paused {
/// #     fn advance(&self, time: Duration) {
/// #         self.0.fetch_add(time.as_secs(), Ordering::Relaxed);
/// #     }
/// # }
/// # impl coflight::Clock for Paused {
/// #     fn now(&self) -> Duration {
/// #         Duration::from_secs(self.0.load(Ordering::Relaxed))
/// #     }
/// # }
/// # impl coflight::Timer for Paused {
/// #     type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;
/// #     fn sleep(&self, time: Duration) -> Self::Sleep {
/// #         let (clock, due) = (self.clone(), coflight::Clock::now(self) + time);
/// #         Box::pin(poll_fn(move |_| if coflight::Clock::now(&clock) < due { Poll::Pending } else { Poll::Ready(()) }))
/// #     }
/// # }
/// # impl coflight::Spawn for Paused {
/// #     fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
/// #         std::mem::forget(task); // is in no hurry
/// #     }
/// # }
/// /// Whatever the runtime is, an answer is good for a second.
/// fn fresh<R: Runtime>(runtime: R) -> Group<u64, u64, R> {
///     Group::builder().runtime(runtime).linger(Duration::from_secs(1)).build()
/// }
///
/// let runtime = Paused::default();
/// let flights = fresh(runtime.clone());
/// flights.run(&6, || async { 42 }).await?;
/// assert_eq!(flights.run(&6, || async { 43 }).await?, 42);
///
/// runtime.advance(Duration::from_secs(2));
/// assert_eq!(flights.run(&6, || async { 43 }).await?, 43);
/// # Ok::<(), coflight::Error>(()) }).unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no runtime: it lacks timers, a clock, or a way to spawn",
    label = "needs a runtime",
    note = "build the group with `Group::builder().runtime(…)`, before its windows, or with `Group::with_runtime(…)`",
    note = "the handle of a runtime is not one yet: `Tokio::new(handle)`, `Smol::new(&executor)`; in generic code: `R: coflight::Runtime`"
)]
pub trait Runtime: Timer + Clock + Spawn + Clone + Send + Sync + 'static {}

// Else each part that is missing is an error of its own.
#[diagnostic::do_not_recommend]
impl<R: Timer + Clock + Spawn + Clone + Send + Sync + 'static> Runtime for R {}

/// The runtime of a group that was given none: every verb but `spawn` works, everywhere.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use std::hash::RandomState;
/// use coflight::{Group, NoRuntime};
///
/// // What comes before another hasher has to be said.
/// let flights: Group<u64, u64, NoRuntime, RandomState> = Group::builder().hasher(RandomState::new()).build();
/// assert_eq!(flights.relay(&6, || async { 42 }).await, Ok(42));
/// # });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoRuntime;
