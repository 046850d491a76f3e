//! Processes, and what several promises need.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use coflight::cluster::{
    Builder, Cluster, ClusterStats, Engine, EngineError, Error, InProcess, Joined, Keep, Lead, Lease, Name, Nonce,
    Renewed, Seen, Served, Token, TryCluster,
};
use coflight_tests::*;
use event_listener::Event;

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
        Self {
            gate: Gate::new(),
            begun: Arc::default(),
            gone: Arc::default(),
            polls: Arc::default(),
            nudge: Arc::default(),
        }
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

/// A work that must not be called.
pub(crate) fn never<V: Send + 'static>(_: Lease) -> Pin<Box<dyn Future<Output = V> + Send>> {
    unreachable!("a work that must not be called is")
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
        if let Some(job) = job {
            job.shown(lab).await;
        }
    }
}

/// Nobody is asleep: those of an engine before this one are not to be taken for those of the next.
pub(crate) async fn idle(lab: &Lab) {
    lab.until(|| lab.time().timers() == 0).await;
}

/// What a caller gets, while time passes in small steps; how much of it did is told, too.
pub(crate) async fn passing<T>(lab: &Lab, mut caller: Task<T>) -> (T, Duration) {
    let began = lab.time().now();
    loop {
        // On a machine that does much else, each of these may take a while.
        for _ in 0..5 {
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

/// Lets a time pass, in steps, each of which is given the chance to be noticed, until something holds; at most this long, and a little for what is noticed
/// late because the machine does other things. Nothing fails because it comes late: what is to come in time is for [`pass_asleep`].
pub(crate) async fn pass_until(lab: &Lab, at_most: Duration, what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let began = lab.time().now();
    let step = at_most / 60;
    loop {
        for _ in 0..5 {
            if holds() {
                return lab.time().now() - began;
            }
            std::thread::yield_now();
            yield_now().await;
        }
        // Whoever runs on a thread of its own needs real time.
        std::thread::sleep(Duration::from_millis(1));
        let passed = lab.time().now() - began;
        if passed >= at_most * 3 / 2 {
            // Whoever has not noticed by then, though all that it needs has happened, does without more of it.
            eprintln!("{what}: not after {passed:?}");
            lab.until(&mut holds).await;
            return passed;
        }
        lab.time().advance(step);
    }
}

/// Lets time pass until something holds, but not a moment more than a limit, in steps, at each of which everyone who is to wake does: so many are asleep
/// again, and the work was shown to be driven. Returns how much time that took.
pub(crate) async fn pass_asleep(
    lab: &Lab,
    limit: Duration,
    sleepers: usize,
    job: Option<&Job>,
    mut holds: impl FnMut() -> bool,
) -> Duration {
    let began = lab.time().now();
    loop {
        lab.until(|| holds() || lab.time().timers() >= sleepers).await;
        let passed = lab.time().now() - began;
        if passed >= limit {
            lab.until(&mut holds).await;
        }
        if holds() {
            return passed;
        }
        if let Some(job) = job {
            job.shown(lab).await;
        }
        lab.time().advance((limit - passed).min(Duration::from_millis(5)));
    }
}

/// What a caller gets, as [`pass_asleep`] has time pass.
pub(crate) async fn within<T>(
    lab: &Lab,
    limit: Duration,
    sleepers: usize,
    job: Option<&Job>,
    mut caller: Task<T>,
) -> T {
    let mut ended = None;
    let ready = || {
        if ended.is_none() {
            if let Poll::Ready(end) = poll_now(Pin::new(&mut caller)) {
                ended = Some(end);
            }
        }
        ended.is_some()
    };
    pass_asleep(lab, limit, sleepers, job, ready).await;
    ended.expect("its end").returned()
}

/// Lets time pass until nothing has the engine any more, after these processes are dropped: no task that goes on behind everybody's back.
pub(crate) async fn settle<V: Clone + Send + Sync + 'static>(
    lab: &Lab,
    engine: Fronted,
    processes: impl IntoIterator<Item = Process<V, Fronted>>,
) {
    processes.into_iter().for_each(drop);
    let alive = engine.alive();
    drop(engine);
    pass_until(lab, 6 * LEASE, "nobody has the engine any more", || alive.strong_count() == 0).await;
    lab.until(|| lab.time().timers() == 0).await;
}

/// What happens to an operation on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    /// It is done, and the answer is lost.
    Unanswered,
    /// It does not get there.
    Failed,
}

/// An engine with something in front of it, which sees every operation, and decides on it.
#[derive(Clone)]
pub(crate) struct Fronted {
    pub(crate) behind: InProcess,
    front: Arc<Front>,
}

pub(crate) type Front = dyn Fn(&'static str, &Name) -> Fate + Send + Sync;

impl Fronted {
    pub(crate) fn new(behind: &InProcess, front: impl Fn(&'static str, &Name) -> Fate + Send + Sync + 'static) -> Self {
        Self { behind: behind.clone(), front: Arc::new(front) }
    }

    /// With nothing in front but what sees whether anybody still has it.
    pub(crate) fn watched(lab: &Lab) -> Self {
        Self::new(&engine(lab), |_, _| Fate::Answered)
    }

    /// With the first so many answers to an operation lost.
    pub(crate) fn losing(lab: &Lab, lost: &'static str, answers: usize) -> Self {
        let asked = AtomicUsize::new(0);
        Self::new(&engine(lab), move |operation, _| {
            let is_lost = operation == lost && asked.fetch_add(1, Ordering::SeqCst) < answers;
            if is_lost { Fate::Unanswered } else { Fate::Answered }
        })
    }

    /// With a count of how often an operation was asked for.
    pub(crate) fn counting(lab: &Lab, counted: &'static str) -> (Self, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counts = count.clone();
        let front = move |operation: &'static str, _: &Name| {
            counts.fetch_add(usize::from(operation == counted), Ordering::SeqCst);
            Fate::Answered
        };
        (Self::new(&engine(lab), front), count)
    }

    /// Upgrades for as long as anybody has this engine.
    pub(crate) fn alive(&self) -> std::sync::Weak<Front> {
        Arc::downgrade(&self.front)
    }

    async fn pass<T>(
        &self,
        operation: &'static str,
        name: &Name,
        done: impl Future<Output = Result<T, EngineError>> + Send,
    ) -> Result<T, EngineError> {
        match (self.front)(operation, name) {
            Fate::Answered => done.await,
            Fate::Unanswered => {
                let _ = done.await;
                std::future::pending().await
            }
            Fate::Failed => Err(EngineError::new("it did not get there")),
        }
    }
}

impl Engine for Fronted {
    async fn join(&self, name: &Name, nonce: Nonce, lease: Duration) -> Result<Joined, EngineError> {
        self.pass("join", name, self.behind.join(name, nonce, lease)).await
    }

    async fn look(&self, name: &Name, token: Token) -> Result<Seen, EngineError> {
        self.pass("look", name, self.behind.look(name, token)).await
    }

    async fn renew(&self, lead: &Lead, lease: Duration) -> Result<Renewed, EngineError> {
        self.pass("renew", &lead.name, self.behind.renew(lead, lease)).await
    }

    async fn publish(&self, lead: &Lead, ending: &[u8], keep: Keep) -> Result<bool, EngineError> {
        self.pass("publish", &lead.name, self.behind.publish(lead, ending, keep)).await
    }

    async fn resign(&self, lead: &Lead) -> Result<bool, EngineError> {
        self.pass("resign", &lead.name, self.behind.resign(lead)).await
    }

    async fn cancel(&self, name: &Name, ending: &[u8], fetch: Duration) -> Result<bool, EngineError> {
        self.pass("cancel", name, self.behind.cancel(name, ending, fetch)).await
    }

    async fn forget(&self, name: &Name) -> Result<bool, EngineError> {
        self.pass("forget", name, self.behind.forget(name)).await
    }

    async fn tell(&self, name: &Name) -> Result<(), EngineError> {
        self.pass("tell", name, self.behind.tell(name)).await
    }

    fn changed(&self, name: &Name) -> impl Future<Output = ()> + Send + 'static {
        self.behind.changed(name)
    }
}
