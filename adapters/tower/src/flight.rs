//! The group's keys and values, and what a leader can do.

use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use coflight_core::{AsKey, DefaultHashBuilder, Entry, Leader, NoRuntime, Role, SharedError, TryError, TryGroup, Turn};
use event_listener::{Event, IntoNotification};

use crate::error::{BoxError, Error};
use crate::exchange::Exchange;
use crate::key::HttpKey;

/// A group of HTTP flights, for [`CoalesceLayer::new`](crate::CoalesceLayer::new). A flight lasts from the first request to the end of the
/// response's body.
///
/// Its keys are looked up by [`HttpKey`]: `group.forget(&key)`.
///
/// ```
/// use std::hash::RandomState;
/// use coflight::Group;
/// use coflight::tower::{CoalesceLayer, HttpGroup};
///
/// // Keep a clone: it is how to look at the flights, and to end them.
/// let flights: HttpGroup<_, _> = Group::builder().hasher(RandomState::new()).max_flights(1000).build();
/// let layer = CoalesceLayer::new(flights.clone());
/// assert_eq!(flights.len(), 0);
/// ```
pub type HttpGroup<R = NoRuntime, S = DefaultHashBuilder> = TryGroup<FlightKey, Shared, BoxError, R, S>;

type Outcome = Result<Shared, SharedError<BoxError>>;

/// The key of a flight: what was asked for, and the place where its callers find what was received of the answer. Shown as the [`HttpKey`] is.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use coflight::Group;
/// use coflight::tower::{CoalesceLayer, HttpGroup};
/// # use http::{Request, Response};
/// # use tower::{Layer, ServiceExt, service_fn};
/// # let get = |uri: &str| Request::get(uri).body(String::new()).unwrap();
/// # let upstream = service_fn(|_: Request<String>| async {
/// #     Ok::<_, std::io::Error>(Response::new("page".to_owned()))
/// # });
///
/// let flights: HttpGroup = Group::new();
/// let pages = CoalesceLayer::new(flights.clone()).layer(upstream);
/// let reading = pages.oneshot(get("http://example.org/report?user=ada")).await?;
/// let key = &flights.in_flight()[0].key;
/// assert_eq!(key.to_string(), "GET example.org/report?user=…");
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct FlightKey {
    key: HttpKey,
    pub(crate) meeting: Arc<Meeting>,
}

impl FlightKey {
    /// What was asked for.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::Group;
    /// use coflight::tower::{CoalesceLayer, HttpGroup};
    /// # use http::{Request, Response};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # let get = |uri: &str| Request::get(uri).body(String::new()).unwrap();
    /// # let upstream = service_fn(|_: Request<String>| async {
    /// #     Ok::<_, std::io::Error>(Response::new("page".to_owned()))
    /// # });
    ///
    /// let flights: HttpGroup = Group::new();
    /// let pages = CoalesceLayer::new(flights.clone()).layer(upstream);
    /// let reading = pages.oneshot(get("/report")).await?;
    /// let key = flights.in_flight()[0].key.http().clone();
    /// assert!(flights.cancel(&key));
    /// assert!(flights.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn http(&self) -> &HttpKey {
        &self.key
    }

    /// For [`Builder::show_keys`](coflight_core::Builder::show_keys): method, host, path, and the names in the query, but no value of it and no
    /// header.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Event, Group};
    /// use coflight::tower::{CoalesceLayer, FlightKey, HttpGroup};
    /// # use http::{Request, Response};
    /// # use tower::{Layer, ServiceExt, service_fn};
    /// # let get = |uri: &str| Request::get(uri).body(String::new()).unwrap();
    /// # let upstream = service_fn(|_: Request<String>| async {
    /// #     Ok::<_, std::io::Error>(Response::new("page".to_owned()))
    /// # });
    ///
    /// let (log, logged) = std::sync::mpsc::channel();
    /// let flights: HttpGroup = Group::builder()
    ///     .show_keys(FlightKey::show)
    ///     .observer(move |event: &Event<'_, FlightKey>| log.send(format!("{event:?}")).unwrap())
    ///     .build();
    /// CoalesceLayer::new(flights).layer(upstream).oneshot(get("http://example.org/report?user=ada")).await?;
    /// assert!(logged.recv()?.contains("GET example.org/report?user=…"));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// Those of the formatter.
    pub fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.key, f)
    }
}

