//! What a group counted, and what is in flight in it: all that is read off its table, and not by way of its runtime or its hasher.

use alloc::vec::Vec;

use crate::flight::FlightRef;
use crate::snapshot::{FlightState, InFlight};
use crate::state::Phase;
use crate::stats::{Stats, Totals};
use crate::sync::Lock;
use crate::table::Table;

pub(crate) struct Accounts<K, V> {
    table: Table<K, V>,
    /// What had been counted when the accounts were reset.
    base: Lock<Totals>,
}

impl<K, V> Accounts<K, V> {
    pub(crate) fn new(table: Table<K, V>) -> Self {
        Self { table, base: Lock::new(Totals::default()) }
    }

    pub(crate) fn stats(&self) -> Stats {
        // Before the counts, which only grow, so that no difference can be negative.
        let base = self.base.with(|base| *base);
        let (totals, waiting) = self.table.totals();
        Stats { waiting, ..totals.since(&base) }
    }

    pub(crate) fn reset(&self) -> Stats {
        // All under the one lock, so that of two resets at once each counts what the other does not.
        self.base.with(|base| {
            let (totals, waiting) = self.table.totals();
            let stats = Stats { waiting, ..totals.since(base) };
            *base = totals;
            stats
        })
    }

    /// The flights in progress, with what `key` makes of each one's key.
    pub(crate) fn in_flight<Q>(&self, key: impl Fn(&FlightRef<K, V>) -> Q) -> Vec<InFlight<Q>> {
        let mut flights = Vec::new();
        for (flight, listed) in self.table.all_listed() {
            let now = flight.state.load();
            if !now.is_open() {
                continue;
            }
            flights.push(InFlight {
                key: key(&flight),
                age: flight.terms.as_ref().and_then(|terms| terms.age()),
                callers: now.callers(),
                state: match now.phase() {
                    _ if now.is_rivaled() => FlightState::Overtaken,
                    Phase::Vacant => FlightState::Vacant,
                    _ => FlightState::Running,
                },
                verb: flight.verb(),
                listed,
            });
        }
        flights
    }
}
