//! Options that are none, or that do not go together.
use coflight::{Error, Group, coalesce};

#[coalesce(timeuot = "5s")]
async fn misspelt(id: u64) -> u64 {
    id
}

#[coalesce(runtime = smol, timeout = "5 seconds")]
async fn no_time(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[coalesce(runtime = smol, timeout = 5)]
async fn no_unit(id: u64) -> Result<u64, Error> {
    Ok(id)
}

#[coalesce(max_callers = 3, max_callers = 4)]
async fn twice(id: u64) -> u64 {
    id
}

#[coalesce(run, relay)]
async fn two_verbs(id: u64) -> u64 {
    id
}

#[coalesce(max_callers)]
async fn no_value(id: u64) -> u64 {
    id
}

#[coalesce(hasher = std::hash::RandomState::new())]
async fn no_type(id: u64) -> u64 {
    id
}

fn flights() -> Group<u64, u64> {
    Group::new()
}

#[coalesce(group = flights(), shards = 8)]
async fn too_late(id: u64) -> u64 {
    id
}

#[coalesce(group = flights(), flights = mine)]
async fn two_groups(id: u64) -> u64 {
    id
}

#[coalesce(key = (id, 1), flights = mine)]
async fn no_key_type(id: u64) -> u64 {
    id
}

#[coalesce(skip(work), flights = mine)]
async fn no_one_group(id: u64, work: impl Fn() -> u64) -> u64 {
    id + work()
}

#[coalesce("users")]
async fn no_option(id: u64) -> u64 {
    id
}

fn main() {}
