//! What the code that `#[coalesce]` writes stands on: a function's groups, its key, and what becomes of a flight's error. Not for anybody else: the attribute
//! and this change together.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::ToString;
use core::any::{Any, TypeId};
use core::borrow::Borrow;
use core::hash::Hash;
use core::marker::PhantomData;
use std::panic::resume_unwind;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::builder::Builder;
use crate::error::Error;
use crate::group::Group;
use crate::key::AsKey;

/// The groups of one function: one for each set of types it is generic over, its `Self` included. They are never dropped, as statics are not.
#[derive(Debug, Default)]
pub struct Slot {
    /// The first, which most functions have no other than.
    first: OnceLock<Entry>,
    others: Mutex<BTreeMap<TypeId, &'static AnyGroup>>,
}

type AnyGroup = dyn Any + Send + Sync;

#[derive(Debug)]
struct Entry(TypeId, &'static AnyGroup);

impl Slot {
    /// No group yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { first: OnceLock::new(), others: Mutex::new(BTreeMap::new()) }
    }

    /// The group of the function whose generic parameters `_witness` has: a closure that is written in it. It is made if there is none.
    ///
    /// Lifetimes tell no groups apart, as they tell no code apart.
    pub fn group<W, K, V, R, S>(
        &self,
        _witness: &W,
        make: impl FnOnce() -> Group<K, V, R, S>,
    ) -> &'static Group<K, V, R, S>
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
        R: Send + Sync + 'static,
        S: Send + Sync + 'static,
    {
        let types = typeid::of::<W>();
        let group = match self.first.get() {
            Some(Entry(first, group)) if *first == types => *group,
            _ => self.find_or_make(types, || Box::new(make())),
        };
        group.downcast_ref().expect("one set of types makes one type of group")
    }

    #[cold]
    fn find_or_make(&self, types: TypeId, make: impl FnOnce() -> Box<AnyGroup>) -> &'static AnyGroup {
        let found = self.others().get(&types).copied();
        if let Some(group) = found {
            return group;
        }
        // Outside the lock: it is users who say how. Of two that are made at once, one is dropped.
        let mut made = Some(make());
        let mut keep = || made.take().map(|group| -> &'static AnyGroup { Box::leak(group) });
        let Entry(first, group) = self.first.get_or_init(|| Entry(types, keep().expect("kept once")));
        if *first == types {
            return *group;
        }
        let kept = *self.others().entry(types).or_insert_with(|| keep().expect("kept once"));
        drop(made);
        kept
    }

    fn others(&self) -> std::sync::MutexGuard<'_, BTreeMap<TypeId, &'static AnyGroup>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A part of a key, as an expression gave it: what it refers to, or else itself.
#[derive(Debug)]
pub struct Part<T>(pub T);

impl<'a, Q: ?Sized> Part<&'a Q> {
    /// What looks up, and is made into, the owned part.
    pub fn of(&self) -> &'a Q {
        self.0
    }
}

/// For what is no reference. Has the lower rank, as it is a trait's.
pub trait OwnedPart {
    /// The part.
    type Part;
    /// As [`Part::of`].
    fn of(&self) -> &Self::Part;
}

impl<T> OwnedPart for Part<T> {
    type Part = T;
    fn of(&self) -> &T {
        &self.0
    }
}

/// What can be a key, or a part of one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of the key of a coalesced function",
    label = "not `Hash + Eq` and `Clone` (or `ToOwned`), or what it is made into borrows or is not `Send + Sync`",
    note = "leave the argument out with `#[coalesce(skip(…))]`, if calls that differ in it alone may share a result",
    note = "or say what of it counts: `#[coalesce(key = …)]`"
)]
pub trait KeyPart: Hash + Eq + ToOwned<Owned: Send + Sync + Hash + Eq + 'static> {}

impl<Q: ?Sized + Hash + Eq + ToOwned<Owned: Send + Sync + Hash + Eq + 'static>> KeyPart for Q {}

/// Says that it is, where the error should point.
pub fn part<Q: ?Sized + KeyPart>(part: &Q) -> &Q {
    part
}

/// Several parts, to look up the tuple of what they are made into.
#[derive(Debug, Hash)]
pub struct Parts<T>(pub T);

macro_rules! parts {
    ($($($part:ident $type:ident),+;)*) => {$(
        #[diagnostic::do_not_recommend]
        impl<$($type: ?Sized + KeyPart),+> AsKey<($($type::Owned,)+)> for Parts<($(&$type,)+)> {
            fn matches(&self, key: &($($type::Owned,)+)) -> bool {
                let (Parts(($($part,)+)), key) = (self, key);
                let ($($type,)+) = key;
                $(**$part == *Borrow::<$type>::borrow($type))&&+
            }

            fn to_key(&self) -> ($($type::Owned,)+) {
                let Parts(($($part,)+)) = self;
                ($((*$part).to_owned(),)+)
            }
        }

        impl<$($type: ?Sized + KeyPart),+> Made for Parts<($(&$type,)+)> {
            type Key = ($($type::Owned,)+);
        }
    )*};
}

/// The key that parts make, where no type says so.
pub trait Made {
    /// The owned key.
    type Key;
}

impl Made for Parts<()> {
    type Key = ();
}

impl AsKey<()> for Parts<()> {
    fn matches(&self, (): &()) -> bool {
        true
    }
    fn to_key(&self) {}
}

// The key's parts are called what their types are.
#[allow(non_snake_case)]
mod tuples {
    use super::*;

