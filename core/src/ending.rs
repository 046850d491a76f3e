//! Every way a flight ends.
//!
//! The order is always the same: the flight leaves the table, its outcome is published, and only then does anything of the user's
//! (a waker, a destructor) run. None of it runs under a lock.

use crate::error::{Error, Panic};
use crate::events::EventKind;
use crate::flight::FlightRef;
use crate::linger::Lingering;
use crate::panics;
use crate::state::{After, Leaver, Left, Phase};
use crate::stats::{Deed, Ended};
use crate::table::{Standing, Stays, Table};
use crate::terms::Terms;

/// What a leader's value came to.
pub(crate) enum Landing<V> {
    /// It is the leader's alone.
    Own(V),
    /// It is a failure, which is the leader's alone; another caller aboard is to try.
    HandedOn(V),
    /// It is a failure, which is kept for whoever started the work; another caller aboard is to try.
    Kept,
    /// It is the flight's result.
    Shared,
    /// The flight was ended by somebody else, who says how as soon as it has landed.
    Elsewhere,
}

/// How a flight landed for which nothing was chosen.
#[derive(Clone, Copy)]
enum Plainly {
    /// With nobody who knows it but its leader.
    Unseen,
    Alone,
    Shared,
}

/// How a flight landed on its terms.
#[derive(Clone, Copy)]
enum OnTerms {
    Alone,
    Shared,
    Lingers,
}

/// Who a landing value belongs to, if not to all.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    /// A leader who has it in hand.
    Leader,
    /// Whoever started the carried work, and is aboard or not.
    Starter,
}

impl<K, V> FlightRef<K, V> {
    /// The leader ends the flight with a value. `failed`: which is a failure. `registered`: its waker may be in the slot for one, from where it is
    /// taken: left there, it would be this very leader that landing wakes.
    #[inline]
    pub(crate) fn land(&self, table: &Table<K, V>, value: V, failed: bool, registered: bool) -> Landing<V> {
        match &self.terms {
            None => self.land_plainly(table, value, failed, true, registered),
            Some(terms) => {
                let _waker = registered.then(|| self.runner.take());
                self.land_on_terms(table, terms, value, failed, true, Owner::Leader)
            }
        }
    }

    /// `alone`: a leader whom nobody follows may have the value back.
    #[inline]
    pub(crate) fn land_plainly(
        &self,
        table: &Table<K, V>,
        value: V,
        failed: bool,
        alone: bool,
        registered: bool,
    ) -> Landing<V> {
        let how = Some(if failed { Ended::Failed } else { Ended::Completed });
        let step = |standing: Standing| {
            if alone && standing.unseen && self.state.close_unseen() {
                return Some((Plainly::Unseen, how, Stays::NoUnseen));
            }
            if alone && self.state.close_alone() {
                return Some((Plainly::Alone, how, Stays::No));
            }
            self.state.begin_landing(After::Plain).then_some((Plainly::Shared, how, Stays::No))
        };
        let take_waker = || registered.then(|| self.runner.take());
        match table.conclude(self, step) {
            // The waker goes with the flight, at once.
            Some(Plainly::Unseen) => Landing::Own(value),
            Some(Plainly::Alone) => {
                let _waker = take_waker();
                Landing::Own(value)
            }
            Some(Plainly::Shared) => {
                let _waker = take_waker();
                // SAFETY: this thread just moved the state to `Landing`.
                unsafe { self.publish(Ok(value)) };
                Landing::Shared
            }
            None => {
                let _waker = take_waker();
                // Ended while the work was being run: that outcome stands, and now the key is free.
                self.free(table);
                Landing::Elsewhere
            }
        }
    }

