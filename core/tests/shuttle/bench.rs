//! A group under a storm of callers, and what must hold during and after it.

use std::future::Future;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Instant;

use coflight_core::{Entry, Error, Group, Spawn, Stats, Turn};
use shuttle::future::{block_on, yield_now};
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::RandomScheduler;
use shuttle::{Config, FailurePersistence, Runner, thread};

const KEYS: usize = 3;
const TASKS: usize = 10;
const THREADS: usize = 10;
/// How often each of them asks.
const CALLS: usize = 2;

/// Keys share a shard in every process alike, or no schedule could be replayed.
type Hasher = BuildHasherDefault<DefaultHasher>;

/// What callers do.
#[derive(Clone, Copy)]
pub struct Mix {
    /// Besides `run` and `relay`.
    all_verbs: bool,
    cancels: bool,
    forgets: bool,
}

impl Mix {
    pub const CANCELS: Self = Self { all_verbs: false, cancels: true, forgets: false };
    pub const REMOVALS: Self = Self { all_verbs: false, cancels: false, forgets: true };
    pub const ALL: Self = Self { all_verbs: true, cancels: true, forgets: true };
}

/// Runs a storm under `SHUTTLE_SCHEDULES` random schedules from `SHUTTLE_SEED`, or, with `SHUTTLE_REPLAY`, under the one in that file. One
/// that fails is left in a file under `SHUTTLE_FAILED`.
pub fn check(name: &str, mix: &'static Mix) {
    if let Ok(file) = std::env::var("SHUTTLE_REPLAY") {
        shuttle::replay_from_file(move || Bench::new(Arc::default()).storm(mix), file);
        return println!("shuttle: {name}: nothing is wrong with that schedule");
    }
    let mut config = Config::new();
    if let Some(folder) = std::env::var_os("SHUTTLE_FAILED") {
        let folder = Path::new(&folder).join(name);
        std::fs::create_dir_all(&folder).expect("a folder for schedules");
        config.failure_persistence = FailurePersistence::File(Some(folder));
    }
    let number = |name, default| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (seed, schedules) = (number("SHUTTLE_SEED", 1), number("SHUTTLE_SCHEDULES", 2000));
    let scheduler = RandomScheduler::new_from_seed(seed, schedules as usize);
    let (start, seen) = (Instant::now(), Arc::<Mutex<Seen>>::default());
    let counted = Arc::clone(&seen);
    let run = Runner::new(scheduler, config).run(move || Bench::new(Arc::clone(&counted)).storm(mix));
    let seconds = start.elapsed().as_secs_f32();
    let Seen { asked, answered, left, cancelled, forgets } = *seen.lock().unwrap();
    println!(
        "shuttle: {name}: seed {seed}, {run} schedules, {asked} calls: {answered} answered, {left} left, {cancelled} cancelled; \
         {forgets} flights forgotten; {seconds:.1} s"
    );
    // Of a few schedules not every one has everything.
    if schedules >= 100 {
        assert!(answered > 0 && left > 0, "a storm in which nothing happens");
        assert_eq!((cancelled > 0, forgets > 0), (mix.cancels, mix.forgets), "not this mix");
    }
}

/// What came of calls.
#[derive(Clone, Copy, Default)]
struct Seen {
    asked: u64,
    answered: u64,
    left: u64,
    cancelled: u64,
    forgets: u64,
}

/// A work's key, number, and mark, which counts the values that are alive.
#[derive(Clone)]
struct Value {
    key: usize,
    number: usize,
    _alive: Arc<()>,
}

#[derive(Clone)]
struct Bench {
    flights: Group<usize, Value, Tasks, Hasher>,
    works: Arc<Works>,
    /// Over this schedule, and over all.
    seen: Arc<Mutex<Seen>>,
    all: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Works {
    /// Works that were begun and are not gone.
    alive_now: [AtomicUsize; KEYS],
    /// Works that are being polled, or closures that run.
    running: [AtomicUsize; KEYS],
    /// How often each key was forgotten, after which two works may run at a time.
    forgotten: [AtomicUsize; KEYS],
    /// How often each key was cancelled, after which a work may be there that is never polled again.
    cancelled: [AtomicUsize; KEYS],
    begun: AtomicUsize,
    /// Works that came to a value.
    done: AtomicUsize,
    /// Flights that a `cancel` said it ended.
    ended: AtomicUsize,
    alive: Arc<()>,
}

impl Bench {
    fn new(all: Arc<Mutex<Seen>>) -> Self {
        let flights = Group::builder().shards(2).runtime(Tasks::default()).hasher(Hasher::default()).build();
        Self { flights, works: Arc::default(), seen: Arc::default(), all }
    }

