//! The registry of all groups that have a name. It is one for the whole process, so each test has names of its own, and those that look at all of it take turns.

use std::sync::{Mutex, MutexGuard, PoisonError};

use coflight::{FlightState, Group, GroupOverview, Stats, Verb, registry};
use coflight_tests::*;
use futures_lite::future::block_on;

/// Resets touch everybody's groups.
static TURNS: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURNS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn named<V: Send + Sync + 'static>(name: &str) -> Group<u32, V> {
    Group::builder().name(name).build()
}

#[track_caller]
fn find(name: &str) -> GroupOverview {
    registry::overview().get(name).expect("it is listed").clone()
}

#[test]
fn a_group_is_listed_by_its_name_as_long_as_it_exists() {
    let _turn = turn();
    assert_eq!(registry::overview().get("short-lived"), None);
    let flights = named::<u32>("short-lived");
    let handle = flights.clone();
    assert_eq!(find("short-lived").stats, Stats::default());
    drop(flights);
    assert_eq!(find("short-lived").name, "short-lived");
    drop(handle);
    assert_eq!(registry::overview().get("short-lived"), None);
}

#[test]
fn a_group_without_a_name_is_not() {
    let _turn = turn();
    let listed = registry::overview().groups.len();
    let _flights: Group<u32, u32> = Group::new();
    assert_eq!(registry::overview().groups.len(), listed);
}

#[test]
fn groups_of_one_name_are_all_listed_in_the_order_they_were_built() {
    let _turn = turn();
    let groups = [named::<u32>("twin"), named::<u32>("twin"), named::<u32>("other twin")];
    block_on(groups[1].run(&1, || async { 1 })).unwrap();
    let overview = registry::overview();
    let twins: Vec<_> = overview.groups.iter().filter(|group| group.name.ends_with("twin")).collect();
    let led: Vec<_> = twins.iter().map(|group| (&*group.name, group.stats.led)).collect();
    assert_eq!(led, [("twin", 0), ("twin", 1), ("other twin", 0)]);
}

/// apifrom's manager: total, coalesced, executed.
#[test]
fn sums_are_those_of_all_groups() {
    let _turn = turn();
    let before = registry::overview().total();
    let (users, pages) = (named::<u32>("sum of users"), named::<String>("sum of pages"));
    let gate = Gate::new();
    let leader = boarded(users.run(&1, || async {
        gate.wait().await;
        7
    }));
    let follower = boarded(users.run(&1, || async { unreachable!("a follower's work is called") }));
    block_on(pages.run(&1, || async { String::new() })).unwrap();
    let during = registry::overview().total();
    assert_eq!((during.in_flight - before.in_flight, during.waiting - before.waiting), (1, 1));
    gate.open();
    assert_eq!((block_on(leader), block_on(follower)), (Ok(7), Ok(7)));
    let total = registry::overview().total();
    assert_eq!(total.calls() - before.calls(), 3, "total");
    assert_eq!(total.hits() - before.hits(), 1, "coalesced");
    assert_eq!(total.led - before.led, 2, "executed");
}

#[test]
fn a_reset_returns_what_was_and_starts_every_group_anew() {
    let _turn = turn();
    let (one, other) = (named::<u32>("reset one"), named::<u32>("reset other"));
    block_on(one.run(&1, || async { 1 })).unwrap();
    let in_flight = boarded(other.run(&1, std::future::pending::<u32>));
    let until = registry::reset_stats();
    let counted = until.get("reset one").unwrap().stats;
    assert_eq!((counted.led, counted.completed, counted.calls()), (1, 1, 1));
    assert_eq!((one.stats().led, other.stats().led), (0, 0));
    assert_eq!(other.stats().in_flight, 1, "it still is");
    drop(in_flight);
    assert_eq!((other.stats().abandoned, find("reset other").stats.abandoned), (1, 1));
}

#[test]
fn a_snapshot_shows_keys_blindly_unless_the_group_says_how() {
    let _turn = turn();
    let blind = named::<u32>("blind");
    let shown: Group<u32, u32> = Group::builder().name("shown").show_keys(|key, f| write!(f, "user {key}")).build();
    let faulty: Group<u32, u32> = Group::builder().name("faulty").show_keys(|_, _| panic!("shown to nobody")).build();
    let calls = [&blind, &shown, &faulty].map(|flights| boarded(flights.run(&4_711, std::future::pending::<u32>)));
    let key = |name: &str| {
        let group = find(name);
        let [flight] = &group.in_flight[..] else { panic!("{group:?}") };
        assert_eq!((flight.callers, flight.state, flight.verb), (1, FlightState::Running, Verb::Run));
        assert!(flight.listed && flight.age.is_none());
        flight.key.clone()
    };
    assert_eq!(key("shown"), "user 4711");
    for name in ["blind", "faulty"] {
        let key = key(name);
        assert!(key.starts_with('#') && key.len() == 17 && !key.contains("4711"), "{key}");
    }
    drop(calls);
    assert!(find("shown").in_flight.is_empty());
}

/// So that what a log says of a flight can be found in the snapshot.
#[test]
fn a_snapshot_shows_a_key_as_events_do() {
    let _turn = turn();
    let told: &'static Mutex<Vec<String>> = Box::leak(Box::default());
    let observer = |event: &coflight::Event<'_, u32>| told.lock().unwrap().push(event.shown_key().to_string());
    let flights: Group<u32, u32> = Group::builder().name("told").observer(observer).build();
    let _call = boarded(flights.run(&1, std::future::pending::<u32>));
    assert_eq!(told.lock().unwrap()[0], find("told").in_flight[0].key);
}

#[test]
fn an_overview_is_printed_as_a_table() {
    let _turn = turn();
    let flights = named::<u32>("a group to print");
    block_on(flights.run(&1, || async { 1 })).unwrap();
    let mut overview = registry::overview();
    overview.groups.retain(|group| group.name == "a group to print");
    let table = "group                  calls   coalesced    executed  in flight\n\
                 a group to print           1           0           1          0\n\
                 total                      1           0           1          0\n";
    assert_eq!(overview.to_string(), table);
    overview.groups.clear();
    assert_eq!(overview.to_string().lines().count(), 2);
}

/// Promise 11: whoever looks holds up nobody, and may be what drops the last of a group.
#[test]
fn groups_come_and_go_while_they_are_looked_at() {
    let _turn = turn();
    std::thread::scope(|scope| {
        let coming = scope.spawn(|| {
            for round in 0..2_000 {
                let flights = named::<u32>("comes and goes");
                assert_eq!(block_on(flights.run(&round, || async move { round })), Ok(round));
            }
        });
        while !coming.is_finished() {
            let overview = registry::overview();
            assert!(overview.groups.iter().filter(|group| group.name == "comes and goes").count() <= 1);
        }
    });
    assert_eq!(registry::overview().get("comes and goes"), None);
}

/// What a key's destructor does is its own affair, even if that is to look at the registry.
#[test]
fn what_is_dropped_with_a_group_may_use_the_registry() {
    struct Looks;
    impl Drop for Looks {
        fn drop(&mut self) {
            let _ = registry::overview();
        }
    }
    let _turn = turn();
    let looks = Looks;
    let observer = move |_: &coflight::Event<'_, u32>| {
        let _ = &looks;
    };
    let flights: Group<u32, u32> = Group::builder().name("looks").observer(observer).build();
    drop(flights);
    assert_eq!(registry::overview().get("looks"), None);
}
