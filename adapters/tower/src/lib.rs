#![doc = include_str!("../README.md")]
//!
//! # The house, in reading order
//!
//! | module | idea |
//! |---|---|
//! | `layer`, `service`, `future` | what users put around a service, and what a call to it goes through |
//! | `key` | which requests are the same |
//! | `share` | which responses may be shared, and with whom |
//! | `body` | a response's body, as one caller reads it |
//! | `seat` | one caller aboard a flight: its ticket, its duty as leader, its place among the readers |
//! | `exchange` | one request to the inner service, and what its readers have of the response |
//! | `drive` | how that goes on, by whoever is polled |
//! | `buffer` | what was received and is still wanted, within bounds |
//! | `flight` | the group's keys and values, and what a leader can do |
//! | `keyed` | the same for services that do not speak HTTP |
//! | `error`, `answer` | what can go wrong, and how to answer it over HTTP |

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod answer;
mod body;
mod buffer;
mod drive;
mod error;
mod exchange;
mod flight;
mod future;
mod key;
mod keyed;
mod layer;
mod seat;
mod service;
mod share;

pub use answer::{Answer, AnswerFuture, AnswerLayer};
pub use body::CoalescedBody;
pub use buffer::Beyond;
pub use error::{BoxError, Error};
pub use flight::{FlightKey, HttpGroup, Shared};
pub use future::ResponseFuture;
pub use key::{HttpKey, KeyPolicy, TRACING_HEADERS};
pub use keyed::{Keyed, KeyedFuture, KeyedLayer};
pub use layer::CoalesceLayer;
pub use service::{Coalesce, Part};
