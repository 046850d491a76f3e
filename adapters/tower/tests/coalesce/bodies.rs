//! Bodies are shared as they arrive.

use coflight_tower::{CoalesceLayer, Error, Part};
use futures_lite::future::poll_once;
use http_body::Body;

use crate::origin::*;
use crate::{assert_idle, group, on_every_runtime};

on_every_runtime!(
    one_request_for_all_who_ask_meanwhile,
    late_joiners_read_from_the_first_byte_without_waiting_for_the_end,
    data_are_shared_and_not_copied,
    trailers_reach_all,
    an_error_midway_reaches_all_who_still_read,
    a_leader_that_hangs_up_before_the_head_stops_nobody,
    a_leader_that_hangs_up_midway_stops_nobody,
    when_all_hang_up_the_request_is_dropped,
    when_all_hang_up_midway_the_body_is_dropped,
    nobody_waits_for_one_that_is_not_polled,
    an_empty_body_is_an_end,
    lengths_are_known,
    a_finished_flight_is_not_joined,
);

async fn one_request_for_all_who_ask_meanwhile() {
    let group = group();
    let (service, mut arrivals, origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let mut callers = Vec::new();
    for _ in 0..10 {
        callers.push(asked(&service, get(&[])).await);
    }
    let feed = arrivals.next().answer(&[("x-a", "1"), ("x-a", "2")]);
    let mut parts = Vec::new();
    let mut responses = Vec::new();
    for caller in &mut callers {
        let response = now(caller).await;
        parts.push(*response.extensions().get::<Part>().unwrap());
        assert_eq!(response.headers().get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
        responses.push(response);
    }
    assert_eq!(parts[0], Part::Led);
    assert!(parts[1..].iter().all(|&part| part == Part::Joined));
    assert_eq!(group.stats().waiting, 9);
    feed.data("hel");
    for response in &mut responses {
        assert_eq!(data(response).await.unwrap(), "hel");
        assert!(data(response).await.is_none());
    }
    feed.data("lo");
    feed.end();
    for response in &mut responses {
        assert_eq!(text(response).await, "lo");
        assert!(frame(response).await.is_none() && response.body().is_end_stream());
    }
    assert_eq!(origin.requests(), 1);
    assert_eq!((group.stats().led, group.stats().joined, group.stats().completed), (1, 9, 1));
    assert_idle(&group);
}

async fn late_joiners_read_from_the_first_byte_without_waiting_for_the_end() {
    let group = group();
    let (service, mut arrivals, origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let mut leader = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[]);
    let mut first = now(&mut leader).await;
    feed.data("one ");
    assert_eq!(data(&mut first).await.unwrap(), "one ");
    feed.data("two ");
    assert_eq!(data(&mut first).await.unwrap(), "two ");
    let mut late: Asking = Box::pin(tower::Service::call(&mut service.clone(), get(&[])));
    let mut late = now(&mut late).await;
    assert_eq!(data(&mut late).await.unwrap(), "one ");
    assert_eq!(data(&mut late).await.unwrap(), "two ");
    assert!(data(&mut late).await.is_none());
    feed.data("three");
    // Whoever is polled reads on, for all.
    assert_eq!(data(&mut late).await.unwrap(), "three");
    feed.end();
    assert_eq!(text(&mut late).await, "");
    assert_eq!(text(&mut first).await, "three");
    assert_eq!(origin.requests(), 1);
    assert_idle(&group);
}

async fn data_are_shared_and_not_copied() {
    let (service, mut arrivals, _) = Origin::behind(&CoalesceLayer::default());
    let mut leader = asked(&service, get(&[])).await;
    let mut follower = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[]);
    let sent = bytes::Bytes::from(vec![7; 1000]);
    feed.data(sent.clone());
    for caller in [&mut leader, &mut follower] {
        let mut response = now(caller).await;
        let got = data(&mut response).await.unwrap();
        assert_eq!(got.as_ptr(), sent.as_ptr());
    }
}

async fn trailers_reach_all() {
    let group = group();
    let (service, mut arrivals, _) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let mut leader = asked(&service, get(&[])).await;
    let mut follower = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[]);
    feed.data("body");
    feed.trailers("x-sum", "42");
    feed.end();
    for caller in [&mut leader, &mut follower] {
        let (body, trailers) = all(&mut now(caller).await).await.unwrap();
        assert_eq!((&body[..], trailers.unwrap()["x-sum"].as_bytes()), (&b"body"[..], &b"42"[..]));
    }
    assert_idle(&group);
}

async fn an_error_midway_reaches_all_who_still_read() {
    let group = group();
    let (service, mut arrivals, _) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let mut leader = asked(&service, get(&[])).await;
    let mut follower = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[]);
    let mut responses = [now(&mut leader).await, now(&mut follower).await];
    feed.data("some");
    feed.break_off();
    for response in &mut responses {
        assert_eq!(data(response).await.unwrap(), "some");
        let error = frame(response).await.unwrap().unwrap_err();
        let Error::Service(inner) = &error else { panic!("{error:?}") };
        assert_eq!(inner.downcast_ref::<std::io::Error>().unwrap().kind(), std::io::ErrorKind::ConnectionReset);
        assert_eq!(error.to_string(), "the upstream died");
        assert!(frame(response).await.is_none());
    }
    assert_eq!(group.stats().failed, 1);
    assert_idle(&group);
}

