//! Stands for the facade in the doc tests of core, which the facade depends on: what core has, and a runtime by the name of one that users know, so that the
//! examples say what users type.
//!
//! Its tasks take turns with the example, on the example's thread, and its time passes when everybody waits for it: as tokio does with one thread and paused time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

pub use coflight_core::*;

thread_local! {
    static CURRENT: RefCell<Option<Tokio>> = const { RefCell::new(None) };
}

/// The runtime that [`block_on`] makes for an example.
#[derive(Clone, Debug, Default)]
pub struct Tokio {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    now: Duration,
    tasks: Vec<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// Whether one of them had no turn yet.
    spawned: bool,
    /// By the time they are due, and a number, because two may be due at once.
    sleepers: BTreeMap<(Duration, usize), Waker>,
    slept: usize,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("now", &self.now).finish_non_exhaustive()
    }
}

impl Tokio {
    /// That of the example that calls.
    ///
    /// # Panics
    ///
    /// Outside of [`block_on`].
    #[must_use]
    pub fn current() -> Self {
        CURRENT.with_borrow(Clone::clone).expect("the example runs in `coflight::block_on`")
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_spawned(&self) -> bool {
        std::mem::take(&mut self.inner().spawned)
    }

    /// Gives every task a turn.
    fn poll_tasks(&self, cx: &mut Context<'_>) {
        let mut tasks = std::mem::take(&mut self.inner().tasks);
        tasks.retain_mut(|task| task.as_mut().poll(cx).is_pending());
        self.inner().tasks.append(&mut tasks);
    }

    /// Lets time pass until somebody's sleep is over.
    fn advance(&self) {
        let sleeper = self.inner().sleepers.pop_first();
        let ((due, _), waker) = sleeper.expect("the example waits for something that never happens");
        let mut inner = self.inner();
        inner.now = inner.now.max(due);
        drop(inner);
        waker.wake();
    }
}

impl Spawn for Tokio {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
        let mut inner = self.inner();
        inner.tasks.push(Box::pin(task));
        inner.spawned = true;
    }
}

impl Clock for Tokio {
    fn now(&self) -> Duration {
        self.inner().now
    }
}

impl Timer for Tokio {
    type Sleep = Sleep;

    fn sleep(&self, duration: Duration) -> Sleep {
        let mut inner = self.inner();
        inner.slept += 1;
        Sleep { due: (inner.now.saturating_add(duration), inner.slept), runtime: self.clone() }
    }
}

/// Until its time has come.
#[derive(Debug)]
pub struct Sleep {
    due: (Duration, usize),
    runtime: Tokio,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.runtime.inner();
        if inner.now >= self.due.0 {
            return Poll::Ready(());
        }
        inner.sleepers.insert(self.due, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.runtime.inner().sleepers.remove(&self.due);
    }
}

/// Runs an example.
///
/// # Panics
///
/// If everybody waits, and not for time.
pub fn block_on<F: Future>(example: F) -> F::Output {
    let runtime = Tokio::default();
    CURRENT.set(Some(runtime.clone()));
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut cx = Context::from_waker(&waker);
    let mut example = pin!(example);
    loop {
        while runtime.has_spawned() | woken.0.swap(false, Ordering::SeqCst) {
            if let Poll::Ready(output) = example.as_mut().poll(&mut cx) {
                return output;
            }
            runtime.poll_tasks(&mut cx);
        }
        runtime.advance();
    }
}

/// Whether anybody was woken.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}
