//! Both ends of the proxy, by hand: an upstream that answers when the test says so, clients that send and read bytes.

use std::net::SocketAddr;
use std::time::Duration;

use coflight_proxy::{Options, Proxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// What would be a hang otherwise.
const TOO_LONG: Duration = Duration::from_secs(20);

/// A request that arrived at the upstream.
pub(crate) struct Arrived {
    pub(crate) head: String,
    pub(crate) stream: TcpStream,
}

/// The upstream.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    arrived: mpsc::UnboundedReceiver<Arrived>,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (arrivals, arrived) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let arrivals = arrivals.clone();
                tokio::spawn(async move {
                    if let Some(head) = read_head(&mut stream).await {
                        let _ = arrivals.send(Arrived { head, stream });
                    }
                });
            }
        });
        Self { address, arrived }
    }

    pub(crate) async fn next(&mut self) -> Arrived {
        in_time(self.arrived.recv()).await.expect("the upstream runs")
    }

    /// The next request, also if it comes on a connection that was used before; which it was is told by `arrived`.
    pub(crate) async fn next_on(&mut self, arrived: &mut Arrived) {
        tokio::select! {
            head = in_time(read_head(&mut arrived.stream)) => arrived.head = head.expect("there is a request"),
            other = self.next() => *arrived = other,
        }
    }

    /// Whether no other request has arrived.
    pub(crate) fn is_idle(&mut self) -> bool {
        self.arrived.is_empty()
    }
}

impl Arrived {
    pub(crate) async fn send(&mut self, bytes: &str) {
        in_time(self.stream.write_all(bytes.as_bytes())).await.unwrap();
    }

    /// A whole response, after which the connection is closed.
    pub(crate) async fn answer(mut self, headers: &str, body: &str) {
        let length = body.len();
        self.send(&format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"))
            .await;
    }

    /// Breaks off, so that the other side sees an error and no end.
    #[allow(deprecated, reason = "a connection that is reset is what this is for, and there is nothing left to send")]
    pub(crate) fn reset(self) {
        self.stream.set_linger(Some(Duration::ZERO)).unwrap();
    }
}

/// A proxy in front of an upstream, with options.
pub(crate) async fn proxy(upstream: SocketAddr, choose: impl FnOnce(&mut Options)) -> Proxy {
    let mut options = Options::new(format!("http://{upstream}").parse().unwrap());
    options.listen = "127.0.0.1:0".parse().unwrap();
    options.access_log = false;
    choose(&mut options);
    Proxy::start(options).await.unwrap()
}

/// A client's connection.
pub(crate) struct Client(pub(crate) TcpStream);

impl Client {
    pub(crate) async fn connect(proxy: &Proxy) -> Self {
        Self(in_time(TcpStream::connect(proxy.address())).await.unwrap())
    }

    /// Connects, and sends a request.
    pub(crate) async fn ask(proxy: &Proxy, line: &str, headers: &str) -> Self {
        let mut client = Self::connect(proxy).await;
        client.send(&format!("{line} HTTP/1.1\r\nhost: example.org\r\n{headers}\r\n")).await;
        client
    }

    /// The same for one path.
    pub(crate) async fn get(proxy: &Proxy, path: &str) -> Self {
        Self::ask(proxy, &format!("GET {path}"), "").await
    }

    pub(crate) async fn send(&mut self, bytes: &str) {
        in_time(self.0.write_all(bytes.as_bytes())).await.unwrap();
    }

    /// The head of the response, in lower case.
    pub(crate) async fn head(&mut self) -> String {
        in_time(read_head(&mut self.0)).await.expect("there is a response").to_lowercase()
    }

    /// A whole response with a length: its head, and its body.
    pub(crate) async fn response(&mut self) -> (String, String) {
        let head = self.head().await;
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |text| text.parse().unwrap());
        (head, self.bytes(length).await)
    }

    pub(crate) async fn bytes(&mut self, count: usize) -> String {
        let mut bytes = vec![0; count];
        in_time(self.0.read_exact(&mut bytes)).await.unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// One chunk of a body that comes in chunks; empty is the last.
    pub(crate) async fn chunk(&mut self) -> String {
        let mut size = String::new();
        while !size.ends_with("\r\n") {
            size.push_str(&self.bytes(1).await);
        }
        let length = usize::from_str_radix(size.trim(), 16).unwrap();
        let data = self.bytes(length).await;
        if length > 0 {
            assert_eq!(self.bytes(2).await, "\r\n");
        }
        data
    }

    /// What comes until the connection ends, in whatever way.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let _ = in_time(self.0.read_to_end(&mut rest)).await;
        rest
    }
}

/// Clients that have asked for one path and wait, one of them leading.
pub(crate) async fn waiting_for(proxy: &Proxy, path: &str, count: usize) -> Vec<Client> {
    let mut clients = vec![Client::get(proxy, path).await];
    until(|| in_flight() == 1).await;
    for _ in 1..count {
        clients.push(Client::get(proxy, path).await);
    }
    until(|| waiting() == count as u64 - 1).await;
    clients
}

/// Up to the empty line.
async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = stream.read_u8().await.ok()?;
        head.push(byte);
    }
    String::from_utf8(head).ok()
}

pub(crate) async fn in_time<F: Future>(future: F) -> F::Output {
    timeout(TOO_LONG, future).await.expect("this hangs")
}

/// Until it holds.
pub(crate) async fn until(what: impl Fn() -> bool) {
    in_time(async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

/// How many follow in the group of the proxy, of which a test has one process to itself.
pub(crate) fn waiting() -> u64 {
    coflight::registry::overview().total().waiting
}

/// How many flights there are in the group of the proxy.
pub(crate) fn in_flight() -> u64 {
    coflight::registry::overview().total().in_flight
}
