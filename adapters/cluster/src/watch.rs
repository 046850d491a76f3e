//! What a cluster group does beyond its own process: counted, and told to observers.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::engine::{Name, Token};

/// What can happen between processes.
///
/// ```
/// use coflight::cluster::ClusterEventKind;
///
/// /// What is worth a line in the log of a group that leads thousands of flights.
/// fn is_rare(kind: ClusterEventKind) -> bool {
///     use ClusterEventKind::*;
///     matches!(kind, LeaseLost | Refused | Unreadable | EngineDown | EngineUp)
/// }
///
/// let rare = ClusterEventKind::ALL.into_iter().filter(|kind| is_rare(*kind));
/// assert_eq!(rare.count(), 5);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClusterEventKind {
    /// This process leads a flight: its work begins under a lease.
    Led,
    /// It leads one that it followed before: the leader resigned, or lost its lease.
    Succeeded,
    /// It follows a flight that another process, or an earlier flight of this one, leads.
    Followed,
    /// It got the ending of a flight that it followed.
    Answered,
    /// It got a result that lingered.
    Lingered,
    /// The ending of a flight that it led is there for the others. Of a work that is done: that a flight's time was over is told to the others without this, and
    /// without [`Refused`](Self::Refused).
    Published,
    /// The ending came too late: the lease was lost, or somebody else ended the flight.
    Refused,
    /// It lost a lease while the work ran.
    LeaseLost,
    /// It gave a lease up: its callers left, or nobody drove the work.
    Resigned,
    /// The work goes on for callers of other processes, after all of this one left.
    Continued,
    /// A work runs for this process, or for one of its callers, alone: the engine was not available, another's result could not be used, or the leader released
    /// those who waited.
    Alone,
    /// A value could not travel: too large, or it could not be encoded.
    Unshareable,
    /// The ending of another process could not be read.
    Unreadable,
    /// The engine stopped answering. Told once, until it is back.
    EngineDown,
    /// It answers again.
    EngineUp,
}

impl ClusterEventKind {
    /// All, in the order of their declaration.
    pub const ALL: [Self; 15] = [
        Self::Led,
        Self::Succeeded,
        Self::Followed,
        Self::Answered,
        Self::Lingered,
        Self::Published,
        Self::Refused,
        Self::LeaseLost,
        Self::Resigned,
        Self::Continued,
        Self::Alone,
        Self::Unshareable,
        Self::Unreadable,
        Self::EngineDown,
        Self::EngineUp,
    ];

    /// In snake case, for logs and labels.
    ///
    /// ```
    /// use coflight::cluster::ClusterEventKind;
    ///
    /// assert_eq!(ClusterEventKind::LeaseLost.name(), "lease_lost");
    /// // For labels that are to be there before anything happened.
    /// assert!(ClusterEventKind::ALL.map(ClusterEventKind::name).contains(&"engine_down"));
    /// ```
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Led => "led",
            Self::Succeeded => "succeeded",
            Self::Followed => "followed",
            Self::Answered => "answered",
            Self::Lingered => "lingered",
            Self::Published => "published",
            Self::Refused => "refused",
            Self::LeaseLost => "lease_lost",
            Self::Resigned => "resigned",
            Self::Continued => "continued",
            Self::Alone => "alone",
            Self::Unshareable => "unshareable",
            Self::Unreadable => "unreadable",
            Self::EngineDown => "engine_down",
            Self::EngineUp => "engine_up",
        }
    }
}

/// Something that happened between processes.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use std::sync::mpsc::{Sender, channel};
/// use coflight::cluster::{ClusterEvent, ClusterObserver};
/// # use coflight::cluster::{Cluster, InProcess};
/// # use coflight::Tokio;
///
/// struct Log(Sender<String>);
///
/// impl ClusterObserver for Log {
///     fn event(&self, event: &ClusterEvent<'_>) {
///         let ClusterEvent { kind, name: Some(name), token: Some(token), .. } = event else { return };
///         let _ = self.0.send(format!("{} {name} as {token}", kind.name()));
///     }
/// }
/// #
/// # let (log, logged) = channel();
/// # let users: Cluster<u64, u64, _, _> =
/// #     Cluster::builder("users", InProcess::new(), Tokio::current()).watch(Log(log)).build();
/// # let token = users.run(&42, |lease| async move { lease.token().unwrap().0 }).await?;
/// # let line = logged.recv()?;
/// # assert!(line.starts_with("led users:") && line.ends_with(&format!(" as {token}")), "{line}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ClusterEvent<'e> {
    /// What.
    pub kind: ClusterEventKind,
    /// What the processes call the key, if it is about one.
    pub name: Option<&'e Name>,
    /// Which execution, if it is about one with a lease.
    pub token: Option<Token>,
}

