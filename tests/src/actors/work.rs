//! A caller's work, which ends when it is told to, and says when two of a key run at a time.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::ledger::Ledger;
use crate::model::program::End;

pub struct Work {
    pub id: usize,
    pub key: u8,
    ledger: Arc<Ledger>,
    begun: AtomicBool,
    end: Mutex<Option<End>>,
    waker: Mutex<Option<Waker>>,
    /// When it ended, and how.
    came_to: Mutex<Option<(u64, End)>>,
}

impl Work {
    pub fn new(id: usize, key: u8, end: Option<End>, ledger: Arc<Ledger>) -> Arc<Self> {
        let (begun, end, waker, came_to) =
            (AtomicBool::new(false), Mutex::new(end), Mutex::default(), Mutex::default());
        Arc::new(Self { id, key, ledger, begun, end, waker, came_to })
    }

    /// The caller leads: its work exists from now on.
    pub fn begin(self: &Arc<Self>) -> Turn {
        if self.begun.swap(true, Ordering::SeqCst) {
            self.ledger.wrong(format!("work {} was begun twice", self.id));
        }
        self.ledger.begins(self.key, self.id);
        Turn::take(Arc::clone(self))
    }

    /// The future of the work.
    pub fn start(self: Arc<Self>) -> Running {
        drop(self.begin());
        Running(self)
    }

    /// The work of a thread.
    pub fn run(self: &Arc<Self>) -> Result<usize, usize> {
        let _turn = self.begin();
        std::thread::yield_now();
        let end = self.end.lock().unwrap().unwrap_or(End::Value);
        self.ends(end)
    }

    /// Lets it end, unless it was told how already.
    pub fn finish(&self, end: End) {
        self.end.lock().unwrap().get_or_insert(end);
        let waker = self.waker.lock().unwrap().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Says that it ends now.
    pub fn ends(&self, end: End) -> Result<usize, usize> {
        if self.came_to.lock().unwrap().replace((self.ledger.now(), end)).is_some() {
            self.ledger.wrong(format!("work {} was run to its end twice", self.id));
        }
        match end {
            End::Value => Ok(self.id),
            End::Failure => Err(self.id),
            // Without the hook, which prints.
            End::Panic => resume_unwind(Box::new(self.id.to_string())),
        }
    }

    /// Whether it can still be told to end.
    pub fn is_open(&self) -> bool {
        self.end.lock().unwrap().is_none()
    }

    pub fn has_begun(&self) -> bool {
        self.begun.load(Ordering::SeqCst)
    }

    pub fn came_to(&self) -> Option<(u64, End)> {
        *self.came_to.lock().unwrap()
    }
}

pub struct Running(Arc<Work>);

impl Future for Running {
    type Output = Result<usize, usize>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let work = &self.0;
        let _turn = Turn::take(Arc::clone(work));
        let last = work.waker.lock().unwrap().replace(cx.waker().clone());
        drop(last);
        let end = *work.end.lock().unwrap();
        end.map_or(Poll::Pending, |end| Poll::Ready(work.ends(end)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let waker = self.0.waker.lock().unwrap().take();
        drop(waker);
    }
}

/// A work is being run. As long as this lives, no other of its key may be.
pub struct Turn(Arc<Work>);

impl Turn {
    fn take(work: Arc<Work>) -> Self {
        work.ledger.runs(work.key, work.id);
        Self(work)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.ledger.rests(self.0.key);
    }
}
