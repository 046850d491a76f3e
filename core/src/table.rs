//! The flights in progress, by key: a sharded hash table that never runs user code under a lock.
//!
//! The locks protect which flights are listed, their counts, and how many references to each were given to those who found it, nothing else. Entries are found by their full hash; keys are compared, made and
//! dropped outside. That leaves a gap between looking and inserting, closed by [`Table::insert`], which refuses when
//! something with the same hash came in that the caller has not seen.

use alloc::boxed::Box;
use alloc::vec::Vec;

use hashbrown::HashTable;

use crate::flight::{FlightRef, ListedFlight};
use crate::listing::{Found, Listing};
use crate::owners::Listed;
use crate::panics;
use crate::state::Snapshot;
use crate::stats::{Deed, Ended, Tally, Totals};
use crate::sync::{Arc, AtomicUsize, Lock, Ordering};

/// Shared by the group and by what takes out results that lingered long enough.
pub(crate) struct Table<K, V> {
    shards: Arc<[Shard<K, V>]>,
    /// The shard is chosen by this many of the mixed hash's top bits.
    bits: u32,
    /// What callers did, counted beside the locks; one for [`SHARDS_A_DEED`] shards.
    deeds: Arc<[Deeds]>,
}

/// Two lines of the cache, of which a call that nobody joins touches the first: threads get in each other's way only if they meet in a shard.
#[repr(C, align(128))]
struct Shard<K, V> {
    /// How many flights are listed, those put aside included; readable without the lock. A hint: it decides which way is tried first, never what is
    /// true.
    len: AtomicUsize,
    lists: Lock<Lists<K, V>>,
}

#[repr(C)]
struct Lists<K, V> {
    led: u64,
    /// What newcomers find.
    flights: Listing<K, V>,
    /// Flights in progress that newcomers are not to find, if there are any: forgotten, full, or too old. Kept by address, so that any number of them
    /// under one key costs nobody anything.
    aside: Option<Box<HashTable<ListedFlight<K, V>>>>,
    /// By [`Ended`], but for those that completed: they are all others that were led and are not in progress.
    ended: [u64; Ended::COUNTED],
}

/// By [`Deed`].
#[derive(Default)]
#[repr(align(64))]
struct Deeds([AtomicUsize; Deed::KINDS]);

const SHARDS_A_DEED: usize = 8;

/// Whether a flight that ended stays listed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stays {
    No,
    /// And, as [`Standing::unseen`] said, nobody else knows it.
    NoUnseen,
    Yes,
}

/// How a flight is listed, for a step that is about to end it.
#[derive(Clone, Copy)]
pub(crate) struct Standing {
    /// Newcomers find it.
    pub(crate) findable: bool,
    /// Nobody has a reference to it but the one it was looked for by, nor will.
    pub(crate) unseen: bool,
}

impl<K, V> Table<K, V> {
    /// A table of at least `shards` shards, rounded up to a power of two.
    pub(crate) fn new(shards: usize) -> Self {
        let shards = shards.clamp(1, 1 << 16).next_power_of_two();
        let shard = || Shard {
            len: AtomicUsize::new(0),
            lists: Lock::new(Lists { led: 0, flights: Listing::new(), aside: None, ended: Default::default() }),
        };
        let deeds = || Deeds::default();
        Self {
            shards: (0..shards).map(|_| shard()).collect::<Vec<_>>().into(),
            bits: shards.trailing_zeros(),
            deeds: (0..shards.div_ceil(SHARDS_A_DEED)).map(|_| deeds()).collect::<Vec<_>>().into(),
        }
    }

    /// Hashers that spread badly (an identity hasher over small integers) must still spread over shards, and the bits
    /// that choose the shard should not be those that choose the place in it.
    #[inline]
    fn index(&self, hash: u64) -> usize {
        let mixed = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        mixed.rotate_left(self.bits) as usize & (self.shards.len() - 1)
    }

    #[inline]
    fn shard(&self, hash: u64) -> &Shard<K, V> {
        &self.shards[self.index(hash)]
    }

    /// The shards in which anything is listed. One that is missed had nothing when it was looked at.
    fn used(&self) -> impl Iterator<Item = &Shard<K, V>> {
        self.shards.iter().filter(|shard| shard.len.load(Ordering::Relaxed) != 0)
    }

    /// Whether a look is likely to find anything.
    pub(crate) fn seems_empty(&self, hash: u64) -> bool {
        // A stale answer costs a second look (see `insert`) or a needless one, nothing more.
        self.shard(hash).len.load(Ordering::Relaxed) == 0
    }

    /// The flight that newcomers find, whose key has this hash. `Err`: there may be several, for [`find_many`](Self::find_many).
    #[inline]
    pub(crate) fn find(&self, hash: u64) -> Result<Option<FlightRef<K, V>>, ()> {
        self.shard(hash).lists.with(|lists| lists.flights.find(hash))
    }

