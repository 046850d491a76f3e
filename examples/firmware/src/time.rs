//! Time: SysTick counts, PendSV wakes whoever is due, and nothing runs for ever.
//!
//! Wakers may run anything, coflight's among them, so they are woken in an interrupt of lower priority than the one that counts: the
//! watchdog is in the latter, and bites whatever hangs.

use alloc::collections::BTreeMap;
use core::cell::{Cell, RefCell};
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use cortex_m::Peripherals;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{NVIC, SCB, SYST};
use cortex_m_rt::exception;
use cortex_m_semihosting::hprintln;
use critical_section::Mutex;

use crate::board::{CYCLES, Irq};
use crate::exit;

/// Milliseconds; all checks together take less than half of it.
const WATCHDOG: u64 = 6_000;

static TICKS: Mutex<Cell<u64>> = Mutex::new(Cell::new(0));

/// Whether the device is to interrupt instead of the next tick.
static INSTEAD: Mutex<Cell<bool>> = Mutex::new(Cell::new(false));

/// By the tick at which they are due, and a number, because two may be due at once.
static SLEEPERS: Mutex<RefCell<BTreeMap<(u64, u64), Waker>>> = Mutex::new(RefCell::new(BTreeMap::new()));

/// Milliseconds since the start.
pub fn ticks() -> u64 {
    critical_section::with(|cs| TICKS.borrow(cs).get())
}

/// Starts the clock.
pub fn start(syst: &mut SYST) {
    syst.set_clock_source(SystClkSource::Core);
    count(syst, CYCLES);
    syst.enable_counter();
    syst.enable_interrupt();
}

/// Instead of the next tick, the device interrupts, so many cycles from now. Time stands still until then.
pub fn interrupt_device_after(cycles: u32) {
    critical_section::with(|cs| {
        INSTEAD.borrow(cs).set(true);
        count(&mut syst(), cycles);
    });
}

/// The device does not interrupt. `false`: it did.
pub fn interrupt_device_no_more() -> bool {
    critical_section::with(|cs| {
        let was_about_to = INSTEAD.borrow(cs).replace(false);
        if was_about_to {
            count(&mut syst(), CYCLES);
            SCB::clear_pendst();
        }
        was_about_to
    })
}

fn count(syst: &mut SYST, cycles: u32) {
    syst.set_reload(cycles - 1);
    syst.clear_current();
}

fn syst() -> SYST {
    // SAFETY: after `start` only this file uses it, with interrupts off.
    unsafe { Peripherals::steal() }.SYST
}

#[exception]
fn SysTick() {
    if interrupt_device_no_more() {
        NVIC::pend(Irq::Device);
        return;
    }
    let now = critical_section::with(|cs| {
        let ticks = TICKS.borrow(cs);
        ticks.set(ticks.get() + 1);
        ticks.get()
    });
    if now > WATCHDOG {
        hprintln!("FAILED: not finished after {} ms", WATCHDOG);
        exit::failure();
    }
    SCB::set_pendsv();
}

#[exception]
fn PendSV() {
    let due = || {
        critical_section::with(|cs| {
            let mut sleepers = SLEEPERS.borrow_ref_mut(cs);
            let first = sleepers.first_entry()?;
            (first.key().0 <= ticks()).then(|| first.remove())
        })
    };
    while let Some(sleeper) = due() {
        sleeper.wake();
    }
}

/// Ready when it is due.
pub struct Sleep {
    /// `None`: further away than the clock can tell.
    due: Option<u64>,
    /// Its place among the sleepers.
    place: Option<(u64, u64)>,
}

impl Sleep {
    pub fn new(duration: Duration) -> Self {
        // A part of a tick counts as a whole one, so that nobody is woken early.
        let whole = duration.as_nanos().div_ceil(1_000_000);
        let due = u64::try_from(whole).ok().and_then(|whole| ticks().checked_add(whole));
        Self { due, place: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        static NUMBER: Mutex<Cell<u64>> = Mutex::new(Cell::new(0));

        let Some(due) = self.due else { return Poll::Pending };
        let waker = cx.waker().clone();
        let (slept, left) = critical_section::with(|cs| {
            if due <= ticks() {
                return (true, Some(waker));
            }
            let number = NUMBER.borrow(cs);
            let place = *self.place.get_or_insert_with(|| (due, number.replace(number.get() + 1)));
            (false, SLEEPERS.borrow_ref_mut(cs).insert(place, waker))
        });
        drop(left); // outside: a waker may be the last owner of anything
        if slept { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Sleep {
    /// Nothing is left behind.
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let waker = critical_section::with(|cs| SLEEPERS.borrow_ref_mut(cs).remove(&place));
            drop(waker); // outside, as above
        }
    }
}
