//! What the models share: a way to run one, works that notice each other, and values that notice being left behind.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize as Count, Ordering::SeqCst};
use std::sync::{Arc, Once};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use coflight_core::{Error, Group};
use loom::future::AtomicWaker;
use loom::sync::atomic::{AtomicBool, AtomicUsize};

pub use loom::future::block_on;
pub use loom::thread;

/// What a work came to: its number. Counted as long as it lives.
#[derive(Clone, Debug)]
pub struct Value(pub usize, #[expect(dead_code, reason = "counted")] Arc<()>);

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

pub type Flights<R = coflight_core::NoRuntime> = Group<u8, Value, R>;
pub type Answer = Result<Value, Error>;
pub type Call = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Runs `model` in every order with at most `preemptions` of them, and prints how many orders that were. `LOOM_MORE_PREEMPTIONS` allows more.
pub fn check(name: &str, preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    // Some works panic on purpose, in each of very many runs.
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref() != Some(&ON_PURPOSE) {
                report(info);
            }
        }));
    });
    let mut builder = loom::model::Builder::new();
    let more = std::env::var("LOOM_MORE_PREEMPTIONS").map_or(0, |more| more.parse().expect("a number"));
    let bound = preemptions + more;
    builder.preemption_bound = Some(bound);
    builder.max_branches = 20_000;
    let (runs, start) = (Arc::new(Count::new(0)), Instant::now());
    let counted = Arc::clone(&runs);
    builder.check(move || {
        counted.fetch_add(1, SeqCst);
        model();
    });
    let (runs, seconds) = (runs.load(SeqCst), start.elapsed().as_secs_f32());
    println!("loom: {name}: {runs} executions, at most {bound} preemptions, {seconds:.1} s");
    assert!(runs > 10, "a model in which nothing can happen in two orders");
}

/// The message of a work that panics on purpose.
pub const ON_PURPOSE: &str = "on purpose";

/// A group of one shard, because which one a key is in depends on a seed, and what its works do.
pub struct Bench<R = coflight_core::NoRuntime> {
    pub flights: Flights<R>,
    pub works: Arc<Works>,
}

/// The works of a bench. Those for one key never overlap, from when they are begun to when they are gone.
#[derive(Default)]
pub struct Works {
    running: AtomicUsize,
    begun: Count,
    alive: Arc<()>,
}

impl Bench {
    pub fn new() -> Self {
        Self::of(Group::builder().shards(1).build())
    }
}

impl<R: Send + Sync + 'static> Bench<R> {
    pub fn of(flights: Flights<R>) -> Self {
        Self { flights, works: Arc::default() }
    }

    /// Nothing is left behind, once the callers are gone.
    pub fn ends_clean(self) {
        assert_eq!(self.flights.len(), 0, "flights left behind");
        assert!(self.flights.in_flight().is_empty());
        let stats = self.flights.stats();
        assert_eq!((stats.in_flight, stats.waiting), (0, 0), "miscounted");
        drop(self.flights);
        assert_eq!(self.works.running.load(loom::sync::atomic::Ordering::SeqCst), 0, "works left behind");
        assert_eq!(Arc::strong_count(&self.works.alive), 1, "values left behind");
    }

    /// A call for the one key, which owns what it needs. As with all calls, its work begins when it is to lead.
    pub fn run(&self, work: impl Future<Output = Value> + Send + 'static) -> Call {
        let flights = self.flights.clone();
        Box::pin(async move { flights.run(&1, || work).await })
    }

    /// As [`run`](Self::run).
    pub fn relay(&self, work: impl Future<Output = Value> + Send + 'static) -> Call {
        let flights = self.flights.clone();
        Box::pin(async move { flights.relay(&1, || work).await })
    }

    /// As [`run`](Self::run).
    pub fn spawn(&self, work: impl Future<Output = Value> + Send + 'static) -> Call
    where
        R: coflight_core::Spawn,
    {
        let flights = self.flights.clone();
        Box::pin(async move { flights.spawn(&1, || work).await })
    }

    /// How many values there are.
    pub fn values(&self) -> usize {
        Arc::strong_count(&self.works.alive) - 1
    }

    pub fn works(&self) -> Arc<Works> {
        Arc::clone(&self.works)
    }
}

impl Works {
    /// Begins a work. Promise 1: no other is running.
    pub fn begin(self: &Arc<Self>) -> Work {
        assert_eq!(self.running.fetch_add(1, loom::sync::atomic::Ordering::Relaxed), 0, "two works at a time");
        Work { number: self.begun.fetch_add(1, SeqCst), works: Arc::clone(self) }
    }

    /// A work that is ready at once.
    pub async fn ready(self: Arc<Self>) -> Value {
        self.begin().end()
    }

    /// A work that is ready at once, and may run beside others: after `forget`.
    pub async fn ready_beside(self: Arc<Self>) -> Value {
        self.beside()
    }

    /// What such a work comes to.
    pub fn beside(&self) -> Value {
        let number = self.begun.fetch_add(1, SeqCst);
        thread::yield_now();
        Value(number, Arc::clone(&self.alive))
    }

    /// A work that waits for `gate`.
    pub async fn behind(self: Arc<Self>, gate: Arc<Gate>) -> Value {
        let work = self.begin();
        gate.wait().await;
        work.end()
    }

    /// As [`behind`](Self::behind), and may run beside others.
    pub async fn behind_beside(self: Arc<Self>, gate: Arc<Gate>) -> Value {
        gate.wait().await;
        self.beside()
    }

    /// A work that waits for one gate after the other.
    pub async fn behind_both(self: Arc<Self>, first: Arc<Gate>, second: Arc<Gate>) -> Value {
        let work = self.begin();
        first.wait().await;
        second.wait().await;
        work.end()
    }

    /// A work that never ends.
    pub async fn never(self: Arc<Self>) -> Value {
        let _work = self.begin();
        std::future::pending().await
    }

    /// How many were begun.
    pub fn begun(&self) -> usize {
        self.begun.load(SeqCst)
    }
}

/// A work that was begun and is not gone yet.
pub struct Work {
    number: usize,
    works: Arc<Works>,
}

impl Work {
    pub fn end(self) -> Value {
        Value(self.number, Arc::clone(&self.works.alive))
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.works.running.fetch_sub(1, loom::sync::atomic::Ordering::Relaxed);
    }
}

/// Holds back one work.
pub struct Gate {
    open: AtomicBool,
    waker: AtomicWaker,
}

impl Gate {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { open: AtomicBool::new(false), waker: AtomicWaker::new() })
    }

    pub fn open(&self) {
        self.open.store(true, loom::sync::atomic::Ordering::SeqCst);
        self.waker.wake();
    }

    async fn wait(&self) {
        poll_fn(|cx| {
            self.waker.register_by_ref(cx.waker());
            if self.open.load(loom::sync::atomic::Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Polls `call` once, and hands it on. It is aboard then, and not ready.
pub fn aboard(mut call: Call) -> Call {
    assert!(poll(&mut call).is_pending(), "ready at once");
    call
}

pub fn poll(call: &mut Call) -> Poll<Answer> {
    call.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Waits for a call in a thread of its own.
pub fn elsewhere(call: Call) -> thread::JoinHandle<Answer> {
    thread::spawn(move || block_on(call))
}

/// What a call says that is never cancelled.
#[track_caller]
pub fn value(answer: Answer) -> Value {
    answer.unwrap_or_else(|error| panic!("no value: {error}"))
}
