//! Driving a work under a lease.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use event_listener::EventListener;
use pin_project_lite::pin_project;

use crate::keeping::{Keeping, MayPoll, Status};

pin_project! {
    /// Polls a work for as long as its lease is held. Can be polled on after it was stopped.
    pub(crate) struct Guarded<Fut, Now> {
        #[pin]
        work: Fut,
        keeping: Arc<Keeping>,
        changed: Option<EventListener>,
        now: Now,
    }
}

pub(crate) enum Driven<T> {
    /// The work is done, or panicked.
    Done(std::thread::Result<T>),
    /// The lease is not held any more.
    Stopped(Status),
}

impl<Fut, Now: Fn() -> Duration> Guarded<Fut, Now> {
    pub(crate) fn new(work: Fut, keeping: Arc<Keeping>, now: Now) -> Self {
        Self { work, keeping, changed: None, now }
    }
}

impl<Fut: Future, Now: Fn() -> Duration> Future for Guarded<Fut, Now> {
    type Output = Driven<Fut::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let changed = this.changed.get_or_insert_with(|| this.keeping.listen());
            let again = Pin::new(changed).poll(cx).is_ready();
            if again {
                *this.changed = None;
            }
            match this.keeping.begin_poll((this.now)()) {
                MayPoll::Stop(status) => return Poll::Ready(Driven::Stopped(status)),
                // Whoever renews will say.
                MayPoll::Wait => this.keeping.wake(),
                MayPoll::Work => {
                    let polled = catch_unwind(AssertUnwindSafe(|| this.work.as_mut().poll(cx)));
                    this.keeping.end_poll();
                    match polled {
                        Ok(Poll::Pending) => {}
                        Ok(Poll::Ready(value)) => return Poll::Ready(Driven::Done(Ok(value))),
                        Err(panic) => return Poll::Ready(Driven::Done(Err(panic))),
                    }
                }
            }
            // What changed from here on wakes this task.
            if !again {
                return Poll::Pending;
            }
        }
    }
}
