//! The hasher used when none is chosen.

use core::hash::{BuildHasher, Hasher};

/// The default [`BuildHasher`] of a [`Group`](crate::Group): fast, seeded per instance, the same with and without `std`.
///
/// The algorithm is not part of the API (today it is foldhash, through hashbrown). It makes it hard to choose keys that
/// collide without seeing the seed, which is weaker than what `std`'s SipHash promises; when keys come from people who
/// may study timing, pass [`std::collections::hash_map::RandomState`] to
/// [`Builder::hasher`](crate::Builder::hasher).
///
/// [`std::collections::hash_map::RandomState`]: https://doc.rust-lang.org/std/collections/hash_map/struct.RandomState.html
///
/// ```
/// use std::hash::BuildHasher;
/// use coflight::DefaultHashBuilder;
///
/// let builder = DefaultHashBuilder::default();
/// assert_eq!(builder.hash_one("key"), builder.clone().hash_one("key"));
/// // Another one has another seed.
/// assert_ne!(builder.hash_one("key"), DefaultHashBuilder::default().hash_one("key"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct DefaultHashBuilder(hashbrown::DefaultHashBuilder);

/// The hasher that [`DefaultHashBuilder`] builds.
///
/// ```
/// use std::hash::{BuildHasher, Hash, Hasher};
/// use coflight::{DefaultHashBuilder, DefaultHasher};
///
/// let builder = DefaultHashBuilder::default();
/// let mut hasher: DefaultHasher = builder.build_hasher();
/// "key".hash(&mut hasher);
/// assert_eq!(hasher.finish(), builder.hash_one("key"));
/// ```
#[derive(Clone)]
pub struct DefaultHasher(<hashbrown::DefaultHashBuilder as BuildHasher>::Hasher);

impl core::fmt::Debug for DefaultHasher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // The state would reveal the seed.
        f.debug_struct("DefaultHasher").finish_non_exhaustive()
    }
}

impl BuildHasher for DefaultHashBuilder {
    type Hasher = DefaultHasher;

    #[inline]
    fn build_hasher(&self) -> DefaultHasher {
        DefaultHasher(self.0.build_hasher())
    }
}

/// Forwards every method, so that the integer fast paths of the inner hasher are kept.
macro_rules! forward {
    ($($method:ident: $type:ty),*) => {$(
        #[inline]
        fn $method(&mut self, value: $type) {
            self.0.$method(value);
        }
    )*};
}

impl Hasher for DefaultHasher {
    forward!(write: &[u8], write_u8: u8, write_u16: u16, write_u32: u32, write_u64: u64, write_u128: u128, write_usize: usize);

    #[inline]
    fn finish(&self) -> u64 {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart_and_the_seed_is_not_told() {
        let (one, other) = (DefaultHashBuilder::default(), DefaultHashBuilder::default());
        let hashes = |builder: &DefaultHashBuilder| [1, 2, 3].map(|key: u64| builder.hash_one(key));
        let [first, second, third] = hashes(&one);
        assert!(first != second && second != third && third != first);
        assert_eq!(hashes(&one), hashes(&one.clone()));
        assert_ne!(hashes(&one), hashes(&other));
        assert_eq!(alloc::format!("{:?}", one.build_hasher()), "DefaultHasher { .. }");
    }
}
