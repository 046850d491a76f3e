//! A group under a storm of callers, and what must hold during and after it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll};
use std::time::Instant;

use coflight_core::{Entry, Error, Group, Spawn, Turn};
use shuttle::future::{block_on, yield_now};
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::RandomScheduler;
use shuttle::{Config, Runner, thread};

const KEYS: usize = 3;
const TASKS: usize = 10;
const THREADS: usize = 10;
/// How often each of them asks.
const CALLS: usize = 2;

/// What callers do.
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

/// Runs `storm` under `SHUTTLE_SCHEDULES` random schedules from `SHUTTLE_SEED`, or, with `SHUTTLE_REPLAY`, under that one.
pub fn check(name: &str, storm: fn(Bench)) {
    if let Ok(schedule) = std::env::var("SHUTTLE_REPLAY") {
        return shuttle::replay(move || storm(Bench::new(Arc::default())), &schedule);
    }
    let number = |name, default| std::env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (seed, schedules) = (number("SHUTTLE_SEED", 1), number("SHUTTLE_SCHEDULES", 2000));
    let scheduler = RandomScheduler::new_from_seed(seed, schedules as usize);
    let (start, seen) = (Instant::now(), Arc::<Seen>::default());
    let counted = Arc::clone(&seen);
    let run = Runner::new(scheduler, Config::new()).run(move || storm(Bench::new(Arc::clone(&counted))));
    let seconds = start.elapsed().as_secs_f32();
    let [asked, answered, left, cancelled, refused] =
        [&seen.asked, &seen.answered, &seen.left, &seen.cancelled, &seen.shut_down].map(|count| count.load(SeqCst));
    println!(
        "shuttle: {name}: seed {seed}, {run} schedules, {asked} calls: {answered} answered, {left} left, {cancelled} cancelled, \
         {refused} shut down, {seconds:.1} s"
    );
    assert_eq!(asked, answered + left + cancelled + refused, "a call that came to nothing");
    assert!(answered > 0 && left > 0, "a storm in which nothing happens");
}

/// What came of the calls, over all schedules.
#[derive(Default)]
struct Seen {
    asked: AtomicUsize,
    answered: AtomicUsize,
    left: AtomicUsize,
    cancelled: AtomicUsize,
    shut_down: AtomicUsize,
}

/// A work's key, number, and mark, which counts the values that are alive.
#[derive(Clone)]
struct Value {
    key: usize,
    number: usize,
    _alive: Arc<()>,
}

#[derive(Clone)]
pub struct Bench {
    flights: Group<usize, Value, Tasks>,
    works: Arc<Works>,
    seen: Arc<Seen>,
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
    alive: Arc<()>,
}

impl Bench {
    fn new(seen: Arc<Seen>) -> Self {
        Self { flights: Group::builder().shards(2).runtime(Tasks).build(), works: Arc::default(), seen }
    }

    /// Everybody at once, and then the account.
    pub fn storm(self, mix: &'static Mix) {
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
                self.flights.cancel(&key);
            }
            1 if mix.forgets => {
                self.works.forgotten[key].fetch_add(1, SeqCst);
                self.flights.forget(&key);
            }
            _ => self.ask(key, mix).await,
        }
    }

    async fn ask(&self, key: usize, mix: &Mix) {
        let works = Arc::clone(&self.works);
        let work = move || works.work(key);
        let (flights, verb) = (&self.flights, thread_rng().gen_range(0..if mix.all_verbs { 4 } else { 2 }));
        match verb {
            0 => self.see(key, patiently(flights.run(&key, work)).await),
            1 => self.see(key, patiently(flights.relay(&key, work)).await),
            2 => self.see(key, patiently(flights.spawn(&key, work)).await),
            _ => {
                let turn = match flights.enter(&key) {
                    Entry::Leader(leader) => Some(Ok(Turn::Leader(leader))),
                    Entry::Follower(follower) => patiently(follower).await,
                };
                let answer = match turn {
                    Some(Ok(Turn::Leader(leader))) => {
                        let work = Begun::new(&self.works, key);
                        yield_now().await;
                        let value = work.value();
                        drop(work);
                        if thread_rng().gen_bool(0.2) { None } else { Some(leader.complete(value)) }
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
        let seen = &self.seen;
        seen.asked.fetch_add(1, SeqCst);
        let count = match answer {
            None => &seen.left,
            Some(Ok(value)) => {
                assert!(value.key == key && value.number < self.works.begun.load(SeqCst), "another key's result");
                &seen.answered
            }
            Some(Err(Error::Cancelled)) => &seen.cancelled,
            Some(Err(Error::Shutdown)) => &seen.shut_down,
            Some(Err(error)) => panic!("{error}"),
        };
        count.fetch_add(1, SeqCst);
    }

    /// Promises 3 and 18.
    fn ends_clean(self) {
        while self.works.alive_now.iter().any(|alive| alive.load(SeqCst) > 0) {
            // The tasks of flights that were left are still to be dropped.
            thread::yield_now();
        }
        let stats = self.flights.stats();
        assert_eq!((self.flights.len(), stats.in_flight, stats.waiting), (0, 0, 0), "flights left behind");
        let ended =
            stats.completed + stats.failed + stats.panicked + stats.cancelled + stats.abandoned + stats.released;
        assert_eq!(stats.led, ended + stats.timed_out, "{stats:?}");
        drop(self.flights);
        assert_eq!(Arc::strong_count(&self.works.alive), 1, "values left behind");
    }
}

impl Works {
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

/// Waits for `call`, or, one time in three, leaves after a while.
async fn patiently<F: Future>(call: F) -> Option<F::Output> {
    let patience = if thread_rng().gen_bool(0.3) { thread_rng().gen_range(0..4) } else { usize::MAX };
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

/// shuttle's own executor.
#[derive(Clone, Copy)]
struct Tasks;

impl Spawn for Tasks {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
        drop(shuttle::future::spawn(task));
    }
}
