//! Processes, and what several promises need.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use coflight::cluster::{Builder, Cluster, ClusterStats, Engine, Error, InProcess, Lease, Served, TryCluster};
use coflight_tests::works::Witness;
use coflight_tests::*;
use event_listener::Event;

pub(crate) use crate::fronted::*;
pub(crate) use crate::passing::*;

pub(crate) const LEASE: Duration = Duration::from_secs(3);
pub(crate) const BEAT: Duration = Duration::from_secs(1);
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);

pub(crate) type Process<V, En = InProcess> = Cluster<String, V, En, AnyRuntime>;
pub(crate) type TryProcess<T, E> = TryCluster<String, T, E, InProcess, AnyRuntime>;
pub(crate) type Call<T> = Pin<Box<dyn Future<Output = T> + Send>>;

pub(crate) fn runtime(lab: &Lab) -> AnyRuntime {
    AnyRuntime::Virtual(Box::new(lab.runtime()), lab.time().clone())
}

/// An engine in the test's time.
pub(crate) fn engine(lab: &Lab) -> InProcess {
    InProcess::with_clock(runtime(lab))
}

/// A process to come, called `name`.
pub(crate) fn building<V, En>(lab: &Lab, engine: &En, name: &str) -> Builder<String, V, En, AnyRuntime>
where
    V: Clone + serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static,
    En: Engine,
{
    Cluster::builder("test", engine.clone(), runtime(lab)).lease(LEASE).patience(PATIENCE).process(name)
}

pub(crate) fn process<V, En>(lab: &Lab, engine: &En, name: &str) -> Process<V, En>
where
    V: Clone + serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static,
    En: Engine,
{
    building(lab, engine, name).build()
}

/// The verbs that make futures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Run,
    Relay,
    Spawn,
}

pub(crate) const VERBS: [By; 3] = [By::Run, By::Relay, By::Spawn];

/// Asks by a verb, in a future of its own.
pub(crate) fn call<V, En, F, Fut>(
    by: By,
    process: &Process<V, En>,
    key: &'static str,
    work: F,
) -> Call<(Result<V, Error>, Served)>
where
    V: Clone + Send + Sync + 'static,
    En: Engine,
    F: FnOnce(Lease) -> Fut + Send + 'static,
    Fut: Future<Output = V> + Send + 'static,
{
    let process = process.clone();
    Box::pin(async move {
        match by {
            By::Run => process.run(key, work).with_served().await,
            By::Relay => process.relay(key, work).with_served().await,
            By::Spawn => process.spawn(key, work).with_served().await,
        }
    })
}

/// A work that counts how often it runs, and waits at a gate.
#[derive(Clone, Default)]
pub(crate) struct Job {
    pub(crate) gate: Gate,
    witness: Witness,
    polls: Arc<AtomicUsize>,
    /// Wakes it for nothing.
    nudge: Arc<Event>,
}

impl Job {
    /// How often it was begun.
    pub(crate) fn begun(&self) -> usize {
        self.witness.begun()
    }

    /// How many that were begun are over, done or dropped.
    pub(crate) fn gone(&self) -> usize {
        self.witness.gone()
    }

    /// How often it was polled.
    fn polls(&self) -> usize {
        self.polls.load(Ordering::SeqCst)
    }

    /// Whoever drives the work was asked to show it, and does: the second poll from now on began after that. Or it is over.
    pub(crate) async fn shown(&self, lab: &Lab) {
        let polls = self.polls();
        lab.until(|| {
            self.nudge.notify(usize::MAX);
            self.polls() >= polls + 2 || self.gone() == self.begun()
        })
        .await;
    }

    pub(crate) fn value<V: Send + 'static>(
        &self,
        value: V,
    ) -> impl FnOnce(Lease) -> Pin<Box<dyn Future<Output = V> + Send>> + Send + use<V> {
        let this = self.clone();
        move |_| {
            Box::pin(async move {
                let _sign = this.witness.sign();
                let mut gate = pin!(this.gate.wait());
                let mut nudged = this.nudge.listen();
                poll_fn(|cx| {
                    this.polls.fetch_add(1, Ordering::SeqCst);
                    while Pin::new(&mut nudged).poll(cx).is_ready() {
                        nudged = this.nudge.listen();
                    }
                    gate.as_mut().poll(cx)
                })
                .await;
                value
            })
        }
    }
}

/// A work that must not be called.
pub(crate) fn never<V: Send + 'static>(_: Lease) -> Pin<Box<dyn Future<Output = V> + Send>> {
    unreachable!("a work that must not be called is")
}

/// How often this process attended to a flight by now: it leads, or follows another process.
pub(crate) fn attended(stats: ClusterStats) -> u64 {
    stats.led + stats.succeeded + stats.followed + stats.lingered + stats.alone
}
