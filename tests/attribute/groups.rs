//! Whose group it is, and what it is good for.

use std::hash::RandomState;
use std::sync::LazyLock;

use coflight::{Error, Event, EventKind, Group, TryError, coalesce, registry};
use coflight_tests::*;

use crate::probe::*;

matrix!(
    a_group_is_handed_out_to_forget_and_cancel,
    functions_that_share_a_group_share_flights,
    a_group_may_be_found_by_an_argument,
    a_group_that_is_handed_out_may_be_called_otherwise,
    a_group_is_built_as_it_is_said,
    limits_beside_a_group_are_the_calls,
);

#[coalesce(skip(probe))]
pub async fn plain(id: u64, probe: Probe) -> Result<u64, Error> {
    Ok(probe.work(id).await)
}

async fn a_group_is_handed_out_to_forget_and_cancel(lab: Lab) {
    let (id, probe) = (unique(), Probe::default());
    let old = boarded(plain(id, probe.clone()));
    assert!(plain_flights().forget(&id) && !plain_flights().contains(&id));
    let new = boarded(plain(id, probe.clone()));
    assert_eq!((probe.runs(), callers(plain_flights(), &id)), (2, 2), "one each");
    assert!(plain_flights().cancel(&id));
    let (old, new) = (lab.start(old), lab.start(new));
    assert_eq!(new.await.returned(), Err(Error::Cancelled));
    probe.open();
    assert_eq!(old.await.returned(), Ok(id), "it was forgotten, and is not cancelled");
}

static SHARED: LazyLock<Group<u64, u64>> = LazyLock::new(Group::new);

#[coalesce(group = SHARED, skip(probe))]
async fn one(id: u64, probe: Probe) -> u64 {
    probe.work(id).await
}

#[coalesce(group = SHARED, skip(probe))]
async fn other(id: u64, probe: Probe) -> u64 {
    probe.work(id + 1).await
}

async fn functions_that_share_a_group_share_flights(lab: Lab) {
    let (id, probe) = (unique(), Probe::default());
    let results = meet(&lab, &probe, one(id, probe.clone()), other(id, probe.clone())).await;
    assert_eq!((results, probe.runs()), ((id, id), 1));
}

#[coalesce(group = app.flights, key = id)]
async fn of_app(app: App, id: u64, probe: Probe) -> u64 {
    probe.work(id).await
}

#[derive(Clone)]
struct App {
    flights: std::sync::Arc<Group<u64, u64>>,
}

async fn a_group_may_be_found_by_an_argument(lab: Lab) {
    let app = App { flights: std::sync::Arc::new(Group::new()) };
    together(&lab, |probe| Box::pin(of_app(app.clone(), 1, probe))).await;
    assert_eq!((app.flights.stats().led, app.flights.stats().joined), (1, 1));
}

mod elsewhere {
    use super::*;

    #[coalesce(skip(probe), flights = pub renamed, name = "attribute: renamed")]
    pub(super) async fn function(id: u64, probe: Probe) -> u64 {
        probe.work(id).await
    }
}

async fn a_group_that_is_handed_out_may_be_called_otherwise(lab: Lab) {
    let id = unique();
    together(&lab, |probe| Box::pin(elsewhere::function(id, probe))).await;
    assert!(elsewhere::renamed().stats().led > 0);
    assert!(registry::overview().get("attribute: renamed").is_some());
}

fn even(value: &u64) -> bool {
    value % 2 == 0
}

#[coalesce(skip(probe), shards = 8, hasher: RandomState = RandomState::new(), failed_if = even, observer = observe, show_keys = |key, f| write!(f, "id {key}"))]
async fn configured(id: u64, probe: Probe) -> u64 {
    probe.work(id).await
}

static ENDS: std::sync::Mutex<Vec<(String, EventKind)>> = std::sync::Mutex::new(Vec::new());

fn observe(event: &Event<'_, u64>) {
    if event.kind().is_end() {
        ENDS.lock().unwrap().push((event.shown_key().to_string(), event.kind()));
    }
}

async fn a_group_is_built_as_it_is_said(lab: Lab) {
    let id = 2 * unique();
    let _: &Group<u64, u64, coflight::NoRuntime, RandomState> = configured_flights();
    together(&lab, |probe| Box::pin(configured(id, probe))).await;
    together(&lab, |probe| Box::pin(configured(id + 1, probe))).await;
    let ends = ENDS.lock().unwrap();
    assert!(ends.contains(&(format!("id {id}"), EventKind::Failed)), "an even number failed, as was said");
    assert!(ends.contains(&(format!("id {}", id + 1), EventKind::Completed)));
}

#[coalesce(group = flights, max_callers = 1, key = id)]
async fn alone(flights: Group<u64, u64>, id: u64, probe: Probe) -> u64 {
    probe.work(id).await
}

async fn limits_beside_a_group_are_the_calls(lab: Lab) {
    let flights = Group::new();
    let call = |probe| Box::pin(alone(flights.clone(), 1, probe)) as _;
    apart(&lab, call, call).await;
    assert_eq!((flights.stats().led, flights.stats().joined), (2, 0));
}

#[test]
fn a_group_is_in_the_registry_by_its_functions_path() {
    #[coalesce]
    fn listed<T: Clone + std::hash::Hash + Eq + Send + Sync + 'static>(value: T) -> T {
        value
    }
    struct Type;
    impl Type {
        #[coalesce(skip(self))]
        fn method(&self, id: u64) -> u64 {
            id
        }
    }
    assert_eq!((listed(1), listed('a'), Type.method(2)), (1, 'a', 2));
    let overview = registry::overview();
    let of_name = |name: &str| overview.groups.iter().filter(|group| group.name == name).count();
    assert_eq!(of_name("attribute::groups::listed"), 2, "one for each type");
    assert_eq!((listed_flights::<i32>().stats().led, listed_flights::<char>().stats().led), (1, 1));
    let method = overview.groups.iter().find(|group| group.name.ends_with("::Type::method")).expect("it is listed");
    assert!(method.name.starts_with("attribute::groups::") && method.stats.led == 1);
}

/// The errors of `try_` verbs are failures, and so are those that are cloned.
#[test]
fn errors_count_as_failures() {
    #[coalesce]
    fn shared(id: u64) -> Result<u64, TryError<std::fmt::Error>> {
        if id == 0 { Err(std::fmt::Error) } else { Ok(id) }
    }
    #[coalesce]
    fn cloned(id: u64) -> Result<u64, String> {
        if id == 0 { Err("zero".to_owned()) } else { Ok(id) }
    }
    assert!(shared(0).is_err() && shared(1).is_ok() && cloned(0).is_err() && cloned(1).is_ok());
    for stats in [shared_flights().stats(), cloned_flights().stats()] {
        assert_eq!((stats.failed, stats.completed), (1, 1));
    }
}
