//! What looks alike, and must not share.

use std::fmt::Debug;
use std::hash::{BuildHasher, Hash, Hasher};

use coflight::coalesce;
use coflight_tests::*;

use crate::probe::*;

matrix!(
    two_functions_of_one_name_do_not_mix,
    two_functions_inside_two_functions_do_not_mix,
    equal_but_different_types_do_not_mix,
    numbers_it_is_generic_over_do_not_mix,
    two_closures_do_not_mix,
    two_types_with_a_method_of_one_name_do_not_mix,
    two_instances_do_not_mix,
    two_instances_of_a_generic_type_do_not_mix,
    two_implementors_of_a_method_with_a_body_do_not_mix,
    functions_of_a_generic_type_do_not_mix,
    keys_of_one_hash_do_not_mix,
);

mod here {
    use super::*;

    #[coalesce(skip(probe))]
    pub async fn load(id: u64, probe: Probe) -> &'static str {
        probe.work((id, "here")).await.1
    }
}

mod there {
    use super::*;

    #[coalesce(skip(probe))]
    pub async fn load(id: u64, probe: Probe) -> &'static str {
        probe.work((id, "there")).await.1
    }
}

async fn two_functions_of_one_name_do_not_mix(lab: Lab) {
    let id = unique();
    let results = apart(&lab, |probe| Box::pin(here::load(id, probe)), |probe| Box::pin(there::load(id, probe))).await;
    assert_eq!(results, ("here", "there"));
}

type Call<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;

fn one(id: u64, probe: Probe) -> Call<u8> {
    #[coalesce(skip(probe))]
    async fn inner(id: u64, probe: Probe) -> u8 {
        probe.work((id, 1)).await.1
    }
    Box::pin(inner(id, probe))
}

fn other(id: u64, probe: Probe) -> Call<u8> {
    #[coalesce(skip(probe))]
    async fn inner(id: u64, probe: Probe) -> u8 {
        probe.work((id, 2)).await.1
    }
    Box::pin(inner(id, probe))
}

async fn two_functions_inside_two_functions_do_not_mix(lab: Lab) {
    let id = unique();
    assert_eq!(apart(&lab, |probe| one(id, probe), |probe| other(id, probe)).await, (1, 2));
}

/// concurrent-coalesce takes 1, `True` and 1.0 for one key.
#[coalesce(skip(probe))]
async fn show<T: Debug + Clone + Hash + Eq + Send + Sync + 'static>(id: u64, value: T, probe: Probe) -> String {
    probe.work((id, format!("{value:?}"))).await.1
}

async fn equal_but_different_types_do_not_mix(lab: Lab) {
    let id = unique();
    apart(&lab, |probe| Box::pin(show(id, 1u32, probe)), |probe| Box::pin(show(id, 1u64, probe))).await;
    let results = apart(&lab, |probe| Box::pin(show(id, 1u8, probe)), |probe| Box::pin(show(id, true, probe))).await;
    assert_eq!(results, ("1".to_owned(), "true".to_owned()));
    apart(&lab, |probe| Box::pin(show(id, "1", probe)), |probe| Box::pin(show(id, "1".to_owned(), probe))).await;
}

/// No argument tells them apart.
#[coalesce(skip(probe))]
async fn numbered<const N: usize>(id: u64, probe: Probe) -> usize {
    probe.work((id, N)).await.1
}

async fn numbers_it_is_generic_over_do_not_mix(lab: Lab) {
    let id = unique();
    let results = apart(&lab, |probe| Box::pin(numbered::<1>(id, probe)), |probe| Box::pin(numbered::<2>(id, probe)));
    assert_eq!(results.await, (1, 2));
    assert_eq!(together(&lab, |probe| Box::pin(numbered::<1>(id, probe))).await, 1);
}

#[coalesce(skip(work, probe))]
async fn compute(id: u64, work: impl Fn() -> u64 + Send, probe: Probe) -> u64 {
    let value = work();
    probe.work((id, value)).await.1
}

async fn two_closures_do_not_mix(lab: Lab) {
    let (id, seven) = (unique(), 7);
    let results = apart(
        &lab,
        |probe| Box::pin(compute(id, || 1, probe)),
        move |probe| Box::pin(compute(id, move || seven, probe)),
    )
    .await;
    assert_eq!(results, (1, 7));
    // One closure is one.
    let work = || 5;
    assert_eq!(together(&lab, |probe| Box::pin(compute(id, work, probe))).await, 5);
}

struct Users(u64);
struct Pages(u64);

impl Users {
    #[coalesce(key = id)]
    async fn load(&self, id: u64, probe: Probe) -> u64 {
        probe.work(self.0 + id).await
    }
}

impl Pages {
    #[coalesce(key = id)]
    async fn load(&self, id: u64, probe: Probe) -> u64 {
        probe.work(self.0 + id).await
    }
}

