//! One type for every runtime, so that a test body need not be generic.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use coflight::{AsyncStd, Clock, Smol, Spawn, Threads, Timer, Tokio};

use crate::executor::HandExecutor;
use crate::late;
use crate::time::VirtualTime;

/// Any of the runtimes, or none but the test's own executor.
#[derive(Clone)]
pub enum AnyRuntime {
    /// tokio, either flavour.
    Tokio(Tokio),
    /// smol's global executor.
    Smol(Smol),
    /// async-std.
    AsyncStd(AsyncStd),
    /// A thread a task.
    Threads(Threads),
    /// The test's own executor.
    Hand(HandExecutor, Instant),
    /// One of those for spawning, with time that the test moves.
    Virtual(Box<AnyRuntime>, VirtualTime),
}

impl Spawn for AnyRuntime {
    fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        match self {
            Self::Tokio(tokio) => tokio.spawn(task),
            Self::Smol(smol) => smol.spawn(task),
            Self::AsyncStd(async_std) => async_std.spawn(task),
            Self::Threads(threads) => threads.spawn(task),
            Self::Hand(executor, _) => executor.spawn(task),
            Self::Virtual(runtime, _) => {
                runtime.spawn(late::polled(task));
                late::perhaps();
            }
        }
    }
}

impl Timer for AnyRuntime {
    type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        late::perhaps();
        match self {
            Self::Tokio(tokio) => Box::pin(tokio.sleep(duration)),
            Self::Smol(smol) => Box::pin(smol.sleep(duration)),
            Self::AsyncStd(async_std) => Box::pin(async_std.sleep(duration)),
            // A timer that needs no executor.
            Self::Threads(_) | Self::Hand(..) => Box::pin(Threads::new().sleep(duration)),
            Self::Virtual(_, time) => Box::pin(time.sleep(duration)),
        }
    }
}

impl Clock for AnyRuntime {
    fn now(&self) -> Duration {
        late::perhaps();
        match self {
            Self::Tokio(tokio) => tokio.now(),
            Self::Smol(smol) => smol.now(),
            Self::AsyncStd(async_std) => async_std.now(),
            Self::Threads(threads) => threads.now(),
            Self::Hand(_, origin) => origin.elapsed(),
            Self::Virtual(_, time) => time.now(),
        }
    }
}
