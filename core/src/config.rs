//! What was chosen for a group, apart from its runtime and its hasher. A group for which nothing was chosen has none of this.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::events::{Event, Observer, Show};
use crate::hash::DefaultHashBuilder;
use crate::linger::Lingering;
use crate::panics;
use crate::sync::{Arc, AtomicUsize, Ordering};
use crate::time::Time;

/// What becomes of a work that failed: an error of a `try_` verb, or what [`Builder::failed_if`](crate::Builder::failed_if) says.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use std::num::ParseIntError;
/// use coflight::{OnFailure, TryGroup};
/// use futures_lite::future::{yield_now, zip};
///
/// let flights: TryGroup<String, u16, ParseIntError> =
///     TryGroup::builder().on_failure(OnFailure::Retry { limit: 1 }).build();
/// let parse = || async {
///     yield_now().await; // it takes a moment
///     "80a".parse()
/// };
/// let ask = || flights.try_run("port", parse);
/// zip(ask(), zip(ask(), ask())).await;
///
/// let stats = flights.stats();
/// assert_eq!((stats.led, stats.retries, stats.failed), (1, 1, 1)); // two works for three callers
/// # });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnFailure {
    /// All aboard get the failure.
    #[default]
    Share,
    /// The caller whose work failed gets the failure, and the next follower, if there is one, tries with its own work, up to this many times a
    /// flight. The failure after that is shared by all who are still aboard.
    Retry {
        /// How many works may follow the first.
        limit: usize,
    },
}

/// The limits and windows of a group; a call can have others.
#[derive(Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) timeout: Option<Duration>,
    pub(crate) overtake_after: Option<Duration>,
    pub(crate) wait_timeout: Option<Duration>,
    pub(crate) max_flights: Option<usize>,
    pub(crate) max_callers: Option<usize>,
    pub(crate) join_within: Option<Duration>,
    pub(crate) linger: Option<Duration>,
}

pub(crate) struct Config<K, V> {
    pub(crate) name: Option<String>,
    pub(crate) limits: Limits,
    pub(crate) linger_failures: bool,
    pub(crate) on_failure: OnFailure,
    pub(crate) failed_if: Option<fn(&V) -> bool>,
    /// For everything above that needs it.
    pub(crate) time: Option<Arc<dyn Time>>,
    pub(crate) lingering: Option<Arc<Lingering<K, V>>>,
    pub(crate) observers: Vec<Box<dyn Observer<K>>>,
    pub(crate) show: Option<Show<K>>,
    /// Makes numbers of hashes, so that a log shows neither.
    pub(crate) blind: DefaultHashBuilder,
    /// Flights in progress. Only counted if `max_flights` is set.
    pub(crate) flights: AtomicUsize,
    /// The last number that was given to an observed flight.
    pub(crate) number: AtomicUsize,
    #[cfg(feature = "std")]
    pub(crate) origin: std::time::Instant,
}

impl<K, V> Config<K, V> {
    pub(crate) fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// Calls every observer, in the order in which they were added.
    pub(crate) fn tell(&self, event: &Event<'_, K>) {
        for observer in &self.observers {
            panics::contain(|| observer.event(event));
        }
    }

    pub(crate) fn is_observed(&self) -> bool {
        !self.observers.is_empty()
    }

    /// Whether a flight needs terms for what is not a limit.
    pub(crate) fn judges(&self) -> bool {
        self.is_observed() || self.failed_if.is_some() || self.on_failure != OnFailure::Share
    }

    /// The time, for observers: also where no runtime keeps it.
    pub(crate) fn now(&self, time: Option<&dyn Time>) -> Option<Duration> {
        match time.or(self.time.as_deref()) {
            Some(time) => Some(time.now()),
            #[cfg(feature = "std")]
            None if self.is_observed() => Some(self.origin.elapsed()),
            None => None,
        }
    }

    /// Takes a place for one more flight, if `cap` leaves one.
    pub(crate) fn admit(&self, cap: Option<usize>) -> bool {
        let more = |flights: usize| (flights < cap.unwrap_or(usize::MAX)).then_some(flights + 1);
        self.flights.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Gives the place back.
    pub(crate) fn dismiss(&self) {
        self.flights.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A group's hold on its configuration. When the group goes, so does what lingers in it.
pub(crate) struct Configured<K, V>(Option<Arc<Config<K, V>>>);

impl<K, V> Configured<K, V> {
    pub(crate) fn new(config: Option<Config<K, V>>) -> Self {
        Self(config.map(Arc::new))
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&Arc<Config<K, V>>> {
        self.0.as_ref()
    }
}

impl<K, V> Drop for Configured<K, V> {
    fn drop(&mut self) {
        if let Some(lingering) = self.0.as_ref().and_then(|config| config.lingering.as_ref()) {
            lingering.close();
        }
    }
}
