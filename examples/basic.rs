//! The first result: two callers, one key, one execution. No runtime, and none of coflight's features.

use coflight::{Error, Group};
use futures_lite::future;

fn main() -> Result<(), Error> {
    let flights: Group<String, usize> = Group::new();

    let work = || async {
        println!("the work runs");
        future::yield_now().await; // as if it asked a database
        42
    };
    let (leader, follower) = future::block_on(future::zip(flights.run("answer", work), flights.run("answer", work)));

    println!("one caller got {}, the other {}", leader?, follower?);
    Ok(())
}
