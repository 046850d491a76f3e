//! Threads that call as fast as they can, by one key or each by its own.

use std::future::ready;
use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use futures_lite::future::block_on;

use super::{Calls, Case};
use crate::subjects::*;

/// Keys that each thread takes by turns, if it has its own.
const KEYS: usize = 1024;

pub(crate) fn one_key(threads: usize) -> Vec<Case> {
    contended(threads, "one_key", 1)
}

pub(crate) fn distinct_keys(threads: usize) -> Vec<Case> {
    contended(threads, "distinct_keys", KEYS)
}

fn contended(threads: usize, name: &str, keys: usize) -> Vec<Case> {
    let name = format!("{name}_{threads}");
    macro_rules! of {
        ($($subject:ident),*) => {
            vec![$(asynchronous::<u64, $subject<u64>>(&name, threads, keys)),*]
        };
    }
    let mut cases = of!(
        Run,
        Relay,
        Enter,
        SingleflightAsync,
        AsyncSingleflight,
        RsSingleflight,
        Uniflight,
        QuickCache,
        Moka,
        CellInMap,
        SharedInMap
    );
    cases.insert(3, blocking::<u64, RunBlocking<u64>>(&name, threads, keys));
    // Two of its flights for one key would both be listed.
    if keys > 1 {
        cases.push(asynchronous::<u64, Floor<u64>>(&name, threads, keys));
    }
    cases
}

fn asynchronous<K: Key, S: Subject<K>>(scenario: &str, threads: usize, keys: usize) -> Case {
    let subject = S::new(KEYS * threads);
    let call = move |key: &K| S::value(block_on(subject.call(key.borrow(), || ready(7))));
    case(scenario, S::NAME, S::KIND, threads, keys, call)
}

fn blocking<K: Key, S: Blocking<K>>(scenario: &str, threads: usize, keys: usize) -> Case {
    let subject = S::new();
    let call = move |key: &K| subject.call(key.borrow(), || 7);
    case(scenario, S::NAME, S::KIND, threads, keys, call)
}

/// `keys` of each thread: one, which they share, or each its own.
fn case<K: Key>(
    scenario: &str,
    subject: &'static str,
    kind: Kind,
    threads: usize,
    keys: usize,
    call: impl Fn(&K) -> u64 + Send + Sync + 'static,
) -> Case {
    let call = Arc::new(call);
    let own = |thread: usize| {
        let first = if keys == 1 { 0 } else { thread * keys };
        Arc::new((first..first + keys).map(K::numbered).collect::<Vec<K>>())
    };
    let keys: Vec<_> = (0..threads).map(own).collect();
    let run = move |calls: usize| {
        let barrier = Arc::new(Barrier::new(threads));
        let all: Vec<_> = keys
            .iter()
            .map(|keys| {
                let (keys, call, barrier) = (Arc::clone(keys), Arc::clone(&call), Arc::clone(&barrier));
                thread::spawn(move || {
                    barrier.wait();
                    let began = Instant::now();
                    for nth in 0..calls / threads {
                        assert_eq!(call(black_box(&keys[nth % keys.len()])), 7);
                    }
                    (began, Instant::now())
                })
            })
            .collect();
        let times: Vec<_> = all.into_iter().map(|thread| thread.join().expect("no caller panics")).collect();
        let began = times.iter().map(|(began, _)| *began).min().expect("there are threads");
        let ended = times.iter().map(|(_, ended)| *ended).max().expect("there are threads");
        ended - began
    };
    Case {
        scenario: scenario.to_owned(),
        subject,
        kind,
        calls: Calls::Timed,
        at_once: threads,
        run: Box::new(run),
        polls: None,
    }
}
