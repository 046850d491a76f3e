//! `spawn`: a task of the runtime runs the work.

use alloc::boxed::Box;
use core::fmt;
use core::future::Future;
use core::hash::BuildHasher;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::caller::{Caller, Turn};
use crate::driving::{Driven, Runner};
use crate::error::Error;
use crate::flight::FlightRef;
use crate::group::Group;
use crate::key::AsKey;
use crate::options::Luggage;
use crate::runtime::Spawn;
use crate::served::{Reports, Served, WithServed};
use crate::snapshot::Verb;
use crate::state::{Held, Leaver};
use crate::time::Alarm;
use crate::work::Work;

pin_project! {
    /// The future of [`Group::spawn`]. Does nothing until polled; dropping it leaves the flight.
    ///
    /// Here with a runtime that gives each task a thread:
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use std::thread::{self, ThreadId};
    /// use coflight::Group;
    /// # struct Threads;
    /// # impl coflight::Spawn for Threads {
    /// #     fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
    /// #         std::thread::spawn(|| futures_lite::future::block_on(task));
    /// #     }
    /// # }
    ///
    /// let flights: Group<u64, ThreadId, Threads> = Group::with_runtime(Threads);
    /// let call = flights.spawn(&6, || async { thread::current().id() });
    /// assert!(flights.is_empty()); // it has not asked yet
    ///
    /// assert_ne!(call.await?, thread::current().id()); // the runtime ran the work, elsewhere
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Panics
    ///
    /// When it is polled again after it was ready.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Spawned<'g, 'k, K, V, R, S, Q: ?Sized, F> {
        work: Option<F>,
        detach: bool,
        #[pin]
        caller: Caller<'g, 'k, K, V, R, S, Q>,
    }
}

impl<'g, 'k, K, V, R, S, Q: ?Sized, F> Spawned<'g, 'k, K, V, R, S, Q, F> {
    pub(crate) fn new(
        group: &'g Group<K, V, R, S>,
        key: &'k Q,
        work: F,
        detach: bool,
        luggage: Option<Box<Luggage<K, V>>>,
    ) -> Self {
        Self { work: Some(work), detach, caller: Caller::new(group, key, luggage) }
    }

    /// Also says how the caller was served.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Group, Role};
    /// # struct Threads;
    /// # impl coflight::Spawn for Threads {
    /// #     fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
    /// #         std::thread::spawn(|| futures_lite::future::block_on(task));
    /// #     }
    /// # }
    ///
    /// let flights: Group<u64, u64, Threads> = Group::with_runtime(Threads);
    /// let (answer, served) = flights.spawn(&6, || async { 42 }).with_served().await;
    /// assert_eq!((answer, served.role, served.callers), (Ok(42), Role::Led, 1));
    /// # });
    /// ```
    pub fn with_served(self) -> WithServed<Self> {
        WithServed::new(self)
    }
}

impl<K, V, R, S, Q, F> Future for Spawned<'_, '_, K, V, R, S, Q, F>
where
    K: Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    R: Spawn + Send + Sync + 'static,
    S: BuildHasher + Send + Sync + 'static,
    Q: ?Sized + AsKey<K>,
    F: Work<V, Future: Send + 'static>,
{
    type Output = Result<V, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match ready!(this.caller.as_mut().poll_turn(cx, this.work.is_some(), Verb::Spawn)) {
                Turn::Landed(ending) => {
                    *this.work = None;
                    return Poll::Ready(ending);
                }
                Turn::Lead => {
                    let Some(start) = this.work.take() else {
                        unreachable!("only a caller with a work is told to lead")
                    };
                    // SAFETY: this caller was just told to lead.
                    unsafe { this.caller.as_mut().carry(start, false) };
                    let group = this.caller.group;
                    let flight = this.caller.flight().clone();
                    if flight.state.hand_to_task(*this.detach) == Held::Ended {
                        // SAFETY: still held: who ended the flight left the mark to this caller, and `hand_to_task` left it as it was.
                        unsafe { flight.tear_down(group.table()) };
                        continue;
                    }
                    group.runtime().spawn(Task {
                        group: group.clone(),
                        flight,
                        detached: *this.detach,
                        progress: Progress::Unpolled,
                        alarm: Alarm::default(),
                    });
                }
            }
        }
    }
}

/// What the runtime runs: the work lies in the flight, so that callers can take it back from a task that never ran.
struct Task<K, V, R, S> {
    group: Group<K, V, R, S>,
    flight: FlightRef<K, V>,
    detached: bool,
    progress: Progress,
    /// Rings when the flight's time is over, also if no caller is polled, or left.
    alarm: Alarm,
}

#[derive(PartialEq, Eq)]
enum Progress {
    Unpolled,
    Polled,
    Finished,
}

impl<K, V, R, S> Future for Task<K, V, R, S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.progress = Progress::Polled;
        // First this, so that whoever ends the flight from now on wakes the task.
        this.flight.runner.register(cx.waker());
        if this.flight.state.resume() != Held::Ended {
            let table = this.group.table();
            // SAFETY: `resume` set the busy mark, as only this task may while the work is its.
            let driven = unsafe { this.flight.drive(table, Runner::Task, Some(cx.waker())) };
            if let Driven::Pending = driven {
                let terms = this.flight.terms.as_ref();
                let limit = terms.and_then(|terms| terms.deadline.zip(terms.time()));
                if !limit.is_some_and(|(deadline, time)| this.alarm.rang(time, deadline, cx)) {
                    return Poll::Pending;
                }
                this.flight.expire(table);
            }
        }
        this.progress = Progress::Finished;
        Poll::Ready(())
    }
}

impl<K, V, R, S> Unpin for Task<K, V, R, S> {}

impl<K, V, R, S> Drop for Task<K, V, R, S> {
    fn drop(&mut self) {
        let (flight, table) = (&self.flight, self.group.table());
        if self.progress == Progress::Finished {
            return;
        }
        if self.detached {
            // First this, while nobody else can run the work: a failure of the work gives this place up, too.
            flight.leave(table, Leaver::Task);
        }
        let held = match self.progress {
            Progress::Unpolled => flight.state.take_from_task(),
            Progress::Polled | Progress::Finished => flight.abandon_work(table),
        };
        if held != Held::Ended {
            flight.wake_callers();
        }
    }
}

impl<K, V, R, S, Q: ?Sized, F> Reports for Spawned<'_, '_, K, V, R, S, Q, F> {
    fn served(&self) -> Served {
        self.caller.served()
    }
}

impl<K, V, R, S, Q: ?Sized, F> fmt::Debug for Spawned<'_, '_, K, V, R, S, Q, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawned").finish_non_exhaustive()
    }
}
