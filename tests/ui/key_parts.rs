//! What the compiler knows not to be a key.
use coflight::coalesce;

#[derive(Clone)]
struct Opaque;

#[coalesce]
async fn float(degrees: f64) -> f64 {
    degrees
}

#[coalesce]
async fn opaque(_what: &Opaque, id: u64) -> u64 {
    id
}

#[coalesce]
async fn closure(work: impl Fn() -> u64 + Clone + Send + Sync + 'static) -> u64 {
    work()
}

fn main() {}
