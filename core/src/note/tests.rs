use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::{Future, pending};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use std::sync::Mutex;

use super::{FlightNote, NOTES};
use crate::{Entry, Group, Role, Turn};

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn is_kept(note: FlightNote) -> bool {
    NOTES.with(|notes| notes.contains_key(&note.flight))
}

fn read(note: FlightNote) -> Option<u32> {
    note.read::<u32>().map(|number| *number)
}

#[test]
fn whoever_leads_next_reads_it_and_nothing_stays() {
    let flights: Group<u32, u32> = Group::new();
    let (found, place) = (Mutex::new(Vec::new()), Mutex::new(None));
    let call = |notes: u32| {
        let (found, place) = (&found, &place);
        flights.run(&1, move || {
            let note = FlightNote::here().expect("a work runs");
            found.lock().unwrap().push(read(note));
            note.write(Arc::new(notes));
            *place.lock().unwrap() = Some(note);
            pending()
        })
    };
    let mut second = Box::pin(call(8));
    let mut third = Box::pin(call(9));
    {
        let mut first = pin!(call(7));
        assert!(poll(first.as_mut()).is_pending());
        assert!(poll(second.as_mut()).is_pending() && poll(third.as_mut()).is_pending());
    }
    assert!(poll(second.as_mut()).is_pending());
    drop(second);
    assert!(poll(third.as_mut()).is_pending());
    let note = place.lock().unwrap().expect("a place");
    assert!(is_kept(note));
    drop(third);
    assert!(!is_kept(note), "the flight is gone");
    assert_eq!(*found.lock().unwrap(), [None, Some(7), Some(8)]);
    // Another flight of the same key has none.
    let mut newcomer = pin!(call(10));
    assert!(poll(newcomer.as_mut()).is_pending());
    assert_eq!(found.lock().unwrap().last(), Some(&None));
}

#[test]
fn a_leader_by_hand_notes_too() {
    let flights: Group<u32, u32> = Group::new();
    let Entry::Leader(first) = flights.enter(&1) else { panic!("somebody leads") };
    let Entry::Follower(second) = flights.enter(&1) else { panic!("nobody leads") };
    let note = first.within(FlightNote::here).expect("a work runs");
    note.write(Arc::new(6_u32));
    assert_eq!(read(note), Some(6));
    note.write(Arc::new(7_u32));
    drop(first);
    let Poll::Ready(Ok(Turn::Leader(second))) = poll(pin!(second)) else { panic!("it does not take over") };
    assert_eq!(second.role(), Role::TookOver);
    assert_eq!(second.within(|| FlightNote::here().and_then(read)), Some(7));
}

#[test]
fn only_what_was_meant_is_erased() {
    let flights: Group<u32, u32> = Group::new();
    let Entry::Leader(leader) = flights.enter(&1) else { panic!("somebody leads") };
    let note = leader.within(FlightNote::here).expect("a work runs");
    let [old, new] = [1_u32, 2].map(Arc::new);
    note.write(old.clone());
    note.write(new.clone());
    note.erase(&old);
    assert_eq!(read(note), Some(2));
    note.erase(&new);
    assert_eq!(read(note), None);
    drop(leader);
    assert!(!is_kept(note));
}

/// By what outlives its flight, and is run inside of another one's work.
#[test]
fn nothing_is_noted_for_another_flight() {
    let flights: Group<u32, u32> = Group::new();
    assert!(FlightNote::here().is_none());
    let Entry::Leader(first) = flights.enter(&1) else { panic!("somebody leads") };
    let old = first.within(FlightNote::here).expect("a work runs");
    drop(first);
    let Entry::Leader(second) = flights.enter(&1) else { panic!("somebody leads") };
    second.within(|| old.write(Arc::new(7_u32)));
    assert!(!is_kept(old) && read(old).is_none());
    assert_eq!(second.within(|| FlightNote::here().and_then(read)), None);
}

#[test]
fn this_very_flight_is_forgotten() {
    let flights: Group<u32, u32> = Group::new();
    let Entry::Leader(first) = flights.enter(&1) else { panic!("somebody leads") };
    let first_note = first.within(FlightNote::here).expect("a work runs");
    assert!(first_note.forget_flight(&flights, &1));
    assert!(!first_note.forget_flight(&flights, &1));
    let Entry::Leader(second) = flights.enter(&1) else { panic!("somebody leads") };
    assert!(!first_note.forget_flight(&flights, &1) && flights.contains(&1));
    let second_note = second.within(FlightNote::here).expect("a work runs");
    assert!(second_note.forget_flight(&flights, &1) && !flights.contains(&1));
}
