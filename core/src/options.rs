//! What one call brings along: the options that override its group's, and what it needs to keep to a limit. Most calls bring nothing.

use core::time::Duration;

use crate::circle::Edge;
use crate::config::{Config, Limits};
use crate::error::Error;
use crate::events::Metadata;
use crate::linger;
use crate::sync::Arc;
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

impl<K, V> Luggage<K, V> {
    pub(crate) fn new(options: Options<K, V>) -> Self {
        Self { options, edge: Edge::none(), alarm: Alarm::default(), asked: None, wait: None }
    }

    /// When the call asked: now, if that was not noted before.
    pub(crate) fn asked(&mut self, now: Duration) -> Duration {
        *self.asked.get_or_insert(now)
    }
}
