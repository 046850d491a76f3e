//! Many threads of many processes on one engine, by all verbs, with callers that leave: what holds at every moment of that. In real time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use coflight_blocking::{Threads, wait_timeout};
use coflight_cluster::{Cluster, InProcess, Lease, Outage, Token};
use coflight_core::{Runtime, Timer};
use coflight_tokio::Tokio;

const KEYS: u64 = 3;
/// Longer than any pause that a loaded machine makes: nobody loses a lease, or patience.
const LEASE: Duration = Duration::from_secs(20);
/// Nobody waits for so long but one that hangs: with notifications far less than a beat, without them one and what the work takes.
const TOO_LONG: Duration = Duration::from_secs(60);

/// What is known of a key.
#[derive(Default)]
struct Known {
    running: AtomicUsize,
    last: Mutex<Option<Token>>,
}

/// One of its works.
struct Running(Arc<Known>);

impl Running {
    /// Alone, and with a token greater than all before.
    fn begin(known: &Arc<Known>, lease: &Lease) -> Self {
        assert_eq!(known.running.fetch_add(1, Ordering::SeqCst), 0, "works for the same key at a time");
        let running = Self(known.clone());
        let mut last = known.last.lock().unwrap();
        assert!(lease.token().is_some() && lease.token() > *last, "{:?} after {last:?}", lease.token());
        *last = lease.token();
        drop(last);
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Numbers that look like chance, and are the same for the same seed.
fn random(mut state: u64) -> impl FnMut(u64) -> u64 {
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

/// Calls until the storm is over.
fn call<R: Runtime>(flights: &Cluster<u64, u64, InProcess, R>, all: &[Arc<Known>], seed: u64, over: Instant) {
    let mut random = random(seed);
    while Instant::now() < over {
        let key = random(KEYS);
        let known = all[key as usize].clone();
        let takes = Duration::from_millis(random(12));
        let work = move |lease: Lease| {
            let running = Running::begin(&known, &lease);
            async move {
                let _running = running;
                Threads::new().sleep(takes).await;
                key
            }
        };
        let limit = if random(2) == 0 { Duration::from_millis(random(15)) } else { TOO_LONG };
        let answer = match random(3) {
            0 => wait_timeout(flights.run(&key, work), limit),
            1 => wait_timeout(flights.relay(&key, work), limit),
            _ => wait_timeout(flights.spawn(&key, work), limit),
        };
        match answer {
            Some(value) => assert_eq!(value.expect("a value"), key),
            None => assert!(limit < TOO_LONG, "somebody hangs"),
        }
    }
}

/// Four processes of three threads each. Returns the engine, when nothing runs any more.
fn storm<R: Runtime>(runtime: &R, lease: Duration, outage: Option<Outage>) -> InProcess {
    let engine = InProcess::new();
    engine.set_outage(outage);
    let all: Vec<Arc<Known>> = (0..KEYS).map(|_| Arc::default()).collect();
    let over = Instant::now() + Duration::from_secs(1);
    thread::scope(|scope| {
        for process in 0..4 {
            let flights =
                Cluster::builder("storm", engine.clone(), runtime.clone()).lease(lease).patience(LEASE).build();
            for caller in 0..3 {
                let (flights, all) = (flights.clone(), &all);
                scope.spawn(move || call(&flights, all, process * 10 + caller + 1, over));
            }
        }
    });
    let began = Instant::now();
    while all.iter().any(|known| known.running.load(Ordering::SeqCst) > 0) {
        assert!(began.elapsed() < TOO_LONG, "a work for nobody goes on");
        sleep(Duration::from_millis(5));
    }
    engine
}

/// Never two works for a key, never an older token after a newer one, every caller that stays gets the value of its key, and what nobody waits for is dropped.
#[test]
fn one_work_at_a_time_for_each_key_on_threads() {
    storm(&Threads::new(), LEASE, None);
}

/// The same where works are tasks of few threads.
#[test]
fn one_work_at_a_time_for_each_key_on_tokio() {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    storm(&Tokio::new(tokio.handle().clone()), LEASE, None);
}

/// Nobody is told of anything, and everybody gets what they wait for when they look. After a lease nothing is left in the engine.
#[test]
fn whoever_is_told_nothing_looks() {
    let lease = Duration::from_secs(6);
    let engine = storm(&Threads::new(), lease, Some(Outage::Mute));
    let began = Instant::now();
    while !engine.is_empty() {
        assert!(began.elapsed() < 3 * lease, "{engine:?} is left");
        sleep(Duration::from_millis(50));
    }
}
