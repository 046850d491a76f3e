//! What observers make of a group's events: metrics that agree with its accounts, and spans that show who waited for whom.

#![allow(unreachable_pub)]

mod counts;
mod events;
mod ledger;
mod recorder;
mod spans;
