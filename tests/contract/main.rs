//! The contract, promise by promise, on every runtime.

mod common;
mod found;
mod found_limits;
mod p01_one_at_a_time;
mod p02_one_result;
mod p03_nothing_left_behind;
mod p04_removal_by_identity;
mod p05_leaving_is_free;
mod p06_handover;
mod p07_last_one_out;
mod p08_no_one_holds_the_others_up;
mod p09_a_panic_happens_once;
mod p10_no_silent_deadlock;
mod p11_no_user_code_under_a_lock;
mod p12_a_followers_work_is_never_called;
mod p13_forget_and_cancel;
mod p17_across_runtimes;
mod runtimes;
mod served;
mod types;
