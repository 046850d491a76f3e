//! coflight on a bare Cortex-M: two executors of different priorities, interrupts, a heap of a few kilobytes, and no operating system.
//!
//! `main` boots and starts the checks, which then say one line each. The exit code tells whether all were right; a panic, a fault, or a run that
//! does not end makes it another than 0.
//!
//! | file | idea |
//! |---|---|
//! | `board` | the board as coflight's runtime: **this is what your firmware needs, too** |
//! | `time` | SysTick: a clock, timers, a watchdog |
//! | `heap`, `device` | the heap; an interrupt that uses the groups |
//! | `exit` | the ways out |
//! | `callers`, `work` | callers in tasks of their own; work that counts what became of it |
//! | `checks` | what is shown |

#![no_std]
#![no_main]

extern crate alloc;

mod board;
mod callers;
mod checks;
mod device;
mod exit;
mod heap;
mod time;
mod work;

use cortex_m::peripheral::scb::SystemHandler;
use cortex_m::peripheral::{NVIC, SCB};
use cortex_m_rt::{entry, exception};
use embassy_executor::{Executor, InterruptExecutor};

use board::{Board, Irq};

/// Its tasks interrupt those of the other executor.
static HIGH: InterruptExecutor = InterruptExecutor::new();

#[entry]
fn main() -> ! {
    heap::init();
    let mut core = cortex_m::Peripherals::take().expect("this is the first and only time");
    prioritise(&mut core.SCB, &mut core.NVIC);
    time::start(&mut core.SYST);

    let high = Board::new(HIGH.start(Irq::Tasks));
    let low = cortex_m::singleton!(: Executor = Executor::new()).expect("this is the first and only time");
    low.run(|spawner| {
        let low = Board::new(spawner.make_send());
        spawner.spawn(checks::run_all(low, high).expect("its place is free"));
    })
}

/// From the highest: what counts the time and ends what hangs, the device, what wakes sleepers, the tasks that interrupt others. A Cortex-M0 has four
/// levels, in the upper two bits.
fn prioritise(scb: &mut SCB, nvic: &mut NVIC) {
    // SAFETY: no critical section here relies on priorities, and nothing is enabled yet.
    unsafe {
        scb.set_priority(SystemHandler::SysTick, 0x00);
        nvic.set_priority(Irq::Device, 0x40);
        scb.set_priority(SystemHandler::PendSV, 0x80);
        nvic.set_priority(Irq::Tasks, 0xC0);
        NVIC::unmask(Irq::Device);
    }
}

/// Without the table of a particular chip all its interrupts come here.
#[exception]
unsafe fn DefaultHandler(interrupt: i16) {
    const DEVICE: i16 = Irq::Device as i16;
    const TASKS: i16 = Irq::Tasks as i16;
    match interrupt {
        DEVICE => device::handle(),
        // SAFETY: this is its interrupt, which `start` enabled.
        TASKS => unsafe { HIGH.on_interrupt() },
        _ => panic!("interrupt {interrupt} is nobody's"),
    }
}
