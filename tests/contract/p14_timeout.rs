//! Promise 14: the flight's limit. Time stands still in these tests until they move it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use coflight::{Entry, Error, Group, TryError, TryGroup, blocking};
use coflight_tests::*;
use futures_lite::future::block_on;

use crate::common::*;

matrix!(
    all_aboard_get_it_at_the_limit_and_not_before,
    slow_clean_up_holds_nobody_beyond_it,
    a_closure_that_does_not_return_holds_nobody_beyond_it,
    a_detached_work_is_dropped_at_the_limit,
    a_call_has_another_limit_or_none,
    a_limit_of_who_joins_is_its_own,
    the_limit_counts_from_the_start_also_after_a_handover,
    a_guard_learns_of_the_limit,
    a_timeout_of_the_work_itself_is_the_works,
    a_timeout_and_a_cancel_at_once_are_one_end,
    real_timers_ring,
);

const LIMIT: Duration = Duration::from_secs(5);
const MOMENT: Duration = Duration::from_nanos(1);

/// The verbs whose leader is stopped by the limit; by `enter` it decides for itself.
const VERBS: [Verb; 3] = [Verb::Run, Verb::Relay, Verb::Spawn];

async fn all_aboard_get_it_at_the_limit_and_not_before(lab: Lab) {
    for verb in VERBS {
        let flights: Flights<u32> = lab.builder().timeout(LIMIT).build();
        let witness = Witness::default();
        let mut leader = boarded(call(verb, &flights, witness.watch(endless())));
        let mut follower = boarded(call(verb, &flights, never()));
        lab.time().advance(LIMIT - MOMENT);
        assert!(poll_now(leader.as_mut()).is_pending() && poll_now(follower.as_mut()).is_pending(), "{verb:?}");
        assert_eq!((flights.len(), witness.gone()), (1, 0));
        lab.time().advance(MOMENT);
        assert_eq!(finish(&lab, follower).await, Err(Error::TimedOut), "{verb:?}");
        assert_eq!(finish(&lab, leader).await, Err(Error::TimedOut), "{verb:?}");
        lab.until(|| witness.gone() == 1).await;
        assert!(flights.is_empty());
        assert_eq!(finish(&lab, call(verb, &flights, at_once(2))).await, Ok(2), "the key is clean: {verb:?}");
    }
}

/// Blocks whoever drops it until it is told to go on.
struct Slow(mpsc::Receiver<()>);

impl Drop for Slow {
    fn drop(&mut self) {
        // An error says that the test is over.
        let _ = self.0.recv();
    }
}

async fn slow_clean_up_holds_nobody_beyond_it(lab: Lab) {
    for verb in [Verb::Run, Verb::Relay] {
        let flights: Flights<u32> = lab.builder().timeout(LIMIT).build();
        let (clean, slow) = mpsc::channel();
        let work = value(move || async move {
            let _slow = Slow(slow);
            std::future::pending().await
        });
        // On threads of their own, one of which the clean-up blocks.
        let told = Arc::new(AtomicUsize::new(0));
        let on_a_thread = |call: Call<u32>| {
            let told = Arc::clone(&told);
            lab.thread(move || {
                let result = block_on(call);
                told.fetch_add(1, Ordering::SeqCst);
                result
            })
        };
        let leader = on_a_thread(call(verb, &flights, work));
        lab.until(|| lab.time().timers() == 1).await;
        let followers = [(); 2].map(|()| on_a_thread(call(Verb::Run, &flights, never())));
        lab.until(|| lab.time().timers() == 3).await;
        lab.time().advance(LIMIT);
        // One of the three cleans up, and the others have their answer meanwhile.
        lab.until(|| told.load(Ordering::SeqCst) == 2).await;
        clean.send(()).expect("somebody cleans up");
        for task in followers.into_iter().chain([leader]) {
            assert_eq!(task.await.returned(), Err(Error::TimedOut), "{verb:?}");
        }
    }
}

