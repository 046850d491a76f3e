//! A caller can learn how it was served, and how many shared the flight.

use coflight::{Entry, Role};
use coflight_tests::*;

use crate::common::*;

matrix!(everyone_learns_its_part);

async fn everyone_learns_its_part(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let (result, served) = flights.run(KEY, || async { 1 }).with_served().await;
    assert_eq!((result, served.role, served.callers), (Ok(1), Role::Led, 1));

    let gate = Gate::new();
    let waiting = || {
        let gate = gate.clone();
        move || async move {
            gate.wait().await;
            2
        }
    };
    let led = boarded(flights.relay(KEY, waiting()).with_served());
    let followed = boarded(flights.run(KEY, waiting()).with_served());
    let spawned = boarded(flights.spawn(KEY, waiting()).with_served());
    drop(boarded(flights.spawn(KEY, waiting()).with_served()));
    gate.open();
    let (_, served) = finish(&lab, led).await;
    assert_eq!((served.role, served.callers), (Role::Led, 3), "who left does not count");
    for (_, served) in [finish(&lab, followed).await, finish(&lab, spawned).await] {
        assert_eq!((served.role, served.callers), (Role::Followed, 3));
    }

    let led = boarded(flights.run(KEY, std::future::pending::<u32>));
    let took_over = boarded(flights.run(KEY, || async { 3 }).with_served());
    drop(led);
    let (_, served) = took_over.await;
    assert_eq!((served.role, served.callers), (Role::TookOver, 1));

    let Entry::Leader(leader) = flights.enter(KEY) else { panic!("somebody else leads") };
    let alone = boarded(flights.run(KEY, || async { 4 }).with_served());
    leader.release().unwrap();
    let (result, served) = alone.await;
    assert_eq!((result, served.role, served.callers), (Ok(4), Role::Alone, 1));

    let (result, served) = {
        let flights = flights.clone();
        lab.thread(move || flights.call().run_blocking_with_served(KEY, || 5)).await.returned()
    };
    assert_eq!((result, served.role, served.callers), (Ok(5), Role::Led, 1));
    assert!(flights.is_empty());
}
