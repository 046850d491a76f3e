use core::future::{Future, pending};
use core::pin::pin;
use core::task::{Context, Poll, Waker};
use std::boxed::Box;
use std::sync::Mutex;
use std::vec::Vec;

use super::{LEGACIES, Legacy};
use crate::{Entry, Group, Role, Turn};

fn poll<F: Future>(future: core::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Leaves a number when it is dropped, as a work that is abandoned does.
struct Heir {
    legacy: Legacy,
    leaves: u64,
}

impl Heir {
    /// With what there was for it, noted.
    fn new(leaves: u64, found: &Mutex<Vec<Option<u64>>>) -> Self {
        let legacy = Legacy::here().expect("a work runs");
        found.lock().unwrap().push(legacy.take());
        Self { legacy, leaves }
    }
}

impl Drop for Heir {
    fn drop(&mut self) {
        self.legacy.leave(self.leaves);
    }
}

fn is_kept(flight: usize) -> bool {
    LEGACIES.with(|legacies| legacies.contains_key(&flight))
}

#[test]
fn the_next_leader_finds_it_once_and_nothing_stays() {
    let flights: Group<u32, u32> = Group::new();
    let (found, flight) = (Mutex::default(), Mutex::new(0));
    let call = |leaves| {
        flights.run(&1, {
            let (found, flight) = (&found, &flight);
            move || {
                let heir = Heir::new(leaves, found);
                *flight.lock().unwrap() = heir.legacy.flight;
                async move {
                    let _heir = heir;
                    pending().await
                }
            }
        })
    };
    {
        let mut second = Box::pin(call(8));
        let mut third = Box::pin(call(9));
        {
            let mut first = pin!(call(7));
            assert!(poll(first.as_mut()).is_pending());
            assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
        }
        let flight = *flight.lock().unwrap();
        assert!(is_kept(flight));
        assert!(poll(second.as_mut()).is_pending());
        assert!(!is_kept(flight), "taken");
        drop(second);
        assert!(poll(third.as_mut()).is_pending());
        drop(third);
        assert!(!is_kept(flight), "the flight is gone");
    }
    assert_eq!(*found.lock().unwrap(), [None, Some(7), Some(8)]);
    // Another flight of the same key has none.
    let mut newcomer = pin!(call(10));
    assert!(poll(newcomer.as_mut()).is_pending());
    assert_eq!(found.lock().unwrap().last(), Some(&None));
}

#[test]
fn a_leader_by_hand_leaves_it_within() {
    let flights: Group<u32, u32> = Group::new();
    let Entry::Leader(first) = flights.enter(&1) else { panic!("somebody leads") };
    let Entry::Follower(second) = flights.enter(&1) else { panic!("nobody leads") };
    let legacy = first.within(Legacy::here).expect("a work runs");
    legacy.leave(6);
    assert_eq!(legacy.take(), None, "outside of the work");
    first.within(|| legacy.leave(7));
    drop(first);
    let Poll::Ready(Ok(Turn::Leader(second))) = poll(pin!(second)) else { panic!("it does not take over") };
    assert_eq!(second.role(), Role::TookOver);
    let taken = second.within(|| Legacy::here().and_then(|legacy| legacy.take()));
    assert_eq!(taken, Some(7));
}

/// What outlives its flight, and is run inside of another one's work.
#[test]
fn nothing_is_left_to_another_flight() {
    let flights: Group<u32, u32> = Group::new();
    assert!(Legacy::here().is_none());
    let Entry::Leader(first) = flights.enter(&1) else { panic!("somebody leads") };
    let old = first.within(Legacy::here).expect("a work runs");
    drop(first);
    let Entry::Leader(second) = flights.enter(&1) else { panic!("somebody leads") };
    second.within(|| old.leave(7));
    assert!(!is_kept(old.flight));
    assert_eq!(second.within(|| Legacy::here().and_then(|legacy| legacy.take())), None);
}
