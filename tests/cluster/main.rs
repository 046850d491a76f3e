//! The promises of docs/cluster.md, by their numbers, on every runtime. Processes are groups that share an engine within this process; their time stands still until a
//! test moves it. What takes real processes and a real server is tested in `examples/cluster`.

mod c01_one_execution;
mod c02_one_result;
mod c03_leases_and_tokens;
mod c04_leaders_are_replaced;
mod c06_delivery;
mod c07_nothing_left_behind;
mod c08_one_operation;
mod c08_outages;
mod c09_leaving;
mod c09_those_aboard;
mod c10_forget_and_cancel;
mod c11_what_cannot_travel;
mod c12_linger;
mod c13_costs;
mod common;
mod fronted;
mod observing;
mod passing;
