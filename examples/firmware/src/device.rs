//! An interrupt of some device, of a priority above that of every task, and what is to be done in it.

use alloc::boxed::Box;
use core::cell::RefCell;

use cortex_m::asm;
use cortex_m::peripheral::NVIC;
use critical_section::Mutex;

use crate::board::Irq;
use crate::heap;

type Handler = Box<dyn FnMut() + Send>;

static HANDLER: Mutex<RefCell<Option<Handler>>> = Mutex::new(RefCell::new(None));

/// Calls `handler` in every interrupt of the device, until what is returned is dropped.
pub fn on_interrupt(handler: impl FnMut() + Send + 'static) -> Handling {
    replace(Some(Box::new(handler)));
    Handling
}

pub struct Handling;

impl Drop for Handling {
    fn drop(&mut self) {
        replace(None);
    }
}

/// Makes the device interrupt: here and now, or at the end of the critical section that this is called in.
pub fn interrupt() {
    NVIC::pend(Irq::Device);
    asm::dsb();
    asm::isb();
}

/// The interrupt. Its handler runs outside any critical section, as one would that reads a sensor.
pub fn handle() {
    let Some(mut handler) = replace(None) else { return };
    let asked = heap::interrupt_at_allocations(false);
    handler();
    heap::interrupt_at_allocations(asked);
    replace(Some(handler));
}

fn replace(handler: Option<Handler>) -> Option<Handler> {
    critical_section::with(|cs| HANDLER.replace(cs, handler))
}
