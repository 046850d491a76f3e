//! What cannot be shared.
use std::fmt::Debug;

use coflight::coalesce;

#[coalesce]
async fn borrows(name: &str) -> &str {
    name
}

#[coalesce]
async fn borrows_by_name<'a>(name: &'a str) -> Option<&'a str> {
    Some(name)
}

#[coalesce]
async fn hidden(id: u64) -> impl Debug {
    id
}

fn main() {}
