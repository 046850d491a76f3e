//! Everything that can be chosen.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::time::Duration;

use coflight_core::{DefaultHashBuilder, Observer, Runtime, SharedError, TryGroup};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec::{Codec, MessagePack};
use crate::engine::{Engine, Nonce};
use crate::group::Cluster;
use crate::health::Health;
use crate::inner::Inner;
use crate::landing::{Delivered, Undelivered};
use crate::leads::Leads;
use crate::link::{Link, OnOutage};
use crate::naming::Naming;
use crate::propagation::Propagation;
use crate::watch::{ClusterObserver, Watch};

/// The shortest lease: with a shorter one, a pause of the scheduler would lose it.
const SHORTEST_LEASE: Duration = Duration::from_millis(10);

/// How a group's values become bytes, without the codec's type.
pub(crate) struct Coding<V> {
    pub(crate) encode: Encode<V>,
    pub(crate) decode: Decode<V>,
}

type Encode<V> = Box<dyn Fn(&V) -> Option<Vec<u8>> + Send + Sync>;
type Decode<V> = Box<dyn Fn(&[u8]) -> Option<V> + Send + Sync>;

impl<V: Serialize + DeserializeOwned> Coding<V> {
    fn new<C: Codec>(codec: C) -> Self {
        let codec = Arc::new(codec);
        let encoder = Arc::clone(&codec);
        Self {
            encode: Box::new(move |value| encoder.encode(value).ok()),
            decode: Box::new(move |bytes| codec.decode(bytes).ok()),
        }
    }
}

type Local<K, V, R, S> = coflight_core::Builder<K, Result<Delivered<V>, SharedError<Undelivered<V>>>, R, S>;

/// A cluster group to come. From [`Cluster::builder`].
///
/// What all processes must choose alike is marked so: those that choose differently do not meet, or do not understand each other.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), coflight::cluster::Error> {
/// use std::time::Duration;
/// use coflight::cluster::{Builder, Cluster, InProcess};
/// use coflight::Tokio;
///
/// /// What all groups of a program have in common.
/// fn common<K, V, S>(builder: Builder<K, V, InProcess, Tokio, S>) -> Builder<K, V, InProcess, Tokio, S> {
///     builder.lease(Duration::from_secs(5)).timeout(Duration::from_secs(30)).process("web-1")
/// }
///
/// let users: Cluster<u64, String, _, _> =
///     common(Cluster::builder("users", InProcess::new(), Tokio::current())).schema("2").build();
/// assert_eq!(users.process(), "web-1");
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is chosen until it is built"]
pub struct Builder<K, V, En, R, S = DefaultHashBuilder> {
    name: String,
    engine: En,
    runtime: R,
    local: Local<K, V, R, S>,
    coding: Coding<V>,
    schema: String,
    secret: Vec<u8>,
    show: Option<fn(&K) -> String>,
    lease: Duration,
    patience: Duration,
    on_outage: OnOutage,
    linger: Duration,
    timeout: Option<Duration>,
    max_bytes: usize,
    process: Option<String>,
    watch: Watch,
    propagation: Option<Box<dyn Propagation>>,
}

impl<K, V, En, R> Builder<K, V, En, R>
where
    K: Send + Sync + 'static,
    V: Serialize + DeserializeOwned + Send + Sync + 'static,
    R: Runtime,
{
    pub(crate) fn new(name: &str, engine: En, runtime: R) -> Self {
        Self {
            name: name.to_owned(),
            engine,
            runtime: runtime.clone(),
            local: coflight_core::Group::builder().runtime(runtime).name(name),
            coding: Coding::new(MessagePack),
            schema: String::new(),
            secret: Vec::new(),
            show: None,
            lease: Duration::from_secs(3),
            patience: Duration::from_millis(500),
            on_outage: OnOutage::default(),
            linger: Duration::ZERO,
            timeout: None,
            max_bytes: 1024 * 1024,
            process: None,
            watch: Watch::default(),
            propagation: None,
        }
    }
}

