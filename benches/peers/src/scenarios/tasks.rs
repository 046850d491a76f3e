//! Real tasks on tokio.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use super::{Calls, Case};
use crate::gate::Gate;
use crate::subjects::{Key, Subject};

/// Callers of one key, each in a task of its own on two threads, all aboard before the work is done.
pub(crate) fn fan_in<K: Key, S: Subject<K>>(callers: usize) -> Case {
    let runtime = || Builder::new_multi_thread().worker_threads(2).build().expect("threads can be started");
    crowd::<K, S>(format!("tasks_{callers}"), callers, 0, runtime)
}

/// Callers of one key, in tasks on one thread, whose work wakes so many times before it is done.
pub(crate) fn wakes<K: Key, S: Subject<K>>(callers: usize, wakes: usize) -> Case {
    let runtime = || Builder::new_current_thread().build().expect("a runtime can be made");
    crowd::<K, S>(format!("wakes_{wakes}"), callers, wakes, runtime)
}

fn crowd<K: Key, S: Subject<K>>(
    scenario: String,
    callers: usize,
    wakes: usize,
    runtime: impl Fn() -> Runtime + 'static,
) -> Case {
    let key = K::numbered(1);
    let gate = Gate::leaked();
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&polls);
    let run = move |callers: usize| -> Duration {
        gate.close();
        polls.store(0, Ordering::SeqCst);
        // A new one each time: where its threads happen to be, and how they share tasks, makes a difference that lasts.
        let runtime = runtime();
        let subject = {
            let _inside = runtime.enter();
            Arc::new(S::new(1))
        };
        let aboard = Arc::new(AtomicUsize::new(0));
        let began = Instant::now();
        let tasks: Vec<_> = (0..callers)
            .map(|_| {
                let (subject, key, aboard, polls) =
                    (Arc::clone(&subject), key.clone(), Arc::clone(&aboard), Arc::clone(&polls));
                runtime.spawn(async move {
                    let work = move || async move {
                        let value = gate.work(7).await;
                        for _ in 0..wakes {
                            tokio::task::yield_now().await;
                        }
                        value
                    };
                    let mut call = pin!(subject.call(key.borrow(), work));
                    let mut arrived = false;
                    let answer = poll_fn(|cx| {
                        polls.fetch_add(1, Ordering::Relaxed);
                        let polled = call.as_mut().poll(cx);
                        // The last one lets the work go on.
                        if !std::mem::replace(&mut arrived, true)
                            && aboard.fetch_add(1, Ordering::SeqCst) + 1 == callers
                        {
                            gate.open();
                        }
                        polled
                    })
                    .await;
                    assert_eq!(S::value(answer), 7);
                })
            })
            .collect();
        runtime.block_on(async {
            for task in tasks {
                task.await.expect("no caller panics");
            }
        });
        began.elapsed()
    };
    Case {
        scenario,
        subject: S::NAME,
        kind: S::KIND,
        calls: Calls::Fixed(callers),
        at_once: callers,
        run: Box::new(run),
        polls: Some(Box::new(move || counted.load(Ordering::SeqCst))),
    }
}
