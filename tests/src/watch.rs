//! A deadline for every test, so that a hang is a failure with a name.

use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// Far longer than any test takes on a loaded machine, far shorter than anyone's patience. `COFLIGHT_TEST_DEADLINE` says otherwise, for where
/// everything is slower: sanitizers.
const DEADLINE: Duration = Duration::from_secs(60);

/// Runs `body` on a thread of its own; fails if it takes longer than the deadline.
///
/// # Panics
///
/// With the body's own panic, or because the deadline passed.
pub fn with_deadline<T: Send + 'static>(name: &str, body: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, outcome) = channel();
    let thread = thread::Builder::new().name(name.to_owned());
    let thread = thread.spawn(move || {
        let result = body();
        // Nobody listens any more if the deadline passed.
        let _ = done.send(());
        result
    });
    let thread = thread.expect("a thread for the test");
    let seconds = std::env::var("COFLIGHT_TEST_DEADLINE").ok().and_then(|seconds| seconds.parse().ok());
    let deadline = seconds.map_or(DEADLINE, Duration::from_secs);
    match outcome.recv_timeout(deadline) {
        Err(RecvTimeoutError::Timeout) => panic!("{name}: not done after {deadline:?}; somebody hangs"),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => match thread.join() {
            Ok(result) => result,
            Err(panic) => resume_unwind(panic),
        },
    }
}
