//! One key, one piece of work, one result for everyone who asked meanwhile.
//!
//! This is the executor-independent core of [coflight](https://docs.rs/coflight), with `alloc` as its only need. Depend on `coflight`, which
//! re-exports all of it and adds the runtimes; depend on this crate alone to write an adapter for another one (see [`Runtime`]).
//!
//! # The house, in reading order
//!
//! | module | idea |
//! |---|---|
//! | `group`, `builder`, `call` | what users hold: the verbs, and what can be chosen |
//! | `stats`, `events`, `snapshot`, `served` | what users get to see |
//! | `attribute` | what the code that the attribute `#[coalesce]` writes stands on |
//! | `log` | what an observed flight has to tell, and telling it |
//! | `accounts`, `registry`, `overview` | what one group counted; all that have a name, and what they counted |
//! | `run`, `relay`, `spawn`, `blocking`, `enter`, `try_twin`, `work` | one verb each: where the work runs |
//! | `boarding` | joining a flight, or starting one |
//! | `caller` | what the verbs share: waiting, limits, taking over, leaving |
//! | `ending` | every way a flight ends, in the one order that is right |
//! | `carried`, `driving` | a work that the flight carries, and its waker; running it |
//! | `rival` | a work beside a slow leader's |
//! | `state` | the flight's state in one word, and every transition of it |
//! | `flight`, `owners` | one flight; who refers to it |
//! | `table`, `listing` | all flights, by key, and their counts; those of one shard |
//! | `config`, `options`, `asks`, `terms` | what was chosen: for the group, for a call, for the two together, and what that means for a flight |
//! | `time`, `linger` | alarms; results that are served for a while |
//! | `wait` | a listener inside the caller's own future |
//! | `circle`, `note` | refusing to wait in a circle; what works note for others aboard |
//! | `key`, `hash`, `runtime`, `error`, `panics`, `sync`, `waker_slot`, `park` | what they all use |

#![no_std]
// These keep the build without `std` honest.
#![warn(clippy::std_instead_of_core, clippy::std_instead_of_alloc, clippy::alloc_instead_of_core)]
// The `try_` verbs name their futures in full, so that users can look inside instead of at `impl Future`.
#![allow(clippy::type_complexity)]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

mod accounts;
mod asks;
#[cfg(feature = "attribute")]
mod attribute;
#[cfg(feature = "std")]
mod blocking;
mod boarding;
mod builder;
mod call;
mod caller;
mod carried;
mod circle;
mod config;
mod driving;
mod ending;
mod enter;
mod error;
mod events;
mod flight;
mod group;
mod hash;
mod key;
mod linger;
mod listing;
mod log;
// Stands on what tells circles.
#[cfg(all(feature = "std", not(any(loom, shuttle))))]
#[doc(hidden)]
pub mod note;
mod options;
mod overview;
mod owners;
mod panics;
#[cfg(all(feature = "std", not(shuttle)))]
mod park;
// event-listener wakes with its list locked, so no waker may give way to others there: unparking does, this does not.
#[cfg(shuttle)]
use shuttle::future as park;
pub mod registry;
mod relay;
mod rival;
mod run;
mod runtime;
mod served;
mod snapshot;
mod spawn;
mod state;
mod stats;
mod sync;
mod table;
mod terms;
mod time;
mod try_twin;
mod wait;
mod waker_slot;
mod work;

pub use builder::Builder;
pub use call::Call;
pub use config::OnFailure;
pub use enter::{Entry, Follower, Leader, Turn};
pub use error::{Error, Panic, SharedError, TryError};
pub use events::{Event, EventKind, Observer, ShownKey};
pub use group::{Group, TryGroup};
pub use hash::{DefaultHashBuilder, DefaultHasher};
pub use key::AsKey;
pub use overview::{GroupOverview, Overview};
pub use relay::Relay;
pub use run::Run;
pub use runtime::{Clock, NoRuntime, Runtime, Spawn, Timed, Timer};
pub use served::{Role, Served, WithServed};
pub use snapshot::{FlightState, InFlight, Verb};
pub use spawn::Spawned;
pub use stats::Stats;
pub use try_twin::Try;
pub use work::{Fallible, Work};

#[cfg(feature = "attribute")]
#[doc(hidden)]
pub mod __private {
    pub use crate::attribute::*;
}