    #[cold]
    pub(crate) fn land_on_terms(
        &self,
        table: &Table<K, V>,
        terms: &Terms<K, V>,
        mut value: V,
        mut failed: bool,
        alone: bool,
        owner: Owner,
    ) -> Landing<V> {
        // A judgement that panics is none.
        panics::contain(|| failed = failed || terms.is_failure(&value));
        if let Some(main) = terms.main() {
            return self.land_beside(table, main, terms, value, failed, owner);
        }
        if failed {
            value = match self.hand_on(table, terms, value, owner) {
                Ok(handed) => return handed,
                Err(value) => value,
            };
        }
        let (how, kind) =
            if failed { (Ended::Failed, EventKind::Failed) } else { (Ended::Completed, EventKind::Completed) };
        let linger = terms.linger_until(failed);
        let landed = terms.noting(|noting| {
            let step = |standing: Standing| {
                if linger.is_some() && standing.findable {
                    let landing = self.state.begin_landing(After::Lingers);
                    return landing.then_some((OnTerms::Lingers, Some(how), Stays::Yes));
                }
                if alone && self.state.close_alone() {
                    return Some((OnTerms::Alone, Some(how), Stays::No));
                }
                self.state.begin_landing(After::Plain).then_some((OnTerms::Shared, Some(how), Stays::No))
            };
            let landed = table.conclude(self, step);
            if landed.is_some() {
                noting.flight(kind);
            }
            landed
        });
        let landing = match landed {
            Some(OnTerms::Alone) => {
                terms.dismiss();
                // Detached, and its caller left.
                self.stop_rival();
                Landing::Own(value)
            }
            Some(landed) => {
                terms.dismiss();
                // SAFETY: this thread just moved the state to `Landing`.
                unsafe { self.publish(Ok(value)) };
                if let (OnTerms::Lingers, Some((until, lingering))) = (landed, linger) {
                    Lingering::keep(lingering, self, until);
                }
                self.stop_rival();
                Landing::Shared
            }
            None => {
                self.free(table);
                Landing::Elsewhere
            }
        };
        terms.tell_observers(self);
        landing
    }

    /// The leader's work failed: somebody else aboard is to try, if the terms say so and there is somebody.
    fn hand_on(&self, table: &Table<K, V>, terms: &Terms<K, V>, failure: V, owner: Owner) -> Result<Landing<V>, V> {
        if !terms.may_retry() {
            return Err(failure);
        }
        let handed = terms.noting(|noting| {
            let handed = match owner {
                Owner::Leader if self.state.retry(true) => Ok(Landing::HandedOn(failure)),
                Owner::Leader => Err(failure),
                Owner::Starter => terms.keep_failure(self.term(), failure, || {
                    // First this, so that whoever leads next is not taken for the one whose work this was.
                    self.end_term();
                    self.state.retry(false)
                }),
            };
            if handed.is_ok() {
                noting.flight(EventKind::Retried);
            }
            handed
        });
        if handed.is_ok() {
            table.count(self.hash, Deed::Retry);
            self.wake_callers();
            terms.tell_observers(self);
        }
        handed
    }

    /// The work panicked.
    pub(crate) fn fail(&self, table: &Table<K, V>, panic: Panic) {
        let error = Error::Panicked(panic);
        if let Some(main) = self.main() {
            return self.fail_beside(table, main, error);
        }
        let outcome = Err(error);
        let step = |_| self.state.begin_landing(After::Plain).then_some(((), Some(Ended::Panicked), Stays::No));
        let landed = self.noting(EventKind::Panicked, || table.conclude(self, step));
        if landed.is_some() {
            // SAFETY: this thread just moved the state to `Landing`.
            unsafe { self.publish(outcome) };
            self.ended();
        } else {
            self.free(table);
        }
    }

    /// How the flight ended, for a caller that was aboard when it did.
    pub(crate) fn ending(&self) -> Result<V, Error>
    where
        V: Clone,
    {
        loop {
            if let Some(outcome) = self.outcome() {
                return outcome.clone();
            }
            // Only the leader of an `enter` gets here, whose flight was ended by somebody who has not written the outcome yet.
            let now = self.state.load();
            if now.is_late() {
                return Err(Error::TimedOut);
            }
            if now.phase() != Phase::Landing || !now.is_rivaled() {
                return Err(Error::Cancelled);
            }
            // A few instructions of another thread.
            crate::sync::relax();
        }
    }

    /// Ends the flight from outside. `false`: it was over already.
    pub(crate) fn cancel(&self, table: &Table<K, V>) -> bool {
        self.end_from_outside(table, After::Plain, Error::Cancelled, Ended::Cancelled, EventKind::Cancelled)
    }

    /// The flight's time is over. That of a work beside another is that of the other.
    pub(crate) fn expire(&self, table: &Table<K, V>) {
        let flight = self.main().unwrap_or(self);
        flight.end_from_outside(table, After::Late, Error::TimedOut, Ended::TimedOut, EventKind::TimedOut);
        if !flight.is(self) {
            self.stop(After::Late, Error::TimedOut);
        }
    }

