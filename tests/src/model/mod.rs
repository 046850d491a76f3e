//! Programs of what can be done to a group, and what they must come to.
//!
//! One language, [`program`], for everything that makes programs up: proptest ([`strategy`]), the fuzz targets (`bytes`, with the feature `arbitrary`), and the
//! soak. What a program must come to is said twice: by `plain`, the core of the contract in a hundred lines, and by `reference`, which knows every limit
//! and window as well. [`plain_check`] and [`check`] hold the real group to them, step by step, on one thread; what holds on many is in
//! [`actors`](crate::actors).

pub(crate) mod answers;
pub mod asking;
#[cfg(feature = "arbitrary")]
pub mod bytes;
pub mod check;
pub mod key;
mod peer;
pub(crate) mod plain;
pub mod plain_check;
pub mod program;
pub(crate) mod reference;
pub mod strategy;
mod system;