/// What concerns what happens between processes, and all of them must choose alike.
impl<K, V, En, R, S> Builder<K, V, En, R, S> {
    /// The version of what `V` looks like in bytes. Programs that say differently do not share flights. Change it with the type; the default is empty. **All
    /// processes alike.**
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// # use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let engine = InProcess::new();
    /// let builder = || Cluster::builder("users", engine.clone(), Tokio::current()).linger(Duration::from_secs(60));
    /// let old: Cluster<u64, String, _, _> = builder().schema("1").build();
    /// old.run(&42, |_| async { "Ada Lovelace".to_owned() }).await?;
    ///
    /// // Since then a user is two strings. What the old program left is not read as that.
    /// # let builder = || Cluster::builder("users", engine.clone(), Tokio::current()).linger(Duration::from_secs(60));
    /// let new: Cluster<u64, (String, String), _, _> = builder().schema("2").build();
    /// new.run(&42, |_| async { ("Ada".to_owned(), "Lovelace".to_owned()) }).await?;
    /// assert_eq!((new.cluster_stats().led, new.cluster_stats().unreadable), (1, 0));
    /// # Ok(())
    /// # }
    /// ```
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// How values become bytes; by default [`MessagePack`]. **All processes alike.**
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// # use std::sync::atomic::{AtomicUsize, Ordering};
    /// use coflight::cluster::{Cluster, Codec, InProcess};
    /// use coflight::Tokio;
    /// # use serde::{Serialize, de::DeserializeOwned};
    ///
    /// /// As the docs of [`Codec`] have it.
    /// struct Json;
    /// # static READ: AtomicUsize = AtomicUsize::new(0);
    /// # impl Codec for Json {
    /// #     type Error = serde_json::Error;
    /// #     fn encode<T: Serialize>(&self, value: &T) -> Result<Vec<u8>, Self::Error> {
    /// #         serde_json::to_vec(value)
    /// #     }
    /// #     fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, Self::Error> {
    /// #         READ.fetch_add(1, Ordering::Relaxed);
    /// #         serde_json::from_slice(bytes)
    /// #     }
    /// # }
    ///
    /// let users: Cluster<u64, String, _, _> = Cluster::builder("users", InProcess::new(), Tokio::current())
    ///     .codec(Json)
    ///     .linger(Duration::from_secs(60))
    ///     .build();
    /// users.run(&42, |_| async { "Ada".to_owned() }).await?; // "\"Ada\"" lies in the engine now
    /// assert_eq!(users.run(&42, |_| async { unreachable!("it lingers") }).await?, "Ada");
    /// # assert_eq!(READ.load(Ordering::Relaxed), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn codec(mut self, codec: impl Codec) -> Self
    where
        V: Serialize + DeserializeOwned,
    {
        self.coding = Coding::new(codec);
        self
    }

    /// Goes into the hash under which a key is known outside. Without it, whoever can read the engine can find out whether a key that they guess is in
    /// flight. **All processes alike.**
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let engine = InProcess::new();
    /// let [ours, guesses]: [Cluster<String, u64, _, _>; 2] = ["a long random text", "a guess"].map(|secret| {
    ///     Cluster::builder("logins", engine.clone(), Tokio::current()).linger(Duration::from_secs(60)).secret(secret).build()
    /// });
    /// ours.run("ada@example.org", |_| async { 1 }).await?;
    /// // Who does not know the secret does not find out that this key is there.
    /// assert!(!guesses.forget("ada@example.org").await?);
    /// assert!(ours.forget("ada@example.org").await?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn secret(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.secret = secret.into();
        self
    }

    /// Shows keys in the engine, after their hash, for those who look into it. By default only a hash of the key leaves the process. Other characters than
    /// letters, digits and `-_.` become `_`. **All processes alike.**
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::mpsc::channel;
    /// use coflight::cluster::{Cluster, ClusterEvent, InProcess};
    /// use coflight::Tokio;
    ///
    /// let (tell, names) = channel();
    /// let users: Cluster<u64, String, _, _> = Cluster::builder("users", InProcess::new(), Tokio::current())
    ///     .show_keys(|id| format!("user {id}"))
    ///     .watch(move |event: &ClusterEvent<'_>| tell.send(event.name.unwrap().to_string()).unwrap())
    ///     .build();
    /// users.run(&42, |_| async { "Ada".to_owned() }).await?;
    /// assert!(names.recv()?.ends_with(":user_42")); // group:hash:shown
    /// # Ok(())
    /// # }
    /// ```
    pub fn show_keys(mut self, show: fn(&K) -> String) -> Self {
        self.show = Some(show);
        self
    }

    /// For how long a leader may be silent before somebody else takes over. It renews three times in that time. The default is 3 s, the least 10 ms.
    ///
    /// Longer than any pause that the machines take without being dead; as short as callers can bear to wait for one that is. **All processes alike.**
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    /// use futures_lite::future::poll_once;
    /// use tokio::time::Instant;
    ///
    /// let engine = InProcess::with_clock(Tokio::current());
    /// let [here, there]: [Cluster<String, u64, _, _>; 2] = std::array::from_fn(|_| {
    ///     Cluster::builder("answers", engine.clone(), Tokio::current()).lease(Duration::from_millis(600)).build()
    /// });
    /// let mut stuck = Box::pin(here.run("life", |_| std::future::pending()));
    /// assert!(poll_once(&mut stuck).await.is_none()); // it leads, and is not polled any more
    ///
    /// let asked = Instant::now();
    /// assert_eq!(there.run("life", |_| async { 42 }).await?, 42);
    /// assert!(asked.elapsed() <= Duration::from_millis(600));
    /// # Ok(())
    /// # }
    /// ```
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(SHORTEST_LEASE);
        self
    }
}

