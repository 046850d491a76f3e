//! Which requests are the same.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Uri};

/// Headers that follow a request through a system and mean nothing to whoever answers it: those of W3C Trace Context, of Zipkin, and two
/// request numbers in common use. Not left out unless you say so:
///
/// ```
/// use coflight::tower::{KeyPolicy, TRACING_HEADERS};
///
/// let policy = KeyPolicy::new().ignore(TRACING_HEADERS);
/// let key = |id| {
///     let request = http::Request::get("/report").header("traceparent", id).body(()).unwrap();
///     policy.key(&request.into_parts().0)
/// };
/// assert_eq!(key("00-0af7-b7ad-01"), key("00-9bf2-00f0-01"));
/// ```
pub const TRACING_HEADERS: [HeaderName; 10] = [
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    HeaderName::from_static("b3"),
    HeaderName::from_static("x-b3-traceid"),
    HeaderName::from_static("x-b3-spanid"),
    HeaderName::from_static("x-b3-parentspanid"),
    HeaderName::from_static("x-b3-sampled"),
    HeaderName::from_static("x-b3-flags"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("x-correlation-id"),
];

/// Headers of one connection (RFC 9110, section 7.6.1), which nobody passes on.
const OF_THE_CONNECTION: [HeaderName; 3] =
    [header::CONNECTION, HeaderName::from_static("keep-alive"), HeaderName::from_static("proxy-connection")];

/// What makes requests the same: two that have equal keys may get one response.
///
/// It holds credentials in the clear, as the request does; neither [`Debug`] nor [`Display`](fmt::Display) shows them, nor the values of a query.
///
/// ```
/// use coflight::tower::KeyPolicy;
/// use http::Request;
///
/// let of = |user| {
///     let request = Request::get("http://example.org/report?user=ada").header("authorization", user).body(());
///     KeyPolicy::new().key(&request.unwrap().into_parts().0).unwrap()
/// };
/// assert_eq!(of("Bearer ada"), of("Bearer ada"));
/// assert_ne!(of("Bearer ada"), of("Bearer bob"));
/// assert_eq!(of("Bearer ada").to_string(), "GET example.org/report?user=…"); // what logs may have
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HttpKey {
    /// Every part, with its length before it, so that no two lists of parts look alike.
    parts: Arc<[u8]>,
    /// How much of it is the line that may be shown.
    shown: usize,
}

impl HttpKey {
    /// A key made by hand. `shown` is a part of the key, and is what logs and the board show of it; what is added by [`with`](Self::with) is not
    /// shown.
    ///
    /// **It must contain everything that may change or restrict the answer: method, host, path, query, who asks (credentials, cookies, the
    /// client's certificate, whatever an authentication layer found out), what is accepted, ranges, conditions, and the body if there is one.
    /// Whatever it leaves out, one caller may get of another.** [`KeyPolicy::key`] is the safe start: add to what it returns.
    ///
    /// ```
    /// use coflight::tower::HttpKey;
    ///
    /// // For a service that looks at the path and at nothing else.
    /// let key = HttpKey::new("GET /logo.svg");
    /// assert_eq!(key.to_string(), "GET /logo.svg");
    /// assert_ne!(key, HttpKey::new("GET /logo.png"));
    /// ```
    #[must_use]
    pub fn new(shown: &str) -> Self {
        Self { parts: Arc::from(shown.as_bytes()), shown: shown.len() }
    }

    /// The same, and one thing more that must be equal. `name` says what it is, so that two kinds of things are never taken for each other.
    ///
    /// ```
    /// use coflight::tower::{HttpKey, KeyPolicy};
    /// use http::Request;
    ///
    /// let (request, ()) = Request::get("/report").body(()).unwrap().into_parts();
    /// let everyone = KeyPolicy::new().key(&request).unwrap();
    /// let of = |client: &str| everyone.with("client", client); // who the certificate says it is
    /// assert_ne!(of("ada"), of("bob"));
    /// assert_eq!(of("ada").to_string(), everyone.to_string()); // not shown
    /// ```
    #[must_use]
    pub fn with(&self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let mut parts = self.parts.to_vec();
        add(&mut parts, name.as_bytes());
        add(&mut parts, value.as_ref());
        Self { parts: parts.into(), shown: self.shown }
    }

    /// The same for a caller whose headers `names` are these.
    pub(crate) fn variant(&self, names: &[HeaderName], headers: &HeaderMap) -> Self {
        let mut parts = self.parts.to_vec();
        for name in names {
            // A kind that nothing else has.
            add_header(&mut parts, b"\0vary", name, headers);
        }
        Self { parts: parts.into(), shown: self.shown }
    }

    /// The same for one caller, which nobody joins.
    pub(crate) fn alone(&self) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        self.with("\0alone", LAST.fetch_add(1, Ordering::Relaxed).to_le_bytes())
    }

    fn shown(&self) -> &str {
        // Cut where a whole string ended.
        std::str::from_utf8(&self.parts[..self.shown]).unwrap_or("?")
    }
}

