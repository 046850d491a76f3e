//! The ways out: every run ends, and its exit code says how.

use core::panic::PanicInfo;

use cortex_m_rt::{ExceptionFrame, exception};
use cortex_m_semihosting::{debug, hprintln};

/// Everything was right.
pub fn success() -> ! {
    debug::exit(debug::EXIT_SUCCESS);
    halt()
}

/// Something was not.
pub fn failure() -> ! {
    debug::exit(debug::EXIT_FAILURE);
    halt()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    cortex_m::interrupt::disable();
    hprintln!("FAILED: {}", info);
    failure()
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    hprintln!("FAILED: hard fault at {:#010x}", frame.pc());
    failure()
}

/// Only a debugger comes here.
fn halt() -> ! {
    loop {
        cortex_m::asm::nop();
    }
}
