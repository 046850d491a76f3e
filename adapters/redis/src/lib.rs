#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod connection;
mod engine;
mod scripts;
mod subscription;

pub use engine::{Builder, Redis};
/// The client that this is built on, for what it can do beyond an address: TLS, Unix sockets, credentials.
pub use redis;
