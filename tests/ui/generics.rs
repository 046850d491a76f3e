//! What is kept outlives every caller.
use std::hash::Hash;

use coflight::coalesce;

#[coalesce]
async fn echo<T: Hash + Eq + Clone + Send + Sync>(value: T) -> T {
    value
}

fn main() {}
