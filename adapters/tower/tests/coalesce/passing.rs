//! What is not coalesced passes.

use bytes::Bytes;
use coflight_core::Group;
use coflight_tower::{CoalesceLayer, HttpKey, Part};
use futures_lite::future::poll_once;
use http::{Method, Request};
use http_body_util::Full;

use crate::origin::*;
use crate::{assert_idle, group, on_every_runtime};

on_every_runtime!(other_methods_pass, upgrades_pass, requests_with_a_body_pass, a_key_of_ones_own);

fn request(method: Method, body: &'static str) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri("http://example.org/").body(Full::from(body)).unwrap()
}

async fn other_methods_pass() {
    let group = group();
    let (service, mut arrivals, origin) = Origin::behind(&CoalesceLayer::new(group.clone()));
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "PROPFIND"] {
        let method: Method = method.parse().unwrap();
        let before = origin.requests();
        let mut callers =
            [asked(&service, request(method.clone(), "")).await, asked(&service, request(method.clone(), "")).await];
        assert_eq!(origin.requests() - before, 2, "{method}");
        for (number, caller) in callers.iter_mut().enumerate() {
            let feed = arrivals.next().answer(&[]);
            feed.data(number.to_string());
            feed.trailers("x-a", "b");
            feed.end();
            let mut response = now(caller).await;
            assert!(response.extensions().get::<Part>().is_none());
            let (body, trailers) = all(&mut response).await.unwrap();
            assert_eq!((body, trailers.unwrap().len()), (number.to_string().into_bytes(), 1));
        }
    }
    assert_eq!(group.stats().calls(), 0);
    assert_idle(&group);
}

async fn upgrades_pass() {
    let (service, mut arrivals, origin) = Origin::behind(&CoalesceLayer::default());
    let upgrade = [("connection", "upgrade"), ("upgrade", "websocket")];
    let _callers = [asked(&service, get(&upgrade)).await, asked(&service, get(&upgrade)).await];
    assert_eq!(origin.requests(), 2);
    arrivals.next();
}

async fn requests_with_a_body_pass() {
    let (service, _arrivals, origin) = Origin::behind(&CoalesceLayer::default());
    let _callers = [asked(&service, request(Method::GET, "a")).await, asked(&service, request(Method::GET, "b")).await];
    assert_eq!(origin.requests(), 2);
}

async fn a_key_of_ones_own() {
    let layer = CoalesceLayer::new(Group::new()).bodies(true).key(|request| {
        let tenant = request.headers.get("x-tenant")?;
        Some(HttpKey::new("search").with("tenant", tenant))
    });
    let (service, mut arrivals, origin) = Origin::behind(&layer);
    let post = |tenant: Option<&str>| {
        let mut request = request(Method::POST, "query");
        if let Some(tenant) = tenant {
            request.headers_mut().insert("x-tenant", tenant.parse().unwrap());
        }
        request
    };
    let mut callers = Vec::new();
    for tenant in [Some("a"), Some("a"), Some("b"), None, None] {
        callers.push(asked(&service, post(tenant)).await);
    }
    assert_eq!(origin.requests(), 4);
    // The response has its say.
    let _feed = arrivals.next().answer(&[("cache-control", "private")]);
    assert_eq!(now(&mut callers[0]).await.extensions().get(), Some(&Part::Led));
    assert!(poll_once(&mut callers[1]).await.is_none());
    assert_eq!(origin.requests(), 5);
}
