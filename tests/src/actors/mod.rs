//! Programs dealt to actors that run at the same time, each on a thread or a runtime of its own, all on one group.
//!
//! The same language as that of the models. Each [`Actor`] takes its share of the steps in their order, and what a step is about is counted among what the actor has
//! itself. What that comes to depends on the scheduler, so no model can say it; the [`Ledger`] keeps account instead, and what must hold however things
//! went is checked when everybody has gone.

mod accounts;
mod actor;
mod caller;
mod ledger;
mod seen;
mod tally;
mod terms;
mod threads;
mod work;

pub use accounts::{Totals, check, rests};
pub use actor::{Actor, Stage};
pub use ledger::Ledger;
pub use seen::watch;
pub use terms::{Terms, deal, tame};
pub use threads::run_on_threads;
