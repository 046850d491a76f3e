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
///
/// ```
/// use std::future::pending;
/// use std::time::Duration;
/// use coflight::{Error, Group, Tokio};
///
/// #[tokio::main(flavor = "current_thread", start_paused = true)] // so it takes no time
/// async fn main() {
///     let flights: Group<u64, u64, Tokio> =
///         Group::builder().runtime(Tokio::current()).timeout(Duration::from_secs(5)).build();
///     assert_eq!(flights.run(&6, || pending()).await, Err(Error::TimedOut));
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Tokio {
    /// None: that of whoever asks.
    handle: Option<Handle>,
    /// Where this runtime's clock starts.
    origin: Instant,
}

impl Tokio {
    /// The runtime this is called in.
    ///
    /// ```
    /// use coflight::{Error, Group, Tokio};
    ///
    /// #[tokio::main]
    /// async fn main() -> Result<(), Error> {
    ///     let flights: Group<u64, u64, Tokio> = Group::with_runtime(Tokio::current());
    ///     assert_eq!(flights.spawn(&6, || async { 42 }).await?, 42); // from a task of that runtime
    ///     Ok(())
    /// }
    /// ```
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
    /// ```
    /// use coflight::Tokio;
    ///
    /// assert!(Tokio::try_current().is_err());
    ///
    /// let runtime = tokio::runtime::Runtime::new()?;
    /// let _inside = runtime.enter();
    /// assert!(Tokio::try_current().is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Outside a tokio runtime.
    pub fn try_current() -> Result<Self, TryCurrentError> {
        Handle::try_current().map(Self::new)
    }

    /// The runtime behind `handle`.
    ///
    /// ```
    /// use std::thread;
    /// use coflight::{Group, Tokio};
    /// use tokio::runtime::{Builder, Runtime};
    ///
    /// let workers = Runtime::new()?;
    /// let flights: Group<u64, _, Tokio> = Group::with_runtime(Tokio::new(workers.handle().clone()));
    ///
    /// // The callers may be elsewhere, as in another runtime.
    /// let callers = Builder::new_current_thread().build()?;
    /// let worker = callers.block_on(flights.spawn(&6, || async { thread::current().id() }))?;
    /// assert_ne!(worker, thread::current().id());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        let origin = {
            let _context = handle.enter();
            Instant::now()
        };
        Self { handle: Some(handle), origin }
    }

    /// Whichever runtime the caller is in, anew for each timer and each task. For a group that lives in a `static`, which may outlive any one runtime.
    ///
    /// Its callers must all be in a tokio runtime. Outside of one there are no timers: tokio panics, its message is printed, and limits hold only whenever something else
    /// wakes the caller. A task is dropped there, as if the runtime were shut down, and then its callers run the work themselves. Runtimes whose time is paused each have a time of their own, so share no such group between them.
    ///
    /// ```
    /// use std::sync::LazyLock;
    /// use coflight::{Group, Tokio};
    /// use tokio::runtime::Runtime;
    ///
    /// static FLIGHTS: LazyLock<Group<u64, u64, Tokio>> = LazyLock::new(|| Group::with_runtime(Tokio::ambient()));
    ///
    /// // As in tests, each of which has a runtime of its own.
    /// for answer in [42, 43] {
    ///     let runtime = Runtime::new()?;
    ///     let answered = runtime.block_on(async { FLIGHTS.spawn(&6, move || async move { answer }).await });
    ///     assert_eq!(answered, Ok(answer));
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn ambient() -> Self {
        Self { handle: None, origin: Instant::now() }
    }

    /// Paused time and timers belong to a runtime, and are found through the thread's context.
    fn within<T>(&self, call: impl FnOnce() -> T) -> T {
        let _context = self.handle.as_ref().map(Handle::enter);
        call()
    }
}

impl Spawn for Tokio {
    fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        match &self.handle {
            Some(handle) => drop(handle.spawn(task)),
            None => {
                if let Ok(handle) = Handle::try_current() {
                    handle.spawn(task);
                }
            }
        }
    }
}

impl Timer for Tokio {
    type Sleep = tokio::time::Sleep;

    /// # Panics
    ///
    /// If the runtime was built without its time driver, or there is none: see [`ambient`](Tokio::ambient).
    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.within(|| tokio::time::sleep(duration))
    }
}

impl Clock for Tokio {
    /// tokio's own time, so that it stands still while that is paused.
    fn now(&self) -> Duration {
        self.within(|| self.origin.elapsed())
    }
}
