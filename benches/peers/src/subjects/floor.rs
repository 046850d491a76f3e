//! The least that has to be done for a call that nobody shares: hash, lock, insert an `Arc`, lock, remove. Nobody can join, or wait.

use std::future::Future;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex};

use coflight::DefaultHashBuilder;
use hashbrown::HashTable;

use super::{Key, Kind, Subject};

/// As many shards, hashed and padded as those of coflight.
pub(crate) struct Floor<K> {
    shards: Vec<Shard<K>>,
    hasher: DefaultHashBuilder,
}

#[repr(align(128))]
struct Shard<K>(Mutex<HashTable<Arc<Flight<K>>>>);

struct Flight<K> {
    hash: u64,
    _key: K,
}

impl<K: Key> Subject<K> for Floor<K> {
    const NAME: &'static str = "floor";
    const KIND: Kind = Kind::Floor;
    type Answer = u64;

    fn new(_flights: usize) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shards = (64 * cores).clamp(128, 2048).next_power_of_two();
        let shard = |_| Shard(Mutex::new(HashTable::new()));
        Self { shards: (0..shards).map(shard).collect(), hasher: DefaultHashBuilder::default() }
    }

    async fn call<'a, F, Fut>(&'a self, key: &'a K::Borrowed, work: F) -> u64
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = u64> + Send + 'static,
    {
        let hash = self.hasher.hash_one(key);
        let Shard(shard) = &self.shards[(hash >> 32) as usize & (self.shards.len() - 1)];
        let flight = Arc::new(Flight { hash, _key: key.to_owned() });
        let address = Arc::as_ptr(&flight).addr();
        lock(shard).insert_unique(hash, flight, |flight| flight.hash);
        let value = work().await;
        let mut listed = lock(shard);
        let Ok(entry) = listed.find_entry(hash, |flight| Arc::as_ptr(flight).addr() == address) else {
            unreachable!("it is listed")
        };
        let (flight, _) = entry.remove();
        drop(listed);
        drop(flight);
        value
    }

    fn value(answer: u64) -> u64 {
        answer
    }
}

fn lock<T>(shard: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shard.lock().expect("nothing panics here")
}
