//! The attribute `#[coalesce]`, feature by feature, on each runtime it applies to.
//!
//! Functions that are marked have groups that live as long as the program, and so are shared by all columns. Each test therefore has keys of its own:
//! see [`probe::unique`].

mod groups;
mod keys;
mod limits;
mod methods;
mod mixing;
mod probe;
mod results;
mod syntax;
mod threads;
mod verbs;
