//! The laboratory: runs one test body on every runtime, with callers on any of them.
//!
//! A body is `async fn(Lab)`. [`matrix!`](crate::matrix) makes a test of it for each runtime, named after the promise and the runtime. Every test has a
//! deadline that fails loudly.

pub mod actors;
pub mod compile_fail;
mod executor;
mod gate;
mod lab;
mod late;
mod memory;
pub mod model;
mod runtime;
mod time;
mod verb;
mod waker;
mod watch;
pub mod works;

pub use executor::HandExecutor;
pub use gate::{Asked, Gate, Latch, asked, boarded, poll_now};
pub use lab::{Ended, Lab, On, Task};
pub use memory::{Counting, live_bytes};
pub use runtime::AnyRuntime;
pub use time::{VirtualSleep, VirtualTime};
pub use verb::{Verb, Work, ask, value};
pub use waker::{CountingWaker, PanickingWaker};
pub use watch::with_deadline;

pub use futures_lite::future::{poll_once, yield_now};

/// The key of most tests.
pub const KEY: &str = "key";

/// A group as most tests use it.
pub type Flights<V> = coflight::Group<String, V, AnyRuntime>;

/// Tests named `promise::runtime` for each runtime, from one body.
#[macro_export]
macro_rules! matrix {
    ($($(#[$doc:meta])* $body:ident),* $(,)?) => {$(
        $(#[$doc])*
        mod $body {
            // With this, what is built again for each of very many mutants is small.
            #[cfg(not(few_columns))]
            $crate::matrix!(@on $body tokio_multi_thread TokioMulti);
            #[cfg(not(few_columns))]
            $crate::matrix!(@on $body tokio_current_thread TokioCurrent);
            #[cfg(not(few_columns))]
            $crate::matrix!(@on $body smol Smol);
            #[cfg(not(few_columns))]
            $crate::matrix!(@on $body async_std AsyncStd);
            #[cfg(not(few_columns))]
            $crate::matrix!(@on $body threads Threads);
            $crate::matrix!(@on $body no_runtime Nothing);
            $crate::matrix!(@on $body mixed Mixed);
        }
    )*};
    (@on $body:ident $name:ident $on:ident) => {
        #[test]
        fn $name() {
            $crate::On::$on.run(concat!(stringify!($body), " on ", stringify!($name)), super::$body);
        }
    };
}

/// The lines that replace those of other libraries, each compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../docs/migrating.md")]
pub struct Migrating;
