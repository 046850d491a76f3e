//! Connections: accepting, bounding, ending them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_io_timeout::TimeoutStream;

use crate::Options;
use crate::handler::Handler;

/// A proxy that runs.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    admin: String,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<usize>,
}

impl Proxy {
    /// Starts one, on the runtime at hand.
    ///
    /// # Errors
    ///
    /// One line that says what is wrong: it cannot listen, or read certificates.
    pub async fn start(options: Options) -> Result<Self, String> {
        let handler = Handler::new(&options)?;
        let cannot = |error| format!("cannot listen on {}: {error}", options.listen);
        let listener = TcpListener::bind(options.listen).await.map_err(cannot)?;
        let address = listener.local_addr().map_err(cannot)?;
        let (stop, stopped) = watch::channel(false);
        let admin = options.admin.clone();
        let accepting = tokio::spawn(accept(listener, handler, options, stopped));
        Ok(Self { address, admin, stop, accepting })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What stands before `/board` and `/metrics`.
    #[must_use]
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Accepts no more connections, lets requests in progress finish, and cuts off what is left after the time for that; says how many
    /// connections that were.
    pub async fn shut_down(self) -> usize {
        self.stop.send_replace(true);
        self.accepting.await.unwrap_or(0)
    }
}

/// Until it is told to stop; returns how many connections had to be cut off.
async fn accept(
    listener: TcpListener,
    handler: Handler,
    options: Options,
    mut stopped: watch::Receiver<bool>,
) -> usize {
    let places = Arc::new(Semaphore::new(options.max_connections.min(Semaphore::MAX_PERMITS)));
    let graceful = GracefulShutdown::new();
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let accepted = async {
            // First a place: whoever has none waits in the kernel's queue.
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            () = async { drop(stopped.wait_for(|stopped| *stopped).await) } => break,
            // Those that ended.
            Some(_) = connections.join_next() => {}
            (Ok(place), accepted) = accepted => match accepted {
                Ok((stream, peer)) => {
                    let connection = connection(stream, peer, handler.clone(), &options, &graceful, place);
                    connections.spawn(connection);
                }
                // Too many open files, for instance: others end, and then there is room again.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
    drop(listener);
    let _ = tokio::time::timeout(options.grace, graceful.shutdown()).await;
    while connections.try_join_next().is_some() {}
    let left = connections.len();
    connections.shutdown().await;
    left
}

fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    handler: Handler,
    options: &Options,
    graceful: &GracefulShutdown,
    place: OwnedSemaphorePermit,
) -> impl Future<Output = ()> + Send + use<> {
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    // A client that takes nothing is not waited for. One that says nothing is the business of the time for a request's head.
    stream.set_write_timeout(Some(options.stall_timeout));
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(options.stall_timeout);
    server
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(options.stall_timeout)
        .keep_alive_timeout(options.stall_timeout);
    let service = service_fn(move |request| {
        let handler = handler.clone();
        async move { Ok::<_, Infallible>(handler.handle(peer, request).await) }
    });
    let connection = server.serve_connection_with_upgrades(TokioIo::new(Box::pin(stream)), service).into_owned();
    let connection = graceful.watch(connection);
    async move {
        let gauge = metrics::gauge!("proxy_connections");
        gauge.increment(1);
        // What goes wrong with a connection is its client's business.
        let _ = connection.await;
        gauge.decrement(1);
        drop(place);
    }
}
