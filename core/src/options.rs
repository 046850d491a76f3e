//! What one call brings along: the options that override its group's, and what it needs to keep to a limit. Most calls bring nothing.

use core::time::Duration;

use crate::circle::Edge;
use crate::config::{Config, Limits};
use crate::error::Error;
use crate::events::Metadata;
use crate::linger::{self, Lingering};
use crate::log::Brought;
use crate::snapshot::Verb;
use crate::sync::Arc;
use crate::table::Table;
use crate::terms::{Terms, Wanted};
use crate::time::{Alarm, Time};

/// The options of one call. The outer `Option` says whether the call has its own, the inner one whether there is a limit at all.
pub(crate) struct Options<K, V> {
    pub(crate) timeout: Option<Option<Duration>>,
    pub(crate) overtake_after: Option<Option<Duration>>,
    pub(crate) wait_timeout: Option<Option<Duration>>,
    pub(crate) max_flights: Option<Option<usize>>,
    pub(crate) max_callers: Option<Option<usize>>,
    pub(crate) join_within: Option<Option<Duration>>,
    pub(crate) linger: Option<Option<Duration>>,
    /// Where a result of this call's lingers, should the group have no place for that.
    pub(crate) sweeps: Option<Arc<dyn linger::Start<K, V>>>,
    pub(crate) time: Option<Arc<dyn Time>>,
    pub(crate) metadata: Option<Metadata>,
}

impl<K, V> Options<K, V> {
    /// What holds for this call.
    pub(crate) fn limits(&self, config: Option<&Config<K, V>>) -> Limits {
        let group = config.map(|config| config.limits).unwrap_or_default();
        Limits {
            timeout: self.timeout.unwrap_or(group.timeout),
            overtake_after: self.overtake_after.unwrap_or(group.overtake_after),
            wait_timeout: self.wait_timeout.unwrap_or(group.wait_timeout),
            max_flights: self.max_flights.unwrap_or(group.max_flights),
            max_callers: self.max_callers.unwrap_or(group.max_callers),
            join_within: self.join_within.unwrap_or(group.join_within),
            linger: self.linger.unwrap_or(group.linger),
        }
    }
}

impl<K, V> Default for Options<K, V> {
    fn default() -> Self {
        Self {
            timeout: None,
            overtake_after: None,
            wait_timeout: None,
            max_flights: None,
            max_callers: None,
            join_within: None,
            linger: None,
            sweeps: None,
            time: None,
            metadata: None,
        }
    }
}

impl<K, V> Clone for Options<K, V> {
    fn clone(&self) -> Self {
        Self { sweeps: self.sweeps.clone(), time: self.time.clone(), metadata: self.metadata.clone(), ..*self }
    }
}

/// What a caller carries with it, if it carries anything.
pub(crate) struct Luggage<K, V> {
    pub(crate) options: Options<K, V>,
    /// The work in which the call was made waits for the call's flight.
    pub(crate) edge: Edge,
    pub(crate) alarm: Alarm,
    /// When it asked.
    asked: Option<Duration>,
    /// Until when it waits, whatever the flight does, and what it gets then.
    pub(crate) wait: Option<Wait>,
}

/// A caller's own limit.
#[derive(Clone)]
pub(crate) struct Wait {
    pub(crate) until: Duration,
    pub(crate) error: Error,
}

impl<K, V> Default for Luggage<K, V> {
    fn default() -> Self {
        Self::new(Options::default())
    }
}

/// What holds for one call, of its own and of its group's.
pub(crate) struct Asks<'a, K, V> {
    pub(crate) config: Option<&'a Arc<Config<K, V>>>,
    options: Option<&'a Options<K, V>>,
    pub(crate) limits: Limits,
}

impl<'a, K, V> Asks<'a, K, V> {
    pub(crate) fn new(config: Option<&'a Arc<Config<K, V>>>, luggage: Option<&'a Luggage<K, V>>) -> Self {
        let options = luggage.map(|luggage| &luggage.options);
        let limits = match (options, config) {
            (Some(options), config) => options.limits(config.map(|config| &**config)),
            (None, Some(config)) => config.limits,
            (None, None) => Limits::default(),
        };
        Self { config, options, limits }
    }

