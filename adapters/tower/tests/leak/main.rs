//! No request ever gets a response made for a different one: generated requests that differ in credentials, cookies, languages, ranges,
//! conditions, hosts and whatever else, to a service that says in each response which request it answers.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use coflight_core::Group;
use coflight_tower::{Coalesce, CoalesceLayer, HttpGroup, KeyPolicy, Part};
use futures_lite::future::{block_on, poll_once};
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use proptest::prelude::*;
use tokio::sync::watch;
use tower::{Layer, Service, service_fn};

/// Left out of the key, and looked at by the service.
const IGNORED: HeaderName = HeaderName::from_static("x-ignored");
/// Left out of the key; tells callers apart.
const CALLER: HeaderName = HeaderName::from_static("x-caller");

/// What the service says of who may have its response, by path.
const SHARING: [(&str, &[(&str, &str)]); 10] = [
    ("/public", &[]),
    ("/max-age", &[("cache-control", "public, max-age=60")]),
    ("/cookie", &[("set-cookie", "session=1")]),
    ("/private", &[("cache-control", "max-age=1, private")]),
    ("/no-store", &[("cache-control", "no-store")]),
    ("/varies-by-all", &[("vary", "*")]),
    ("/varies-by-ignored", &[("vary", "X-Ignored")]),
    ("/varies-by-two", &[("vary", "accept-language"), ("vary", "x-ignored")]),
    ("/varies-by-language", &[("vary", "accept-language")]),
    ("/varies-and-private", &[("vary", "x-ignored"), ("cache-control", "private=\"x-ignored\"")]),
];

/// Headers that may change or restrict an answer, with values to differ in.
const HEADERS: [(&str, &[&str]); 16] = [
    ("authorization", &["Bearer a", "Bearer b", "Basic YTpi"]),
    ("cookie", &["session=a", "session=b", "session=a; theme=dark"]),
    ("proxy-authorization", &["a", "b"]),
    ("x-api-key", &["a", "b"]),
    ("x-user", &["1", "2"]),
    ("range", &["bytes=0-9", "bytes=10-19"]),
    ("if-range", &["\"a\"", "\"b\""]),
    ("accept", &["text/html", "application/json"]),
    ("accept-language", &["de", "en", "en, de"]),
    ("accept-encoding", &["gzip", "br"]),
    ("if-none-match", &["\"a\"", "\"b\"", "*"]),
    ("if-modified-since", &["Sat, 29 Oct 1994 19:43:31 GMT", "Sun, 30 Oct 1994 19:43:31 GMT"]),
    ("host", &["a.example", "b.example"]),
    ("forwarded", &["for=1.2.3.4", "for=1.2.3.5"]),
    ("cache-control", &["no-cache", "max-age=0"]),
    ("origin", &["https://a.example", "https://b.example"]),
];

const METHODS: [Method; 4] = [Method::GET, Method::HEAD, Method::POST, Method::DELETE];
const TARGETS: [&str; 4] = ["", "http://a.example", "http://b.example", "https://a.example"];
const QUERIES: [&str; 5] = ["", "?", "?a=1", "?a=2", "?a=1&b"];

/// A request, by what it chooses of the above.
#[derive(Clone, Debug, PartialEq)]
struct Choice {
    method: usize,
    target: usize,
    path: usize,
    query: usize,
    /// Which header, which value; the same header may come twice.
    headers: Vec<(usize, usize)>,
    ignored: Option<bool>,
}

impl Choice {
    fn plain() -> Self {
        Self { method: 0, target: 1, path: 0, query: 0, headers: Vec::new(), ignored: None }
    }

    fn request(&self, caller: usize) -> Request<Empty<Bytes>> {
        let uri = format!("{}{}{}", TARGETS[self.target], SHARING[self.path].0, QUERIES[self.query]);
        let mut request = Request::builder().method(METHODS[self.method].clone()).uri(uri).header(CALLER, caller);
        for &(header, value) in &self.headers {
            let (name, values) = HEADERS[header];
            request = request.header(name, values[value % values.len()]);
        }
        if let Some(ignored) = self.ignored {
            request = request.header(IGNORED, ignored.to_string());
        }
        request.body(Empty::new()).unwrap()
    }
}

