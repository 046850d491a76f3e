//! Promises of docs/cluster.md that take real processes and a real server, which these tests start and stop.

mod chaos;
mod common;
mod costs;
mod rounds;
