//! What observers are told.

use core::any::Any;
use core::fmt;
use core::hash::BuildHasher;
use core::time::Duration;

use crate::config::Config;
use crate::hash::DefaultHashBuilder;
use crate::snapshot::Verb;
use crate::sync::Arc;

/// Is told what happens in a group. For [`Builder::observer`](crate::Builder::observer).
///
/// Any `Fn(&Event<'_, K>) + Send + Sync` is one.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
/// use coflight::{Event, EventKind, Group, Observer};
///
/// /// Counts flights.
/// #[derive(Clone, Default)]
/// struct Flights(Arc<AtomicU64>);
///
/// impl<K> Observer<K> for Flights {
///     fn event(&self, event: &Event<'_, K>) {
///         if event.kind() == EventKind::Started {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
///
/// let flights = Flights::default();
/// let answers: Group<u64, u64> = Group::builder().observer(flights.clone()).build();
/// answers.run(&6, || async { 42 }).await?;
/// assert_eq!(flights.0.load(Ordering::Relaxed), 1);
/// # Ok::<(), coflight::Error>(()) }).unwrap();
/// ```
///
/// # Order
///
/// The events of one flight come one after another, never two at once, in the order in which they happened:
/// [`Missed`](EventKind::Missed), [`Started`](EventKind::Started), then any number of [`Joined`](EventKind::Joined),
/// [`Handover`](EventKind::Handover), [`Overtaken`](EventKind::Overtaken), [`Retried`](EventKind::Retried), then exactly one for which
/// [`is_end`](EventKind::is_end) holds, and after that, if the result lingers, any number of [`Lingered`](EventKind::Lingered); if its
/// followers were released, any number of [`Alone`](EventKind::Alone). Those of different flights come in any order, from any thread.
/// [`Missed`](EventKind::Missed) and [`Refused`](EventKind::Refused) of a refused call come together, in this order.
///
/// # What it may do
///
/// It is called outside all locks, after those aboard were told. It may block: that holds up the one call that tells it, and the later events
/// of that flight, but no other caller. It may panic: that is contained. It may use the group; a call that waits for the very flight it is being
/// told of gets [`Error::Circular`](crate::Error::Circular).
pub trait Observer<K>: Send + Sync {
    /// Something happened.
    fn event(&self, event: &Event<'_, K>);
}

impl<K, F: Fn(&Event<'_, K>) + Send + Sync> Observer<K> for F {
    fn event(&self, event: &Event<'_, K>) {
        self(event);
    }
}

/// What happened.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use coflight::{Event, EventKind, Group};
///
/// let (sender, told) = std::sync::mpsc::channel();
/// let flights: Group<u64, u64> = Group::builder()
///     .observer(move |event: &Event<'_, u64>| drop(sender.send(event.kind())))
///     .build();
/// flights.run(&6, || async { 42 }).await?;
///
/// let events: Vec<EventKind> = told.try_iter().collect();
/// assert_eq!(events, [EventKind::Missed, EventKind::Started, EventKind::Completed]);
/// # Ok::<(), coflight::Error>(()) }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// A call found nothing to join, and starts a flight or is refused.
    Missed,
    /// A call came aboard a flight in progress.
    Joined,
    /// A call was refused because of [`max_flights`](crate::Builder::max_flights).
    Refused,
    /// A flight started.
    Started,
    /// The flight ended with a result.
    Completed,
    /// The flight ended with a failure of its work, which all aboard share.
    Failed,
    /// The flight's work panicked.
    Panicked,
    /// The flight ran into its limit.
    TimedOut,
    /// The flight was cancelled.
    Cancelled,
    /// The flight's last caller left before the end.
    Abandoned,
    /// The leader let its followers go alone.
    Released,
    /// A call took over from a leader that left, and runs its own work.
    Handover,
    /// A follower started its own work beside that of a slow leader.
    Overtaken,
    /// A work failed, and the next follower is to try.
    Retried,
    /// A call was served a result that lingers.
    Lingered,
    /// A released follower runs its own work, for itself.
    Alone,
}

