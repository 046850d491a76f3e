//! The verbs, with options for one call.

use core::fmt;
use core::future::Future;
use core::hash::BuildHasher;

use futures_util::future::TryFutureExt;

use crate::enter::Entry;
use crate::error::SharedError;
#[cfg(feature = "std")]
use crate::error::{Error, TryError};
use crate::group::{Group, SharedErr};
use crate::key::AsKey;
use crate::relay::Relay;
use crate::run::Run;
use crate::runtime::Spawn;
#[cfg(feature = "std")]
use crate::served::Served;
use crate::spawn::Spawned;
use crate::try_twin::Try;

/// One call to come: options that override the group's, then a verb. From [`Group::call`].
#[must_use = "options do nothing until a verb is called"]
pub struct Call<'g, K, V, R, S> {
    group: &'g Group<K, V, R, S>,
    detach: bool,
}

impl<'g, K, V, R, S> Call<'g, K, V, R, S> {
    pub(crate) fn new(group: &'g Group<K, V, R, S>) -> Self {
        Self { group, detach: group.inner.detach }
    }

    /// Overrides [`Builder::detach`](crate::Builder::detach), if this call starts the flight.
    pub fn detach(mut self, detach: bool) -> Self {
        self.detach = detach;
        self
    }
}

impl<'g, K, V, R, S: BuildHasher> Call<'g, K, V, R, S> {
    /// [`Group::run`], with this call's options.
    pub fn run<'k, Q, F, Fut>(self, key: &'k Q, work: F) -> Run<'g, 'k, K, V, R, S, Q, F, Fut>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = V>,
        V: Clone,
    {
        Run::new(self.group, key, work)
    }

    /// [`Group::relay`], with this call's options.
    pub fn relay<'k, Q, F, Fut>(self, key: &'k Q, work: F) -> Relay<'g, 'k, K, V, R, S, Q, F>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = V> + Send + 'static,
        K: Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
    {
        Relay::new(self.group, key, work)
    }

    /// [`Group::spawn`], with this call's options.
    pub fn spawn<'k, Q, F, Fut>(self, key: &'k Q, work: F) -> Spawned<'g, 'k, K, V, R, S, Q, F>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = V> + Send + 'static,
        K: Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
        R: Spawn + Send + Sync + 'static,
        S: Send + Sync + 'static,
    {
        Spawned::new(self.group, key, work, self.detach)
    }

    /// [`Group::run_blocking`], with this call's options.
    ///
    /// # Errors
    ///
    /// As [`Group::run_blocking`].
    #[cfg(feature = "std")]
    pub fn run_blocking<Q, F>(self, key: &Q, work: F) -> Result<V, Error>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> V,
        V: Clone,
    {
        self.run_blocking_with_served(key, work).0
    }

    /// [`Group::run_blocking`], with this call's options; also says how the caller was served.
    #[cfg(feature = "std")]
    pub fn run_blocking_with_served<Q, F>(self, key: &Q, work: F) -> (Result<V, Error>, Served)
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> V,
        V: Clone,
    {
        crate::blocking::run(self.group, key, work)
    }

    /// [`Group::enter`], with this call's options.
    pub fn enter<'k, Q>(self, key: &'k Q) -> Entry<'g, 'k, K, V, R, S, Q>
    where
        Q: ?Sized + AsKey<K>,
        V: Clone,
    {
        self.group.enter(key)
    }
}

impl<'g, K, T, E, R, S: BuildHasher> Call<'g, K, Result<T, SharedError<E>>, R, S> {
    /// [`Group::try_run`], with this call's options.
    pub fn try_run<'k, Q, F, Fut>(
        self,
        key: &'k Q,
        work: F,
    ) -> Try<Run<'g, 'k, K, Result<T, SharedError<E>>, R, S, Q, impl FnOnce() -> SharedErr<Fut, E>, SharedErr<Fut, E>>>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        T: Clone,
    {
        Try::new(self.run(key, share_error(work)))
    }

    /// [`Group::try_relay`], with this call's options.
    pub fn try_relay<'k, Q, F, Fut>(
        self,
        key: &'k Q,
        work: F,
    ) -> Try<Relay<'g, 'k, K, Result<T, SharedError<E>>, R, S, Q, impl FnOnce() -> SharedErr<Fut, E>>>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        K: Send + Sync + 'static,
        T: Clone + Send + Sync + 'static,
        E: Send + Sync + 'static,
    {
        Try::new(self.relay(key, share_error(work)))
    }

    /// [`Group::try_spawn`], with this call's options.
    pub fn try_spawn<'k, Q, F, Fut>(
        self,
        key: &'k Q,
        work: F,
    ) -> Try<Spawned<'g, 'k, K, Result<T, SharedError<E>>, R, S, Q, impl FnOnce() -> SharedErr<Fut, E>>>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        K: Send + Sync + 'static,
        T: Clone + Send + Sync + 'static,
        E: Send + Sync + 'static,
        R: Spawn + Send + Sync + 'static,
        S: Send + Sync + 'static,
    {
        Try::new(self.spawn(key, share_error(work)))
    }

    /// [`Group::try_run_blocking`], with this call's options.
    ///
    /// # Errors
    ///
    /// As [`Group::try_run_blocking`].
    #[cfg(feature = "std")]
    pub fn try_run_blocking<Q, F>(self, key: &Q, work: F) -> Result<T, TryError<E>>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Result<T, E>,
        T: Clone,
    {
        crate::try_twin::flatten(self.run_blocking(key, || work().map_err(SharedError::new)))
    }
}

fn share_error<T, E, Fut>(work: impl FnOnce() -> Fut) -> impl FnOnce() -> SharedErr<Fut, E>
where
    Fut: Future<Output = Result<T, E>>,
{
    move || work().map_err(SharedError::new as fn(E) -> SharedError<E>)
}

impl<K, V, R, S> Clone for Call<'_, K, V, R, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, V, R, S> Copy for Call<'_, K, V, R, S> {}

impl<K, V, R, S> fmt::Debug for Call<'_, K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("detach", &self.detach).finish_non_exhaustive()
    }
}
