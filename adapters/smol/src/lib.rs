#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use coflight_core::{Clock, Spawn, Timer};
use smol::Executor;

/// A smol executor, for [`Builder::runtime`](coflight_core::Builder::runtime).
///
/// ```
/// use std::future::pending;
/// use std::time::Duration;
/// use coflight::{Error, Group, Smol};
///
/// let flights: Group<u64, u64, Smol> =
///     Group::builder().runtime(Smol::global()).timeout(Duration::from_millis(2)).build();
/// assert_eq!(smol::block_on(flights.run(&6, || pending())), Err(Error::TimedOut));
/// ```
#[derive(Clone, Debug)]
pub struct Smol {
    /// The global one if none.
    executor: Option<Weak<Executor<'static>>>,
    /// Where this runtime's clock starts.
    origin: Instant,
}

impl Smol {
    /// The global executor, that of [`smol::spawn`].
    ///
    /// ```
    /// use coflight::{Group, Smol};
    ///
    /// let flights: Group<u64, u64, Smol> = Group::with_runtime(Smol::global());
    /// assert_eq!(smol::block_on(flights.spawn(&6, || async { 42 })), Ok(42)); // in a task
    /// ```
    #[must_use]
    pub fn global() -> Self {
        Self { executor: None, origin: Instant::now() }
    }

    /// An executor of the user's own, which it does not keep: dropping the last `Arc` shuts it down, with all its tasks, and groups go on without it, as
    /// [`Group::spawn`](coflight_core::Group::spawn) says. A call that spawns at that very moment may be the one that drops it.
    ///
    /// ```
    /// use std::sync::{Arc, Weak};
    /// use coflight::{Group, Smol};
    /// use smol::Executor;
    ///
    /// let executor = Arc::new(Executor::new());
    /// let flights: Group<u64, u64, Smol> = Group::with_runtime(Smol::new(&executor));
    ///
    /// // Its tasks go on while somebody runs it.
    /// let answer = smol::block_on(executor.run(flights.spawn(&6, || async { 42 })));
    /// assert_eq!(answer, Ok(42));
    /// ```
    #[must_use]
    pub fn new(executor: &Arc<Executor<'static>>) -> Self {
        // Its tasks hold groups, which hold this.
        Self { executor: Some(Arc::downgrade(executor)), origin: Instant::now() }
    }
}

impl Default for Smol {
    fn default() -> Self {
        Self::global()
    }
}

impl Spawn for Smol {
    fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        match &self.executor {
            Some(executor) => {
                // Without it the task is dropped, which is how coflight learns of that.
                if let Some(executor) = executor.upgrade() {
                    executor.spawn(task).detach();
                }
            }
            None => smol::spawn(task).detach(),
        }
    }
}

impl Timer for Smol {
    type Sleep = Sleep;

    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep(smol::Timer::after(duration))
    }
}

impl Clock for Smol {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// The future of [`Smol`]'s timer.
///
/// ```
/// use std::time::Duration;
/// use coflight::{Clock, Smol, Timer};
///
/// let runtime = Smol::global();
/// let before = runtime.now();
/// smol::block_on(runtime.sleep(Duration::from_millis(2)));
/// assert!(runtime.now() - before >= Duration::from_millis(2));
/// ```
#[derive(Debug)]
pub struct Sleep(smol::Timer);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}