    /// All of them.
    pub(crate) fn find_many(&self, hash: u64) -> Found<K, V> {
        self.shard(hash).lists.with(|lists| lists.flights.find_many(hash))
    }

    /// The flights whose keys have this hash, those put aside included.
    pub(crate) fn find_all(&self, hash: u64) -> Vec<FlightRef<K, V>> {
        self.shard(hash).lists.with(|lists| {
            let aside = lists.aside().filter(|flight| flight.hash == hash);
            lists.flights.all_with(hash).chain(aside).map(Listed::find).collect()
        })
    }

    /// Lists `new`, which starts, in place of `seen[over]` if that is listed; if that is still in progress it is put aside. Refuses if a flight of
    /// the same hash is listed that is not among `seen`: its key has not been compared yet.
    pub(crate) fn insert(&self, new: &FlightRef<K, V>, seen: &[FlightRef<K, V>], over: Option<usize>) -> bool {
        let hash = new.hash;
        let shard = self.shard(hash);
        let replaced = shard.lists.with(|lists| {
            let mut replaced = None;
            if !lists.flights.insert(new) {
                replaced = lists.flights.insert_beside(new, seen, over)?;
            }
            lists.led += 1;
            match replaced {
                None => shard.count_listed(1),
                Some(flight) if flight.state.load().is_open() => {
                    lists.put_aside(flight);
                    shard.count_listed(1);
                }
                ended => return Ok(ended),
            }
            Ok(None)
        });
        match replaced {
            Ok(None) => true,
            // The user's key and value, perhaps; see `boarding::look`.
            Ok(ended) => {
                panics::contain(|| drop(ended));
                true
            }
            Err(()) => false,
        }
    }

