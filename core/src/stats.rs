//! Exact accounts: what the callers of a group did, and how its flights ended.
//!
//! Counts are kept in the shards of the table. Those of flights change in the same locked step that lists a flight, or in which its state says that it ended, so
//! they can neither miss one nor count it twice; those of callers are counters beside it.

use core::fmt;
use core::iter::Sum;
use core::ops::AddAssign;

/// What a group counted, since it was made or since [`Group::reset_stats`](crate::Group::reset_stats). From
/// [`Group::stats`](crate::Group::stats).
///
/// Each call that asked ends up in exactly one of [`led`](Self::led), [`joined`](Self::joined), [`lingered`](Self::lingered) and
/// [`refused`](Self::refused); each flight that was led ends up in exactly one of [`completed`](Self::completed), [`failed`](Self::failed),
/// [`panicked`](Self::panicked), [`timed_out`](Self::timed_out), [`cancelled`](Self::cancelled), [`abandoned`](Self::abandoned) and
/// [`released`](Self::released).
///
/// ```
/// use coflight::Group;
///
/// let flights: Group<u64, u64> = Group::new();
/// let (leader, follower) = (flights.enter(&6), flights.enter(&6));
///
/// let stats = flights.stats();
/// assert_eq!((stats.led, stats.joined, stats.completed), (1, 1, 0));
/// assert_eq!(stats.to_string(), "2 calls: 1 led, 1 joined, 0 lingered, 0 refused; 1 in flight, 1 waiting");
/// # drop((leader, follower));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Stats {
    /// Calls that started a flight: the misses.
    pub led: u64,
    /// Calls that came aboard a flight in progress: the hits. What became of them (they followed, took over, left) does not matter.
    pub joined: u64,
    /// Calls that were served a result that [lingered](crate::Builder::linger).
    pub lingered: u64,
    /// Calls that were refused because of [`max_flights`](crate::Builder::max_flights).
    pub refused: u64,
    /// Flights that ended with a result that is no failure.
    pub completed: u64,
    /// Flights that ended with a failure: an error of a `try_` verb, or what [`failed_if`](crate::Builder::failed_if) says. One a flight, however
    /// many shared it.
    pub failed: u64,
    /// Flights whose work panicked.
    pub panicked: u64,
    /// Flights that ran into their [`timeout`](crate::Builder::timeout).
    pub timed_out: u64,
    /// Flights ended by [`cancel`](crate::Group::cancel) or [`cancel_all`](crate::Group::cancel_all).
    pub cancelled: u64,
    /// Flights whose last caller left before the end.
    pub abandoned: u64,
    /// Flights whose leader [released](crate::Leader::release) its followers.
    pub released: u64,
    /// Followers, or newcomers, who took over from a leader that left, or whose work failed and is [retried](crate::OnFailure::Retry).
    pub handovers: u64,
    /// Followers who started their own work beside that of a slow leader; see [`overtake_after`](crate::Builder::overtake_after).
    pub overtakes: u64,
    /// Works that failed and left it to the next follower to try; see [`OnFailure::Retry`](crate::OnFailure::Retry).
    pub retries: u64,
    /// Followers who went alone because they were released.
    pub alone: u64,
    /// Flights in progress now. Not touched by [`reset_stats`](crate::Group::reset_stats).
    pub in_flight: u64,
    /// Followers aboard the flights in progress now.
    pub waiting: u64,
}

impl Stats {
    /// All calls that asked: `led + joined + lingered + refused`.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Error, Group};
    ///
    /// let flights: Group<u64, u64> = Group::builder().max_flights(1).build();
    /// let (leader, follower) = (flights.enter(&6), flights.enter(&6));
    /// assert_eq!(flights.run(&7, || async { 42 }).await, Err(Error::Full));
    ///
    /// assert_eq!(flights.stats().calls(), 3); // one led, one joined, one was refused
    /// # drop((leader, follower));
    /// # });
    /// ```
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.led + self.joined + self.lingered + self.refused
    }

    /// Calls that cost no flight of their own: `joined + lingered`.
    ///
    /// ```
    /// use coflight::Group;
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let (leader, follower) = (flights.enter(&6), flights.enter(&6));
    /// assert_eq!(flights.stats().hits(), 1); // the follower
    /// # drop((leader, follower));
    /// ```
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.joined + self.lingered
    }

    /// Calls that started a flight: `led`.
    ///
    /// ```
    /// use coflight::Group;
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let (leader, follower) = (flights.enter(&6), flights.enter(&6));
    /// assert_eq!(flights.stats().misses(), 1); // the leader
    /// # drop((leader, follower));
    /// ```
    #[must_use]
    pub fn misses(&self) -> u64 {
        self.led
    }

    /// Flights that have ended.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::Group;
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// flights.run(&6, || async { 42 }).await?;
    /// drop(flights.enter(&7));
    /// let leader = flights.enter(&8);
    ///
    /// let stats = flights.stats();
    /// assert_eq!((stats.completed, stats.abandoned), (1, 1));
    /// assert_eq!((stats.ended(), stats.in_flight), (2, 1)); // together all that were led
    /// # drop(leader);
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.completed + self.failed + self.panicked + self.timed_out + self.cancelled + self.abandoned + self.released
    }

    /// Of the calls that were not refused, the share that cost no flight of their own: `hits / (hits + misses)`, between 0 and 1, and 0 when there were
    /// none. Calls that were refused are in neither part of the fraction.
    ///
    /// ```
    /// use coflight::Group;
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// assert_eq!(flights.stats().hit_rate(), 0.0);
    ///
    /// let callers: Vec<_> = (0..4).map(|_| flights.enter(&6)).collect();
    /// assert_eq!(flights.stats().hit_rate(), 0.75); // one led, three joined
    /// # drop(callers);
    /// ```
    #[must_use]
    pub fn hit_rate(&self) -> f64 {
        let served = self.hits() + self.misses();
        // Exact up to 2^53 calls.
        if served == 0 { 0.0 } else { self.hits() as f64 / served as f64 }
    }
}

