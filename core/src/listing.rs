//! The flights of one shard, by hash: the first few in the shard itself, more of them in a hash table.
//!
//! Nearly always a shard lists none or one. That one then lies where the lock is, so that a call touches one line of the cache and no more memory of
//! the heap; threads that call at the same time get in each other's way as little as can be.

use alloc::boxed::Box;
use alloc::vec::Vec;

use hashbrown::HashTable;
use hashbrown::hash_table::OccupiedEntry;

use crate::flight::{FlightRef, ListedFlight};
use crate::owners::Listed;
use crate::panics;

/// As many as, with what else every call needs of a shard, fill one line of the cache.
const FEW: usize = 4;

/// What every call touches comes first.
#[repr(C)]
pub(crate) struct Listing<K, V> {
    few: [Option<ListedFlight<K, V>>; FEW],
    /// A part of their hashes, so that of those with another hash most need not be looked at.
    tags: [u8; FEW],
    /// Whether two flights had the same hash since there were none.
    twins: bool,
    /// Whether there is a table of more.
    spilled: bool,
    /// What found no place among the few, if anything.
    many: Option<Box<HashTable<Hashed<K, V>>>>,
}

/// With its hash beside it, so that a table that grows need not look at each of its flights.
pub(crate) struct Hashed<K, V> {
    hash: u64,
    flight: ListedFlight<K, V>,
}

/// The listed flights with one hash: nearly always none or one.
pub(crate) enum Found<K, V> {
    None,
    One(FlightRef<K, V>),
    Many(Vec<FlightRef<K, V>>),
}

/// A table gives memory back when it holds fewer than one entry in this many places…
const SPARSE: usize = 8;
/// …but keeps this many places, so that a steady trickle does not allocate.
const KEPT: usize = 64;

#[inline]
fn tag(hash: u64) -> u8 {
    (hash >> 48) as u8
}

impl<K, V> Listing<K, V> {
    pub(crate) fn new() -> Self {
        Self { few: [const { None }; FEW], tags: [0; FEW], twins: false, spilled: false, many: None }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        !self.spilled && self.few.iter().all(Option::is_none)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &ListedFlight<K, V>> {
        self.few.iter().flatten().chain(self.many.iter().flat_map(|many| many.iter().map(|hashed| &hashed.flight)))
    }

    pub(crate) fn all_with(&self, hash: u64) -> impl Iterator<Item = &ListedFlight<K, V>> {
        let many = self.many.iter().flat_map(move |many| many.iter_hash(hash));
        let many = many.filter(move |hashed| hashed.hash == hash).map(|hashed| &hashed.flight);
        self.few.iter().flatten().filter(move |flight| flight.hash == hash).chain(many)
    }

    #[inline]
    fn any_with(&self, hash: u64) -> Option<&ListedFlight<K, V>> {
        for (place, known) in self.few.iter().zip(self.tags) {
            if let Some(flight) = place {
                if known == tag(hash) && flight.hash == hash {
                    return Some(flight);
                }
            }
        }
        if !self.spilled {
            return None;
        }
        self.many.as_ref()?.find(hash, |hashed| hashed.hash == hash).map(|hashed| &hashed.flight)
    }

    /// The one flight with this hash. `Err`: there may be several, for [`find_many`](Self::find_many).
    #[inline]
    pub(crate) fn find(&self, hash: u64) -> Result<Option<FlightRef<K, V>>, ()> {
        if self.twins { Err(()) } else { Ok(self.any_with(hash).map(Listed::find)) }
    }

    /// The flights with this hash.
    pub(crate) fn find_many(&self, hash: u64) -> Found<K, V> {
        let mut same = self.all_with(hash).map(Listed::find);
        match (same.next(), same.next()) {
            (None, _) => Found::None,
            (Some(flight), None) => Found::One(flight),
            (Some(first), Some(second)) => Found::Many([first, second].into_iter().chain(same).collect()),
        }
    }

    /// Lists `new`, if there is no other with its hash.
    #[inline]
    pub(crate) fn insert(&mut self, new: &FlightRef<K, V>) -> bool {
        let vacant = self.any_with(new.hash).is_none();
        if vacant {
            self.add(new);
        }
        vacant
    }

    /// Lists `new` in place of `seen[over]`, if that is listed, and gives that. `Err`: there is one with its hash that is not among `seen`.
    #[cold]
    pub(crate) fn insert_beside(
        &mut self,
        new: &FlightRef<K, V>,
        seen: &[FlightRef<K, V>],
        over: Option<usize>,
    ) -> Result<Option<ListedFlight<K, V>>, ()> {
        let is_seen = |flight: &ListedFlight<K, V>| seen.iter().any(|seen| flight.lists(seen));
        if !self.all_with(new.hash).all(is_seen) {
            return Err(());
        }
        let replaced = over.and_then(|over| self.take(&seen[over]));
        self.twins = self.twins || self.any_with(new.hash).is_some();
        self.add(new);
        Ok(replaced)
    }

    #[inline]
    fn add(&mut self, new: &FlightRef<K, V>) {
        match self.few.iter().position(Option::is_none) {
            Some(free) => {
                self.few[free] = Some(new.list());
                self.tags[free] = tag(new.hash);
            }
            None => {
                self.spilled = true;
                let many = self.many.get_or_insert_default();
                many.insert_unique(new.hash, Hashed { hash: new.hash, flight: new.list() }, |hashed| hashed.hash);
            }
        }
    }

    /// The place of exactly this flight, if it is listed.
    #[inline]
    pub(crate) fn place(&mut self, flight: &FlightRef<K, V>) -> Option<Place<'_, K, V>> {
        let lists = |listed: &ListedFlight<K, V>| listed.lists(flight);
        if let Some(nth) = self.few.iter().position(|place| place.as_ref().is_some_and(lists)) {
            return Some(Place::Few(&mut self.few[nth]));
        }
        if !self.spilled {
            return None;
        }
        self.many.as_mut()?.find_entry(flight.hash, |hashed| lists(&hashed.flight)).ok().map(Place::Many)
    }

