//! Everything that can be chosen for a group.

use core::fmt;
use core::marker::PhantomData;

use crate::group::{Group, Inner};
use crate::hash::DefaultHashBuilder;
use crate::runtime::NoRuntime;
use crate::sync::Arc;
use crate::table::Table;

/// Builds a [`Group`].
///
/// ```
/// use std::collections::hash_map::RandomState;
/// use coflight_core::Group;
///
/// let flights: Group<String, u64, _, _> = Group::builder().hasher(RandomState::new()).shards(8).build();
/// # assert!(flights.is_empty());
/// ```
#[must_use = "a builder does nothing until `build`"]
pub struct Builder<K, V, R = NoRuntime, S = DefaultHashBuilder> {
    runtime: R,
    hasher: S,
    shards: Option<usize>,
    detach: bool,
    _flights: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Builder<K, V> {
    pub(crate) fn new() -> Self {
        Self {
            runtime: NoRuntime,
            hasher: DefaultHashBuilder::default(),
            shards: None,
            detach: false,
            _flights: PhantomData,
        }
    }
}

impl<K, V, R, S> Builder<K, V, R, S> {
    /// The runtime, which [`Group::spawn`] needs. Default: none.
    pub fn runtime<R2>(self, runtime: R2) -> Builder<K, V, R2, S> {
        Builder { runtime, hasher: self.hasher, shards: self.shards, detach: self.detach, _flights: PhantomData }
    }

    /// The hasher. Default: [`DefaultHashBuilder`].
    pub fn hasher<S2>(self, hasher: S2) -> Builder<K, V, R, S2> {
        Builder { runtime: self.runtime, hasher, shards: self.shards, detach: self.detach, _flights: PhantomData }
    }

    /// How many parts the table has, each with a lock of its own; rounded up to a power of two, between 1 and 65,536. Each takes 128
    /// bytes when empty. Default: 32 for each core, at least 64 and at most 1,024; without `std`, one.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = Some(shards);
        self
    }

    /// Whether [`spawn`](Group::spawn)ed work goes on when the last caller has left. Default: `false`, it is dropped.
    pub fn detach(mut self, detach: bool) -> Self {
        self.detach = detach;
        self
    }

    /// The group.
    pub fn build(self) -> Group<K, V, R, S> {
        Group {
            inner: Arc::new(Inner {
                table: Table::new(self.shards.unwrap_or_else(default_shards)),
                hasher: self.hasher,
                runtime: self.runtime,
                detach: self.detach,
            }),
        }
    }
}

fn default_shards() -> usize {
    #[cfg(feature = "std")]
    {
        use core::sync::atomic::{AtomicUsize, Ordering};

        // Asking the system takes longer than everything else here.
        static CORES: AtomicUsize = AtomicUsize::new(0);
        let mut cores = CORES.load(Ordering::Relaxed);
        if cores == 0 {
            cores = std::thread::available_parallelism().map_or(1, Into::into);
            CORES.store(cores, Ordering::Relaxed);
        }
        (cores * 32).clamp(64, 1024)
    }
    #[cfg(not(feature = "std"))]
    1
}

impl<K, V, R, S> fmt::Debug for Builder<K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("shards", &self.shards).field("detach", &self.detach).finish_non_exhaustive()
    }
}
