//! Limits end calls without a result, which the function must be able to return.
use coflight::coalesce;

#[coalesce(runtime = smol, timeout = "5s")]
async fn late(id: u64) -> u64 {
    id
}

#[coalesce(max_flights = 10)]
async fn full(id: u64) -> Result<u64, String> {
    Ok(id)
}

fn main() {}
