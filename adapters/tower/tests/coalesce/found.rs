//! Bugs that were found, each by a way to see it.

use std::time::Duration;

use coflight_core::{Error as Flight, Group, OnFailure};
use coflight_tokio::Tokio;
use coflight_tower::{CoalesceLayer, Error, HttpGroup, Part};
use futures_lite::future::poll_once;
use tokio::time::{advance, sleep};
use tower::Service;

use crate::limits::builder;
use crate::origin::*;

const S: Duration = Duration::from_secs(1);

async fn pass(time: Duration) {
    advance(time).await;
    sleep(Duration::from_millis(1)).await;
}

/// After a body had broken off, with retries, a follower revived the flight with what there was.
#[tokio::test(start_paused = true)]
async fn newcomers_do_not_get_a_response_that_broke_off_already() {
    let group: HttpGroup<Tokio> = builder().on_failure(OnFailure::Retry { limit: 1 }).build();
    let (service, mut arrivals, origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let mut leader = asked(&service, get(&[])).await;
    let mut follower = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[]);
    let mut led = now(&mut leader).await;
    feed.data("some");
    feed.break_off();
    assert_eq!(data(&mut led).await.unwrap(), "some");
    assert!(matches!(frame(&mut led).await, Some(Err(Error::Service(_)))));
    drop(led);
    // A client that reads slowly.
    let _followed = poll_once(&mut follower).await;
    pass(1000 * S).await;
    // Much later.
    let mut newcomer: Asking = Box::pin(service.clone().call(get(&[])));
    let got = poll_once(&mut newcomer).await;
    assert!(
        got.is_none() && origin.requests() == 2,
        "{} requests, got at once: {:?}",
        origin.requests(),
        got.map(|r| r.map(|r| r.into_parts().0))
    );
}

/// In a group with `overtake_after`, a newcomer that could have the head at once sent its own request.
#[tokio::test(start_paused = true)]
async fn newcomers_to_a_body_that_is_streamed_join_it() {
    let group: HttpGroup<Tokio> = builder().overtake_after(5 * S).build();
    let (service, mut arrivals, origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let mut leader = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[]);
    let mut led = now(&mut leader).await;
    feed.data("half ");
    assert_eq!(data(&mut led).await.unwrap(), "half ");
    pass(6 * S).await;
    let mut newcomer: Asking = Box::pin(service.clone().call(get(&[])));
    let got = poll_once(&mut newcomer).await;
    assert!(got.is_some() && origin.requests() == 1, "{} requests", origin.requests());
}

/// A body that took longer than `overtake_after` was cut off because others came.
#[tokio::test(start_paused = true)]
async fn ordinary_long_bodies_are_not_cut_off() {
    let group: HttpGroup<Tokio> = builder().overtake_after(5 * S).build();
    let (service, mut arrivals, _origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let (mut feeds, mut responses) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let mut asking: Asking = Box::pin(service.clone().call(get(&[])));
        let mut answered = poll_once(&mut asking).await;
        if !arrivals.is_empty() {
            feeds.push(arrivals.next().answer(&[]));
            answered = poll_once(&mut asking).await;
        }
        responses.push(answered.unwrap().unwrap());
        for feed in &feeds {
            feed.data("x");
        }
        for response in &mut responses {
            data(response).await.expect("the body goes on");
        }
        pass(6 * S).await;
    }
    for feed in feeds {
        feed.end();
    }
    for mut response in responses {
        all(&mut response).await.expect("it was fine");
    }
}

/// A reader whose `wait_timeout` had passed was not aboard any more, so the flight's own limit went with the leader.
#[tokio::test(start_paused = true)]
async fn the_time_of_an_exchange_is_over_also_when_waiting_for_the_head_is() {
    let group: HttpGroup<Tokio> = builder().wait_timeout(S).timeout(5 * S).build();
    let (service, mut arrivals, _origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let mut leader = asked(&service, get(&[])).await;
    let mut follower = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[]);
    let (led, mut followed) = (now(&mut leader).await, now(&mut follower).await);
    assert!(data(&mut followed).await.is_none());
    pass(2 * S).await;
    assert!(data(&mut followed).await.is_none());
    drop(led);
    assert!(!feed.is_dropped());
    let got = tokio::time::timeout(1000 * S, frame(&mut followed)).await;
    assert!(matches!(got, Ok(Some(Err(Error::Flight(Flight::TimedOut))))), "{got:?}");
}

/// The same: nobody could cancel it.
#[tokio::test(start_paused = true)]
async fn a_reader_stays_aboard_when_its_wait_for_the_head_is_over() {
    let group: HttpGroup<Tokio> = builder().wait_timeout(S).build();
    let (service, mut arrivals, _origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let mut leader = asked(&service, get(&[])).await;
    let mut follower = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[]);
    let (led, mut followed) = (now(&mut leader).await, now(&mut follower).await);
    assert!(data(&mut followed).await.is_none());
    pass(2 * S).await;
    assert!(data(&mut followed).await.is_none());
    drop(led);
    assert!(data(&mut followed).await.is_none());
    assert!(!feed.is_dropped());
    assert_eq!(group.len(), 1, "it is in progress");
    assert_eq!(group.cancel_all(), 1);
}

