//! One key, one piece of work, one result for everyone who asked meanwhile ("singleflight"), on any executor or none.
//!
//! When many callers ask for the same thing at the same moment, the work is done once, and everyone gets the result. coflight goes in front of a database, an HTTP API, a cache fill, a token
//! refresh. It stores nothing at rest.
//!
//! ```
//! use coflight::Group;
//!
//! async fn load_user(id: u64) -> String {
//!     // A query that a hundred requests want the answer of, right now.
//!     format!("user {id}")
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), coflight::Error> {
//!     // A clone is another handle to the same group: keep one in your application's state.
//!     let flights: Group<u64, String> = Group::new();
//!
//!     // Whoever comes first runs the query; whoever comes while it runs gets the same answer.
//!     let user = flights.run(&42, || load_user(42)).await?;
//!
//!     assert_eq!(user, "user 42");
//!     Ok(())
//! }
//! ```
//!
//! | word | means |
//! |---|---|
//! | key | what identifies the work |
//! | work | the closure or future that produces the value |
//! | flight | one execution of the work for one key, and all who share it |
//! | group | the table of flights in progress: [`Group`], or [`TryGroup`] for work that can fail |
//! | leader, follower | the caller whose work runs; those who wait for it |
//! | handover | the leader left before the end, and a follower carries on |
//!
#![doc = include_str!("../docs/stampede.svg")]
//!
//! A hundred callers want one row set of an SQLite database that ten may query at a time. Drawn by `cargo run --release --example stampede -- --svg docs/stampede.svg` in the repository, on two cores of a shared
//! x86-64 virtual machine, Rust 1.95, November 2026.
//!
//! # The guide
//!
//! [Choosing a verb](guide::choosing_a_verb) · [keys](guide::keys) · [errors](guide::errors) · [leaving](guide::leaving) · [limits](guide::limits) · [observing](guide::observing) · [HTTP](guide::http) ·
//! [clusters](guide::clusters) · [runtimes](guide::runtimes) · [no_std](guide::no_std) · [testing](guide::testing)
//!
//! | verb | whose work runs, and where | if the leader leaves |
//! |---|---|---|
//! | [`run`](Group::run) | the leader's own future, in place; it may borrow; no box | one follower starts **its own** work |
//! | [`relay`](Group::relay) | one `'static` future that any caller can go on with | another caller **continues the same** one |
//! | [`spawn`](Group::spawn) | a task on the [runtime](guide::runtimes) | nothing happens: the task goes on |
//! | [`run_blocking`](Group::run_blocking) | the leader's closure, on its own thread | (it cannot leave) |
//! | [`enter`](Group::enter) | wherever you decide | dropping the guard hands over |
//!
//! Every future here can be dropped at any await point without the other callers noticing. A panic of the work happens once: its leader unwinds, followers get an
//! [error](Error::Panicked). Or say it once, where a function is written: [`#[coalesce]`](macro@coalesce).
//!
//! # Features
//!
//! Turning a feature on adds; it never changes what was there.
//!
//! | feature | adds |
//! |---|---|
//! | `std` (default) | [`Group::run_blocking`], typed panics, the check for circular waits; without it `alloc` is enough |
//! | `tokio` | [`Tokio`] |
//! | `smol` | [`Smol`] |
//! | `async-std` | [`AsyncStd`]; async-std itself is no longer maintained |
//! | `blocking` | [`Threads`], [`blocking::wait`], [`blocking::wait_timeout`] |
//! | `board` | [`board`]: a page for axum that shows what is in flight, live |
//! | `cluster` | [`cluster`]: groups whose flights span processes, over an engine that they share. Costs serde, rmp-serde, hmac, sha2, getrandom |
//! | `redis` | [`redis`]: Redis or Valkey as that engine. Costs the crate redis, and tokio, on a thread of its own |
//! | `macros` | [`coalesce`]: the attribute for functions and methods. Costs the build of a macro (with syn), and at run time a look at a static for each call |
//! | `metrics` | [`Metrics`]: counts for whatever recorder of the `metrics` facade the program has |
//! | `tower` | [`tower`]: a layer that coalesces HTTP requests and shares bodies as they arrive, and one for any other service |
//! | `tracing` | [`Tracing`], [`Traced`]: events and linked spans for `tracing` |
//! | `portable-atomic` | chips without compare-and-swap |
//! | `critical-section` | without `std`: groups shared with interrupt handlers; needs an implementation of `critical-section` in the program. Interrupts are off while the callers of one flight are woken, whose wakers must not use that flight |

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(doc, doctest))]
pub mod guide;

// By name: else rustdoc meets an alias of it in `tower` first, and says that it needs that feature. For the same reason the crates below are not modules around a `*`.
#[doc(inline)]
pub use coflight_core::Group;
#[doc(inline)]
pub use coflight_core::*;

#[cfg(feature = "async-std")]
#[doc(inline)]
pub use coflight_async_std::AsyncStd;
#[cfg(feature = "blocking")]
#[doc(inline)]
pub use coflight_blocking::Threads;
#[cfg(feature = "macros")]
#[doc = include_str!("attribute.md")]
pub use coflight_macros::coalesce;
#[cfg(feature = "metrics")]
#[doc(inline)]
pub use coflight_metrics::Metrics;
#[cfg(feature = "smol")]
#[doc(inline)]
pub use coflight_smol::Smol;
#[cfg(feature = "tokio")]
#[doc(inline)]
pub use coflight_tokio::Tokio;
#[cfg(feature = "tracing")]
#[doc(inline)]
pub use coflight_tracing::{InSpan, Traced, TracedCall, Tracing};

/// A page that shows what is in flight, live, as a router for [axum](https://docs.rs/axum). In the guide: [observing](crate::guide::observing).
#[cfg(feature = "board")]
#[doc(inline)]
pub use coflight_board as board;
/// Groups whose flights span processes: one execution for a whole cluster. In the guide: [clusters](crate::guide::clusters).
#[cfg(feature = "cluster")]
#[doc(inline)]
pub use coflight_cluster as cluster;
/// [Redis](https://redis.io), or [Valkey](https://valkey.io), as the engine of a [`cluster`]. In the guide: [clusters](crate::guide::clusters).
#[cfg(feature = "redis")]
#[doc(inline)]
pub use coflight_redis as redis;
/// Layers for [tower](https://docs.rs/tower): HTTP requests, and any other with a key. In the guide: [HTTP](crate::guide::http).
#[cfg(feature = "tower")]
#[doc(inline)]
pub use coflight_tower as tower;

/// For plain threads: waiting for the verbs that return futures.
#[cfg(feature = "blocking")]
pub mod blocking {
    #[doc(inline)]
    pub use coflight_blocking::{wait, wait_timeout};
}

// Its examples must compile as they stand.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
