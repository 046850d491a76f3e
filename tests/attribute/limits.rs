//! Limits and windows, in virtual time where they need any.

use std::sync::LazyLock;
use std::time::Duration;

use coflight::{Error, Smol, coalesce};
use coflight_tests::*;

use crate::probe::*;

/// Each test moves time on its own clock, so each has a function and a group of its own for each column: a group that an argument has.
type Own = Flights<Result<u64, Error>>;

matrix!(
    a_flight_is_timed_out,
    a_caller_leaves_after_its_own_time,
    a_slow_leader_is_overtaken,
    an_old_flight_is_not_joined,
    a_result_lingers,
    so_many_callers_share,
    a_failure_is_tried_again,
);

macro_rules! functions {
    ($($name:ident: $option:ident = $value:expr;)*) => {$(
        #[coalesce(group = flights, $option = $value, key = id)]
        async fn $name(flights: Own, id: &str, mine: u64, probe: Probe) -> Result<u64, Error> {
            Ok(probe.work(mine).await)
        }
    )*};
}

functions! {
    timeout: timeout = "5s";
    wait_timeout: wait_timeout = "5s";
    overtake_after: overtake_after = "5s";
    join_within: join_within = Duration::from_secs(5);
    linger: linger = "4s1000ms";
    max_callers: max_callers = 2;
}

const LIMIT: Duration = Duration::from_secs(5);

async fn a_flight_is_timed_out(lab: Lab) {
    let (flights, probe): (Own, _) = (lab.builder().build(), Probe::default());
    let calls = [1, 2].map(|mine| boarded(timeout(flights.clone(), KEY, mine, probe.clone())));
    lab.time().advance(LIMIT);
    for call in calls {
        assert_eq!(lab.start(call).await.returned(), Err(Error::TimedOut));
    }
}

async fn a_caller_leaves_after_its_own_time(lab: Lab) {
    let (flights, probe): (Own, _) = (lab.builder().build(), Probe::default());
    let leader = boarded(timeout(flights.clone(), KEY, 1, probe.clone()));
    let mut follower = boarded(wait_timeout(flights.clone(), KEY, 2, probe.clone()));
    lab.time().advance(LIMIT - Duration::from_nanos(1));
    assert!(poll_now(follower.as_mut()).is_pending());
    lab.time().advance(Duration::from_nanos(1));
    probe.open();
    // The leader looks first: its result counts, though the time is over.
    assert_eq!(lab.start(leader).await.returned(), Ok(1));
    assert_eq!(lab.start(follower).await.returned(), Ok(1));
    let alone = boarded(wait_timeout(flights, KEY, 3, Probe::default()));
    lab.time().advance(LIMIT);
    assert_eq!(lab.start(alone).await.returned(), Err(Error::WaitTimedOut));
}

async fn a_slow_leader_is_overtaken(lab: Lab) {
    let flights: Own = lab.builder().build();
    let (slow, quick) = (Probe::default(), Probe::default());
    let leader = boarded(overtake_after(flights.clone(), KEY, 1, slow.clone()));
    let mut follower = boarded(overtake_after(flights.clone(), KEY, 2, quick.clone()));
    lab.time().advance(LIMIT);
    assert!(poll_now(follower.as_mut()).is_pending());
    quick.open();
    assert_eq!(lab.start(follower).await.returned(), Ok(2));
    assert_eq!((lab.start(leader).await.returned(), flights.stats().overtakes), (Ok(2), 1));
}

async fn an_old_flight_is_not_joined(lab: Lab) {
    let (flights, probe): (Own, _) = (lab.builder().timed().build(), Probe::default());
    let old = boarded(join_within(flights.clone(), KEY, 1, probe.clone()));
    let joins = boarded(join_within(flights.clone(), KEY, 2, probe.clone()));
    lab.time().advance(LIMIT + Duration::from_nanos(1));
    let new = boarded(join_within(flights, KEY, 3, probe.clone()));
    let calls = [old, joins, new].map(|call| lab.start(call));
    probe.open();
    for (call, expected) in calls.into_iter().zip([1, 1, 3]) {
        assert_eq!(call.await.returned(), Ok(expected));
    }
}

async fn a_result_lingers(lab: Lab) {
    let (flights, probe): (Own, _) = (lab.builder().build(), Probe::default());
    probe.open();
    let linger = |mine| linger(flights.clone(), KEY, mine, probe.clone());
    assert_eq!(linger(1).await, Ok(1));
    lab.time().advance(LIMIT - Duration::from_nanos(1));
    assert_eq!(linger(2).await, Ok(1));
    lab.time().advance(Duration::from_nanos(1));
    assert_eq!(linger(3).await, Ok(3));
}

async fn so_many_callers_share(lab: Lab) {
    let (flights, probe): (Own, _) = (lab.builder().build(), Probe::default());
    let calls = [1, 2, 3].map(|mine| boarded(max_callers(flights.clone(), KEY, mine, probe.clone())));
    probe.open();
    for (call, expected) in calls.map(|call| lab.start(call)).into_iter().zip([1, 1, 3]) {
        assert_eq!(call.await.returned(), Ok(expected));
    }
}

#[coalesce(retry = 1, skip(mine, probe))]
async fn retried(id: u64, mine: u64, probe: Probe) -> Result<u64, Error> {
    match probe.work(mine).await {
        1 => Err(Error::Full),
        mine => Ok(id + mine),
    }
}

async fn a_failure_is_tried_again(lab: Lab) {
    let (id, probe) = (unique(), Probe::default());
    let results = meet(&lab, &probe, retried(id, 1, probe.clone()), retried(id, 2, probe.clone())).await;
    assert_eq!((results, probe.runs()), ((Err(Error::Full), Ok(id + 2)), 2));
}

static TIME: LazyLock<VirtualTime> = LazyLock::new(VirtualTime::new);

/// In a group of its own, built as it says.
#[coalesce(
    runtime: AnyRuntime = AnyRuntime::Virtual(Box::new(AnyRuntime::Smol(Smol::global())), TIME.clone()),
    timeout = "1m30s", overtake_after = "1h", max_flights = 2, linger = LIMIT, linger_failures, skip(probe)
)]
async fn limited(id: u64, probe: Probe) -> Result<u64, Error> {
    if id == 7 { Err(Error::Shutdown) } else { Ok(probe.work(id).await) }
}

#[test]
fn a_functions_own_group_has_the_limits_it_says() {
    let probe = Probe::default();
    let calls = [1, 2].map(|id| boarded(limited(id, probe.clone())));
    assert_eq!(futures_lite::future::block_on(limited(3, probe.clone())), Err(Error::Full));
    TIME.advance(Duration::from_secs(90));
    for call in calls {
        assert_eq!(futures_lite::future::block_on(call), Err(Error::TimedOut));
    }
    let fails = || futures_lite::future::block_on(limited(7, probe.clone()));
    assert_eq!((fails(), fails(), limited_flights().stats().failed), (Err(Error::Shutdown), Err(Error::Shutdown), 1));
    TIME.advance(LIMIT);
    assert_eq!((fails(), limited_flights().stats().failed), (Err(Error::Shutdown), 2));
}
