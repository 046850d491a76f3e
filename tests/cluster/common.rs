//! Processes, and what several promises need.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use coflight::cluster::{Builder, Cluster, ClusterStats, Error, InProcess, Lease, Served, TryCluster};
use coflight_tests::*;
use event_listener::Event;

pub(crate) const LEASE: Duration = Duration::from_secs(3);
pub(crate) const BEAT: Duration = Duration::from_secs(1);
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);

pub(crate) type Process<V> = Cluster<String, V, InProcess, AnyRuntime>;
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
pub(crate) fn building<V>(lab: &Lab, engine: &InProcess, name: &str) -> Builder<String, V, InProcess, AnyRuntime>
where
    V: Clone + serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static,
{
    Cluster::builder("test", engine.clone(), runtime(lab)).lease(LEASE).patience(PATIENCE).process(name)
}

pub(crate) fn process<V>(lab: &Lab, engine: &InProcess, name: &str) -> Process<V>
where
    V: Clone + serde::Serialize + serde::de::DeserializeOwned + Send + Sync + 'static,
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
pub(crate) fn call<V, F, Fut>(by: By, process: &Process<V>, key: &'static str, work: F) -> Call<(Result<V, Error>, Served)>
where
    V: Clone + Send + Sync + 'static,
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
#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) gate: Gate,
    begun: Arc<AtomicUsize>,
    gone: Arc<AtomicUsize>,
    polls: Arc<AtomicUsize>,
    /// Wakes it for nothing.
    nudge: Arc<Event>,
}

impl Default for Job {
    fn default() -> Self {
        Self { gate: Gate::new(), begun: Arc::default(), gone: Arc::default(), polls: Arc::default(), nudge: Arc::default() }
    }
}

struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Job {
    /// How often it was begun.
    pub(crate) fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    /// How many that were begun are over, done or dropped.
    pub(crate) fn gone(&self) -> usize {
        self.gone.load(Ordering::SeqCst)
    }

    /// How often it was polled.
    fn polls(&self) -> usize {
        self.polls.load(Ordering::SeqCst)
    }

    pub(crate) fn value<V: Send + 'static>(
        &self,
        value: V,
    ) -> impl FnOnce(Lease) -> Pin<Box<dyn Future<Output = V> + Send>> + Send + use<V> {
        let this = self.clone();
        move |_| {
            Box::pin(async move {
                this.begun.fetch_add(1, Ordering::SeqCst);
                let _running = Running(this.gone.clone());
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

/// How often this process attended to a flight by now: it leads, or follows another process.
pub(crate) fn attended(stats: ClusterStats) -> u64 {
    stats.led + stats.succeeded + stats.followed + stats.lingered + stats.alone
}

/// Lets beats pass, in each of which so many processes ask the engine, because they renew, or look.
pub(crate) async fn beats(lab: &Lab, engine: &InProcess, beats: usize, processes: usize, job: Option<&Job>) {
    for _ in 0..beats {
        // All of them are asleep,
        lab.until(|| lab.time().timers() >= processes).await;
        let before = engine.operations();
        lab.time().advance(BEAT);
        // and have been awake.
        lab.until(|| engine.operations() >= before + processes as u64).await;
        // Whoever drives the work was asked to show it, and does: the second poll from now on began after that.
        if let Some(job) = job {
            let polls = job.polls();
            lab.until(|| {
                job.nudge.notify(usize::MAX);
                job.polls() >= polls + 2
            })
            .await;
        }
    }
}

/// What a caller gets, while time passes in small steps; how much of it did is told, too.
pub(crate) async fn passing<T>(lab: &Lab, mut caller: Task<T>) -> (T, Duration) {
    let began = lab.time().now();
    loop {
        for _ in 0..50 {
            if let Some(ended) = poll_once(&mut caller).await {
                return (ended.returned(), lab.time().now() - began);
            }
            std::thread::yield_now();
            yield_now().await;
        }
        // Whoever runs on a thread of its own needs real time.
        std::thread::sleep(Duration::from_micros(300));
        lab.time().advance(PATIENCE / 50);
    }
}

/// Lets a time pass, in steps, each of which is given the chance to be noticed, until something holds; at most this long.
pub(crate) async fn pass_until(lab: &Lab, at_most: Duration, what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let began = lab.time().now();
    let step = at_most / 60;
    loop {
        for _ in 0..50 {
            if holds() {
                return lab.time().now() - began;
            }
            std::thread::yield_now();
            yield_now().await;
        }
        // Whoever runs on a thread of its own needs real time.
        std::thread::sleep(Duration::from_micros(300));
        let passed = lab.time().now() - began;
        if passed >= at_most {
            lab.until(&mut holds).await;
            assert!(holds(), "{what}: not after {passed:?}");
            return passed;
        }
        lab.time().advance(step);
    }
}