/// What concerns what happens between processes, and each may choose for itself.
impl<K, V, En, R, S> Builder<K, V, En, R, S> {
    /// How long the engine may take to answer before it counts as [not available](Self::on_outage). The default is 500 ms.
    ///
    /// Within it, what failed is tried again. After it, callers do not wait for the engine at all, but for one that tries, once in this time, whether it is
    /// back. A caller that waits for another process notices an outage within a third of a lease, and this.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess, Outage};
    /// use coflight::Tokio;
    /// use tokio::time::Instant;
    ///
    /// let engine = InProcess::new();
    /// let answers: Cluster<String, u64, _, _> =
    ///     Cluster::builder("answers", engine.clone(), Tokio::current()).patience(Duration::from_millis(100)).build();
    /// engine.set_outage(Outage::Silent);
    ///
    /// let asked = Instant::now();
    /// assert_eq!(answers.run("life", |_| async { 42 }).await?, 42); // without the engine
    /// assert!(asked.elapsed() <= Duration::from_millis(110));
    /// # Ok(())
    /// # }
    /// ```
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What to do when the engine is not available. By default every process [carries on](OnOutage::CarryOn) for itself.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, Error, InProcess, OnOutage, Outage};
    /// use coflight::Tokio;
    ///
    /// let engine = InProcess::new();
    /// let payments: Cluster<u64, u64, _, _> =
    ///     Cluster::builder("payments", engine.clone(), Tokio::current()).on_outage(OnOutage::Refuse).build();
    /// engine.set_outage(Outage::Refuses);
    /// let refused = payments.run(&7, |_| async { unreachable!("not without a lease") }).await;
    /// assert!(matches!(refused, Err(Error::Unavailable(_))));
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_outage(mut self, outage: OnOutage) -> Self {
        self.on_outage = outage;
        self
    }

    /// A success is served to newcomers, in all processes, for this time after it was ready. It lies in the engine meanwhile, which then forgets it.
    /// The default is not at all.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let engine = InProcess::new();
    /// let [here, there]: [Cluster<String, u64, _, _>; 2] = std::array::from_fn(|_| {
    ///     Cluster::builder("answers", engine.clone(), Tokio::current()).linger(Duration::from_secs(60)).build()
    /// });
    /// assert_eq!(here.run("life", |_| async { 42 }).await?, 42);
    /// assert_eq!(there.run("life", |_| async { unreachable!("it lingers") }).await?, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// The largest value, encoded, that travels; the default is 1 MiB. A larger one is for the callers of its own process, and all other processes do the
    /// work for themselves.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let pages: Cluster<String, String, _, _> =
    ///     Cluster::builder("pages", InProcess::new(), Tokio::current()).max_bytes(1000).build();
    /// let page = pages.run("long", |_| async { "x".repeat(1001) }).await?;
    /// assert_eq!(page.len(), 1001); // its own callers have it
    /// assert_eq!(pages.cluster_stats().unshareable, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// What this process calls itself: others get to know it with a result. By default its number, and something random.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let answers: Cluster<String, u64, _, _> =
    ///     Cluster::builder("answers", InProcess::new(), Tokio::current()).process("web-1").build();
    /// let (_, served) = answers.run("life", |_| async { 42 }).with_served().await;
    /// assert_eq!(&*served.trip.unwrap().process, "web-1");
    /// # Ok(())
    /// # }
    /// ```
    pub fn process(mut self, process: impl Into<String>) -> Self {
        self.process = Some(process.into());
        self
    }

    /// Adds one who is told of what happens between processes.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::mpsc::channel;
    /// use coflight::cluster::{Cluster, ClusterEvent, InProcess};
    /// use coflight::Tokio;
    ///
    /// let (log, logged) = channel();
    /// let answers: Cluster<String, u64, _, _> = Cluster::builder("answers", InProcess::new(), Tokio::current())
    ///     .watch(move |event: &ClusterEvent<'_>| log.send(event.kind.name()).unwrap())
    ///     .build();
    /// answers.run("life", |_| async { 42 }).await?;
    /// assert_eq!([logged.recv()?, logged.recv()?], ["led", "published"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn watch(mut self, observer: impl ClusterObserver + 'static) -> Self {
        self.watch.observers.push(Box::new(observer));
        self
    }

    /// How traces get from one process to another.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess, Propagation, Trip};
    /// use coflight::Tokio;
    ///
    /// struct Traces;
    ///
    /// impl Propagation for Traces {
    ///     fn context(&self) -> Option<String> {
    ///         Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()) // of the current span
    ///     }
    ///
    ///     fn answered(&self, trip: &Trip) {
    ///         println!("my span follows from {:?}", trip.context);
    ///     }
    /// }
    ///
    /// let answers: Cluster<String, u64, _, _> =
    ///     Cluster::builder("answers", InProcess::new(), Tokio::current()).propagation(Traces).build();
    /// let (_, served) = answers.run("life", |_| async { 42 }).with_served().await;
    /// assert!(served.trip.unwrap().context.unwrap().starts_with("00-0af7"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn propagation(mut self, propagation: impl Propagation) -> Self {
        self.propagation = Some(Box::new(propagation));
        self
    }
}

