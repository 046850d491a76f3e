//! The hot paths, under callgrind. What numbers are expected, and how that is checked: `ci/instructions.sh`.

#![allow(missing_docs, reason = "made by the macros of gungraun")]

use std::borrow::Borrow;
use std::cell::Cell;
use std::future::{Future, poll_fn, ready};
use std::hash::Hash;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use coflight::{AsKey, Entry, Group, NoRuntime, SharedError};
use foldhash::fast::FixedState;
use gungraun::prelude::*;

/// With the default hasher, but no seed, so that every run finds the same shards; and as many of them on every machine.
type Flights<K, V = u64> = Group<K, V, NoRuntime, FixedState>;

fn flights<K, V: Clone>() -> Flights<K, V> {
    Group::builder().hasher(FixedState::default()).shards(64).build()
}

/// So many calls a measurement.
const CALLS: u64 = 100;

/// A group that has been used, and keys.
fn used<K: Key>() -> (Flights<K>, Vec<K>) {
    let (flights, keys) = (flights(), (0..CALLS).map(K::numbered).collect::<Vec<_>>());
    for key in &keys {
        now(flights.run(key.borrow(), || ready(7))).unwrap();
    }
    (flights, keys)
}

trait Key: Borrow<Self::Borrowed> + Sized {
    type Borrowed: ?Sized + Hash + AsKey<Self>;

    fn numbered(number: u64) -> Self;
}

impl Key for u64 {
    type Borrowed = Self;

    fn numbered(number: u64) -> Self {
        number
    }
}

impl Key for String {
    type Borrowed = str;

    fn numbered(number: u64) -> Self {
        format!("user:{number:08}")
    }
}

/// The result of what is ready at once.
fn now<F: Future>(future: F) -> F::Output {
    match poll(pin!(future)) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("not ready"),
    }
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

type Used<K> = (Flights<K>, Vec<K>);

#[library_benchmark]
#[bench::u64(setup = used::<u64>)]
fn run((flights, keys): Used<u64>) -> Used<u64> {
    for key in &keys {
        let _ = black_box(now(flights.run(black_box(key), || ready(7))));
    }
    (flights, keys)
}

#[library_benchmark]
#[bench::borrowed(setup = used::<String>)]
fn run_str((flights, keys): Used<String>) -> Used<String> {
    for key in &keys {
        let _ = black_box(now(flights.run(black_box(key.as_str()), || ready(7))));
    }
    (flights, keys)
}

#[library_benchmark]
#[bench::u64(setup = used::<u64>)]
fn relay((flights, keys): Used<u64>) -> Used<u64> {
    for key in &keys {
        let _ = black_box(now(flights.relay(black_box(key), || ready(7))));
    }
    (flights, keys)
}

#[library_benchmark]
#[bench::u64(setup = used::<u64>)]
fn run_blocking((flights, keys): Used<u64>) -> Used<u64> {
    for key in &keys {
        let _ = black_box(flights.run_blocking(black_box(key), || 7));
    }
    (flights, keys)
}

#[library_benchmark]
#[bench::u64(setup = used::<u64>)]
fn enter((flights, keys): Used<u64>) -> Used<u64> {
    for key in &keys {
        let Entry::Leader(leader) = flights.enter(black_box(key)) else { unreachable!() };
        let _ = black_box(leader.complete(7));
    }
    (flights, keys)
}

type Fallible = (Flights<u64, Result<u64, SharedError<String>>>, Vec<u64>);

fn fallible() -> Fallible {
    let (flights, keys) = (flights(), (0..CALLS).collect::<Vec<_>>());
    for key in &keys {
        now(flights.try_run(key, || ready(Ok(7)))).unwrap();
    }
    (flights, keys)
}

#[library_benchmark]
#[bench::u64(setup = fallible)]
fn try_run((flights, keys): Fallible) -> Fallible {
    for key in &keys {
        let _ = black_box(now(flights.try_run(black_box(key), || ready(Ok(7)))));
    }
    (flights, keys)
}

// A leader that is let go, and followers, all of which wait before it is.
#[library_benchmark]
#[bench::of_100(setup = used::<u64>)]
fn fan_in((flights, keys): Used<u64>) -> Used<u64> {
    let open = Cell::new(false);
    let work = || poll_fn(|_| if open.get() { Poll::Ready(7) } else { Poll::Pending });
    let mut calls: Vec<_> = (0..CALLS).map(|_| Some(Box::pin(flights.run(black_box(&1), work)))).collect();
    for call in calls.iter_mut().flatten() {
        assert!(poll(call.as_mut()).is_pending());
    }
    open.set(true);
    for place in &mut calls {
        let mut call = place.take().unwrap();
        let _ = black_box(poll(call.as_mut()));
    }
    drop(calls);
    (flights, keys)
}

// Followers that come and go while one leads.
#[library_benchmark]
#[bench::u64(setup = used::<u64>)]
fn join_and_leave((flights, keys): Used<u64>) -> Used<u64> {
    {
        let mut leader = pin!(flights.run(&1, std::future::pending));
        assert!(poll(leader.as_mut()).is_pending());
        for _ in 0..CALLS {
            let mut follower = pin!(flights.run(black_box(&1), || ready(7)));
            assert!(poll(follower.as_mut()).is_pending());
        }
    }
    (flights, keys)
}

// Leaders that leave a flight to their only follower.
#[library_benchmark]
#[bench::u64(setup = used::<u64>)]
fn handover((flights, keys): Used<u64>) -> Used<u64> {
    for key in &keys {
        let mut follower = pin!(flights.run(black_box(key), || ready(7)));
        {
            let mut leader = pin!(flights.run(black_box(key), std::future::pending));
            assert!(poll(leader.as_mut()).is_pending());
            assert!(poll(follower.as_mut()).is_pending());
        }
        let _ = black_box(poll(follower.as_mut()));
    }
    (flights, keys)
}

library_benchmark_group!(
    name = hot_paths,
    benchmarks = [run, run_str, relay, run_blocking, enter, try_run, fan_in, join_and_leave, handover]
);
main!(library_benchmark_groups = hot_paths);
