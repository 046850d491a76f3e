//! The contract, promise by promise, on every runtime.
mod p01_one_at_a_time;
