//! Every public type and future: `Send`, `Sync`, `Unpin`, and unwind safety, when its parts are.

use std::future::{Pending, Ready};
use std::marker::PhantomPinned;
use std::rc::Rc;

use coflight::*;

/// Whether a type has a trait, decided by which of two methods of one name is found first.
macro_rules! is {
    ($type:ty: $trait:path) => {{
        struct Probe<T: ?Sized>(std::marker::PhantomData<T>);
        // Of the two, only the one that answers is used.
        #[allow(dead_code)]
        impl<T: ?Sized + $trait> Probe<T> {
            const HAS: bool = true;
        }
        #[allow(dead_code)]
        trait Not {
            const HAS: bool = false;
        }
        impl<T: ?Sized> Not for Probe<T> {}
        <Probe<$type>>::HAS
    }};
}

macro_rules! table {
    ($($type:ty: $send:literal $sync:literal $unpin:literal;)*) => {$(
        assert_eq!(
            (is!($type: Send), is!($type: Sync), is!($type: Unpin)),
            ($send, $sync, $unpin),
            "Send, Sync, Unpin of {}", stringify!($type)
        );
    )*};
}

type Key = String;
type Start = fn() -> Ready<u32>;
type G<V> = Group<Key, V>;
type S = DefaultHashBuilder;
type LocalFuture = Pending<Rc<u32>>;
type Plain = Run<'static, 'static, Key, u32, NoRuntime, S, str, Start, Ready<u32>>;

#[test]
fn send_sync_unpin() {
    table! {
        // type: Send Sync Unpin
        G<u32>: true true true;
        G<Rc<u32>>: false false true;
        Group<Rc<u32>, u32>: false false true;
        Group<Key, std::cell::Cell<u32>>: false false true;
        Group<Key, u32, Rc<()>>: false false true;
        Group<Key, u32, NoRuntime, Rc<()>>: false false true;
        Builder<Key, u32>: true true true;
        Call<'static, Key, u32, NoRuntime, S>: true true true;
        Builder<Key, u32, Rc<()>>: false false true;
        Call<'static, Key, Rc<u32>, NoRuntime, S>: false false true;
        Event<'static, Key>: true true true;
        Event<'static, std::cell::Cell<u32>>: false false true;
        ShownKey<'static, Key>: true true true;
        InFlight<Key>: true true true;
        InFlight<Rc<u32>>: false false true;
        Stats: true true true;

        Plain: true true false;
        Run<'static, 'static, Key, Rc<u32>, NoRuntime, S, str, fn() -> LocalFuture, LocalFuture>: false false false;
        Run<'static, 'static, Key, u32, NoRuntime, S, str, Rc<()>, Ready<u32>>: false false false;
        Run<'static, 'static, Key, u32, NoRuntime, S, str, Start, Rc<()>>: false false false;
        Run<'static, 'static, Key, u32, NoRuntime, S, std::cell::Cell<u8>, Start, Ready<u32>>: false false false;
        Relay<'static, 'static, Key, u32, NoRuntime, S, str, Start>: true true false;
        Relay<'static, 'static, Key, u32, NoRuntime, S, str, Rc<()>>: false false false;
        Spawned<'static, 'static, Key, u32, Tokio, S, str, Start>: true true false;
        Spawned<'static, 'static, Key, u32, Tokio, S, str, Rc<()>>: false false false;
        Try<Plain>: true true false;
        WithServed<Plain>: true true false;
        WithServed<PhantomPinned>: true true false;

        Entry<'static, 'static, Key, u32, NoRuntime, S, str>: true true false;
        Follower<'static, 'static, Key, u32, NoRuntime, S, str>: true true false;
        Follower<'static, 'static, Key, Rc<u32>, NoRuntime, S, str>: false false false;
        Leader<Key, u32, NoRuntime, S>: true true true;
        Leader<Key, Rc<u32>, NoRuntime, S>: false false true;
        Turn<Key, u32, NoRuntime, S>: true true true;

        Error: true true true;
        Panic: true true true;
        TryError<u32>: true true true;
        TryError<Rc<u32>>: false false true;
        Served: true true true;
        Role: true true true;
        DefaultHashBuilder: true true true;
        DefaultHasher: true true true;
        NoRuntime: true true true;
        Tokio: true true true;
        Smol: true true true;
        AsyncStd: true true true;
        Threads: true true true;
        <Tokio as Timer>::Sleep: true true false;
        <Smol as Timer>::Sleep: true true true;
        <AsyncStd as Timer>::Sleep: true false true;
        <Threads as Timer>::Sleep: true true true;
    }
}

#[test]
fn unwind_safety() {
    use std::panic::{RefUnwindSafe, UnwindSafe};

    assert!(is!(G<std::cell::Cell<u32>>: UnwindSafe) && is!(G<u32>: RefUnwindSafe));
    assert!(is!(Error: UnwindSafe) && is!(Error: std::error::Error));
}

#[test]
fn every_runtime_has_all_parts() {
    fn whole<R: Runtime>() {}
    whole::<Tokio>();
    whole::<Smol>();
    whole::<AsyncStd>();
    whole::<Threads>();
    assert!(!is!(NoRuntime: Spawn));
}

#[test]
fn a_followers_future_is_small() {
    let flights: Group<u64, u64> = Group::new();
    let borrowed_key = size_of::<&u64>();
    let run = flights.run(&1, || async { 1 });
    let relay = flights.relay(&1, || async { 1 });
    // The caller's own captures come on top; here it captures its key.
    assert!(size_of_val(&run) <= 144 + borrowed_key, "run: {} bytes", size_of_val(&run));
    assert!(size_of_val(&relay) <= 144 + borrowed_key, "relay: {} bytes", size_of_val(&relay));
}
