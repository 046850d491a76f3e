//! What is changed in messages, and what is not.

use crate::alone;
use crate::wire::*;

#[tokio::test]
async fn headers_of_one_connection_stay_there() {
    let _alone = alone().await;
    let mut upstream = Upstream::start().await;
    let proxy = proxy(upstream.address, |_| {}).await;
    let headers = "connection: keep-alive, x-mine\r\nx-mine: 1\r\nkeep-alive: 5\r\nte: trailers, deflate\r\nproxy-connection: a\r\nx-kept: 1\r\n";
    let mut client = Client::ask(&proxy, "GET /a?b=c", headers).await;
    let arrived = upstream.next().await;
    let head = arrived.head.to_lowercase();
    assert!(head.starts_with("get /a?b=c http/1.1\r\n"), "{head}");
    for gone in ["x-mine", "keep-alive", "proxy-connection", "deflate", "example.org"] {
        assert!(!head.contains(gone), "{gone} in {head}");
    }
    for there in ["x-kept: 1", "te: trailers", "via: 1.1 coflight", &format!("host: {}", upstream.address)] {
        assert!(head.contains(there), "{there} not in {head}");
    }
    arrived
        .answer(
            "connection: x-theirs\r\nx-theirs: 1\r\nkeep-alive: 5\r\nproxy-authenticate: a\r\nx-kept: 2\r\n",
            "body",
        )
        .await;
    let (head, body) = client.response().await;
    for gone in ["x-theirs", "keep-alive", "proxy-authenticate", "connection: close"] {
        assert!(!head.contains(gone), "{gone} in {head}");
    }
    for there in ["http/1.1 200", "x-kept: 2", "via: 1.1 coflight", "x-coflight: led"] {
        assert!(head.contains(there), "{there} not in {head}");
    }
    assert_eq!(body, "body");
    // The client's connection goes on.
    client.send("GET /next HTTP/1.1\r\nhost: a\r\n\r\n").await;
    upstream.next().await.answer("", "next").await;
    assert_eq!(client.response().await.1, "next");
}

#[tokio::test]
async fn options_change_what_is_sent() {
    let _alone = alone().await;
    let mut upstream = Upstream::start().await;
    let proxy = proxy(upstream.address, |options| {
        options.preserve_host = true;
        options.forward_client_address = true;
        options.header = false;
    })
    .await;
    let mut client = Client::ask(&proxy, "GET /", "x-forwarded-for: 192.0.2.1\r\n").await;
    let arrived = upstream.next().await;
    let head = arrived.head.to_lowercase();
    assert!(head.contains("host: example.org\r\n"), "{head}");
    assert!(
        head.contains("x-forwarded-for: 192.0.2.1\r\n") && head.contains("x-forwarded-for: 127.0.0.1\r\n"),
        "{head}"
    );
    arrived.answer("", "").await;
    assert!(!client.head().await.contains("x-coflight"));
}

#[tokio::test]
async fn many_clients_are_one_request() {
    let _alone = alone().await;
    let mut upstream = Upstream::start().await;
    let proxy = proxy(upstream.address, |_| {}).await;
    let mut clients = waiting_for(&proxy, "/slow", 20).await;
    let arrived = upstream.next().await;
    assert!(upstream.is_idle());
    arrived.answer("", "for all").await;
    let mut led = 0;
    for client in &mut clients {
        let (head, body) = client.response().await;
        assert_eq!(body, "for all");
        led += usize::from(head.contains("x-coflight: led"));
        assert!(head.contains("x-coflight: led") || head.contains("x-coflight: joined"), "{head}");
    }
    assert_eq!(led, 1);
    until(|| in_flight() == 0).await;
    assert!(upstream.is_idle());
}

#[tokio::test]
async fn what_is_for_one_is_for_one() {
    let _alone = alone().await;
    let mut upstream = Upstream::start().await;
    let proxy = proxy(upstream.address, |_| {}).await;
    let mut clients = waiting_for(&proxy, "/login", 3).await;
    upstream.next().await.answer("set-cookie: session=1\r\n", "1").await;
    // Both at once.
    let (second, third) = (upstream.next().await, upstream.next().await);
    second.answer("set-cookie: session=2\r\n", "2").await;
    third.answer("set-cookie: session=3\r\n", "3").await;
    let mut sessions = Vec::new();
    for (index, client) in clients.iter_mut().enumerate() {
        let (head, body) = client.response().await;
        assert!(head.contains(&format!("set-cookie: session={body}")), "{head}");
        assert!(head.contains(if index == 0 { "x-coflight: led" } else { "x-coflight: alone" }), "{head}");
        sessions.push(body);
    }
    sessions.sort();
    assert_eq!(sessions, ["1", "2", "3"]);
}

#[tokio::test]
async fn who_has_a_header_stripped_shares_with_nobody_who_has_it() {
    let _alone = alone().await;
    let mut upstream = Upstream::start().await;
    let proxy = proxy(upstream.address, |_| {}).await;
    // A part that cannot be read hides nothing of the rest.
    let connection = "accept-language: de\r\nconnection: accept-language, \u{e9}\r\n";
    let mut without = Client::ask(&proxy, "GET /", connection).await;
    let stripped = upstream.next().await;
    assert!(!stripped.head.contains("accept-language"), "{}", stripped.head);
    let mut with = Client::ask(&proxy, "GET /", "accept-language: de\r\n").await;
    until(|| in_flight() + waiting() == 2).await;
    assert_eq!(waiting(), 0);
    let whole = upstream.next().await;
    assert!(whole.head.contains("accept-language: de"), "{}", whole.head);
    let plainly = "accept-language: de\r\nconnection: accept-language\r\n";
    let mut joined = Client::ask(&proxy, "GET /", plainly).await;
    until(|| waiting() == 1).await;
    stripped.answer("vary: accept-language\r\n", "in any language").await;
    whole.answer("vary: accept-language\r\n", "auf Deutsch").await;
    assert_eq!(without.response().await.1, "in any language");
    assert_eq!(joined.response().await.1, "in any language");
    assert_eq!(with.response().await.1, "auf Deutsch");
}