async fn two_types_with_a_method_of_one_name_do_not_mix(lab: Lab) {
    let id = unique();
    let results = apart(
        &lab,
        |probe| Box::pin(async move { Users(1000).load(id, probe).await }),
        |probe| Box::pin(async move { Pages(2000).load(id, probe).await }),
    )
    .await;
    assert_eq!(results, (1000 + id, 2000 + id));
}

struct Shard(u64);

impl Shard {
    #[coalesce(key = (self.0, id))]
    async fn load(&self, id: u64, probe: Probe) -> u64 {
        probe.work(self.0 + id).await
    }
}

async fn two_instances_do_not_mix(lab: Lab) {
    let id = unique();
    let load = |shard| move |probe| Box::pin(async move { Shard(shard).load(id, probe).await }) as Call<u64>;
    assert_eq!(apart(&lab, load(1000), load(2000)).await, (1000 + id, 2000 + id));
    assert_eq!(together(&lab, load(1000)).await, 1000 + id, "two of one number are the same");
}

struct Repo<T>(T);

impl<T: Debug + Sync> Repo<T> {
    /// The key says nothing of `T`.
    #[coalesce(skip(self, probe))]
    async fn load(&self, id: u64, probe: Probe) -> String {
        probe.work(format!("{:?} {id}", self.0)).await
    }
}

async fn two_instances_of_a_generic_type_do_not_mix(lab: Lab) {
    let id = unique();
    let results = apart(
        &lab,
        |probe| Box::pin(async move { Repo(1u8).load(id, probe).await }),
        |probe| Box::pin(async move { Repo('a').load(id, probe).await }),
    )
    .await;
    assert_eq!(results, (format!("1 {id}"), format!("'a' {id}")));
}

trait Named: Sync {
    fn name(&self) -> String;

    #[coalesce(skip(self, probe))]
    fn full_name(&self, id: u64, probe: Probe) -> String {
        probe.block(format!("{} {id}", self.name()))
    }
}

impl Named for Users {
    fn name(&self) -> String {
        "users".to_owned()
    }
}

impl Named for Pages {
    fn name(&self) -> String {
        "pages".to_owned()
    }
}

async fn two_implementors_of_a_method_with_a_body_do_not_mix(lab: Lab) {
    let (id, probe) = (unique(), Probe::default());
    let (one, other) = (probe.clone(), probe.clone());
    let users = lab.thread(move || Users(1).full_name(id, one));
    let pages = lab.thread(move || Pages(1).full_name(id, other));
    lab.until(|| probe.runs() == 2).await;
    probe.open();
    assert_eq!((users.await.returned(), pages.await.returned()), (format!("users {id}"), format!("pages {id}")));
}

trait Kind {
    const NAME: &'static str;
}

impl Kind for Users {
    const NAME: &'static str = "users";
}

impl Kind for Pages {
    const NAME: &'static str = "pages";
}

#[coalesce]
impl<K: Kind> Repo<K> {
    /// Neither arguments nor `self` tell them apart.
    #[coalesce(skip(probe))]
    async fn count(id: u64, probe: Probe) -> &'static str {
        probe.work((id, K::NAME)).await.1
    }
}

async fn functions_of_a_generic_type_do_not_mix(lab: Lab) {
    let id = unique();
    let users = |probe| Box::pin(Repo::<Users>::count(id, probe)) as Call<&str>;
    assert_eq!(apart(&lab, users, |probe| Box::pin(Repo::<Pages>::count(id, probe))).await, ("users", "pages"));
    assert_eq!(together(&lab, users).await, "users");
}

/// Tells nothing apart.
#[derive(Clone, Default)]
struct Same;

impl Hasher for Same {
    fn write(&mut self, _: &[u8]) {}

    fn finish(&self) -> u64 {
        7
    }
}

impl BuildHasher for Same {
    type Hasher = Self;

    fn build_hasher(&self) -> Self {
        Self
    }
}

#[coalesce(hasher: Same = Same, skip(probe))]
async fn by_one(id: u64, probe: Probe) -> u64 {
    probe.work(id).await
}

#[coalesce(hasher: Same = Same, skip(probe))]
async fn by_three(id: u64, name: &'static str, flag: bool, probe: Probe) -> (u64, &'static str, bool) {
    probe.work((id, name, flag)).await
}

async fn keys_of_one_hash_do_not_mix(lab: Lab) {
    let (id, other) = (unique(), unique());
    let ids = apart(&lab, |probe| Box::pin(by_one(id, probe)), |probe| Box::pin(by_one(other, probe))).await;
    assert_eq!(ids, (id, other));
    together(&lab, |probe| Box::pin(by_one(id, probe))).await;

    let one = (id, "a", true);
    for other in [(other, "a", true), (id, "b", true), (id, "a", false)] {
        let call = |(id, name, flag), probe| -> Call<_> { Box::pin(by_three(id, name, flag, probe)) };
        let keys = apart(&lab, |probe| call(one, probe), |probe| call(other, probe)).await;
        assert_eq!(keys, (one, other));
    }
    together(&lab, |probe| Box::pin(by_three(id, "a", true, probe))).await;
}
