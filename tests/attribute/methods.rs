//! Methods, associated functions, traits.

use std::sync::Arc;

use coflight::{Group, coalesce};
use coflight_tests::*;

use crate::probe::*;

matrix!(
    all_instances_share_where_they_may,
    what_of_an_instance_counts_is_said,
    a_group_may_be_a_field,
    an_instance_may_be_taken_by_value,
    a_function_of_a_type_shares,
    methods_of_a_trait_share,
    functions_of_a_trait_share,
    boxed_methods_of_a_trait_share,
    a_type_that_borrows_shares,
);

type Call<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;

struct Site {
    host: String,
    pages: Group<u64, String>,
}

fn site(host: &str) -> &'static Site {
    Box::leak(Box::new(Site { host: host.to_owned(), pages: Group::new() }))
}

impl Site {
    #[coalesce(skip(self, probe))]
    pub async fn motto(&self, id: u64, probe: Probe) -> String {
        probe.work(format!("{} {id}", self.host)).await
    }

    #[coalesce(key: (String, u64) = (&self.host, id))]
    pub async fn page(&self, id: u64, probe: Probe) -> String {
        probe.work(format!("{} {id}", self.host)).await
    }

    #[coalesce(group = self.pages, skip(self, probe))]
    async fn of_this(&self, id: u64, probe: Probe) -> String {
        probe.work(format!("{} {id}", self.host)).await
    }

    #[coalesce(relay, key = (id, 0))]
    async fn taken(self: Arc<Self>, id: u64, probe: Probe) -> String {
        probe.work(format!("{} {id}", self.host)).await
    }

    #[coalesce(key = self.host.clone())]
    async fn used_up(self, probe: Probe) -> String {
        probe.work(self.host).await
    }
}

async fn all_instances_share_where_they_may(lab: Lab) {
    let (id, probe) = (unique(), Probe::default());
    let one = site("a").motto(id, probe.clone());
    let results = meet(&lab, &probe, one, site("b").motto(id, probe.clone())).await;
    assert_eq!((results.0, probe.runs()), (format!("a {id}"), 1));
    assert_eq!(results.1, format!("a {id}"), "it said so");
    assert_eq!(callers(Site::motto_flights(), &id), 0);
}

async fn what_of_an_instance_counts_is_said(lab: Lab) {
    let id = unique();
    let page = |host| move |probe| Box::pin(site(host).page(id, probe)) as Call<String>;
    assert_eq!(together(&lab, page("a")).await, format!("a {id}"));
    apart(&lab, page("a"), page("b")).await;
    assert!(!Site::page_flights().contains(&("a".to_owned(), id)));
}

async fn a_group_may_be_a_field(lab: Lab) {
    let (id, a, b) = (unique(), site("a"), site("b"));
    let results = apart(&lab, |probe| Box::pin(a.of_this(id, probe)), |probe| Box::pin(b.of_this(id, probe))).await;
    assert_eq!(results, (format!("a {id}"), format!("b {id}")));
    together(&lab, |probe| Box::pin(a.of_this(id, probe))).await;
    assert_eq!((a.pages.stats().led, a.pages.stats().joined, b.pages.stats().led), (2, 1, 1));
}

async fn an_instance_may_be_taken_by_value(lab: Lab) {
    let id = unique();
    let site = || Site { host: format!("host {id}"), pages: Group::new() };
    let shared = Arc::new(site());
    let taken = |probe| Box::pin(Arc::clone(&shared).taken(id, probe)) as Call<String>;
    assert_eq!(together(&lab, taken).await, format!("host {id} {id}"));
    assert_eq!(together(&lab, |probe| Box::pin(site().used_up(probe))).await, format!("host {id}"));
}

#[coalesce]
impl Site {
    #[coalesce(skip(probe))]
    async fn count(id: u64, probe: Probe) -> u64 {
        probe.work(id).await
    }