impl fmt::Display for HttpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl fmt::Debug for HttpKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HttpKey").field(&self.shown()).finish()
    }
}

/// One part, in a way that can be read back in one way only.
fn add(parts: &mut Vec<u8>, part: &[u8]) {
    parts.extend_from_slice(&(part.len() as u64).to_le_bytes());
    parts.extend_from_slice(part);
}

/// All values of one header, in their order.
fn add_header(parts: &mut Vec<u8>, kind: &[u8], name: &HeaderName, headers: &HeaderMap) {
    add(parts, kind);
    add(parts, name.as_str().as_bytes());
    let values = headers.get_all(name);
    parts.extend_from_slice(&(values.iter().count() as u64).to_le_bytes());
    for value in values {
        add(parts, value.as_bytes());
    }
}

/// The default way to make keys: safe unless told otherwise.
///
/// - Only `GET` and `HEAD` have a key; every other method, and every request that asks to
///   [upgrade](https://www.rfc-editor.org/rfc/rfc9110#section-7.8), passes.
/// - The key holds the method, the scheme, the authority, path and query, and **every header** with all its values in their order, but for those of
///   the connection (`connection`, `keep-alive`, `proxy-connection`) and those [left out](Self::ignore) explicitly. So a request that carries credentials, under whatever
///   name, is only ever shared with one that carries the same ones.
/// - It also holds which headers `connection` names, but for those that nobody passes on (`close`, `keep-alive`, `te` and the like): whatever passes the request on without
///   them asks another question. Also those that are not there, because a layer behind this one may add them.
///
/// What is not in the head of a request it cannot see: **if a client's certificate, its address, or what a layer in front found out says who
/// asks, [add](Self::also) it.** So with whatever takes a part of the path away before this layer, other than axum's `nest`, whose original path is
/// in the key (feature `axum`, on by default); and with authentication that is of the connection and not of the request, as NTLM and Negotiate are.
///
/// ```
/// use coflight::tower::{KeyPolicy, TRACING_HEADERS};
/// use http::Request;
///
/// let policy = KeyPolicy::new().ignore(TRACING_HEADERS);
/// let key = |name: &str, value: &str| {
///     let request = Request::get("/report").header(name, value).body(()).unwrap();
///     policy.key(&request.into_parts().0)
/// };
/// assert_eq!(key("x-request-id", "1"), key("x-request-id", "2"));
/// assert_ne!(key("cookie", "user=1"), key("cookie", "user=2"));
/// ```
#[derive(Clone)]
pub struct KeyPolicy {
    ignored: Vec<HeaderName>,
    also: Vec<Also>,
}

type Also = Arc<dyn Fn(&Parts) -> Vec<u8> + Send + Sync>;

