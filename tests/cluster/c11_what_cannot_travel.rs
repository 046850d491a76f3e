//! Promise 11: a value that cannot travel, or cannot be read, is never taken for another: whoever cannot have it does the work, and keys stay where they are.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use coflight::cluster::{Codec, Lease, MessagePack, MessagePackError, Place, Turn};
use coflight_tests::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::common::*;

matrix!(
    what_is_too_large_stays_in_its_process,
    what_cannot_be_written_stays_in_its_process,
    what_panics_when_it_is_written_stays_in_its_process,
    what_cannot_be_read_is_made_again,
    what_panics_when_it_is_read_is_made_again,
    another_type_is_not_misread,
    whoever_differs_does_not_meet,
    keys_stay_in_their_process,
    shown_keys_are_shown,
    skipped_and_optional_fields_come_out_as_they_went_in,
    release_lets_everyone_elsewhere_go_alone,
    release_lets_everyone_beside_go_alone,
);

/// Two callers of `a`, which leads, and two of each of the others, which cannot have its value: one execution a process. Returns how often it began.
async fn each_process_does_it<V>(lab: &Lab, processes: [Process<V>; 3], value: V) -> usize
where
    V: Clone + Send + Sync + 'static,
{
    let work = Job::default();
    let [a, b, c] = &processes;
    let mut callers = vec![lab.start(call(By::Run, a, KEY, work.value(value.clone())))];
    lab.until(|| work.begun() == 1).await;
    for process in [a, b, b, c, c] {
        callers.push(lab.start(call(By::Run, process, KEY, work.value(value.clone()))));
    }
    lab.until(|| processes.iter().all(|process| process.stats().calls() == 2)).await;
    lab.until(|| b.cluster_stats().followed == 1 && c.cluster_stats().followed == 1).await;
    work.gate.open();
    for (n, caller) in callers.into_iter().enumerate() {
        let (result, served) = caller.await.returned();
        assert!(result.is_ok(), "caller {n}");
        let trip = served.trip.unwrap();
        let here = n < 2;
        assert_eq!((trip.place, trip.token.is_some()), if here { (Place::Here, true) } else { (Place::Alone, false) });
    }
    assert_eq!((b.cluster_stats().alone, c.cluster_stats().alone, a.cluster_stats().alone), (1, 1, 0));
    assert!(lab.time().now().is_zero());
    work.begun()
}

async fn what_is_too_large_stays_in_its_process(lab: Lab) {
    let engine = engine(&lab);
    let processes = || ["a", "b", "c"].map(|name| building(&lab, &engine, name).max_bytes(11).build());
    let made: [Process<String>; 3] = processes();
    assert_eq!(each_process_does_it(&lab, made.clone(), "x".repeat(11)).await, 3);
    assert_eq!(made.map(|process| process.cluster_stats().unshareable), [1, 0, 0]);
    // With its header, this is exactly as much as may travel.
    let [a, b, _]: [Process<String>; 3] = processes();
    let work = Job::default();
    let leader = lab.start(call(By::Run, &a, KEY, work.value("x".repeat(10))));
    lab.until(|| work.begun() == 1).await;
    let follower = lab.start(call(By::Run, &b, KEY, never));
    lab.until(|| b.cluster_stats().followed == 1).await;
    work.gate.open();
    for caller in [leader, follower] {
        assert_eq!(caller.await.returned().0.unwrap(), "x".repeat(10));
    }
    assert_eq!(a.cluster_stats().unshareable, 0);
}

/// One that fails in either direction.
#[derive(Clone, Copy)]
struct Broken {
    writes: bool,
    reads: bool,
}

#[derive(Debug)]
struct No;

impl fmt::Display for No {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no")
    }
}

impl std::error::Error for No {}

impl Codec for Broken {
    type Error = No;

    fn encode<T: Serialize>(&self, value: &T) -> Result<Vec<u8>, No> {
        if self.writes { MessagePack.encode(value).map_err(|_| No) } else { Err(No) }
    }

    fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, No> {
        if self.reads { MessagePack.decode(bytes).map_err(|_: MessagePackError| No) } else { Err(No) }
    }
}

async fn what_cannot_be_written_stays_in_its_process(lab: Lab) {
    let engine = engine(&lab);
    let processes: [Process<u32>; 3] =
        ["a", "b", "c"].map(|name| building(&lab, &engine, name).codec(Broken { writes: false, reads: true }).build());
    assert_eq!(each_process_does_it(&lab, processes.clone(), 1).await, 3);
    assert_eq!(processes.map(|process| process.cluster_stats().unshareable), [1, 0, 0]);
}

async fn what_cannot_be_read_is_made_again(lab: Lab) {
    let engine = engine(&lab);
    let processes: [Process<u32>; 3] =
        ["a", "b", "c"].map(|name| building(&lab, &engine, name).codec(Broken { writes: true, reads: false }).build());
    assert_eq!(each_process_does_it(&lab, processes.clone(), 1).await, 3);
    assert_eq!(processes.map(|process| process.cluster_stats().unreadable), [0, 1, 1]);
}

#[derive(Clone)]
struct Nasty {
    writes: bool,
}

impl Serialize for Nasty {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert!(self.writes, "nasty");
        serializer.serialize_unit()
    }
}

impl<'de> Deserialize<'de> for Nasty {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("nasty")
    }
}

async fn what_panics_when_it_is_written_stays_in_its_process(lab: Lab) {
    let engine = engine(&lab);
    let processes: [Process<Nasty>; 3] = ["a", "b", "c"].map(|name| process(&lab, &engine, name));
    assert_eq!(each_process_does_it(&lab, processes.clone(), Nasty { writes: false }).await, 3);
    assert_eq!(processes.map(|process| process.cluster_stats().unshareable), [1, 0, 0]);
}

