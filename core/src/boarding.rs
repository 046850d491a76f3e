//! Coming aboard: finding the flight for a key, or starting one.
//!
//! The user's code (comparing keys, making one) runs between looking and listing, outside the lock.

use alloc::boxed::Box;
use core::time::Duration;

use crate::config::Config;
use crate::events::{self, EventKind};
use crate::flight::{Flight, FlightRef};
use crate::key::AsKey;
use crate::options::{Asks, Luggage};
use crate::panics;
use crate::snapshot::Verb;
use crate::state::{Boarding, Room};
use crate::stats::Deed;
use crate::sync::Arc;
use crate::table::{Found, Table};

/// What became of a call that asked.
pub(crate) enum Boarded<K, V> {
    /// It started this flight.
    Leads(FlightRef<K, V>),
    /// It leads this flight, which had lost its leader.
    TookOver(FlightRef<K, V>),
    /// It follows.
    Followed(FlightRef<K, V>),
    /// The result of this flight is its own, too.
    Lingers(FlightRef<K, V>),
    /// It is to wait until this flight makes way.
    Clearing(FlightRef<K, V>),
    /// There is no place for one more flight.
    Refused,
}

/// Boards the flight for `key`, or lists a new one with the caller as its leader.
#[inline]
pub(crate) fn board<K, V, Q>(
    table: &Table<K, V>,
    config: Option<&Arc<Config<K, V>>>,
    luggage: &mut Option<Box<Luggage<K, V>>>,
    key: &Q,
    hash: u64,
    verb: Verb,
) -> Boarded<K, V>
where
    Q: ?Sized + AsKey<K>,
{
    if config.is_some() || luggage.is_some() {
        return board_asking(table, config, luggage, key, hash, verb);
    }
    let join = |flight: &FlightRef<K, V>| join(flight, table, Room::ANY, verb, moment(flight));
    find_or_list(table, key, hash, join, || Some(FlightRef::new(Flight::new(key.to_key(), hash, verb, None))))
}

/// Boards, for a call or a group of which something was asked.
#[cold]
fn board_asking<K, V, Q>(
    table: &Table<K, V>,
    config: Option<&Arc<Config<K, V>>>,
    luggage: &mut Option<Box<Luggage<K, V>>>,
    key: &Q,
    hash: u64,
    verb: Verb,
) -> Boarded<K, V>
where
    Q: ?Sized + AsKey<K>,
{
    let asks = Asks::new(config, luggage.as_deref());
    let room = asks.limits.max_callers.map_or(Room::ANY, Room::at_most);
    let join = |flight: &FlightRef<K, V>| {
        let too_old =
            |limit: Duration| flight.terms.as_ref().and_then(|terms| terms.age()).is_none_or(|age| age > limit);
        // A flight that ended is dealt with as such.
        if asks.limits.join_within.is_some_and(too_old) {
            let now = flight.state.load();
            if now.is_open() || now.lingers() {
                return Boarding::Full;
            }
        }
        join_asking(flight, table, room, &asks, verb)
    };
    let start = || {
        let Some(counted) = asks.admit(table) else {
            table.count(hash, Deed::Refused);
            if let Some(config) = config.filter(|config| config.is_observed()) {
                events::tell_refused(config, &key.to_key(), hash, &asks.brought(verb));
            }
            return None;
        };
        let place = Admitted { config: config.filter(|_| counted) };
        let flight = Flight::new(key.to_key(), hash, verb, asks.terms(table, verb, counted));
        // Whoever ends the flight gives its place back.
        core::mem::forget(place);
        Some(FlightRef::new(flight))
    };
    let boarded = find_or_list(table, key, hash, join, start);
    let joined = !matches!(boarded, Boarded::Leads(_));
    let outside = matches!(boarded, Boarded::Clearing(_));
    let time = asks.time().filter(|_| asks.may_wait()).cloned();
    if let Some(time) = time {
        let now = luggage.get_or_insert_default().asked(&*time);
        let wait = Asks::new(config, luggage.as_deref()).wait(now, joined, outside);
        luggage.get_or_insert_default().wait = wait;
    }
    boarded
}

/// A place among the group's flights, until it is the flight's.
struct Admitted<'a, K, V> {
    config: Option<&'a Arc<Config<K, V>>>,
}

impl<K, V> Drop for Admitted<'_, K, V> {
    fn drop(&mut self) {
        if let Some(config) = self.config {
            config.dismiss();
        }
    }
}

