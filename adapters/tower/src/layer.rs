//! What can be chosen for a service.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use coflight_core::Group;
use http::HeaderName;
use http::request::Parts;
use tower_layer::Layer;

use crate::answer::AnswerLayer;
use crate::buffer::{Beyond, Budget};
use crate::flight::{HttpGroup, Tickets, tickets};
use crate::key::{HttpKey, KeyPolicy};
use crate::service::Coalesce;

type KeyOf = Arc<dyn Fn(&Parts) -> Option<HttpKey> + Send + Sync>;

/// Coalesces the requests of a service: of those that are the same while one is in progress, one is sent, and all get its response.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use coflight::Group;
/// use coflight::tower::{CoalesceLayer, KeyPolicy, TRACING_HEADERS};
/// use http::{Request, Response};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// let layer = CoalesceLayer::new(Group::new())
///     .policy(KeyPolicy::new().ignore(TRACING_HEADERS))
///     .keep(256 * 1024)
///     .header(http::HeaderName::from_static("x-coflight"));
/// let pages = layer.layer(service_fn(|_: Request<String>| async {
///     Ok::<_, std::io::Error>(Response::new("page".to_owned()))
/// }));
/// let get = || Request::get("/report").body(String::new());
/// let first = pages.clone().oneshot(get()?).await?;
/// let second = pages.clone().oneshot(get()?).await?; // while the first is read
/// assert_eq!(second.headers()["x-coflight"], "joined");
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
///
/// All services made of one layer, and of its clones, share the group and the bytes that may be kept. **So they must answer equal requests alike:** services that
/// differ need layers with groups of their own, unless the request says which of them it is for.
#[derive(Clone)]
pub struct CoalesceLayer {
    settings: Arc<Settings>,
}

/// What its services share.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) tickets: Tickets,
    pub(crate) key: KeyOf,
    pub(crate) bodies: bool,
    pub(crate) budget: Arc<Budget>,
    pub(crate) header: Option<HeaderName>,
}

impl CoalesceLayer {
    /// For the flights of `group`, whose limits apply:
    ///
    /// | option of the group | means |
    /// |---|---|
    /// | [`timeout`](coflight_core::Builder::timeout) | how long a whole exchange may take, its body included; the body of a response that is for one alone is not limited |
    /// | [`wait_timeout`](coflight_core::Builder::wait_timeout) | how long one caller waits for the head of a request that somebody else leads; anew if it has to ask anew, because the response it waited for is not for it. Whoever leads is limited by `timeout` alone |
    /// | [`max_flights`](coflight_core::Builder::max_flights) | requests inside at a time; those that pass or were released are not counted |
    /// | [`max_callers`](coflight_core::Builder::max_callers), [`join_within`](coflight_core::Builder::join_within) | when a newcomer's request is sent although one is in progress |
    /// | [`linger`](coflight_core::Builder::linger) | how long a response that was kept whole is served after it ended |
    /// | [`on_failure`](coflight_core::Builder::on_failure) | whether a request that failed before there was a head is tried anew by the next caller; no status is a failure |
    /// | [`overtake_after`](coflight_core::Builder::overtake_after) | nothing: two responses cannot be made one in the middle. Use a time for the request inside, and `on_failure` |
    ///
    /// Where requests come from outside, choose [`RandomState`] as the group's [`hasher`](coflight_core::Builder::hasher), so that nobody can make keys
    /// collide.
    ///
    /// What a group prints of its keys is chosen by [`show_keys(FlightKey::show)`](crate::FlightKey::show).
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use std::hash::RandomState;
    /// use coflight::Group;
    /// use coflight::tower::{CoalesceLayer, HttpGroup};
    /// # use http::{Request, Response};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # let get = |uri: &str| Request::get(uri).body(String::new()).unwrap();
    /// # let upstream = service_fn(|_: Request<String>| async {
    /// #     Ok::<_, std::io::Error>(Response::new("page".to_owned()))
    /// # });
    ///
    /// let flights: HttpGroup<_, _> = Group::builder().hasher(RandomState::new()).max_flights(1000).build();
    /// let pages = CoalesceLayer::new(flights.clone()).layer(upstream);
    /// let first = pages.clone().oneshot(get("/report")).await?;
    /// let second = pages.clone().oneshot(get("/report")).await?; // while the first is read
    /// assert_eq!((flights.stats().led, flights.stats().joined), (1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn new<R, S>(group: HttpGroup<R, S>) -> Self
    where
        R: Send + Sync + 'static,
        S: BuildHasher + Send + Sync + 'static,
    {
        let policy = KeyPolicy::new();
        let settings = Settings {
            tickets: tickets(group),
            key: Arc::new(move |request| policy.key(request)),
            bodies: false,
            budget: Arc::new(Budget::new(1 << 20, 64 << 20, Beyond::default())),
            header: None,
        };
        Self { settings: Arc::new(settings) }
    }

