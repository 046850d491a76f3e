//! The same question over HTTP: a server that coalesces in its handler, and clients on real sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode, header};
use axum::routing::get;
use axum::{Json, Router};
use coflight::{Group, Tokio};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::ask::Flights;
use crate::backend::Backend;
use crate::crowd::{Answer, Stand};
use crate::database::{Database, Row, Rows};

/// How many sockets the clients have between them.
pub const SOCKETS: usize = 100;

/// A server on a port of its own, until it is dropped.
pub struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Server {
    pub async fn start(database: Arc<Database>, coalesced: bool) -> Result<Self, String> {
        let listen = async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            Ok((listener.local_addr()?, listener))
        };
        let (address, listener) = listen.await.map_err(|error: std::io::Error| format!("cannot listen: {error}"))?;
        let flights = coalesced.then(|| Group::with_runtime(Tokio::current()));
        let shops = Router::new().route("/shops/{shop}", get(bestsellers)).with_state(Service { database, flights });
        let task = tokio::spawn(async move {
            let _ = axum::serve(listener, shops).await; // never returns
        });
        Ok(Self { address, task })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Service {
    database: Arc<Database>,
    flights: Option<Flights<Tokio>>,
}

/// The handler. With `try_spawn` a client that hangs up takes nothing from the others: the work is nobody's own.
async fn bestsellers(
    State(service): State<Service>,
    Path(shop): Path<u32>,
) -> Result<Json<Rows>, (StatusCode, String)> {
    let Service { database, flights } = service;
    let work = || database.fetch(Tokio::current(), shop);
    let rows = match flights {
        Some(flights) => flights.try_spawn(&shop, work).await.map_err(|error| error.to_string()),
        None => work().await.map_err(|failure| failure.to_string()),
    };
    rows.map(Json).map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error))
}

/// Brings clients to the gate. All requests are due when it opens: those that wait for a socket wait on the clock.
pub async fn connect(
    server: &Server,
    connections: usize,
    requests: usize,
    keys: usize,
    stand: &Stand,
) -> Result<(), String> {
    let next = Arc::new(AtomicUsize::new(0));
    for _ in 0..connections {
        let mut client = Client { address: server.address, sender: None };
        client.connect().await?;
        let (next, stand) = (Arc::clone(&next), stand.clone());
        tokio::spawn(async move {
            let opened = stand.gate.pass().await;
            loop {
                let request = next.fetch_add(1, Ordering::Relaxed);
                if request >= requests {
                    break;
                }
                let shop = (request % keys) as u32;
                stand.tell(shop, opened, client.get(shop).await);
            }
        });
    }
    Ok(())
}

/// One socket, kept alive from request to request.
struct Client {
    address: SocketAddr,
    /// None until connected, and after a failure.
    sender: Option<SendRequest<Empty<Bytes>>>,
}

impl Client {
    async fn connect(&mut self) -> Result<&mut SendRequest<Empty<Bytes>>, String> {
        if self.sender.is_none() {
            let stream = TcpStream::connect(self.address).await.map_err(|error| format!("cannot connect: {error}"))?;
            let (sender, connection) =
                http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
            tokio::spawn(connection); // what goes wrong there is told to the sender
            self.sender = Some(sender);
        }
        self.sender.as_mut().ok_or_else(|| "not connected".into())
    }

    async fn get(&mut self, shop: u32) -> Answer {
        let answer = self.try_get(shop).await;
        if answer.is_err() {
            self.sender = None;
        }
        answer
    }

    async fn try_get(&mut self, shop: u32) -> Answer {
        let request = Request::get(format!("/shops/{shop}")).header(header::HOST, self.address.to_string());
        let request = request.body(Empty::new()).map_err(|error| error.to_string())?;
        let sender = self.connect().await?;
        sender.ready().await.map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(|error| error.to_string())?.to_bytes();
        if status != StatusCode::OK {
            return Err(format!("{status}: {}", String::from_utf8_lossy(&body)));
        }
        let rows: Vec<Row> = serde_json::from_slice(&body).map_err(|error| format!("not rows: {error}"))?;
        Ok(rows.into())
    }
}
