//! What is measured: each scenario, as a list of cases, one a subject.

mod by_hand;
mod contention;
mod tasks;

use std::time::Duration;

use crate::subjects::*;

/// One subject in one scenario.
pub(crate) struct Case {
    pub(crate) scenario: String,
    pub(crate) subject: &'static str,
    pub(crate) kind: Kind,
    pub(crate) calls: Calls,
    /// How many of the calls are in progress at once, at the most.
    pub(crate) at_once: usize,
    /// Makes so many calls, and says how long they took.
    pub(crate) run: Box<dyn FnMut(usize) -> Duration>,
    /// How often all callers were polled in the last run, where that is counted.
    pub(crate) polls: Option<Box<dyn Fn() -> usize>>,
}

/// How many calls a run makes.
#[derive(Clone, Copy)]
pub(crate) enum Calls {
    /// As many as the scenario says.
    Fixed(usize),
    /// As many as take a few hundredths of a second.
    Timed,
}

/// A scenario: its cases, and how often each is run.
pub(crate) struct Scenario {
    pub(crate) cases: Vec<Case>,
    pub(crate) rounds: usize,
}

/// Subject by subject, each for a key of this type.
macro_rules! cases {
    ($scenario:path, $key:ty, $arguments:tt; $($subject:ident),* $(,)?) => {
        vec![$(cases!(@ $scenario, $key, $subject, $arguments)),*]
    };
    (@ $scenario:path, $key:ty, $subject:ident, ($($argument:expr),*)) => {
        { use $scenario as scenario; scenario::<$key, $subject<$key>>($($argument),*) }
    };
}

/// All of them, in order, each made when it is its turn.
pub(crate) fn all() -> Vec<(String, Box<dyn FnOnce() -> Scenario>)> {
    let mut all: Vec<(String, Box<dyn FnOnce() -> Scenario>)> = Vec::new();
    let mut add = |name: &str, rounds: usize, cases: fn() -> Vec<Case>| {
        all.push((name.to_owned(), Box::new(move || Scenario { cases: cases(), rounds })));
    };

    add("solo_u64", 15, || {
        let mut cases = cases!(by_hand::solo, u64, (); Run, Relay, Enter, SingleflightAsync, AsyncSingleflight, RsSingleflight, Uniflight,
            QuickCache, Moka, CellInMap, SharedInMap, Floor);
        cases.insert(3, by_hand::solo_blocking::<u64, RunBlocking<u64>>());
        cases
    });
    add("solo_str", 15, || {
        let mut cases = cases!(by_hand::solo, String, (); Run, Relay, Enter, SingleflightAsync, AsyncSingleflight, RsSingleflight, Uniflight,
            QuickCache, Moka, CellInMap, SharedInMap, Floor);
        cases.insert(3, by_hand::solo_blocking::<String, RunBlocking<String>>());
        cases
    });

    add("solo_pending", 15, || {
        cases!(by_hand::solo_pending, u64, (); Run, Enter, SingleflightAsync, AsyncSingleflight, RsSingleflight, Uniflight, QuickCache, Moka,
            CellInMap, SharedInMap, Floor)
    });

    macro_rules! fan_in {
        ($($callers:literal: $rounds:literal, [$($slow:ident),*]);* $(;)?) => {$(
            add(concat!("fan_in_", $callers), $rounds, || {
                cases!(by_hand::fan_in, u64, ($callers); Run, Relay, Enter, SingleflightAsync, AsyncSingleflight, RsSingleflight, $($slow,)*
                    QuickCache, Moka, CellInMap, SharedInMap)
            });
        )*};
    }
    // Joining a flight of uniflight takes longer the more callers it has: beyond this it would take minutes.
    fan_in! {
        100: 15, [Uniflight];
        1000: 15, [Uniflight];
        10000: 9, [Uniflight];
        100000: 5, [];
        1000000: 3, [];
    }

    macro_rules! tasks {
        ($($callers:literal: $rounds:literal),*) => {$(
            add(concat!("tasks_", $callers), $rounds, || {
                cases!(tasks::fan_in, u64, ($callers); Run, Relay, Spawn, SingleflightAsync, AsyncSingleflight, RsSingleflight, Uniflight,
                    QuickCache, Moka, CellInMap, SharedInMap)
            });
        )*};
    }
    tasks!(1000: 101, 10000: 21);

    macro_rules! contention {
        ($($threads:literal),*) => {$(
            add(concat!("one_key_", $threads), 7, || contention::one_key($threads));
            add(concat!("distinct_keys_", $threads), 7, || contention::distinct_keys($threads));
        )*};
    }
    contention!(1, 2, 4);

    add("churn_1000", 9, || {
        cases!(by_hand::churn, u64, (1000); Run, Relay, Enter, SingleflightAsync, AsyncSingleflight, RsSingleflight, Uniflight, QuickCache, Moka,
            CellInMap, SharedInMap)
    });
    // Leaving a flight of quick_cache takes longer the more callers it has.
    add(
        "churn_100000",
        3,
        || cases!(by_hand::churn, u64, (100_000); Run, Relay, Enter, SingleflightAsync, AsyncSingleflight, RsSingleflight, Moka, CellInMap, SharedInMap),
    );
    macro_rules! open {
        ($($flights:literal: $rounds:literal),*) => {$(
            add(concat!("open_", $flights), $rounds, || {
                cases!(by_hand::open, u64, ($flights); Run, Enter, SingleflightAsync, AsyncSingleflight, RsSingleflight, Uniflight, QuickCache,
                    Moka, CellInMap, SharedInMap)
            });
        )*};
    }
    open!(1000: 9, 10000: 7, 100000: 5, 1000000: 3);
    add("wakes_20", 7, || {
        cases!(tasks::wakes, u64, (1000, 20); Run, Relay, Spawn, SingleflightAsync, AsyncSingleflight, RsSingleflight, Uniflight, QuickCache, Moka,
            CellInMap, SharedInMap)
    });
    all
}
