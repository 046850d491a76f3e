//! The page that Prometheus scrapes, and a scrape of our own.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{Request, StatusCode, header};
use axum::routing::get;
use coflight::Stats;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::{TcpListener, TcpStream};

use crate::service::{NAME, Quotes};

/// How often the page is scraped until it agrees: another thread may be about to tell the last event.
const SCRAPES: usize = 50;

/// The page, for as long as the program runs.
pub struct Page {
    address: SocketAddr,
}

impl Page {
    pub async fn serve(recorder: PrometheusHandle, port: u16) -> Result<Self, String> {
        let listen = async {
            let listener = TcpListener::bind(("127.0.0.1", port)).await?;
            Ok((listener.local_addr()?, listener))
        };
        let (address, listener) = listen.await.map_err(|error: io::Error| format!("cannot listen: {error}"))?;
        let page = move || {
            let (page, kind) = (recorder.render(), "text/plain; version=0.0.4; charset=utf-8");
            async move { ([(header::CONTENT_TYPE, kind)], page) }
        };
        let pages = Router::new().route("/metrics", get(page));
        tokio::spawn(async move { axum::serve(listener, pages).await });
        Ok(Self { address })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Scrapes the page, and holds it against the accounts. What is said of it is an error if they disagree.
    pub async fn agrees(&self, quotes: &Quotes) -> Result<String, String> {
        let mut scrapes = 0;
        loop {
            let (page, stats) = (self.scrape().await?, quotes.stats());
            let (table, agrees) = compare(&page, &stats);
            scrapes += 1;
            if agrees {
                return Ok(format!("{page}\n{table}\nagrees with stats(): {stats}"));
            }
            if scrapes == SCRAPES {
                return Err(format!("{page}\n{table}\ndisagrees with stats(): {stats}"));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The page, as anybody gets it.
    async fn scrape(&self) -> Result<String, String> {
        let stream = TcpStream::connect(self.address).await.map_err(|error| format!("cannot connect: {error}"))?;
        let connected = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = connected.map_err(|error| error.to_string())?;
        tokio::spawn(connection); // what goes wrong there is told to the sender
        let request = Request::get("/metrics").header(header::HOST, self.address.to_string());
        let request = request.body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        if status != StatusCode::OK {
            return Err(format!("the page says {status}"));
        }
        String::from_utf8(body.into()).map_err(|error| error.to_string())
    }
}

/// A table of what the page and the accounts say, and whether they say the same.
fn compare(page: &str, stats: &Stats) -> (String, bool) {
    let scraped: BTreeMap<_, _> = page.lines().filter_map(|line| line.rsplit_once(' ')).collect();
    let (mut table, mut agrees) = (format!("{:<26}{:>8}{:>8}\n", "", "page", "stats"), true);
    for (name, count) in accounts(stats) {
        let metric = format!("{name}{{group=\"{NAME}\"}}");
        let page = scraped.get(&*metric).copied().unwrap_or("-");
        let same = page == count.to_string();
        let _ = writeln!(table, "{name:<26}{page:>8}{count:>8}{}", if same { "" } else { "  !" });
        agrees &= same;
    }
    (table, agrees)
}

fn accounts(stats: &Stats) -> [(&'static str, u64); 16] {
    [
        ("coflight_hits_total", stats.hits()),
        ("coflight_misses_total", stats.misses()),
        ("coflight_lingered_total", stats.lingered),
        ("coflight_refused_total", stats.refused),
        ("coflight_completed_total", stats.completed),
        ("coflight_errors_total", stats.failed),
        ("coflight_panics_total", stats.panicked),
        ("coflight_timeouts_total", stats.timed_out),
        ("coflight_cancelled_total", stats.cancelled),
        ("coflight_abandoned_total", stats.abandoned),
        ("coflight_released_total", stats.released),
        ("coflight_handovers_total", stats.handovers),
        ("coflight_overtakes_total", stats.overtakes),
        ("coflight_retries_total", stats.retries),
        ("coflight_alone_total", stats.alone),
        ("coflight_flights", stats.in_flight),
    ]
}
