//! The flights in progress, by key: a sharded hash table that never runs user code under a lock.
//!
//! The locks protect which flights are listed, nothing else. Entries are found by their full hash; keys are compared, made and
//! dropped outside. That leaves a gap between looking and inserting, closed by [`Table::insert`], which refuses when
//! something with the same hash came in that the caller has not seen.

use alloc::vec::Vec;
use core::mem;

use hashbrown::HashTable;

use crate::flight::FlightRef;
use crate::panics;
use crate::state::Snapshot;
use crate::stats::{Deed, Ended, Tally, Totals};
use crate::sync::{Arc, AtomicUsize, Lock, Ordering};

/// Shared by the group and by what takes out results that lingered long enough.
pub(crate) struct Table<K, V> {
    shards: Arc<[Shard<K, V>]>,
    /// The shard is chosen by this many of the mixed hash's top bits.
    bits: u32,
}

/// Padded so that threads on neighbouring shards do not share a cache line (or the pair of lines that
/// some processors fetch together). What every call touches comes first.
#[repr(C, align(128))]
struct Shard<K, V> {
    lists: Lock<Lists<K, V>>,
    /// The number of entries, readable without the lock. A hint: it decides which way is tried first, never what is true.
    len: AtomicUsize,
    /// By [`Deed`].
    deeds: [AtomicUsize; Deed::KINDS],
}

#[repr(C)]
struct Lists<K, V> {
    /// What newcomers find.
    flights: HashTable<FlightRef<K, V>>,
    tally: Tally,
    /// Flights in progress that newcomers are not to find: forgotten, full, or too old. Kept by address, so that any number of them under one key
    /// costs nobody anything.
    aside: HashTable<FlightRef<K, V>>,
}

/// The listed flights with one hash: nearly always none or one.
pub(crate) enum Found<K, V> {
    None,
    One(FlightRef<K, V>),
    Many(Vec<FlightRef<K, V>>),
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

/// A shard gives memory back when it holds fewer than one entry in this many places…
const SPARSE: usize = 8;
/// …but keeps this many places, so that a steady trickle does not allocate.
const KEPT: usize = 64;

/// Whether a flight that ended stays listed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stays {
    No,
    Yes,
}

impl<K, V> Table<K, V> {
    /// A table of at least `shards` shards, rounded up to a power of two.
    pub(crate) fn new(shards: usize) -> Self {
        let shards = shards.clamp(1, 1 << 16).next_power_of_two();
        let shard = || Shard {
            lists: Lock::new(Lists { flights: HashTable::new(), tally: Tally::default(), aside: HashTable::new() }),
            len: AtomicUsize::new(0),
            deeds: Default::default(),
        };
        Self { shards: (0..shards).map(|_| shard()).collect::<Vec<_>>().into(), bits: shards.trailing_zeros() }
    }

    /// Hashers that spread badly (an identity hasher over small integers) must still spread over shards, and the bits
    /// that choose the shard should not be those that choose the place in it.
    #[inline]
    fn shard(&self, hash: u64) -> &Shard<K, V> {
        let mixed = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        &self.shards[mixed.rotate_left(self.bits) as usize & (self.shards.len() - 1)]
    }

    /// Whether a look is likely to find anything.
    pub(crate) fn seems_empty(&self, hash: u64) -> bool {
        // A stale answer costs a second look (see `insert`) or a needless one, nothing more.
        self.shard(hash).len.load(Ordering::Relaxed) == 0
    }

    /// The flights that newcomers find, whose keys have this hash.
    pub(crate) fn find(&self, hash: u64) -> Found<K, V> {
        self.shard(hash).lists.with(|lists| {
            let mut same = lists.flights.iter_hash(hash).filter(|flight| flight.hash == hash);
            match (same.next(), same.next()) {
                (None, _) => Found::None,
                (Some(flight), None) => Found::One(flight.clone()),
                (Some(first), Some(second)) => Found::Many([first, second].into_iter().chain(same).cloned().collect()),
            }
        })
    }

    /// The flights whose keys have this hash, those put aside included.
    pub(crate) fn find_all(&self, hash: u64) -> Vec<FlightRef<K, V>> {
        self.shard(hash).lists.with(|lists| {
            let listed = lists.flights.iter_hash(hash).chain(&lists.aside);
            listed.filter(|flight| flight.hash == hash).cloned().collect()
        })
    }

