//! Tasks that interrupt each other, aboard one flight.

use coflight::{Group, Timer};

use super::{CALLERS, Flights, settled};
use crate::board::Board;
use crate::callers;
use crate::time::ticks;
use crate::work::{Log, log, ms, work};

/// Whoever starts, of low priority or of high, the others join.
pub async fn shared(low: Board, high: Board) {
    let flights: Flights = Group::with_runtime(high);
    for (first, second) in [(low, high), (high, low)] {
        callers::start(first, {
            let flights = flights.clone();
            async move { flights.run(&1, || work(first, 4, 5)).await }
        });
        for caller in 1..CALLERS {
            let flights = flights.clone();
            let board = [first, second][caller % 2];
            callers::start(board, async move { flights.relay(&1, || work(board, 4, 5)).await });
        }
        callers::all_get(CALLERS, Ok(42)).await;
        assert_eq!(log(), Log { started: 1, finished: 1, steps: 4, at_once: 1, dropped: 0 });
        let stats = flights.reset_stats();
        assert_eq!((stats.led, stats.joined, stats.completed), (1, CALLERS as u64 - 1, 1));
    }
    settled(&flights, |_| ());
}

/// While a task of low priority keeps its executor busy, no other one there is polled, and the starter of the work is among them.
pub async fn busy(low: Board, high: Board) {
    let flights: Flights = Group::with_runtime(high);
    let call = |board| {
        let flights = flights.clone();
        async move { flights.relay(&1, || work(board, 4, 5)).await }
    };
    callers::start(low, call(low));
    low.sleep(ms(1)).await;
    callers::start(high, call(high));

    let start = ticks();
    while ticks() < start + 40 {}
    let answers = callers::answers(2).await;
    assert!(answers.iter().all(|(_, answer)| *answer == Ok(42)));
    assert!(answers[0].0 <= start + 21, "high priority got it at {}, after {start}", answers[0].0);
    assert!(answers[1].0 >= start + 40, "low priority got it at {}, after {start}", answers[1].0);
    assert_eq!(log(), Log { started: 1, finished: 1, steps: 4, at_once: 1, dropped: 0 });
    settled(&flights, |stats| (stats.led, stats.joined, stats.completed) = (1, 1, 1));
}
