//! A marked block takes no options, and has marked functions.
use coflight::coalesce;

struct Repo;

#[coalesce(relay)]
impl Repo {
    #[coalesce]
    pub async fn load(id: u64) -> u64 {
        id
    }
}

struct Other;

#[coalesce]
impl Other {
    pub async fn load(id: u64) -> u64 {
        id
    }
}

struct Third;

#[coalesce]
impl Third {
    #[coalesce]
    pub async fn load(&self, id: u64) -> u64 {
        id
    }
}

fn main() {}
