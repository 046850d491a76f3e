//! What users hold: the router, the observer.

use std::convert::Infallible;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use coflight_core::Observer;
use futures_util::{Stream, stream};
use tokio::sync::watch;

use crate::admission::{self, Admission};
use crate::notable::Notable;
use crate::sample::Sampler;

const PAGE: &str = include_str!("page.html");

/// The board: see the [crate](crate). Its clones are the same board.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::net::SocketAddr;
/// use axum::{Router, body::Body, extract::ConnectInfo, http::Request};
/// use coflight::board::Board;
/// use tower::ServiceExt;
///
/// let app: Router = Router::new().nest("/board", Board::new().router());
/// let from = |peer: [u8; 4]| {
///     // `into_make_service_with_connect_info` says who the peer is.
///     let peer = ConnectInfo(SocketAddr::from((peer, 49152)));
///     let request = Request::get("/board").header("host", "localhost:3000").extension(peer);
///     app.clone().oneshot(request.body(Body::empty()).unwrap())
/// };
/// assert_eq!(from([127, 0, 0, 1]).await?.status(), 200);
/// assert_eq!(from([10, 0, 0, 7]).await?.status(), 403);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Board {
    notable: Arc<Notable>,
    sampler: Arc<Sampler>,
    admission: Admission,
}

impl Board {
    /// A board for whoever comes from this machine.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use axum::{Router, body::Body, http::Request};
    /// use coflight::board::Board;
    /// use tower::ServiceExt;
    ///
    /// let app: Router = Board::new().router();
    /// let request = Request::get("/").header("host", "localhost").body(Body::empty())?;
    /// // Nobody gets in of whom the server does not say where they are.
    /// assert_eq!(app.oneshot(request).await?.status(), 403);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new() -> Self {
        let notable = Arc::new(Notable::new());
        Self { sampler: Arc::new(Sampler::new(Arc::clone(&notable))), notable, admission: Admission::Loopback }
    }

    /// For whoever knows `token`, wherever they are, and for nobody else. Use at least 16 random bytes: tries are not limited.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use axum::{Router, body::Body, http::Request};
    /// use coflight::board::Board;
    /// use tower::ServiceExt;
    ///
    /// let app: Router = Board::new().token("Zm9ydHktdHdvIGlzIGl0").router(); // from a secret of yours
    /// let with = |authorization| {
    ///     let request = Request::get("/").header("authorization", authorization);
    ///     app.clone().oneshot(request.body(Body::empty()).unwrap())
    /// };
    /// assert_eq!(with("Bearer Zm9ydHktdHdvIGlzIGl0").await?.status(), 200);
    /// assert_eq!(with("Bearer guessed").await?.status(), 401);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If it is empty.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        let token = token.into();
        assert!(!token.is_empty(), "an empty token would let everybody in");
        self.admission = Admission::Token(token.into());
        self
    }

    /// For [`Builder::observer`](coflight_core::Builder::observer): a group's slowest flights and errors on the board.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use coflight::board::Board;
    /// use coflight::{Group, TryGroup};
    /// # use axum::{Router, body::Body, http::Request};
    /// # use http_body_util::BodyExt;
    /// # use tower::ServiceExt;
    ///
    /// let board = Board::new();
    /// # let board = board.token("token");
    /// let users: TryGroup<u64, String, &str> =
    ///     Group::builder().name("users").observer(board.observer()).build();
    /// // Among the last errors now.
    /// assert!(users.try_run(&42, || async { Err("no such user") }).await.is_err());
    /// # let request = Request::get("/events").header("authorization", "Bearer token").body(Body::empty())?;
    /// # let app: Router = board.router();
    /// # let events = app.oneshot(request).await?.into_body().frame().await.unwrap()?.into_data().unwrap();
    /// # let events = String::from_utf8(events.to_vec())?;
    /// # assert!(events.contains(r#""errors":[{"group":"users""#), "{events}");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn observer(&self) -> BoardObserver {
        BoardObserver { notable: Arc::clone(&self.notable) }
    }

    /// The page at `/` and its events at `/events`, to be [nested](Router::nest) wherever you like.
    ///
    /// Serve it with [`into_make_service_with_connect_info`](Router::into_make_service_with_connect_info), or put an
    /// [`axum::extract::ConnectInfo`] with the peer's address into each request; else nobody gets in without a token.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use axum::{Router, body::Body, http::Request, routing::get};
    /// use coflight::board::Board;
    /// use tower::ServiceExt;
    ///
    /// let board = Board::new().token("Zm9ydHktdHdvIGlzIGl0");
    /// let app: Router = Router::new().route("/", get(|| async { "yours" })).nest("/board", board.router());
    /// let page = Request::get("/board").header("authorization", "Bearer Zm9ydHktdHdvIGlzIGl0").body(Body::empty())?;
    /// let page = app.oneshot(page).await?;
    /// assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    /// # Ok(())
    /// # }
    /// ```
    pub fn router<S: Clone + Send + Sync + 'static>(&self) -> Router<S> {
        self.guard(Router::new().route("/", get(page)).route("/events", get(events))).with_state(self.clone())
    }

    /// Lets pass who may see the board, for what belongs beside it, such as metrics.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use axum::{Router, body::Body, http::Request, routing::get};
    /// use coflight::board::Board;
    /// use tower::ServiceExt;
    ///
    /// let board = Board::new().token("Zm9ydHktdHdvIGlzIGl0");
    /// let metrics = Router::new().route("/metrics", get(|| async { "coflight_hits_total 3" }));
    /// let app: Router = Router::new().nest("/board", board.router()).merge(board.guard(metrics));
    /// let stranger = app.oneshot(Request::get("/metrics").body(Body::empty())?).await?;
    /// assert_eq!(stranger.status(), 401);
    /// # Ok(())
    /// # }
    /// ```
    pub fn guard<S: Clone + Send + Sync + 'static>(&self, router: Router<S>) -> Router<S> {
        router.layer(middleware::from_fn_with_state(self.admission.clone(), admission::admit))
    }
}

