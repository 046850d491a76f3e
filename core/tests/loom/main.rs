//! Every race that the state machine was built for, tried in every order of steps (up to a bound on preemptions) and with the values
//! that the memory model lets a load see, by loom, on the code of this crate itself.
//!
//! One race a test. `ci/loom.sh` runs them, and says what each covered; `docs/verification.md` says what that means.
#![cfg(loom)]
#![allow(unreachable_pub, reason = "nothing here is public")]

mod common;

mod ending;
mod failing;
mod handover;
mod joining;
mod limits;
mod relay;
mod virtual_time;
