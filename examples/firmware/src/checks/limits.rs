//! Limits and windows, by the board's own clock.

use coflight::{Error, Group, Timer};

use super::{CALLERS, Flights, settled};
use crate::board::Board;
use crate::callers;
use crate::heap;
use crate::time::ticks;
use crate::work::{Log, log, ms, work};

pub async fn timeout(board: Board) {
    let flights: Flights = Group::builder().runtime(board).timeout(ms(50)).build();
    let start = ticks();
    for _ in 0..CALLERS {
        let flights = flights.clone();
        callers::start(board, async move { flights.run(&1, || work(board, 100, 5)).await });
    }
    let (first, last) = callers::all_get(CALLERS, Err(Error::TimedOut)).await;
    assert!(first >= start + 50 && last <= start + 53, "asked at {start}, timed out from {first} to {last}");
    let done = log();
    assert_eq!((done.started, done.finished, done.dropped), (1, 0, 1));

    assert!(!flights.contains(&1));
    assert_eq!(flights.run(&1, || work(board, 1, 5)).await, Ok(42));
    assert_eq!(log(), Log { started: 1, finished: 1, steps: 1, at_once: 1, dropped: 0 });
    settled(&flights, |stats| {
        (stats.led, stats.joined) = (2, CALLERS as u64 - 1);
        (stats.timed_out, stats.completed) = (1, 1);
    });
}

pub async fn wait_timeout(board: Board) {
    let flights: Flights = Group::with_runtime(board);
    for caller in 0..3 {
        let flights = flights.clone();
        callers::start(board, async move {
            let call = flights.call().wait_timeout((caller == 1).then_some(ms(20)));
            call.run(&1, || work(board, 4, 10)).await
        });
    }
    let start = ticks();
    let answers = callers::answers(3).await;
    assert_eq!(answers[0].1, Err(Error::WaitTimedOut));
    assert!((start + 20..=start + 22).contains(&answers[0].0), "asked at {start}, left at {}", answers[0].0);
    assert!(answers[1..].iter().all(|(_, answer)| *answer == Ok(42)));
    assert_eq!(log(), Log { started: 1, finished: 1, steps: 4, at_once: 1, dropped: 0 });
    settled(&flights, |stats| (stats.led, stats.joined, stats.completed) = (1, 2, 1));
}

pub async fn linger(board: Board) {
    let flights: Flights = Group::builder().runtime(board).linger(ms(30)).build();
    assert_eq!(flights.run(&1, || work(board, 1, 5)).await, Ok(42));
    let lingering = heap::used();
    assert_eq!(flights.run(&1, || async { unreachable!("it lingers") }).await, Ok(42));
    board.sleep(ms(40)).await;
    assert!(heap::used() < lingering, "{lingering} bytes were in use, and now {}", heap::used());
    assert_eq!(flights.run(&1, || work(board, 1, 5)).await, Ok(42));
    board.sleep(ms(40)).await;
    settled(&flights, |stats| (stats.led, stats.lingered, stats.completed) = (2, 1, 2));
    assert_eq!(log(), Log { started: 2, finished: 2, steps: 2, at_once: 1, dropped: 0 });
}