/// A flight whose time was over, and whose leader's client did not read, kept the key.
#[tokio::test(start_paused = true)]
async fn a_cancelled_flight_whose_leader_is_not_polled_holds_up_no_newcomer() {
    let group: HttpGroup<Tokio> = builder().timeout(5 * S).build();
    let (service, mut arrivals, origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let mut leader = asked(&service, get(&[])).await;
    let mut follower = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[]);
    feed.data("some");
    let (led, mut followed) = (now(&mut leader).await, now(&mut follower).await);
    assert_eq!(data(&mut followed).await.unwrap(), "some");
    // The leader's client does not read. The upstream stalls.
    let got = frame(&mut followed).await;
    assert!(matches!(got, Some(Err(Error::Flight(Flight::TimedOut)))));
    drop(followed);
    let mut newcomer: Asking = Box::pin(service.clone().call(get(&[])));
    assert!(poll_once(&mut newcomer).await.is_none());
    assert_eq!((origin.requests(), feed.is_dropped()), (2, true), "a newcomer waits for a client that does not read");
    drop(led);
}

/// The same with one that was cancelled.
#[tokio::test]
async fn a_cancelled_flight_whose_leader_is_not_polled_holds_up_no_newcomer_either() {
    let group: HttpGroup = Group::new();
    let (service, mut arrivals, origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let mut leader = asked(&service, get(&[])).await;
    let mut follower = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[]);
    let (_led, mut followed) = (now(&mut leader).await, now(&mut follower).await);
    group.cancel_all();
    let got = frame(&mut followed).await;
    assert!(matches!(got, Some(Err(Error::Flight(Flight::Cancelled)))));
    let mut newcomer: Asking = Box::pin(service.clone().call(get(&[])));
    assert!(poll_once(&mut newcomer).await.is_none());
    assert_eq!((origin.requests(), feed.is_dropped()), (2, true));
}

/// A response that was not kept whole lingered, and everybody went alone.
#[tokio::test(start_paused = true)]
async fn what_was_not_kept_whole_does_not_linger() {
    let group: HttpGroup<Tokio> = builder().linger(100 * S).wait_timeout(S).build();
    let (service, mut arrivals, origin) = Origin::behind(&CoalesceLayer::new(group.clone()).keep(1000));
    let mut leader = asked(&service, get(&[])).await;
    let mut reader = asked(&service, get(&[])).await;
    let feed = arrivals.next();
    pass(S / 2).await;
    let mut late = asked(&service, get(&[])).await;
    let feed = feed.answer(&[]);
    let (led, mut read) = (now(&mut leader).await, now(&mut reader).await);
    assert!(data(&mut read).await.is_none());
    pass(S / 2).await;
    // Its wait is over, and it reads on.
    assert!(data(&mut read).await.is_none());
    drop(led);
    // `late` is aboard, and is not polled now.
    feed.data(vec![0; 600]);
    feed.data(vec![0; 600]);
    feed.end();
    assert_eq!(all(&mut read).await.unwrap().0.len(), 1200);
    assert_eq!(all(&mut now(&mut late).await).await.unwrap().0.len(), 1200);
    drop((read, late));
    let _a = asked(&service, get(&[])).await;
    let _b = asked(&service, get(&[])).await;
    assert_eq!(origin.requests(), 2);
}

