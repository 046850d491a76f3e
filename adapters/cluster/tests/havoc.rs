//! All that callers can do, at once, in three processes on a short lease: nobody waits for ever, nothing panics but works that are to, and nothing stays. In real time.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use coflight_cluster::{Cluster, InProcess, Lease, Turn};
use coflight_tokio::Tokio;
use tokio::time::{sleep, timeout};

type Flights = Cluster<String, u32, InProcess, Tokio>;

const LEASE: Duration = Duration::from_millis(60);
const KEY: &str = "key";
/// Nobody waits for so long but one that hangs.
const TOO_LONG: Duration = Duration::from_secs(30);

/// Numbers that look like chance, and are the same for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn millis(&mut self, limit: u64) -> Duration {
        Duration::from_millis(self.below(limit))
    }
}

/// What one caller does.
#[derive(Clone, Copy, Debug)]
struct Caller {
    comes_after: Duration,
    does: Does,
    works_for: Duration,
    panics: bool,
    /// It is polled once, and then not for longer than a lease.
    parks: bool,
    leaves_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
enum Does {
    Run,
    Relay,
    Spawn,
    Complete,
    Abandon,
    Release,
    Forget,
    Cancel,
}

impl Caller {
    fn new(random: &mut Random) -> Self {
        let does = match random.below(40) {
            0..10 => Does::Run,
            10..19 => Does::Relay,
            19..28 => Does::Spawn,
            28..32 => Does::Complete,
            32..36 => Does::Abandon,
            36 => Does::Release,
            37 => Does::Forget,
            _ => Does::Cancel,
        };
        let works_for = random.millis(60);
        let leaves_after = (random.below(3) == 0).then_some(works_for / 2);
        Self {
            comes_after: random.millis(20),
            does,
            works_for,
            panics: random.below(30) == 0,
            parks: random.below(6) == 0,
            leaves_after,
        }
    }

    async fn call(self, flights: Flights) {
        let work = move |_: Lease| async move {
            sleep(self.works_for).await;
            assert!(!self.panics, "as it is to");
            1
        };
        match self.does {
            Does::Run => drop(flights.run(KEY, work).await),
            Does::Relay => drop(flights.relay(KEY, work).await),
            Does::Spawn => drop(flights.spawn(KEY, work).await),
            Does::Forget => drop(flights.forget(KEY).await),
            Does::Cancel => drop(flights.cancel(KEY).await),
            Does::Complete | Does::Abandon | Does::Release => {
                let Ok(Turn::Leader(leader)) = flights.enter(KEY).await else { return };
                sleep(self.works_for).await;
                match self.does {
                    Does::Complete => drop(leader.complete(1).await),
                    Does::Release => drop(leader.release().await),
                    _ => drop(leader),
                }
            }
        }
    }

    async fn act(self, flights: Flights) {
        sleep(self.comes_after).await;
        let mut call: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(self.call(flights));
        if self.parks {
            if call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                return;
            }
            sleep(2 * LEASE).await;
        }
        match self.leaves_after {
            Some(leaves_after) => drop(timeout(leaves_after, call).await),
            None => call.await,
        }
    }
}

async fn havoc(seed: u64) {
    let mut random = Random(seed);
    let engine = InProcess::new();
    let processes: [Flights; 3] = ["a", "b", "c"].map(|name| {
        Cluster::builder("havoc", engine.clone(), Tokio::current())
            .process(name)
            .lease(LEASE)
            .patience(LEASE / 4)
            .overtake_after(LEASE * 2 / 3)
            .build()
    });
    for round in 0..25 {
        let callers: Vec<_> = (0..24).map(|_| (random.below(3) as usize, Caller::new(&mut random))).collect();
        let tasks: Vec<_> =
            callers.iter().map(|(at, caller)| tokio::spawn(caller.act(processes[*at].clone()))).collect();
        for (task, caller) in tasks.into_iter().zip(&callers) {
            match timeout(TOO_LONG, task).await.map(Result::err) {
                Ok(None) => {}
                Ok(Some(panic)) => {
                    let payload = panic.into_panic();
                    let text = payload.downcast_ref::<&str>().copied();
                    assert_eq!(text, Some("as it is to"), "round {round} of seed {seed}: {caller:?}");
                }
                Err(_) => panic!("round {round} of seed {seed}: {caller:?} waits for ever: {processes:?}"),
            }
        }
    }
    let began = Instant::now();
    while !engine.is_empty() || processes.iter().any(|flights| !flights.in_flight().is_empty()) {
        assert!(began.elapsed() < TOO_LONG, "seed {seed}: something is left: {engine:?}, {processes:?}");
        sleep(LEASE / 10).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_callers_do_on_four_threads() {
    havoc(0x9E37_79B9_7F4A_7C15).await;
}

#[tokio::test]
async fn whatever_callers_do_on_one_thread() {
    havoc(0xBF58_476D_1CE4_E5B9).await;
}
