//! Whose future the work is.

use std::sync::Arc;

use coflight::coalesce;
use coflight_tests::*;

use crate::probe::*;

matrix!(
    a_follower_takes_over_with_its_own_work,
    a_relayed_work_goes_on_when_its_starter_leaves,
    a_spawned_work_goes_on_when_its_starter_leaves,
    the_last_ones_leaving_drops_the_work,
);

#[coalesce(run, skip(mine, probe))]
async fn own(id: u64, mine: u8, probe: Probe) -> u8 {
    probe.work((id, mine)).await.1
}

async fn a_follower_takes_over_with_its_own_work(lab: Lab) {
    let (id, probe) = (unique(), Probe::default());
    let leader = boarded(own(id, 1, probe.clone()));
    let follower = boarded(own(id, 2, probe.clone()));
    drop(leader);
    probe.open();
    assert_eq!(lab.start(follower).await.returned(), 2);
    assert_eq!(probe.runs(), 2);
}

/// Borrowed, cloned and skipped arguments, all of which the work outlives.
#[coalesce(relay, skip(mine, probe))]
async fn relayed(id: u64, name: &str, tags: &[u8], mine: Arc<u8>, probe: Probe) -> String {
    probe.work(format!("{id} {name} {tags:?} {mine}")).await
}

async fn a_relayed_work_goes_on_when_its_starter_leaves(lab: Lab) {
    let (id, probe) = (unique(), Probe::default());
    let name = "Ada".to_owned();
    let follower = {
        let (here, tags) = (name.clone(), vec![1, 2]);
        let starter = boarded(relayed(id, &here, &tags, Arc::new(1), probe.clone()));
        let follower = boarded(relayed(id, "Ada", &[1, 2], Arc::new(2), probe.clone()));
        drop(starter);
        follower
    };
    probe.open();
    assert_eq!(lab.start(follower).await.returned(), format!("{id} Ada [1, 2] 1"));
    assert_eq!(probe.runs(), 1);
}

#[coalesce(spawn, runtime = smol, skip(mine, probe))]
async fn on_smol(id: u64, name: &str, mine: u8, probe: Probe) -> String {
    probe.work(format!("{id} {name} {mine}")).await
}

#[coalesce(spawn, runtime = async_std, skip(mine, probe))]
async fn on_async_std(id: u64, name: &str, mine: u8, probe: Probe) -> String {
    probe.work(format!("{id} {name} {mine}")).await
}

#[coalesce(spawn, runtime = threads, skip(mine, probe))]
async fn on_threads(id: u64, name: &str, mine: u8, probe: Probe) -> String {
    probe.work(format!("{id} {name} {mine}")).await
}

#[coalesce(spawn, runtime: coflight::Smol = coflight::Smol::global(), skip(mine, probe))]
async fn on_any(id: u64, name: &str, mine: u8, probe: Probe) -> String {
    probe.work(format!("{id} {name} {mine}")).await
}

#[coalesce(spawn, runtime = tokio, skip(mine, probe))]
async fn on_tokio(id: u64, name: &str, mine: u8, probe: Probe) -> String {
    probe.work(format!("{id} {name} {mine}")).await
}

macro_rules! goes_on {
    ($lab:expr, $($function:ident),*) => {$({
        let (id, probe) = (unique(), Probe::default());
        let starter = boarded($function(id, "Ada", 1, probe.clone()));
        let follower = boarded($function(id, "Ada", 2, probe.clone()));
        $lab.until(|| probe.runs() == 1).await;
        drop(starter);
        probe.open();
        assert_eq!($lab.start(follower).await.returned(), format!("{id} Ada 1"), stringify!($function));
        assert_eq!(probe.runs(), 1);
    })*};
}

/// From wherever callers are.
async fn a_spawned_work_goes_on_when_its_starter_leaves(lab: Lab) {
    goes_on!(lab, on_smol, on_async_std, on_threads, on_any);
    if matches!(lab.on(), On::TokioMulti | On::TokioCurrent | On::Mixed) {
        // Where the caller is in a runtime of tokio's.
        goes_on!(lab, on_tokio);
    }
}

#[coalesce(spawn, detach, runtime = smol, skip(probe))]
async fn detached(id: u64, probe: Probe) -> u64 {
    probe.work(id).await
}

async fn the_last_ones_leaving_drops_the_work(lab: Lab) {
    let (id, probe) = (unique(), Probe::default());
    drop(boarded(own(id, 1, probe.clone())));
    drop(boarded(relayed(id, "", &[], Arc::new(1), probe.clone())));
    assert!(!own_flights().contains(&id) && !relayed_flights().contains(&(id, String::new(), vec![])));
    drop(boarded(on_smol(id, "", 1, probe.clone())));
    lab.until(|| !on_smol_flights().contains(&(id, String::new()))).await;
    drop(boarded(detached(id, probe.clone())));
    assert!(detached_flights().contains(&id), "it was to go on");
    probe.open();
    lab.until(|| !detached_flights().contains(&id)).await;
}
