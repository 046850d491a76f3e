//! Many callers, one work.

use coflight::{Group, Timer};

use super::{CALLERS, Flights, settled};
use crate::board::{Board, TASKS};
use crate::callers::{self, Answer};
use crate::time::ticks;
use crate::work::{Log, log, ms, work};

const STEPS: u32 = 4;
const EACH: u64 = 5;

pub async fn run(board: Board) {
    shared(board, |_| Verb::Run).await;
}

pub async fn relay(board: Board) {
    shared(board, |_| Verb::Relay).await;
}

pub async fn spawn(board: Board) {
    shared(board, |_| Verb::Spawn).await;
}

pub async fn mixed(board: Board) {
    shared(board, |caller| [Verb::Spawn, Verb::Run, Verb::Relay][caller % 3]).await;
}

/// As if the runtime had dropped the task: the callers, whom it has places for, do the work.
pub async fn no_place(board: Board) {
    let flights: Flights = Group::with_runtime(board);
    let fillers = TASKS - 1; // one place is left, for the caller
    for _ in 0..fillers {
        callers::start(board, async move {
            board.sleep(ms(50)).await;
            Ok(0)
        });
    }
    callers::start(board, call(board, &flights, Verb::Spawn));
    let answers = callers::answers(1).await;
    assert_eq!(answers[0].1, Ok(42));
    settled(&flights, |stats| (stats.led, stats.completed) = (1, 1));
    assert_eq!(log(), Log { started: 1, finished: 1, steps: STEPS, at_once: 1, dropped: 0 });
    callers::all_get(fillers, Ok(0)).await;
}

#[derive(Clone, Copy)]
enum Verb {
    Run,
    Relay,
    Spawn,
}

fn call(board: Board, flights: &Flights, verb: Verb) -> impl Future<Output = Answer> + Send + use<> {
    let flights = flights.clone();
    async move {
        let work = || work(board, STEPS, EACH);
        match verb {
            Verb::Run => flights.run(&1, work).await,
            Verb::Relay => flights.relay(&1, work).await,
            Verb::Spawn => flights.spawn(&1, work).await,
        }
    }
}

async fn shared(board: Board, verb: fn(usize) -> Verb) {
    let flights: Flights = Group::with_runtime(board);
    let start = ticks();
    for caller in 0..CALLERS {
        callers::start(board, call(board, &flights, verb(caller)));
    }
    let (first, last) = callers::all_get(CALLERS, Ok(42)).await;
    let takes = u64::from(STEPS) * EACH;
    assert!(first >= start + takes && last <= start + takes + 3, "asked at {start}, answered from {first} to {last}");
    settled(&flights, |stats| (stats.led, stats.joined, stats.completed) = (1, CALLERS as u64 - 1, 1));
    assert_eq!(log(), Log { started: 1, finished: 1, steps: STEPS, at_once: 1, dropped: 0 });
}
