//! The client for the upstream, with its limits.

use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use coflight::tower::BoxError;
use http::header::{self, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tower::Service;

use crate::handler::Peer;
use crate::stall::Stalling;
use crate::{Options, hop, tunnel};

/// What this proxy calls itself in `via`; the same in requests and responses.
pub(crate) const VIA: HeaderValue = HeaderValue::from_static("1.1 coflight");

/// Sends requests to the upstream.
#[derive(Clone)]
pub(crate) struct Upstream {
    client: Client<HttpsConnector<HttpConnector>, Incoming>,
    scheme: Scheme,
    authority: Authority,
    host: Option<HeaderValue>,
    forward_client_address: bool,
    head_timeout: Duration,
    stall_timeout: Duration,
}

/// The upstream did not begin to answer in time.
#[derive(Debug)]
pub(crate) struct HeadTimedOut;

impl fmt::Display for HeadTimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the upstream did not begin to answer in time")
    }
}

impl std::error::Error for HeadTimedOut {}

impl Upstream {
    pub(crate) fn new(options: &Options) -> Result<Self, String> {
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots(options)?)
            .with_no_client_auth();
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_connect_timeout(Some(options.head_timeout));
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let connector = if options.http2 {
            connector.enable_http2().wrap_connector(http)
        } else {
            connector.enable_all_versions().wrap_connector(http)
        };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .timer(TokioTimer::new())
            .http2_only(options.http2)
            .build(connector);
        let scheme = options.upstream.scheme().cloned().unwrap_or(Scheme::HTTP);
        let authority = options.upstream.authority().cloned().ok_or("the upstream has no host")?;
        let host = HeaderValue::from_str(authority.as_str()).map_err(|error| error.to_string())?;
        Ok(Self {
            client,
            scheme,
            authority,
            host: (!options.preserve_host).then_some(host),
            forward_client_address: options.forward_client_address,
            head_timeout: options.head_timeout,
            stall_timeout: options.stall_timeout,
        })
    }

    /// The request as the upstream is to see it.
    fn outgoing(&self, mut request: Request<Incoming>) -> Request<Incoming> {
        let upgrade = hop::upgrade(request.headers());
        let trailers = hop::takes_trailers(request.headers());
        let path = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        let client_host =
            request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
        let headers = request.headers_mut();
        hop::strip(headers);
        match (&self.host, client_host) {
            (Some(host), _) => drop(headers.insert(header::HOST, host.clone())),
            // HTTP/2 clients say it elsewhere.
            (None, Some(host)) => drop(headers.insert(header::HOST, host)),
            (None, None) => {}
        }
        if let Some(upgrade) = upgrade {
            hop::set_upgrade(headers, upgrade);
        }
        if trailers {
            headers.insert(header::TE, HeaderValue::from_static("trailers"));
        }
        headers.append(header::VIA, VIA);
        if self.forward_client_address {
            if let Some(Peer(peer)) = request.extensions().get().copied() {
                if let Ok(address) = HeaderValue::from_str(&peer.ip().to_string()) {
                    request.headers_mut().append("x-forwarded-for", address);
                }
            }
        }
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(self.scheme.clone());
        uri.authority = Some(self.authority.clone());
        uri.path_and_query = Some(path);
        *request.uri_mut() = Uri::from_parts(uri).unwrap_or_default();
        *request.version_mut() = Version::HTTP_11;
        request
    }
}

fn roots(options: &Options) -> Result<RootCertStore, String> {
    let Some(file) = &options.upstream_ca else {
        return Ok(RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() });
    };
    let cannot = |error: &dyn fmt::Display| format!("cannot read certificates from {}: {error}", file.display());
    let mut roots = RootCertStore::empty();
    let pem = File::open(file).map_err(|error| cannot(&error))?;
    for certificate in CertificateDer::pem_reader_iter(BufReader::new(pem)) {
        let certificate = certificate.map_err(|error| cannot(&error))?;
        roots.add(certificate).map_err(|error| cannot(&error))?;
    }
    if roots.is_empty() { Err(cannot(&"there are none in it")) } else { Ok(roots) }
}

/// A response's body.
pub(crate) type Received = Stalling<Incoming>;

impl Service<Request<Incoming>> for Upstream {
    type Response = Response<Received>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Incoming>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let client = hop::upgrade(request.headers()).map(|_| hyper::upgrade::on(&mut request));
            let answered = tokio::time::timeout(this.head_timeout, this.client.request(this.outgoing(request)));
            let mut response = answered.await.map_err(|_| HeadTimedOut)??;
            let upgrade = hop::upgrade(response.headers());
            hop::strip(response.headers_mut());
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                if let (Some(client), Some(upgrade)) = (client, upgrade) {
                    hop::set_upgrade(response.headers_mut(), upgrade);
                    tunnel::join(client, hyper::upgrade::on(&mut response));
                }
            }
            response.headers_mut().append(header::VIA, VIA);
            *response.version_mut() = Version::HTTP_11;
            Ok(response.map(|body| Stalling::new(body, this.stall_timeout)))
        })
    }
}
