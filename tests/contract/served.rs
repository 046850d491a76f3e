//! A caller can learn how it was served, and how many shared the flight.

use coflight::{Entry, Error, Role, TryError, TryGroup};
use coflight_tests::*;

use crate::common::*;

matrix!(everyone_learns_its_part, a_thread_whose_work_can_fail_learns_its_part);

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

async fn a_thread_whose_work_can_fail_learns_its_part(lab: Lab) {
    let flights: TryGroup<String, u32, &str, AnyRuntime> = TryGroup::with_runtime(lab.runtime());
    let led = boarded(flights.try_run(KEY, std::future::pending));
    let ask = {
        let flights = flights.clone();
        move |work: fn() -> Result<u32, &'static str>| flights.call().try_run_blocking_with_served(KEY, work)
    };
    let follower = {
        let ask = ask.clone();
        lab.thread(move || ask(|| Err("no answer")))
    };
    lab.until(|| flights.stats().waiting == 1).await;
    drop(led);
    let (result, served) = follower.await.returned();
    assert_eq!((result.unwrap_err().work(), served.role, served.callers), (Some(&"no answer"), Role::TookOver, 1));
    assert_eq!(flights.stats().failed, 1, "an error is a failure");

    let (result, served) = lab.thread(move || ask(|| Ok(5))).await.returned();
    assert_eq!((result, served.role, served.callers), (Ok(5), Role::Led, 1));

    let (result, served) = {
        let flights = flights.clone();
        let refused = move || flights.call().max_flights(0).try_run_blocking_with_served(KEY, || Ok(5));
        lab.thread(refused).await.returned()
    };
    assert_eq!(result, Err(TryError::Flight(Error::Full)));
    assert_eq!((served.role, served.callers), (Role::Followed, 1), "as the docs of both say");
    assert!(flights.is_empty());
}
