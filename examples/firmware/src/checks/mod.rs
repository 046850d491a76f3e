//! What is shown: each check does one thing to a group, and leaves the heap as it was.

mod interrupts;
mod leaving;
mod limits;
mod moments;
mod overtaken;
mod priorities;
mod verbs;

use coflight::{Group, Stats, Timer};
use cortex_m_semihosting::hprintln;

use crate::board::Board;
use crate::work::ms;
use crate::{exit, heap, time};

pub type Flights = Group<u32, u32, Board>;

/// The callers of most checks.
pub const CALLERS: usize = 10;

#[embassy_executor::task]
pub async fn run_all(low: Board, high: Board) {
    low.sleep(ms(1)).await; // the list of sleepers keeps its first piece of memory
    check("run: ten callers, one work, ten results", verbs::run(low)).await;
    check("relay: the same", verbs::relay(low)).await;
    check("spawn: the same", verbs::spawn(low)).await;
    check("all verbs at once share one flight", verbs::mixed(low)).await;
    check("spawn without a place for the task: a caller runs the work", verbs::no_place(low)).await;
    check("timeout: everyone gets `TimedOut` at the right tick, and the key is free", limits::timeout(low)).await;
    check("wait_timeout: one caller leaves, the others stay", limits::wait_timeout(low)).await;
    check("linger: a result is served for a while, then freed", limits::linger(low)).await;
    check("run: the leader leaves, one follower starts its own work", leaving::run(low)).await;
    check("relay: the starter leaves, the same work goes on", leaving::relay(low)).await;
    check("the last one out drops the work", leaving::last(low)).await;
    check("an interrupt looks at a flight, and forgets it", interrupts::forget(low)).await;
    check("an interrupt cancels a flight", interrupts::cancel(low)).await;
    check("an interrupt at every allocation", interrupts::at_allocations(low)).await;
    check("an interrupt at every moment of two calls", moments::every(low)).await;
    check("an interrupt completes a flight that is being overtaken", overtaken::every(low)).await;
    check("tasks of two priorities share flights", priorities::shared(low, high)).await;
    check("relay: high priority goes on with what low priority cannot", priorities::busy(low, high)).await;
    hprintln!("all checks passed, after {} ms of the chip's time", time::ticks());
    exit::success();
}

async fn check(name: &str, check: impl Future<Output = ()>) {
    let before = heap::used();
    check.await;
    assert_eq!(heap::used(), before, "bytes in use: something was left behind by '{name}'");
    hprintln!("ok: {} (heap: at most {} bytes)", name, heap::most_used() - before);
}

/// Nothing is in flight, and the accounts are these.
fn settled(flights: &Flights, expected: impl FnOnce(&mut Stats)) {
    let mut stats = Stats::default();
    expected(&mut stats);
    assert_eq!(flights.stats(), stats);
    assert!(flights.is_empty() && flights.in_flight().is_empty());
}
