//! Every group of the program that has a [name](crate::Builder::name), in one place: for a page that shows them all, for a log, for tests.
//!
//! ```
//! use coflight_core::{Group, registry};
//!
//! let users: Group<u64, u64> = Group::builder().name("users").build();
//! # futures_lite::future::block_on(async {
//! users.run(&1, || async { 1 }).await?;
//! # Ok::<(), coflight_core::Error>(()) }).unwrap();
//!
//! let overview = registry::overview();
//! assert_eq!(overview.get("users").unwrap().stats.led, 1);
//! println!("{overview}"); // a table
//!
//! drop(users); // is not kept by being listed
//! assert!(registry::overview().get("users").is_none());
//! ```
//!
//! A group without a name is nowhere but in its handles.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::accounts::Accounts;
use crate::config::Config;
use crate::events::ShownKey;
use crate::hash::DefaultHashBuilder;
use crate::overview::{GroupOverview, Overview};
use crate::panics;
use crate::stats::Stats;
use crate::sync::Arc;

/// What every group that has a name counted, and what is in flight in it.
///
/// Looks at every flight in progress, group by group, and holds up nobody but for the moment in which it looks at a shard.
///
/// ```
/// use coflight::{Group, registry};
///
/// let users: Group<u64, u64> = Group::builder().name("users").build();
/// let nameless: Group<u64, u64> = Group::new();
/// let leaders = (users.enter(&42), nameless.enter(&42));
///
/// let overview = registry::overview();
/// assert_eq!(overview.groups.len(), 1); // of those with a name
/// assert_eq!(overview.groups[0].in_flight.len(), 1);
/// # drop(leaders);
/// ```
#[must_use]
pub fn overview() -> Overview {
    look(|group| (group.stats(), group))
}

/// Starts the accounts of all these groups anew, as [`Group::reset_stats`](crate::Group::reset_stats) does for one; returns what was
/// counted until now.
///
/// ```
/// use coflight::{Group, registry};
///
/// let users: Group<u64, u64> = Group::builder().name("users").build();
/// drop(users.enter(&42));
///
/// let past = registry::reset_stats(); // once a minute, into a log
/// assert_eq!(past.total().calls(), 1);
/// assert_eq!(registry::overview().total().calls(), 0);
/// ```
pub fn reset_stats() -> Overview {
    look(|group| (group.reset(), group))
}

fn look(stats: impl for<'g> Fn(&'g dyn Listable) -> (Stats, &'g dyn Listable)) -> Overview {
    let look = |group: Arc<dyn Listable>| {
        let (stats, group) = stats(&*group);
        group.overview(stats)
    };
    Overview { groups: listed::all().into_iter().map(look).collect() }
}

/// What is listed: a group that has a name, without what it takes to make calls.
pub(crate) struct Named<K, V> {
    name: String,
    accounts: Arc<Accounts<K, V>>,
    config: Option<Arc<Config<K, V>>>,
    /// For a group that has no configuration, in which there would be one.
    blind: DefaultHashBuilder,
}

/// A group's place in the registry.
pub(crate) struct Registration {
    number: u64,
    /// The registry has only a weak one.
    _group: Arc<dyn Listable>,
}

/// Lists a group. One that was given a name knows how, without its types' having to say so.
pub(crate) type List<K, V> = fn(Named<K, V>) -> Registration;

pub(crate) fn list<K: Send + Sync + 'static, V: Send + Sync + 'static>(group: Named<K, V>) -> Registration {
    let group: Box<dyn Listable> = Box::new(group);
    let group = Arc::from(group);
    Registration { number: listed::add(&group), _group: group }
}

impl Drop for Registration {
    fn drop(&mut self) {
        listed::remove(self.number);
    }
}

/// What can be seen of a group, whatever its types.
trait Listable: Send + Sync {
    fn stats(&self) -> Stats;
    fn reset(&self) -> Stats;
    fn overview(&self, stats: Stats) -> GroupOverview;
}

impl<K: Send + Sync, V: Send + Sync> Listable for Named<K, V> {
    fn stats(&self) -> Stats {
        self.accounts.stats()
    }

    fn reset(&self) -> Stats {
        self.accounts.reset()
    }

    fn overview(&self, stats: Stats) -> GroupOverview {
        let (show, blind) = match &self.config {
            Some(config) => (config.show, &config.blind),
            None => (None, &self.blind),
        };
        let in_flight = self.accounts.in_flight(|flight| {
            let shown = || ShownKey::new((&flight.key, flight.hash), show, blind);
            let mut key = None;
            // Whoever looks at all groups must not fall over one of them.
            panics::contain(|| key = Some(format!("{}", shown())));
            key.unwrap_or_else(|| format!("{}", shown().blind()))
        });
        GroupOverview { name: self.name.clone(), stats, in_flight }
    }
}

impl<K, V> Named<K, V> {
    pub(crate) fn new(name: String, accounts: Arc<Accounts<K, V>>, config: Option<Arc<Config<K, V>>>) -> Self {
        Self { name, accounts, config, blind: DefaultHashBuilder::default() }
    }
}

/// The list, in the order in which the groups were built.
#[cfg(not(any(loom, shuttle)))]
mod listed {
    use alloc::collections::BTreeMap;

    use super::{Arc, Listable, Vec};
    use crate::sync::Lock;
    use weak::Weak;

    #[cfg(not(feature = "portable-atomic"))]
    use alloc::sync as weak;
    #[cfg(feature = "portable-atomic")]
    use portable_atomic_util as weak;

    struct List {
        next: u64,
        groups: BTreeMap<u64, Weak<dyn Listable>>,
    }

    static LIST: Lock<List> = Lock::new(List { next: 0, groups: BTreeMap::new() });

    pub(super) fn add(group: &Arc<dyn Listable>) -> u64 {
        let group = Arc::downgrade(group);
        LIST.with(|list| {
            list.next += 1;
            list.groups.insert(list.next, group);
            list.next
        })
    }

    pub(super) fn remove(number: u64) {
        // What it was is dropped outside the lock.
        drop(LIST.with(|list| list.groups.remove(&number)));
    }

    pub(super) fn all() -> Vec<Arc<dyn Listable>> {
        // Those that are being dropped are as good as gone.
        LIST.with(|list| list.groups.values().filter_map(Weak::upgrade).collect())
    }
}

#[cfg(any(loom, shuttle))]
use unlisted as listed;

/// Model checkers, whose locks live no longer than a run, have no list.
#[cfg(any(loom, shuttle))]
mod unlisted {
    use super::{Arc, Listable, Vec};

    pub(super) fn add(_: &Arc<dyn Listable>) -> u64 {
        0
    }

    pub(super) fn remove(_: u64) {}

    pub(super) fn all() -> Vec<Arc<dyn Listable>> {
        Vec::new()
    }
}
