//! Promise 7: when no caller is left the work is dropped.

use coflight_tests::*;

use crate::common::*;

matrix!(
    the_work_is_dropped_with_the_last_caller,
    a_spawned_work_is_aborted,
    a_detached_work_goes_on,
    a_newcomer_joins_a_detached_work
);

async fn the_work_is_dropped_with_the_last_caller(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay, Verb::Enter] {
        let flights: Flights<u32> = lab.group();
        let witness = Witness::default();
        let leader = boarded(call(verb, &flights, witness.watch(endless())));
        let follower = boarded(call(verb, &flights, endless()));
        drop(follower);
        assert_eq!(witness.gone(), 0, "{verb:?}");
        drop(leader);
        assert_eq!(witness.gone(), 1, "{verb:?}");
        assert!(flights.is_empty());
    }
}

async fn a_spawned_work_is_aborted(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let witness = Witness::default();
    let leader = boarded(call(Verb::Spawn, &flights, witness.watch(endless())));
    let follower = boarded(call(Verb::Spawn, &flights, never()));
    drop(leader);
    assert_eq!(witness.gone(), 0);
    drop(follower);
    assert!(flights.is_empty() || !flights.contains(KEY));
    lab.until(|| witness.gone() == 1).await;
    assert_eq!(call(Verb::Spawn, &flights, at_once(2)).await, Ok(2));
    assert!(flights.is_empty());
}

async fn a_detached_work_goes_on(lab: Lab) {
    let by_group = coflight::Group::builder().runtime(lab.runtime()).detach(true).build();
    let by_call: Flights<u32> = lab.group();
    for flights in [by_group, by_call] {
        let (gate, done) = (Gate::new(), Gate::new());
        let work = {
            let (gate, done) = (gate.clone(), done.clone());
            move || async move {
                gate.wait().await;
                done.open();
                1
            }
        };
        drop(boarded(flights.call().detach(true).spawn(KEY, work)));
        assert!(flights.contains(KEY));
        gate.open();
        done.wait().await;
        lab.until(|| flights.is_empty()).await;
    }
    // A call can also say no where the group says yes.
    let flights: Flights<u32> = coflight::Group::builder().runtime(lab.runtime()).detach(true).build();
    let witness = Witness::default();
    drop(boarded(flights.call().detach(false).spawn(KEY, witness.watch(endless()))));
    lab.until(|| witness.gone() == 1).await;
}

async fn a_newcomer_joins_a_detached_work(lab: Lab) {
    let flights: Flights<u32> = coflight::Group::builder().runtime(lab.runtime()).detach(true).build();
    let gate = Gate::new();
    drop(boarded(call(Verb::Spawn, &flights, behind(&gate, 1))));
    let newcomer = boarded(call(Verb::Run, &flights, never()));
    gate.open();
    assert_eq!(finish(&lab, newcomer).await, Ok(1));
    assert!(flights.is_empty());
}