/// What concerns what happens in this process.
impl<K, V, En, R, S> Builder<K, V, En, R, S> {
    /// [`Builder::hasher`](coflight_core::Builder::hasher) of the local group.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::hash::RandomState;
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// // Strangers choose the keys: they must not know the hash.
    /// let pages: Cluster<String, u64, _, _, RandomState> =
    ///     Cluster::builder("pages", InProcess::new(), Tokio::current()).hasher(RandomState::new()).build();
    /// assert_eq!(pages.run("/", |_| async { 42 }).await?, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn hasher<S2>(self, hasher: S2) -> Builder<K, V, En, R, S2> {
        let local = self.local.hasher(hasher);
        Builder {
            local,
            name: self.name,
            engine: self.engine,
            runtime: self.runtime,
            coding: self.coding,
            schema: self.schema,
            secret: self.secret,
            show: self.show,
            lease: self.lease,
            patience: self.patience,
            on_outage: self.on_outage,
            linger: self.linger,
            timeout: self.timeout,
            max_bytes: self.max_bytes,
            process: self.process,
            watch: self.watch,
            propagation: self.propagation,
        }
    }

    /// The flight's limit, as this process sees it: counted from its own first caller. If this process leads, the work is dropped, and all aboard,
    /// everywhere, get [`TimedOut`](coflight_core::Error::TimedOut); else those of this process.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let answers: Cluster<String, u64, _, _> =
    ///     Cluster::builder("answers", InProcess::new(), Tokio::current()).timeout(Duration::from_secs(30)).build();
    /// let late = answers.run("life", |_| std::future::pending()).await;
    /// assert_eq!(late.unwrap_err().flight(), Some(&coflight::Error::TimedOut));
    /// # Ok(())
    /// # }
    /// ```
    pub fn timeout(mut self, limit: Duration) -> Self
    where
        R: Runtime,
    {
        self.timeout = Some(limit);
        self.local = self.local.timeout(limit);
        self
    }

    /// [`Builder::wait_timeout`](coflight_core::Builder::wait_timeout): a caller's own limit.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let answers: Cluster<String, u64, _, _> =
    ///     Cluster::builder("answers", InProcess::new(), Tokio::current()).wait_timeout(Duration::from_secs(1)).build();
    /// let late = answers.run("life", |_| std::future::pending()).await;
    /// assert_eq!(late.unwrap_err().flight(), Some(&coflight::Error::WaitTimedOut));
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_timeout(mut self, limit: Duration) -> Self
    where
        R: Runtime,
    {
        self.local = self.local.wait_timeout(limit);
        self
    }

    /// [`Builder::overtake_after`](coflight_core::Builder::overtake_after): after this time another caller of this process asks the engine beside one that may
    /// not be polled any more. By then that one's lease, if it had one, is somebody else's; if it is at work after all, the other follows it. While the
    /// engine is not available, both work.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    /// use futures_lite::future::poll_once;
    ///
    /// let answers: Cluster<String, u64, _, _> = Cluster::builder("answers", InProcess::new(), Tokio::current())
    ///     .overtake_after(Duration::from_secs(5))
    ///     .build();
    /// let mut stuck = Box::pin(answers.run("life", |_| std::future::pending()));
    /// assert!(poll_once(&mut stuck).await.is_none()); // it leads, and is not polled any more
    ///
    /// assert_eq!(answers.run("life", |_| async { 42 }).await?, 42);
    /// # Ok(())
    /// # }
    /// ```
    pub fn overtake_after(mut self, limit: Duration) -> Self
    where
        R: Runtime,
    {
        self.local = self.local.overtake_after(limit);
        self
    }

    /// [`Builder::max_flights`](coflight_core::Builder::max_flights): keys at a time in this process.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    /// use futures_lite::future::poll_once;
    ///
    /// let reports: Cluster<u64, u64, _, _> =
    ///     Cluster::builder("reports", InProcess::new(), Tokio::current()).max_flights(1).build();
    /// let mut first = Box::pin(reports.run(&1, |_| std::future::pending()));
    /// assert!(poll_once(&mut first).await.is_none()); // it is in flight
    ///
    /// let second = reports.run(&2, |_| async { 42 }).await;
    /// assert_eq!(second.unwrap_err().flight(), Some(&coflight::Error::Full));
    /// # Ok(())
    /// # }
    /// ```
    pub fn max_flights(mut self, flights: usize) -> Self {
        self.local = self.local.max_flights(flights);
        self
    }

    /// [`Builder::detach`](coflight_core::Builder::detach): spawned work goes on even if nobody waits anywhere.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    /// use futures_lite::future::poll_once;
    /// use tokio::sync::oneshot;
    ///
    /// let refreshes: Cluster<String, (), _, _> =
    ///     Cluster::builder("refreshes", InProcess::new(), Tokio::current()).detach(true).build();
    /// let (done, told) = oneshot::channel();
    /// let mut leaves = Box::pin(refreshes.spawn("token", |_| async { done.send("refreshed").unwrap() }));
    /// assert!(poll_once(&mut leaves).await.is_none());
    /// drop(leaves); // nobody waits any more
    /// assert_eq!(told.await?, "refreshed");
    /// # Ok(())
    /// # }
    /// ```
    pub fn detach(mut self, detach: bool) -> Self {
        self.local = self.local.detach(detach);
        self
    }

    /// [`Builder::observer`](coflight_core::Builder::observer) of the local group.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::sync::mpsc::channel;
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::{Event, EventKind, Tokio};
    ///
    /// let (log, logged) = channel();
    /// let answers: Cluster<String, u64, _, _> = Cluster::builder("answers", InProcess::new(), Tokio::current())
    ///     .observer(move |event: &Event<'_, String>| log.send(event.kind()).unwrap())
    ///     .build();
    /// answers.run("life", |_| async { 42 }).await?;
    /// assert_eq!(logged.try_iter().last(), Some(EventKind::Completed));
    /// # Ok(())
    /// # }
    /// ```
    pub fn observer(mut self, observer: impl Observer<K> + 'static) -> Self {
        self.local = self.local.observer(observer);
        self
    }
}

