//! What fails, fails for all who waited for it, and once.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use coflight_core::{Group, OnFailure};
use coflight_tower::{CoalesceLayer, CoalescedBody, Error, HttpGroup};
use futures_lite::future::poll_once;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use crate::origin::*;
use crate::{assert_idle, group, on_every_runtime};

on_every_runtime!(
    a_failure_is_shared_as_it_is,
    a_failure_is_tried_anew_if_the_group_says_so,
    a_failure_midway_is_not_tried_anew_by_those_who_read,
    cancelling_reaches_all_who_wait_and_read,
    a_panic_is_one_callers_and_an_error_for_the_others,
    a_service_that_asks_itself_is_told,
    errors_become_responses,
);

async fn a_failure_is_shared_as_it_is() {
    let group = group();
    let (service, mut arrivals, origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let mut callers = [asked(&service, get(&[])).await, asked(&service, get(&[])).await];
    arrivals.next().fail("no route");
    let mut errors = Vec::new();
    for caller in &mut callers {
        let Some(Err(Error::Service(error))) = poll_once(caller).await else { panic!("no error") };
        errors.push(error);
    }
    assert_eq!(errors[0].to_string(), "no route");
    assert!(std::sync::Arc::ptr_eq(&errors[0], &errors[1]));
    assert_eq!((origin.requests(), group.stats().failed), (1, 1));
    assert_idle(&group);
}

async fn a_failure_is_tried_anew_if_the_group_says_so() {
    let group: HttpGroup = Group::builder().on_failure(OnFailure::Retry { limit: 1 }).build();
    let (service, mut arrivals, origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let mut leader = asked(&service, get(&[])).await;
    let mut first = asked(&service, get(&[])).await;
    let mut second = asked(&service, get(&[])).await;
    arrivals.next().fail("no route");
    assert!(matches!(poll_once(&mut leader).await, Some(Err(Error::Service(_)))));
    for follower in [&mut first, &mut second] {
        assert!(poll_once(follower).await.is_none());
    }
    assert_eq!(origin.requests(), 2);
    let feed = arrivals.next().answer(&[]);
    feed.data("second try");
    feed.end();
    for follower in [&mut second, &mut first] {
        assert_eq!(text(&mut now(follower).await).await, "second try");
    }
    assert_eq!((group.stats().retries, group.stats().completed), (1, 1));
    assert_idle(&group);
}

async fn a_failure_midway_is_not_tried_anew_by_those_who_read() {
    let group: HttpGroup = Group::builder().on_failure(OnFailure::Retry { limit: 3 }).build();
    let (service, mut arrivals, origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let mut callers = [asked(&service, get(&[])).await, asked(&service, get(&[])).await];
    let feed = arrivals.next().answer(&[]);
    let mut responses = Vec::new();
    for caller in &mut callers {
        responses.push(now(caller).await);
    }
    feed.data("some");
    feed.break_off();
    for response in &mut responses {
        assert_eq!(data(response).await.unwrap(), "some");
        assert!(matches!(frame(response).await, Some(Err(Error::Service(_)))));
    }
    assert_eq!(origin.requests(), 1);
    assert_eq!(group.stats().waiting, 0);
    assert!(group.is_empty());
}

async fn cancelling_reaches_all_who_wait_and_read() {
    let group = group();
    let (service, mut arrivals, _) = Origin::behind(&CoalesceLayer::new(group.clone()));
    let mut callers = [asked(&service, get(&[])).await, asked(&service, get(&[])).await];
    let arrived = arrivals.next();
    assert_eq!(group.cancel_all(), 1);
    for caller in &mut callers {
        let answered = poll_once(caller).await;
        assert!(matches!(answered, Some(Err(Error::Flight(coflight_core::Error::Cancelled)))), "{answered:?}");
    }
    assert!(arrived.is_dropped());
    let mut callers = [asked(&service, get(&[])).await, asked(&service, get(&[])).await];
    let feed = arrivals.next().answer(&[]);
    let [first, second] = &mut callers;
    let (mut first, mut second) = (now(first).await, now(second).await);
    assert_eq!(group.cancel_all(), 1);
    for response in [&mut second, &mut first] {
        assert!(matches!(frame(response).await, Some(Err(Error::Flight(coflight_core::Error::Cancelled)))));
    }
    assert!(feed.is_dropped());
    assert_idle(&group);
}

async fn a_panic_is_one_callers_and_an_error_for_the_others() {
    let group = group();
    let (gate, open) = tokio::sync::watch::channel(false);
    let service = CoalesceLayer::new(group.clone()).layer(service_fn(move |_: Request<Empty<Bytes>>| {
        let mut open = open.clone();
        async move {
            open.wait_for(|open| *open).await?;
            assert!(!*open.borrow(), "a panic of the service");
            Ok::<_, coflight_tower::BoxError>(Response::new(Empty::<Bytes>::new()))
        }
    }));
    let mut callers: Vec<_> = (0..3).map(|_| Box::pin(service.clone().call(get(&[])))).collect();
    for caller in &mut callers {
        assert!(poll_once(caller).await.is_none());
    }
    gate.send(true).unwrap();
    // A follower is the first to be polled.
    let mut driver = callers.remove(1);
    let panic = {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let panic = catch_unwind(AssertUnwindSafe(|| driver.as_mut().poll(&mut cx).is_ready())).unwrap_err();
        panic.downcast_ref::<&str>().copied()
    };
    assert_eq!(panic, Some("a panic of the service"));
    for caller in &mut callers {
        let error = poll_once(caller).await.expect("it is over").map(drop).unwrap_err();
        let told = matches!(error, Error::Panicked | Error::Flight(coflight_core::Error::Panicked(_)));
        assert!(told, "{error:?}");
    }
    assert_eq!(group.stats().panicked, 1);
    drop((driver, callers));
    assert_idle(&group);
}

async fn errors_become_responses() {
    async fn status_of(group: HttpGroup, failing: bool) -> (StatusCode, String) {
        let service = ServiceBuilder::new().layer(CoalesceLayer::new(group).answering_errors()).service(service_fn(
            move |_: Request<Empty<Bytes>>| async move {
                if failing { Err("a secret of the backend") } else { Ok(Response::new(Full::new(Bytes::from("fine")))) }
            },
        ));
        let response: Result<Response<CoalescedBody<_>>, Infallible> = service.oneshot(get(&[])).await;
        let (parts, body) = response.unwrap().into_parts();
        assert_eq!(parts.headers.contains_key("retry-after"), parts.status == StatusCode::SERVICE_UNAVAILABLE);
        (parts.status, String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }
    assert_eq!(status_of(Group::new(), false).await, (StatusCode::OK, "fine".into()));
    let (status, text) = status_of(Group::new(), true).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(!text.contains("secret") && text.ends_with('\n'), "{text:?}");
    let (status, text) = status_of(Group::builder().max_flights(0).build(), false).await;
    assert_eq!((status, text.contains("as many flights")), (StatusCode::SERVICE_UNAVAILABLE, true));
    assert_eq!(Error::Flight(coflight_core::Error::TimedOut).status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(Error::Flight(coflight_core::Error::Circular).status(), StatusCode::LOOP_DETECTED);
    assert_eq!(Error::Panicked.status(), StatusCode::INTERNAL_SERVER_ERROR);
}

/// A service whose answer needs the answer to the same request, directly or through another.
async fn a_service_that_asks_itself_is_told() {
    type Inner =
        tower::util::BoxCloneSyncService<Request<Empty<Bytes>>, Response<Empty<Bytes>>, coflight_tower::BoxError>;
    for between in [None, Some("/other")] {
        let group = group();
        let itself: std::sync::Arc<std::sync::OnceLock<coflight_tower::Coalesce<Inner>>> = Default::default();
        let inner = service_fn({
            let itself = std::sync::Arc::clone(&itself);
            move |request: Request<Empty<Bytes>>| {
                let next = if request.uri().path() == "/" { between.unwrap_or("/") } else { "/" };
                let mut itself = itself.get().unwrap().clone();
                async move {
                    itself.call(Request::get(next).body(Empty::new()).unwrap()).await?;
                    Ok::<_, coflight_tower::BoxError>(Response::new(Empty::new()))
                }
            }
        });
        let service = CoalesceLayer::new(group.clone()).layer(Inner::new(inner));
        assert!(itself.set(service.clone()).is_ok());
        let asked = service.clone().call(Request::get("/").body(Empty::new()).unwrap());
        let answered = asked.await.map(drop);
        let error = answered.unwrap_err();
        assert_eq!(error.to_string(), coflight_core::Error::Circular.to_string());
        assert!(group.is_empty());
    }
}
