//! A work beside a slow leader's: one follower of a flight (the *main* one) leads a *rival*, a flight of its own that is not listed, whose result is
//! the main flight's.

use crate::circle::Node;
use crate::ending::{Landing, Owner};
use crate::error::Error;
use crate::events::EventKind;
use crate::flight::{Flight, FlightRef};
use crate::linger::Lingering;
use crate::log::Brought;
use crate::panics;
use crate::state::{After, Leaver, Phase};
use crate::stats::{Deed, Ended};
use crate::sync;
use crate::table::{Stays, Table};
use crate::terms::Terms;

impl<K, V> FlightRef<K, V> {
    /// Whether this flight runs beside another, and which.
    pub(crate) fn main(&self) -> Option<&FlightRef<K, V>> {
        self.terms.as_ref().and_then(|terms| terms.main())
    }

    /// The caller of this flight is through with it; if it runs beside another, the caller was aboard that one, too.
    pub(crate) fn leave_main(&self, table: &Table<K, V>) {
        if let Some(main) = self.main() {
            main.leave(table, Leaver::Follower);
        }
    }

    /// Where the flight stands among those that wait for each other. A work that asks for its own key waits for the flight it is run for.
    #[inline]
    pub(crate) fn node(&self) -> &Node {
        self.main().map_or(&self.own_node, |main| &main.own_node)
    }

    /// Starts a flight beside this one, of which the caller is aboard and whose leader it becomes; not if there is one already that is not too slow
    /// itself.
    pub(crate) fn overtake(&self, table: &Table<K, V>, key: K, by: &Brought) -> Option<FlightRef<K, V>> {
        let terms = self.terms.as_ref()?;
        let now = terms.time()?.now();
        let rival = FlightRef::new(Flight::new(key, self.hash, by.verb, Some(Terms::beside(self, terms, by))));
        let last = terms.noting(|noting| {
            let begin = |replaces: bool| match replaces {
                true => self.state.load().phase() == Phase::Flying,
                false => self.state.begin_rival(),
            };
            let placed = terms.place_rival(&rival, now, begin)?;
            noting.call(EventKind::Overtaken, by);
            Some(placed)
        })?;
        table.count(self.hash, Deed::Overtake);
        if let Some(last) = last {
            last.stop(After::Forgotten, Error::Cancelled);
            panics::contain(|| drop(last));
        }
        if !self.state.load().is_open() {
            // It ended meanwhile, and whoever ended it may not have seen the rival. Nothing was begun yet.
            self.stop_rival();
            return None;
        }
        Some(rival)
    }

    /// The leader left, and the one whose work runs beside is too slow as well: somebody else is to lead.
    pub(crate) fn depose_rival(&self) {
        let Some(terms) = &self.terms else { return };
        let slow = terms.time().and_then(|time| terms.take_slow_rival(time.now()));
        if let Some(rival) = slow {
            rival.stop(After::Forgotten, Error::Cancelled);
            self.end_rival();
            panics::contain(|| drop(rival));
        }
    }

    /// The place beside this flight is free.
    fn end_rival(&self) {
        if let Some(before) = self.state.end_rival() {
            self.wake_if_heard(before);
        }
    }

    /// This flight has ended: what runs beside it is to stop.
    pub(crate) fn stop_rival(&self) {
        if let Some(rival) = self.terms.as_ref().and_then(|terms| terms.take_rival()) {
            rival.stop(After::Forgotten, Error::Cancelled);
            panics::contain(|| drop(rival));
        }
    }

    /// The work of this flight, which ran beside another's, is gone without a result: somebody else may start one there.
    pub(crate) fn yield_to_next(&self) {
        let Some(main) = self.main() else { return };
        let rival = main.terms.as_ref().and_then(|terms| terms.take_rival_if(self));
        // Else the place is somebody else's by now, or the other flight has ended.
        if rival.is_some() {
            main.end_rival();
        }
    }

    /// The work of this flight, which ran beside that of `main`, has a value.
    pub(crate) fn land_beside(
        &self,
        table: &Table<K, V>,
        main: &Self,
        terms: &Terms<K, V>,
        value: V,
        failed: bool,
        owner: Owner,
    ) -> Landing<V> {
        let now = self.state.load();
        if !now.is_open() {
            // Another took its place, or its time was over. With everybody released it is alone, as they are, and has what its work came to.
            let is_alone = main.state.load().phase() == Phase::Released && !now.is_late();
            return if is_alone { Landing::Own(value) } else { Landing::Elsewhere };
        }
        if failed && self.may_fail_alone(table, main, terms) {
            if owner == Owner::Leader {
                return Landing::HandedOn(value);
            }
            self.keep_own(value);
            return Landing::Elsewhere;
        }
        match main.adopt(table, self, Ok(value), failed) {
            // Everybody else goes alone, and so does this one.
            Some(Ok(value)) if main.state.load().phase() == Phase::Released => Landing::Own(value),
            _ => {
                self.stop(After::Forgotten, Error::Cancelled);
                Landing::Elsewhere
            }
        }
    }

