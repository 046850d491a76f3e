//! What the compiler knows not to be shareable.
use coflight::coalesce;

struct Once;

#[coalesce]
async fn once(_id: u64) -> Once {
    Once
}

#[coalesce]
async fn read(_path: &str) -> Result<u64, std::io::Error> {
    Ok(1)
}

#[coalesce]
async fn not_sync(_id: u64) -> std::rc::Rc<u64> {
    std::rc::Rc::new(1)
}

fn main() {}
