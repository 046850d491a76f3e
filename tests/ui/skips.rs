//! `skip` names arguments.
use coflight::coalesce;

#[coalesce(skip(databas))]
async fn misspelt(database: u64) -> u64 {
    database
}

#[coalesce(skip(self))]
async fn no_self() {}

#[coalesce(skip(database), key = id)]
async fn both(id: u64, database: u64) -> u64 {
    id + database
}

#[coalesce(skip)]
async fn what(id: u64) -> u64 {
    id
}

fn main() {}
