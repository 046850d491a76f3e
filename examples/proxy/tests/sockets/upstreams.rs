//! Upstreams that speak HTTP/2 or TLS, are not there, or do not answer.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use coflight_proxy::Options;
use http::{HeaderMap, Request, Response, Version};
use http_body_util::channel::Channel;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::alone;
use crate::wire::*;

/// Says how it was asked, with a trailer.
async fn describe(request: Request<Incoming>) -> Result<Response<Channel<bytes::Bytes>>, Infallible> {
    let text = format!("{:?} {} {:?}", request.version(), request.uri(), request.headers().get("host"));
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "7".parse().unwrap());
    let (mut sender, body) = Channel::new(2);
    sender.send_data(bytes::Bytes::from(text)).await.unwrap();
    sender.send_trailers(trailers).await.unwrap();
    let mut response = Response::new(body);
    response.headers_mut().insert("trailer", "x-sum".parse().unwrap());
    Ok(response)
}

/// A server of HTTP/1 and HTTP/2, behind TLS if there is an acceptor.
async fn serve(tls: Option<TlsAcceptor>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let _ = match tls {
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => server.serve_connection(TokioIo::new(stream), service_fn(describe)).await,
                        Err(_) => return,
                    },
                    None => server.serve_connection(TokioIo::new(stream), service_fn(describe)).await,
                };
            });
        }
    });
    address
}

#[tokio::test]
async fn http2_with_prior_knowledge() {
    let _alone = alone().await;
    let upstream = serve(None).await;
    let proxy = proxy(upstream, |options| options.http2 = true).await;
    let mut client = Client::ask(&proxy, "GET /a?b", "te: trailers\r\n").await;
    client.head().await;
    let text = client.chunk().await;
    assert!(text.starts_with(&format!("{:?} http://{upstream}/a?b", Version::HTTP_2)), "{text}");
    assert_eq!((client.chunk().await.as_str(), client.bytes(12).await.as_str()), ("", "x-sum: 7\r\n\r\n"));
}

#[tokio::test]
async fn https_by_the_protocol_that_both_like_best() {
    let _alone = alone().await;
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), made.cert.pem()).unwrap();
    for (protocols, version) in
        [(vec![b"h2".to_vec(), b"http/1.1".to_vec()], Version::HTTP_2), (vec![b"http/1.1".to_vec()], Version::HTTP_11)]
    {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![made.cert.der().clone()],
                rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = protocols;
        let port = serve(Some(TlsAcceptor::from(Arc::new(config)))).await.port();
        let start = |trusted: bool| {
            let mut options = Options::new(format!("https://localhost:{port}").parse().unwrap());
            options.listen = "127.0.0.1:0".parse().unwrap();
            options.access_log = false;
            options.upstream_ca = trusted.then(|| ca.path().to_owned());
            coflight_proxy::Proxy::start(options)
        };
        let proxy = start(true).await.unwrap();
        let mut client = Client::ask(&proxy, "GET /", "te: trailers\r\n").await;
        let head = client.head().await;
        let text = client.chunk().await;
        assert!(text.starts_with(&format!("{version:?} ")) && text.contains("localhost"), "{head}{text}");
        // The web's certificates do not vouch for it.
        let proxy = start(false).await.unwrap();
        let mut client = Client::get(&proxy, "/").await;
        let (head, body) = client.response().await;
        assert!(head.starts_with("http/1.1 502"), "{head}");
        // Why is for the operator, not for the client.
        assert_eq!(body, "the service behind failed\n");
    }
}

#[tokio::test]
async fn an_upstream_that_is_not_there() {
    let _alone = alone().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = proxy(free, |_| {}).await;
    assert!(Client::get(&proxy, "/").await.response().await.0.starts_with("http/1.1 502"));
    assert!(
        Client::ask(&proxy, "POST /", "content-length: 0\r\n").await.response().await.0.starts_with("http/1.1 502")
    );
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_or_stops_midway() {
    let _alone = alone().await;
    let mut upstream = Upstream::start().await;
    let proxy = proxy(upstream.address, |options| {
        options.head_timeout = Duration::from_millis(200);
        options.stall_timeout = Duration::from_millis(200);
    })
    .await;
    let mut clients = [Client::get(&proxy, "/").await, Client::get(&proxy, "/").await];
    let arrived = upstream.next().await;
    for client in &mut clients {
        assert!(client.response().await.0.starts_with("http/1.1 504"));
    }
    drop((arrived, clients));
    let mut client = Client::get(&proxy, "/other").await;
    // The second of those may have come too late for the flight of the first, and asked the upstream as well.
    let mut arrived = upstream.next().await;
    while !arrived.head.starts_with("GET /other ") {
        arrived = upstream.next().await;
    }
    arrived.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nsome\r\n").await;
    client.head().await;
    assert_eq!(client.chunk().await, "some");
    assert_eq!(client.rest().await, b"");
    until(|| in_flight() == 0).await;
}

#[tokio::test]
async fn more_flights_than_allowed_are_refused() {
    let _alone = alone().await;
    let mut upstream = Upstream::start().await;
    let proxy = proxy(upstream.address, |options| options.max_flights = 1).await;
    let mut first = Client::get(&proxy, "/1").await;
    let arrived = upstream.next().await;
    let (head, _) = Client::get(&proxy, "/2").await.response().await;
    assert!(head.starts_with("http/1.1 503") && head.contains("retry-after: 1"), "{head}");
    let mut joins = Client::get(&proxy, "/1").await;
    until(|| waiting() == 1).await;
    arrived.answer("", "1").await;
    assert_eq!((first.response().await.1, joins.response().await.1), ("1".into(), "1".into()));
}

#[tokio::test]
async fn a_whole_exchange_may_take_so_long() {
    let _alone = alone().await;
    let mut upstream = Upstream::start().await;
    let proxy = proxy(upstream.address, |options| options.timeout = Some(Duration::from_millis(300))).await;
    let mut clients = [Client::get(&proxy, "/").await, Client::get(&proxy, "/").await];
    let _arrived = upstream.next().await;
    for client in &mut clients {
        assert!(client.response().await.0.starts_with("http/1.1 504"));
    }
}
