//! Many tasks and threads on few keys, in random orders of steps, by shuttle, on the code of this crate itself: what loom cannot try in every
//! order any more.
//!
//! `ci/shuttle.sh` runs these. It keeps a schedule that fails, and says how to take the same steps again.
#![cfg(shuttle)]
#![allow(unreachable_pub, reason = "nothing here is public")]

mod bench;

use bench::{Mix, check};

/// Promises 1 to 8 and 18: nothing but `cancel` interferes, so two works for one key never run at a time.
#[test]
fn ten_tasks_and_ten_threads_with_cancels() {
    check("ten_tasks_and_ten_threads_with_cancels", &Mix::CANCELS);
}

/// Promises 1 to 8, 13 and 18: a forgotten work may run beside one other for each time that its key was forgotten.
#[test]
fn ten_tasks_and_ten_threads_with_removals() {
    check("ten_tasks_and_ten_threads_with_removals", &Mix::REMOVALS);
}

/// Promises 1 to 8, 13, 17 and 18: `run`, `relay`, `spawn`, `run_blocking` and `enter` on the same keys.
#[test]
fn ten_tasks_and_ten_threads_by_all_verbs() {
    check("ten_tasks_and_ten_threads_by_all_verbs", &Mix::ALL);
}
