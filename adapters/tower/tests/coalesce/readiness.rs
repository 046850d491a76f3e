//! The layer is ready whatever the inner service is; only a leader waits for that.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use coflight_core::Group;
use coflight_tower::{BoxError, CoalesceLayer, Error};
use futures_lite::future::{poll_fn, poll_once};
use http::Request;
use tokio::sync::watch;
use tower::{Layer, Service, ServiceBuilder};

use crate::origin::*;
use crate::{assert_idle, group, on_every_runtime};

on_every_runtime!(
    admission_with_the_inner_service_not_ready,
    followers_hold_no_place_of_a_limit,
    an_inner_service_that_is_broken_says_so_in_the_call,
    how_many_wait_inside_is_bounded_by_the_group,
);

/// Ready when the test says so.
struct Slow<S> {
    inner: S,
    ready: watch::Receiver<Option<bool>>,
    /// From the first poll that found it not ready: its waker is heard for as long as this is there.
    waiting: Option<Waiting>,
}

/// Whether it is ready, or broken.
type Waiting = Pin<Box<dyn Future<Output = bool> + Send>>;

impl<S> Slow<S> {
    fn new(inner: S, ready: watch::Receiver<Option<bool>>) -> Self {
        Self { inner, ready, waiting: None }
    }
}

impl<S: Clone> Clone for Slow<S> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), self.ready.clone())
    }
}

impl<S, B> Service<Request<B>> for Slow<S>
where
    S: Service<Request<B>, Error = BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let mut ready = self.ready.clone();
        let wait = async move { *ready.wait_for(Option::is_some).await.expect("the test is not over") == Some(true) };
        let is_ready = ready!(self.waiting.get_or_insert_with(|| Box::pin(wait)).as_mut().poll(cx));
        self.waiting = None;
        Poll::Ready(if is_ready { Ok(()) } else { Err("broken".into()) })
    }

    fn call(&mut self, request: Request<B>) -> S::Future {
        self.inner.call(request)
    }
}

async fn admission_with_the_inner_service_not_ready() {
    let group = group();
    let (origin, mut arrivals) = Origin::new();
    let (gate, ready) = watch::channel(None);
    let mut service = CoalesceLayer::new(group.clone()).layer(Slow::new(origin.clone(), ready));
    let is_ready = |service: &mut coflight_tower::Coalesce<_>| {
        let ready = Service::<Request<http_body_util::Empty<bytes::Bytes>>>::poll_ready(
            service,
            &mut Context::from_waker(std::task::Waker::noop()),
        );
        matches!(ready, Poll::Ready(Ok(())))
    };
    assert!(is_ready(&mut service));
    let mut leader = Box::pin(service.call(get(&[])));
    assert!(poll_once(&mut leader).await.is_none());
    // Others come aboard meanwhile.
    assert!(is_ready(&mut service));
    let mut follower = Box::pin(service.call(get(&[])));
    assert!(poll_once(&mut follower).await.is_none());
    assert_eq!((origin.requests(), group.stats().waiting), (0, 1));
    gate.send(Some(true)).unwrap();
    let both = futures_util::future::join(leader, follower);
    let mut both = std::pin::pin!(both);
    let mut arrived = None;
    let (led, followed) = poll_fn(|cx| {
        let polled = both.as_mut().poll(cx);
        if arrived.is_none() && !arrivals.is_empty() {
            arrived = Some(arrivals.next().answer(&[]));
            cx.waker().wake_by_ref();
        }
        polled
    })
    .await;
    arrived.unwrap().end();
    for response in [led, followed] {
        assert_eq!(text(&mut response.unwrap()).await, "");
    }
    assert_eq!(origin.requests(), 1);
    assert_idle(&group);
}

async fn followers_hold_no_place_of_a_limit() {
    let group = group();
    let (origin, mut arrivals) = Origin::new();
    let service = ServiceBuilder::new()
        .layer(CoalesceLayer::new(group.clone()))
        .layer(tower::limit::ConcurrencyLimitLayer::new(2))
        .service(origin.clone());
    let ask = |name: &'static str| Box::pin(service.clone().call(get(&[("x-name", name)])));
    let mut callers = vec![ask("a"), ask("a"), ask("a"), ask("b"), ask("c")];
    for caller in &mut callers {
        assert!(poll_once(caller).await.is_none());
    }
    // Two places for three flights; the followers of the first take none.
    assert_eq!(origin.requests(), 2);
    arrivals.next().answer(&[]).end();
    for caller in &mut callers[..3] {
        poll_once(caller).await.unwrap().unwrap();
    }
    assert!(poll_once(&mut callers[4]).await.is_none());
    assert_eq!(origin.requests(), 3);
    for _ in 0..2 {
        arrivals.next().answer(&[]).end();
    }
    for caller in &mut callers[3..] {
        assert_eq!(text(&mut poll_once(caller).await.unwrap().unwrap()).await, "");
    }
}

async fn an_inner_service_that_is_broken_says_so_in_the_call() {
    let (origin, _arrivals) = Origin::new();
    let (_gate, ready) = watch::channel(Some(false));
    let mut service = CoalesceLayer::default().layer(Slow::new(origin, ready));
    let answered = service.call(get(&[])).await.map(drop);
    assert!(matches!(&answered, Err(Error::Service(error)) if error.to_string() == "broken"), "{answered:?}");
}

async fn how_many_wait_inside_is_bounded_by_the_group() {
    let layer = CoalesceLayer::new(Group::builder().max_flights(1).build());
    let (service, _arrivals, origin) = Origin::behind(&layer);
    let _leader = asked(&service, get(&[])).await;
    let _joins = asked(&service, get(&[])).await;
    let mut refused = Box::pin(service.clone().call(get(&[("x-name", "another")])));
    let answered = poll_once(&mut refused).await;
    assert!(matches!(answered, Some(Err(Error::Flight(coflight_core::Error::Full)))));
    assert_eq!(origin.requests(), 1);
}
