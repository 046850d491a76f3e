//! The board and the numbers, for whoever may see them; and what can be chosen.

use coflight_proxy::{HELP, Options};

use crate::alone;
use crate::wire::*;

async fn status(proxy: &coflight_proxy::Proxy, path: &str, headers: &str) -> String {
    let mut client = Client::connect(proxy).await;
    client.send(&format!("GET {path} HTTP/1.1\r\n{headers}\r\n")).await;
    client.head().await.lines().next().unwrap_or_default()[9..12].to_owned()
}

#[tokio::test]
async fn the_board_and_the_numbers_are_for_this_machine() {
    let _alone = alone().await;
    let mut upstream = Upstream::start().await;
    let proxy = proxy(upstream.address, |_| {}).await;
    for path in ["/board", "/board/events", "/metrics"] {
        assert_eq!(status(&proxy, path, "host: localhost\r\n").await, "200", "{path}");
        assert_eq!(status(&proxy, path, "host: evil.example\r\n").await, "403", "{path}");
        assert_eq!(status(&proxy, path, "host: localhost\r\nx-forwarded-for: 192.0.2.1\r\n").await, "403", "{path}");
    }
    // Others are the upstream's.
    for path in ["/boards", "/metrics/a", "/"] {
        let mut client = Client::get(&proxy, path).await;
        upstream.next().await.answer("", "").await;
        assert!(client.head().await.starts_with("http/1.1 200"));
    }
    let mut client = Client::ask(&proxy, "GET /metrics", "").await;
    assert!(client.head().await.starts_with("http/1.1 403"));
    let mut client = Client::connect(&proxy).await;
    client.send("GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    let (_, numbers) = client.response().await;
    for name in ["proxy_requests_total{", "proxy_kept_bytes", "proxy_connections", "coflight_"] {
        assert!(numbers.contains(name), "{name} not in {numbers}");
    }
}

#[tokio::test]
async fn elsewhere_and_with_a_token() {
    let _alone = alone().await;
    let mut upstream = Upstream::start().await;
    let proxy = proxy(upstream.address, |options| {
        options.admin = "/_proxy".into();
        options.token = Some("secret".into());
    })
    .await;
    for path in ["/_proxy/board", "/_proxy/metrics", "/_proxy/board/events"] {
        assert_eq!(status(&proxy, path, "host: localhost\r\n").await, "401", "{path}");
        assert_eq!(status(&proxy, path, "host: a.example\r\nauthorization: Bearer secret\r\n").await, "200", "{path}");
    }
    let mut client = Client::get(&proxy, "/board").await;
    upstream.next().await.answer("", "the upstream's").await;
    assert_eq!(client.response().await.1, "the upstream's");
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let parse = |line: &str| Options::parse(line.split_whitespace().map(Into::into));
    for (line, says) in [
        ("", "--upstream is missing"),
        ("--upstream example.org", "http://HOST"),
        ("--upstream ftp://example.org", "http://HOST"),
        ("--upstream http://example.org/path", "http://HOST"),
        ("--upstream http://user@example.org", "http://HOST"),
        ("--upstream http://a --listen nowhere", "nowhere"),
        ("--upstream http://a --keep -1", "-1"),
        ("--upstream http://a --beyond never", "close or cut-off"),
        ("--upstream http://a --timeout 0", "above 0"),
        ("--upstream http://a --timeout NaN", "above 0"),
        ("--upstream http://a --admin here", "begins with '/'"),
        ("--upstream http://a --admin /{here}", "begins with '/'"),
        ("--upstream http://a --token", "missing"),
        ("--upstream http://a --max-flights 0", "limit of 0"),
        ("--upstream http://a --ignore-header a:b", "a:b"),
        ("--upstreams http://a", "--upstreams"),
        ("--upstream http://a more", "more"),
    ] {
        let error = parse(line).expect_err(line);
        assert!(error.contains(says) && !error.contains('\n'), "{line}: {error}");
    }
    assert!(parse("--help").unwrap().is_none());
    let all = parse(
        "--upstream https://a:1 --listen [::1]:1 --http2 --upstream-ca f --preserve-host --forward-client-address --ignore-header a \
         --max-flights 1 --max-connections 2 --head-timeout 0.5 --stall-timeout 3 --timeout 4 --keep 5 --keep-in-all 6 --beyond close \
         --no-header --admin /a/ --token t --no-access-log --grace 7",
    )
    .unwrap()
    .unwrap();
    assert_eq!((all.admin.as_str(), all.keep, all.keep_in_all, all.header), ("/a", 5, 6, false));
    // Help names every option there is.
    for option in "upstream listen http2 upstream-ca preserve-host forward-client-address ignore-header max-flights max-connections \
        head-timeout stall-timeout timeout keep keep-in-all beyond no-header admin token no-access-log grace"
        .split_whitespace()
    {
        assert!(HELP.contains(&format!("\n  --{option} ")), "{option}");
    }
}
