//! Keys that are the same for all calls, and most likely meant as patterns.
use coflight::coalesce;

#[coalesce(key = "user:{id}")]
async fn pattern(id: u64) -> u64 {
    id
}

#[coalesce(key: (&'static str, u64) = ("user", 1))]
async fn parts(id: u64) -> u64 {
    id
}

fn main() {}