    /// Takes exactly this flight out.
    pub(crate) fn take(&mut self, flight: &FlightRef<K, V>) -> Option<ListedFlight<K, V>> {
        let taken = self.place(flight)?.take();
        self.taken();
        taken
    }

    /// To be called when something was taken out by its place.
    #[inline]
    pub(crate) fn taken(&mut self) {
        if self.spilled {
            self.shrink();
        }
        self.twins = self.twins && !self.is_empty();
    }

    /// Gives memory back after a burst.
    #[cold]
    fn shrink(&mut self) {
        let Some(many) = &mut self.many else { return };
        if let Some(room) = less_room(many.len(), many.capacity()) {
            many.shrink_to(room, |hashed| hashed.hash);
        }
        // A table in steady use stays, so that it need not be made again and again.
        if many.is_empty() && self.few.iter().all(Option::is_none) {
            self.many = None;
            self.spilled = false;
        }
    }
}

/// Where a flight is listed.
pub(crate) enum Place<'a, K, V> {
    Few(&'a mut Option<ListedFlight<K, V>>),
    Many(OccupiedEntry<'a, Hashed<K, V>>),
}

impl<K, V> Place<'_, K, V> {
    /// Whether nobody has a reference to it but the one by whose it was looked for, nor will.
    #[inline]
    pub(crate) fn is_unseen(&self) -> bool {
        match self {
            Self::Few(place) => place.as_ref().is_some_and(Listed::is_known_to_one),
            Self::Many(entry) => entry.get().flight.is_known_to_one(),
        }
    }

    #[inline]
    pub(crate) fn take(self) -> Option<ListedFlight<K, V>> {
        match self {
            Self::Few(place) => place.take(),
            Self::Many(entry) => Some(entry.remove().0.flight),
        }
    }
}

/// How many places a table is to have from now on, if fewer than it has.
#[inline]
fn less_room(len: usize, capacity: usize) -> Option<usize> {
    let is_sparse = capacity > KEPT * 2 && len < capacity / SPARSE;
    is_sparse.then_some(if len == 0 { 0 } else { (len * 2).max(KEPT) })
}

impl<K, V> Found<K, V> {
    pub(crate) fn as_slice(&self) -> &[FlightRef<K, V>] {
        match self {
            Self::None => &[],
            Self::One(flight) => core::slice::from_ref(flight),
            Self::Many(all) => all,
        }
    }

