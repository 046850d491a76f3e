#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use coflight_core::{Clock, Spawn, Timer};
use smol::Executor;

/// A smol executor, for [`Builder::runtime`](coflight_core::Builder::runtime).
#[derive(Clone, Debug)]
pub struct Smol {
    /// The global one if none.
    executor: Option<Arc<Executor<'static>>>,
    /// Where this runtime's clock starts.
    origin: Instant,
}

impl Smol {
    /// The global executor, that of [`smol::spawn`].
    #[must_use]
    pub fn global() -> Self {
        Self { executor: None, origin: Instant::now() }
    }

    /// An executor of the user's own.
    #[must_use]
    pub fn new(executor: Arc<Executor<'static>>) -> Self {
        Self { executor: Some(executor), origin: Instant::now() }
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
            Some(executor) => executor.spawn(task).detach(),
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
#[derive(Debug)]
pub struct Sleep(smol::Timer);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}
