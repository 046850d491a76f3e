//! What cannot be coalesced at all.
use std::future::Future;
use std::pin::Pin;

use coflight::coalesce;

#[coalesce]
const fn constant(id: u64) -> u64 {
    id
}

#[coalesce]
unsafe fn unsound(id: u64) -> u64 {
    id
}

trait Load {
    #[coalesce(skip(self))]
    async fn load(&self, id: u64) -> u64;
}

#[coalesce]
fn boxed(id: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(async move { id })
}

#[coalesce]
fn future(id: u64) -> impl Future<Output = u64> {
    async move { id }
}

#[coalesce]
struct Thing;

fn main() {}
