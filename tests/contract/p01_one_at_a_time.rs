//! Promise 1: for one key there is never more than one work running.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use coflight_tests::*;

matrix!(a_hundred_callers_run_one_work);

async fn a_hundred_callers_run_one_work(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<usize> = lab.group();
        let (runs, gate, all) = (Arc::new(AtomicUsize::new(0)), Gate::new(), Latch::new(100));
        let callers: Vec<_> = (0..100)
            .map(|_| {
                let (runs, gate) = (runs.clone(), gate.clone());
                let work = value(move || async move {
                    gate.wait().await;
                    runs.fetch_add(1, Ordering::SeqCst)
                });
                lab.start(asked(ask(verb, flights.clone(), KEY, work), &all))
            })
            .collect();
        all.wait().await;
        gate.open();
        for caller in callers {
            assert_eq!(caller.await.returned(), Ok(0), "{verb:?}");
        }
        assert_eq!(runs.load(Ordering::SeqCst), 1, "{verb:?}");
        assert!(flights.is_empty());
    }
}
