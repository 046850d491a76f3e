//! One request: to the board, or through the layer to the upstream; logged and counted.

use std::hash::RandomState;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::ConnectInfo;
use axum::routing::get;
use coflight::board::Board;
use coflight::tower::{Coalesce, CoalesceLayer, Error, FlightKey, KeyPolicy, Part};
use coflight::{Group, Metrics, Tokio};
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Either;
use hyper::body::Incoming;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tower::{Layer, Service, ServiceExt};

use crate::Options;
use crate::access_log::{AccessLog, Entry};
use crate::outgoing::{Answering, Outgoing, Watch};
use crate::upstream::{HeadTimedOut, Upstream, VIA};

/// The client's address, in a request's extensions.
#[derive(Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// What answers requests. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Handler {
    proxy: Coalesce<Upstream>,
    admin: axum::Router,
    prefix: Arc<str>,
    log: AccessLog,
}

/// The recorder is the process's own, so there is one.
fn prometheus() -> PrometheusHandle {
    static HANDLE: std::sync::OnceLock<PrometheusHandle> = std::sync::OnceLock::new();
    let install = || {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        // Somebody else's recorder gets the numbers then.
        let _ = metrics::set_global_recorder(recorder);
        handle
    };
    HANDLE.get_or_init(install).clone()
}

impl Handler {
    pub(crate) fn new(options: &Options) -> Result<Self, String> {
        let handle = prometheus();
        let mut board = Board::new();
        if let Some(token) = &options.token {
            board = board.token(token.clone());
        }
        let mut flights = Group::builder()
            .runtime(Tokio::current())
            // Clients choose the keys.
            .hasher(RandomState::new())
            .name("proxy")
            .timed()
            .max_flights(options.max_flights)
            .show_keys(FlightKey::show)
            .observer(board.observer())
            .observer(Metrics::new("proxy"));
        if let Some(timeout) = options.timeout {
            flights = flights.timeout(timeout);
        }
        let mut policy = KeyPolicy::new().ignore(options.ignore.clone());
        if options.forward_client_address {
            // What the upstream is told may change its answer.
            policy = policy.also(|request| match request.extensions.get() {
                Some(Peer(peer)) => peer.ip().to_string().into_bytes(),
                None => Vec::new(),
            });
        }
        let layer = CoalesceLayer::new(flights.build())
            .policy(policy)
            .keep(options.keep)
            .keep_in_all(options.keep_in_all)
            .beyond(options.beyond)
            .header(options.header.then_some(HeaderName::from_static("x-coflight")));
        let proxy = layer.layer(Upstream::new(options)?);
        let kept = proxy.clone();
        let show = move || {
            metrics::gauge!("proxy_kept_bytes").set(kept.kept() as f64);
            handle.run_upkeep();
            let text = handle.render();
            async { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text) }
        };
        let metrics = board.guard(axum::Router::new().route("/metrics", get(show)));
        let admin = axum::Router::new().nest("/board", board.router()).merge(metrics);
        let admin = if options.admin.is_empty() { admin } else { axum::Router::new().nest(&options.admin, admin) };
        let log = if options.access_log { AccessLog::to_stdout() } else { AccessLog::off() };
        Ok(Self { proxy, admin, prefix: options.admin.as_str().into(), log })
    }

    /// Whether it is for the proxy itself.
    fn is_admin(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix(&*self.prefix) else { return false };
        ["/board", "/metrics"].iter().any(|own| {
            rest.strip_prefix(own).is_some_and(|after| after.is_empty() || (*own == "/board" && after.starts_with('/')))
        })
    }

    /// Never fails: what goes wrong is answered.
    pub(crate) async fn handle(self, peer: SocketAddr, mut request: Request<Incoming>) -> Response<Outgoing> {
        if self.is_admin(request.uri().path()) {
            request.extensions_mut().insert(ConnectInfo(peer));
            let response = self.admin.oneshot(request).await.unwrap_or_else(|never| match never {});
            return response.map(|body| Outgoing::new(Either::Right(body), None));
        }
        request.extensions_mut().insert(Peer(peer));
        let (head, body) = request.into_parts();
        let entry = Entry { peer, shown: KeyPolicy::shown(&head), began: Instant::now() };
        let request = Request::from_parts(head, body);
        let refused = refusal(&request);
        let response = match refused {
            Some((status, text)) => text_response(status, text),
            None => self.proxied(request).await,
        };
        let part = response.extensions().get().map_or("passed", |part: &Part| part.name());
        let status = response.status();
        metrics::counter!("proxy_requests_total", "part" => part, "status" => status.as_u16().to_string()).increment(1);
        let watch = Watch::new(entry, self.log, status, part);
        response.map(|body| Outgoing::new(body, Some(watch)))
    }

    async fn proxied(&self, request: Request<Incoming>) -> Response<Answering> {
        match self.proxy.clone().call(request).await {
            Ok(response) => response.map(Either::Left),
            Err(error) if timed_out(&error) => {
                text_response(StatusCode::GATEWAY_TIMEOUT, "the upstream did not begin to answer in time\n")
            }
            Err(error) => error.answer().map(Either::Left),
        }
    }
}

fn timed_out(error: &Error) -> bool {
    matches!(error, Error::Service(error) if error.is::<HeadTimedOut>())
}

/// What is not proxied at all.
fn refusal(request: &Request<Incoming>) -> Option<(StatusCode, &'static str)> {
    if request.method() == Method::CONNECT {
        return Some((StatusCode::METHOD_NOT_ALLOWED, "this proxy has one upstream, and does not connect elsewhere\n"));
    }
    let passed = request.headers().get_all(header::VIA).iter().filter_map(|value| value.to_str().ok());
    let hops = passed.flat_map(|value| value.split(',')).filter(|hop| VIA == hop.trim()).count();
    // Some in a row are nobody's mistake; a circle would not end.
    (hops >= 10).then_some((StatusCode::LOOP_DETECTED, "the upstream leads back here\n"))
}

fn text_response(status: StatusCode, text: &'static str) -> Response<Answering> {
    let mut response = Response::new(Either::Right(axum::body::Body::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