    /// Takes exactly this flight out. `false`: newcomers do not find it, though they may find its successor.
    pub(crate) fn remove(&self, flight: &FlightRef<K, V>) -> bool {
        let mut found = false;
        self.conclude(flight, |standing| {
            found = standing.findable;
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
        step: impl FnOnce(Standing) -> Option<(T, Option<Ended>, Stays)>,
    ) -> Option<T> {
        let shard = self.shard(flight.hash);
        shard.lists.with(|lists| {
            let Some(place) = lists.flights.place(flight) else {
                return shard.conclude_aside(lists, flight, step);
            };
            let (result, how, stays) = step(Standing { findable: true, unseen: place.is_unseen() })?;
            if stays != Stays::Yes {
                match place.take() {
                    // SAFETY: it is known to one, as the step found under this lock, and that one reference is `flight`, which a leader lends that
                    // runs this and nothing else.
                    Some(listed) if stays == Stays::NoUnseen => unsafe { listed.unlist_unseen() },
                    listed => drop(listed),
                }
                lists.flights.taken();
                shard.count_listed(-1);
            }
            if let Some(how) = how {
                lists.count_ended(how);
            }
            Some(result)
        })
    }

    /// Takes the flight from what newcomers find, and aside if it is in progress. Returns its word before; `None`: it is not listed.
    pub(crate) fn forget(&self, flight: &FlightRef<K, V>) -> Option<Snapshot> {
        let shard = self.shard(flight.hash);
        shard.lists.with(|lists| {
            let Some(removed) = lists.flights.take(flight) else {
                let find = |aside: &HashTable<ListedFlight<K, V>>| {
                    aside.find(flight.address(), |listed| listed.lists(flight)).map(|flight| flight.state.forgotten())
                };
                return lists.aside.as_deref().and_then(find);
            };
            let before = flight.state.forgotten();
            if before.is_open() {
                lists.put_aside(removed);
            } else {
                shard.count_listed(-1);
            }
            Some(before)
        })
    }

    /// Every flight, those put aside included, shard by shard: a snapshot of each, not of all at one instant.
    pub(crate) fn all(&self) -> Vec<FlightRef<K, V>> {
        let mut all = Vec::new();
        for shard in self.used() {
            shard.lists.with(|lists| all.extend(lists.all().map(Listed::find)));
        }
        all
    }

    /// As [`all`](Self::all); also whether newcomers find it.
    pub(crate) fn all_listed(&self) -> Vec<(FlightRef<K, V>, bool)> {
        let mut all = Vec::new();
        for shard in self.used() {
            shard.lists.with(|lists| {
                all.extend(lists.flights.iter().map(|flight| (flight.find(), true)));
                all.extend(lists.aside().map(|flight| (flight.find(), false)));
            });
        }
        all
    }

    /// How many flights are in progress and not forgotten; see [`Table::all`].
    pub(crate) fn count_open(&self) -> usize {
        let open = |flight: &&ListedFlight<K, V>| {
            let now = flight.state.load();
            now.is_open() && !now.is_forgotten()
        };
        let count = |lists: &mut Lists<K, V>| lists.all().filter(open).count();
        self.used().map(|shard| shard.lists.with(count)).sum()
    }

    /// How many flights are in progress, those that were forgotten included; see [`Table::all`].
    pub(crate) fn in_flight(&self) -> u64 {
        let count = |lists: &mut Lists<K, V>| lists.in_progress().count() as u64;
        self.used().map(|shard| shard.lists.with(count)).sum()
    }

    /// Counts what a caller did.
    #[inline]
    pub(crate) fn count(&self, hash: u64, deed: Deed) {
        let Deeds(deeds) = &self.deeds[self.index(hash) / SHARDS_A_DEED];
        deeds[deed as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Everything counted so far, and the followers aboard now.
    pub(crate) fn totals(&self) -> (Totals, u64) {
        let (mut totals, mut waiting) = (Totals::default(), 0);
        for shard in &*self.shards {
            let (tally, followers) = shard.lists.with(|lists| {
                (lists.tally(), lists.all().map(|flight| flight.state.load().followers() as u64).sum::<u64>())
            });
            totals.add_tally(&tally);
            waiting += followers;
        }
        for Deeds(deeds) in &*self.deeds {
            for (sum, deeds) in totals.deeds.iter_mut().zip(deeds) {
                *sum += deeds.load(Ordering::Relaxed) as u64;
            }
        }
        (totals, waiting)
    }
}

impl<K, V> Shard<K, V> {
    /// One more, or one less. Under the lock, so that it need not be one atomic step.
    #[inline]
    fn count_listed(&self, change: isize) {
        let len = self.len.load(Ordering::Relaxed);
        self.len.store(len.wrapping_add_signed(change), Ordering::Relaxed);
    }

    /// [`Table::conclude`], of a flight that newcomers do not find.
    #[cold]
    fn conclude_aside<T>(
        &self,
        lists: &mut Lists<K, V>,
        flight: &FlightRef<K, V>,
        step: impl FnOnce(Standing) -> Option<(T, Option<Ended>, Stays)>,
    ) -> Option<T> {
        let (result, how, _) = step(Standing { findable: false, unseen: false })?;
        if lists.take_aside(flight) {
            self.count_listed(-1);
            if let Some(how) = how {
                lists.count_ended(how);
            }
        }
        Some(result)
    }
}

impl<K, V> Lists<K, V> {
    fn aside(&self) -> impl Iterator<Item = &ListedFlight<K, V>> {
        self.aside.iter().flat_map(|aside| aside.iter())
    }

    /// Every flight, those put aside included.
    fn all(&self) -> impl Iterator<Item = &ListedFlight<K, V>> {
        self.flights.iter().chain(self.aside())
    }

    fn in_progress(&self) -> impl Iterator<Item = &ListedFlight<K, V>> {
        self.all().filter(|flight| flight.state.load().is_open())
    }

    #[inline]
    fn count_ended(&mut self, how: Ended) {
        if let Some(count) = self.ended.get_mut(how as usize) {
            *count += 1;
        }
    }

    fn tally(&self) -> Tally {
        let others = self.ended.iter().sum::<u64>() + self.in_progress().count() as u64;
        Tally { led: self.led, completed: self.led - others, ended: self.ended }
    }

    fn put_aside(&mut self, flight: ListedFlight<K, V>) {
        let aside = self.aside.get_or_insert_default();
        aside.insert_unique(flight.address(), flight, |flight| flight.address());
    }

    /// `false`: it is not there. Drops a reference: whoever calls this has another.
    fn take_aside(&mut self, flight: &FlightRef<K, V>) -> bool {
        let Some(aside) = &mut self.aside else { return false };
        let Ok(entry) = aside.find_entry(flight.address(), |listed| listed.lists(flight)) else { return false };
        drop(entry.remove());
        if aside.is_empty() {
            self.aside = None;
        }
        true
    }
}

impl<K, V> Clone for Table<K, V> {
    /// The same table.
    fn clone(&self) -> Self {
        Self { shards: Arc::clone(&self.shards), bits: self.bits, deeds: Arc::clone(&self.deeds) }
    }
}

#[cfg(test)]
#[cfg(all(feature = "std", target_pointer_width = "64", not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_shard_fills_two_lines_of_the_cache() {
        assert_eq!(size_of::<Shard<[u8; 100], [u8; 1000]>>(), 128);
    }

    /// Also by a hasher that is none.
    #[test]
    fn keys_spread_over_the_shards() {
        let table = Table::<u64, u64>::new(64);
        let mut keys = [0; 64];
        (0..6_400).for_each(|hash| keys[table.index(hash)] += 1);
        assert!(keys.iter().all(|keys| (50..200).contains(keys)), "{keys:?}");
    }
}
