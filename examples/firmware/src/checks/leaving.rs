//! Callers that leave before the end.

use coflight::{Group, Timer};

use super::{CALLERS, Flights, settled};
use crate::board::Board;
use crate::callers::{self, Answer, leaving};
use crate::work::{Log, log, ms, work};

pub async fn run(board: Board) {
    let flights: Flights = Group::with_runtime(board);
    let call = |flights: Flights| async move { flights.run(&1, || work(board, 4, 10)).await };
    starter_leaves(board, &flights, call).await;
    // Two steps of the work that was dropped, and all four of the other.
    assert_eq!(log(), Log { started: 2, finished: 1, steps: 6, at_once: 1, dropped: 1 });
    settled(&flights, |stats| {
        (stats.led, stats.joined) = (1, CALLERS as u64 - 1);
        (stats.handovers, stats.completed) = (1, 1);
    });
}

pub async fn relay(board: Board) {
    let flights: Flights = Group::with_runtime(board);
    let call = |flights: Flights| async move { flights.relay(&1, || work(board, 4, 10)).await };
    starter_leaves(board, &flights, call).await;
    assert_eq!(log(), Log { started: 1, finished: 1, steps: 4, at_once: 1, dropped: 0 });
    settled(&flights, |stats| (stats.led, stats.joined, stats.completed) = (1, CALLERS as u64 - 1, 1));
}

/// One caller starts the work, the others join, the first one leaves after two steps, and the others all get the result.
async fn starter_leaves<C>(board: Board, flights: &Flights, call: impl Fn(Flights) -> C)
where
    C: Future<Output = Answer> + Send + 'static,
{
    let starter = call(flights.clone());
    callers::start(board, async move {
        assert_eq!(leaving(board, 25, starter).await, None);
        Ok(0)
    });
    board.sleep(ms(1)).await;
    for _ in 1..CALLERS {
        callers::start(board, call(flights.clone()));
    }
    let answers = callers::answers(CALLERS).await;
    assert_eq!(answers[0].1, Ok(0));
    assert!(answers[1..].iter().all(|(_, answer)| *answer == Ok(42)), "{answers:?}");
}

pub async fn last(board: Board) {
    let flights: Flights = Group::with_runtime(board);
    for caller in 0..CALLERS {
        let flights = flights.clone();
        callers::start(board, async move {
            let call = flights.relay(&1, || work(board, 10, 10));
            assert_eq!(leaving(board, 5 + caller as u64, call).await, None);
            Ok(0)
        });
    }
    callers::all_get(CALLERS, Ok(0)).await;
    assert_eq!(log(), Log { started: 1, finished: 0, steps: 1, at_once: 1, dropped: 1 });
    settled(&flights, |stats| (stats.led, stats.joined, stats.abandoned) = (1, CALLERS as u64 - 1, 1));
}
