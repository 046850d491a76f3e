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
use crate::group::{Cluster, Inner};
use crate::health::Health;
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
    outage: OnOutage,
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
            outage: OnOutage::default(),
            linger: Duration::ZERO,
            timeout: None,
            max_bytes: 1024 * 1024,
            process: None,
            watch: Watch::default(),
            propagation: None,
        }
    }
}

/// What concerns what happens between processes. What all of them must choose alike says so.
impl<K, V, En, R, S> Builder<K, V, En, R, S> {
    /// For how long a leader may be silent before somebody else takes over. It renews three times in that time. The default is 3 s, the least 10 ms.
    ///
    /// Longer than any pause that the machines take without being dead; as short as callers can bear to wait for one that is. **All processes alike.**
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease.max(SHORTEST_LEASE);
        self
    }

    /// How long the engine may take to answer before it counts as [not available](Self::on_outage). The default is 500 ms.
    ///
    /// Within it, what failed is tried again. After it, callers do not wait for the engine at all, but for one that tries, once in this time, whether it is
    /// back. A caller that waits for another process notices an outage within a third of a lease, and this.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What to do when the engine is not available. By default every process [carries on](OnOutage::CarryOn) for itself.
    pub fn on_outage(mut self, outage: OnOutage) -> Self {
        self.outage = outage;
        self
    }

    /// A success is served to newcomers, in all processes, for this time after it was ready. It lies in the engine meanwhile, which then forgets it.
    /// The default is not at all.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// The largest value, encoded, that travels; the default is 1 MiB. A larger one is for the callers of its own process, and all other processes do the
    /// work for themselves.
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// The version of what `V` looks like in bytes. Programs that say differently do not share flights. Change it with the type; the default is empty. **All
    /// processes alike.**
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// Goes into the hash under which a key is known outside. Without it, whoever can read the engine can find out whether a key that they guess is in
    /// flight. **All processes alike.**
    pub fn secret(mut self, secret: impl Into<Vec<u8>>) -> Self {
        self.secret = secret.into();
        self
    }

    /// Shows keys in the engine, after their hash, for those who look into it. By default only a hash of the key leaves the process. Other characters than
    /// letters, digits and `-_.` become `_`. **All processes alike.**
    pub fn show_keys(mut self, show: fn(&K) -> String) -> Self {
        self.show = Some(show);
        self
    }

    /// How values become bytes; by default [`MessagePack`]. **All processes alike.**
    pub fn codec(mut self, codec: impl Codec) -> Self
    where
        V: Serialize + DeserializeOwned,
    {
        self.coding = Coding::new(codec);
        self
    }

    /// What this process calls itself: others get to know it with a result. By default its number, and something random.
    pub fn process(mut self, process: impl Into<String>) -> Self {
        self.process = Some(process.into());
        self
    }

    /// Adds one who is told of what happens between processes.
    pub fn watch(mut self, observer: impl ClusterObserver + 'static) -> Self {
        self.watch.observers.push(Box::new(observer));
        self
    }

    /// How traces get from one process to another.
    pub fn propagation(mut self, propagation: impl Propagation) -> Self {
        self.propagation = Some(Box::new(propagation));
        self
    }
}

/// What concerns this process.
impl<K, V, En, R, S> Builder<K, V, En, R, S> {
    /// [`Builder::hasher`](coflight_core::Builder::hasher) of the local group.
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
            outage: self.outage,
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
    pub fn timeout(mut self, limit: Duration) -> Self
    where
        R: Runtime,
    {
        self.timeout = Some(limit);
        self.local = self.local.timeout(limit);
        self
    }

    /// [`Builder::wait_timeout`](coflight_core::Builder::wait_timeout): a caller's own limit.
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
    pub fn overtake_after(mut self, limit: Duration) -> Self
    where
        R: Runtime,
    {
        self.local = self.local.overtake_after(limit);
        self
    }

    /// [`Builder::max_flights`](coflight_core::Builder::max_flights): keys at a time in this process.
    pub fn max_flights(mut self, flights: usize) -> Self {
        self.local = self.local.max_flights(flights);
        self
    }

    /// [`Builder::detach`](coflight_core::Builder::detach): spawned work goes on even if nobody waits anywhere.
    pub fn detach(mut self, detach: bool) -> Self {
        self.local = self.local.detach(detach);
        self
    }

    /// [`Builder::observer`](coflight_core::Builder::observer) of the local group.
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
    #[must_use]
    pub fn build(self) -> Cluster<K, V, En, R, S> {
        let local: TryGroup<K, Delivered<V>, Undelivered<V>, R, S> = self.local.build();
        let link = Link {
            engine: self.engine,
            runtime: self.runtime,
            lease: self.lease,
            patience: self.patience,
            outage: self.outage,
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
