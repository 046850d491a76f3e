//! A function of a type that is in no marked block.
use coflight::coalesce;

struct Repo;

impl Repo {
    #[coalesce]
    async fn count(id: u64) -> u64 {
        id
    }
}

fn main() {}
