//! The soak: for a given time, rounds of random programs on tokio, smol, async-std and plain threads, all in one group, with runtimes shut down, tasks
//! aborted and callers dropped and parked meanwhile. After each round everything that happened is held against everything that was counted, told and freed.
//!
//! `soak [seconds] [seed]`. A seed gives the same programs, as far as schedulers allow the same rounds.

mod growth;
mod panics;
mod places;
mod round;
mod sums;
mod watchdog;

use std::process::exit;
use std::time::{Duration, Instant};

use coflight_tests::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    panics::watch();
    let (seconds, seed) = (argument(1).unwrap_or(10), argument(2).unwrap_or_else(fresh_seed));
    println!("soak: {seconds} s, seed {seed}");
    let (places, watchdog) = (places::Places::new(), watchdog::Watchdog::start(seed));
    let (mut sums, mut growth) = (sums::Sums::default(), growth::Growth::new());
    let start = Instant::now();
    for number in 0.. {
        watchdog.begins(number);
        let round = round::Round::new(seed, number);
        let ran = round.run(&places, &watchdog);
        // First that: whatever else is wrong may come of it.
        match panics::first().map_or(ran, Err) {
            Ok(totals) => sums.add(&round, &totals),
            Err(error) => {
                println!("{error}\nin round {number} of seed {seed}: {round:?}\nagain: ci/soak.sh {seconds} {seed}");
                exit(1);
            }
        }
        growth.look();
        if start.elapsed() >= Duration::from_secs(seconds) {
            break;
        }
    }
    println!("{sums}, {:.0} calls/s", sums.calls() as f64 / start.elapsed().as_secs_f64());
    if let Err(error) = growth.check() {
        println!("{error}\nseed {seed}");
        exit(1);
    }
}

fn argument(nth: usize) -> Option<u64> {
    let argument = std::env::args().nth(nth)?;
    Some(argument.parse().unwrap_or_else(|_| {
        println!("usage: soak [seconds] [seed]; not a number: {argument}");
        exit(2)
    }))
}

fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0) % 1_000_000_000
}