fn find_or_list<K, V, Q>(
    table: &Table<K, V>,
    key: &Q,
    hash: u64,
    mut join: impl FnMut(&FlightRef<K, V>) -> Boarding,
    mut start: impl FnMut() -> Option<FlightRef<K, V>>,
) -> Boarded<K, V>
where
    Q: ?Sized + AsKey<K>,
{
    let mut new: Option<FlightRef<K, V>> = None;
    loop {
        let found = if new.is_none() && table.seems_empty(hash) { Found::None } else { table.find(hash) };
        let known = found.as_slice().iter().find(|flight| key.matches(&flight.key));
        if let Some(flight) = known {
            let boarding = join(flight);
            if !matches!(boarding, Boarding::Gone | Boarding::Full) {
                let flight = flight.clone();
                panics::contain(|| drop(found));
                if let Some(terms) = new.as_ref().and_then(|new| new.terms.as_ref()) {
                    terms.dismiss();
                }
                panics::contain(|| drop(new));
                return match boarding {
                    Boarding::TookOver => Boarded::TookOver(flight),
                    Boarding::Followed => Boarded::Followed(flight),
                    Boarding::Lingers => Boarded::Lingers(flight),
                    _ => Boarded::Clearing(flight),
                };
            }
        }
        let Some(flight) = new.take().or_else(&mut start) else {
            return Boarded::Refused;
        };
        let inserted = table.insert(&flight, found.as_slice(), known);
        // This may be the last owner of flights that ended meanwhile, and so drop the user's keys and values. From here on a panic
        // of those would leave behind a flight that nobody is aboard of.
        panics::contain(|| drop(found));
        if inserted {
            return Boarded::Leads(flight);
        }
        new = Some(flight);
    }
}

/// The time of the flight's clock, if it has one; to be read before any lock is taken.
#[inline]
fn moment<K, V>(flight: &FlightRef<K, V>) -> Option<Duration> {
    flight.terms.as_ref().and_then(|terms| terms.time()).map(|time| time.now())
}

/// Tries to come aboard.
#[inline]
fn join<K, V>(
    flight: &FlightRef<K, V>,
    table: &Table<K, V>,
    room: Room,
    verb: Verb,
    now: Option<Duration>,
) -> Boarding {
    let boarding = flight.state.board(room);
    match boarding {
        Boarding::Followed => table.count(flight.hash, Deed::Joined),
        Boarding::TookOver => took_over(flight, table, verb, now),
        Boarding::Lingers => return served(flight, table, now),
        Boarding::Clearing | Boarding::Full | Boarding::Gone => {}
    }
    boarding
}

fn join_asking<K, V>(
    flight: &FlightRef<K, V>,
    table: &Table<K, V>,
    room: Room,
    asks: &Asks<'_, K, V>,
    verb: Verb,
) -> Boarding {
    let Some(terms) = flight.terms.as_ref().filter(|terms| terms.is_observed()) else {
        return join(flight, table, room, verb, moment(flight));
    };
    let (by, now) = (asks.brought(verb), moment(flight));
    let (boarding, _dropped_unlocked) = terms.noting(|noting| {
        let boarding = join(flight, table, room, verb, now);
        let mut last = None;
        match boarding {
            Boarding::Followed => noting.call(EventKind::Joined, &by),
            Boarding::TookOver => {
                noting.call(EventKind::Joined, &by);
                last = noting.lead(&by);
                noting.call(EventKind::Handover, &by);
            }
            Boarding::Lingers => noting.call(EventKind::Lingered, &by),
            Boarding::Clearing | Boarding::Full | Boarding::Gone => {}
        }
        (boarding, last)
    });
    boarding
}

/// A caller aboard takes over from a leader that left, if `claim` says so.
pub(crate) fn take_over<K, V>(
    flight: &FlightRef<K, V>,
    asks: &Asks<'_, K, V>,
    verb: Verb,
    table: &Table<K, V>,
    claim: impl FnOnce(&FlightRef<K, V>) -> bool,
) -> bool {
    let Some(terms) = flight.terms.as_ref().filter(|terms| terms.is_observed()) else {
        let claimed = claim(flight);
        if claimed {
            handed_over(flight, table, verb, moment(flight));
        }
        return claimed;
    };
    let by = asks.brought(verb);
    let (claimed, _dropped_unlocked) = terms.noting(|noting| {
        let claimed = claim(flight);
        let last = if claimed { noting.lead(&by) } else { None };
        if claimed {
            noting.call(EventKind::Handover, &by);
        }
        (claimed, last)
    });
    if claimed {
        handed_over(flight, table, verb, moment(flight));
        terms.tell(flight);
    }
    claimed
}

#[cold]
fn took_over<K, V>(flight: &FlightRef<K, V>, table: &Table<K, V>, verb: Verb, now: Option<Duration>) {
    table.count(flight.hash, Deed::Joined);
    handed_over(flight, table, verb, now);
}

fn handed_over<K, V>(flight: &FlightRef<K, V>, table: &Table<K, V>, verb: Verb, now: Option<Duration>) {
    table.count(flight.hash, Deed::Handover);
    flight.set_verb(verb);
    if let Some(terms) = &flight.terms {
        terms.led_anew(now);
    }
}

/// A newcomer found a result that lingers: it is served, unless its time is over.
#[cold]
fn served<K, V>(flight: &FlightRef<K, V>, table: &Table<K, V>, now: Option<Duration>) -> Boarding {
    // If no time is noted yet, it landed this moment.
    let until = flight.terms.as_ref().and_then(|terms| terms.lingers()).map(|(until, _)| until);
    if until.zip(now).is_some_and(|(until, now)| now >= until) {
        return Boarding::Gone;
    }
    table.count(flight.hash, Deed::Lingered);
    Boarding::Lingers
}