impl PartialEq for FlightKey {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for FlightKey {}

impl Hash for FlightKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl fmt::Debug for FlightKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.key, f)
    }
}

impl fmt::Display for FlightKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.show(f)
    }
}

// Else the compiler offers it to everybody whose key is wrong.
#[diagnostic::do_not_recommend]
impl AsKey<FlightKey> for HttpKey {
    fn matches(&self, key: &FlightKey) -> bool {
        *self == key.key
    }

    fn to_key(&self) -> FlightKey {
        FlightKey { key: self.clone(), meeting: Arc::new(Meeting::new()) }
    }
}

/// What a flight came to: the whole exchange. Opaque; it lives on only in a group whose results [linger](coflight_core::Builder::linger).
///
/// ```
/// # futures_lite::future::block_on(async {
/// use coflight::TryGroup;
/// use coflight::tower::{BoxError, CoalesceLayer, FlightKey, Shared};
/// # use http::{Request, Response};
/// # use tower::{Layer, ServiceExt, service_fn};
/// # let get = |uri: &str| Request::get(uri).body(String::new()).unwrap();
/// # let upstream = service_fn(|_: Request<String>| async {
/// #     Ok::<_, std::io::Error>(Response::new("page".to_owned()))
/// # });
///
/// // `HttpGroup`, written out.
/// let flights: TryGroup<FlightKey, Shared, BoxError> = TryGroup::new();
/// let pages = CoalesceLayer::new(flights.clone()).layer(upstream);
/// let reading = pages.oneshot(get("/report")).await?;
/// assert_eq!(flights.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct Shared(pub(crate) Arc<Exchange>);

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// Where the callers of one flight find its exchange, and learn that something happened.
pub(crate) struct Meeting {
    /// Weak, because the flight holds its key, and the exchange may hold the flight's leader.
    current: Mutex<Weak<Exchange>>,
    pub(crate) changed: Event,
}

impl Meeting {
    pub(crate) fn new() -> Self {
        Self { current: Mutex::new(Weak::new()), changed: Event::new() }
    }

    pub(crate) fn current(&self) -> Option<Arc<Exchange>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }

    pub(crate) fn put(&self, exchange: &Arc<Exchange>) {
        // Weak: nobody's code runs when the last one is dropped under the lock.
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(exchange);
        self.tell();
    }

    /// Wakes every caller of the flight: any of them may never be polled again, so none may be the only one to know.
    pub(crate) fn tell(&self) {
        // A waker that panics stops the broadcast in the middle; the rest are still to be told.
        let mut told = false;
        while !told {
            let tell = AssertUnwindSafe(|| {
                // `additional` does not rely on event-listener's count of the notified, which a panicking waker upsets.
                self.changed.notify(usize::MAX.additional());
                told = true;
            });
            if let Err(payload) = catch_unwind(tell) {
                // Its destructor may panic as well.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)));
            }
        }
    }
}

/// A leader's duty, whatever the group's runtime and hasher are.
pub(crate) trait Duty: Send {
    /// Ready when somebody else ended the flight, or its time is over.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()>;
    /// Runs one poll of the work, so that a circle of flights that wait for each other is noticed.
    fn within(&self, poll: &mut dyn FnMut());
    /// Newcomers start afresh.
    fn forget(&self);
    /// Somebody else is to lead, who goes on with the request. Its holder leaves, perhaps because its task panicked, with which the request has nothing to do.
    fn abandon(self: Box<Self>);
    /// The result cannot be shared: every follower goes alone.
    fn release(self: Box<Self>);
    /// Ends the flight; says what its callers are told.
    fn complete(self: Box<Self>, result: Result<Shared, BoxError>) -> Result<(), Error>;
}

