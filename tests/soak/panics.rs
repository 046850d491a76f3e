//! Panics that nobody planned.
//!
//! Works panic without the hook, so whatever gets there is a finding. Callers, executors and coflight itself contain panics, so nothing
//! else would tell.

use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::sync::{Mutex, PoisonError};

/// With which a timer of tokio panics when it is polled after its runtime was shut down. coflight contains it.
const SHUT_DOWN: &str = "A Tokio 1.x context was found, but it is being shutdown.";

static FIRST: Mutex<Option<String>> = Mutex::new(None);

/// Notes every panic from now on.
pub fn watch() {
    let print = take_hook();
    set_hook(Box::new(move |panic: &PanicHookInfo<'_>| {
        let message = panic.payload().downcast_ref().map(String::as_str);
        if message.or_else(|| panic.payload().downcast_ref().copied()) == Some(SHUT_DOWN) {
            return;
        }
        print(panic);
        let mut first = FIRST.lock().unwrap_or_else(PoisonError::into_inner);
        first.get_or_insert_with(|| format!("somebody {panic}"));
    }));
}

/// The first there was.
pub fn first() -> Option<String> {
    FIRST.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