    /// Lists `new`, which starts, in place of `seen[over]` if that is listed; if that is still in progress it is put aside. Refuses if a flight of
    /// the same hash is listed that is not among `seen`: its key has not been compared yet.
    pub(crate) fn insert(&self, new: &FlightRef<K, V>, seen: &[FlightRef<K, V>], over: Option<usize>) -> bool {
        let over = over.map(|index| &seen[index]);
        let hash = new.hash;
        let shard = self.shard(hash);
        let new = new.clone();
        let (inserted, replaced) = shard.lists.with(|lists| {
            let mut replaced = None;
            for flight in lists.flights.iter_hash_mut(hash).filter(|flight| flight.hash == hash) {
                if over.is_some_and(|over| over.is(flight)) {
                    replaced = Some(flight);
                } else if !seen.iter().any(|seen| seen.is(flight)) {
                    return (false, Some(new));
                }
            }
            lists.tally.led += 1;
            if let Some(place) = replaced {
                let replaced = mem::replace(place, new);
                if !replaced.state.load().is_open() {
                    return (true, Some(replaced));
                }
                lists.put_aside(replaced);
                return (true, None);
            }
            lists.flights.insert_unique(hash, new, |flight| flight.hash);
            shard.len.store(lists.flights.len(), Ordering::Relaxed);
            (true, None)
        });
        // The user's key and value, perhaps; see `caller::board`.
        panics::contain(|| drop(replaced));
        inserted
    }

    /// Takes exactly this flight out. `false`: newcomers do not find it, though they may find its successor.
    pub(crate) fn remove(&self, flight: &FlightRef<K, V>) -> bool {
        let mut found = false;
        self.conclude(flight, |listed| {
            found = listed;
            Some(((), None, Stays::No))
        });
        found
    }

    /// Ends a flight in one step: `step`, which runs under the lock and is told whether newcomers find the flight, says what came of it, how
    /// to count it, and whether it stays listed; or `None`, and then nothing changes. A flight that is not listed at all is not counted.
    ///
    /// What is taken out is dropped under the lock, which does nothing but count down, because the caller has a reference, too.
    #[inline]
    pub(crate) fn conclude<T>(
        &self,
        flight: &FlightRef<K, V>,
        step: impl FnOnce(bool) -> Option<(T, Option<Ended>, Stays)>,
    ) -> Option<T> {
        let shard = self.shard(flight.hash);
        shard.lists.with(|lists| {
            let Ok(entry) = lists.flights.find_entry(flight.hash, |listed| listed.is(flight)) else {
                return lists.conclude_aside(flight, step);
            };
            let (result, how, stays) = step(true)?;
            if let Some(how) = how {
                lists.tally.end(how);
            }
            if stays == Stays::No {
                drop(entry.remove());
                shard.len.store(lists.flights.len(), Ordering::Relaxed);
                shrink(&mut lists.flights);
            }
            Some(result)
        })
    }

    /// Takes the flight from what newcomers find, and aside if it is in progress. Returns its word before; `None`: it is not listed.
    pub(crate) fn forget(&self, flight: &FlightRef<K, V>) -> Option<Snapshot> {
        let shard = self.shard(flight.hash);
        shard.lists.with(|lists| {
            let Ok(entry) = lists.flights.find_entry(flight.hash, |listed| listed.is(flight)) else {
                let aside = lists.aside.find(flight.address(), |listed| listed.is(flight));
                return aside.map(|flight| flight.state.forgotten());
            };
            let before = flight.state.forgotten();
            let (removed, _) = entry.remove();
            shard.len.store(lists.flights.len(), Ordering::Relaxed);
            if before.is_open() {
                lists.put_aside(removed);
            }
            Some(before)
        })
    }

    /// Every flight, those put aside included, shard by shard: a snapshot of each, not of all at one instant.
    pub(crate) fn all(&self) -> Vec<FlightRef<K, V>> {
        let mut all = Vec::new();
        for shard in &*self.shards {
            shard.lists.with(|lists| all.extend(lists.flights.iter().chain(&lists.aside).cloned()));
        }
        all
    }

    /// As [`all`](Self::all); also whether newcomers find it.
    pub(crate) fn all_listed(&self) -> Vec<(FlightRef<K, V>, bool)> {
        let mut all = Vec::new();
        for shard in &*self.shards {
            shard.lists.with(|lists| {
                all.extend(lists.flights.iter().map(|flight| (flight.clone(), true)));
                all.extend(lists.aside.iter().map(|flight| (flight.clone(), false)));
            });
        }
        all
    }

