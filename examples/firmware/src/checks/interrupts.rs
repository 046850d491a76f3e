//! An interrupt handler that uses the group which the code that it interrupts is using.

use core::sync::atomic::{AtomicU32, Ordering};

use coflight::{Error, Group, Timer};

use super::{CALLERS, Flights, settled};
use crate::board::Board;
use crate::callers;
use crate::work::{Log, log, ms, work};
use crate::{device, heap};

pub async fn forget(board: Board) {
    let flights: Flights = Group::with_runtime(board);
    ask(board, &flights, CALLERS / 2);
    board.sleep(ms(15)).await;

    let seen = flights.clone();
    let handling = device::on_interrupt(move || {
        let stats = seen.stats();
        assert_eq!((stats.led, stats.in_flight, stats.waiting), (1, 1, CALLERS as u64 / 2 - 1));
        assert_eq!(seen.len(), 1);
        assert!(seen.contains(&1) && !seen.contains(&2));
        assert!(seen.forget(&1) && !seen.forget(&1) && !seen.contains(&1));
    });
    device::interrupt();
    drop(handling);

    // Newcomers start afresh.
    ask(board, &flights, CALLERS / 2);
    callers::all_get(CALLERS, Ok(42)).await;
    assert_eq!(log(), Log { started: 2, finished: 2, steps: 6, at_once: 2, dropped: 0 });
    settled(&flights, |stats| (stats.led, stats.joined, stats.completed) = (2, CALLERS as u64 - 2, 2));
}

pub async fn cancel(board: Board) {
    let flights: Flights = Group::with_runtime(board);
    ask(board, &flights, CALLERS);
    board.sleep(ms(15)).await;

    let seen = flights.clone();
    let handling = device::on_interrupt(move || {
        assert!(seen.cancel(&1) && !seen.cancel(&1) && seen.is_empty());
        // That of a relay is dropped before `cancel` returns, here in the interrupt.
        assert_eq!(log(), Log { started: 1, finished: 0, steps: 1, at_once: 1, dropped: 1 });
    });
    device::interrupt();
    drop(handling);

    callers::all_get(CALLERS, Err(Error::Cancelled)).await;
    settled(&flights, |stats| (stats.led, stats.joined, stats.cancelled) = (1, CALLERS as u64 - 1, 1));
}

fn ask(board: Board, flights: &Flights, callers: usize) {
    for _ in 0..callers {
        let flights = flights.clone();
        callers::start(board, async move { flights.relay(&1, || work(board, 3, 10)).await });
    }
}

/// Those under a lock are the worst moments, and only allocations lead out of there.
pub async fn at_allocations(board: Board) {
    const KEYS: u32 = 8;
    static INTERRUPTS: AtomicU32 = AtomicU32::new(0);

    let flights: Flights = Group::with_runtime(board);
    let seen = flights.clone();
    INTERRUPTS.store(0, Ordering::Relaxed);
    let handling = device::on_interrupt(move || {
        let stats = seen.stats();
        assert_eq!(stats.led, stats.completed + stats.in_flight);
        assert!(seen.in_flight().len() <= KEYS as usize);
        assert!(!seen.contains(&KEYS) && !seen.forget(&KEYS) && !seen.cancel(&KEYS));
        INTERRUPTS.store(INTERRUPTS.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    });
    heap::interrupt_at_allocations(true);
    for key in 0..KEYS {
        let flights = flights.clone();
        callers::start(board, async move { flights.relay(&key, || work(board, 1, 20)).await });
    }
    board.sleep(ms(2)).await;
    assert_eq!(flights.in_flight().len(), KEYS as usize);
    callers::all_get(KEYS as usize, Ok(42)).await;
    heap::interrupt_at_allocations(false);
    drop(handling);
    let interrupts = INTERRUPTS.load(Ordering::Relaxed);
    assert!(interrupts >= 3 * KEYS, "too few interrupts to show anything: {interrupts}");
    assert_eq!(log(), Log { started: KEYS, finished: KEYS, steps: KEYS, at_once: KEYS, dropped: 0 });
    settled(&flights, |stats| (stats.led, stats.completed) = (KEYS.into(), KEYS.into()));
}