fn choice() -> impl Strategy<Value = Choice> {
    // Mostly alike, so that many of them meet.
    let often_first = |count: usize| prop_oneof![3 => Just(0), 1 => 0..count];
    let headers = prop_oneof![
        2 => Just(Vec::new()),
        2 => prop::collection::vec((0..HEADERS.len(), 0..3usize), 1..3),
        1 => prop::collection::vec((0..2usize, 0..2usize), 1..3),
    ];
    (
        often_first(METHODS.len()),
        often_first(TARGETS.len()),
        0..SHARING.len(),
        often_first(QUERIES.len()),
        headers,
        any::<Option<bool>>(),
    )
        .prop_map(|(method, target, path, query, headers, ignored)| Choice {
            method,
            target,
            path,
            query,
            headers,
            ignored,
        })
}

/// Everything of a request that a response may depend on, and last who asked.
fn written(request: &http::request::Parts, without: &[HeaderName]) -> String {
    let mut headers: Vec<_> = request.headers.iter().filter(|(name, _)| !without.contains(name)).collect();
    // Those of one name stay in their order.
    headers.sort_by_key(|(name, _)| name.as_str());
    format!("{} {} {headers:?}", request.method, request.uri)
}

type Service_ = Coalesce<tower::util::BoxCloneService<Request<Empty<Bytes>>, Response<Full<Bytes>>, Infallible>>;