async fn a_leader_that_hangs_up_before_the_head_stops_nobody() {
    let group = group();
    let (service, mut arrivals, origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let leader = asked(&service, get(&[])).await;
    let mut first = asked(&service, get(&[])).await;
    let mut second = asked(&service, get(&[])).await;
    drop(leader);
    let arrived = arrivals.next();
    assert!(!arrived.is_dropped());
    let feed = arrived.answer(&[]);
    feed.data("body");
    feed.end();
    for caller in [&mut second, &mut first] {
        assert_eq!(text(&mut now(caller).await).await, "body");
    }
    // The same request, not another one.
    assert_eq!(origin.requests(), 1);
    assert_eq!((group.stats().completed, group.stats().handovers), (1, 1));
    assert_idle(&group);
}

async fn a_leader_that_hangs_up_midway_stops_nobody() {
    let group = group();
    let (service, mut arrivals, origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let mut leader = asked(&service, get(&[])).await;
    let mut follower = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[]);
    feed.data("some ");
    let (mut led, mut followed) = (now(&mut leader).await, now(&mut follower).await);
    assert_eq!(data(&mut led).await.unwrap(), "some ");
    drop((led, leader));
    assert!(!feed.is_dropped());
    assert_eq!(data(&mut followed).await.unwrap(), "some ");
    assert!(data(&mut followed).await.is_none());
    // It leads now; a newcomer still joins.
    assert_eq!((group.stats().handovers, group.stats().in_flight), (1, 1));
    let mut late: Asking = Box::pin(tower::Service::call(&mut service.clone(), get(&[])));
    let mut late = now(&mut late).await;
    feed.data("more");
    feed.end();
    assert_eq!(text(&mut followed).await, "more");
    assert_eq!(text(&mut late).await, "some more");
    assert_eq!(origin.requests(), 1);
    assert_idle(&group);
}

async fn when_all_hang_up_the_request_is_dropped() {
    let group = group();
    let (service, mut arrivals, _) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let leader = asked(&service, get(&[])).await;
    let follower = asked(&service, get(&[])).await;
    let arrived = arrivals.next();
    drop(leader);
    assert!(!arrived.is_dropped());
    drop(follower);
    assert!(arrived.is_dropped());
    assert_eq!(group.stats().abandoned, 1);
    assert_idle(&group);
}

async fn when_all_hang_up_midway_the_body_is_dropped() {
    let group = group();
    let (service, mut arrivals, _) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let mut leader = asked(&service, get(&[])).await;
    let mut follower = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[]);
    let (mut led, followed) = (now(&mut leader).await, now(&mut follower).await);
    feed.data("some");
    assert_eq!(data(&mut led).await.unwrap(), "some");
    assert!(service.kept() >= 4);
    drop(followed);
    assert!(!feed.is_dropped());
    drop(led);
    assert!(feed.is_dropped());
    assert_eq!(service.kept(), 0);
    assert_idle(&group);
}

async fn nobody_waits_for_one_that_is_not_polled() {
    let group = group();
    let (service, mut arrivals, _) = Origin::behind(&CoalesceLayer::new(group.clone()));
    // Alive all the time, and not polled again.
    let _leader = asked(&service, get(&[])).await;
    let _follower = asked(&service, get(&[])).await;
    let mut polled = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[]);
    let mut response = now(&mut polled).await;
    feed.data("body");
    assert_eq!(data(&mut response).await.unwrap(), "body");
    assert!(poll_once(frame(&mut response)).await.is_none());
    feed.end();
    assert_eq!(text(&mut response).await, "");
    // The flight is over, too: a newcomer starts afresh.
    assert!(group.is_empty());
    let _newcomer = asked(&service, get(&[])).await;
    assert!(!arrivals.is_empty());
}

async fn an_empty_body_is_an_end() {
    let group = group();
    let (service, mut arrivals, _) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let mut caller = asked(&service, get(&[])).await;
    arrivals.next().answer(&[]).end();
    let mut response = now(&mut caller).await;
    assert!(frame(&mut response).await.is_none());
    assert!(response.body().is_end_stream());
    assert_idle(&group);
}

async fn lengths_are_known() {
    use http_body_util::{BodyExt, Full};
    use tower::{Layer, ServiceExt};
    let group = group();
    let full = tower::service_fn(|_request: http::Request<http_body_util::Empty<bytes::Bytes>>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(Full::new(bytes::Bytes::from("hello"))))
    });
    let response = CoalesceLayer::new(group.clone()).layer(full).oneshot(get(&[])).await.unwrap();
    // It ended with its head, before anybody read it.
    assert_eq!(response.body().size_hint().exact(), Some(5));
    let mut body = response.into_body();
    assert!(!body.is_end_stream());
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "hello");
    assert!(body.is_end_stream() && body.size_hint().exact() == Some(0));
    assert_idle(&group);
}

async fn a_finished_flight_is_not_joined() {
    let group = group();
    let (service, mut arrivals, origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let mut first = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[]);
    feed.data("old");
    feed.end();
    let mut first = now(&mut first).await;
    assert_eq!(data(&mut first).await.unwrap(), "old");
    assert!(frame(&mut first).await.is_none());
    let _second = asked(&service, get(&[])).await;
    assert_eq!(origin.requests(), 2);
}
