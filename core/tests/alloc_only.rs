//! Promise 19: core runs with `alloc` alone. `ci/features.sh` runs these without the `std` feature, so on spin locks; they
//! hold with it, too.

use core::future::Future;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use coflight_core::{Entry, Error, Group, Role, Turn};
use futures_lite::future::{block_on, yield_now, zip};

type Flights = Group<u64, u64>;

fn poll<F: Future + ?Sized>(call: Pin<&mut F>) -> Poll<F::Output> {
    call.poll(&mut Context::from_waker(Waker::noop()))
}

async fn after_a_while(result: u64) -> u64 {
    yield_now().await;
    result
}

#[test]
fn p19_callers_share_a_flight() {
    let flights = Flights::new();
    let never = || async { unreachable!("a follower's work is called") };
    let by_run = zip(flights.run(&1, || after_a_while(7)), flights.run(&1, never));
    assert_eq!(block_on(by_run), (Ok(7), Ok(7)));
    let by_relay = zip(flights.relay(&1, || after_a_while(8)), flights.run(&1, never));
    assert_eq!(block_on(by_relay), (Ok(8), Ok(8)));
    assert!(flights.is_empty());
}

#[test]
fn p19_handover_release_and_cancel() {
    let flights = Flights::new();
    let mut relay = Box::pin(flights.relay(&1, || async {
        yield_now().await;
        yield_now().await;
        9
    }));
    assert!(poll(relay.as_mut()).is_pending());
    let mut follower = Box::pin(flights.run(&1, || async { unreachable!("not taken over but continued") }));
    assert!(poll(follower.as_mut()).is_pending());
    drop(relay);
    assert_eq!(block_on(follower), Ok(9));

    let Entry::Leader(leader) = flights.enter(&1) else { panic!("somebody else leads") };
    let Entry::Follower(first) = flights.enter(&1) else { panic!("two leaders") };
    let Entry::Follower(second) = flights.enter(&1) else { panic!("two leaders") };
    drop(leader);
    let Ok(Turn::Leader(leader)) = block_on(first) else { panic!("nobody took over") };
    assert_eq!(leader.role(), Role::TookOver);
    assert_eq!(leader.release(), Ok(()));
    assert!(matches!(block_on(second), Ok(Turn::Leader(leader)) if leader.role() == Role::Alone));

    let mut cancelled = pin!(flights.run(&1, core::future::pending));
    assert!(poll(cancelled.as_mut()).is_pending());
    assert!(flights.cancel(&1));
    assert_eq!(poll(cancelled), Poll::Ready(Err(Error::Cancelled)));
    assert!(flights.is_empty());
}

#[test]
fn p19_threads_contend() {
    let flights = Flights::new();
    let (running, overlapped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (flights, running, overlapped) = (&flights, &running, &overlapped);
            scope.spawn(move || {
                for round in 0..500_u64 {
                    let key = round % 2;
                    let work = || async {
                        let before = running.fetch_add(1 << (key * 8), Ordering::SeqCst) >> (key * 8) & 0xFF;
                        overlapped.fetch_or(before != 0, Ordering::SeqCst);
                        std::thread::yield_now();
                        running.fetch_sub(1 << (key * 8), Ordering::SeqCst);
                        yield_now().await;
                        key
                    };
                    let mut call = pin!(flights.run(&key, work));
                    // Every third call is dropped where it stands.
                    if (round + thread) % 3 == 0 {
                        let _ = poll(call.as_mut());
                    } else {
                        assert_eq!(block_on(call), Ok(key));
                    }
                }
            });
        }
    });
    assert!(!overlapped.load(Ordering::SeqCst), "two works for one key at a time");
    assert!(flights.is_empty());
}