impl<K, V, En, R, S> Builder<K, V, En, R, S>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    En: Engine,
    R: Runtime,
    S: BuildHasher + Send + Sync + 'static,
{
    /// The group. Nothing is asked of the engine before a call is polled.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let engine = InProcess::new();
    /// let answers: Cluster<String, u64, _, _> = Cluster::builder("answers", engine.clone(), Tokio::current()).build();
    /// assert_eq!(engine.operations(), 0); // it may be down when a program starts
    /// assert_eq!(answers.run("life", |_| async { 42 }).await?, 42);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn build(self) -> Cluster<K, V, En, R, S> {
        let local: TryGroup<K, Delivered<V>, Undelivered<V>, R, S> = self.local.build();
        let link = Link {
            engine: self.engine,
            runtime: self.runtime,
            lease: self.lease,
            patience: self.patience,
            on_outage: self.on_outage,
            process: self.process.unwrap_or_else(some_process).into(),
            health: Health::default(),
            watch: self.watch,
            leads: Leads::default(),
        };
        let inner = Inner {
            local,
            link: Arc::new(link),
            naming: Naming::new(&self.name, &self.schema, &self.secret, self.show),
            coding: self.coding,
            max_bytes: self.max_bytes,
            linger: self.linger,
            timeout: self.timeout,
            propagation: self.propagation,
            name: self.name,
        };
        Cluster { inner: Arc::new(inner) }
    }
}

/// A name for this process: its number, and, because machines and containers have the same ones, something random.
fn some_process() -> String {
    let number = std::process::id();
    match Nonce::random() {
        Ok(nonce) => {
            let [a, b, c, d, ..] = *nonce.as_bytes();
            format!("{number}-{:08x}", u32::from_be_bytes([a, b, c, d]))
        }
        Err(_) => number.to_string(),
    }
}

impl<K, V, En, R, S> fmt::Debug for Builder<K, V, En, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("name", &self.name).finish_non_exhaustive()
    }
}