    /// The work of this flight, which ran beside that of `main`, panicked.
    pub(crate) fn fail_beside(&self, table: &Table<K, V>, main: &Self, error: Error) {
        if self.state.load().is_open() {
            main.adopt(table, self, Err(error.clone()), false);
        }
        // For its own caller, who unwinds.
        self.stop(After::Forgotten, error);
    }

    /// Who leads this flight, beside `main`, keeps its result for itself, and the others go on as if it had not been.
    pub(crate) fn release_beside(&self, main: &Self) -> Result<(), Error> {
        if !self.state.load().is_open() {
            let late = self.state.load().is_late() || main.state.load().is_late();
            return Err(if late { Error::TimedOut } else { Error::Cancelled });
        }
        self.stop(After::Forgotten, Error::Cancelled);
        self.yield_to_next();
        Ok(())
    }

    /// The work of this flight, which ran beside that of `main`, failed. Whether its failure is its own caller's, because others may try.
    fn may_fail_alone(&self, table: &Table<K, V>, main: &Self, terms: &Terms<K, V>) -> bool {
        let (Some(of_main), Some(overtaker)) = (&main.terms, terms.overtaker()) else { return false };
        let retried = of_main.noting(|noting| {
            let now = main.state.load();
            let others = now.callers() > 1;
            let retried = now.is_open() && others && of_main.may_retry();
            if retried {
                noting.call(EventKind::Retried, overtaker);
            }
            retried
        });
        if !retried {
            return false;
        }
        table.count(main.hash, Deed::Retry);
        self.yield_to_next();
        of_main.tell_observers(main);
        true
    }

    /// A work beside this flight's has an outcome: it is this flight's, unless that has ended already; then the outcome comes back.
    fn adopt(
        &self,
        table: &Table<K, V>,
        rival: &Self,
        outcome: Result<V, Error>,
        failed: bool,
    ) -> Option<Result<V, Error>> {
        let Some(terms) = &self.terms else { unreachable!("a flight with a work beside it has terms") };
        let linger = if outcome.is_ok() { terms.linger_until(failed) } else { None };
        let (how, kind) = match outcome {
            Ok(_) if failed => (Ended::Failed, EventKind::Failed),
            Ok(_) => (Ended::Completed, EventKind::Completed),
            Err(_) => (Ended::Panicked, EventKind::Panicked),
        };
        let is_panic = outcome.is_err();
        let overtaker = rival.terms.as_ref().and_then(|terms| terms.overtaker());
        let mut outcome = Some(outcome);
        // In one go, because the leader of an `enter` who is told meanwhile waits for the outcome, and it may do so in an interrupt handler.
        let (adopted, _dropped_unlocked) = sync::uninterrupted(|| {
            let (adopted, last) = terms.noting(|noting| {
                if !terms.is_rival(rival) {
                    // Another took its place.
                    return (None, None);
                }
                let adopted = table.conclude(self, |standing| {
                    let lingers = linger.is_some() && standing.findable;
                    // The leader's work may hang; newcomers need not wait for it.
                    let after = if lingers { After::Lingers } else { After::Forgotten };
                    let stays = if lingers { Stays::Yes } else { Stays::No };
                    self.state.begin_cancel(after).map(|cancelling| ((cancelling, lingers), Some(how), stays))
                });
                let mut last = None;
                if adopted.is_some() {
                    last = overtaker.and_then(|overtaker| noting.lead(overtaker));
                    noting.flight(kind);
                }
                (adopted, last)
            });
            let adopted = adopted.and_then(|adopted| {
                let outcome = outcome.take()?;
                terms.dismiss();
                if is_panic {
                    // The panic is that of whoever overtook, and not of who started the work that this flight carries.
                    self.end_term();
                }
                // SAFETY: this thread just moved the state to `Landing`.
                Some((adopted, unsafe { self.write(outcome) }))
            });
            (adopted, last)
        });
        let Some(((cancelling, lingers), before)) = adopted else { return outcome };
        self.announce(before);
        if let (true, Some((until, lingering))) = (lingers, linger) {
            Lingering::keep(lingering, self, until);
        }
        if let Some(current) = terms.take_rival() {
            if !current.is(rival) {
                // It took the place this moment.
                current.stop(After::Forgotten, Error::Cancelled);
            }
            panics::contain(|| drop(current));
        }
        if cancelling.owns_work {
            // SAFETY: `begin_cancel` set the busy mark of a work that nobody held.
            unsafe { self.tear_down(table) };
        }
        terms.tell_observers(self);
        None
    }

    /// This flight ran beside another, and is not needed any more.
    pub(crate) fn stop(&self, after: After, error: Error) {
        let Some(cancelling) = self.state.begin_cancel(after) else { return };
        // SAFETY: this thread just moved the state to `Landing`.
        unsafe { self.publish(Err(error)) };
        if cancelling.owns_work {
            // SAFETY: `begin_cancel` set the busy mark of a work that nobody held.
            unsafe { self.drop_work() };
            self.wake_if_heard(self.state.clear());
        }
    }

    /// The value of a work that ran beside another, for the one caller of it.
    pub(crate) fn keep_own(&self, value: V) {
        if self.state.begin_cancel(After::Plain).is_some() {
            // SAFETY: this thread just moved the state to `Landing`.
            unsafe { self.publish(Ok(value)) };
        }
    }
}