async fn a_closure_that_does_not_return_holds_nobody_beyond_it(lab: Lab) {
    let flights: Flights<u32> = lab.builder().timeout(LIMIT).build();
    let (gate, begun) = (Gate::new(), Latch::new(1));
    let leader = {
        let (flights, gate, begun) = (flights.clone(), gate.clone(), begun.clone());
        lab.thread(move || {
            flights.run_blocking(KEY, || {
                begun.arrive();
                block_on(gate.wait());
                1
            })
        })
    };
    begun.wait().await;
    let waiting = flights.clone();
    let thread = lab.thread(move || waiting.run_blocking(KEY, || unreachable!("it follows")));
    let task = boarded(call(Verb::Run, &flights, never()));
    lab.until(|| lab.time().timers() == 2).await;
    lab.time().advance(LIMIT);
    assert_eq!(thread.await.returned(), Err(Error::TimedOut));
    assert_eq!(finish(&lab, task).await, Err(Error::TimedOut));
    // Promise 1: the next one waits until the closure has returned, but no longer than its own limit.
    let impatient = boarded(call(Verb::Run, &flights, never()));
    lab.time().advance(LIMIT);
    assert_eq!(finish(&lab, impatient).await, Err(Error::TimedOut));
    let patient = boarded(flights.call().timeout(None).run(KEY, || async { 2 }));
    gate.open();
    assert_eq!(leader.await.returned(), Err(Error::TimedOut));
    assert_eq!(finish(&lab, patient).await, Ok(2));
    assert_eq!(flights.stats().timed_out, 1, "one flight");
}

async fn a_detached_work_is_dropped_at_the_limit(lab: Lab) {
    let flights: Flights<u32> = lab.builder().timeout(LIMIT).detach(true).build();
    let witness = Witness::default();
    drop(boarded(call(Verb::Spawn, &flights, witness.watch(endless()))));
    lab.until(|| lab.time().timers() == 1).await;
    assert_eq!((flights.len(), witness.gone()), (1, 0));
    lab.time().advance(LIMIT);
    lab.until(|| witness.gone() == 1 && flights.is_empty()).await;
    assert_eq!(flights.stats().timed_out, 1);
}

async fn a_call_has_another_limit_or_none(lab: Lab) {
    let flights: Flights<u32> = lab.builder().timeout(LIMIT).build();
    let shorter = boarded(flights.call().timeout(LIMIT / 2).run("shorter", std::future::pending));
    let mut longer = boarded(flights.call().timeout(2 * LIMIT).relay("longer", std::future::pending));
    let mut none = boarded(flights.call().timeout(None).run("none", std::future::pending));
    lab.time().advance(LIMIT / 2);
    assert_eq!(finish(&lab, shorter).await, Err(Error::TimedOut));
    lab.time().advance(LIMIT);
    assert!(poll_now(longer.as_mut()).is_pending() && poll_now(none.as_mut()).is_pending());
    lab.time().advance(LIMIT);
    assert_eq!(finish(&lab, longer).await, Err(Error::TimedOut));
    lab.time().advance(100 * LIMIT);
    assert!(poll_now(none.as_mut()).is_pending());
    // Who joins has the limit of the flight, which has none, and not that of the group.
    let mut joins = boarded(flights.run("none", std::future::pending));
    lab.time().advance(100 * LIMIT);
    assert!(poll_now(joins.as_mut()).is_pending());
    drop((joins, none));
    let without: Flights<u32> = lab.builder().build();
    let limited = boarded(without.call().timeout(LIMIT).run(KEY, std::future::pending));
    lab.time().advance(LIMIT);
    assert_eq!(finish(&lab, limited).await, Err(Error::TimedOut), "in a group that has none");
}

async fn a_limit_of_who_joins_is_its_own(lab: Lab) {
    let flights: Flights<u32> = lab.builder().timeout(LIMIT).build();
    let gate = Gate::new();
    let leader = boarded(call(Verb::Run, &flights, behind(&gate, 1)));
    let mut joins = boarded(flights.call().timeout(LIMIT / 2).run(KEY, || async { unreachable!("it follows") }));
    let stays = boarded(call(Verb::Run, &flights, never()));
    lab.time().advance(LIMIT / 2);
    assert_eq!(poll_now(joins.as_mut()), std::task::Poll::Ready(Err(Error::TimedOut)));
    gate.open();
    assert_eq!(finish(&lab, leader).await, Ok(1));
    assert_eq!(finish(&lab, stays).await, Ok(1));
    assert_eq!(flights.stats().timed_out, 0, "no flight ran into its limit");
}