impl EventKind {
    /// A name in the style of logs and metrics: `missed`, `timed_out`, ….
    ///
    /// ```
    /// use coflight::EventKind;
    ///
    /// assert_eq!(EventKind::TimedOut.name(), "timed_out");
    /// assert_eq!(EventKind::TimedOut.to_string(), EventKind::TimedOut.name());
    /// ```
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Missed => "missed",
            Self::Joined => "joined",
            Self::Refused => "refused",
            Self::Started => "started",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Abandoned => "abandoned",
            Self::Released => "released",
            Self::Handover => "handover",
            Self::Overtaken => "overtaken",
            Self::Retried => "retried",
            Self::Lingered => "lingered",
            Self::Alone => "alone",
        }
    }

    /// Whether the flight ended by this. Each flight that [started](Self::Started) has exactly one such event.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Event, EventKind, Group};
    ///
    /// let (sender, told) = std::sync::mpsc::channel();
    /// let flights: Group<u64, u64> = Group::builder()
    ///     .observer(move |event: &Event<'_, u64>| {
    ///         if event.kind().is_end() {
    ///             drop(sender.send(event.kind()));
    ///         }
    ///     })
    ///     .build();
    /// flights.run(&6, || async { 42 }).await?;
    /// drop(flights.enter(&7));
    ///
    /// let ends: Vec<EventKind> = told.try_iter().collect();
    /// assert_eq!(ends, [EventKind::Completed, EventKind::Abandoned]);
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn is_end(self) -> bool {
        matches!(
            self,
            Self::Completed
                | Self::Failed
                | Self::Panicked
                | Self::TimedOut
                | Self::Cancelled
                | Self::Abandoned
                | Self::Released
        )
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One thing that happened, as an [`Observer`] is told of it.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use coflight::{Event, Group};
///
/// let (sender, told) = std::sync::mpsc::channel();
/// let users: Group<u64, u64> = Group::builder()
///     .name("users")
///     .observer(move |event: &Event<'_, u64>| drop(sender.send(format!("{} {}", event.group(), event.kind()))))
///     .build();
/// users.run(&42, || async { 0 }).await?;
///
/// let log: Vec<String> = told.try_iter().collect();
/// assert_eq!(log, ["users missed", "users started", "users completed"]);
/// # Ok::<(), coflight::Error>(()) }).unwrap();
/// ```
pub struct Event<'e, K> {
    pub(crate) kind: EventKind,
    pub(crate) key: &'e K,
    pub(crate) hash: u64,
    pub(crate) source: Source<'e, K>,
    pub(crate) flight: Option<u64>,
    pub(crate) verb: Option<Verb>,
    pub(crate) elapsed: Option<Duration>,
    pub(crate) metadata: Option<&'e Metadata>,
    pub(crate) leader: Option<&'e Metadata>,
}

/// What an event says of its group.
pub(crate) struct Source<'e, K> {
    name: &'e str,
    show: Option<Show<K>>,
    blind: &'e DefaultHashBuilder,
}

impl<'e, K> Source<'e, K> {
    pub(crate) fn of<V>(config: &'e Config<K, V>) -> Self {
        Self { name: config.name(), show: config.show, blind: &config.blind }
    }
}