impl AddAssign for Stats {
    /// What two groups counted, together.
    fn add_assign(&mut self, other: Self) {
        // All of them, which the compiler holds this to.
        let Self {
            led,
            joined,
            lingered,
            refused,
            completed,
            failed,
            panicked,
            timed_out,
            cancelled,
            abandoned,
            released,
            handovers,
            overtakes,
            retries,
            alone,
            in_flight,
            waiting,
        } = other;
        self.led += led;
        self.joined += joined;
        self.lingered += lingered;
        self.refused += refused;
        self.completed += completed;
        self.failed += failed;
        self.panicked += panicked;
        self.timed_out += timed_out;
        self.cancelled += cancelled;
        self.abandoned += abandoned;
        self.released += released;
        self.handovers += handovers;
        self.overtakes += overtakes;
        self.retries += retries;
        self.alone += alone;
        self.in_flight += in_flight;
        self.waiting += waiting;
    }
}

impl Sum for Stats {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, stats| {
            sum += stats;
            sum
        })
    }
}

impl fmt::Display for Stats {
    /// One line for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} calls: {} led, {} joined, {} lingered, {} refused; {} in flight, {} waiting",
            self.calls(),
            self.led,
            self.joined,
            self.lingered,
            self.refused,
            self.in_flight,
            self.waiting
        )
    }
}

/// How a flight ended, as far as counting goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Failed,
    Panicked,
    TimedOut,
    Cancelled,
    Abandoned,
    Released,
    /// Not counted: all others.
    Completed,
}

impl Ended {
    /// How many kinds are counted.
    pub(crate) const COUNTED: usize = Self::Completed as usize;
}

/// The counts of a shard's flights. Only ever grow.
#[derive(Clone, Copy, Default)]
pub(crate) struct Tally {
    pub(crate) led: u64,
    pub(crate) completed: u64,
    /// By [`Ended`].
    pub(crate) ended: [u64; Ended::COUNTED],
}

impl Tally {
    pub(crate) fn in_flight(&self) -> u64 {
        self.led - self.completed - self.ended.iter().sum::<u64>()
    }
}

/// What a caller did that is counted beside the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Joined,
    Lingered,
    Refused,
    Handover,
    Overtake,
    Retry,
    Alone,
}

impl Deed {
    /// How many there are.
    pub(crate) const KINDS: usize = Self::Alone as usize + 1;
}

/// The sums over all shards. Only ever grow, so what was counted since a reset is a difference, and never negative.
#[derive(Clone, Copy, Default)]
pub(crate) struct Totals {
    pub(crate) tally: Tally,
    pub(crate) deeds: [u64; Deed::KINDS],
}

impl Totals {
    pub(crate) fn add_tally(&mut self, tally: &Tally) {
        self.tally.led += tally.led;
        self.tally.completed += tally.completed;
        for (sum, ended) in self.tally.ended.iter_mut().zip(tally.ended) {
            *sum += ended;
        }
    }

    /// What happened since `base`.
    pub(crate) fn since(&self, base: &Self) -> Stats {
        let ended = |how: Ended| self.tally.ended[how as usize].saturating_sub(base.tally.ended[how as usize]);
        let deeds = |deed: Deed| self.deeds[deed as usize].saturating_sub(base.deeds[deed as usize]);
        Stats {
            led: self.tally.led.saturating_sub(base.tally.led),
            joined: deeds(Deed::Joined),
            lingered: deeds(Deed::Lingered),
            refused: deeds(Deed::Refused),
            completed: self.tally.completed.saturating_sub(base.tally.completed),
            failed: ended(Ended::Failed),
            panicked: ended(Ended::Panicked),
            timed_out: ended(Ended::TimedOut),
            cancelled: ended(Ended::Cancelled),
            abandoned: ended(Ended::Abandoned),
            released: ended(Ended::Released),
            handovers: deeds(Deed::Handover),
            overtakes: deeds(Deed::Overtake),
            retries: deeds(Deed::Retry),
            alone: deeds(Deed::Alone),
            in_flight: self.tally.in_flight(),
            waiting: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Stats;

    /// Every count another number: the first is `first`, each next one more by `step`.
    fn numbered(first: u64, step: u64) -> Stats {
        let at = |place: u64| first + place * step;
        Stats {
            led: at(0),
            joined: at(1),
            lingered: at(2),
            refused: at(3),
            completed: at(4),
            failed: at(5),
            panicked: at(6),
            timed_out: at(7),
            cancelled: at(8),
            abandoned: at(9),
            released: at(10),
            handovers: at(11),
            overtakes: at(12),
            retries: at(13),
            alone: at(14),
            in_flight: at(15),
            waiting: at(16),
        }
    }

    #[test]
    fn each_count_is_added_to_its_own() {
        let all = [numbered(1_000, 1), numbered(30, 5), numbered(2, 100)];
        assert_eq!(all.into_iter().sum::<Stats>(), numbered(1_032, 106));
    }
}
