//! Time that runs out while something else happens.

use std::task::{Context, Poll, Waker};

use coflight_core::{Entry, Error, Event, Group, Role, Turn};

use crate::common::{Bench, Flights, Gate, aboard, block_on, check, elsewhere, poll, thread, value};
use crate::virtual_time::{TICK, Virtual};

/// Promises 2, 14 and 18: all aboard are told the same.
#[test]
fn timeout_against_completion() {
    check("timeout against completion", 2, || {
        let time = Virtual::new();
        let bench = Bench::of(Group::builder().shards(1).runtime(time.clone()).timeout(TICK).build());
        let gate = Gate::new();
        let leader = aboard(bench.run(bench.works().behind(gate.clone())));
        let follower = aboard(bench.run(bench.works().never()));
        gate.open();
        let (leader, follower) = (elsewhere(leader), elsewhere(follower));
        time.tick();
        let (first, second) = (leader.join().unwrap(), follower.join().unwrap());
        assert_eq!(first, second);
        drop(second);
        let late = match first {
            Ok(value) => value.0 != 0,
            Err(error) => error == Error::TimedOut,
        };
        let stats = bench.flights.stats();
        assert_eq!((stats.timed_out, stats.completed), (u64::from(late), u64::from(!late)));
        time.end();
        bench.ends_clean();
    });
}

/// Promises 3 and 16: served or started afresh, and nothing stays.
#[test]
fn the_linger_window_closes_against_a_join() {
    check("the linger window closes against a join", 3, || {
        let time = Virtual::new();
        let bench = Bench::of(Group::builder().shards(1).runtime(time.clone()).linger(TICK).build());
        let first = value(block_on(bench.run(bench.works().ready())));
        let sweeper = time.task().expect("something lingers");
        let (flights, works) = (bench.flights.clone(), bench.works());
        let other = thread::spawn(move || {
            let (answer, served) = block_on(flights.run(&1, || works.ready()).with_served());
            (value(answer), served.role)
        });
        let swept = thread::spawn(move || block_on(sweeper));
        time.tick();
        let (second, role) = other.join().unwrap();
        match role {
            Role::Lingered => assert_eq!(second, first),
            Role::Led => assert_eq!(second.0, 1),
            _ => unreachable!("nobody else asks"),
        }
        drop((first, second));
        // The one that came afresh lingers, too.
        time.end();
        swept.join().unwrap();
        if let Some(sweeper) = time.task() {
            block_on(sweeper);
        }
        bench.ends_clean();
    });
}

/// Promises 3 and 13: what is forgotten in the very moment in which it begins to linger does not.
#[test]
fn forget_against_a_result_that_lingers() {
    check("forget against a result that lingers", 5, || {
        let time = Virtual::new();
        let bench = Bench::of(Group::builder().shards(1).runtime(time.clone()).linger(TICK).build());
        let leader = elsewhere(bench.run(bench.works().ready()));
        let forgot = bench.flights.forget(&1);
        let value = value(leader.join().unwrap());
        let served = !bench.flights.forget(&1);
        assert!(forgot || !served, "neither the first nor the second call found it");
        drop(value);
        assert_eq!(bench.values(), 0, "it lingers, though nobody is served");
        time.end();
        if let Some(sweeper) = time.task() {
            block_on(sweeper);
        }
        bench.ends_clean();
    });
}

/// Promises 2 and 8: a leader that is overtaken is told the result, also in the very moment in which it brings its own.
#[test]
fn an_overtaker_lands_against_its_leader() {
    check("an overtaker lands against its leader", 3, || {
        let time = Virtual::new();
        let bench = Bench::of(Group::builder().shards(1).runtime(time.clone()).overtake_after(TICK).build());
        let Entry::Leader(leader) = bench.flights.enter(&1) else { unreachable!("the first to ask") };
        let own = bench.works.beside();
        let follower = elsewhere(aboard(bench.run(bench.works().ready_beside())));
        time.tick();
        let (mine, theirs) = (value(leader.complete(own)), value(follower.join().unwrap()));
        assert_eq!(mine, theirs);
        drop((mine, theirs));
        time.end();
        bench.ends_clean();
    });
}

