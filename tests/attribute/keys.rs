//! Which calls are for the same.

use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use coflight::coalesce;
use coflight_tests::*;

use crate::probe::*;

matrix!(
    all_arguments_count,
    borrowed_arguments_count,
    one_argument_is_the_key_itself,
    a_function_without_arguments_has_one_key,
    patterns_count_as_a_whole,
    names_that_mean_something_to_the_attribute_do_not_matter,
    what_is_skipped_does_not_count,
    a_key_may_be_an_expression,
    a_key_may_be_a_tuple_of_what_is_borrowed,
    a_key_may_say_its_type,
    only_a_leader_clones_what_is_borrowed,
    only_a_leader_clones_what_is_taken_by_value,
    generic_arguments_count,
    twelve_arguments_count,
);

#[coalesce(skip(probe))]
async fn all(id: u64, other: u8, probe: Probe) -> (u64, u8) {
    probe.work((id, other)).await
}

async fn all_arguments_count(lab: Lab) {
    let id = unique();
    assert_eq!(together(&lab, |probe| Box::pin(all(id, 1, probe))).await, (id, 1));
    apart(&lab, |probe| Box::pin(all(id, 1, probe)), |probe| Box::pin(all(id, 2, probe))).await;
    apart(&lab, |probe| Box::pin(all(id, 1, probe)), |probe| Box::pin(all(unique(), 1, probe))).await;
}

#[coalesce(skip(probe))]
async fn borrowed(name: &str, tags: &[u8], path: &Path, id: &u64, probe: Probe) -> String {
    probe.work(format!("{name} {tags:?} {} {id}", path.display())).await
}

async fn borrowed_arguments_count(lab: Lab) {
    let id: &'static u64 = Box::leak(Box::new(unique()));
    let (name, path) = ("Ada".to_owned().leak(), Path::new("/etc"));
    let result = together(&lab, |probe| Box::pin(borrowed(name, &[1, 2], path, id, probe))).await;
    assert_eq!(result, format!("Ada [1, 2] /etc {id}"));
    let same = |probe| Box::pin(borrowed("Ada", &[1, 2], path, id, probe)) as _;
    apart(&lab, same, |probe| Box::pin(borrowed("Eve", &[1, 2], path, id, probe))).await;
    apart(&lab, same, |probe| Box::pin(borrowed("Ada", &[1], path, id, probe))).await;
    apart(&lab, same, |probe| Box::pin(borrowed("Ada", &[1, 2], Path::new("/usr"), id, probe))).await;
    let _: &coflight::Group<(String, Vec<u8>, std::path::PathBuf, u64), String> = borrowed_flights();
}

#[coalesce(skip(probe))]
async fn single(name: &str, probe: Probe) -> usize {
    probe.work(name.len()).await
}

async fn one_argument_is_the_key_itself(lab: Lab) {
    let name: &'static str = unique().to_string().leak();
    let probe = Probe::default();
    let leader = boarded(single(name, probe.clone()));
    assert!(single_flights().contains(name), "looked up as it is");
    let follower = boarded(single(name, probe.clone()));
    assert_eq!(callers(single_flights(), &name.to_owned()), 2);
    probe.open();
    let (leader, follower) = (lab.start(leader), lab.start(follower));
    assert_eq!((leader.await.returned(), follower.await.returned()), (name.len(), name.len()));
}

/// A group of its own for each column, as there is one key.
async fn a_function_without_arguments_has_one_key(lab: Lab) {
    #[coalesce(group = flights, skip(flights, probe))]
    async fn none(flights: Flights<()>, probe: Probe) -> u8 {
        probe.work(7).await
    }
    type Flights<K> = coflight::Group<K, u8>;
    let flights: Flights<()> = coflight::Group::new();
    assert_eq!(together(&lab, |probe| Box::pin(none(flights.clone(), probe))).await, 7);
    assert_eq!(flights.stats().led, 1);
}

