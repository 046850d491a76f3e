//! The verbs, with options for one call.

use alloc::boxed::Box;
use core::any::Any;
use core::fmt;
use core::future::Future;
use core::hash::BuildHasher;
use core::time::Duration;

use crate::enter::Entry;
use crate::error::SharedError;
#[cfg(feature = "std")]
use crate::error::{Error, TryError};
use crate::group::Group;
use crate::key::AsKey;
use crate::linger;
use crate::options::{Luggage, Options};
use crate::relay::Relay;
use crate::run::Run;
use crate::runtime::{Runtime, Spawn, Timed};
#[cfg(feature = "std")]
use crate::served::Served;
use crate::spawn::Spawned;
use crate::sync::Arc;
use crate::time;
use crate::try_twin::Try;
use crate::work::{Fallible, SharedErr};

/// One call to come: options that override the group's, then a verb. From [`Group::call`].
#[must_use = "options do nothing until a verb is called"]
pub struct Call<'g, K, V, R, S> {
    group: &'g Group<K, V, R, S>,
    detach: bool,
    /// None as long as nothing else was asked for.
    luggage: Option<Box<Luggage<K, V>>>,
}

impl<'g, K, V, R, S> Call<'g, K, V, R, S> {
    pub(crate) fn new(group: &'g Group<K, V, R, S>) -> Self {
        Self { group, detach: group.inner.detach, luggage: None }
    }

    /// Overrides [`Builder::detach`](crate::Builder::detach), if this call starts the flight.
    pub fn detach(mut self, detach: bool) -> Self {
        self.detach = detach;
        self
    }

    /// Overrides [`Builder::max_flights`](crate::Builder::max_flights), if this call would start a flight. `None`: no limit.
    ///
    /// In a group that has no limit of its own, flights are counted one by one when such a call needs to know, and calls made at the same
    /// instant may go beyond.
    pub fn max_flights(mut self, flights: impl Into<Option<usize>>) -> Self {
        self.options().max_flights = Some(flights.into());
        self
    }

    /// Overrides [`Builder::max_callers`](crate::Builder::max_callers) for this call: it starts another flight if as many are aboard. `None`: no limit.
    pub fn max_callers(mut self, callers: impl Into<Option<usize>>) -> Self {
        self.options().max_callers = Some(callers.into());
        self
    }

    /// Nobody overtakes the flight, if this call starts it, whatever [`Builder::overtake_after`](crate::Builder::overtake_after) says. For works that
    /// must not run beside each other, or whose callers already have a part of the result. Needs no clock.
    pub fn without_overtaking(mut self) -> Self {
        self.options().overtake_after = Some(None);
        self
    }

    /// What [observers](crate::Observer) get to know of this call: see [`Event::metadata`](crate::Event::metadata). A request's number, a span, the user.
    pub fn metadata(mut self, metadata: impl Any + Send + Sync) -> Self {
        let metadata: Box<dyn Any + Send + Sync> = Box::new(metadata);
        self.options().metadata = Some(Arc::from(metadata));
        self
    }

    fn options(&mut self) -> &mut Options<K, V> {
        &mut self.luggage.get_or_insert_default().options
    }
}

/// What needs a clock. `None` beats the group's default: no limit.
impl<'g, K, V, R, S> Call<'g, K, V, R, S> {
    /// Overrides [`Builder::timeout`](crate::Builder::timeout). If this call starts the flight, it is the flight's limit; if it joins one, whose
    /// limit is set already, this caller alone leaves after that time, with the same error.
    pub fn timeout(mut self, limit: impl Into<Option<Duration>>) -> Self
    where
        R: Timed,
    {
        self.timed().timeout = Some(limit.into());
        self
    }

    /// Overrides [`Builder::overtake_after`](crate::Builder::overtake_after), if this call starts the flight.
    pub fn overtake_after(mut self, limit: impl Into<Option<Duration>>) -> Self
    where
        R: Timed,
    {
        self.timed().overtake_after = Some(limit.into());
        self
    }

    /// Overrides [`Builder::wait_timeout`](crate::Builder::wait_timeout) for this call.
    pub fn wait_timeout(mut self, limit: impl Into<Option<Duration>>) -> Self
    where
        R: Timed,
    {
        self.timed().wait_timeout = Some(limit.into());
        self
    }

