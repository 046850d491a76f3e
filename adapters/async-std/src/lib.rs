#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use coflight_core::{Clock, Spawn, Timer};

/// The async-std runtime, for [`Builder::runtime`](coflight_core::Builder::runtime).
///
/// ```
/// use std::future::pending;
/// use std::time::Duration;
/// use async_std::task;
/// use coflight::{AsyncStd, Error, Group};
///
/// let flights: Group<u64, u64, AsyncStd> =
///     Group::builder().runtime(AsyncStd::new()).timeout(Duration::from_millis(2)).build();
/// assert_eq!(task::block_on(flights.run(&6, || pending())), Err(Error::TimedOut));
/// ```
#[derive(Clone, Debug)]
pub struct AsyncStd {
    /// Where this runtime's clock starts.
    origin: Instant,
}

impl AsyncStd {
    /// The one global runtime.
    ///
    /// ```
    /// use async_std::task;
    /// use coflight::{AsyncStd, Group};
    ///
    /// let flights: Group<u64, u64, AsyncStd> = Group::with_runtime(AsyncStd::new());
    /// assert_eq!(task::block_on(flights.spawn(&6, || async { 42 })), Ok(42)); // in a task
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for AsyncStd {
    fn default() -> Self {
        Self::new()
    }
}

impl Spawn for AsyncStd {
    fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        // Dropping async-std's handle lets the task run on.
        drop(async_std::task::spawn(task));
    }
}

impl Timer for AsyncStd {
    type Sleep = Sleep;

    fn sleep(&self, duration: Duration) -> Sleep {
        // Counted from here, not from the first poll.
        let deadline = Instant::now().checked_add(duration);
        Sleep(Box::pin(async move {
            match deadline {
                Some(deadline) => async_std::task::sleep(deadline.saturating_duration_since(Instant::now())).await,
                // Further away than the clock can tell.
                None => std::future::pending().await,
            }
        }))
    }
}

impl Clock for AsyncStd {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// The future of [`AsyncStd`]'s timer. Boxed, because async-std's own has no name.
///
/// ```
/// use std::time::Duration;
/// use async_std::task;
/// use coflight::{AsyncStd, Clock, Timer};
///
/// let runtime = AsyncStd::new();
/// let before = runtime.now();
/// task::block_on(runtime.sleep(Duration::from_millis(2)));
/// assert!(runtime.now() - before >= Duration::from_millis(2));
/// ```
pub struct Sleep(Pin<Box<dyn Future<Output = ()> + Send>>);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").finish_non_exhaustive()
    }
}