    fn end_from_outside(&self, table: &Table<K, V>, after: After, error: Error, how: Ended, kind: EventKind) -> bool {
        let step = |_| {
            let cancelling = self.state.begin_cancel(after)?;
            // If the work is being run or torn down the flight stays as a placeholder, and whoever does that frees the key, so that two
            // works for one key never run at once.
            let stays = if cancelling.busy || cancelling.owns_work { Stays::Yes } else { Stays::No };
            Some((cancelling, Some(how), stays))
        };
        let Some(cancelling) = self.noting(kind, || table.conclude(self, step)) else { return false };
        // SAFETY: this thread just moved the state to `Landing`.
        unsafe { self.publish(Err(error)) };
        if cancelling.owns_work {
            // SAFETY: `begin_cancel` set the busy mark of a work that nobody held.
            unsafe { self.tear_down(table) };
        }
        self.ended();
        true
    }

    /// The leader lets the followers go alone.
    pub(crate) fn release(&self, table: &Table<K, V>) -> Result<(), Error> {
        if let Some(main) = self.main() {
            return self.release_beside(main);
        }
        let step = |_| self.state.release().ok().map(|before| (before, Some(Ended::Released), Stays::No));
        match self.noting(EventKind::Released, || table.conclude(self, step)) {
            Some(before) => {
                self.wake_if_heard(before);
                if let Some(terms) = &self.terms {
                    // What runs beside it is alone from now on, as everybody is, and need not stop.
                    let rival = terms.take_rival();
                    panics::contain(|| drop(rival));
                    terms.tell_observers(self);
                }
                Ok(())
            }
            None => {
                self.free(table);
                Err(if self.state.load().is_late() { Error::TimedOut } else { Error::Cancelled })
            }
        }
    }

    /// A caller leaves for good: its flight, and, if that runs beside another, that one too.
    pub(crate) fn depart(&self, table: &Table<K, V>, leaver: Leaver) {
        let left = self.leave(table, leaver);
        if leaver == Leaver::Leading && left == Left::Ended {
            // Ended by somebody else, who left the key to whoever puts the work down.
            self.free(table);
        }
        self.leave_main(table);
    }

    /// A caller leaves before the end; see [`State::leave`](crate::state::State::leave).
    pub(crate) fn leave(&self, table: &Table<K, V>, leaver: Leaver) -> Left {
        let left = self.state.leave(leaver, false);
        if left == Left::Vacated {
            self.notify();
        }
        if left != Left::WouldEnd {
            return left;
        }
        // The last one out: counted in the step that ends the flight.
        let mut left = Left::Others;
        self.noting(EventKind::Abandoned, || {
            let step = |_| {
                left = self.state.leave(leaver, true);
                let stays = if left == Left::Nobody { Stays::No } else { Stays::Yes };
                left.is_end().then_some(((), Some(Ended::Abandoned), stays))
            };
            table.conclude(self, step)
        });
        match left {
            Left::Others | Left::Ended | Left::WouldEnd => return left,
            Left::Vacated => {
                self.notify();
                return left;
            }
            Left::Nobody => {}
            Left::NobodyButRunner => {
                self.ended();
                return left;
            }
            Left::NobodyButWork => {
                // SAFETY: `leave` set the busy mark of a work that nobody held.
                unsafe { self.tear_down(table) };
                self.runner.wake();
            }
        }
        self.yield_to_next();
        self.ended();
        left
    }

    /// The work of an ended flight is gone: newcomers need not wait any more. For whoever held the work.
    pub(crate) fn free(&self, table: &Table<K, V>) {
        // What lingers is listed for its result, also while an overtaker writes that.
        table.conclude(self, |_| {
            let stays = if self.state.load().is_kept() { Stays::Yes } else { Stays::No };
            Some(((), None, stays))
        });
        let before = self.state.clear();
        self.wake_if_heard(before);
    }

    /// Takes a step that may end the flight, and notes it if it did.
    fn noting<T>(&self, kind: EventKind, step: impl FnOnce() -> Option<T>) -> Option<T> {
        match &self.terms {
            None => step(),
            Some(terms) => terms.noting(|noting| {
                let ended = step();
                if ended.is_some() {
                    noting.flight(kind);
                    // Before anybody is told, who may ask again at once.
                    terms.dismiss();
                }
                ended
            }),
        }
    }

    /// What is left to do, on this flight's terms, when its end has been published.
    fn ended(&self) {
        if let Some(terms) = &self.terms {
            self.stop_rival();
            terms.tell_observers(self);
        }
    }
}
