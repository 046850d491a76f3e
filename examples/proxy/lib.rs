//! A reverse proxy that coalesces GETs in front of any upstream, made of `coflight::tower`, `coflight::board`, hyper and rustls.
//!
//! | module | idea |
//! |---|---|
//! | `options` | what can be chosen |
//! | `server` | connections: accepting, bounding, ending them |
//! | `handler` | one request: to the board, or through the layer to the upstream; logged and counted |
//! | `upstream` | the client for the upstream, with its limits |
//! | `stall` | a body that breaks off if nothing comes for too long |
//! | `hop` | headers that are of one connection only |
//! | `tunnel` | upgraded connections |
//! | `access_log` | one line for each request |

#![forbid(unsafe_code)]

mod access_log;
mod handler;
mod hop;
mod options;
mod outgoing;
mod server;
mod stall;
mod tunnel;
mod upstream;

pub use options::{HELP, Options};
pub use server::Proxy;
