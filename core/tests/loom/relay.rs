//! A work that any caller can go on with.

use crate::common::{Bench, Gate, aboard, check, elsewhere, thread, value};

/// Promises 6 and 8: the wake is not lost with the one who was to run the work.
#[test]
fn the_driver_leaves_while_the_work_wakes() {
    check("the driver leaves while the work wakes", 2, || {
        let (bench, gate, second) = (Bench::new(), Gate::new(), Gate::new());
        let driver = aboard(bench.relay(bench.works().behind_both(gate.clone(), second.clone())));
        let follower = aboard(bench.run(bench.works().ready()));
        let other = elsewhere(follower);
        let waker = thread::spawn(move || {
            gate.open();
            // Perhaps while the work is being run.
            second.open();
        });
        drop(driver);
        waker.join().unwrap();
        assert_eq!(value(other.join().unwrap()).0, 0, "it goes on with the same work");
        bench.ends_clean();
    });
}