    /// The one at `index`; the others are dropped.
    #[inline]
    pub(crate) fn into_one(self, index: usize) -> FlightRef<K, V> {
        #[cold]
        fn one_of<K, V>(mut all: Vec<FlightRef<K, V>>, index: usize) -> FlightRef<K, V> {
            let flight = all.swap_remove(index);
            panics::contain(|| drop(all));
            flight
        }

        match self {
            Self::None => unreachable!("nothing was found"),
            Self::One(flight) => flight,
            Self::Many(all) => one_of(all, index),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use super::*;
    use crate::flight::Flight;

    fn flight(key: u64, hash: u64) -> FlightRef<u64, ()> {
        FlightRef::new(Flight::new(key, hash, crate::Verb::Run, None))
    }

    #[test]
    fn a_table_has_room_for_a_trickle_and_gives_back_the_rest() {
        let room = [(0, 128), (0, 129), (15, 129), (16, 129), (33, 1000), (100, 1000), (125, 1000), (900, 1000)];
        let room = room.map(|(len, capacity)| less_room(len, capacity));
        assert_eq!(room, [None, Some(0), Some(64), None, Some(66), Some(200), None, None]);
    }

    #[test]
    fn p03_a_burst_gives_its_memory_back() {
        let mut listing = Listing::new();
        let burst: Vec<_> = (0..10_000).map(|key| flight(key, key << 40 | key)).collect();
        for flight in &burst {
            assert!(listing.insert(flight));
        }
        assert!(listing.many.as_ref().is_some_and(|many| many.capacity() >= burst.len() - FEW));
        // The few went first: some of the many are still there, and places kept for them.
        let (last, gone) = burst.split_last().unwrap();
        for flight in gone {
            assert!(listing.take(flight).is_some() && listing.take(flight).is_none());
        }
        assert!(listing.many.as_ref().is_some_and(|many| many.capacity() <= KEPT * 2));
        assert!(listing.take(last).is_some());
        assert!(listing.is_empty() && listing.iter().count() == 0 && listing.many.is_none());
    }

    /// Whatever is listed and taken out, in whatever order, is found by its hash, and nothing else is. With few hashes, some of which have the
    /// same tag, so that there are twins, and more flights than the few places hold.
    #[test]
    fn p04_what_is_listed_is_found_and_nothing_else() {
        let hashes = [7, 7 << 20, 7 << 48, 7 << 48 | 1, u64::MAX, 0, 1, 2, 3];
        let mut random = 1_u64;
        let mut listing = Listing::new();
        let mut model: BTreeMap<u64, FlightRef<u64, ()>> = BTreeMap::new();
        for key in 0..20_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let hash = hashes[(random >> 33) as usize % hashes.len()];
            // It fills and empties by turns.
            if (random >> 40) % 8 < (if key / 50 % 2 == 0 { 5 } else { 2 }) {
                let new = flight(key, hash);
                let seen: Vec<_> = model.values().filter(|flight| flight.hash == hash).cloned().collect();
                let over = (random >> 50) as usize % 4;
                if seen.is_empty() {
                    assert!(listing.insert(&new));
                } else {
                    assert!(!listing.insert(&new));
                    // One that was not compared yet.
                    assert!(listing.insert_beside(&new, &seen[1..], None).is_err());
                    let replaced = listing.insert_beside(&new, &seen, (over < seen.len()).then_some(over)).unwrap();
                    assert_eq!(replaced.is_some(), over < seen.len());
                    if let Some(replaced) = replaced {
                        assert!(replaced.lists(&seen[over]));
                        model.remove(&seen[over].key);
                    }
                }
                model.insert(key, new);
            } else if let Some(key) = model.keys().nth((random >> 45) as usize % model.len().max(1)).copied() {
                let flight = model.remove(&key).unwrap();
                assert!(listing.take(&flight).is_some_and(|taken| taken.lists(&flight)));
                assert!(listing.take(&flight).is_none());
            }
            assert_eq!((listing.iter().count(), listing.is_empty()), (model.len(), model.is_empty()));
            for hash in hashes {
                let mut expected: Vec<_> = model.values().filter(|flight| flight.hash == hash).map(|f| f.key).collect();
                let mut found: Vec<_> = listing.find_many(hash).as_slice().iter().map(|flight| flight.key).collect();
                found.sort_unstable();
                expected.sort_unstable();
                assert_eq!(found, expected);
                match listing.find(hash) {
                    Ok(one) => assert_eq!(one.map(|flight| flight.key), expected.pop()),
                    Err(()) => assert!(!model.is_empty(), "nothing left of any twins"),
                }
            }
        }
        // Flights that the listing does not know any more are gone with their last reference.
        drop(listing);
        drop(model);
    }
}
