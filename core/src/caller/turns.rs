//! What a caller that waits aboard does when it is its turn.

use core::hash::BuildHasher;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::{Caller, Place, Turn, known, unlink};
use crate::asks::Asks;
use crate::boarding;
use crate::driving::{Driven, Runner};
use crate::error::Error;
use crate::events::EventKind;
use crate::flight::{Flight, FlightRef};
use crate::key::AsKey;
use crate::panics;
use crate::served::Role;
use crate::snapshot::Verb;
use crate::state::{Leaver, Phase};
use crate::stats::Deed;

impl<K, V, R, S, Q> Caller<'_, '_, K, V, R, S, Q>
where
    V: Clone,
    S: BuildHasher,
    Q: ?Sized + AsKey<K>,
{
    /// Runs the carried work, unless somebody else is quicker.
    #[inline(never)]
    pub(super) fn poll_drive(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        can_lead: bool,
        verb: Verb,
        driven: &mut bool,
    ) -> Poll<Option<Turn<V>>> {
        let this = self.as_mut().project();
        let flight = known(this.flight);
        if *driven {
            // The work woke itself while this caller ran it. Others know; so that an executor can do
            // something else first, this one comes back later.
            let poll = self.poll_limits(cx, can_lead, verb);
            if poll.is_pending() {
                cx.waker().wake_by_ref();
            }
            return poll;
        }
        if flight.state.claim_work() {
            *driven = true;
            // SAFETY: `claim_work` set the busy mark.
            match unsafe { flight.drive(this.group.table(), Runner::Caller, None) } {
                Driven::Pending | Driven::Landed => {}
                Driven::Alone(value) => {
                    self.done();
                    return Poll::Ready(Some(Turn::Landed(Ok(value))));
                }
                Driven::Panicked(payload) => {
                    self.done();
                    panics::resume(payload);
                }
            }
        }
        Poll::Ready(None)
    }

    /// The leader left. `None`: somebody else was first.
    #[cold]
    pub(super) fn take_over(self: Pin<&mut Self>, verb: Verb) -> Option<Turn<V>> {
        let this = self.project();
        let flight = known(this.flight);
        let asks = Asks::new(this.group.config(), this.luggage.as_deref());
        let table = this.group.table();
        if !boarding::take_over(flight, &asks, verb, table) {
            return None;
        }
        this.waiting.stop();
        *this.place = Place::Leading;
        *this.role = Role::TookOver;
        // Only now, when this caller hands on should anything go wrong.
        flight.tell_observers();
        Some(Turn::Lead)
    }

    /// The leader let its followers go alone.
    #[cold]
    pub(super) fn go_alone(mut self: Pin<&mut Self>, verb: Verb) -> Turn<V> {
        let this = self.as_mut().project();
        let flight = known(this.flight);
        this.waiting.stop();
        *this.place = Place::Done;
        let asks = Asks::new(this.group.config(), this.luggage.as_deref());
        let alone = Flight::new(this.key.to_key(), flight.hash, verb, asks.terms_alone(verb));
        this.group.table().count(flight.hash, Deed::Alone);
        if let Some(terms) = &flight.terms {
            terms.noting(|noting| noting.call(EventKind::Alone, &asks.brought(verb)));
            terms.tell_observers(flight);
        }
        unlink(this.luggage);
        let last = this.flight.replace(FlightRef::new(alone));
        *this.place = Place::Leading;
        *this.role = Role::Alone;
        panics::contain(|| drop(last));
        let _ = self.link();
        Turn::Lead
    }

    /// The work that ran beside a leader's is over, and this caller is only one of those aboard that leader's flight.
    #[cold]
    pub(super) fn go_back(mut self: Pin<&mut Self>) -> Option<Turn<V>> {
        let this = self.as_mut().project();
        let flight = known(this.flight);
        let Some(main) = flight.main().cloned() else { unreachable!("only called for a flight beside another") };
        let table = this.group.table();
        this.waiting.stop();
        let released = main.state.load().phase() == Phase::Released;
        if let (Some(Err(Error::Panicked(panic))), true) = (flight.outcome(), *this.started == flight.term()) {
            if let Some(payload) = panic.take_payload() {
                self.done();
                panics::resume(payload);
            }
        }
        if let Some(outcome) = flight.outcome().filter(|outcome| outcome.is_ok() || released) {
            // Everybody goes alone, or others are to try again; what its own work came to is this caller's alone.
            let ending = outcome.clone();
            self.done();
            return Some(Turn::Landed(ending));
        }
        flight.leave(table, Leaver::Starter);
        let last = this.flight.replace(main);
        *this.place = Place::Aboard;
        *this.started = 0;
        *this.in_slot = false;
        unlink(this.luggage);
        panics::contain(|| drop(last));
        None
    }
}