impl<R, S> Duty for Leader<FlightKey, Outcome, R, S>
where
    R: Send + Sync,
    S: Send + Sync,
{
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // It remembers the waker when it is dropped.
        pin!(self.cancelled()).poll(cx)
    }

    fn within(&self, poll: &mut dyn FnMut()) {
        Leader::within(self, poll);
    }

    fn forget(&self) {
        Leader::forget(self);
    }

    fn abandon(self: Box<Self>) {
        Leader::abandon(*self);
    }

    fn release(self: Box<Self>) {
        // If the flight was ended meanwhile, nobody waits to be released.
        let _ = Leader::release(*self);
    }

    fn complete(self: Box<Self>, result: Result<Shared, BoxError>) -> Result<(), Error> {
        self.try_complete(result).map(drop).map_err(Error::from)
    }
}

/// What a caller of a flight is told.
pub(crate) enum Told {
    /// It is to lead.
    Lead { duty: Box<dyn Duty>, role: Role, meeting: Arc<Meeting> },
    /// The flight ended with this.
    Landed(Result<Shared, Error>),
}

/// A caller's future in the group. Puts its flight's meeting into what is [between](Between) them as soon as it is aboard one.
pub(crate) type Ticket = Pin<Box<dyn Future<Output = Result<Told, coflight_core::Error>> + Send>>;

/// What a caller and its ticket tell each other.
#[derive(Default)]
pub(crate) struct Between {
    /// By the ticket: where the flight's callers meet.
    meeting: Mutex<Option<Arc<Meeting>>>,
    /// By the caller: it has its head, and is not to be limited in waiting for that any more.
    has_head: AtomicBool,
}

impl Between {
    pub(crate) fn meeting(&self) -> Option<Arc<Meeting>> {
        self.meeting.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_meeting(&self, meeting: Option<Arc<Meeting>>) {
        let before = std::mem::replace(&mut *self.meeting.lock().unwrap_or_else(PoisonError::into_inner), meeting);
        drop(before);
    }

    pub(crate) fn got_head(&self) {
        self.has_head.store(true, Ordering::Relaxed);
    }
}

/// Makes tickets for one group. `alone`: nobody is to join.
pub(crate) type Tickets = Arc<dyn Fn(HttpKey, bool, Arc<Between>) -> Ticket + Send + Sync>;

pub(crate) fn tickets<R, S>(group: HttpGroup<R, S>) -> Tickets
where
    R: Send + Sync + 'static,
    S: BuildHasher + Send + Sync + 'static,
{
    Arc::new(move |key, alone, between| Box::pin(ride(group.clone(), key, alone, between)))
}

async fn ride<R, S>(
    group: HttpGroup<R, S>,
    key: HttpKey,
    alone: bool,
    between: Arc<Between>,
) -> Result<Told, coflight_core::Error>
where
    R: Send + Sync + 'static,
    S: BuildHasher + Send + Sync + 'static,
{
    // Two responses cannot be made one in the middle.
    let call = group.call().without_overtaking();
    let entry = if alone { call.max_flights(None).enter(&key) } else { call.enter(&key) };
    let turn = match entry {
        Entry::Leader(leader) => Turn::Leader(leader),
        Entry::Follower(follower) => {
            let mut follower = pin!(follower);
            std::future::poll_fn(|cx| {
                if between.has_head.load(Ordering::Relaxed) {
                    follower.as_mut().unlimited();
                }
                loop {
                    if let Poll::Ready(turn) = follower.as_mut().poll(cx) {
                        return Poll::Ready(turn);
                    }
                    between.set_meeting(follower.key().map(|key| Arc::clone(&key.meeting)));
                    // A flight that was ended, whose leader's client does not read: nobody else would notice.
                    let over = follower.clearing().and_then(|key| key.meeting.current());
                    if !over.is_some_and(|exchange| exchange.look_after()) {
                        return Poll::Pending;
                    }
                }
            })
            .await?
        }
    };
    Ok(match turn {
        Turn::Leader(leader) => {
            let (role, meeting) = (leader.role(), Arc::clone(&leader.key().meeting));
            Told::Lead { duty: Box::new(leader), role, meeting }
        }
        Turn::Value(outcome) => Told::Landed(outcome.map_err(|error| Error::from(TryError::Work(error)))),
    })
}