    parts! {
        a A;
        a A, b B;
        a A, b B, c C;
        a A, b B, c C, d D;
        a A, b B, c C, d D, e E;
        a A, b B, c C, d D, e E, f F;
        a A, b B, c C, d D, e E, f F, g G;
        a A, b B, c C, d D, e E, f F, g G, h H;
        a A, b B, c C, d D, e E, f F, g G, h H, i I;
        a A, b B, c C, d D, e E, f F, g G, h H, i I, j J;
        a A, b B, c C, d D, e E, f F, g G, h H, i I, j J, k K;
        a A, b B, c C, d D, e E, f F, g G, h H, i I, j J, k K, l L;
    }
}

/// One part that is the whole key.
#[derive(Debug, Hash)]
pub struct Whole<'a, Q: ?Sized>(pub &'a Q);

impl<Q: ?Sized + KeyPart> Made for Whole<'_, Q> {
    type Key = Q::Owned;
}

#[diagnostic::do_not_recommend]
impl<K, Q: ?Sized + AsKey<K>> AsKey<K> for Whole<'_, Q> {
    fn matches(&self, key: &K) -> bool {
        self.0.matches(key)
    }
    fn to_key(&self) -> K {
        self.0.to_key()
    }
}

/// A builder for a group whose keys are what `_key` makes, of which nobody can say the type.
pub fn builder_for<M: Made, V>(_key: &M) -> Builder<M::Key, V> {
    Group::builder()
}

/// What a function returns, to many callers.
#[diagnostic::on_unimplemented(
    message = "a coalesced function cannot return `{Self}`: its result is for many callers",
    label = "not `Clone + Send + Sync + 'static`",
    note = "return what can be cloned, for instance an `Arc` of it",
    note = "a `Result` whose error cannot: let the function return `Result<_, coflight::TryError<E>>`, which shares the error as it is; its body goes on with `E`"
)]
pub trait Shareable: Clone + Send + Sync + 'static {}

// Else the part that lacks something is named, and not what to do.
#[diagnostic::do_not_recommend]
impl<V: Clone + Send + Sync + 'static> Shareable for V {}

/// Says that it is, where the error should point.
pub fn shareable<V: Shareable>() {}

/// The error that a function returns, to many callers.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of a coalesced function: it is for many callers",
    label = "not `Clone + Send + Sync + 'static`",
    note = "let the function return `Result<_, coflight::TryError<{Self}>>`, which shares the error as it is; its body goes on with `{Self}`"
)]
pub trait ShareableError: Clone + Send + Sync + 'static {}

impl<E: Clone + Send + Sync + 'static> ShareableError for E {}

/// Says that it is, where the error should point.
pub fn shareable_error<E: ShareableError>() {}

/// What a function that has limits returns: they end calls without a result.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot tell that a limit ended the call",
    label = "a coalesced function that has limits must be able to return `coflight::Error`",
    note = "return `Result<_, E>` where `E: From<coflight::Error>`: `coflight::Error` itself, `coflight::TryError<_>`, or an error of your own"
)]
pub trait CanFail {}

impl<T, E: From<Error>> CanFail for Result<T, E> {}

/// Says that it can, where the error should point.
pub fn can_fail<V: CanFail>() {}

/// The error of a function that has limits.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot tell that a limit ended the call",
    label = "a coalesced function that has limits must be able to return `coflight::Error`",
    note = "implement `From<coflight::Error>` for `{Self}`, or return `coflight::TryError<{Self}>` or `coflight::Error`"
)]
pub trait CanTell {}

impl<E: From<Error>> CanTell for E {}

/// Says that it can, where the error should point.
pub fn can_tell<E: CanTell>() {}

/// What a function returns, as a type.
#[derive(Debug)]
pub struct Returns<V>(PhantomData<V>);

impl<V> Returns<V> {
    /// As a type.
    #[must_use]
    // A `Default` would be for people; only what the attribute writes makes one.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T, E: From<Error>> Returns<Result<T, E>> {
    /// The flight's error as the function's.
    pub fn flight_error(&self, error: Error) -> Result<T, E> {
        Err(error.into())
    }
}

/// For functions whose error the flight's cannot become. Has the lower rank, as it is a trait's.
pub trait OrPanics {
    /// What the function returns.
    type Value;
    /// Panics: as the work did, if it did.
    fn flight_error(&self, error: Error) -> Self::Value;
}

impl<V> OrPanics for Returns<V> {
    type Value = V;

    #[track_caller]
    fn flight_error(&self, error: Error) -> V {
        match error {
            // As the leader's call, whose panic was reported already.
            Error::Panicked(panic) => match panic.message() {
                Some(message) => resume_unwind(Box::new(message.to_string())),
                None => resume_unwind(Box::new(panic.to_string())),
            },
            error => panic!("a coalesced call has no result: {error}"),
        }
    }
}

impl<T, E> Returns<Result<T, E>> {
    /// Lets errors count as failures.
    pub fn judged<K, R, S>(&self, builder: Builder<K, Result<T, E>, R, S>) -> Builder<K, Result<T, E>, R, S> {
        builder.failed_if(Result::is_err)
    }
}

/// For functions that cannot fail. Has the lower rank, as it is a trait's.
pub trait NotJudged {
    /// What the function returns.
    type Value;
    /// Does nothing.
    fn judged<K, R, S>(&self, builder: Builder<K, Self::Value, R, S>) -> Builder<K, Self::Value, R, S>;
}

impl<V> NotJudged for Returns<V> {
    type Value = V;

    fn judged<K, R, S>(&self, builder: Builder<K, V, R, S>) -> Builder<K, V, R, S> {
        builder
    }
}