/// Shows a key, as [`Builder::show_keys`](crate::Builder::show_keys) was told to.
pub(crate) type Show<K> = fn(&K, &mut fmt::Formatter<'_>) -> fmt::Result;

/// What a call says of itself; see [`Call::metadata`](crate::Call::metadata).
pub(crate) type Metadata = Arc<dyn Any + Send + Sync>;

impl<'e, K> Event<'e, K> {
    /// What happened.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Event, EventKind, Group};
    ///
    /// let (sender, told) = std::sync::mpsc::channel();
    /// let flights: Group<u64, u64> = Group::builder()
    ///     .observer(move |event: &Event<'_, u64>| drop(sender.send(event.kind())))
    ///     .build();
    /// flights.run(&6, || async { 42 }).await?;
    /// flights.run(&6, || async { 42 }).await?; // after the first, not meanwhile
    ///
    /// assert_eq!(told.try_iter().filter(|kind| *kind == EventKind::Started).count(), 2);
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn kind(&self) -> EventKind {
        self.kind
    }

    /// The key itself. Keys can hold secrets: in logs, use [`shown_key`](Self::shown_key).
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Event, Group};
    ///
    /// let (sender, told) = std::sync::mpsc::channel();
    /// let flights: Group<u64, u64> = Group::builder()
    ///     .observer(move |event: &Event<'_, u64>| drop(sender.send(*event.key())))
    ///     .build();
    /// flights.run(&6, || async { 42 }).await?;
    /// assert!(told.try_iter().eq([6, 6, 6])); // missed, started, completed
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn key(&self) -> &'e K {
        self.key
    }

    /// The key as it may be shown: as [`show_keys`](crate::Builder::show_keys) says, or, by default, as a number from which nobody can tell the
    /// key, but which is the same for the same key for the life of the group.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Event, Group};
    ///
    /// let (sender, told) = std::sync::mpsc::channel();
    /// let flights: Group<String, u64> = Group::builder()
    ///     .observer(move |event: &Event<'_, String>| drop(sender.send(event.shown_key().to_string())))
    ///     .build();
    /// flights.run("ada@example.org", || async { 42 }).await?;
    ///
    /// let shown: Vec<String> = told.try_iter().collect();
    /// assert!(shown[0].starts_with('#')); // #d632abc8cf2ddd97, or another number
    /// assert_eq!(shown[0], shown[1]);     // for the same key the same
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn shown_key(&self) -> ShownKey<'e, K> {
        ShownKey::new((self.key, self.hash), self.source.show, self.source.blind)
    }

    /// The group's [name](crate::Builder::name), or nothing.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Event, Group};
    ///
    /// let (sender, told) = std::sync::mpsc::channel();
    /// let users: Group<u64, u64> = Group::builder()
    ///     .name("users")
    ///     .observer(move |event: &Event<'_, u64>| drop(sender.send(event.group().to_owned())))
    ///     .build();
    /// users.run(&42, || async { 0 }).await?;
    /// assert_eq!(told.try_recv().as_deref(), Ok("users"));
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn group(&self) -> &'e str {
        self.source.name
    }

    /// The flight's number, unique in the group. `None` if it never started.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Event, Group};
    ///
    /// let (sender, told) = std::sync::mpsc::channel();
    /// let flights: Group<u64, u64> = Group::builder()
    ///     .max_flights(1)
    ///     .observer(move |event: &Event<'_, u64>| drop(sender.send(event.flight())))
    ///     .build();
    /// let leader = flights.enter(&6);
    /// assert_eq!(flights.run(&7, || async { 42 }).await, Err(coflight::Error::Full));
    ///
    /// let numbers: Vec<Option<u64>> = told.try_iter().collect();
    /// assert_eq!(numbers[0], numbers[1]); // one flight: missed, started
    /// assert_eq!(numbers[2], None);       // one that was refused
    /// # drop(leader);
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn flight(&self) -> Option<u64> {
        self.flight
    }

    /// The verb by which the flight's work was started, or the call that is told of was made.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Event, EventKind, Group, Verb};
    ///
    /// let (sender, told) = std::sync::mpsc::channel();
    /// let flights: Group<u64, u64> = Group::builder()
    ///     .observer(move |event: &Event<'_, u64>| drop(sender.send((event.kind(), event.verb()))))
    ///     .build();
    /// let leader = flights.enter(&6);
    /// let mut call = Box::pin(flights.run(&6, || async { 42 }));
    /// assert!(futures_lite::future::poll_once(&mut call).await.is_none());
    ///
    /// let events: Vec<(EventKind, Option<Verb>)> = told.try_iter().collect();
    /// assert_eq!(events[1], (EventKind::Started, Some(Verb::Enter)));
    /// assert_eq!(events[2], (EventKind::Joined, Some(Verb::Run)));
    /// # drop(leader);
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn verb(&self) -> Option<Verb> {
        self.verb
    }

    /// For how long the flight had been in progress. By the runtime's clock if the group [keeps time](crate::Builder::timed), else by the
    /// system's; without `std`, and without a runtime, unknown.
    ///
    /// Here with a runtime whose time stands still until the test moves it:
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use std::time::Duration;
    /// # use std::{future::{Future, poll_fn}, pin::Pin, sync::{Arc, atomic::{AtomicU64, Ordering}}, task::Poll};
    /// # #[derive(Clone, Default)]
    /// # struct Paused(Arc<AtomicU64>);
    /// # impl Paused {
    /// #     fn advance(&self, time: Duration) {
    /// #         self.0.fetch_add(time.as_secs(), Ordering::Relaxed);
    /// #     }
    /// # }
    /// # impl coflight::Clock for Paused {
    /// #     fn now(&self) -> Duration {
    /// #         Duration::from_secs(self.0.load(Ordering::Relaxed))
    /// #     }
    /// # }
    /// # impl coflight::Timer for Paused {
    /// #     type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;
    /// #     fn sleep(&self, time: Duration) -> Self::Sleep {
    /// #         let (clock, due) = (self.clone(), coflight::Clock::now(self) + time);
    /// #         Box::pin(poll_fn(move |_| if coflight::Clock::now(&clock) < due { Poll::Pending } else { Poll::Ready(()) }))
    /// #     }
    /// # }
    /// use coflight::{Entry, Event, EventKind, Group};
    ///
    /// let (sender, told) = std::sync::mpsc::channel();
    /// let runtime = Paused::default();
    /// let flights: Group<u64, u64, _> = Group::builder()
    ///     .runtime(runtime.clone())
    ///     .timed()
    ///     .observer(move |event: &Event<'_, u64>| drop(sender.send((event.kind(), event.elapsed()))))
    ///     .build();
    /// let Entry::Leader(leader) = flights.enter(&6) else { unreachable!("nobody came before") };
    /// runtime.advance(Duration::from_secs(2));
    /// leader.complete(42)?;
    ///
    /// let events: Vec<_> = told.try_iter().collect();
    /// assert_eq!(events[2], (EventKind::Completed, Some(Duration::from_secs(2))));
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn elapsed(&self) -> Option<Duration> {
        self.elapsed
    }

    /// What the call that this is about said of itself by [`metadata`](crate::Call::metadata), if it said a `T`. When a flight ends, that is the
    /// call whose work gave the result, or was run last.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Event, Group};
    ///
    /// /// A request's number.
    /// #[derive(Clone, Copy, Debug, PartialEq)]
    /// struct Number(u64);
    ///
    /// let (sender, told) = std::sync::mpsc::channel();
    /// let flights: Group<u64, u64> = Group::builder()
    ///     .observer(move |event: &Event<'_, u64>| drop(sender.send(event.metadata::<Number>().copied())))
    ///     .build();
    /// flights.call().metadata(Number(7)).run(&6, || async { 42 }).await?;
    ///
    /// assert_eq!(told.try_recv(), Ok(Some(Number(7))));
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn metadata<T: Any>(&self) -> Option<&'e T> {
        self.metadata.and_then(|metadata| (**metadata).downcast_ref())
    }

    /// The same, of the call whose work the flight runs: for a follower, who it waits for.
    ///
    /// ```
    /// use coflight::{Event, Group};
    ///
    /// let (sender, told) = std::sync::mpsc::channel();
    /// let flights: Group<u64, u64> = Group::builder()
    ///     .observer(move |event: &Event<'_, u64>| {
    ///         drop(sender.send((event.metadata().copied(), event.leader().copied())));
    ///     })
    ///     .build();
    /// let leader = flights.call().metadata("Ada").enter(&6);
    /// let follower = flights.call().metadata("Grace").enter(&6);
    ///
    /// // Of the three events, missed, started, and joined, the last.
    /// assert_eq!(told.try_iter().last(), Some((Some("Grace"), Some("Ada"))));
    /// # drop((leader, follower));
    /// ```
    #[must_use]
    pub fn leader<T: Any>(&self) -> Option<&'e T> {
        self.leader.and_then(|metadata| (**metadata).downcast_ref())
    }
}