async fn the_limit_counts_from_the_start_also_after_a_handover(lab: Lab) {
    let flights: Flights<u32> = lab.builder().timeout(LIMIT).build();
    let leader = boarded(call(Verb::Run, &flights, endless()));
    let mut next = boarded(call(Verb::Run, &flights, endless()));
    lab.time().advance(LIMIT / 2);
    drop(leader);
    assert!(poll_now(next.as_mut()).is_pending());
    assert_eq!(flights.stats().handovers, 1);
    lab.time().advance(LIMIT / 2);
    assert_eq!(finish(&lab, next).await, Err(Error::TimedOut));
}

async fn a_guard_learns_of_the_limit(lab: Lab) {
    let flights: Flights<u32> = lab.builder().timeout(LIMIT).build();
    let Entry::Leader(mut guard) = flights.enter(KEY) else { panic!("somebody else leads") };
    let follower = boarded(call(Verb::Enter, &flights, never()));
    let mut cancelled = Box::pin(guard.cancelled());
    assert!(poll_now(cancelled.as_mut()).is_pending());
    lab.time().advance(LIMIT);
    cancelled.await;
    assert!(guard.is_cancelled());
    assert_eq!(finish(&lab, follower).await, Err(Error::TimedOut));
    assert_eq!(guard.complete(1), Err(Error::TimedOut));
    assert!(flights.is_empty());
}

async fn a_timeout_of_the_work_itself_is_the_works(lab: Lab) {
    let flights: TryGroup<String, u32, Error, AnyRuntime> = lab.builder().timeout(LIMIT).build();
    let leader = flights.try_run(KEY, || async { Err(Error::TimedOut) }).await;
    assert!(matches!(leader, Err(TryError::Work(error)) if *error == Error::TimedOut));
    let stats = flights.stats();
    assert_eq!((stats.failed, stats.timed_out), (1, 0));
}

async fn a_timeout_and_a_cancel_at_once_are_one_end(lab: Lab) {
    for verb in VERBS {
        let flights: Flights<u32> = lab.builder().timeout(LIMIT).build();
        let leader = boarded(call(verb, &flights, endless()));
        let follower = boarded(call(verb, &flights, never()));
        lab.time().advance(LIMIT);
        let cancelled = flights.cancel(KEY);
        let (leader, follower) = (finish(&lab, leader).await, finish(&lab, follower).await);
        assert_eq!(leader, follower, "{verb:?}");
        assert_eq!(leader, Err(if cancelled { Error::Cancelled } else { Error::TimedOut }));
        let stats = flights.stats();
        assert_eq!((stats.cancelled + stats.timed_out, stats.in_flight), (1, 0));
    }
}

/// With the runtimes' own timers, and a few milliseconds.
async fn real_timers_ring(lab: Lab) {
    let group = || Group::builder().runtime(lab.runtime()).timeout(Duration::from_millis(3));
    for verb in VERBS {
        let flights: Flights<u32> = group().build();
        assert_eq!(lab.start(call(verb, &flights, endless())).await.returned(), Err(Error::TimedOut), "{verb:?}");
    }
    let flights: Flights<u32> = group().build();
    let parked = boarded(call(Verb::Run, &flights, endless()));
    let waiting = flights.clone();
    let thread = lab.thread(move || waiting.run_blocking(KEY, || unreachable!("it follows")));
    assert_eq!(thread.await.returned(), Err(Error::TimedOut));
    drop(parked);
}

/// An hour passes at once where tokio's time is paused.
#[test]
fn the_paused_time_of_tokio_counts() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        let flights: Group<String, u32, coflight::Tokio> =
            Group::builder().runtime(coflight::Tokio::current()).timeout(Duration::from_secs(3600)).build();
        let (leader, follower) =
            futures_lite::future::zip(flights.run(KEY, std::future::pending), flights.relay(KEY, std::future::pending))
                .await;
        assert_eq!((leader, follower), (Err(Error::TimedOut), Err(Error::TimedOut)));
    });
}

/// A thread that waits by a call's future has the flight's limit, too.
#[test]
fn threads_that_wait_have_the_limit() {
    let flights: Group<String, u32, coflight::Threads> =
        Group::builder().runtime(coflight::Threads::new()).timeout(Duration::from_millis(3)).build();
    assert_eq!(blocking::wait(flights.relay(KEY, std::future::pending)), Err(Error::TimedOut));
}
