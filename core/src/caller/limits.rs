//! The limits that a caller keeps for itself while it waits or leads.

use core::hash::BuildHasher;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use super::{Caller, Place, Turn, known, unlink};
use crate::asks::Asks;
use crate::config::Config;
use crate::error::Error;
use crate::flight::FlightRef;
use crate::key::AsKey;
use crate::options::{Luggage, Wait};
use crate::served::Role;
use crate::snapshot::Verb;
use crate::state::Phase;
use crate::sync::Arc;

/// Whether a leader is to stop.
pub(crate) enum Stop {
    No,
    /// The flight has ended.
    Ended,
    /// The leader is to leave, with this.
    Leave(Error),
}

impl<K, V, R, S, Q: ?Sized> Caller<'_, '_, K, V, R, S, Q> {
    /// Whether this leader, who must not be running its work, is to stop it: the flight's time is over, which it says to all, or its own is, and
    /// then what it gets. The task of `cx` is woken when that comes.
    pub(crate) fn poll_lead_limits(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Stop {
        let this = self.project();
        let Some(flight) = this.flight else { return Stop::No };
        if flight.terms.is_none() && this.luggage.is_none() {
            return Stop::No;
        }
        let deadline = flight.terms.as_ref().and_then(|terms| terms.deadline);
        let wait = this.luggage.as_ref().and_then(|luggage| luggage.wait.clone());
        let Some(next) = deadline.into_iter().chain(wait.as_ref().map(|wait| wait.until)).min() else {
            return Stop::No;
        };
        let config = this.group.config();
        if !rang(flight, config, this.luggage.get_or_insert_default(), next, cx) {
            return Stop::No;
        }
        if deadline == Some(next) {
            flight.expire(this.group.table());
            return Stop::Ended;
        }
        Stop::Leave(wait.map_or(Error::WaitTimedOut, |wait| wait.error))
    }
}

impl<K, V, R, S, Q> Caller<'_, '_, K, V, R, S, Q>
where
    V: Clone,
    S: BuildHasher,
    Q: ?Sized + AsKey<K>,
{
    /// Looks at the limits of a caller that waits aboard: its flight's, its own, and how long it bears with a slow leader.
    #[cold]
    pub(super) fn poll_limits(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        can_lead: bool,
        verb: Verb,
    ) -> Poll<Option<Turn<V>>> {
        let this = self.as_mut().project();
        let flight = known(this.flight);
        let terms = flight.terms.as_deref();
        let now = flight.state.load();
        // Of a flight that is about to land it does not matter any more, and looking again and again would wait for another thread.
        let deadline = terms.and_then(|terms| terms.deadline).filter(|_| now.is_open());
        let wait = this.luggage.as_ref().and_then(|luggage| luggage.wait.clone());
        let may_overtake = can_lead && now.may_be_overtaken();
        let overtake = terms.filter(|_| may_overtake).and_then(|terms| terms.overtake_at(now.is_rivaled()));
        let limits = [deadline, wait.as_ref().map(|wait| wait.until), overtake];
        let Some(next) = limits.into_iter().flatten().min() else {
            return Poll::Pending;
        };
        if !rang(flight, this.group.config(), this.luggage.get_or_insert_default(), next, cx) {
            return Poll::Pending;
        }
        if deadline == Some(next) {
            flight.expire(this.group.table());
            return Poll::Ready(None);
        }
        if let Some(Wait { error, .. }) = wait.filter(|wait| wait.until == next) {
            self.leave();
            return Poll::Ready(Some(Turn::Landed(Err(error))));
        }
        if now.phase() == Phase::Vacant {
            flight.depose_rival();
            return Poll::Ready(None);
        }
        let asks = Asks::new(this.group.config(), this.luggage.as_deref());
        let Some(rival) = flight.overtake(this.group.table(), this.key.to_key(), &asks.brought(verb)) else {
            return Poll::Ready(None);
        };
        flight.tell_observers();
        this.waiting.stop();
        *this.place = Place::Leading;
        *this.role = Role::Overtook;
        // The rival keeps this flight.
        *this.flight = Some(rival);
        unlink(this.luggage);
        let _ = self.link();
        Poll::Ready(Some(Turn::Lead))
    }
}

/// Whether the clock has come to `at`; if not, the task is woken then.
pub(super) fn rang<K, V>(
    flight: &FlightRef<K, V>,
    config: Option<&Arc<Config<K, V>>>,
    luggage: &mut Luggage<K, V>,
    at: Duration,
    cx: &mut Context<'_>,
) -> bool {
    let Luggage { options, alarm, .. } = luggage;
    let flights = || flight.terms.as_ref().and_then(|terms| terms.time());
    let own = options.time.as_deref().or_else(|| config.and_then(|config| config.time.as_deref()));
    own.or_else(flights).is_some_and(|time| alarm.rang(time, at, cx))
}
