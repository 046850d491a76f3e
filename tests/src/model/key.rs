//! Keys that are counted, and their hashes.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

/// A key that tells how many of it there are.
#[derive(Clone, Debug)]
pub struct Key(pub u8, #[expect(dead_code, reason = "counted")] Arc<()>);

impl Key {
    /// One of those that `all` counts.
    pub fn new(key: u8, all: &Arc<()>) -> Self {
        Self(key, Arc::clone(all))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u8(self.0);
    }
}

/// The first two keys have the same hash.
#[derive(Clone, Copy)]
pub struct Colliding;

pub struct Half(u64);

impl BuildHasher for Colliding {
    type Hasher = Half;

    fn build_hasher(&self) -> Half {
        Half(0)
    }
}

impl Hasher for Half {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = u64::from(bytes[0] / 2);
    }
}
