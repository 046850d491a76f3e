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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overview {
    /// In the order in which they were built.
    pub groups: Vec<GroupOverview>,
}

/// One group, as it was at a moment.
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
    #[must_use]
    pub fn total(&self) -> Stats {
        self.groups.iter().map(|group| group.stats).sum()
    }

    /// The first group of this name, if there is one.
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