async fn what_panics_when_it_is_read_is_made_again(lab: Lab) {
    let engine = engine(&lab);
    let processes: [Process<Nasty>; 3] = ["a", "b", "c"].map(|name| process(&lab, &engine, name));
    assert_eq!(each_process_does_it(&lab, processes.clone(), Nasty { writes: true }).await, 3);
    assert_eq!(processes.map(|process| process.cluster_stats().unreadable), [0, 1, 1]);
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Old {
    name: String,
    age: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct New {
    name: String,
    height: u32,
}

/// If somebody forgot to say so.
async fn another_type_is_not_misread(lab: Lab) {
    let engine = engine(&lab);
    let a: Process<Old> = process(&lab, &engine, "a");
    let b: Process<New> = process(&lab, &engine, "b");
    let c: Process<u64> = process(&lab, &engine, "c");
    let work = Job::default();
    let leader = lab.start(call(By::Run, &a, KEY, work.value(Old { name: "x".into(), age: 30 })));
    lab.until(|| work.begun() == 1).await;
    let new = New { name: "x".into(), height: 180 };
    let others =
        (lab.start(call(By::Run, &b, KEY, work.value(new.clone()))), lab.start(call(By::Run, &c, KEY, work.value(7))));
    lab.until(|| b.cluster_stats().followed == 1 && c.cluster_stats().followed == 1).await;
    work.gate.open();
    assert_eq!(leader.await.returned().0.unwrap().age, 30);
    assert_eq!(others.0.await.returned().0.unwrap(), new);
    assert_eq!(others.1.await.returned().0.unwrap(), 7);
    assert_eq!((b.cluster_stats().unreadable, c.cluster_stats().unreadable), (1, 1));
}

async fn whoever_differs_does_not_meet(lab: Lab) {
    let engine = engine(&lab);
    let all: [Process<u32>; 5] = [
        process(&lab, &engine, "a"),
        building(&lab, &engine, "b").schema("2").build(),
        building(&lab, &engine, "c").secret("s").build(),
        coflight::cluster::Cluster::builder("tests", engine.clone(), runtime(&lab)).build(),
        building(&lab, &engine, "e").show_keys(String::clone).build(),
    ];
    let work = Job::default();
    let callers: Vec<_> = all.iter().map(|process| lab.start(call(By::Run, process, KEY, work.value(1)))).collect();
    // All at the same time.
    lab.until(|| work.begun() == 5).await;
    // And others that differ in the same way do.
    let twins: [Process<u32>; 2] =
        [building(&lab, &engine, "b2").schema("2").build(), building(&lab, &engine, "c2").secret("s").build()];
    let followers: Vec<_> = twins.iter().map(|process| lab.start(call(By::Run, process, KEY, never))).collect();
    lab.until(|| twins.iter().all(|twin| twin.cluster_stats().followed == 1)).await;
    work.gate.open();
    for caller in callers.into_iter().chain(followers) {
        assert_eq!(caller.await.returned().0.unwrap(), 1);
    }
    assert!(all.iter().all(|process| process.cluster_stats().led == 1));
}

/// All names that an engine is told while two processes work on a key that is nobody's business, and everything is done to it.
async fn names(lab: &Lab, shown: bool) -> Vec<String> {
    let names: Arc<Mutex<Vec<String>>> = Arc::default();
    let engine = {
        let names = names.clone();
        Fronted::new(&engine(lab), move |_, name| {
            names.lock().unwrap().push(name.to_string());
            Fate::Answered
        })
    };
    let [a, b]: [Process<u32, Fronted>; 2] = ["a", "b"].map(|name| {
        let building = building(lab, &engine, name);
        if shown { building.show_keys(String::clone).build() } else { building.build() }
    });
    let work = Job::default();
    let leader = lab.start(call(By::Run, &a, "private-key", work.value(1)));
    lab.until(|| work.begun() == 1).await;
    let follower = lab.start(call(By::Run, &b, "private-key", never));
    lab.until(|| b.cluster_stats().followed == 1).await;
    beats(lab, &engine.behind, 1, 2, Some(&work)).await;
    work.gate.open();
    leader.await.returned().0.unwrap();
    follower.await.returned().0.unwrap();
    let ends = lab.start(async move { (b.cancel("private-key").await, b.forget("private-key").await) });
    let (cancelled, forgotten) = ends.await.returned();
    assert!(!cancelled.unwrap() && !forgotten.unwrap());
    let names = names.lock().unwrap().clone();
    // Joins, a renewal, two looks, a publication, and the ends.
    assert!(names.len() >= 8, "{names:?}");
    names
}

async fn keys_stay_in_their_process(lab: Lab) {
    let names = names(&lab, false).await;
    let one = &names[0];
    assert!(
        names.iter().all(|name| name == one && name.starts_with("test:") && !name.contains("private")),
        "{names:?}"
    );
}

async fn shown_keys_are_shown(lab: Lab) {
    let names = names(&lab, true).await;
    assert!(names.iter().all(|name| name.starts_with("test:") && name.ends_with(":private-key")), "{names:?}");
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Rich {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    first: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    list: Vec<Option<String>>,
    #[serde(skip)]
    hidden: u32,
    second: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    third: Option<Kind>,
    map: BTreeMap<u8, Vec<u8>>,
    unit: (),
    text: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Kind {
    Unit,
    Tuple(i64, f64),
    Struct { inner: Option<Box<Rich>> },
}

/// With the codec that there is without choosing one.
async fn skipped_and_optional_fields_come_out_as_they_went_in(lab: Lab) {
    let rich = Rich {
        first: None,
        list: vec![None, Some("é".into())],
        hidden: 0,
        second: Some(2),
        third: Some(Kind::Struct {
            inner: Some(Box::new(Rich { first: Some(1), third: Some(Kind::Unit), ..Rich::default() })),
        }),
        map: [(1, vec![0, 255]), (200, vec![])].into(),
        unit: (),
        text: "x".repeat(70_000),
    };
    let tuple = Rich { third: Some(Kind::Tuple(i64::MIN, -0.5)), second: None, ..rich.clone() };
    for value in [Rich::default(), rich, tuple] {
        let engine = engine(&lab);
        let [a, b]: [Process<Rich>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let work = Job::default();
        let leader = lab.start(call(By::Run, &a, KEY, work.value(Rich { hidden: 5, ..value.clone() })));
        lab.until(|| work.begun() == 1).await;
        let follower = lab.start(call(By::Run, &b, KEY, never));
        lab.until(|| b.cluster_stats().followed == 1).await;
        work.gate.open();
        assert_eq!(leader.await.returned().0.unwrap().hidden, 5, "as it is, where it was made");
        assert_eq!(follower.await.returned().0.unwrap(), value);
        assert_eq!(b.cluster_stats().unreadable, 0);
    }
}

/// Those of other processes, by verbs and by hand.
async fn release_lets_everyone_elsewhere_go_alone(lab: Lab) {
    for by in VERBS {
        let engine = engine(&lab);
        let [a, b, c]: [Process<u32>; 3] = ["a", "b", "c"].map(|name| process(&lab, &engine, name));
        let Ok(Turn::Leader(leader)) = a.enter(KEY).await else { panic!("somebody leads") };
        assert!(leader.lease().token().is_some());
        let by_hand = {
            let b = b.clone();
            lab.start(async move {
                match b.enter(KEY).await {
                    Ok(Turn::Leader(leader)) => (leader.lease().token(), leader.complete(2).await.unwrap()),
                    other => panic!("{other:?}"),
                }
            })
        };
        lab.until(|| b.cluster_stats().followed == 1).await;
        let work = Job::default();
        work.gate.open();
        let callers = [&b, &b, &c, &c].map(|process| lab.start(call(by, process, KEY, alone(&work))));
        lab.until(|| b.stats().calls() == 3 && c.stats().calls() == 2 && c.cluster_stats().followed == 1).await;
        leader.release().await.unwrap();
        for caller in callers {
            let (value, served) = caller.await.returned();
            let trip = served.trip.unwrap();
            assert_eq!((value.unwrap(), trip.place, trip.token), (1, Place::Alone, None), "{by:?}");
        }
        assert_eq!(by_hand.await.returned(), (None, 2));
        assert_eq!(work.begun(), 4, "each does its own");
        assert_eq!([a, b, c].map(|process| process.cluster_stats().alone), [0, 3, 2], "{by:?}");
    }
    assert!(lab.time().now().is_zero());
}

/// Those of the process of the one that releases.
async fn release_lets_everyone_beside_go_alone(lab: Lab) {
    for by in VERBS {
        let engine = engine(&lab);
        let a: Process<u32> = process(&lab, &engine, "a");
        let Ok(Turn::Leader(leader)) = a.enter(KEY).await else { panic!("somebody leads") };
        let work = Job::default();
        let callers = [(); 3].map(|()| lab.start(call(by, &a, KEY, alone(&work))));
        lab.until(|| a.stats().calls() == 4).await;
        leader.release().await.unwrap();
        // All of them at once.
        lab.until(|| work.begun() == 3).await;
        work.gate.open();
        for caller in callers {
            let (value, served) = caller.await.returned();
            let trip = served.trip.unwrap();
            assert_eq!((value.unwrap(), trip.place, trip.token), (1, Place::Alone, None), "{by:?}");
        }
        assert_eq!(a.cluster_stats().alone, 3, "{by:?}");
    }
    assert!(lab.time().now().is_zero());
}

/// A work that must not have a lease.
fn alone(work: &Job) -> impl FnOnce(Lease) -> Pin<Box<dyn Future<Output = u32> + Send>> + Send + use<> {
    let work = work.value(1);
    |lease| {
        assert_eq!((lease.token(), lease.is_held()), (None, false));
        work(lease)
    }
}
