//! Every way a flight ends, and the running of a work that the flight carries.
//!
//! The order is always the same: the flight leaves the table, its outcome is published, and only then does anything of the user's
//! (a waker, a destructor) run. None of it runs under a lock.

use core::task::{Context, Poll, Waker};

use crate::circle;
use crate::error::{Error, Panic};
use crate::flight::FlightRef;
use crate::panics::{self, Payload};
use crate::state::{Held, Leaver, Left};
use crate::table::Table;

/// What running a carried work came to.
pub(crate) enum Driven<V> {
    /// It is not finished.
    Pending,
    /// The flight has ended; its outcome says how.
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
    /// The leader ends the flight with a value, and gets it back: moved if it is alone, else cloned.
    pub(crate) fn land(&self, table: &Table<K, V>, value: V) -> Result<V, Error>
    where
        V: Clone,
    {
        match self.land_unshared(table, value) {
            Some(value) => Ok(value),
            None => self.ending(),
        }
    }

    /// As [`land`](Self::land), but gives the value back only if nobody shares it.
    fn land_unshared(&self, table: &Table<K, V>, value: V) -> Option<V> {
        table.remove(self);
        if self.state.close_alone() {
            return Some(value);
        }
        self.publish_or_free(table, Ok(value));
        None
    }

    /// The work failed to produce a value.
    pub(crate) fn fail(&self, table: &Table<K, V>, error: Error) {
        table.remove(self);
        self.publish_or_free(table, Err(error));
    }

    fn publish_or_free(&self, table: &Table<K, V>, outcome: Result<V, Error>) {
        if self.state.begin_landing() {
            // SAFETY: this thread just moved the state to `Landing`.
            unsafe { self.publish(outcome) };
        } else {
            // Cancelled while the work was being run: that outcome stands, and now the key is free.
            self.free(table);
        }
    }

    /// How the flight ended, for a caller that was aboard.
    pub(crate) fn ending(&self) -> Result<V, Error>
    where
        V: Clone,
    {
        match self.outcome() {
            Some(outcome) => outcome.clone(),
            // Only a leader gets here, whose work was cancelled while it ran, before the canceller has written as much.
            None => Err(Error::Cancelled),
        }
    }

    /// Ends the flight from outside. `false`: it was over already.
    pub(crate) fn cancel(&self, table: &Table<K, V>, error: Error) -> bool {
        let Some(cancelling) = self.state.begin_cancel() else {
            return false;
        };
        // SAFETY: this thread just moved the state to `Landing`.
        unsafe { self.publish(Err(error)) };
        if cancelling.owns_work {
            self.tear_down(table);
        } else if !cancelling.busy {
            table.remove(self);
        }
        // Else the work is being run at this moment. Its runner frees the key when it puts the work down, so that
        // two works for one key never run at once.
        true
    }

    /// The leader lets the followers go alone.
    pub(crate) fn release(&self, table: &Table<K, V>) -> Result<(), Error> {
        table.remove(self);
        match self.state.release() {
            Ok(before) => {
                self.tell(before);
                Ok(())
            }
            Err(()) => {
                self.free(table);
                Err(Error::Cancelled)
            }
        }
    }

    /// A caller leaves before the end; see [`State::leave`](crate::state::State::leave).
    pub(crate) fn leave(&self, table: &Table<K, V>, leaver: Leaver) -> Left {
        let left = self.state.leave(leaver);
        match left {
            Left::Others | Left::Ended => {}
            Left::Vacated => self.notify(),
            Left::Nobody => {
                table.remove(self);
            }
            Left::NobodyButWork => {
                self.tear_down(table);
                self.runner.wake();
            }
        }
        left
    }

    /// The task that ran the carried work is being dropped by its runtime, and the work with it: a follower is to take over.
    pub(crate) fn abandon_work(&self, table: &Table<K, V>) -> Held {
        if self.state.resume() == Held::Ended {
            return Held::Ended;
        }
        self.drop_work();
        self.end_term();
        let held = self.state.vacate();
        if held == Held::Ended {
            self.free(table);
        }
        held
    }

    /// Drops the carried work of a flight that has ended, and frees the key. For whoever holds the work.
    pub(crate) fn tear_down(&self, table: &Table<K, V>) {
        self.drop_work();
        self.free(table);
    }

    /// The work of an ended flight is gone: newcomers need not wait any more. For whoever held the work.
    pub(crate) fn free(&self, table: &Table<K, V>) {
        table.remove(self);
        let before = self.state.clear();
        self.tell(before);
    }

    /// Runs the carried work once, for whoever holds it. `waker`: the task's own; a caller is woken through the flight.
    pub(crate) fn drive(&self, table: &Table<K, V>, runner: Runner, waker: Option<&Waker>) -> Driven<V> {
        // SAFETY: the caller holds the work, until `pause`, `begin_landing` or `tear_down` below.
        let Some(carried) = (unsafe { self.work() }) else {
            unreachable!("a flight that carries a work has one until it ends");
        };
        let polled = circle::within(&self.node, || {
            panics::catch(
                || match waker {
                    Some(waker) => carried.future.as_mut().poll(&mut Context::from_waker(waker)),
                    None => {
                        let waker = (carried.waker)(self);
                        carried.future.as_mut().poll(&mut Context::from_waker(&waker))
                    }
                },
                || self.fail(table, Error::Panicked(Panic::unseen())),
            )
        });
        match polled {
            Ok(Poll::Pending) => self.put_down(table),
            Ok(Poll::Ready(value)) => {
                self.drop_work();
                if runner == Runner::Caller {
                    return match self.land_unshared(table, value) {
                        Some(value) => Driven::Alone(value),
                        None => Driven::Landed,
                    };
                }
                table.remove(self);
                self.publish_or_free(table, Ok(value));
                Driven::Landed
            }
            Err(payload) => {
                self.drop_work();
                let panic = Panic::new(payload);
                let orphaned = runner == Runner::Caller && !self.state.load().is_led();
                self.fail(table, Error::Panicked(panic.clone()));
                match orphaned.then(|| panic.take_payload()).flatten() {
                    Some(payload) => Driven::Panicked(payload),
                    None => Driven::Landed,
                }
            }
        }
    }

    fn put_down(&self, table: &Table<K, V>) -> Driven<V> {
        match self.state.pause() {
            Held::Yes { runnable: false } => Driven::Pending,
            Held::Yes { runnable: true } => {
                self.wake_callers();
                Driven::Pending
            }
            Held::Ended => {
                self.tear_down(table);
                Driven::Landed
            }
        }
    }

    /// Drops the carried work, for whoever holds it. Like running it: a destructor that asks for its own key must not wait.
    fn drop_work(&self) {
        // SAFETY: only called while this thread holds the work.
        let work = unsafe { self.set_work(None) };
        circle::within(&self.node, || panics::contain(|| drop(work)));
    }
}
