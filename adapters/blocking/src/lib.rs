#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use coflight_core::{Clock, Spawn, Timer};
use futures_lite::future;

/// Plain threads, for [`Builder::runtime`](coflight_core::Builder::runtime): each task gets a thread of its own.
///
/// Timers are those of [`async-io`](async_io), which keeps one thread for all of them, started when the first is used.
///
/// ```
/// use std::thread;
/// use coflight::blocking::wait;
/// use coflight::{Group, Threads};
///
/// let flights: Group<u64, Option<String>, Threads> = Group::with_runtime(Threads::new());
/// let name = wait(flights.spawn(&6, || async { thread::current().name().map(str::to_owned) }));
/// assert_eq!(name, Ok(Some("coflight".to_owned())));
/// ```
#[derive(Clone, Debug)]
pub struct Threads {
    /// Where this runtime's clock starts.
    origin: Instant,
}

impl Threads {
    /// Ready to use; nothing is started yet.
    ///
    /// ```
    /// use std::future::pending;
    /// use std::time::Duration;
    /// use coflight::blocking::wait;
    /// use coflight::{Error, Group, Threads};
    ///
    /// let flights: Group<u64, u64, Threads> =
    ///     Group::builder().runtime(Threads::new()).timeout(Duration::from_millis(2)).build();
    /// assert_eq!(wait(flights.run(&6, || pending())), Err(Error::TimedOut));
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Default for Threads {
    fn default() -> Self {
        Self::new()
    }
}

impl Spawn for Threads {
    /// Runs `task` on a new thread. If the system cannot start one, the task is dropped, and its callers run the work themselves.
    fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let thread = thread::Builder::new().name("coflight".into());
        // What failed is told by the drop of the task.
        let _ = thread.spawn(|| future::block_on(task));
    }
}

impl Timer for Threads {
    type Sleep = Sleep;

    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep(async_io::Timer::after(duration))
    }
}

impl Clock for Threads {
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// The future of [`Threads`]' timer.
///
/// ```
/// use std::time::Duration;
/// use coflight::blocking::wait;
/// use coflight::{Clock, Threads, Timer};
///
/// let runtime = Threads::new();
/// let before = runtime.now();
/// wait(runtime.sleep(Duration::from_millis(2)));
/// assert!(runtime.now() - before >= Duration::from_millis(2));
/// ```
#[derive(Debug)]
pub struct Sleep(async_io::Timer);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}

/// Blocks this thread until `call` is ready, so that a thread can use the verbs that return futures. A thread that waits for a
/// [`relay`](coflight_core::Group::relay) takes its turns in running it.
///
/// ```
/// use coflight::Group;
/// use coflight::blocking::wait;
///
/// let flights: Group<u64, u64> = Group::new();
/// assert_eq!(wait(flights.relay(&6, || async { 42 })), Ok(42));
/// ```
///
/// # Blocking
///
/// Blocks the thread. Never call it from a task of an async runtime.
pub fn wait<F: Future>(call: F) -> F::Output {
    future::block_on(call)
}

/// As [`wait`], for at most `limit`. `None`: it took longer, and the caller has left the flight, as by dropping the future.
///
/// ```
/// use std::future::pending;
/// use std::time::Duration;
/// use coflight::Group;
/// use coflight::blocking::wait_timeout;
///
/// let flights: Group<u64, u64> = Group::new();
/// assert_eq!(wait_timeout(flights.relay(&6, || pending()), Duration::from_millis(2)), None);
/// assert!(flights.is_empty()); // nobody else was aboard
///
/// assert_eq!(wait_timeout(flights.relay(&6, || async { 42 }), Duration::ZERO), Some(Ok(42))); // ready at once
/// ```
///
/// # Blocking
///
/// As [`wait`].
pub fn wait_timeout<F: Future>(call: F, limit: Duration) -> Option<F::Output> {
    let limit = async {
        async_io::Timer::after(limit).await;
        None
    };
    // The call first: one that is ready is never late.
    future::block_on(future::or(async { Some(call.await) }, limit))
}
