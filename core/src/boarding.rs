//! Coming aboard: finding the flight for a key, or starting one.
//!
//! The user's code (comparing keys, making one) runs between looking and listing, outside the lock.

use alloc::boxed::Box;
use core::time::Duration;

use crate::asks::Asks;
use crate::config::Config;
use crate::events::EventKind;
use crate::flight::{Flight, FlightRef};
use crate::key::AsKey;
use crate::log;
use crate::options::Luggage;
use crate::panics;
use crate::snapshot::Verb;
use crate::state::{Boarding, Room};
use crate::stats::Deed;
use crate::sync::Arc;
use crate::table::Table;
use crate::time;

/// What became of a call that asked, and the flight it is about: none only for one that was refused.
pub(crate) type Boarded<K, V> = (Option<FlightRef<K, V>>, How);

/// What became of a call that asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// It follows.
    Followed,
    /// It leads the flight, which had lost its leader.
    TookOver,
    /// The flight's result is its own, too.
    Lingers,
    /// It is to wait until the flight makes way.
    Clearing,
    /// It started the flight.
    Leads,
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
    let join = |flight: &FlightRef<K, V>| join(flight, table, Room::ANY, verb, || moment(flight));
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
        let too_old = |limit: Duration| {
            // Not by the clock that observers get for want of another.
            let timed = flight.terms.as_ref().filter(|terms| terms.time().is_some());
            timed.and_then(|terms| terms.age()).is_none_or(|age| age > limit)
        };
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
                log::tell_refused(config, &key.to_key(), hash, &asks.brought(verb));
            }
            return None;
        };
        let place = Admitted { config: config.filter(|_| counted) };
        let flight = Flight::new(key.to_key(), hash, verb, asks.terms(table, verb, counted));
        // Whoever ends the flight gives its place back.
        core::mem::forget(place);
        Some(FlightRef::new(flight))
    };
    // Read first: a clock that panics must not do so when the call is aboard.
    let asked = asks.time().filter(|_| asks.may_wait()).map(|time| time.now());
    let boarded = find_or_list(table, key, hash, join, start);
    let joined = boarded.1 != How::Leads;
    let outside = boarded.1 == How::Clearing;
    if let Some(now) = asked {
        let asked = luggage.get_or_insert_default().asked(now);
        let wait = Asks::new(config, luggage.as_deref()).wait(asked, joined, outside);
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

#[inline]
fn find_or_list<K, V, Q>(
    table: &Table<K, V>,
    key: &Q,
    hash: u64,
    join: impl Fn(&FlightRef<K, V>) -> Boarding,
    start: impl Fn() -> Option<FlightRef<K, V>>,
) -> Boarded<K, V>
where
    Q: ?Sized + AsKey<K>,
{
    if !table.seems_empty(hash) {
        // As it nearly always is: one flight, for this key, and in progress.
        if let Ok(Some(flight)) = table.find(hash) {
            if key.matches(&flight.key) {
                if let Some(how) = aboard(join(&flight)) {
                    return (Some(flight), how);
                }
            }
            panics::contain(|| drop(flight));
        }
        return look(table, key, hash, join, start, None);
    }
    let Some(flight) = start() else {
        return (None, How::Refused);
    };
    if table.insert(&flight, &[], None) {
        return (Some(flight), How::Leads);
    }
    look(table, key, hash, join, start, Some(flight))
}

/// What a caller is that tried to join, unless it is to start a flight.
#[inline]
fn aboard(boarding: Boarding) -> Option<How> {
    match boarding {
        Boarding::Followed => Some(How::Followed),
        Boarding::TookOver => Some(How::TookOver),
        Boarding::Lingers => Some(How::Lingers),
        Boarding::Clearing => Some(How::Clearing),
        Boarding::Full | Boarding::Gone => None,
    }
}

/// The same, whatever is found. `new`: a flight that was made already.
#[inline(never)]
fn look<K, V, Q>(
    table: &Table<K, V>,
    key: &Q,
    hash: u64,
    join: impl Fn(&FlightRef<K, V>) -> Boarding,
    start: impl Fn() -> Option<FlightRef<K, V>>,
    new: Option<FlightRef<K, V>>,
) -> Boarded<K, V>
where
    Q: ?Sized + AsKey<K>,
{
    let mut new = Unlisted(new);
    loop {
        let found = table.find_many(hash);
        let known = found.as_slice().iter().position(|flight| key.matches(&flight.key));
        if let Some(known) = known {
            if let Some(how) = aboard(join(&found.as_slice()[known])) {
                return (Some(found.into_one(known)), how);
            }
        }
        let Some(flight) = new.0.take().or_else(&start) else {
            return (None, How::Refused);
        };
        let inserted = table.insert(&flight, found.as_slice(), known);
        // This may be the last owner of flights that ended meanwhile, and so drop the user's keys and values. From here on a panic
        // of those would leave behind a flight that nobody is aboard of.
        panics::contain(|| drop(found));
        if inserted {
            return (Some(flight), How::Leads);
        }
        new.0 = Some(flight);
    }
}

/// A flight that was made in vain, if it is not taken out before.
struct Unlisted<K, V>(Option<FlightRef<K, V>>);

impl<K, V> Drop for Unlisted<K, V> {
    #[inline]
    fn drop(&mut self) {
        if let Some(flight) = self.0.take() {
            if let Some(terms) = &flight.terms {
                terms.dismiss();
            }
            panics::contain(|| drop(flight));
        }
    }
}

/// The time of the flight's clock, if it has one that does not panic: the caller may be aboard already. To be read before any lock is taken.
#[inline]
fn moment<K, V>(flight: &FlightRef<K, V>) -> Option<Duration> {
    flight.terms.as_ref().and_then(|terms| terms.time()).and_then(time::read)
}

/// Tries to come aboard. `now`: the time of the flight's clock.
#[inline]
fn join<K, V>(
    flight: &FlightRef<K, V>,
    table: &Table<K, V>,
    room: Room,
    verb: Verb,
    now: impl FnOnce() -> Option<Duration>,
) -> Boarding {
    let boarding = flight.state.board(room);
    match boarding {
        Boarding::Followed => table.count(flight.hash, Deed::Joined),
        Boarding::TookOver => took_over(flight, table, verb, now()),
        Boarding::Lingers => return served(flight, table, now()),
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
        return join(flight, table, room, verb, || moment(flight));
    };
    let (by, now) = (asks.brought(verb), moment(flight));
    let (boarding, _dropped_unlocked) = terms.noting(|noting| {
        let boarding = join(flight, table, room, verb, || now);
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

/// A caller aboard takes over from a leader that left. `false`: somebody else did.
pub(crate) fn take_over<K, V>(
    flight: &FlightRef<K, V>,
    asks: &Asks<'_, K, V>,
    verb: Verb,
    table: &Table<K, V>,
) -> bool {
    let now = moment(flight);
    if let Some(terms) = &flight.terms {
        // First this, or another might overtake a leader who only begins. Whoever claims in vain was late by next to nothing.
        terms.led_anew(now);
    }
    let mut _dropped_unlocked = None;
    let claimed = match flight.terms.as_ref().filter(|terms| terms.is_observed()) {
        None => flight.state.claim(),
        Some(terms) => {
            let by = asks.brought(verb);
            terms.noting(|noting| {
                let claimed = flight.state.claim();
                if claimed {
                    _dropped_unlocked = noting.lead(&by);
                    noting.call(EventKind::Handover, &by);
                }
                claimed
            })
        }
    };
    if claimed {
        handed_over(flight, table, verb, now);
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
    let until = flight.terms.as_ref().and_then(|terms| terms.linger_place()).map(|(until, _)| until);
    if until.is_some_and(|until| now.is_none_or(|now| now >= until)) {
        return Boarding::Gone;
    }
    table.count(flight.hash, Deed::Lingered);
    Boarding::Lingers
}
