//! A key that borrows from an argument which the body uses up.
use coflight::coalesce;

struct Query {
    text: String,
}

#[coalesce(key: String = &query.text)]
async fn search(query: Query) -> String {
    query.text
}

fn main() {}
