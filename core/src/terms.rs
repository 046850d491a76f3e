//! What was agreed for one flight when it started: its limits, what becomes of its result, who watches it. A flight for which nothing was
//! chosen has none of this.

use alloc::vec::Vec;
use core::time::Duration;

use crate::config::{Config, OnFailure};
use crate::ending::Landing;
use crate::flight::{Flight, FlightRef};
use crate::linger::{self, Lingering};
use crate::log::{Brought, Noting, Watch};
use crate::panics;
use crate::sync::{Arc, Lock, Ordering};
use crate::time::Time;

pub(crate) struct Terms<K, V> {
    config: Option<Arc<Config<K, V>>>,
    /// Where the limits take the time from.
    time: Option<Arc<dyn Time>>,
    /// When it started.
    started: Option<Duration>,
    /// When it is to end at the latest.
    pub(crate) deadline: Option<Duration>,
    /// For how long a leader may run before a follower starts beside it.
    overtake_after: Option<Duration>,
    linger: Option<(Duration, Arc<Lingering<K, V>>)>,
    /// How many works may follow one that failed.
    retries: usize,
    /// It took one of the group's places for flights.
    counted: bool,
    watch: Option<Watch>,
    /// The flight beside which this one runs, and who leads this one: its result goes there, and this one is not listed.
    beside: Option<(FlightRef<K, V>, Brought)>,
    changing: Lock<Changing<K, V>>,
}

/// What changes while the flight goes on.
struct Changing<K, V> {
    /// When the leader began.
    led_since: Option<Duration>,
    /// The flight that runs beside this one, and since when.
    rival: Option<(FlightRef<K, V>, Duration)>,
    retried: usize,
    /// Failures that belong to callers aboard whose works they were, by the term in which they led.
    failures: Vec<(u8, V)>,
    linger_place: Option<linger::Place>,
}

impl<K, V> Changing<K, V> {
    fn new(led_since: Option<Duration>) -> Self {
        Self { led_since, rival: None, retried: 0, failures: Vec::new(), linger_place: None }
    }
}

/// What a caller that starts a flight wants for it.
pub(crate) struct Wanted<K, V> {
    pub(crate) config: Option<Arc<Config<K, V>>>,
    pub(crate) time: Option<Arc<dyn Time>>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) overtake_after: Option<Duration>,
    pub(crate) linger: Option<(Duration, Arc<Lingering<K, V>>)>,
    pub(crate) counted: bool,
}

impl<K, V> Terms<K, V> {
    /// Of a flight that starts now, led by `leader`.
    pub(crate) fn new(wanted: Wanted<K, V>, leader: &Brought) -> Self {
        let Wanted { config, time, timeout, overtake_after, linger, counted } = wanted;
        let started = match &config {
            Some(config) => config.now(time.as_deref()),
            None => time.as_deref().map(Time::now),
        };
        let observed = config.as_ref().filter(|config| config.is_observed());
        let watch = observed.map(|config| {
            let number = config.number.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
            Watch::new(number as u64, leader)
        });
        let retries = match config.as_ref().map(|config| config.on_failure) {
            Some(OnFailure::Retry { limit }) => limit,
            Some(OnFailure::Share) | None => 0,
        };
        Self {
            deadline: timeout.zip(started).map(|(timeout, started)| started.saturating_add(timeout)),
            config,
            time,
            started,
            overtake_after,
            linger,
            retries,
            counted,
            watch,
            beside: None,
            changing: Lock::new(Changing::new(started)),
        }
    }

    /// Of a flight that runs beside `main`, whose deadline is its own.
    pub(crate) fn beside(main: &FlightRef<K, V>, terms: &Self, leader: &Brought) -> Self {
        Self {
            config: terms.config.clone(),
            time: terms.time.clone(),
            started: terms.started,
            deadline: terms.deadline,
            overtake_after: None,
            linger: None,
            retries: 0,
            counted: false,
            watch: None,
            beside: Some((main.clone(), leader.clone())),
            changing: Lock::new(Changing::new(None)),
        }
    }

    pub(crate) fn time(&self) -> Option<&dyn Time> {
        self.time.as_deref()
    }

    /// For how long the flight has been in progress, if its clock can tell.
    pub(crate) fn age(&self) -> Option<Duration> {
        let mut now = None;
        // Also asked by who leaves, which a clock that panics must not prevent.
        panics::contain(|| {
            now = match &self.config {
                Some(config) => config.now(self.time()),
                None => self.time().map(Time::now),
            }
        });
        now?.checked_sub(self.started?)
    }

    /// When a follower may start its own work beside the leader's, in place of one that did but was too slow as well. `rivaled`: somebody did.
    pub(crate) fn overtake_at(&self, rivaled: bool) -> Option<Duration> {
        let after = self.overtake_after?;
        let since = self.changing.with(|changing| match &changing.rival {
            Some((_, since)) => Some(*since),
            None => changing.led_since.filter(|_| !rivaled),
        });
        since.map(|since| since.saturating_add(after))
    }

    /// Puts `rival` in the place beside this flight, if nobody is there or who is there is too slow; gives that one back. `begin`, which is told
    /// whether somebody is there, must agree. `None`: not now.
    pub(crate) fn place_rival(
        &self,
        rival: &FlightRef<K, V>,
        now: Duration,
        begin: impl FnOnce(bool) -> bool,
    ) -> Option<Option<FlightRef<K, V>>> {
        let after = self.overtake_after?;
        self.changing.with(|changing| {
            let last = changing.rival.as_ref().map(|(_, since)| *since);
            let free = last.is_none_or(|since| since.saturating_add(after) <= now);
            (free && begin(last.is_some())).then(|| changing.rival.replace((rival.clone(), now)).map(|(last, _)| last))
        })
    }