impl KeyPolicy {
    /// Every header counts.
    ///
    /// ```
    /// use coflight::tower::KeyPolicy;
    /// use http::Request;
    ///
    /// let key = |agent: &str| {
    ///     let request = Request::get("/report").header("user-agent", agent).body(()).unwrap();
    ///     KeyPolicy::new().key(&request.into_parts().0)
    /// };
    /// assert_ne!(key("a browser"), key("another browser"));
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self { ignored: OF_THE_CONNECTION.to_vec(), also: Vec::new() }
    }

    /// Leaves headers out of the key, because whoever answers does not look at them, as with [`TRACING_HEADERS`], or says so in `vary` if it
    /// does, as with `user-agent` where that is kept. The leader's is the one that is sent.
    ///
    /// **Never one that says who asks or what they may see.**
    ///
    /// ```
    /// use coflight::tower::KeyPolicy;
    /// use http::{Request, header::USER_AGENT};
    ///
    /// // The service answers all browsers alike.
    /// let policy = KeyPolicy::new().ignore([USER_AGENT]);
    /// let key = |agent: &str| {
    ///     let request = Request::get("/report").header(USER_AGENT, agent).body(()).unwrap();
    ///     policy.key(&request.into_parts().0)
    /// };
    /// assert_eq!(key("a browser"), key("another browser"));
    /// ```
    #[must_use]
    pub fn ignore(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.ignored.extend(headers);
        self
    }

    /// Adds what the headers do not say: a user that a layer in front of this one found out, a client's certificate, its address.
    ///
    /// ```
    /// use coflight::tower::KeyPolicy;
    ///
    /// #[derive(Clone)]
    /// struct UserId(u64);
    ///
    /// let policy = KeyPolicy::new().also(|request| match request.extensions.get::<UserId>() {
    ///     Some(UserId(id)) => id.to_le_bytes().to_vec(),
    ///     None => Vec::new(),
    /// });
    /// let key = |user| {
    ///     let request = http::Request::get("/report").extension(UserId(user)).body(()).unwrap();
    ///     policy.key(&request.into_parts().0)
    /// };
    /// assert_ne!(key(1), key(2));
    /// ```
    #[must_use]
    pub fn also(mut self, part: impl Fn(&Parts) -> Vec<u8> + Send + Sync + 'static) -> Self {
        self.also.push(Arc::new(part));
        self
    }

    /// The key of a request; none if it must not be coalesced.
    ///
    /// ```
    /// use coflight::tower::KeyPolicy;
    /// use http::Request;
    ///
    /// let policy = KeyPolicy::new();
    /// let (get, ()) = Request::get("/report").body(()).unwrap().into_parts();
    /// let (post, ()) = Request::post("/report").body(()).unwrap().into_parts();
    /// assert!(policy.key(&get).is_some());
    /// assert!(policy.key(&post).is_none()); // it has effects
    /// ```
    #[must_use]
    pub fn key(&self, request: &Parts) -> Option<HttpKey> {
        let safe = matches!(request.method, Method::GET | Method::HEAD);
        if !safe || request.headers.contains_key(header::UPGRADE) {
            return None;
        }
        let original = original(request);
        let shown = Self::shown(request);
        let mut parts = shown.clone().into_bytes();
        add(&mut parts, request.method.as_str().as_bytes());
        add_uri(&mut parts, &request.uri);
        if let Some(original) = original {
            add(&mut parts, b"original");
            add_uri(&mut parts, original);
        }
        // In whatever order they came.
        let counts = |name: &&HeaderName| !self.ignored.contains(name);
        let mut names: Vec<_> = request.headers.keys().filter(counts).collect();
        names.sort_unstable_by_key(|name| name.as_str());
        for name in names {
            add_header(&mut parts, b"header", name, &request.headers);
        }
        for name in stripped(&request.headers) {
            // No name of a header, so that nothing that was added with one can be taken for it.
            add(&mut parts, b"\0connection");
            add(&mut parts, name.as_str().as_bytes());
        }
        for also in &self.also {
            add(&mut parts, b"also");
            add(&mut parts, &also(request));
        }
        Some(HttpKey { parts: parts.into(), shown: shown.len() })
    }
}

impl KeyPolicy {
    /// A request's line as it may be shown, whether or not it has a key: with the names in the query, without their values, and without who
    /// asks. For logs.
    ///
    /// ```
    /// use coflight::tower::KeyPolicy;
    /// use http::Request;
    ///
    /// let (request, ()) = Request::post("https://ada:secret@example.org/login?next=/").body(()).unwrap().into_parts();
    /// assert_eq!(KeyPolicy::shown(&request), "POST example.org/login?next=…");
    /// ```
    #[must_use]
    pub fn shown(request: &Parts) -> String {
        let uri = original(request).unwrap_or(&request.uri);
        let mut shown = format!("{} {}{}", request.method, host(uri, &request.headers), uri.path());
        for (index, pair) in uri.query().into_iter().flat_map(|query| query.split('&')).enumerate() {
            shown.push(if index == 0 { '?' } else { '&' });
            shown.push_str(pair.split('=').next().unwrap_or_default());
            if pair.contains('=') {
                shown.push_str("=…");
            }
        }
        shown
    }
}

impl Default for KeyPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for KeyPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPolicy").field("ignored", &self.ignored).field("also", &self.also.len()).finish()
    }
}

/// The headers that are not passed on because `connection` names them, also if they are added later: each once, in the order of their names. Without those that are not
/// passed on in any case, so that `close`, `keep-alive` and `te` make no difference.
fn stripped(headers: &HeaderMap) -> Vec<HeaderName> {
    // By bytes, so that a value of which a part cannot be read hides nothing.
    let named =
        headers.get_all(header::CONNECTION).iter().flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    let mut names: Vec<_> = named
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .filter(|name| !OF_THE_CONNECTION.contains(name) && *name != header::TE && name.as_str() != "close")
        .collect();
    names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    names.dedup();
    names
}

/// What was asked for before a router of axum took a part of it away.
fn original(request: &Parts) -> Option<&Uri> {
    #[cfg(feature = "axum")]
    return request.extensions.get::<axum::extract::OriginalUri>().map(|original| &original.0);
    #[cfg(not(feature = "axum"))]
    {
        let _ = request;
        None
    }
}

fn add_uri(parts: &mut Vec<u8>, uri: &Uri) {
    for part in [uri.scheme_str(), uri.authority().map(Authority::as_str), Some(uri.path()), uri.query()] {
        // One that is empty is not one that is not there.
        add(parts, if part.is_some() { b"some" } else { b"none" });
        add(parts, part.unwrap_or_default().as_bytes());
    }
}

/// The host, without what may stand before it.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> &'a str {
    let of_header = || headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = uri.authority().map(Authority::as_str).or_else(of_header).unwrap_or_default();
    host.rsplit('@').next().unwrap_or_default()
}
