//! Ends a soak that waits for something that has no limit of its own, and says for what.

use std::process::exit;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Far longer than anything takes that has a limit.
const LIMIT: Duration = Duration::from_secs(120);

pub struct Watchdog {
    now: Mutex<Waits>,
}

/// For what, in which round, and since when.
#[derive(Clone, Copy)]
struct Waits {
    round: u64,
    what: &'static str,
    since: Instant,
}

impl Watchdog {
    pub fn start(seed: u64) -> Arc<Self> {
        let now = Waits { round: 0, what: "the first round", since: Instant::now() };
        let watchdog = Arc::new(Self { now: Mutex::new(now) });
        let watched = Arc::clone(&watchdog);
        thread::spawn(move || {
            loop {
                thread::sleep(LIMIT / 100);
                let Waits { round, what, since } = *watched.now.lock().unwrap();
                if since.elapsed() > LIMIT {
                    println!("somebody hangs: for {LIMIT:?} this waits for {what}\nin round {round} of seed {seed}");
                    exit(1);
                }
            }
        });
        watchdog
    }

    pub fn begins(&self, round: u64) {
        *self.now.lock().unwrap() = Waits { round, what: "its actors to be started", since: Instant::now() };
    }

    pub fn waits_for(&self, what: &'static str) {
        let mut now = self.now.lock().unwrap();
        (now.what, now.since) = (what, Instant::now());
    }
}