    /// Whether this is the flight beside this one.
    pub(crate) fn is_rival(&self, rival: &FlightRef<K, V>) -> bool {
        self.changing.with(|changing| changing.rival.as_ref().is_some_and(|(current, _)| current.is(rival)))
    }

    /// Takes out a rival that is too slow.
    pub(crate) fn take_slow_rival(&self, now: Duration) -> Option<FlightRef<K, V>> {
        let after = self.overtake_after?;
        let slow = |(_, since): &mut (FlightRef<K, V>, Duration)| since.saturating_add(after) <= now;
        self.changing.with(|changing| changing.rival.take_if(slow)).map(|(rival, _)| rival)
    }

    /// Somebody leads from now on.
    pub(crate) fn led_anew(&self, now: Option<Duration>) {
        if self.overtake_after.is_some() {
            // If its clock cannot tell, the last time that it could: better too early than never.
            self.changing.with(|changing| changing.led_since = now.or(changing.led_since));
        }
    }

    pub(crate) fn main(&self) -> Option<&FlightRef<K, V>> {
        self.beside.as_ref().map(|(main, _)| main)
    }

    /// Who leads a flight beside another.
    pub(crate) fn overtaker(&self) -> Option<&Brought> {
        self.beside.as_ref().map(|(_, overtaker)| overtaker)
    }

    /// Until when, and where, a result that is ready now is to linger; not if its clock cannot tell.
    pub(crate) fn linger_until(&self, failed: bool) -> Option<(Duration, &Arc<Lingering<K, V>>)> {
        let failures = || self.config.as_ref().is_some_and(|config| config.linger_failures);
        let (linger, lingering) = self.linger.as_ref().filter(|_| !failed || failures())?;
        Some((lingering.read()?.saturating_add(*linger), lingering))
    }

    /// Where its result lingers, if it is to.
    pub(crate) fn lingering(&self) -> Option<&Arc<Lingering<K, V>>> {
        self.linger.as_ref().map(|(_, lingering)| lingering)
    }

    /// What was noted of where its result lingers.
    pub(crate) fn linger_place(&self) -> Option<linger::Place> {
        self.changing.with(|changing| changing.linger_place)
    }

    pub(crate) fn set_linger_place(&self, place: Option<linger::Place>) -> Option<linger::Place> {
        self.changing.with(|changing| core::mem::replace(&mut changing.linger_place, place))
    }

    /// Whether the group takes `value` for a failure, though its verb does not.
    pub(crate) fn is_failure(&self, value: &V) -> bool {
        let failed_if = self.config.as_ref().and_then(|config| config.failed_if);
        failed_if.is_some_and(|failed_if| failed_if(value))
    }

    /// Whether a work may follow one that failed.
    pub(crate) fn retries(&self) -> bool {
        self.retries > 0
    }

    /// Whether one more work may follow one that failed. Counts it.
    pub(crate) fn may_retry(&self) -> bool {
        self.changing.with(|changing| {
            let may = changing.retried < self.retries;
            changing.retried += usize::from(may);
            may
        })
    }

    /// Keeps a failure for the caller whose work it was, if `hand_on`, which runs under a lock, succeeds. Who looks for the failure meanwhile has
    /// to wait, so that it is there for the one and not for the other, or neither.
    pub(crate) fn keep_failure(&self, term: u8, failure: V, hand_on: impl FnOnce() -> bool) -> Result<Landing<V>, V> {
        self.changing.with(|changing| {
            if !hand_on() {
                return Err(failure);
            }
            changing.failures.push((term, failure));
            Ok(Landing::Kept)
        })
    }

    /// The failure of the caller's own work.
    pub(crate) fn take_failure(&self, term: u8) -> Option<V> {
        if self.retries == 0 {
            return None;
        }
        self.changing.with(|changing| {
            let index = changing.failures.iter().position(|failure| failure.0 == term)?;
            Some(changing.failures.swap_remove(index).1)
        })
    }

    /// Its place among the group's flights is free, once.
    pub(crate) fn dismiss(&self) {
        if let (true, Some(config)) = (self.counted, &self.config) {
            config.dismiss();
        }
    }

    pub(crate) fn is_observed(&self) -> bool {
        self.watch.is_some()
    }

    /// Takes a step, and notes what came of it, in one, if the flight is observed. `step` runs under a lock, and gets nothing to note in if
    /// nobody will read it.
    pub(crate) fn noting<T>(&self, step: impl FnOnce(&mut Noting<'_>) -> T) -> T {
        match &self.watch {
            None => step(&mut Noting::nowhere()),
            Some(watch) => {
                // Read before the lock is taken.
                let elapsed = self.age();
                watch.noting(elapsed, step)
            }
        }
    }

    /// Tells observers what was noted.
    pub(crate) fn tell_observers(&self, flight: &Flight<K, V>) {
        if let (Some(watch), Some(config)) = (&self.watch, &self.config) {
            watch.tell(config, flight);
        }
    }

    /// Takes the rival out, if it is this one.
    pub(crate) fn take_rival_if(&self, rival: &FlightRef<K, V>) -> Option<FlightRef<K, V>> {
        self.changing.with(|changing| changing.rival.take_if(|(current, _)| current.is(rival))).map(|(rival, _)| rival)
    }

    pub(crate) fn take_rival(&self) -> Option<FlightRef<K, V>> {
        self.changing.with(|changing| changing.rival.take()).map(|(rival, _)| rival)
    }
}

impl<K, V> FlightRef<K, V> {
    /// Tells observers, if there are any, what was noted and not told yet.
    #[inline]
    pub(crate) fn tell_observers(&self) {
        if let Some(terms) = &self.terms {
            terms.tell_observers(self);
        }
    }
}