    /// Everybody at once, and then the account.
    fn storm(self, mix: &'static Mix) {
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let bench = self.clone();
                shuttle::future::spawn(async move {
                    for _ in 0..CALLS {
                        bench.act(mix).await;
                    }
                })
            })
            .collect();
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let bench = self.clone();
                thread::spawn(move || {
                    for _ in 0..CALLS {
                        if mix.all_verbs && thread_rng().gen_bool(0.5) {
                            bench.ask_blocking();
                        } else {
                            block_on(bench.act(mix));
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        tasks.into_iter().for_each(|task| block_on(task).unwrap());
        self.ends_clean();
    }

    async fn act(&self, mix: &Mix) {
        let key = thread_rng().gen_range(0..KEYS);
        match thread_rng().gen_range(0..10) {
            // Both are noted before they are done: the next work may begin at once.
            0 if mix.cancels => {
                self.works.cancelled[key].fetch_add(1, SeqCst);
                self.works.ended.fetch_add(usize::from(self.flights.cancel(&key)), SeqCst);
            }
            1 if mix.forgets => {
                self.works.forgotten[key].fetch_add(1, SeqCst);
                self.seen.lock().unwrap().forgets += u64::from(self.flights.forget(&key));
            }
            _ => self.ask(key, mix).await,
        }
    }

    async fn ask(&self, key: usize, mix: &Mix) {
        self.seen.lock().unwrap().asked += 1;
        let works = Arc::clone(&self.works);
        let work = move || works.work(key);
        let (flights, verb) = (&self.flights, thread_rng().gen_range(0..if mix.all_verbs { 4 } else { 2 }));
        match verb {
            // These ask when they are first polled.
            0 => self.see(key, patiently(flights.run(&key, work), 1).await),
            1 => self.see(key, patiently(flights.relay(&key, work), 1).await),
            2 => self.see(key, patiently(flights.spawn(&key, work), 1).await),
            _ => {
                let turn = match flights.enter(&key) {
                    Entry::Leader(leader) => Some(Ok(Turn::Leader(leader))),
                    Entry::Follower(follower) => patiently(follower, 0).await,
                };
                let answer = match turn {
                    Some(Ok(Turn::Leader(leader))) => {
                        let work = Begun::new(&self.works, key);
                        let running = work.run();
                        yield_now().await;
                        drop(running);
                        let value = thread_rng().gen_bool(0.8).then(|| work.value());
                        drop(work);
                        value.map(|value| leader.complete(value))
                    }
                    Some(Ok(Turn::Value(value))) => Some(Ok(value)),
                    Some(Err(error)) => Some(Err(error)),
                    None => None,
                };
                self.see(key, answer);
            }
        }
    }

    fn ask_blocking(&self) {
        let key = thread_rng().gen_range(0..KEYS);
        self.seen.lock().unwrap().asked += 1;
        let answer = self.flights.run_blocking(&key, || {
            let work = Begun::new(&self.works, key);
            let running = work.run();
            thread::yield_now();
            drop(running);
            work.value()
        });
        self.see(key, Some(answer));
    }

    fn see(&self, key: usize, answer: Option<Result<Value, Error>>) {
        let mut seen = self.seen.lock().unwrap();
        match answer {
            None => seen.left += 1,
            Some(Ok(value)) => {
                assert!(value.key == key && value.number < self.works.begun.load(SeqCst), "another key's result");
                seen.answered += 1;
            }
            Some(Err(Error::Cancelled)) => {
                assert!(self.works.cancelled[key].load(SeqCst) > 0, "cancelled by nobody");
                seen.cancelled += 1;
            }
            Some(Err(error)) => panic!("{error}"),
        }
    }

    /// Promises 3 and 18.
    fn ends_clean(self) {
        while self.flights.runtime().0.load(SeqCst) > 0 {
            // The tasks of flights that have ended are still to be dropped, and hold what those came to.
            thread::yield_now();
        }
        assert!(self.works.alive_now.iter().all(|alive| alive.load(SeqCst) == 0), "works left behind");
        let seen = *self.seen.lock().unwrap();
        assert_eq!(seen.asked, seen.answered + seen.left + seen.cancelled, "a call that came to nothing");
        let stats = self.flights.stats();
        assert_eq!((self.flights.len(), stats.in_flight, stats.waiting), (0, 0, 0), "flights left behind");
        self.works.fit(&stats, &seen);
        drop(self.flights);
        assert_eq!(Arc::strong_count(&self.works.alive), 1, "values left behind");
        self.all.lock().unwrap().add(&seen);
    }
}

impl Seen {
    fn add(&mut self, more: &Self) {
        self.asked += more.asked;
        self.answered += more.answered;
        self.left += more.left;
        self.cancelled += more.cancelled;
        self.forgets += more.forgets;
    }
}

impl Works {
    /// That the group's account is that of its callers.
    fn fit(&self, stats: &Stats, seen: &Seen) {
        let [begun, done, ended] = [&self.begun, &self.done, &self.ended].map(|count| count.load(SeqCst) as u64);
        let Stats { led, joined, completed, cancelled, abandoned, handovers, .. } = *stats;
        assert_eq!(led, completed + cancelled + abandoned, "flights led and ended: {stats:?}");
        assert_eq!(cancelled, ended, "flights that were cancelled: {stats:?}");
        // Who leaves may have been waiting for a key whose last work was still being put down.
        assert!((seen.asked - seen.left..=seen.asked).contains(&(led + joined)), "{} asked: {stats:?}", seen.asked);
        assert_eq!(stats.calls(), led + joined, "refused, or late: {stats:?}");
        assert!(begun <= led + handovers && handovers <= joined, "{begun} works were begun: {stats:?}");
        // Only a flight that was cancelled or left has no use for what its work came to.
        assert!(completed <= done && done <= led, "{done} works came to a value: {stats:?}");
        assert_eq!(stats.overtakes + stats.retries + stats.alone, 0, "what nobody asked for: {stats:?}");
    }

    async fn work(self: Arc<Self>, key: usize) -> Value {
        let work = Begun::new(&self, key);
        for _ in 0..thread_rng().gen_range(0..3) {
            let running = work.run();
            thread::yield_now();
            drop(running);
            yield_now().await;
        }
        work.value()
    }
}

/// A work that was begun and is not gone.
struct Begun<'a> {
    works: &'a Works,
    key: usize,
    number: usize,
}

impl<'a> Begun<'a> {
    /// Promise 1.
    fn new(works: &'a Works, key: usize) -> Self {
        let others = works.alive_now[key].fetch_add(1, SeqCst);
        let allowed = works.forgotten[key].load(SeqCst) + works.cancelled[key].load(SeqCst);
        assert!(others <= allowed, "{others} other works for one key, with {allowed} ended from outside");
        Self { works, key, number: works.begun.fetch_add(1, SeqCst) }
    }

    /// It runs, as long as the answer lives.
    fn run(&self) -> Running<'a> {
        let (works, key) = (self.works, self.key);
        let others = works.running[key].fetch_add(1, SeqCst);
        assert!(others <= works.forgotten[key].load(SeqCst), "works for one key run at a time");
        Running { works, key }
    }

    fn value(&self) -> Value {
        self.works.done.fetch_add(1, SeqCst);
        Value { key: self.key, number: self.number, _alive: Arc::clone(&self.works.alive) }
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.works.alive_now[self.key].fetch_sub(1, SeqCst);
    }
}

/// A work that is being polled.
struct Running<'a> {
    works: &'a Works,
    key: usize,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.works.running[self.key].fetch_sub(1, SeqCst);
    }
}