    pub(crate) fn time(&self) -> Option<&'a Arc<dyn Time>> {
        let own = self.options.and_then(|options| options.time.as_ref());
        own.or_else(|| self.config.and_then(|config| config.time.as_ref()))
    }

    /// What an observer gets to know of the call.
    pub(crate) fn brought(&self, verb: Verb) -> Brought {
        let metadata = self.options.and_then(|options| options.metadata.clone());
        Brought { verb, elapsed: None, metadata }
    }

    /// Takes one of the group's places for flights. `Some(counted)` if there is one.
    pub(crate) fn admit(&self, table: &Table<K, V>) -> Option<bool> {
        let cap = self.limits.max_flights;
        match self.config {
            Some(config) if config.limits.max_flights.is_some() => config.admit(cap).then_some(true),
            _ => cap.is_none_or(|cap| table.in_flight() < cap as u64).then_some(false),
        }
    }

    /// The terms of a flight that this call starts, if it needs any.
    pub(crate) fn terms(&self, table: &Table<K, V>, verb: Verb, counted: bool) -> Option<Terms<K, V>> {
        let time = self.time().cloned();
        let judged = self.config.is_some_and(|config| config.judges());
        if time.is_none() && !counted && !judged {
            return None;
        }
        let linger = self.limits.linger.filter(|linger| !linger.is_zero());
        let linger = linger.and_then(|linger| Some((linger, self.lingering(table)?)));
        let wanted = Wanted {
            config: self.config.cloned(),
            time,
            timeout: self.limits.timeout,
            overtake_after: self.limits.overtake_after,
            linger,
            counted,
        };
        Some(Terms::new(wanted, &self.brought(verb)))
    }

    /// The terms of a flight of this call's own, which nobody else will join.
    pub(crate) fn terms_alone(&self, verb: Verb) -> Option<Terms<K, V>> {
        let timeout = self.limits.timeout?;
        let wanted = Wanted {
            config: None,
            time: self.time().cloned(),
            timeout: Some(timeout),
            overtake_after: None,
            linger: None,
            counted: false,
        };
        Some(Terms::new(wanted, &self.brought(verb)))
    }

    fn lingering(&self, table: &Table<K, V>) -> Option<Arc<Lingering<K, V>>> {
        if let Some(lingering) = self.config.and_then(|config| config.lingering.as_ref()) {
            return Some(Arc::clone(lingering));
        }
        let sweeps = self.options?.sweeps.clone()?;
        Some(Arc::new(Lingering::new(self.time()?.clone(), sweeps, table.clone())))
    }

    /// The call's own limit. `joined`: it did not start the flight, so that a time limit of its own is only its own; `outside`: it is not aboard
    /// of any flight, so that no flight's limit will tell it to stop.
    pub(crate) fn wait(&self, asked: Duration, joined: bool, outside: bool) -> Option<Wait> {
        let after = |limit: Option<Duration>, error: Error| {
            limit.map(|limit| Wait { until: asked.saturating_add(limit), error })
        };
        let wait = after(self.limits.wait_timeout, Error::WaitTimedOut);
        let own = self.options.and_then(|options| options.timeout).is_some();
        let timeout = if outside || joined && own { self.limits.timeout } else { None };
        let timeout = after(timeout, Error::TimedOut);
        match (wait, timeout) {
            (Some(wait), Some(timeout)) => Some(if timeout.until <= wait.until { timeout } else { wait }),
            (wait, timeout) => wait.or(timeout),
        }
    }

    /// Whether [`wait`](Self::wait) can say anything.
    pub(crate) fn may_wait(&self) -> bool {
        self.limits.wait_timeout.is_some() || self.limits.timeout.is_some()
    }
}

impl<K, V> Luggage<K, V> {
    pub(crate) fn new(options: Options<K, V>) -> Self {
        Self { options, edge: Edge::none(), alarm: Alarm::default(), asked: None, wait: None }
    }

    /// When the call asked: now, if that was not noted before.
    pub(crate) fn asked(&mut self, now: Duration) -> Duration {
        *self.asked.get_or_insert(now)
    }
}
