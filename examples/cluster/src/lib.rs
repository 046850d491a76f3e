//! Processes that share one Redis: what one of them does, and how they are started and told what to do.

pub mod protocol;
pub mod worker;
pub mod workers;

mod load;
mod round;

pub use load::Random;
