#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod observer;
mod spans;
mod traced;
mod work;

pub use observer::Tracing;
pub use traced::{InSpan, Traced, TracedCall};