impl<K> fmt::Debug for Event<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("kind", &self.kind)
            .field("key", &self.shown_key())
            .field("group", &self.group())
            .field("flight", &self.flight)
            .field("elapsed", &self.elapsed)
            .finish_non_exhaustive()
    }
}

/// A key as it may be shown in logs. From [`Event::shown_key`].
///
/// ```
/// # futures_lite::future::block_on(async {
/// use coflight::{Event, Group};
///
/// let (sender, told) = std::sync::mpsc::channel();
/// let flights: Group<String, u64> = Group::builder()
///     .show_keys(|key: &String, f| write!(f, "someone at {}", key.split('@').last().unwrap_or_default()))
///     .observer(move |event: &Event<'_, String>| drop(sender.send(event.shown_key().to_string())))
///     .build();
/// flights.run("ada@example.org", || async { 42 }).await?;
/// assert_eq!(told.try_recv().as_deref(), Ok("someone at example.org"));
/// # Ok::<(), coflight::Error>(()) }).unwrap();
/// ```
pub struct ShownKey<'e, K> {
    key: &'e K,
    show: Option<Show<K>>,
    number: u64,
}

impl<'e, K> ShownKey<'e, K> {
    /// That of a flight whose group chose `show`, and whose hash `blind` makes a number of.
    pub(crate) fn new(flight: (&'e K, u64), show: Option<Show<K>>, blind: &DefaultHashBuilder) -> Self {
        let (key, hash) = flight;
        ShownKey { key, show, number: blind.hash_one(hash) }
    }

    /// As if nobody had chosen how.
    pub(crate) fn blind(self) -> Self {
        Self { show: None, ..self }
    }
}

impl<K> fmt::Display for ShownKey<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.show {
            Some(show) => show(self.key, f),
            None => write!(f, "#{:016x}", self.number),
        }
    }
}

impl<K> fmt::Debug for ShownKey<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
