//! What is measured, each used as its own documentation says.

mod by_hand;
mod coflight;
mod floor;
mod peers;

use std::borrow::Borrow;
use std::future::Future;
use std::hash::Hash;

pub(crate) use by_hand::{CellInMap, SharedInMap};
pub(crate) use coflight::{Enter, Relay, Run, RunBlocking, Spawn};
pub(crate) use floor::Floor;
pub(crate) use peers::{
    AsyncSingleflight, Moka, QuickCache, RsSingleflight, SingleflightAsync, Turboflight, Uniflight,
};

/// What a subject is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A verb of coflight.
    Ours,
    /// A crate, by whose fastest the budget is measured.
    Peer,
    /// What people make of other crates.
    ByHand,
    /// The least that has to be done, without coalescing.
    Floor,
}

/// Keys, owned and borrowed.
pub(crate) trait Key: Borrow<Self::Borrowed> + Clone + Eq + Hash + Send + Sync + 'static {
    type Borrowed: ?Sized + Hash + Eq + ToOwned<Owned = Self> + Send + Sync;

    /// The key with this number.
    fn numbered(number: usize) -> Self;
}

impl Key for u64 {
    type Borrowed = Self;

    fn numbered(number: usize) -> Self {
        number as Self
    }
}

impl Key for String {
    type Borrowed = str;

    fn numbered(number: usize) -> Self {
        format!("user:{number:08}")
    }
}

/// A way of coalescing calls.
pub(crate) trait Subject<K: Key>: Send + Sync + Sized + 'static {
    const NAME: &'static str;
    const KIND: Kind;

    /// What a caller gets.
    type Answer: Send + 'static;

    /// For so many flights at once.
    fn new(flights: usize) -> Self;

    /// One call.
    fn call<'a, F, Fut>(&'a self, key: &'a K::Borrowed, work: F) -> impl Future<Output = Self::Answer> + Send + 'a
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = u64> + Send + 'static;

    fn value(answer: Self::Answer) -> u64;

    /// `None`: an error.
    fn outcome(answer: Self::Answer) -> Option<u64> {
        Some(Self::value(answer))
    }
}

/// A way of coalescing calls of threads.
pub(crate) trait Blocking<K: Key>: Send + Sync + Sized + 'static {
    const NAME: &'static str;
    const KIND: Kind;

    fn new() -> Self;

    fn call(&self, key: &K::Borrowed, work: impl FnOnce() -> u64) -> u64;
}
