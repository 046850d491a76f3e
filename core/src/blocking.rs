//! `run_blocking`: the leader's closure on its own thread.

use alloc::boxed::Box;
use core::future::poll_fn;
use core::hash::BuildHasher;
use core::pin::pin;

use crate::caller::{Caller, Turn};
use crate::error::Error;
use crate::group::Group;
use crate::key::AsKey;
use crate::options::Luggage;
use crate::park::block_on;
use crate::served::Served;
use crate::snapshot::Verb;

pub(crate) fn run<K, V, R, S, Q>(
    group: &Group<K, V, R, S>,
    key: &Q,
    work: impl FnOnce() -> V,
    failed: fn(&V) -> bool,
    luggage: Option<Box<Luggage<K, V>>>,
) -> (Result<V, Error>, Served)
where
    V: Clone,
    S: BuildHasher,
    Q: ?Sized + AsKey<K>,
{
    let mut caller = pin!(Caller::new(group, key, luggage));
    let ending = match block_on(poll_fn(|cx| caller.as_mut().poll_turn(cx, true, Verb::RunBlocking))) {
        Turn::Landed(ending) => ending,
        Turn::Lead => {
            let value = caller.as_mut().start(work);
            let failed = failed(&value);
            match caller.as_mut().land(value, failed, false) {
                Some(ending) => ending,
                // Somebody else ended the flight, and is about to say how.
                None => match block_on(poll_fn(|cx| caller.as_mut().poll_turn(cx, false, Verb::RunBlocking))) {
                    Turn::Landed(ending) => ending,
                    Turn::Lead => unreachable!("a caller without a work is not told to lead"),
                },
            }
        }
    };
    (ending, caller.served())
}