    /// Also where it says `Self`, without a mark on the block.
    #[coalesce(skip(probe))]
    pub fn blocking(id: u64, probe: Probe) -> u64 {
        probe.block(id)
    }
}

async fn a_function_of_a_type_shares(lab: Lab) {
    let id = unique();
    assert_eq!(together(&lab, |probe| Box::pin(Site::count(id, probe))).await, id);
    assert_eq!(callers(Site::count_flights(), &id), 0);
    let probe = Probe::default();
    let threads = [probe.clone(), probe.clone()].map(|probe| lab.thread(move || Site::blocking(id, probe)));
    lab.until(|| callers(Site::blocking_flights(), &id) == 2).await;
    probe.open();
    for thread in threads {
        assert_eq!(thread.await.returned(), id);
    }
    assert_eq!(probe.runs(), 1);
}

trait Load: Send + Sync {
    fn load(&self, id: u64, probe: Probe) -> impl Future<Output = String> + Send;
    fn kind(id: u64, probe: Probe) -> impl Future<Output = &'static str> + Send;
}

struct Marked;
struct Unmarked;

#[coalesce]
impl Load for Marked {
    #[coalesce(skip(self, probe), flights = marked_loads)]
    async fn load(&self, id: u64, probe: Probe) -> String {
        probe.work(format!("marked {id}")).await
    }

    #[coalesce(skip(probe))]
    async fn kind(id: u64, probe: Probe) -> &'static str {
        probe.work((id, "marked")).await.1
    }
}

impl Load for Unmarked {
    #[coalesce(skip(self, probe))]
    async fn load(&self, id: u64, probe: Probe) -> String {
        probe.work(format!("unmarked {id}")).await
    }

    async fn kind(_: u64, _: Probe) -> &'static str {
        "unmarked"
    }
}

async fn methods_of_a_trait_share(lab: Lab) {
    let id = unique();
    assert_eq!(together(&lab, |probe| Box::pin(Marked.load(id, probe))).await, format!("marked {id}"));
    assert_eq!(together(&lab, |probe| Box::pin(Unmarked.load(id, probe))).await, format!("unmarked {id}"));
    apart(&lab, |probe| Box::pin(Marked.load(id, probe)), |probe| Box::pin(Unmarked.load(id, probe))).await;
    assert!(Marked::marked_loads().stats().led >= 2);
}

async fn functions_of_a_trait_share(lab: Lab) {
    let id = unique();
    assert_eq!(together(&lab, |probe| Box::pin(Marked::kind(id, probe))).await, "marked");
    assert_eq!(Unmarked::kind(id, Probe::default()).await, "unmarked");
}

#[async_trait::async_trait]
trait Boxed: Send + Sync {
    async fn fetch(&self, url: &str, probe: Probe) -> String;
}

#[coalesce]
#[async_trait::async_trait]
impl Boxed for Marked {
    #[coalesce(skip(self, probe))]
    async fn fetch(&self, url: &str, probe: Probe) -> String {
        probe.work(format!("fetched {url}")).await
    }
}

async fn boxed_methods_of_a_trait_share(lab: Lab) {
    let url: &'static str = unique().to_string().leak();
    let boxed: &'static dyn Boxed = &Marked;
    assert_eq!(together(&lab, |probe| boxed.fetch(url, probe)).await, format!("fetched {url}"));
}

struct View<'a>(&'a Site);

impl<'a> View<'a> {
    #[coalesce(key = (&self.0.host, id))]
    async fn page<'b>(&'b self, id: u64, noise: &'b str, probe: Probe) -> String
    where
        'a: 'b,
    {
        probe.work(format!("{} {id} {noise}", self.0.host)).await
    }
}

async fn a_type_that_borrows_shares(lab: Lab) {
    let (id, site) = (unique(), site("viewed"));
    let view = |probe| Box::pin(async move { View(site).page(id, "!", probe).await }) as Call<String>;
    assert_eq!(together(&lab, view).await, format!("viewed {id} !"));
}
