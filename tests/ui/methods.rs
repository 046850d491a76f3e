//! Two instances never mix by accident, and what stands in a block says so.
use coflight::coalesce;

struct Repo(u64);

impl Repo {
    #[coalesce]
    async fn of_which(&self, id: u64) -> u64 {
        self.0 + id
    }

    #[coalesce]
    fn by_value(self, id: u64) -> u64 {
        self.0 + id
    }

    #[coalesce(relay, skip(self))]
    async fn outlives(&self) -> u64 {
        self.0
    }
}

fn main() {}
