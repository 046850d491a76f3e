//! An upstream for the proxy's checks: what it answers is in the path, and it says how often it was asked.
//!
//! | path | answers |
//! |---|---|
//! | `/slow?ms=200` | after so long, with the number of this request |
//! | `/bytes?n=1000000` | so many bytes, in chunks |
//! | `/drip?n=50&ms=100` | so many lines, one after each pause |
//! | `/die?n=100000` | so many bytes of more that were promised, and breaks off |
//! | `/cookie` | after 100 ms, with a cookie that is the number of this request |
//! | any of these with `wait=100` | the same, after so many milliseconds |
//! | `/reset` | the same, counting anew |
//! | `/counts` | how many requests there were, and for how many of one path and query at a time, as JSON |

use std::collections::HashMap;
use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::channel::Channel;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::TcpListener;

type Answer = BoxBody<Bytes, std::io::Error>;

#[derive(Default)]
struct Counts {
    all: u64,
    now: HashMap<String, u64>,
    most_at_a_time: u64,
}

/// A request in progress.
struct Counted {
    counts: Arc<Mutex<Counts>>,
    what: String,
    number: u64,
}

impl Counted {
    fn new(counts: &Arc<Mutex<Counts>>, what: String) -> Self {
        let mut locked = counts.lock().unwrap_or_else(PoisonError::into_inner);
        locked.all += 1;
        let now = locked.now.entry(what.clone()).or_default();
        *now += 1;
        let now = *now;
        locked.most_at_a_time = locked.most_at_a_time.max(now);
        let number = locked.all;
        drop(locked);
        Self { counts: Arc::clone(counts), what, number }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut locked = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(now) = locked.now.get_mut(&self.what) {
            *now -= 1;
            if *now == 0 {
                locked.now.remove(&self.what);
            }
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let Some(address) = std::env::args().nth(1) else {
        eprintln!("error: say where to listen: origin 127.0.0.1:9000");
        return ExitCode::from(2);
    };
    let listener = match TcpListener::bind(&address).await {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("error: cannot listen on {address}: {error}");
            return ExitCode::FAILURE;
        }
    };
    match listener.local_addr() {
        Ok(address) => eprintln!("listening on http://{address}"),
        Err(error) => eprintln!("listening on {address}, says its argument: {error}"),
    }
    let counts = Arc::new(Mutex::new(Counts::default()));
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let counts = Arc::clone(&counts);
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&counts)));
            let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, counts: Arc<Mutex<Counts>>) -> Result<Response<Answer>, Infallible> {
    let path = request.uri().path();
    if path == "/counts" || path == "/reset" {
        let mut locked = counts.lock().unwrap_or_else(PoisonError::into_inner);
        if path == "/reset" {
            (locked.all, locked.most_at_a_time) = (0, 0);
        }
        return Ok(text(format!("{{\"requests\":{},\"most_at_a_time\":{}}}\n", locked.all, locked.most_at_a_time)));
    }
    let counted = Counted::new(&counts, request.uri().to_string());
    let number = |name: &str, default: u64| {
        let pairs = request.uri().query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).find_map(|(_, value)| value.parse().ok()).unwrap_or(default)
    };
    let pause = Duration::from_millis(number("ms", 100));
    tokio::time::sleep(Duration::from_millis(number("wait", 0))).await;
    Ok(match path {
        "/slow" => {
            tokio::time::sleep(pause).await;
            text(format!("answer {}\n", counted.number))
        }
        "/cookie" => {
            tokio::time::sleep(pause).await;
            let mut response = text(format!("{}\n", counted.number));
            response.headers_mut().insert("set-cookie", counted.number.into());
            response
        }
        "/bytes" => stream(counted, number("n", 1000), Duration::ZERO, None),
        "/drip" => stream(counted, 5 * number("n", 50), pause, None),
        "/die" => stream(counted, 2 * number("n", 1000), Duration::ZERO, Some(number("n", 1000))),
        _ => {
            let mut response = text("there is no such path\n".into());
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    })
}

fn text(text: String) -> Response<Answer> {
    Response::new(Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed())
}

/// `total` bytes: lines with pauses between, or large pieces; broken off after some.
fn stream(counted: Counted, total: u64, pause: Duration, dies_after: Option<u64>) -> Response<Answer> {
    let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(4);
    tokio::spawn(async move {
        let _counted = counted;
        let piece = if pause.is_zero() { Bytes::from(vec![b'x'; 1 << 16]) } else { Bytes::from_static(b"drip\n") };
        let mut sent = 0;
        while sent < dies_after.unwrap_or(total) {
            let length = (total - sent).min(piece.len() as u64);
            if sender.send(Frame::data(piece.slice(..length as usize))).await.is_err() {
                return;
            }
            sent += length;
            if !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
        }
        if dies_after.is_some() {
            sender.abort(std::io::Error::other("dies midway"));
        }
    });
    let mut response = Response::new(body.boxed());
    debug_assert!(!response.body().is_end_stream());
    response.headers_mut().insert("content-length", total.into());
    response
}
