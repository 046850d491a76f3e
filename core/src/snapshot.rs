//! What is in flight at a moment.

use core::fmt;
use core::time::Duration;

/// One flight, as it was at a moment. From [`Group::in_flight`](crate::Group::in_flight).
///
/// ```
/// use coflight::{Group, Verb};
///
/// let flights: Group<u64, u64> = Group::new();
/// let (leader, follower) = (flights.enter(&6), flights.enter(&6));
///
/// let now = flights.in_flight();
/// assert_eq!((now[0].key, now[0].callers, now[0].verb), (6, 2, Verb::Enter));
/// assert_eq!(now[0].age, None); // the group keeps no time
/// # drop((leader, follower));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InFlight<K> {
    /// What it works on.
    pub key: K,
    /// For how long it has been in progress, if it keeps time: see [`Builder::timed`](crate::Builder::timed).
    pub age: Option<Duration>,
    /// How many callers are aboard, its leader included.
    pub callers: usize,
    /// Where it stands.
    pub state: FlightState,
    /// The verb by which its work was started.
    pub verb: Verb,
    /// Whether a newcomer would find it. Not if it was [forgotten](crate::Group::forget), or had as many callers as
    /// [`max_callers`](crate::Builder::max_callers) allows when the next one came, or was older than [`join_within`](crate::Builder::join_within).
    pub listed: bool,
}

/// Where a flight stands.
///
/// ```
/// use coflight::{FlightState, Group};
///
/// let flights: Group<u64, u64> = Group::new();
/// let (leader, follower) = (flights.enter(&6), flights.enter(&6));
/// assert_eq!(flights.in_flight()[0].state, FlightState::Running);
///
/// drop(leader);
/// assert_eq!(flights.in_flight()[0].state, FlightState::Vacant); // until the follower is polled
/// # drop(follower);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FlightState {
    /// Somebody runs its work.
    Running,
    /// Somebody runs its work, and a follower runs another beside it, because the leader was too slow.
    Overtaken,
    /// Its leader left, and nobody has taken over yet.
    Vacant,
}

/// A verb.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use coflight::{Group, Verb};
/// use futures_lite::future::{pending, poll_once};
///
/// let flights: Group<u64, u64> = Group::new();
/// let mut call = Box::pin(flights.relay(&6, || pending()));
/// assert!(poll_once(&mut call).await.is_none());
/// assert_eq!(flights.in_flight()[0].verb, Verb::Relay);
/// # });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verb {
    /// [`Group::run`](crate::Group::run)
    Run,
    /// [`Group::relay`](crate::Group::relay)
    Relay,
    /// [`Group::spawn`](crate::Group::spawn)
    Spawn,
    // Which there is not without `std`.
    #[cfg_attr(feature = "std", doc = "[`Group::run_blocking`](crate::Group::run_blocking)")]
    #[cfg_attr(not(feature = "std"), doc = "`Group::run_blocking`")]
    RunBlocking,
    /// [`Group::enter`](crate::Group::enter)
    Enter,
}

impl Verb {
    const ALL: [Self; 5] = [Self::Run, Self::Relay, Self::Spawn, Self::RunBlocking, Self::Enter];

    /// The verb's name: `run`, `run_blocking`, ….
    ///
    /// ```
    /// use coflight::Verb;
    ///
    /// assert_eq!(Verb::RunBlocking.name(), "run_blocking");
    /// assert_eq!(Verb::RunBlocking.to_string(), Verb::RunBlocking.name());
    /// ```
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Relay => "relay",
            Self::Spawn => "spawn",
            Self::RunBlocking => "run_blocking",
            Self::Enter => "enter",
        }
    }

    pub(crate) fn from_index(index: usize) -> Self {
        Self::ALL[index % Self::ALL.len()]
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