#[tokio::test]
async fn chunks_come_as_they_are_sent_and_late_joiners_get_all() {
    let _alone = alone().await;
    let mut upstream = Upstream::start().await;
    let proxy = proxy(upstream.address, |_| {}).await;
    let mut first = Client::ask(&proxy, "GET /", "te: trailers\r\n").await;
    let mut arrived = upstream.next().await;
    arrived.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n4\r\none \r\n").await;
    assert!(first.head().await.contains("transfer-encoding: chunked"));
    assert_eq!(first.chunk().await, "one ");
    let mut late = Client::ask(&proxy, "GET /", "te: trailers\r\n").await;
    assert!(late.head().await.contains("x-coflight: joined"));
    assert_eq!(late.chunk().await, "one ");
    arrived.send("3\r\ntwo\r\n").await;
    assert_eq!((late.chunk().await, first.chunk().await), ("two".into(), "two".into()));
    arrived.send("0\r\nx-sum: 7\r\n\r\n").await;
    for client in [&mut first, &mut late] {
        assert_eq!(client.chunk().await, "");
        assert_eq!(client.bytes(12).await, "x-sum: 7\r\n\r\n");
    }
    assert!(upstream.is_idle());
}

#[tokio::test]
async fn a_head_request_has_the_length_and_no_body() {
    let _alone = alone().await;
    let mut upstream = Upstream::start().await;
    let proxy = proxy(upstream.address, |_| {}).await;
    let mut client = Client::ask(&proxy, "HEAD /", "").await;
    let mut arrived = upstream.next().await;
    assert!(arrived.head.starts_with("HEAD / "));
    arrived.send("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await;
    assert!(client.head().await.contains("content-length: 1000"));
    // Nothing follows but the next response.
    client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    upstream.next_on(&mut arrived).await;
    arrived.answer("", "body").await;
    assert_eq!(client.response().await.1, "body");
}

#[tokio::test]
async fn requests_with_effects_and_bodies_pass() {
    let _alone = alone().await;
    let mut upstream = Upstream::start().await;
    let proxy = proxy(upstream.address, |_| {}).await;
    let mut clients = Vec::new();
    for number in 0..2 {
        let mut client = Client::ask(&proxy, "POST /", "content-length: 6\r\n").await;
        client.send(&format!("body {number}")).await;
        clients.push(client);
    }
    for _ in 0..2 {
        let mut arrived = upstream.next().await;
        let mut body = [0; 6];
        in_time(tokio::io::AsyncReadExt::read_exact(&mut arrived.stream, &mut body)).await.unwrap();
        arrived.answer("", std::str::from_utf8(&body).unwrap()).await;
    }
    for (number, client) in clients.iter_mut().enumerate() {
        let (head, body) = client.response().await;
        assert_eq!(body, format!("body {number}"));
        assert!(!head.contains("x-coflight"), "{head}");
    }
    assert_eq!(coflight::registry::overview().total().calls(), 0);
}

#[tokio::test]
async fn an_upgraded_connection_is_a_tunnel() {
    let _alone = alone().await;
    let mut upstream = Upstream::start().await;
    let proxy = proxy(upstream.address, |_| {}).await;
    let mut client = Client::ask(&proxy, "GET /socket", "connection: Upgrade\r\nupgrade: echo\r\n").await;
    let mut arrived = upstream.next().await;
    let head = arrived.head.to_lowercase();
    assert!(head.contains("connection: upgrade\r\n") && head.contains("upgrade: echo\r\n"), "{head}");
    arrived.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").await;
    let head = client.head().await;
    assert!(head.starts_with("http/1.1 101") && head.contains("upgrade: echo"), "{head}");
    client.send("ping").await;
    let mut got = [0; 4];
    in_time(tokio::io::AsyncReadExt::read_exact(&mut arrived.stream, &mut got)).await.unwrap();
    assert_eq!(&got, b"ping");
    arrived.send("pong").await;
    assert_eq!(client.bytes(4).await, "pong");
    drop(arrived);
    assert!(client.rest().await.is_empty());
}

#[tokio::test]
async fn connect_is_refused_and_a_circle_ends() {
    let _alone = alone().await;
    let upstream = Upstream::start().await;
    let proxy = proxy(upstream.address, |_| {}).await;
    let mut client = Client::connect(&proxy).await;
    client.send("CONNECT example.org:443 HTTP/1.1\r\nhost: example.org\r\n\r\n").await;
    assert!(client.head().await.starts_with("http/1.1 405"));
    drop(proxy);
    // One whose upstream is itself: the address is known only when it listens.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let circle = crate::wire::proxy(free, |options| options.listen = free).await;
    let mut client = Client::get(&circle, "/").await;
    assert!(client.head().await.starts_with("http/1.1 508"));
}