    /// Which requests are the same. Default: [`KeyPolicy::new`].
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::tower::{CoalesceLayer, KeyPolicy, Part, TRACING_HEADERS};
    /// # use http::{Request, Response};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # let upstream = service_fn(|_: Request<String>| async {
    /// #     Ok::<_, std::io::Error>(Response::new("page".to_owned()))
    /// # });
    ///
    /// let pages = CoalesceLayer::default().policy(KeyPolicy::new().ignore(TRACING_HEADERS)).layer(upstream);
    /// let request = |id: &str| Request::get("/report").header("x-request-id", id).body(String::new());
    /// let first = pages.clone().oneshot(request("1")?).await?;
    /// let second = pages.clone().oneshot(request("2")?).await?; // while the first is read
    /// assert_eq!(second.extensions().get(), Some(&Part::Joined));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn policy(self, policy: KeyPolicy) -> Self {
        self.key(move |request| policy.key(request))
    }

    /// Which requests are the same, by a function of yours; none: the request passes. Default: [`KeyPolicy::key`] of [`KeyPolicy::new`].
    ///
    /// **The key must contain everything that may change or restrict the answer: method, host, path, query, who asks (credentials, cookies, the
    /// client's certificate, whatever an authentication layer found out), what is accepted, ranges, conditions, and the body if there is one.
    /// Whatever it leaves out, one caller may get of another.** The response still has its say, by `set-cookie`, `cache-control` and `vary`.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::tower::{CoalesceLayer, KeyPolicy, Part};
    /// # use http::{Request, Response};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # let get = |uri: &str| Request::get(uri).body(String::new()).unwrap();
    /// # let upstream = service_fn(|_: Request<String>| async {
    /// #     Ok::<_, std::io::Error>(Response::new("page".to_owned()))
    /// # });
    ///
    /// let policy = KeyPolicy::new();
    /// let layer = CoalesceLayer::default().key(move |request| match request.uri.path() {
    ///     "/random" => None, // each caller wants its own
    ///     _ => policy.key(request),
    /// });
    /// let pages = layer.layer(upstream);
    /// let first = pages.clone().oneshot(get("/random")).await?;
    /// assert_eq!(first.extensions().get::<Part>(), None); // passed
    /// let second = pages.clone().oneshot(get("/report")).await?;
    /// assert_eq!(second.extensions().get(), Some(&Part::Led));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn key(self, key: impl Fn(&Parts) -> Option<HttpKey> + Send + Sync + 'static) -> Self {
        self.with(|settings, _| settings.key = Arc::new(key))
    }

    /// Whether requests that have a body can be coalesced. **Then the key must contain the body**, which the function of [`key`](Self::key) gets to know through
    /// the request's extensions. Default: `false`, such requests pass.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::tower::{CoalesceLayer, HttpKey, Part};
    /// use http::{Request, Response};
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// /// Put there by whoever read the body.
    /// #[derive(Clone)]
    /// struct Query(String);
    ///
    /// let layer = CoalesceLayer::default().bodies(true).key(|request| {
    ///     let Query(query) = request.extensions.get()?;
    ///     Some(HttpKey::new("POST /search").with("body", query))
    /// });
    /// # let upstream = service_fn(|_: Request<String>| async {
    /// #     Ok::<_, std::io::Error>(Response::new("found".to_owned()))
    /// # });
    /// let search = layer.layer(upstream);
    /// let request = |query: &str| Request::post("/search").extension(Query(query.to_owned())).body(query.to_owned());
    /// let first = search.clone().oneshot(request("a query")?).await?;
    /// let second = search.clone().oneshot(request("a query")?).await?; // while the first is read
    /// assert_eq!(second.extensions().get(), Some(&Part::Joined));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn bodies(self, bodies: bool) -> Self {
        self.with(|settings, _| settings.bodies = bodies)
    }

    /// How many bytes of a response's body are kept for those who come later or read slowly, for one flight; 64 more are counted for each frame. Up to there all of it is
    /// kept, so that newcomers can start with the first byte; when it gets longer, the flight closes to newcomers, and what all have read is
    /// freed. How far readers may lag behind the fastest then is said by [`beyond`](Self::beyond). A frame is kept whole in any case, so it can be
    /// one frame more. Default: 1 MiB.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::tower::{CoalesceLayer, Part};
    /// use http_body_util::BodyExt;
    /// # use http::{Request, Response};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # let get = |uri: &str| Request::get(uri).body(String::new()).unwrap();
    /// # let part = || Ok::<_, std::io::Error>(http_body::Frame::data(bytes::Bytes::from(vec![0; 1000])));
    /// # let upstream = service_fn(move |_: Request<String>| async move {
    /// #     let parts = futures_util::stream::iter([part(), part(), part(), part()]);
    /// #     Ok::<_, std::io::Error>(Response::new(http_body_util::StreamBody::new(parts)))
    /// # });
    ///
    /// // The upstream's responses come in four parts of 1000 bytes.
    /// let pages = CoalesceLayer::default().keep(2500).layer(upstream);
    /// let mut first = pages.clone().oneshot(get("/report")).await?;
    /// for _ in 0..3 {
    ///     first.frame().await.unwrap()?;
    /// }
    /// let second = pages.clone().oneshot(get("/report")).await?;
    /// assert_eq!(second.extensions().get(), Some(&Part::Led)); // too late to join
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn keep(self, bytes: usize) -> Self {
        self.with(|_, budget| budget.flight = bytes)
    }

    /// How many bytes the flights of all services of this layer may keep together. A flight that needs more than is left closes to newcomers, and, if that is not
    /// enough, cuts off its own slowest readers; one frame for each flight is kept in any case. Default: 64 MiB.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::tower::CoalesceLayer;
    /// use http_body_util::BodyExt;
    /// # use http::{Request, Response};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # let get = |uri: &str| Request::get(uri).body(String::new()).unwrap();
    /// # let part = || Ok::<_, std::io::Error>(http_body::Frame::data(bytes::Bytes::from(vec![0; 1000])));
    /// # let upstream = service_fn(move |_: Request<String>| async move {
    /// #     let parts = futures_util::stream::iter([part(), part(), part(), part()]);
    /// #     Ok::<_, std::io::Error>(Response::new(http_body_util::StreamBody::new(parts)))
    /// # });
    ///
    /// // The upstream's responses come in four parts of 1000 bytes.
    /// let pages = CoalesceLayer::default().keep_in_all(2500).layer(upstream);
    /// let mut first = pages.clone().oneshot(get("/report")).await?;
    /// while let Some(frame) = first.frame().await {
    ///     frame?;
    ///     assert!(pages.kept() <= 2500);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn keep_in_all(self, bytes: usize) -> Self {
        self.with(|_, budget| budget.service = bytes)
    }

    /// What becomes of a flight that would have to keep more than is kept for one. Default: [`Beyond::Close`].
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::tower::{Beyond, CoalesceLayer};
    /// use http_body_util::BodyExt;
    /// # use http::{Request, Response};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # let get = |uri: &str| Request::get(uri).body(String::new()).unwrap();
    /// # let part = || Ok::<_, std::io::Error>(http_body::Frame::data(bytes::Bytes::from(vec![0; 1000])));
    /// # let upstream = service_fn(move |_: Request<String>| async move {
    /// #     let parts = futures_util::stream::iter([part(), part(), part(), part()]);
    /// #     Ok::<_, std::io::Error>(Response::new(http_body_util::StreamBody::new(parts)))
    /// # });
    ///
    /// for (beyond, reads) in [(Beyond::Close, true), (Beyond::CutOff, false)] {
    ///     // The upstream's responses come in four parts of 1000 bytes.
    ///     let pages = CoalesceLayer::default().keep(1000).beyond(beyond).layer(upstream.clone());
    ///     let fast = pages.clone().oneshot(get("/report")).await?;
    ///     let slow = pages.clone().oneshot(get("/report")).await?;
    ///     fast.into_body().collect().await?;
    ///     assert_eq!(slow.into_body().collect().await.is_ok(), reads);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn beyond(self, beyond: Beyond) -> Self {
        self.with(|_, budget| budget.beyond = beyond)
    }

    /// A header that says in each response how it came: `led`, `joined` or `alone`. Default: none; the response's extensions have it as a
    /// [`Part`](crate::Part).
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::tower::CoalesceLayer;
    /// use http::HeaderName;
    /// # use http::{Request, Response};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # let get = |uri: &str| Request::get(uri).body(String::new()).unwrap();
    /// # let upstream = service_fn(|_: Request<String>| async {
    /// #     Ok::<_, std::io::Error>(Response::new("page".to_owned()))
    /// # });
    ///
    /// let name = HeaderName::from_static("x-coflight");
    /// let pages = CoalesceLayer::default().header(name.clone()).layer(upstream);
    /// let first = pages.clone().oneshot(get("/report")).await?;
    /// let second = pages.clone().oneshot(get("/report")).await?; // while the first is read
    /// assert_eq!((&first.headers()[&name], &second.headers()[&name]), (&"led".parse()?, &"joined".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn header(self, header: impl Into<Option<HeaderName>>) -> Self {
        self.with(|settings, _| settings.header = header.into())
    }

    /// The same, for services that must not fail, as those of axum's `Router::layer`: errors become responses, as
    /// [`AnswerLayer`] says. Without it the compiler says there that `Infallible: From<coflight_tower::Error>` is not satisfied.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use axum::{Router, body::Body, routing::get};
    /// use coflight::tower::CoalesceLayer;
    /// use http::Request;
    /// use tower::ServiceExt;
    ///
    /// let app: Router = Router::new()
    ///     .route("/report", get(|| async { "a query that takes a while" }))
    ///     .layer(CoalesceLayer::default().answering_errors());
    /// let response = app.oneshot(Request::get("/report").body(Body::empty())?).await?;
    /// assert_eq!(response.status(), 200);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn answering_errors(self) -> (AnswerLayer, Self) {
        (AnswerLayer::new(), self)
    }

    /// The same but for this. Services of layers that differ do not share what may be kept.
    fn with(self, change: impl FnOnce(&mut Settings, &mut Budget)) -> Self {
        let mut settings = Arc::unwrap_or_clone(self.settings);
        let mut budget = settings.budget.unused();
        change(&mut settings, &mut budget);
        settings.budget = Arc::new(budget);
        Self { settings: Arc::new(settings) }
    }
}

/// For a group without limits, with a hash function that clients, who choose the keys, cannot know.
impl Default for CoalesceLayer {
    fn default() -> Self {
        Self::new(Group::builder().hasher(RandomState::new()).build())
    }
}

impl<S> Layer<S> for CoalesceLayer {
    type Service = Coalesce<S>;

    fn layer(&self, inner: S) -> Coalesce<S> {
        Coalesce::new(inner, Arc::clone(&self.settings))
    }
}

impl fmt::Debug for CoalesceLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { bodies, budget, header, .. } = &*self.settings;
        f.debug_struct("CoalesceLayer")
            .field("bodies", bodies)
            .field("keep", &budget.flight)
            .field("keep_in_all", &budget.service)
            .field("beyond", &budget.beyond)
            .field("header", header)
            .finish_non_exhaustive()
    }
}
