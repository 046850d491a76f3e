//! Who goes on when the leader leaves.

use crate::common::{Bench, aboard, check, elsewhere, value};

/// Promise 6: exactly one takes over.
#[test]
fn two_followers_claim_a_handover() {
    check("two followers claim a handover", 1, || {
        let bench = Bench::new();
        let leader = aboard(bench.run(bench.works().never()));
        let followers = [aboard(bench.run(bench.works().ready())), aboard(bench.run(bench.works().ready()))];
        let [first, second] = followers.map(elsewhere);
        drop(leader);
        let (first, second) = (value(first.join().unwrap()), value(second.join().unwrap()));
        assert_eq!((first.0, second.0, bench.works.begun()), (1, 1, 2));
        drop((first, second));
        bench.ends_clean();
    });
}