/// Promise 16: a result that lingers is served, also if the leader puts its own work down in the very moment in which the overtaker's result is written.
#[test]
fn an_overtaker_whose_result_lingers_lands_against_its_leader() {
    check("an overtaker whose result lingers lands against its leader", 2, || {
        let time = Virtual::new();
        let group = Group::builder().shards(1).runtime(time.clone()).overtake_after(TICK).linger(TICK);
        let bench = Bench::of(group.build());
        let Entry::Leader(leader) = bench.flights.enter(&1) else { unreachable!("the first to ask") };
        let own = bench.works.beside();
        let follower = elsewhere(aboard(bench.run(bench.works().ready_beside())));
        time.tick();
        drop((value(leader.complete(own)), value(follower.join().unwrap())));
        assert!(bench.flights.forget(&1), "whoever lands, the result lingers");
        time.end();
        if let Some(sweeper) = time.task() {
            block_on(sweeper);
        }
        bench.ends_clean();
    });
}

/// Promise 18: from when another took its place an overtaker's result is its own, and not the flight's.
#[test]
fn a_replaced_overtaker_lands_against_its_successor() {
    check("a replaced overtaker lands against its successor", 2, || {
        let time = Virtual::new();
        let group = Group::builder().shards(1).runtime(time.clone()).overtake_after(TICK);
        let bench = Bench::of(group.observer(|_: &Event<'_, u8>| {}).build());
        let Entry::Leader(leader) = bench.flights.enter(&1) else { unreachable!("the first to ask") };
        let follow = || match bench.flights.enter(&1) {
            Entry::Follower(follower) => Box::pin(follower),
            Entry::Leader(_) => unreachable!("somebody leads"),
        };
        let (mut first, mut second) = (follow(), follow());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(first.as_mut().poll(&mut cx).is_pending() && second.as_mut().poll(&mut cx).is_pending());
        time.tick();
        let Poll::Ready(Ok(Turn::Leader(overtaker))) = first.as_mut().poll(&mut cx) else {
            unreachable!("the leader is slow")
        };
        time.tick();
        let (value, own) = (bench.works.beside(), bench.works.beside());
        let number = value.0;
        let other = thread::spawn(move || drop(overtaker.complete(value)));
        // Leads, or was told.
        drop(second.as_mut().poll(&mut cx));
        other.join().unwrap();
        let outcome = leader.complete(own).unwrap();
        assert_eq!(outcome.0 == number, bench.flights.stats().overtakes == 1, "whose result counts");
        drop((outcome, first, second));
        time.end();
        bench.ends_clean();
    });
}

/// Promise 8: of an overtaker whose flight was released its own result is kept, also while that is being written.
#[test]
fn a_released_overtaker_lands_against_its_caller() {
    check("a released overtaker lands against its caller", 3, || {
        let time = Virtual::new();
        let bench = Bench::of(Group::builder().shards(1).runtime(time.clone()).overtake_after(TICK).build());
        let Entry::Leader(leader) = bench.flights.enter(&1) else { unreachable!("the first to ask") };
        let mut overtaker = aboard(bench.spawn(bench.works().ready_beside()));
        time.tick();
        assert!(poll(&mut overtaker).is_pending());
        let task = time.task().expect("it overtook");
        assert_eq!(leader.release(), Ok(()));
        let ran = thread::spawn(move || block_on(task));
        drop(value(block_on(overtaker)));
        ran.join().unwrap();
        time.end();
        bench.ends_clean();
    });
}

/// Promise 15: of two who ask at once for the last place, one gets it.
#[test]
fn two_newcomers_for_one_place() {
    check("two newcomers for one place", 6, || {
        let bench = Bench::of(Group::builder().shards(1).max_flights(1).build());
        let take = |flights: &Flights, key: u8| match flights.enter(&key) {
            Entry::Leader(leader) => Some(leader),
            Entry::Follower(refused) => {
                assert!(matches!(block_on(refused), Err(Error::Full)));
                None
            }
        };
        let flights = bench.flights.clone();
        let other = thread::spawn(move || take(&flights, 2));
        let (mine, theirs) = (take(&bench.flights, 1), other.join().unwrap());
        assert!(mine.is_some() != theirs.is_some(), "both, or nobody");
        drop((mine, theirs));
        bench.ends_clean();
    });
}