    /// How many flights are in progress and not forgotten; see [`Table::all`].
    pub(crate) fn count_open(&self) -> usize {
        let open = |flight: &&FlightRef<K, V>| {
            let now = flight.state.load();
            now.is_open() && !now.is_forgotten()
        };
        let count = |lists: &mut Lists<K, V>| lists.flights.iter().chain(&lists.aside).filter(open).count();
        self.shards.iter().map(|shard| shard.lists.with(count)).sum()
    }

    /// How many flights are in progress, those that were forgotten included; see [`Table::all`].
    pub(crate) fn in_flight(&self) -> u64 {
        self.shards.iter().map(|shard| shard.lists.with(|lists| lists.tally.in_flight())).sum()
    }

    /// Counts what a caller did.
    #[inline]
    pub(crate) fn count(&self, hash: u64, deed: Deed) {
        self.shard(hash).deeds[deed as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Everything counted so far, and the followers aboard now.
    pub(crate) fn totals(&self) -> (Totals, u64) {
        let (mut totals, mut waiting) = (Totals::default(), 0);
        for shard in &*self.shards {
            let (tally, followers) = shard.lists.with(|lists| {
                let flights = lists.flights.iter().chain(&lists.aside);
                (lists.tally, flights.map(|flight| flight.state.load().followers() as u64).sum::<u64>())
            });
            totals.add_tally(&tally);
            waiting += followers;
            for (sum, deeds) in totals.deeds.iter_mut().zip(&shard.deeds) {
                *sum += deeds.load(Ordering::Relaxed) as u64;
            }
        }
        (totals, waiting)
    }
}

impl<K, V> Lists<K, V> {
    /// [`Table::conclude`], of a flight that newcomers do not find.
    #[cold]
    fn conclude_aside<T>(
        &mut self,
        flight: &FlightRef<K, V>,
        step: impl FnOnce(bool) -> Option<(T, Option<Ended>, Stays)>,
    ) -> Option<T> {
        let (result, how, _) = step(false)?;
        let listed = self.take_aside(flight);
        if let (true, Some(how)) = (listed, how) {
            self.tally.end(how);
        }
        Some(result)
    }

    fn put_aside(&mut self, flight: FlightRef<K, V>) {
        self.aside.insert_unique(flight.address(), flight, FlightRef::address);
    }

    /// `false`: it is not there. Drops a reference: whoever calls this has another.
    fn take_aside(&mut self, flight: &FlightRef<K, V>) -> bool {
        if self.aside.is_empty() {
            return false;
        }
        let Ok(entry) = self.aside.find_entry(flight.address(), |listed| listed.is(flight)) else { return false };
        drop(entry.remove());
        if self.aside.is_empty() {
            self.aside = HashTable::new();
        }
        true
    }
}

impl<K, V> Clone for Table<K, V> {
    /// The same table.
    fn clone(&self) -> Self {
        Self { shards: Arc::clone(&self.shards), bits: self.bits }
    }
}

/// Gives memory back after a burst.
fn shrink<K, V>(flights: &mut HashTable<FlightRef<K, V>>) {
    if let Some(room) = less_room(flights.len(), flights.capacity()) {
        flights.shrink_to(room, |flight| flight.hash);
    }
}

/// How many places a shard is to have from now on, if fewer than it has.
fn less_room(len: usize, capacity: usize) -> Option<usize> {
    let is_sparse = capacity > KEPT * 2 && len < capacity / SPARSE;
    is_sparse.then_some(if len == 0 { 0 } else { (len * 2).max(KEPT) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flight::Flight;

    #[test]
    fn a_shard_has_room_for_a_trickle_and_gives_back_the_rest() {
        let room = [(0, 128), (0, 129), (15, 129), (16, 129), (33, 1000), (100, 1000), (125, 1000), (900, 1000)];
        let room = room.map(|(len, capacity)| less_room(len, capacity));
        assert_eq!(room, [None, Some(0), Some(64), None, Some(66), Some(200), None, None]);
    }

    #[test]
    fn p03_a_burst_gives_its_memory_back() {
        let table: Table<u64, ()> = Table::new(1);
        let capacity = || table.shards[0].lists.with(|lists| lists.flights.capacity());
        let burst: Vec<_> =
            (0..10_000).map(|key| FlightRef::new(Flight::new(key, key << 40 | key, crate::Verb::Run, None))).collect();
        for flight in &burst {
            assert!(table.insert(flight, &[], None));
        }
        assert!(capacity() >= burst.len() && !table.seems_empty(0));
        for flight in &burst {
            assert!(table.remove(flight) && !table.remove(flight));
        }
        assert!(capacity() <= KEPT * 2, "{} places kept", capacity());
        assert!(table.seems_empty(0) && table.count_open() == 0);
    }
}
