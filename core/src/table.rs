//! The flights in progress, by key: a sharded hash table that never runs user code under a lock.
//!
//! The locks protect which flights are listed, nothing else. Entries are found by their full hash; keys are compared, made and
//! dropped outside. That leaves a gap between looking and inserting, closed by [`Table::insert`], which refuses when
//! something with the same hash came in that the caller has not seen.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem;

use hashbrown::HashTable;

use crate::flight::FlightRef;
use crate::panics;
use crate::sync::{AtomicUsize, Lock, Ordering};

pub(crate) struct Table<K, V> {
    shards: Box<[Shard<K, V>]>,
    /// The shard is chosen by this many of the mixed hash's top bits.
    bits: u32,
}

/// Padded so that threads on neighbouring shards do not share a cache line (or the pair of lines that
/// some processors fetch together).
#[repr(align(128))]
struct Shard<K, V> {
    flights: Lock<HashTable<FlightRef<K, V>>>,
    /// The number of entries, readable without the lock. A hint: it decides which way is tried first, never what is true.
    len: AtomicUsize,
}

/// The listed flights with one hash: nearly always none or one.
pub(crate) enum Found<K, V> {
    None,
    One(FlightRef<K, V>),
    Many(Vec<FlightRef<K, V>>),
}

impl<K, V> Found<K, V> {
    fn push(&mut self, flight: FlightRef<K, V>) {
        match mem::replace(self, Self::None) {
            Self::None => *self = Self::One(flight),
            Self::One(first) => *self = Self::Many(alloc::vec![first, flight]),
            Self::Many(mut all) => {
                all.push(flight);
                *self = Self::Many(all);
            }
        }
    }

    pub(crate) fn as_slice(&self) -> &[FlightRef<K, V>] {
        match self {
            Self::None => &[],
            Self::One(flight) => core::slice::from_ref(flight),
            Self::Many(all) => all,
        }
    }
}

/// A shard gives memory back when it holds fewer than one entry in this many places…
const SPARSE: usize = 8;
/// …but keeps this many places, so that a steady trickle does not allocate.
const KEPT: usize = 64;

impl<K, V> Table<K, V> {
    /// A table of at least `shards` shards, rounded up to a power of two.
    pub(crate) fn new(shards: usize) -> Self {
        let shards = shards.clamp(1, 1 << 16).next_power_of_two();
        Self {
            shards: (0..shards)
                .map(|_| Shard { flights: Lock::new(HashTable::new()), len: AtomicUsize::new(0) })
                .collect(),
            bits: shards.trailing_zeros(),
        }
    }

    /// Hashers that spread badly (an identity hasher over small integers) must still spread over shards, and the bits
    /// that choose the shard should not be those that choose the place in it.
    fn shard(&self, hash: u64) -> &Shard<K, V> {
        let mixed = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let index = mixed.checked_shr(64 - self.bits).unwrap_or(0);
        &self.shards[index as usize]
    }

    /// Whether a look is likely to find anything.
    pub(crate) fn seems_empty(&self, hash: u64) -> bool {
        // A stale answer costs a second look (see `insert`) or a needless one, nothing more.
        self.shard(hash).len.load(Ordering::Relaxed) == 0
    }

    /// The flights whose keys have this hash.
    pub(crate) fn find(&self, hash: u64) -> Found<K, V> {
        self.shard(hash).flights.with(|flights| {
            let mut found = Found::None;
            for flight in flights.iter_hash(hash).filter(|flight| flight.hash == hash) {
                found.push(flight.clone());
            }
            found
        })
    }

    /// Lists `new`, in place of `over` if that is listed. Refuses if a flight of the same hash is listed that is not among
    /// `seen`: its key has not been compared yet.
    pub(crate) fn insert(
        &self,
        new: &FlightRef<K, V>,
        seen: &[FlightRef<K, V>],
        over: Option<&FlightRef<K, V>>,
    ) -> bool {
        let hash = new.hash;
        let shard = self.shard(hash);
        let new = new.clone();
        let (inserted, replaced) = shard.flights.with(|flights| {
            let mut replaced = None;
            for flight in flights.iter_hash_mut(hash).filter(|flight| flight.hash == hash) {
                if over.is_some_and(|over| over.is(flight)) {
                    replaced = Some(flight);
                } else if !seen.iter().any(|seen| seen.is(flight)) {
                    return (false, Some(new));
                }
            }
            if let Some(place) = replaced {
                return (true, Some(mem::replace(place, new)));
            }
            flights.insert_unique(hash, new, |flight| flight.hash);
            shard.len.store(flights.len(), Ordering::Relaxed);
            (true, None)
        });
        // The user's key and value, perhaps; see `caller::board`.
        panics::contain(|| drop(replaced));
        inserted
    }

    /// Takes exactly this flight out. `false`: it is not listed, though its successor may be.
    pub(crate) fn remove(&self, flight: &FlightRef<K, V>) -> bool {
        let shard = self.shard(flight.hash);
        let (removed, _dropped_unlocked) = shard.flights.with(|flights| {
            let entry = flights.find_entry(flight.hash, |listed| listed.is(flight));
            let Ok(entry) = entry else {
                return (None, None);
            };
            let (removed, _) = entry.remove();
            shard.len.store(flights.len(), Ordering::Relaxed);
            (Some(removed), shrink(flights))
        });
        removed.is_some()
    }

    /// Takes every flight out.
    pub(crate) fn drain(&self) -> Vec<FlightRef<K, V>> {
        let mut all = Vec::new();
        for shard in &self.shards {
            let taken = shard.flights.with(|flights| {
                shard.len.store(0, Ordering::Relaxed);
                mem::take(flights)
            });
            all.extend(taken);
        }
        all
    }

    /// Every listed flight, shard by shard: a snapshot of each, not of all at one instant.
    pub(crate) fn all(&self) -> Vec<FlightRef<K, V>> {
        let mut all = Vec::new();
        for shard in &self.shards {
            shard.flights.with(|flights| all.extend(flights.iter().cloned()));
        }
        all
    }

    /// How many open flights are listed; see [`Table::all`].
    pub(crate) fn count_open(&self) -> usize {
        let open = |flights: &mut HashTable<FlightRef<K, V>>| {
            flights.iter().filter(|flight| flight.state.load().is_open()).count()
        };
        self.shards.iter().map(|shard| shard.flights.with(open)).sum()
    }
}

/// Gives memory back after a burst. Returns what to free outside the lock.
fn shrink<K, V>(flights: &mut HashTable<FlightRef<K, V>>) -> Option<HashTable<FlightRef<K, V>>> {
    let (len, capacity) = (flights.len(), flights.capacity());
    if capacity <= KEPT * 2 || len >= capacity / SPARSE {
        return None;
    }
    if len == 0 {
        return Some(mem::take(flights));
    }
    flights.shrink_to((len * 2).max(KEPT), |flight| flight.hash);
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flight::Flight;

    #[test]
    fn p03_a_burst_gives_its_memory_back() {
        let table: Table<u64, ()> = Table::new(1);
        let capacity = || table.shards[0].flights.with(|flights| flights.capacity());
        let burst: Vec<_> = (0..10_000).map(|key| FlightRef::new(Flight::new(key, key << 40 | key))).collect();
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
