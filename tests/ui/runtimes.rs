//! What needs a runtime says so.
use coflight::{Error, coalesce};

#[coalesce(spawn)]
async fn spawned(id: u64) -> u64 {
    id
}

#[coalesce(timeout = "5s")]
async fn limited(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[coalesce(linger = "5s")]
fn kept(id: u64) -> u64 {
    id
}

#[coalesce(runtime = embassy)]
async fn unknown(id: u64) -> u64 {
    id
}

#[coalesce(relay)]
fn plain(id: u64) -> u64 {
    id
}

#[coalesce(detach)]
async fn not_spawned(id: u64) -> u64 {
    id
}

fn main() {}
