//! All groups that have a name, as they were at a moment.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::snapshot::InFlight;
use crate::stats::Stats;

/// All groups that have a name, as each was at some moment during the call. From [`registry::overview`](crate::registry::overview) and
/// [`registry::reset_stats`](crate::registry::reset_stats).
///
/// Prints as a table, one group a line, and the sum below.
///
/// ```
/// use coflight::{Group, registry};
///
/// let users: Group<u64, u64> = Group::builder().name("users").build();
/// let leader = users.enter(&42);
///
/// let overview = registry::overview();
/// assert_eq!(overview.groups[0].name, "users");
/// assert_eq!(overview.to_string().lines().count(), 3); // what the columns are, one group, the sum
/// # drop(leader);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overview {
    /// In the order in which they were built.
    pub groups: Vec<GroupOverview>,
}

/// One group, as it was at a moment.
///
/// ```
/// use coflight::{Group, registry};
///
/// let users: Group<String, u64> = Group::builder().name("users").build();
/// let leader = users.enter("Ada");
///
/// for group in registry::overview().groups {
///     println!("{}: {}", group.name, group.stats);
///     assert_eq!(group.in_flight.len(), 1);
///     assert!(group.in_flight[0].key.starts_with('#')); // a number, not the name
/// }
/// # drop(leader);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupOverview {
    /// What its [builder](crate::Builder::name) called it. Other groups may have the same name.
    pub name: String,
    /// What it counted: see [`Group::stats`](crate::Group::stats).
    pub stats: Stats,
    /// Its flights in progress: see [`Group::in_flight`](crate::Group::in_flight). Keys are shown as in events: as a blind number, unless
    /// the group chose [how](crate::Builder::show_keys).
    pub in_flight: Vec<InFlight<String>>,
}

impl Overview {
    /// What all of them counted, together: all calls are [`calls`](Stats::calls), those that were coalesced [`hits`](Stats::hits), works that were executed
    /// [`led`](Stats::led).
    ///
    /// ```
    /// use coflight::{Group, registry};
    ///
    /// let users: Group<u64, u64> = Group::builder().name("users").build();
    /// let pages: Group<u64, u64> = Group::builder().name("pages").build();
    /// let leaders = (users.enter(&1), pages.enter(&1));
    /// let follower = pages.enter(&1);
    ///
    /// let total = registry::overview().total();
    /// assert_eq!((total.calls(), total.hits(), total.in_flight), (3, 1, 2));
    /// # drop((leaders, follower));
    /// ```
    #[must_use]
    pub fn total(&self) -> Stats {
        self.groups.iter().map(|group| group.stats).sum()
    }

    /// The first group of this name, if there is one.
    ///
    /// ```
    /// use coflight::{Group, registry};
    ///
    /// let users: Group<u64, u64> = Group::builder().name("users").build();
    /// let leader = users.enter(&42);
    ///
    /// let overview = registry::overview();
    /// assert_eq!(overview.get("users").map(|group| group.stats.led), Some(1));
    /// assert_eq!(overview.get("pages"), None);
    /// # drop(leader);
    /// ```
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&GroupOverview> {
        self.groups.iter().find(|group| group.name == name)
    }
}

impl fmt::Display for Overview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.groups.iter().map(|group| group.name.chars().count()).max().unwrap_or(0).max("group".len());
        writeln!(
            f,
            "{:width$}  {:>10}  {:>10}  {:>10}  {:>9}",
            "group", "calls", "coalesced", "executed", "in flight"
        )?;
        let mut row = |name: &str, stats: &Stats| {
            writeln!(
                f,
                "{name:width$}  {:>10}  {:>10}  {:>10}  {:>9}",
                stats.calls(),
                stats.hits(),
                stats.led,
                stats.in_flight
            )
        };
        for group in &self.groups {
            row(&group.name, &group.stats)?;
        }
        row("total", &self.total())
    }
}
