//! What does not compile, and should not.
//!
//! A group without a runtime has nothing to spawn on:
//!
//! ```compile_fail,E0277
//! let flights: coflight::Group<String, u32> = coflight::Group::new();
//! let call = flights.spawn("key", || async { 1 });
//! ```
//!
//! A relayed work moves between threads:
//!
//! ```compile_fail,E0277
//! let flights: coflight::Group<String, u32> = coflight::Group::new();
//! let call = flights.relay("key", || -> std::pin::Pin<Box<dyn Future<Output = u32>>> { Box::pin(async { 1 }) });
//! ```
//!
//! …and lives as long as its callers, so it borrows from none of them:
//!
//! ```compile_fail,E0597
//! let flights: coflight::Group<String, u32> = coflight::Group::new();
//! let local = 1;
//! let call = flights.relay("key", || async { *&local });
//! ```
//!
//! A key of another type:
//!
//! ```compile_fail,E0277
//! let flights: coflight::Group<String, u32> = coflight::Group::new();
//! let call = flights.run(&7, || async { 1 });
//! ```
//!
//! A work that produces another type:
//!
//! ```compile_fail,E0271
//! let flights: coflight::Group<String, u32> = coflight::Group::new();
//! let call = flights.run("key", || async { "one" });
//! ```
//!
//! Values that callers cannot share:
//!
//! ```compile_fail,E0277
//! struct Unshared;
//! let flights: coflight::Group<String, Unshared> = coflight::Group::new();
//! let call = flights.run("key", || async { Unshared });
//! ```
//!
//! An error of another type:
//!
//! ```compile_fail,E0271
//! let flights: coflight::TryGroup<String, u32, std::fmt::Error> = coflight::Group::new();
//! let call = flights.try_run("key", || async { "7".parse::<u32>() });
//! ```
//!
//! Limits that need a clock, in a group without a runtime (the same with one compiles: see the contract's tests):
//!
//! ```compile_fail,E0277
//! let builder = coflight::Group::<String, u32>::builder().timeout(std::time::Duration::from_secs(1));
//! ```
//!
//! ```compile_fail,E0277
//! let flights: coflight::Group<String, u32> = coflight::Group::new();
//! let call = flights.call().timeout(std::time::Duration::from_secs(1));
//! ```
//!
//! ```compile_fail,E0277
//! let builder = coflight::Group::<String, u32>::builder().overtake_after(std::time::Duration::from_secs(1));
//! ```
//!
//! ```compile_fail,E0277
//! let flights: coflight::Group<String, u32> = coflight::Group::new();
//! let call = flights.call().overtake_after(std::time::Duration::from_secs(1));
//! ```
//!
//! ```compile_fail,E0277
//! let builder = coflight::Group::<String, u32>::builder().wait_timeout(std::time::Duration::from_secs(1));
//! ```
//!
//! ```compile_fail,E0277
//! let flights: coflight::Group<String, u32> = coflight::Group::new();
//! let call = flights.call().wait_timeout(std::time::Duration::from_secs(1));
//! ```
//!
//! ```compile_fail,E0277
//! let builder = coflight::Group::<String, u32>::builder().join_within(std::time::Duration::from_secs(1));
//! ```
//!
//! ```compile_fail,E0277
//! let flights: coflight::Group<String, u32> = coflight::Group::new();
//! let call = flights.call().join_within(std::time::Duration::from_secs(1));
//! ```
//!
//! ```compile_fail,E0277
//! let builder = coflight::Group::<String, u32>::builder().linger(std::time::Duration::from_secs(1));
//! ```
//!
//! ```compile_fail,E0277
//! let flights: coflight::Group<String, u32> = coflight::Group::new();
//! let call = flights.call().linger(std::time::Duration::from_secs(1));
//! ```
//!
//! Nor can a clock be read for nothing but ages:
//!
//! ```compile_fail,E0277
//! let builder = coflight::Group::<String, u32>::builder().timed();
//! ```
//!
//! A call cannot even ask for none:
//!
//! ```compile_fail,E0277
//! let flights: coflight::Group<String, u32> = coflight::Group::new();
//! let call = flights.call().timeout(None);
//! ```
//!
//! ```compile_fail,E0277
//! let flights: coflight::Group<String, u32> = coflight::Group::new();
//! let call = flights.call().wait_timeout(None);
//! ```
//!
//! ```compile_fail,E0277
//! let flights: coflight::Group<String, u32> = coflight::Group::new();
//! let call = flights.call().overtake_after(None);
//! ```
//!
//! ```compile_fail,E0277
//! let flights: coflight::Group<String, u32> = coflight::Group::new();
//! let call = flights.call().join_within(None);
//! ```
//!
//! ```compile_fail,E0277
//! let flights: coflight::Group<String, u32> = coflight::Group::new();
//! let call = flights.call().linger(None);
//! ```
//!
//! The runtime comes before the limits that need it:
//!
//! ```compile_fail,E0277
//! let group = coflight::Group::<String, u32>::builder()
//!     .timeout(std::time::Duration::MAX)
//!     .runtime(coflight::Threads::new())
//!     .build();
//! ```
//!
//! The same the other way round, and what needs no clock, compiles:
//!
//! ```
//! let group = coflight::Group::<String, u32>::builder()
//!     .max_flights(1)
//!     .max_callers(1)
//!     .runtime(coflight::Threads::new())
//!     .timeout(std::time::Duration::MAX)
//!     .build();
//! let call = coflight::Group::<String, u32>::new().call().max_flights(None).max_callers(None).clone();
//! ```
//!
//! A runtime that cannot spawn keeps limits, and nothing can linger on it:
//!
//! ```compile_fail,E0277
//! use std::{future::Ready, time::Duration};
//!
//! #[derive(Clone)]
//! struct OnlyTime;
//!
//! impl coflight::Clock for OnlyTime {
//!     fn now(&self) -> Duration {
//!         Duration::ZERO
//!     }
//! }
//!
//! impl coflight::Timer for OnlyTime {
//!     type Sleep = Ready<()>;
//!
//!     fn sleep(&self, _: Duration) -> Ready<()> {
//!         std::future::ready(())
//!     }
//! }
//!
//! let kept = coflight::Group::<String, u32>::builder().runtime(OnlyTime).timeout(Duration::MAX);
//! let lingers = kept.linger(Duration::MAX);
//! ```
//!
//! Nor can what does not live long enough, or may not move between threads:
//!
//! ```compile_fail,E0277
//! let builder = coflight::Group::<String, std::rc::Rc<u32>>::builder()
//!     .runtime(coflight::Threads::new())
//!     .linger(std::time::Duration::MAX);
//! ```
