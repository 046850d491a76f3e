//! The board as coflight's runtime: a clock, timers, and places for tasks.

use alloc::boxed::Box;
use core::pin::Pin;
use core::time::Duration;

use coflight::{Clock, Spawn, Timer};
use cortex_m::interrupt::InterruptNumber;
use embassy_executor::SendSpawner;

use crate::time::{self, Sleep};

/// Cycles a millisecond, of the chips as QEMU starts them.
#[cfg(not(feature = "no-cas"))]
pub const CYCLES: u32 = 25_000;
#[cfg(feature = "no-cas")]
pub const CYCLES: u32 = 16_000;

/// How many tasks there can be at a time.
pub const TASKS: usize = 16;

/// Interrupts that no hardware uses here.
#[derive(Clone, Copy)]
#[repr(u16)]
pub enum Irq {
    Device = 24,
    /// In which the tasks of high priority run.
    Tasks = 25,
}

// SAFETY: both chips have interrupts of these numbers, and they stay what they are.
unsafe impl InterruptNumber for Irq {
    fn number(self) -> u16 {
        self as u16
    }
}

/// A runtime for coflight's groups, which spawns on one of the executors.
#[derive(Clone, Copy)]
pub struct Board {
    spawner: SendSpawner,
}

impl Board {
    pub fn new(spawner: SendSpawner) -> Self {
        Self { spawner }
    }
}

impl Clock for Board {
    fn now(&self) -> Duration {
        Duration::from_millis(time::ticks())
    }
}

impl Timer for Board {
    type Sleep = Sleep;

    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(duration)
    }
}

impl Spawn for Board {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
        // A task for which there is no place is dropped, and that is how coflight learns of it.
        if let Ok(token) = place(Box::pin(task)) {
            self.spawner.spawn(token);
        }
    }
}

/// The executor's tasks are static, each of a type of its own; so these are places, and what runs in them comes in a box.
#[embassy_executor::task(pool_size = TASKS)]
async fn place(task: Pin<Box<dyn Future<Output = ()> + Send>>) {
    task.await;
}
