//! Work that takes its time, and counts what became of it.

use core::cell::Cell;
use core::time::Duration;

use coflight::Timer;
use critical_section::Mutex;

use crate::board::Board;

/// What became of all work since it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Log {
    pub started: u32,
    /// The steps that were taken, of all work together.
    pub steps: u32,
    pub finished: u32,
    /// Before it was finished.
    pub dropped: u32,
    /// How much ran at a time, at most.
    pub at_once: u32,
}

static LOG: Mutex<Cell<Log>> = Mutex::new(Cell::new(Log { started: 0, steps: 0, finished: 0, dropped: 0, at_once: 0 }));

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Takes so many steps, each so many milliseconds long.
pub async fn work(board: Board, steps: u32, each: u64) -> u32 {
    let running = Running::start();
    for _ in 0..steps {
        board.sleep(ms(each)).await;
        note(|log| log.steps += 1);
    }
    running.finish();
    42
}

/// What became of all work since this was last called.
pub fn log() -> Log {
    critical_section::with(|cs| LOG.borrow(cs).take())
}

struct Running;

impl Running {
    fn start() -> Self {
        note(|log| {
            log.started += 1;
            log.at_once = log.at_once.max(log.started - log.finished - log.dropped);
        });
        Self
    }

    fn finish(self) {
        core::mem::forget(self);
        note(|log| log.finished += 1);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        note(|log| log.dropped += 1);
    }
}

fn note(change: impl FnOnce(&mut Log)) {
    critical_section::with(|cs| {
        let cell = LOG.borrow(cs);
        let mut log = cell.get();
        change(&mut log);
        cell.set(log);
    });
}