impl Default for Board {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Board").field("admission", &self.admission).finish_non_exhaustive()
    }
}

async fn page() -> Response {
    // A script that somebody smuggled in does not know it.
    let nonce = format!("{:016x}{:016x}", RandomState::new().build_hasher().finish(), RandomState::new().hash_one(1));
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let headers = [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static(""))),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, Html(PAGE.replace("NONCE", &nonce))).into_response()
}

async fn events(State(board): State<Board>) -> Response {
    let Some(samples) = board.sampler.watch() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many look at the board already\n").into_response();
    };
    let mut response = Sse::new(sse(samples)).keep_alive(KeepAlive::default()).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies in front must not hold it back.
    response.headers_mut().insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn sse(samples: watch::Receiver<Arc<str>>) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(samples, |mut samples| async move {
        samples.changed().await.ok()?;
        let sample = Arc::clone(&samples.borrow_and_update());
        Some((Ok(Event::default().data(&*sample)), samples))
    })
}

/// Tells a [`Board`] of a group's slowest flights and errors.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use coflight::board::{Board, BoardObserver};
/// use coflight::Group;
///
/// /// Part of a program that does not know where its group is shown.
/// fn users(observer: BoardObserver) -> Group<u64, String> {
///     Group::builder().name("users").observer(observer).build()
/// }
///
/// let users = users(Board::new().observer());
/// assert_eq!(users.run(&42, || async { "Ada".to_owned() }).await?, "Ada");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct BoardObserver {
    notable: Arc<Notable>,
}

impl<K> Observer<K> for BoardObserver {
    fn event(&self, event: &coflight_core::Event<'_, K>) {
        self.notable.event(event);
    }
}

impl fmt::Debug for BoardObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoardObserver").finish_non_exhaustive()
    }
}
