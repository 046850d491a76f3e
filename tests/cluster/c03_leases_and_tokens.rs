//! Promise 3: a lease, renewed while the work runs, and a fencing token that grows.

use std::sync::{Arc, Mutex, OnceLock};

use coflight::cluster::{Lease, Outage, Token};
use coflight_tests::*;
use futures_lite::future::or;

use crate::common::*;

matrix!(
    the_work_knows_its_token,
    tokens_fence,
    a_long_work_keeps_its_lease,
    a_work_learns_that_its_lease_is_lost,
    whoever_asks_learns_at_once_that_a_lease_is_given_up,
);

async fn the_work_knows_its_token(lab: Lab) {
    let engine = engine(&lab);
    let [a, b]: [Process<u64>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
    let mut last = Token(0);
    for (by, process) in VERBS.into_iter().zip([&a, &b, &a]) {
        let work = |lease: Lease| async move {
            assert!(lease.is_held());
            lease.token().expect("a token").0
        };
        let (token, served) = lab.start(call(by, process, KEY, work)).await.returned();
        let token = Token(token.unwrap());
        assert_eq!(served.trip.unwrap().token, Some(token));
        assert!(token > last, "{token} after {last}");
        last = token;
    }
}

/// The example of docs/cluster.md: a store that refuses what is late.
async fn tokens_fence(lab: Lab) {
    #[derive(Default)]
    struct Store {
        seen: Token2,
        value: &'static str,
    }
    type Token2 = Option<Token>;
    impl Store {
        fn write(&mut self, token: Option<Token>, value: &'static str) -> bool {
            if token < self.seen {
                return false;
            }
            (self.seen, self.value) = (token, value);
            true
        }
    }
    let engine = engine(&lab);
    let [a, b]: [Process<bool>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
    let store = Arc::new(Mutex::new(Store::default()));
    let writes = |gate: &Gate, value| {
        let (store, gate) = (store.clone(), gate.clone());
        move |lease: Lease| async move {
            gate.wait().await;
            store.lock().unwrap().write(lease.token(), value)
        }
    };
    let (late, at_once) = (Gate::new(), Gate::new());
    at_once.open();
    let mut first = boarded(call(By::Run, &a, KEY, writes(&late, "first")));
    lab.until(|| poll_now(first.as_mut()).is_pending() && a.cluster_stats().led == 1).await;
    // Everything is lost, and somebody else leads; the first does not know yet.
    engine.flush();
    assert!(lab.start(call(By::Run, &b, KEY, writes(&at_once, "second"))).await.returned().0.unwrap());
    late.open();
    let (written, _) = lab.start(first).await.returned();
    assert!(!written.unwrap(), "what is late is refused");
    assert_eq!(store.lock().unwrap().value, "second");
}

async fn a_long_work_keeps_its_lease(lab: Lab) {
    for by in VERBS {
        idle(&lab).await;
        let engine = engine(&lab);
        let [a, b]: [Process<u32>; 2] = ["a", "b"].map(|name| process(&lab, &engine, name));
        let work = Job::default();
        let leader = lab.start(call(by, &a, KEY, work.value(1)));
        lab.until(|| work.begun() == 1).await;
        let follower = lab.start(call(by, &b, KEY, |_| async { unreachable!("a follower's work is never called") }));
        lab.until(|| b.cluster_stats().followed == 1).await;
        // One renews, one looks.
        beats(&lab, &engine, 10, 2, Some(&work)).await;
        work.gate.open();
        assert_eq!(leader.await.returned().0.unwrap(), 1, "{by:?}");
        assert_eq!(follower.await.returned().0.unwrap(), 1);
        assert_eq!(work.begun(), 1);
    }
}

async fn a_work_learns_that_its_lease_is_lost(lab: Lab) {
    let engine = engine(&lab);
    let a: Process<bool> = process(&lab, &engine, "a");
    let job = Job::default();
    let work = {
        let driven = job.value(());
        move |lease: Lease| async move {
            or(lease.lost(), driven(lease.clone())).await;
            lease.is_held()
        }
    };
    let leader = lab.start(call(By::Run, &a, KEY, work));
    lab.until(|| job.begun() == 1).await;
    engine.set_outage(Outage::Refuses);
    let took = pass_asleep(&lab, LEASE, 1, Some(&job), || a.cluster_stats().lease_lost == 1).await;
    assert!(took >= LEASE, "{took:?}");
    let ((held, _), _) = passing(&lab, leader).await;
    assert!(!held.unwrap(), "it was lost, and the work went on, to here");
}

/// Though nobody polls the work, and whether the resignation got there, its process does not know.
async fn whoever_asks_learns_at_once_that_a_lease_is_given_up(lab: Lab) {
    let engine = Fronted::losing(&lab, "resign", usize::MAX);
    let a: Process<u32, Fronted> = process(&lab, &engine, "a");
    let lease = Arc::new(OnceLock::new());
    let mut parked = {
        let lease = Arc::clone(&lease);
        boarded(call(By::Run, &a, KEY, move |held: Lease| {
            lease.set(held).unwrap();
            std::future::pending()
        }))
    };
    lab.until(|| poll_now(parked.as_mut()).is_pending() && lease.get().is_some()).await;
    let lost = lab.start(lease.get().unwrap().lost());
    // It is asked to show that it is driven, and a beat later was not.
    for beat in 1..3 {
        lab.until(|| lab.time().timers() == 1).await;
        lab.time().advance(BEAT);
        lab.until(|| engine.behind.operations() > beat).await;
    }
    lost.await.returned();
    assert_eq!(lab.time().now(), 2 * BEAT);
    drop((parked, lease));
    settle(&lab, engine, [a]).await;
}