/// Is told what a cluster group does beyond its own process, for [`Builder::watch`](crate::Builder::watch). What happens inside is for the
/// [observers](coflight_core::Observer) of the local group.
///
/// Called in the middle of things, so it should be quick. If it panics, that is contained. A closure is one, which is told of events alone:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use coflight::cluster::{Cluster, ClusterEvent, InProcess};
/// use coflight::Tokio;
///
/// let (log, logged) = std::sync::mpsc::channel();
/// let answers: Cluster<String, u64, _, _> = Cluster::builder("answers", InProcess::new(), Tokio::current())
///     .watch(move |event: &ClusterEvent<'_>| log.send(event.kind.name()).unwrap())
///     .build();
/// answers.run("life", |_| async { 42 }).await?;
/// assert_eq!([logged.recv()?, logged.recv()?], ["led", "published"]);
/// # Ok(())
/// # }
/// ```
///
/// And one that counts what the engine was asked in vain:
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), coflight::cluster::Error> {
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::time::Duration;
/// use coflight::cluster::{Cluster, ClusterEvent, ClusterObserver, InProcess, Outage};
/// use coflight::Tokio;
///
/// #[derive(Clone, Default)]
/// struct Failures(Arc<AtomicU64>);
///
/// impl ClusterObserver for Failures {
///     fn event(&self, _: &ClusterEvent<'_>) {}
///
///     fn operation(&self, _: &'static str, _: Duration, failed: bool) {
///         self.0.fetch_add(failed.into(), Ordering::Relaxed);
///     }
/// }
///
/// let (engine, failures) = (InProcess::new(), Failures::default());
/// let answers: Cluster<String, u64, _, _> =
///     Cluster::builder("answers", engine.clone(), Tokio::current()).watch(failures.clone()).build();
/// answers.run("life", |_| async { 42 }).await?;
/// assert_eq!(failures.0.load(Ordering::Relaxed), 0);
/// engine.set_outage(Outage::Refuses);
/// answers.run("life", |_| async { 42 }).await?;
/// assert!(failures.0.load(Ordering::Relaxed) > 0);
/// # Ok(())
/// # }
/// ```
pub trait ClusterObserver: Send + Sync {
    /// Something happened.
    fn event(&self, event: &ClusterEvent<'_>);

    /// The engine answered an operation, or failed, after this time.
    fn operation(&self, operation: &'static str, took: Duration, failed: bool) {
        let _ = (operation, took, failed);
    }
}

impl<F: Fn(&ClusterEvent<'_>) + Send + Sync> ClusterObserver for F {
    fn event(&self, event: &ClusterEvent<'_>) {
        self(event);
    }
}

/// How often each thing [happened](ClusterEventKind) since the group was made.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), coflight::cluster::Error> {
/// use coflight::cluster::{Cluster, InProcess};
/// use coflight::Tokio;
///
/// let engine = InProcess::new();
/// let [here, there]: [Cluster<String, u64, _, _>; 2] =
///     std::array::from_fn(|_| Cluster::new("answers", engine.clone(), Tokio::current()));
/// let work = |_| async {
///     futures_lite::future::yield_now().await; // it takes a moment
///     42
/// };
/// let _ = futures_lite::future::zip(here.run("life", work), there.run("life", work)).await;
/// let (here, there) = (here.cluster_stats(), there.cluster_stats());
/// assert_eq!((here.led, here.published, there.followed, there.answered), (1, 1, 1, 1));
/// assert!(there.to_string().starts_with("0 led, 0 succeeded, 1 followed, 0 lingered, 0 alone; "));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "each is the count of the event of its name")]
pub struct ClusterStats {
    pub led: u64,
    pub succeeded: u64,
    pub followed: u64,
    pub answered: u64,
    pub lingered: u64,
    pub published: u64,
    pub refused: u64,
    pub lease_lost: u64,
    pub resigned: u64,
    pub continued: u64,
    pub alone: u64,
    pub unshareable: u64,
    pub unreadable: u64,
    pub engine_down: u64,
    pub engine_up: u64,
}

impl fmt::Display for ClusterStats {
    /// One line for a log, with what tells most.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { led, succeeded, followed, lingered, alone, .. } = self;
        write!(f, "{led} led, {succeeded} succeeded, {followed} followed, {lingered} lingered, {alone} alone; ")?;
        let Self { published, answered, lease_lost, engine_down, .. } = self;
        write!(
            f,
            "{published} published, {answered} answered, {lease_lost} leases lost, engine down {engine_down} times"
        )
    }
}

/// Counts, and tells.
#[derive(Default)]
pub(crate) struct Watch {
    counts: [AtomicU64; ClusterEventKind::ALL.len()],
    pub(crate) observers: Vec<Box<dyn ClusterObserver>>,
}

impl Watch {
    pub(crate) fn tell(&self, kind: ClusterEventKind, name: Option<&Name>, token: Option<Token>) {
        self.counts[kind as usize].fetch_add(1, Ordering::Relaxed);
        let event = ClusterEvent { kind, name, token };
        self.each(|observer| observer.event(&event));
    }

    pub(crate) fn operation(&self, operation: &'static str, took: Duration, failed: bool) {
        self.each(|observer| observer.operation(operation, took, failed));
    }

    fn each(&self, tell: impl Fn(&dyn ClusterObserver)) {
        for observer in &self.observers {
            let tell = std::panic::AssertUnwindSafe(|| tell(&**observer));
            // What it was not told is its own loss.
            let _ = std::panic::catch_unwind(tell);
        }
    }

    pub(crate) fn stats(&self) -> ClusterStats {
        let of = |kind: ClusterEventKind| self.counts[kind as usize].load(Ordering::Relaxed);
        ClusterStats {
            led: of(ClusterEventKind::Led),
            succeeded: of(ClusterEventKind::Succeeded),
            followed: of(ClusterEventKind::Followed),
            answered: of(ClusterEventKind::Answered),
            lingered: of(ClusterEventKind::Lingered),
            published: of(ClusterEventKind::Published),
            refused: of(ClusterEventKind::Refused),
            lease_lost: of(ClusterEventKind::LeaseLost),
            resigned: of(ClusterEventKind::Resigned),
            continued: of(ClusterEventKind::Continued),
            alone: of(ClusterEventKind::Alone),
            unshareable: of(ClusterEventKind::Unshareable),
            unreadable: of(ClusterEventKind::Unreadable),
            engine_down: of(ClusterEventKind::EngineDown),
            engine_up: of(ClusterEventKind::EngineUp),
        }
    }
}