/// Waits for `call`, or, one time in three, leaves after a while, and at least so many polls.
async fn patiently<F: Future>(call: F, least: usize) -> Option<F::Output> {
    let patience = if thread_rng().gen_bool(0.3) { thread_rng().gen_range(least..4) } else { usize::MAX };
    let mut call = Box::pin(call);
    let mut polls = 0;
    std::future::poll_fn(move |cx: &mut Context<'_>| {
        if polls == patience {
            return Poll::Ready(None);
        }
        polls += 1;
        if patience != usize::MAX {
            // Not only when there is news.
            cx.waker().wake_by_ref();
        }
        Pin::as_mut(&mut call).poll(cx).map(Some)
    })
    .await
}

/// shuttle's own executor, and how many of its tasks are not gone.
#[derive(Clone, Default)]
struct Tasks(Arc<AtomicUsize>);

impl Spawn for Tasks {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
        self.0.fetch_add(1, SeqCst);
        let task = Task { task: Box::pin(task), _gone: Gone(Arc::clone(&self.0)) };
        drop(shuttle::future::spawn(task));
    }
}

/// Dropped in this order.
struct Task {
    task: Pin<Box<dyn Future<Output = ()> + Send>>,
    _gone: Gone,
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.task.as_mut().poll(cx)
    }
}

struct Gone(Arc<AtomicUsize>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}
