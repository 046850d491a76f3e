#![doc = include_str!("../README.md")]
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

/// For plain threads: waiting for the verbs that return futures.
#[cfg(feature = "blocking")]
pub mod blocking {
    #[doc(inline)]
    pub use coflight_blocking::{wait, wait_timeout};
}

/// A page that shows what is in flight, live, as a router for [axum](https://docs.rs/axum).
#[cfg(feature = "board")]
pub mod board {
    #[doc(inline)]
    pub use coflight_board::*;
}

/// Groups whose flights span processes: one execution for a whole cluster.
#[cfg(feature = "cluster")]
pub mod cluster {
    #[doc(inline)]
    pub use coflight_cluster::*;
}

/// [Redis](https://redis.io), or [Valkey](https://valkey.io), as the engine of a [`cluster`].
#[cfg(feature = "redis")]
pub mod redis {
    #[doc(inline)]
    pub use coflight_redis::*;
}

/// Layers for [tower](https://docs.rs/tower): HTTP requests, and any other with a key.
#[cfg(feature = "tower")]
pub mod tower {
    #[doc(inline)]
    pub use coflight_tower::*;
}