    /// Overrides [`Builder::join_within`](crate::Builder::join_within) for this call. A flight of which nobody knows how old it is, because
    /// neither its group nor its leader kept [time](crate::Builder::timed), is taken to be too old.
    pub fn join_within(mut self, age: impl Into<Option<Duration>>) -> Self
    where
        R: Timed,
    {
        self.timed().join_within = Some(age.into());
        self
    }

    /// Overrides [`Builder::linger`](crate::Builder::linger), if this call starts the flight. `None`: the result does not linger.
    ///
    /// In a group that has no such window of its own, the result's memory is freed when its time is over even if the group is dropped before.
    pub fn linger(mut self, linger: impl Into<Option<Duration>>) -> Self
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
        R: Runtime,
    {
        if self.group.config().is_none_or(|config| config.lingering.is_none()) {
            self.options().sweeps = Some(linger::on(&self.group.inner.runtime));
        }
        self.timed().linger = Some(linger.into());
        self
    }

    fn timed(&mut self) -> &mut Options<K, V>
    where
        R: Timed,
    {
        // That of the group, if it has one already.
        if self.group.config().is_none_or(|config| config.time.is_none()) {
            let time = time::of(&self.group.inner.runtime);
            self.options().time = Some(time);
        }
        self.options()
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
        self.begin_run(key, work)
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
        Relay::new(self.group, key, work, self.luggage)
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
        Spawned::new(self.group, key, work, self.detach, self.luggage)
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
        crate::blocking::run(self.group, key, work, |_| false, self.luggage)
    }

    /// [`Group::enter`], with this call's options.
    pub fn enter<'k, Q>(self, key: &'k Q) -> Entry<'g, 'k, K, V, R, S, Q>
    where
        Q: ?Sized + AsKey<K>,
        V: Clone,
    {
        Entry::new(self.group, key, self.luggage)
    }

    fn begin_run<'k, Q: ?Sized, F, Fut>(self, key: &'k Q, work: F) -> Run<'g, 'k, K, V, R, S, Q, F, Fut> {
        Run::new(self.group, key, work, self.luggage)
    }
}

impl<'g, K, T, E, R, S: BuildHasher> Call<'g, K, Result<T, SharedError<E>>, R, S> {
    /// [`Group::try_run`], with this call's options.
    pub fn try_run<'k, Q, F, Fut>(
        self,
        key: &'k Q,
        work: F,
    ) -> Try<Run<'g, 'k, K, Result<T, SharedError<E>>, R, S, Q, Fallible<F, E>, SharedErr<Fut, E>>>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        T: Clone,
    {
        Try::new(self.begin_run(key, Fallible::new(work)))
    }

    /// [`Group::try_relay`], with this call's options.
    pub fn try_relay<'k, Q, F, Fut>(
        self,
        key: &'k Q,
        work: F,
    ) -> Try<Relay<'g, 'k, K, Result<T, SharedError<E>>, R, S, Q, Fallible<F, E>>>
    where
        Q: ?Sized + AsKey<K>,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>> + Send + 'static,
        K: Send + Sync + 'static,
        T: Clone + Send + Sync + 'static,
        E: Send + Sync + 'static,
    {
        Try::new(Relay::new(self.group, key, Fallible::new(work), self.luggage))
    }

    /// [`Group::try_spawn`], with this call's options.
    pub fn try_spawn<'k, Q, F, Fut>(
        self,
        key: &'k Q,
        work: F,
    ) -> Try<Spawned<'g, 'k, K, Result<T, SharedError<E>>, R, S, Q, Fallible<F, E>>>
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
        Try::new(Spawned::new(self.group, key, Fallible::new(work), self.detach, self.luggage))
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
        let work = || work().map_err(SharedError::new);
        crate::try_twin::flatten(crate::blocking::run(self.group, key, work, Result::is_err, self.luggage).0)
    }
}

impl<K, V, R, S> Clone for Call<'_, K, V, R, S> {
    fn clone(&self) -> Self {
        let luggage = self.luggage.as_ref().map(|luggage| Box::new(Luggage::new(luggage.options.clone())));
        Self { group: self.group, detach: self.detach, luggage }
    }
}

impl<K, V, R, S> fmt::Debug for Call<'_, K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("detach", &self.detach).finish_non_exhaustive()
    }
}
