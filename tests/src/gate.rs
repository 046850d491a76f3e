//! Waiting for events instead of times.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use event_listener::{Event, listener};

/// Closed until opened, for good. Works on every runtime.
#[derive(Clone)]
pub struct Gate(Arc<Latched>);

/// Open when it was counted down to zero.
#[derive(Clone)]
pub struct Latch(Arc<Latched>);

struct Latched {
    left: AtomicUsize,
    changed: Event,
}

impl Latched {
    async fn wait(&self) {
        while self.left.load(Ordering::SeqCst) > 0 {
            listener!(self.changed => changed);
            if self.left.load(Ordering::SeqCst) > 0 {
                changed.await;
            }
        }
    }
}

/// A closed one.
impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self(Arc::new(Latched { left: AtomicUsize::new(1), changed: Event::new() }))
    }

    /// Opens it.
    pub fn open(&self) {
        self.0.left.store(0, Ordering::SeqCst);
        self.0.changed.notify(usize::MAX);
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        self.0.left.load(Ordering::SeqCst) == 0
    }

    /// Ready when it is open.
    pub async fn wait(&self) {
        self.0.wait().await;
    }
}

impl Latch {
    /// Waits for `count` times [`arrive`](Self::arrive).
    pub fn new(count: usize) -> Self {
        Self(Arc::new(Latched { left: AtomicUsize::new(count), changed: Event::new() }))
    }

    /// Counts down by one.
    pub fn arrive(&self) {
        if self.0.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.changed.notify(usize::MAX);
        }
    }

    /// Ready when the count is zero.
    pub async fn wait(&self) {
        self.0.wait().await;
    }
}

/// A call that says, to a latch, when it has asked: when its first poll is over.
pub struct Asked<F> {
    call: Pin<Box<F>>,
    latch: Option<Latch>,
}

/// Makes `call` say to `latch` when it has asked.
pub fn asked<F: Future>(call: F, latch: &Latch) -> Asked<F> {
    Asked { call: Box::pin(call), latch: Some(latch.clone()) }
}

impl<F: Future> Future for Asked<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let poll = self.call.as_mut().poll(cx);
        if let Some(latch) = self.latch.take() {
            latch.arrive();
        }
        poll
    }
}

/// Polls `call` once, so that it has asked, and gives it back, pending.
///
/// # Panics
///
/// If it is ready at once.
#[track_caller]
pub fn boarded<F: Future>(call: F) -> Pin<Box<F>> {
    let mut call = Box::pin(call);
    assert!(poll_now(call.as_mut()).is_pending(), "ready at once");
    call
}

/// Polls once, without saying who wakes it.
pub fn poll_now<F: Future + ?Sized>(call: Pin<&mut F>) -> Poll<F::Output> {
    call.poll(&mut Context::from_waker(std::task::Waker::noop()))
}
