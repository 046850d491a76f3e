//! What holds for one call: what it brought along, and for the rest what was chosen for its group.

use core::time::Duration;

use crate::config::{Config, Limits};
use crate::error::Error;
use crate::linger::Lingering;
use crate::log::Brought;
use crate::options::{Luggage, Options, Wait};
use crate::snapshot::Verb;
use crate::sync::Arc;
use crate::table::Table;
use crate::terms::{Terms, Wanted};
use crate::time::Time;

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