/// One who had taken over and was to go alone needed a place.
#[tokio::test(start_paused = true)]
async fn released_callers_need_no_place() {
    let group: HttpGroup<Tokio> = builder().max_flights(1).build();
    let (service, mut arrivals, _origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let leader = asked(&service, get(&[])).await;
    let mut first = asked(&service, get(&[])).await;
    let mut second = asked(&service, get(&[])).await;
    drop(leader);
    assert!(poll_once(&mut first).await.is_none());
    let _ = arrivals.next().answer(&[("cache-control", "private")]);
    assert!(poll_once(&mut second).await.is_none());
    let _other = asked(&service, get(&[])).await;
    let got = poll_once(&mut first).await;
    assert!(got.is_none(), "{:?}", got.map(|r| r.map(drop)));
}

/// The same one said that it had led.
#[tokio::test]
async fn one_who_took_over_and_goes_alone_says_so() {
    let group: HttpGroup = Group::new();
    let (service, mut arrivals, _origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let leader = asked(&service, get(&[])).await;
    let mut first = asked(&service, get(&[])).await;
    drop(leader);
    assert!(poll_once(&mut first).await.is_none());
    let _ = arrivals.next().answer(&[("cache-control", "private")]);
    assert!(poll_once(&mut first).await.is_none());
    let _ = arrivals.next().answer(&[("cache-control", "private")]);
    assert_eq!(now(&mut first).await.extensions().get::<Part>(), Some(&Part::Alone));
}

/// What it got lingered, though nobody could ask for it.
#[tokio::test(start_paused = true)]
async fn what_was_asked_for_alone_does_not_linger() {
    let group: HttpGroup<Tokio> = builder().linger(100 * S).build();
    let (service, mut arrivals, _origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let leader = asked(&service, get(&[])).await;
    let mut first = asked(&service, get(&[])).await;
    drop(leader);
    assert!(poll_once(&mut first).await.is_none());
    let _ = arrivals.next().answer(&[("cache-control", "private")]);
    assert!(poll_once(&mut first).await.is_none());
    let feed = arrivals.next().answer(&[]);
    feed.data(vec![0; 1000]);
    feed.end();
    assert_eq!(all(&mut now(&mut first).await).await.unwrap().0.len(), 1000);
    drop(first);
    assert_eq!(service.kept(), 0);
}

/// A reader overtook without sending anything, and was not aboard any more.
#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_overtake_stays_aboard() {
    let group: HttpGroup<Tokio> = builder().overtake_after(S).timeout(10 * S).build();
    let (service, mut arrivals, origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let mut leader = asked(&service, get(&[])).await;
    let mut follower = asked(&service, get(&[])).await;
    let feed = arrivals.next().answer(&[]);
    let (led, mut followed) = (now(&mut leader).await, now(&mut follower).await);
    assert!(data(&mut followed).await.is_none());
    pass(2 * S).await;
    assert!(data(&mut followed).await.is_none());
    drop(led);
    assert!(data(&mut followed).await.is_none());
    let got = tokio::time::timeout(1000 * S, frame(&mut followed)).await;
    assert!(matches!(got, Ok(Some(Err(Error::Flight(Flight::TimedOut))))), "{got:?}");
    assert_eq!((group.len(), origin.requests(), feed.is_dropped()), (0, 1, true));
}

mod nest {
    use axum::{Router, body::Body, extract::Path, routing::get};
    use coflight_tower::CoalesceLayer;
    use http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    async fn ask(app: Router, path: &'static str) -> String {
        let response = app.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    /// `nest` leaves only a part of the path.
    #[tokio::test]
    async fn tenants_of_a_nested_router_are_not_mixed() {
        let data = |Path(tenant): Path<String>| async move {
            tokio::task::yield_now().await;
            format!("secrets of {tenant}")
        };
        let of_tenant = Router::new().route("/data", get(data)).layer(CoalesceLayer::default().answering_errors());
        let app = Router::new().nest("/tenants/{tenant}", of_tenant);
        let (a, b) = tokio::join!(ask(app.clone(), "/tenants/a/data"), ask(app.clone(), "/tenants/b/data"));
        assert_eq!((a.as_str(), b.as_str()), ("secrets of a", "secrets of b"));
    }

    /// The same with two routers that share a layer.
    #[tokio::test]
    async fn services_of_one_layer_are_not_mixed() {
        let of = |whose: &'static str| {
            move || async move {
                tokio::task::yield_now().await;
                whose
            }
        };
        let layer = CoalesceLayer::default();
        let app = Router::new()
            .nest("/users", Router::new().route("/list", get(of("users"))).layer(layer.clone().answering_errors()))
            .nest("/admin", Router::new().route("/list", get(of("passwords"))).layer(layer.answering_errors()));
        let (a, b) = tokio::join!(ask(app.clone(), "/admin/list"), ask(app.clone(), "/users/list"));
        assert_eq!((a.as_str(), b.as_str()), ("passwords", "users"));
    }
}

mod wakers {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::task::{Context, Wake, Waker};

    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker");
        }
    }
    struct Counts(AtomicUsize);
    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    /// It stopped the broadcast.
    #[tokio::test]
    async fn a_waker_that_panics_does_not_keep_the_news_from_others() {
        let (service, mut arrivals, _) = Origin::behind(&CoalesceLayer::default());
        let mut first: Asking = Box::pin(service.clone().call(get(&[])));
        let mut second: Asking = Box::pin(service.clone().call(get(&[])));
        let panics = Waker::from(Arc::new(Panics));
        let counts = Arc::new(Counts(AtomicUsize::new(0)));
        let waker = Waker::from(counts.clone());
        for _ in 0..3 {
            assert!(first.as_mut().poll(&mut Context::from_waker(&panics)).is_pending());
            assert!(second.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        counts.0.store(0, SeqCst);
        let arrived = arrivals.next();
        arrived.answer(&[]);
        assert!(counts.0.load(SeqCst) > 0, "the second caller was not woken");
        // event-listener's own count of the notified is upset now, which its checks for overflow would notice.
        std::mem::forget(first);
    }
}
