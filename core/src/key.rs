//! How a borrowed key finds, and when needed becomes, an owned one.

use alloc::borrow::ToOwned;
use core::borrow::Borrow;
use core::hash::Hash;

/// A borrowed form of the key `K`: it can be hashed, compared with a `K`, and turned into one.
///
/// Every verb takes its key as `&Q` with `Q: AsKey<K>`. You rarely implement this trait: it is there for
/// `&str` where the key is `String`, `&[u8]` where it is `Vec<u8>`, and `&T` wherever `T: Clone`.
/// Implement it for a type of your own to look up a compound key without building it:
///
/// ```
/// use coflight::{AsKey, Group};
///
/// #[derive(Hash)]
/// struct Route<'a>(&'a str, &'a str);
///
/// impl AsKey<(String, String)> for Route<'_> {
///     fn matches(&self, key: &(String, String)) -> bool {
///         self.0 == key.0 && self.1 == key.1
///     }
///     fn to_key(&self) -> (String, String) {
///         (self.0.to_owned(), self.1.to_owned())
///     }
/// }
///
/// let flights: Group<(String, String), u64> = Group::new();
/// # futures_lite::future::block_on(async {
/// let minutes = flights.run(&Route("Lisbon", "Porto"), || async { 55 }).await;
/// assert_eq!(minutes, Ok(55));
/// # });
/// ```
///
/// # Contract
///
/// Two borrowed keys that match the same `K` must hash alike, as with [`Borrow`]. An implementation that breaks this
/// can make callers miss a flight they should have joined; it cannot mix the results of keys that do not
/// [match](Self::matches). None of the methods is ever called under a lock, so they may block, panic, or use the
/// group themselves.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be looked up in a group whose keys are `{K}`",
    label = "not a `{K}` that is `Hash + Eq + Clone`, nor a borrowed form of one",
    note = "a type of your own as a key: `#[derive(Clone, PartialEq, Eq, Hash)]`; in generic code: `K: Clone + Eq + Hash`",
    note = "a key is given by reference, or borrowed, as `&str` where it is a `String`",
    note = "a key of several parts is either built, as `&(name.to_owned(), 7)`, or looked up by a type of your own that implements `AsKey<{K}>`",
    note = "where the key is itself a reference, such as `&'static str`, pass a reference to it: `&\"name\"`"
)]
pub trait AsKey<K>: Hash {
    /// Whether this is a borrowed form of `key`.
    fn matches(&self, key: &K) -> bool;

    /// Makes the owned key. Called only when this caller is about to lead: once per new flight, and in vain only when
    /// another thread starts a flight for the same key in the same instant.
    fn to_key(&self) -> K;
}

// Else the compiler tells of `Borrow` and `ToOwned`, which are nothing to who has the wrong key in hand.
#[diagnostic::do_not_recommend]
impl<K, Q> AsKey<K> for Q
where
    K: Borrow<Q>,
    Q: ?Sized + Hash + Eq + ToOwned<Owned = K>,
{
    fn matches(&self, key: &K) -> bool {
        self == key.borrow()
    }

    fn to_key(&self) -> K {
        self.to_owned()
    }
}
