//! Running a work that the flight carries, for whoever holds it: a caller by turns, or a task of the runtime.

use core::task::{Context, Poll, Waker};

use crate::circle;
use crate::ending::{Landing, Owner};
use crate::error::Panic;
use crate::flight::FlightRef;
use crate::panics::{self, Payload};
use crate::state::Held;
use crate::table::Table;

/// What running a carried work came to.
pub(crate) enum Driven<V> {
    /// It is not finished.
    Pending,
    /// It is over with; the flight, or the failure kept for its starter, says how.
    Landed,
    /// It is finished, and the runner was the only caller, so the value is its own.
    Alone(V),
    /// It panicked, and the runner is the one to unwind: no leader is aboard.
    Panicked(Payload),
}

/// Who runs a carried work.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runner {
    /// A caller aboard.
    Caller,
    /// A task of the runtime.
    Task,
}

impl<K, V> FlightRef<K, V> {
    /// Runs the carried work once, for whoever holds it, and puts it down. `waker`: the task's own; a caller is woken through the flight.
    ///
    /// # Safety
    ///
    /// As for [`set_work`](crate::flight::Flight::set_work): the caller holds the busy mark, which it gives up here.
    pub(crate) unsafe fn drive(&self, table: &Table<K, V>, runner: Runner, waker: Option<&Waker>) -> Driven<V> {
        // SAFETY: as the caller promises. The mark is held until the work is put down, landed, failed, or torn down below, and the reference is not used after
        // that.
        let Some(carried) = (unsafe { self.work() }) else {
            unreachable!("a flight that carries a work has one until it ends");
        };
        let polled = circle::within(self.node(), || {
            panics::catch(
                || match waker {
                    Some(waker) => carried.as_mut().poll(&mut Context::from_waker(waker)),
                    None => {
                        let waker = carried.waker(self);
                        carried.as_mut().poll(&mut Context::from_waker(&waker))
                    }
                },
                || self.fail(table, Panic::unseen()),
            )
        });
        match polled {
            // SAFETY: the mark is still held: a poll does not clear it.
            Ok(Poll::Pending) => unsafe { self.put_down(table) },
            Ok(Poll::Ready(value)) => {
                let failed = carried.failed(&value);
                // SAFETY: as above, and `carried` is not used any more.
                unsafe { self.drop_work() };
                // A task is nobody's caller, so it has no use for the value.
                let alone = runner == Runner::Caller;
                let landing = match &self.terms {
                    None => self.land_plainly(table, value, failed, alone, false),
                    Some(terms) => self.land_on_terms(table, terms, value, failed, alone, Owner::Starter),
                };
                match landing {
                    Landing::Own(value) if alone => Driven::Alone(value),
                    // Of a work that ran beside another, and everybody was let go alone.
                    Landing::Own(value) => {
                        self.keep_own(value);
                        Driven::Landed
                    }
                    Landing::HandedOn(_) | Landing::Kept | Landing::Shared | Landing::Elsewhere => Driven::Landed,
                }
            }
            Err(payload) => {
                // SAFETY: the mark is still held. Only where nothing can be caught does the flight fail before the work is gone, and there nobody comes here.
                unsafe { self.drop_work() };
                let panic = Panic::new(payload);
                let orphaned = runner == Runner::Caller && !self.state.load().is_led();
                self.fail(table, panic.clone());
                match orphaned.then(|| panic.take_payload()).flatten() {
                    Some(payload) => Driven::Panicked(payload),
                    None => Driven::Landed,
                }
            }
        }
    }

    /// Puts the work down, which is not finished.
    ///
    /// # Safety
    ///
    /// As for [`drive`](Self::drive).
    unsafe fn put_down(&self, table: &Table<K, V>) -> Driven<V> {
        match self.state.pause() {
            Held::Yes { runnable: false } => Driven::Pending,
            Held::Yes { runnable: true } => {
                self.wake_callers();
                Driven::Pending
            }
            Held::Ended => {
                // SAFETY: as the caller promises: whoever ended the flight left the mark to who runs the work, and `pause` left it as it was.
                unsafe { self.tear_down(table) };
                self.yield_to_next();
                Driven::Landed
            }
        }
    }

    /// The task that ran the carried work is being dropped by its runtime, and the work with it: a follower is to take over.
    pub(crate) fn abandon_work(&self, table: &Table<K, V>) -> Held {
        if self.state.resume() == Held::Ended {
            return Held::Ended;
        }
        // SAFETY: `resume` set the mark, as only the task that runs the work may, whose work nobody else takes up.
        unsafe { self.drop_work() };
        self.end_term();
        let held = self.state.vacate();
        if held == Held::Ended {
            self.free(table);
        }
        self.yield_to_next();
        held
    }

    /// Drops the carried work of a flight that has ended, and frees the key.
    ///
    /// # Safety
    ///
    /// As for [`drive`](Self::drive).
    pub(crate) unsafe fn tear_down(&self, table: &Table<K, V>) {
        // SAFETY: as the caller promises.
        unsafe { self.drop_work() };
        self.free(table);
    }

    /// Drops the carried work, for whoever holds it. Like running it: a destructor that asks for its own key must not wait.
    ///
    /// # Safety
    ///
    /// As for [`set_work`](crate::flight::Flight::set_work).
    pub(crate) unsafe fn drop_work(&self) {
        // SAFETY: as the caller promises.
        let work = unsafe { self.set_work(None) };
        circle::within(self.node(), || panics::contain(|| drop(work)));
    }
}
