//! Many tasks and threads on few keys, in random orders of steps, by shuttle, on the code of this crate itself: what loom cannot try in every
//! order any more.
//!
//! `ci/shuttle.sh` runs these. A run that fails prints a schedule; `SHUTTLE_REPLAY=<schedule>` takes the same steps again.
#![cfg(shuttle)]
#![allow(unreachable_pub, reason = "nothing here is public")]

mod bench;

use bench::{Bench, Mix, check};

/// Promises 1 to 8 and 18: nothing but `cancel` interferes, so two works for one key never run at a time.
#[test]
fn ten_tasks_and_ten_threads_with_cancels() {
    check("tasks and threads, with cancels", |bench: Bench| bench.storm(&Mix::CANCELS));
}

/// Promises 1 to 8, 13 and 18: a forgotten work may run beside one other for each time that its key was forgotten.
#[test]
fn ten_tasks_and_ten_threads_with_removals() {
    check("tasks and threads, with removals", |bench: Bench| bench.storm(&Mix::REMOVALS));
}

/// Promises 1 to 8, 13, 17 and 18: `run`, `relay`, `spawn`, `run_blocking` and `enter` on the same keys.
#[test]
fn ten_tasks_and_ten_threads_by_all_verbs() {
    check("tasks and threads, by all verbs", |bench: Bench| bench.storm(&Mix::ALL));
}