/// Answers with the request it answers, when the gate is open.
fn service(group: HttpGroup, requests: &Arc<AtomicUsize>, gate: &watch::Sender<bool>) -> Service_ {
    let (requests, gate) = (Arc::clone(requests), gate.subscribe());
    let echo = service_fn(move |request: Request<Empty<Bytes>>| {
        let (requests, mut gate) = (Arc::clone(&requests), gate.clone());
        async move {
            requests.fetch_add(1, Ordering::SeqCst);
            let _ = gate.wait_for(|open| *open).await;
            futures_lite::future::yield_now().await;
            let parts = request.into_parts().0;
            let mut response = Response::new(Full::new(Bytes::from(written(&parts, &[]))));
            response.headers_mut().insert(CALLER, parts.headers[CALLER].clone());
            response.headers_mut().insert("x-everything", value(&written(&parts, &[IGNORED, CALLER])));
            response.headers_mut().insert("x-ignored-was", value(&format!("{:?}", parts.headers.get(IGNORED))));
            let (_, headers) = SHARING.iter().find(|(path, _)| *path == parts.uri.path()).unwrap();
            for (name, value) in *headers {
                response.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            Ok(response)
        }
    });
    CoalesceLayer::new(group)
        .policy(KeyPolicy::new().ignore([IGNORED, CALLER]))
        .layer(tower::util::BoxCloneService::new(echo))
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_bytes(text.as_bytes()).unwrap()
}

/// Asks all at once, some of whom hang up, and holds every response against its request. How many were shared.
async fn check(choices: &[Choice], hang_up: &[usize]) -> usize {
    let (group, gate) = (Group::new(), watch::channel(false).0);
    let service = service(group.clone(), &Arc::default(), &gate);
    let mut calls = Vec::new();
    for (caller, choice) in choices.iter().enumerate() {
        let mut call = Box::pin(service.clone().call(choice.request(caller)));
        assert!(poll_once(&mut call).await.is_none());
        calls.push(Some(call));
    }
    for caller in hang_up {
        let count = calls.len();
        calls[caller % count] = None;
    }
    gate.send(true).unwrap();
    // From the last to the first, so that those who lead are not always the ones who drive.
    let mut joined = 0;
    for (caller, choice) in choices.iter().enumerate().rev() {
        let Some(call) = calls[caller].take() else { continue };
        let response = call.await.unwrap();
        let own = choice.request(caller).into_parts().0;
        let headers = response.headers().clone();
        let part = response.extensions().get::<Part>().copied();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(headers["x-everything"], value(&written(&own, &[IGNORED, CALLER])), "{choice:?}");
        let is_own = headers[CALLER] == own.headers[CALLER];
        if is_own {
            assert_eq!(body, written(&own, &[]));
        }
        let says = |name: &str, word: &str| {
            headers.get_all(name).iter().any(|value| value.to_str().unwrap().to_lowercase().contains(word))
        };
        let for_one = headers.contains_key("set-cookie")
            || says("cache-control", "private")
            || says("cache-control", "no-store")
            || says("vary", "*");
        assert!(is_own || !for_one, "{choice:?} got what was for another alone");
        if says("vary", "x-ignored") {
            assert_eq!(headers["x-ignored-was"], value(&format!("{:?}", own.headers.get(IGNORED))), "{choice:?}");
        }
        // Whatever has effects is done for each.
        assert!(is_own || matches!(own.method, Method::GET | Method::HEAD));
        assert_eq!(part.is_none(), !matches!(own.method, Method::GET | Method::HEAD));
        assert_eq!(part == Some(Part::Joined), !is_own, "{choice:?}");
        joined += usize::from(!is_own);
    }
    assert!(group.is_empty());
    assert_eq!(service.kept(), 0);
    joined
}

/// Thousands of requests that differ in anything.
#[test]
fn no_request_gets_a_response_made_for_a_different_one() {
    let (asked, joined) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 1000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    // A few different requests, and which of them each caller makes.
    let worlds = (
        prop::collection::vec(choice(), 1..20),
        prop::collection::vec(any::<prop::sample::Index>(), 1..40),
        prop::collection::vec(any::<usize>(), 0..4),
    );
    runner
        .run(&worlds, |(different, callers, hang_up)| {
            let choices: Vec<_> = callers.iter().map(|which| which.get(&different).clone()).collect();
            asked.fetch_add(choices.len(), Ordering::Relaxed);
            joined.fetch_add(block_on(check(&choices, &hang_up)), Ordering::Relaxed);
            Ok(())
        })
        .unwrap();
    let (asked, joined) = (asked.into_inner(), joined.into_inner());
    println!("{asked} requests, {joined} of them were given the response to an equal one");
    // Else it would show nothing.
    assert!(asked > 10_000 && joined > 2_000, "{asked} {joined}");
}

/// Every two requests that differ in one thing, each thing by itself.
#[test]
fn requests_that_differ_in_one_thing_are_different() {
    let plain = Choice::plain();
    let mut all = vec![plain.clone()];
    all.extend((1..METHODS.len()).map(|method| Choice { method, ..plain.clone() }));
    all.extend(
        (0..TARGETS.len()).filter(|&target| target != plain.target).map(|target| Choice { target, ..plain.clone() }),
    );
    all.extend((1..SHARING.len()).map(|path| Choice { path, ..plain.clone() }));
    all.extend((1..QUERIES.len()).map(|query| Choice { query, ..plain.clone() }));
    for (header, (_, values)) in HEADERS.iter().enumerate() {
        all.extend((0..values.len()).map(|value| Choice { headers: vec![(header, value)], ..plain.clone() }));
        // Twice, in either order, and with what is sent after it.
        all.push(Choice { headers: vec![(header, 0), (header, 1)], ..plain.clone() });
        all.push(Choice { headers: vec![(header, 1), (header, 0)], ..plain.clone() });
        all.push(Choice { headers: vec![(header, 0), (header, 0)], ..plain.clone() });
    }
    println!("{} requests, no two of which are the same", all.len());
    let (requests, gate) = (Arc::new(AtomicUsize::new(0)), watch::channel(false).0);
    let service = service(Group::new(), &requests, &gate);
    block_on(async {
        let mut calls = Vec::new();
        for (caller, choice) in all.iter().enumerate() {
            let mut call = Box::pin(service.clone().call(choice.request(caller)));
            assert!(poll_once(&mut call).await.is_none());
            assert_eq!(requests.load(Ordering::SeqCst), caller + 1, "{choice:?} joined another");
            calls.push(call);
        }
    });
    block_on(async {
        assert_eq!(check(&all, &[]).await, 0);
        let twice: Vec<_> = all.iter().flat_map(|choice| [choice.clone(), choice.clone()]).collect();
        assert!(check(&twice, &[]).await > all.len() / 2);
    });
}

/// Keys made of parts that would look alike side by side.
#[test]
fn keys_cannot_be_forged_by_moving_what_belongs_to_one_part_into_another() {
    use coflight_tower::HttpKey;
    let key =
        |request: http::request::Builder| KeyPolicy::new().key(&request.body(()).unwrap().into_parts().0).unwrap();
    let get = || Request::get("http://a.example/");
    let different = [
        key(get()),
        key(get().header("a", "b")),
        key(get().header("a", "")),
        key(get().header("ab", "")),
        key(get().header("a", "b").header("c", "d")),
        key(get().header("a", "bheaderc")),
        key(get().header("a", "b").header("a", "d")),
        key(get().header("a", "b, d")),
        key(Request::get("http://a.example/?")),
        key(Request::get("http://a.example/%3F")),
        key(Request::get("http://a.example//")),
        key(Request::get("/")),
        key(Request::get("/").header("host", "a.example")),
        key(Request::get("http://user@a.example/")),
        key(Request::get("http://a.example:80/")),
        HttpKey::new("GET a.example/"),
        HttpKey::new("GET a.example/").with("a", "b"),
        HttpKey::new("GET a.example/").with("ab", ""),
        HttpKey::new("GET a.example/").with("", "ab"),
        HttpKey::new("GET a.example/").with("a", "b").with("c", "d"),
        HttpKey::new("GET a.example/").with("a", "bcd"),
    ];
    for (index, one) in different.iter().enumerate() {
        for other in &different[index + 1..] {
            assert!(one != other, "{one:?} {other:?}");
        }
    }
    // The order in which different headers came is nobody's business.
    assert!(key(get().header("a", "1").header("b", "2")) == key(get().header("b", "2").header("a", "1")));
    assert!(key(get().header("connection", "close").header("keep-alive", "timeout=5")) == key(get()));
}

/// Whatever strips the headers that `connection` names does so after the key was made, so which ones those are counts.
#[test]
fn requests_of_which_different_headers_are_stripped_are_different() {
    let key = |connection: &[&[u8]]| {
        let mut request = Request::get("/").header("host", "a.example").header("accept-language", "de");
        request = request.header("te", "trailers").header(IGNORED, "a").header("x-b", "b");
        for value in connection {
            request = request.header("connection", HeaderValue::from_bytes(value).unwrap());
        }
        KeyPolicy::new().ignore([IGNORED]).key(&request.body(()).unwrap().into_parts().0).unwrap()
    };
    let different = [
        key(&[]),
        key(&[b"accept-language"]),
        key(&[b"host"]),
        key(&[b"x-ignored"]),
        key(&[b"x-b"]),
        key(&[b"accept-language, host"]),
        // What a layer behind may add.
        key(&[b"x-absent"]),
    ];
    for (index, one) in different.iter().enumerate() {
        for other in &different[index + 1..] {
            assert!(one != other, "{one:?} {other:?}");
        }
    }
    // However it is written.
    assert!(key(&[b"Host,,\tclose , Accept-Language"]) == key(&[b"accept-language, host"]));
    assert!(key(&[b"host, \xff", b"host, accept-language"]) == key(&[b"accept-language, host"]));
    // Nothing is stripped that would not be anyway.
    for same in [b"close".as_slice(), b"keep-alive", b"TE", b"connection", b"not a name"] {
        assert!(key(&[same]) == key(&[]), "{same:?}");
    }
}

/// What is shown of a key is no secret.
#[test]
fn keys_do_not_show_secrets() {
    let request = Request::get("http://user:pass@a.example/path?token=secret&flag&page=2")
        .header("authorization", "Bearer secret")
        .header("cookie", "session=secret")
        .body(())
        .unwrap();
    let key = KeyPolicy::new().key(&request.into_parts().0).unwrap().with("user", "secret");
    assert_eq!(key.to_string(), "GET a.example/path?token=…&flag&page=…");
    assert_eq!(format!("{key:?}"), "HttpKey(\"GET a.example/path?token=…&flag&page=…\")");
    let host = Request::get("/").header("host", "a.example").body(()).unwrap();
    assert_eq!(KeyPolicy::new().key(&host.into_parts().0).unwrap().to_string(), "GET a.example/");
}
