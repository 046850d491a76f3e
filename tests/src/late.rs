//! A scheduler at its worst: by chance, whoever is about to go on is late, as on a machine that does much else. `./ci/late.sh` turns it on.

use std::cell::Cell;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

static IS_ON: LazyLock<bool> = LazyLock::new(|| std::env::var_os("COFLIGHT_TEST_LATE").is_some());

/// What the thread is late by: how often, of 256 times. The rare one is longer than everything that the others do meanwhile.
const LATE: [(u8, Duration); 2] = [(1, Duration::from_millis(30)), (12, Duration::from_millis(2))];

/// The thread that calls this may be late.
pub fn perhaps() {
    thread_local!(static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0) | 1));
    if !*IS_ON {
        return;
    }
    // xorshift64
    let mut state = STATE.get();
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    STATE.set(state);
    let chance = (state >> 32) as u8;
    if let Some((_, late)) = LATE.into_iter().find(|(often, _)| chance < *often) {
        thread::sleep(late);
    }
}

/// A task that may be polled late, and whose outcome may be told late.
pub fn polled(task: impl Future<Output = ()> + Send + 'static) -> Task {
    let task = Box::pin(task);
    if *IS_ON { Box::pin(Late(task)) } else { task }
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Late(Task);

impl Future for Late {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        perhaps();
        let polled = self.0.as_mut().poll(cx);
        perhaps();
        polled
    }
}
