//! The group's limits, in paused time.

use std::time::Duration;

use coflight_core::{Error as Flight, Group};
use coflight_tokio::Tokio;
use coflight_tower::{CoalesceLayer, Error, HttpGroup, KeyPolicy};
use http::header::USER_AGENT;
use tokio::time::advance;
use tower::Service;

use crate::origin::*;

const LIMIT: Duration = Duration::from_secs(5);

pub(crate) fn builder() -> coflight_core::Builder<coflight_tower::FlightKey, Outcome, Tokio> {
    Group::builder().runtime(Tokio::current())
}

pub(crate) type Outcome = Result<coflight_tower::Shared, coflight_core::SharedError<coflight_tower::BoxError>>;

#[tokio::test(start_paused = true)]
async fn a_flights_time_is_for_the_whole_exchange() {
    let group: HttpGroup<Tokio> = builder().timeout(LIMIT).build();
    let (service, mut arrivals, _) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let mut callers = [asked(&service, get(&[])).await, asked(&service, get(&[])).await];
    let arrived = arrivals.next();
    advance(LIMIT).await;
    for caller in callers.iter_mut().rev() {
        assert!(matches!(caller.await, Err(Error::Flight(Flight::TimedOut))));
    }
    assert!(arrived.is_dropped());
    // In the middle of a body.
    let mut callers = [asked(&service, get(&[])).await, asked(&service, get(&[])).await];
    let feed = arrivals.next().answer(&[]);
    let [first, second] = &mut callers;
    let (mut first, mut second) = (now(first).await, now(second).await);
    feed.data("some");
    assert_eq!(data(&mut first).await.unwrap(), "some");
    advance(LIMIT).await;
    assert!(matches!(frame(&mut first).await, Some(Err(Error::Flight(Flight::TimedOut)))));
    assert_eq!(data(&mut second).await.unwrap(), "some");
    assert!(matches!(frame(&mut second).await, Some(Err(Error::Flight(Flight::TimedOut)))));
    assert!(feed.is_dropped() && group.is_empty());
    assert_eq!(group.stats().timed_out, 2);
}

#[tokio::test(start_paused = true)]
async fn a_callers_own_time_is_for_the_head() {
    let group: HttpGroup<Tokio> = builder().wait_timeout(LIMIT).build();
    let (service, mut arrivals, _) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let mut leader = asked(&service, get(&[])).await;
    let mut early = asked(&service, get(&[])).await;
    advance(LIMIT / 2).await;
    let mut late = asked(&service, get(&[])).await;
    advance(LIMIT / 2).await;
    assert!(matches!((&mut early).await, Err(Error::Flight(Flight::WaitTimedOut))));
    let feed = arrivals.next().answer(&[]);
    let (mut led, mut followed) = (now(&mut leader).await, now(&mut late).await);
    assert!(data(&mut followed).await.is_none());
    advance(10 * LIMIT).await;
    feed.data("slow");
    feed.end();
    assert_eq!((text(&mut followed).await, text(&mut led).await), ("slow".into(), "slow".into()));
    assert!(group.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_flight_too_old_is_not_joined() {
    let group: HttpGroup<Tokio> = builder().join_within(LIMIT).build();
    let (service, _arrivals, origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let _old = asked(&service, get(&[])).await;
    advance(LIMIT + Duration::from_millis(1)).await;
    let _new = asked(&service, get(&[])).await;
    assert_eq!(origin.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_response_that_lingers_is_for_equals_only() {
    let group: HttpGroup<Tokio> = builder().linger(LIMIT).build();
    let layer = CoalesceLayer::new(group.clone()).policy(KeyPolicy::new().ignore([USER_AGENT])).keep(1000);
    let (service, mut arrivals, origin) = Origin::behind(&layer);
    let agent = |agent| get(&[("user-agent", agent)]);
    let mut leader = asked(&service, agent("cat")).await;
    let feed = arrivals.next().answer(&[("vary", "user-agent")]);
    feed.data("for cat");
    feed.end();
    assert_eq!(text(&mut now(&mut leader).await).await, "for cat");
    let mut equal: Asking = Box::pin(service.clone().call(agent("cat")));
    assert_eq!(text(&mut now(&mut equal).await).await, "for cat");
    assert_eq!((origin.requests(), group.stats().lingered), (1, 1));
    let _other = asked(&service, agent("dog")).await;
    assert_eq!(origin.requests(), 2);
    arrivals.next();
    // What was kept goes when its time is over.
    drop((leader, equal));
    assert!(service.kept() > 0);
    advance(LIMIT).await;
    tokio::task::yield_now().await;
    assert_eq!(service.kept(), 0);
    // A body that was too long to be kept cannot be served again.
    let mut leader = asked(&service, agent("cow")).await;
    let feed = arrivals.next().answer(&[]);
    for _ in 0..2 {
        feed.data(vec![0; 600]);
    }
    feed.end();
    assert_eq!(all(&mut now(&mut leader).await).await.unwrap().0.len(), 1200);
    let _again = asked(&service, agent("cow")).await;
    assert_eq!(origin.requests(), 4);
}
