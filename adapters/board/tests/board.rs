//! Who may see the board, and what it says.

use std::cell::RefCell;
use std::fmt;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use coflight_board::Board;
use coflight_core::{Entry, Error, Group, TryGroup};
use futures_util::{FutureExt, StreamExt};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::runtime::Handle;
use tower::ServiceExt;

const HERE: &str = "127.0.0.1:5000";
const ELSEWHERE: &str = "192.0.2.1:5000";

fn app(board: &Board) -> Router {
    Router::new().nest("/board", board.router())
}

async fn get(board: &Board, uri: &str, peer: Option<&str>, headers: &[(&str, &str)]) -> Response {
    let mut request = Request::get(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    if let Some(peer) = peer {
        request.extensions_mut().insert(ConnectInfo(peer.parse::<SocketAddr>().unwrap()));
    }
    app(board).oneshot(request).await.unwrap()
}

async fn text(response: Response) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn without_a_token_only_this_machine_may_see_it() {
    let board = Board::new();
    for (peer, host) in [
        (HERE, "localhost:8080"),
        (HERE, "LOCALHOST"),
        (HERE, "127.0.0.1:8080"),
        (HERE, "127.1.2.3"),
        ("[::1]:5000", "[::1]:8080"),
        ("[::ffff:127.0.0.1]:5000", "[::1]"),
    ] {
        for path in ["/board", "/board/events"] {
            let response = get(&board, path, Some(peer), &[("host", host)]).await;
            assert_eq!(response.status(), StatusCode::OK, "{peer} {host}");
        }
    }
    for (peer, headers) in [
        (None, &[("host", "localhost")][..]),
        (Some(ELSEWHERE), &[("host", "localhost")]),
        (Some("[2001:db8::1]:5000"), &[("host", "localhost")]),
        (Some("0.0.0.0:5000"), &[("host", "localhost")]),
        // Another site's name that was made to mean this machine.
        (Some(HERE), &[("host", "evil.example")]),
        (Some(HERE), &[("host", "localhost.evil.example")]),
        (Some(HERE), &[("host", "127.0.0.1.evil.example")]),
        (Some(HERE), &[]),
        // A proxy on this machine.
        (Some(HERE), &[("host", "localhost"), ("x-forwarded-for", "192.0.2.1")]),
        (Some(HERE), &[("host", "localhost"), ("forwarded", "for=192.0.2.1")]),
        (Some(HERE), &[("host", "localhost"), ("via", "1.1 proxy")]),
    ] {
        for path in ["/board", "/board/events"] {
            let response = get(&board, path, peer, headers).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{peer:?} {headers:?}");
            // It says what to do.
            let text = text(response).await;
            assert!(text.contains("token") && text.ends_with('\n') && !text.contains("html"), "{text}");
        }
    }
}

#[tokio::test]
async fn with_a_token_whoever_knows_it_may_see_it_from_anywhere() {
    let board = Board::new().token("a very/secret+token");
    let host = ("host", "board.example");
    for headers in [
        [host, ("authorization", "Bearer a very/secret+token")],
        [host, ("authorization", "bearer a very/secret+token")],
        [host, ("cookie", "other=1; coflight_board=a%20very%2Fsecret%2Btoken")],
    ] {
        let response = get(&board, "/board", Some(ELSEWHERE), &headers).await;
        assert_eq!(response.status(), StatusCode::OK, "{headers:?}");
    }
    for (uri, headers) in [
        ("/board", [host, ("x-a", "b")]),
        ("/board", [host, ("authorization", "Bearer a very/secret+toke")]),
        ("/board", [host, ("authorization", "Basic a very/secret+token")]),
        ("/board", [host, ("cookie", "coflight_board=")]),
        ("/board", [host, ("cookie", "coflight_boards=a%20very%2Fsecret%2Btoken")]),
        ("/board?token=", [host, ("x-a", "b")]),
        ("/board?nottoken=a%20very%2Fsecret%2Btoken", [host, ("x-a", "b")]),
    ] {
        // From this machine as well: what is in front of it may pass on for anybody.
        for peer in [HERE, ELSEWHERE] {
            let response = get(&board, uri, Some(peer), &headers).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{uri} {headers:?}");
            assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
        }
    }
    // A browser is given a cookie, and sent to an address that does not show the token.
    let response = get(&board, "/board?token=a%20very%2Fsecret%2Btoken", Some(ELSEWHERE), &[host]).await;
    assert_eq!(
        (response.status(), &response.headers()[header::LOCATION]),
        (StatusCode::SEE_OTHER, &"?".parse().unwrap())
    );
    let cookie = response.headers()[header::SET_COOKIE].to_str().unwrap().to_owned();
    assert!(cookie.contains("; HttpOnly; SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(get(&board, "/board", Some(ELSEWHERE), &[host, ("cookie", cookie)]).await.status(), StatusCode::OK);
    assert!(!format!("{board:?}").contains("secret"));
}

#[tokio::test]
async fn the_page_needs_nothing_from_outside() {
    let board = Board::new();
    let (one, other) = (
        get(&board, "/board", Some(HERE), &[("host", "localhost")]).await,
        get(&board, "/board", Some(HERE), &[("host", "localhost")]).await,
    );
    let policies =
        [&one, &other].map(|page| page.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned());
    assert!(policies[0].contains("default-src 'none'") && policies[0] != policies[1]);
    let page = text(one).await;
    assert!(!page.contains("NONCE"));
    for outside in ["src=", "http://", "https://", "@import", "url("] {
        let found: Vec<_> = page.match_indices(outside).map(|(at, _)| &page[at..(at + 40).min(page.len())]).collect();
        let harmless = |found: &&str| found.starts_with("http://www.w3.org/2000/svg");
        assert!(found.iter().all(harmless), "{found:?}");
    }
}

/// The next sample of a stream of them.
async fn sample(events: &mut BodyDataStream) -> Value {
    loop {
        let chunk = events.next().await.expect("the stream goes on").unwrap();
        let text = String::from_utf8(chunk.to_vec()).unwrap();
        if let Some(data) = text.strip_prefix("data: ") {
            return serde_json::from_str(data).unwrap();
        }
    }
}

async fn events(board: &Board) -> BodyDataStream {
    let response = get(board, "/board/events", Some(HERE), &[("host", "localhost")]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    response.into_body().into_data_stream()
}

fn named<'a>(list: &'a Value, field: &str, name: &str) -> Vec<&'a Value> {
    list.as_array().unwrap().iter().filter(|entry| entry[field] == name).collect()
}

#[tokio::test(start_paused = true)]
async fn it_shows_what_is_in_flight_and_what_happened() {
    let board = Board::new();
    let flights: TryGroup<String, u32, std::num::ParseIntError> =
        TryGroup::builder().name("board-test").observer(board.observer()).build();
    let Entry::Leader(leader) = flights.enter("a secret") else { panic!("somebody else leads") };
    let Entry::Follower(follower) = flights.enter("a secret") else { panic!("two lead") };
    let mut stream = events(&board).await;
    let first = sample(&mut stream).await;
    let group = named(&first["groups"], "name", "board-test")[0];
    assert_eq!((&group["led"], &group["joined"], &group["saved"]), (&1.into(), &1.into(), &1.into()));
    assert_eq!((&group["in_flight"], &group["waiting"], &group["errors"]), (&1.into(), &1.into(), &0.into()));
    let flight = named(&first["flights"], "group", "board-test")[0];
    assert_eq!(
        (&flight["callers"], &flight["verb"], &flight["state"]),
        (&2.into(), &"enter".into(), &"running".into())
    );
    assert!(flight["key"].as_str().unwrap().starts_with('#') && !first.to_string().contains("secret"));
    assert!(named(&first["slowest"], "group", "board-test").is_empty());

    assert!(leader.try_complete("not a number".parse()).is_err());
    drop(follower);
    let next = sample(&mut stream).await;
    assert!(named(&next["flights"], "group", "board-test").is_empty());
    assert_eq!(named(&next["groups"], "name", "board-test")[0]["errors"], 1);
    let (slow, failed) =
        (named(&next["slowest"], "group", "board-test"), named(&next["errors"], "group", "board-test"));
    assert_eq!((&slow[0]["how"], &failed[0]["how"]), (&"failed".into(), &"failed".into()));
    assert!(slow[0]["took_ms"].as_f64().unwrap() >= 0.0);
    // Another who looks does not wait for the next second.
    let mut late = events(&board).await;
    assert_eq!(named(&sample(&mut late).await["groups"], "name", "board-test")[0]["errors"], 1);
}

#[tokio::test(start_paused = true)]
async fn the_slowest_come_first_and_are_few() {
    let board = Board::new();
    let flights: TryGroup<u64, u32, Error> = TryGroup::builder()
        .name("slowest-test")
        .observer(board.observer())
        .show_keys(|key, f| write!(f, "{key}"))
        .build();
    for key in 0..100 {
        let Entry::Leader(leader) = flights.enter(&key) else { panic!("somebody else leads") };
        // Observers have the time of the machine, which is not paused.
        std::thread::sleep(Duration::from_micros(10 * (key % 30)));
        leader.try_complete(if key % 2 == 0 { Ok(1) } else { Err(Error::Full) }).ok();
    }
    let sample = sample(&mut events(&board).await).await;
    let took: Vec<_> = named(&sample["slowest"], "group", "slowest-test")
        .iter()
        .map(|ended| ended["took_ms"].as_f64().unwrap())
        .collect();
    assert_eq!(took.len(), 20);
    assert!(took.is_sorted_by(|a, b| a >= b), "{took:?}");
    let errors: Vec<_> =
        named(&sample["errors"], "group", "slowest-test").iter().map(|ended| ended["key"].clone()).collect();
    assert_eq!((errors.len(), &errors[0], &errors[49]), (50, &"99".into(), &"1".into()));
}

thread_local! {
    /// Who looks at the board when a key is shown on this thread, once.
    static LOOKS: RefCell<Option<Board>> = const { RefCell::new(None) };
}

fn looks(key: &u32, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let Some(board) = LOOKS.take() {
        drop(events(&board).now_or_never().expect("it waits for nobody"));
    }
    write!(f, "{key}")
}

/// Whatever of the user's the board calls may call the board.
#[tokio::test]
async fn whoever_shows_a_key_may_look_at_the_board() {
    let flights: Group<u32, u32> = Group::builder().name("looks-test").show_keys(looks).build();
    let Entry::Leader(_leader) = flights.enter(&1) else { panic!("somebody else leads") };
    let (done, looked) = mpsc::channel();
    let runtime = Handle::current();
    // On a thread of its own, which may hang.
    std::thread::spawn(move || {
        let board = Board::new();
        LOOKS.set(Some(board.clone()));
        let mut stream = runtime.block_on(events(&board));
        assert!(LOOKS.take().is_none());
        let _ = done.send(runtime.block_on(sample(&mut stream)));
    });
    let looked = tokio::task::spawn_blocking(move || looked.recv_timeout(Duration::from_secs(60))).await.unwrap();
    let sample = looked.expect("nobody hangs");
    assert_eq!(named(&sample["flights"], "group", "looks-test")[0]["key"], "1");
}

#[tokio::test(start_paused = true)]
async fn so_many_may_look_and_then_no_more_until_some_leave() {
    let board = Board::new();
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(events(&board).await);
    }
    let refused = get(&board, "/board/events", Some(HERE), &[("host", "localhost")]).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(refused);
    streams.pop();
    let mut last = events(&board).await;
    // The first is what is known, the next is of the next second.
    for _ in 0..2 {
        sample(&mut last).await;
    }
    drop((streams, last));
    // Whoever comes after all have left starts it again.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut again = events(&board).await;
    for _ in 0..3 {
        sample(&mut again).await;
    }
}
