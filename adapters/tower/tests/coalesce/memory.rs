//! A slow reader neither holds up the others nor makes memory grow.

use coflight_core::Group;
use coflight_tower::{Beyond, CoalesceLayer, Error};

use crate::origin::*;
use crate::{assert_idle, group, on_every_runtime};

on_every_runtime!(
    a_slow_reader_is_cut_off_and_the_others_go_on,
    a_slow_reader_may_stay_as_long_as_the_service_has_room,
    a_long_body_closes_the_flight_to_newcomers,
    a_long_body_that_all_have_read_is_freed,
    small_frames_are_not_free,
    flights_share_what_the_service_may_keep,
    services_of_one_layer_share_what_they_may_keep,
    nothing_is_read_that_nobody_asks_for,
    a_flight_that_is_closed_by_a_follower_stays_closed,
);

const FRAME: usize = 1000;

async fn a_slow_reader_is_cut_off_and_the_others_go_on() {
    let group = group();
    let keep = 10 * FRAME;
    let (service, mut arrivals, _) =
        Origin::behind(&CoalesceLayer::new(group.clone()).keep(keep).beyond(Beyond::CutOff));
    let mut fast = asked(&service, get(&[])).await;
    let mut slow = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[]);
    let (mut fast, mut slow) = (now(&mut fast).await, now(&mut slow).await);
    feed.data(vec![1; FRAME]);
    assert_eq!(data(&mut slow).await.unwrap().len(), FRAME);
    let mut most = 0;
    for _ in 0..1000 {
        feed.data(vec![1; FRAME]);
        assert_eq!(data(&mut fast).await.unwrap().len(), FRAME);
        most = most.max(service.kept());
    }
    assert!(most > keep / 2 && most <= keep, "{most}");
    let error = frame(&mut slow).await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Lagged), "{error:?}");
    assert!(error.to_string().contains("cut off"));
    assert!(frame(&mut slow).await.is_none());
    feed.end();
    assert_eq!(all(&mut fast).await.unwrap().0.len(), FRAME);
    assert_idle(&group);
    drop((fast, slow));
    assert_eq!(service.kept(), 0);
}

async fn a_slow_reader_may_stay_as_long_as_the_service_has_room() {
    let group = group();
    let layer = CoalesceLayer::new(group.clone()).keep(2 * FRAME).keep_in_all(20 * FRAME).beyond(Beyond::Close);
    let (service, mut arrivals, origin) = Origin::behind(&layer);
    let mut fast = asked(&service, get(&[])).await;
    let mut slow = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[]);
    let (mut fast, mut slow) = (now(&mut fast).await, now(&mut slow).await);
    for _ in 0..15 {
        feed.data(vec![1; FRAME]);
        assert_eq!(data(&mut fast).await.unwrap().len(), FRAME);
    }
    // Closed to newcomers, but nobody is cut off.
    let _newcomer = asked(&service, get(&[])).await;
    assert_eq!(origin.requests(), 2);
    for _ in 0..15 {
        assert_eq!(data(&mut slow).await.unwrap().len(), FRAME);
    }
    let mut most = 0;
    for _ in 0..100 {
        feed.data(vec![1; FRAME]);
        assert_eq!(data(&mut fast).await.unwrap().len(), FRAME);
        most = most.max(service.kept());
    }
    assert!(most > 15 * FRAME && most <= 20 * FRAME, "{most}");
    assert!(matches!(frame(&mut slow).await, Some(Err(Error::Lagged))));
}

async fn a_long_body_closes_the_flight_to_newcomers() {
    let group = group();
    let (service, mut arrivals, origin) =
        Origin::behind(&CoalesceLayer::new(group.clone()).keep(3 * FRAME).beyond(Beyond::CutOff));
    let mut leader = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[]);
    let mut response = now(&mut leader).await;
    for _ in 0..2 {
        feed.data(vec![1; FRAME]);
        data(&mut response).await.unwrap();
    }
    let mut late: Asking = Box::pin(tower::Service::call(&mut service.clone(), get(&[])));
    let mut late = now(&mut late).await;
    assert_eq!(origin.requests(), 1);
    for _ in 0..2 {
        feed.data(vec![2; FRAME]);
        data(&mut response).await.unwrap();
    }
    let mut too_late = asked(&service, get(&[])).await;
    assert_eq!(origin.requests(), 2);
    // The two flights do not touch each other, nor does the end of the first one end the second.
    feed.end();
    assert_eq!(text(&mut response).await, "");
    assert_eq!(group.len(), 1);
    assert!(matches!(all(&mut late).await, Err(Error::Lagged)));
    let joins = asked(&service, get(&[])).await;
    assert_eq!(origin.requests(), 2);
    drop(joins);
    let feed = arrivals.next().answer(&[]);
    feed.data("fresh");
    feed.end();
    assert_eq!(text(&mut now(&mut too_late).await).await, "fresh");
    assert_idle(&group);
}