#[coalesce(skip(probe))]
async fn patterns((a, b): (u64, u64), mut c: u64, Wrapped { inner }: Wrapped, _: u8, probe: Probe) -> u64 {
    c += 1;
    probe.work(a + b + c + inner).await
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Wrapped {
    inner: u64,
}

async fn patterns_count_as_a_whole(lab: Lab) {
    let id = unique();
    let call = move |c, last| move |probe| Box::pin(patterns((id, 1), c, Wrapped { inner: 5 }, last, probe)) as _;
    assert_eq!(together(&lab, call(10, 0)).await, id + 17);
    apart(&lab, call(10, 0), call(11, 0)).await;
    apart(&lab, call(10, 0), call(10, 1)).await;
}

#[coalesce(skip(probe))]
#[allow(clippy::too_many_arguments)]
async fn names(key: u64, group: u64, r#type: u64, work: u64, flights: u64, r#match: &str, probe: Probe) -> String {
    probe.work(format!("{key} {group} {type} {work} {flights} {match}")).await
}

async fn names_that_mean_something_to_the_attribute_do_not_matter(lab: Lab) {
    let id = unique();
    let result = together(&lab, |probe| Box::pin(names(id, 1, 2, 3, 4, "5", probe))).await;
    assert_eq!(result, format!("{id} 1 2 3 4 5"));
    #[coalesce(skip(probe))]
    async fn r#try(id: u64, probe: Probe) -> u64 {
        probe.work(id).await
    }
    assert_eq!(together(&lab, |probe| Box::pin(r#try(id, probe))).await, id);
    assert_eq!(callers(try_flights(), &id), 0);
}

struct NoKey(u64);

#[coalesce(skip(not_a_key, probe))]
async fn skips(id: u64, not_a_key: NoKey, probe: Probe) -> u64 {
    let NoKey(number) = not_a_key;
    probe.work(id + number).await
}

async fn what_is_skipped_does_not_count(lab: Lab) {
    let id = unique();
    let probe = Probe::default();
    let one = skips(id, NoKey(1), probe.clone());
    let results = meet(&lab, &probe, one, skips(id, NoKey(2), probe.clone())).await;
    assert_eq!((results, probe.runs()), ((id + 1, id + 1), 1), "the leader's");
}

#[coalesce(key = id / 10)]
async fn expression(id: u64, probe: Probe) -> u64 {
    probe.work(id).await
}

async fn a_key_may_be_an_expression(lab: Lab) {
    let id = 100 * unique();
    let probe = Probe::default();
    let results = meet(&lab, &probe, expression(id, probe.clone()), expression(id + 9, probe.clone())).await;
    assert_eq!((results, probe.runs()), ((id, id), 1));
    apart(&lab, |probe| Box::pin(expression(id, probe)), |probe| Box::pin(expression(id + 10, probe))).await;
}

struct Request {
    host: String,
    number: u64,
    noise: u64,
}

#[coalesce(key = (request.host.as_str(), request.number, &kind[..1]))]
async fn tuple(request: &Request, kind: &str, probe: Probe) -> u64 {
    probe.work(request.noise + kind.len() as u64).await
}

async fn a_key_may_be_a_tuple_of_what_is_borrowed(lab: Lab) {
    let number = unique();
    let request =
        |noise| -> &'static Request { Box::leak(Box::new(Request { host: "host".to_owned(), number, noise })) };
    let probe = Probe::default();
    let one = tuple(request(1), "kind", probe.clone());
    let results = meet(&lab, &probe, one, tuple(request(2), "kilo", probe.clone())).await;
    assert_eq!((results, probe.runs()), ((5, 5), 1));
    apart(
        &lab,
        |probe| Box::pin(tuple(request(1), "kind", probe)),
        |probe| Box::pin(tuple(request(1), "other", probe)),
    )
    .await;
}

#[coalesce(key: (String, u64) = (name, id))]
async fn typed(name: &str, id: u64, noise: u64, probe: Probe) -> u64 {
    probe.work(id + noise + name.len() as u64).await
}

async fn a_key_may_say_its_type(lab: Lab) {
    let id = unique();
    let probe = Probe::default();
    let leader = boarded(typed("a", id, 1, probe.clone()));
    let follower = boarded(typed("a", id, 2, probe.clone()));
    assert_eq!(callers(typed_flights(), &("a".to_owned(), id)), 2);
    let results = meet_again(&lab, &probe, leader, follower).await;
    assert_eq!((results, probe.runs()), ((id + 2, id + 2), 1));
}

async fn meet_again(
    lab: &Lab,
    probe: &Probe,
    one: impl Future<Output = u64> + Send + 'static,
    other: impl Future<Output = u64> + Send + 'static,
) -> (u64, u64) {
    let (one, other) = (lab.start(one), lab.start(other));
    probe.open();
    (one.await.returned(), other.await.returned())
}

/// Counts its clones.
struct Counted(u64, Arc<AtomicUsize>);

impl Counted {
    fn new() -> (Self, Arc<AtomicUsize>) {
        let clones = Arc::default();
        (Self(0, Arc::clone(&clones)), clones)
    }
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        self.1.fetch_add(1, Ordering::SeqCst);
        Self(self.0, Arc::clone(&self.1))
    }
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Counted {}

impl Hash for Counted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

#[coalesce(skip(probe))]
async fn by_reference(id: u64, what: &Counted, probe: Probe) -> u64 {
    probe.work(id + what.0).await
}

async fn only_a_leader_clones_what_is_borrowed(lab: Lab) {
    let id = unique();
    let ((leads, by_leader), (follows, by_follower)) = (Counted::new(), Counted::new());
    let probe = Probe::default();
    let (leads, follows): (&'static _, &'static _) = (Box::leak(Box::new(leads)), Box::leak(Box::new(follows)));
    let one = by_reference(id, leads, probe.clone());
    meet(&lab, &probe, one, by_reference(id, follows, probe.clone())).await;
    let clones = (by_leader.load(Ordering::SeqCst), by_follower.load(Ordering::SeqCst));
    assert_eq!((clones, probe.runs()), ((1, 0), 1), "one for the table");
}

#[coalesce(skip(probe))]
async fn of_value(id: u64, what: Counted, probe: Probe) -> u64 {
    probe.work(id + what.0).await
}

async fn only_a_leader_clones_what_is_taken_by_value(lab: Lab) {
    let id = unique();
    let ((leads, by_leader), (follows, by_follower)) = (Counted::new(), Counted::new());
    let probe = Probe::default();
    meet(&lab, &probe, of_value(id, leads, probe.clone()), of_value(id, follows, probe.clone())).await;
    let clones = (by_leader.load(Ordering::SeqCst), by_follower.load(Ordering::SeqCst));
    assert_eq!((clones, probe.runs()), ((2, 0), 1), "one for the table, one for the work");
}

#[coalesce(skip(probe))]
async fn generic<T>(id: u64, value: T, probe: Probe) -> T
where
    T: Clone + Hash + Eq + Send + Sync + 'static,
{
    probe.work((id, value)).await.1
}

async fn generic_arguments_count(lab: Lab) {
    let id = unique();
    assert_eq!(together(&lab, |probe| Box::pin(generic(id, 'a', probe))).await, 'a');
    apart(&lab, |probe| Box::pin(generic(id, 'a', probe)), |probe| Box::pin(generic(id, 'b', probe))).await;
    assert!(generic_flights::<char>().stats().led >= 3);
}

/// As many as a key can have.
#[coalesce(key = (id, a, b, c, 4, 5, 6, 7, 8, 9, 10, d))]
async fn twelve(id: u64, a: u8, b: u8, c: u8, d: u8, probe: Probe) -> u64 {
    probe.work(id + u64::from(a + b + c + d)).await
}

async fn twelve_arguments_count(lab: Lab) {
    let id = unique();
    assert_eq!(together(&lab, |probe| Box::pin(twelve(id, 1, 2, 3, 4, probe))).await, id + 10);
    apart(&lab, |probe| Box::pin(twelve(id, 1, 2, 3, 4, probe)), |probe| Box::pin(twelve(id, 1, 2, 3, 5, probe))).await;
}
