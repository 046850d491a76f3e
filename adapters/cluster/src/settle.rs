//! What a caller makes of the end of its local flight.

use std::future::Future;

use coflight_core::{SharedError, TryError as Core};

use crate::across::Slot;
use crate::engine::Engine;
use crate::error::{Error, TryError};
use crate::inner::Inner;
use crate::landing::{Delivered, Undelivered, alone};
use crate::lease::Lease;
use crate::served::{Place, Served, Trip};
use crate::watch::ClusterEventKind;

/// What it came to for this caller.
pub(crate) enum Settled<V> {
    Got(V, Trip),
    Failed(Error),
    /// It is to ask again, if it still has a work.
    Again,
    /// It is to do the work for itself.
    Alone,
}

pub(crate) fn settle<K, V: Clone, En: Engine, R, S>(
    inner: &Inner<K, V, En, R, S>,
    landed: Result<Delivered<V>, Core<Undelivered<V>>>,
) -> Settled<V> {
    let got = |delivered: Delivered<V>| {
        answered(inner, &delivered.trip);
        Settled::Got(delivered.value, delivered.trip)
    };
    let undelivered = match landed {
        Ok(delivered) => return got(delivered),
        Err(Core::Work(undelivered)) => undelivered,
        Err(Core::Flight(error)) => return Settled::Failed(Error::Flight(error)),
    };
    Settled::Failed(match &*undelivered {
        Undelivered::Failed(delivered) => return got(delivered.clone()),
        Undelivered::Again => return Settled::Again,
        Undelivered::Alone => return Settled::Alone,
        Undelivered::Panicked(panic) => Error::PanickedElsewhere(panic.clone()),
        Undelivered::Cancelled => Error::Flight(coflight_core::Error::Cancelled),
        Undelivered::TimedOut => Error::Flight(coflight_core::Error::TimedOut),
        Undelivered::Unavailable(error) => Error::Unavailable(error.clone()),
        Undelivered::Key(error) => Error::Key(error.clone()),
    })
}

/// What a caller of a verb gets, or `None`: it is to ask again.
pub(crate) async fn conclude<K, V, En, R, S, F, Fut>(
    inner: &Inner<K, V, En, R, S>,
    slot: &Slot<F>,
    landed: Result<Delivered<V>, Core<Undelivered<V>>>,
    local: coflight_core::Served,
) -> Option<(Result<V, Error>, Served)>
where
    V: Clone,
    En: Engine,
    F: FnOnce(Lease) -> Fut,
    Fut: Future<Output = V>,
{
    let (result, trip) = match settle(inner, landed) {
        Settled::Got(value, trip) => (Ok(value), Some(trip)),
        Settled::Failed(error) => (Err(error), None),
        Settled::Again if slot.is_empty() => (Err(Error::LeaseLost), None),
        Settled::Again => return None,
        Settled::Alone => match slot.take() {
            Some(work) => {
                inner.link.watch.tell(ClusterEventKind::Alone, None, None);
                (Ok(work(Lease::none()).await), Some(alone(&inner.link.process)))
            }
            None => (Err(Error::LeaseLost), None),
        },
    };
    Some((result, Served { local, trip }))
}

/// Tells the caller's span where its result is from.
fn answered<K, V, En: Engine, R, S>(inner: &Inner<K, V, En, R, S>, trip: &Trip) {
    if !matches!(trip.place, Place::Elsewhere | Place::Lingered) {
        return;
    }
    #[cfg(feature = "tracing")]
    crate::propagation::answered(&inner.name, trip);
    if let Some(propagation) = &inner.propagation {
        propagation.answered(trip);
    }
}

pub(crate) fn flatten<T, E>(
    (result, served): (Result<Result<T, SharedError<E>>, Error>, Served),
) -> (Result<T, TryError<E>>, Served) {
    let result = match result {
        Ok(work) => work.map_err(TryError::Work),
        Err(error) => Err(TryError::Flight(error)),
    };
    (result, served)
}
