//! A caller's work: how it is begun, and how its result is judged.

use core::future::Future;
use core::marker::PhantomData;

use futures_util::future::{MapErr, TryFutureExt};

use crate::error::SharedError;

/// A work that was not begun. Every closure that returns a future is one.
///
/// Not to be implemented elsewhere: it is public only because the verbs' futures name it.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use coflight::{DefaultHashBuilder, Error, Group, NoRuntime, Relay, Work};
///
/// /// Takes a call that was made elsewhere: `Work` is what its future asks of `F`.
/// async fn doubled<F>(call: Relay<'_, '_, u64, u64, NoRuntime, DefaultHashBuilder, u64, F>) -> Result<u64, Error>
/// where
///     F: Work<u64, Future: Send + 'static>,
/// {
///     Ok(2 * call.await?)
/// }
///
/// let flights: Group<u64, u64> = Group::new();
/// assert_eq!(doubled(flights.relay(&1, || async { 21 })).await?, 42);
/// # Ok::<(), coflight::Error>(()) }).unwrap();
/// ```
pub trait Work<V> {
    /// The work itself.
    type Future: Future<Output = V>;

    /// Begins it.
    fn begin(self) -> Self::Future;

    /// Whether `value` is a failure. A plain work has none.
    fn failed(value: &V) -> bool;
}

impl<V, F, Fut> Work<V> for F
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = V>,
{
    type Future = Fut;

    fn begin(self) -> Fut {
        self()
    }

    fn failed(_value: &V) -> bool {
        false
    }
}

/// The work of a `try_` verb: its errors are made shareable, and are failures.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use std::num::ParseIntError;
/// use coflight::{DefaultHashBuilder, Fallible, NoRuntime, Relay, SharedError, Try, TryGroup};
///
/// /// Keeps a call without a box; `F` is the work.
/// struct Lookup<'a, F> {
///     port: Try<Relay<'a, 'a, String, Port, NoRuntime, DefaultHashBuilder, str, Fallible<F, ParseIntError>>>,
/// }
/// type Port = Result<u16, SharedError<ParseIntError>>;
///
/// let flights: TryGroup<String, u16, ParseIntError> = TryGroup::new();
/// let lookup = Lookup { port: flights.try_relay("http", || async { "80".parse() }) };
/// assert_eq!(lookup.port.await?, 80);
/// # Ok::<(), coflight::TryError<_>>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Fallible<F, E> {
    work: F,
    _error: PhantomData<fn() -> E>,
}

/// A work's future with its error made shareable.
pub(crate) type SharedErr<Fut, E> = MapErr<Fut, fn(E) -> SharedError<E>>;

impl<F, E> Fallible<F, E> {
    pub(crate) fn new(work: F) -> Self {
        Self { work, _error: PhantomData }
    }
}

impl<F, Fut, T, E> Work<Result<T, SharedError<E>>> for Fallible<F, E>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Future = SharedErr<Fut, E>;

    fn begin(self) -> Self::Future {
        (self.work)().map_err(SharedError::new as fn(E) -> SharedError<E>)
    }

    fn failed(value: &Result<T, SharedError<E>>) -> bool {
        value.is_err()
    }
}