async fn a_long_body_that_all_have_read_is_freed() {
    let (service, mut arrivals, _) = Origin::behind(&CoalesceLayer::default().keep(3 * FRAME));
    let mut first = asked(&service, get(&[])).await;
    let mut second = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[]);
    let (mut first, mut second) = (now(&mut first).await, now(&mut second).await);
    for _ in 0..100 {
        feed.data(vec![1; FRAME]);
        data(&mut first).await.unwrap();
        data(&mut second).await.unwrap();
    }
    assert_eq!(service.kept(), 0);
}

async fn small_frames_are_not_free() {
    let (service, mut arrivals, _) = Origin::behind(&CoalesceLayer::default().keep(10_000).beyond(Beyond::CutOff));
    let mut fast = asked(&service, get(&[])).await;
    let mut slow = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[]);
    let (mut fast, mut slow) = (now(&mut fast).await, now(&mut slow).await);
    for _ in 0..1000 {
        feed.data("x");
        data(&mut fast).await.unwrap();
    }
    assert!(matches!(frame(&mut slow).await, Some(Err(Error::Lagged))));
}

async fn flights_share_what_the_service_may_keep() {
    let layer = CoalesceLayer::new(Group::new()).keep(100 * FRAME).keep_in_all(10 * FRAME);
    let (service, mut arrivals, origin) = Origin::behind(&layer);
    let mut readers = Vec::new();
    for number in 0..5 {
        let number = number.to_string();
        let mut caller = asked(&service, get(&[("x-number", &number)])).await;
        let feed = arrivals.next().answer(&[]);
        readers.push((now(&mut caller).await, feed));
    }
    for _ in 0..20 {
        for (reader, feed) in &mut readers {
            feed.data(vec![1; FRAME]);
            assert_eq!(data(reader).await.unwrap().len(), FRAME);
            assert!(service.kept() <= 10 * FRAME, "{}", service.kept());
        }
    }
    // All are closed; another service of the same layer has no room of its own.
    assert_eq!(service.clone().kept(), service.kept());
    for number in 0..5 {
        let number = number.to_string();
        drop(asked(&service, get(&[("x-number", &number)])).await);
    }
    assert_eq!(origin.requests(), 10);
    drop(readers);
    assert_eq!(service.kept(), 0);
}

async fn services_of_one_layer_share_what_they_may_keep() {
    let layer = CoalesceLayer::default();
    let (service, mut arrivals, _) = Origin::behind(&layer);
    let mut caller = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[]);
    feed.data("kept for newcomers");
    let mut reader = now(&mut caller).await;
    data(&mut reader).await.unwrap();
    let kept = |layer: &CoalesceLayer| Origin::behind(layer).0.kept();
    assert!(service.kept() > 0);
    assert_eq!([kept(&layer), kept(&layer.clone())], [service.kept(); 2]);
    // One that differs has a share of its own.
    assert_eq!(kept(&layer.clone().header(None)), 0);
}

async fn nothing_is_read_that_nobody_asks_for() {
    let (service, mut arrivals, _) = Origin::behind(&CoalesceLayer::default());
    let mut leader = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[]);
    for _ in 0..100 {
        feed.data(vec![1; FRAME]);
    }
    let mut response = now(&mut leader).await;
    assert_eq!(service.kept(), 0);
    data(&mut response).await.unwrap();
    data(&mut response).await.unwrap();
    assert!(service.kept() < 3 * FRAME, "{}", service.kept());
}

/// The leader left when there was room, and the one who took over is not polled before there is none.
async fn a_flight_that_is_closed_by_a_follower_stays_closed() {
    let group = group();
    let (service, mut arrivals, origin) = Origin::behind(&CoalesceLayer::new(group.clone()).keep(2 * FRAME));
    let mut leader = asked(&service, get(&[])).await;
    let mut follower = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[]);
    let (led, mut followed) = (now(&mut leader).await, now(&mut follower).await);
    drop(led);
    for _ in 0..5 {
        feed.data(vec![1; FRAME]);
    }
    // Read, and never idle: it has no reason to look after the flight.
    for _ in 0..5 {
        assert_eq!(data(&mut followed).await.unwrap().len(), FRAME);
    }
    let mut newcomer = asked(&service, get(&[])).await;
    assert_eq!(origin.requests(), 2);
    feed.end();
    assert_eq!(text(&mut followed).await, "");
    let feed = arrivals.next().answer(&[]);
    feed.data("all of it");
    feed.end();
    assert_eq!(text(&mut now(&mut newcomer).await).await, "all of it");
    assert_idle(&group);
}
