//! Keys that a group cannot look up: what the compiler says then.
use coflight::{Error, Group};

async fn parts(group: &Group<(String, u32), u8>) -> Result<u8, Error> {
    group.run(&("a", 1), || async { 1 }).await
}

async fn reference(group: &Group<&'static str, u8>) -> Result<u8, Error> {
    group.run("a", || async { 1 }).await
}

#[derive(Clone, PartialEq)]
struct Key;

async fn not_derived(group: &Group<Key, u8>) -> Result<u8, Error> {
    group.run(&Key, || async { 1 }).await
}

fn main() {}
