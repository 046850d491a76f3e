//! As `found.rs`: bugs that were found in limits, windows and accounts, each by the name of what went wrong.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use coflight::{Builder, Entry, Error, Event, Group, OnFailure, blocking};
use coflight_tests::*;
use futures_lite::future::block_on;

use crate::doomed::*;

const SECOND: Duration = Duration::from_secs(1);

fn doomed() -> (Builder<u32, u32, Doomed>, Doomed) {
    let runtime = Doomed::default();
    (Group::builder().runtime(runtime.clone()), runtime)
}

/// Waits for a call that was polled before, so that it must be woken.
fn within_the_deadline(call: Pin<Box<impl Future<Output = Result<u32, Error>> + ?Sized>>) -> Result<u32, Error> {
    let limit = blocking::wait_timeout(call, 10 * SECOND);
    limit.expect("the caller was never told")
}

/// Promise 6: a detached work beside a slow leader's outlived its caller, and its place outlived it.
#[test]
fn nobody_could_overtake_any_more_once_the_task_of_an_overtaker_was_dropped() {
    let (builder, runtime) = doomed();
    let flights = builder.overtake_after(SECOND).detach(true).build();
    let _parked = boarded(flights.run(&1, pending));
    let mut overtaker = boarded(flights.spawn(&1, pending));
    let waiting = boarded(flights.run(&1, || async { 2 }));
    runtime.time.advance(SECOND);
    assert!(poll_now(overtaker.as_mut()).is_pending());
    runtime.poll_all();
    drop(overtaker);
    assert_eq!(flights.stats().overtakes, 1);
    runtime.shut_down();
    assert_eq!(within_the_deadline(waiting), Ok(2));
}

/// Promise 8: the same, of an overtaker who is not polled any more.
#[test]
fn a_parked_overtaker_whose_task_was_dropped_held_up_the_others() {
    let (builder, runtime) = doomed();
    let flights = builder.overtake_after(SECOND).build();
    let _parked = boarded(flights.run(&1, pending));
    let mut overtaker = boarded(flights.spawn(&1, pending));
    let waiting = boarded(flights.run(&1, || async { 2 }));
    runtime.time.advance(SECOND);
    assert!(poll_now(overtaker.as_mut()).is_pending());
    runtime.poll_all();
    runtime.shut_down();
    assert_eq!(within_the_deadline(waiting), Ok(2));
    assert_eq!(within_the_deadline(overtaker), Ok(2));
}

/// Promise 8: after the leader had left, too.
#[test]
fn a_parked_overtaker_held_up_the_others_for_good() {
    for leaves in [false, true] {
        let (builder, runtime) = doomed();
        let flights = builder.overtake_after(SECOND).build();
        let leader = boarded(flights.run(&1, pending));
        let mut parked = boarded(flights.run(&1, pending));
        let waiting = boarded(flights.run(&1, || async { 3 }));
        runtime.time.advance(SECOND);
        assert!(poll_now(parked.as_mut()).is_pending());
        let _leader = Some(leader).filter(|_| !leaves);
        runtime.time.advance(SECOND);
        assert_eq!(within_the_deadline(waiting), Ok(3), "the leader leaves: {leaves}");
        assert_eq!(block_on(parked), Ok(3));
    }
}

/// Promise 8: whoever overtakes stops going on with the work there is, so a work that anybody goes on with is not overtaken.
#[test]
fn a_follower_stopped_driving_a_relay_to_overtake_it() {
    let (builder, runtime) = doomed();
    let flights = builder.overtake_after(SECOND).build();
    let gate = Gate::new();
    let _parked = boarded(flights.relay(&1, {
        let gate = gate.clone();
        || async move {
            gate.wait().await;
            1
        }
    }));
    let mut follower = boarded(flights.relay(&1, pending));
    runtime.time.advance(SECOND);
    assert!(poll_now(follower.as_mut()).is_pending());
    gate.open();
    assert_eq!(within_the_deadline(follower), Ok(1));
    assert_eq!(flights.stats().overtakes, 0);
}

/// Promise 10: a work beside another's stood somewhere else in the graph of who waits for whom.
#[test]
fn an_overtaking_work_that_asked_for_its_own_key_hung() {
    let (builder, runtime) = doomed();
    let flights = builder.overtake_after(SECOND).build();
    let _parked = boarded(flights.run(&1, pending));
    let asks = |key: u32| {
        let flights = flights.clone();
        async move { u32::from(flights.run(&key, || async { 0 }).await == Err(Error::Circular)) }
    };
    let through = flights.clone();
    let mut direct = boarded(flights.run(&1, || asks(1)));
    runtime.time.advance(SECOND);
    assert_eq!(poll_now(direct.as_mut()), Poll::Ready(Ok(1)));
    let _parked = boarded(flights.run(&1, pending));
    let mut circle =
        boarded(flights.run(&1, || async move { through.run(&2, || asks(1)).await.expect("a value of its own") }));
    runtime.time.advance(SECOND);
    assert_eq!(poll_now(circle.as_mut()), Poll::Ready(Ok(1)));
}

/// Promise 9: the overtaker got its own panic as an error, and nobody got the payload.
#[test]
fn the_panic_of_a_relay_that_overtook_unwound_nowhere() {
    let (builder, runtime) = doomed();
    let flights = builder.overtake_after(SECOND).build();
    let parked = boarded(flights.run(&1, pending));
    let gate = Gate::new();
    let mut overtaker = boarded(flights.relay(&1, {
        let gate = gate.clone();
        || async move {
            gate.wait().await;
            std::panic::panic_any(77_u8)
        }
    }));
    runtime.time.advance(SECOND);
    assert!(poll_now(overtaker.as_mut()).is_pending());
    gate.open();
    let unwound = catch_unwind(AssertUnwindSafe(|| poll_now(overtaker.as_mut())));
    assert_eq!(unwound.expect_err("it unwinds").downcast_ref(), Some(&77_u8));
    assert!(matches!(block_on(parked), Err(Error::Panicked(_))));
}

/// A failure of the work beside threw the leader's success away, though others might have tried.
#[test]
fn a_failure_beside_the_leader_ended_the_flight_with_tries_left() {
    let (builder, runtime) = doomed();
    let builder = builder.overtake_after(SECOND).on_failure(OnFailure::Retry { limit: 5 });
    let flights = builder.failed_if(|value| *value == 0).build();
    for relay in [false, true] {
        let gate = Gate::new();
        let leader = boarded(flights.run(&1, || async {
            gate.wait().await;
            1
        }));
        let overtaker = if relay {
            AnyCall::Relay(boarded(flights.relay(&1, || async { 0 })))
        } else {
            AnyCall::Run(boarded(flights.run(&1, || async { 0 })))
        };
        runtime.time.advance(SECOND);
        let failure = match overtaker {
            AnyCall::Relay(call) => block_on(call),
            AnyCall::Run(call) => block_on(call),
        };
        assert_eq!(failure, Ok(0), "its own");
        gate.open();
        assert_eq!(block_on(leader), Ok(1));
    }
    assert_eq!(flights.stats().retries, 2);
}

/// One of two kinds of calls.
enum AnyCall<A, B> {
    Run(Pin<Box<A>>),
    Relay(Pin<Box<B>>),
}

/// Promise 15: whoever was told that a flight had ended, and asked at once, found the group full.
#[test]
fn the_group_was_full_though_it_was_empty() {
    let (builder, _) = doomed();
    let flights = builder.max_flights(1).build();
    for end in ["cancel", "panic", "release"] {
        let found = Arc::new(Mutex::new(None));
        let waker = CountingWaker::calling({
            let (flights, found) = (flights.clone(), Arc::clone(&found));
            move || *found.lock().unwrap() = Some(block_on(flights.run(&2, || async { 2 })))
        });
        let Entry::Leader(leader) = flights.enter(&1) else { panic!("somebody else leads") };
        let mut follower = Box::pin(flights.run(&1, || async { 1 }));
        assert!(follower.as_mut().poll(&mut Context::from_waker(&waker.into())).is_pending());
        match end {
            "cancel" => assert!(flights.cancel(&1)),
            "release" => assert_eq!(leader.release(), Ok(())),
            _ => assert!(
                catch_unwind(AssertUnwindSafe(|| {
                    let _leader = leader;
                    panic!("the work panics");
                }))
                .is_err()
            ),
        }
        assert_eq!(*found.lock().unwrap(), Some(Ok(2)), "{end}");
    }
}

/// A follower overtook a leader that had led for no time, because it was not yet noted since when.
#[test]
fn a_new_leader_was_overtaken_at_once() {
    let (builder, runtime) = doomed();
    let flights = builder.overtake_after(SECOND).build();
    let leader = boarded(flights.run(&1, pending));
    let mut next = boarded(flights.run(&1, pending));
    let later = flights.clone();
    let mut third = boarded(async move { later.run(&1, pending).await });
    drop(leader);
    runtime.time.advance(2 * SECOND);
    *runtime.meanwhile.lock().unwrap() = Some(Box::new(move || assert!(poll_now(third.as_mut()).is_pending())));
    assert!(poll_now(next.as_mut()).is_pending());
    assert_eq!(flights.stats().overtakes, 0);
}

/// Promise 1: the place beside a flight was given on while the task that had it was still being polled.
#[test]
fn a_work_began_beside_the_task_of_an_overtaker_who_left() {
    type Slot = Arc<Mutex<Option<Pin<Box<dyn Future<Output = Result<u32, Error>> + Send>>>>>;

    let (builder, runtime) = doomed();
    let flights = builder.overtake_after(SECOND).build();
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (overtaker, follower) = (Slot::default(), Slot::default());
    let leader = boarded(flights.run(&1, pending));
    let call = {
        let (flights, running) = (flights.clone(), Arc::clone(&running));
        let (overtaker, follower) = (Arc::clone(&overtaker), Arc::clone(&follower));
        async move {
            let work = || async move {
                running.fetch_add(1, Ordering::SeqCst);
                // What two other threads do meanwhile: the caller leaves, and a follower is polled.
                drop(overtaker.lock().unwrap().take());
                if let Some(follower) = follower.lock().unwrap().as_mut() {
                    assert!(poll_now(follower.as_mut()).is_pending());
                }
                running.fetch_sub(1, Ordering::SeqCst);
                1
            };
            flights.spawn(&1, work).await
        }
    };
    let mut call: Pin<Box<dyn Future<Output = _> + Send>> = boarded(call);
    let waiting = {
        let (flights, running, most) = (flights.clone(), Arc::clone(&running), Arc::clone(&most));
        async move {
            let work = || async move {
                most.store(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                pending().await
            };
            flights.run(&1, work).await
        }
    };
    *follower.lock().unwrap() = Some(boarded(waiting));
    runtime.time.advance(SECOND);
    assert!(poll_now(call.as_mut()).is_pending());
    assert_eq!(flights.stats().overtakes, 1);
    drop(leader);
    *overtaker.lock().unwrap() = Some(call);
    runtime.poll_all();
    assert!(most.load(Ordering::SeqCst) <= 1, "two works at once");
}

/// Promise 16: a result whose time could not be noted, because the clock panicked, was served for ever. Promise 9: whoever drove a carried work was taken along, and the key
/// was held for ever.
#[test]
fn a_clock_that_panicked_made_a_result_linger_for_ever() {
    for verb in [Verb::Run, Verb::Relay, Verb::Spawn] {
        let (builder, runtime) = doomed();
        let flights = builder.linger(SECOND).build();
        let meanwhile = Arc::clone(&runtime.meanwhile);
        let work = move || async move {
            *meanwhile.lock().unwrap() = Some(Box::new(|| panic!("the clock panics")));
            1
        };
        let mut leader: Pin<Box<dyn Future<Output = _>>> = match verb {
            Verb::Run => Box::pin(flights.run(&1, work)),
            Verb::Relay => Box::pin(flights.relay(&1, work)),
            _ => Box::pin(flights.spawn(&1, work)),
        };
        let answer = match poll_now(leader.as_mut()) {
            Poll::Ready(answer) => answer,
            Poll::Pending => {
                runtime.poll_all();
                within_the_deadline(leader)
            }
        };
        assert_eq!(answer, Ok(1), "{verb:?}");
        assert!(flights.is_empty() && !flights.contains(&1), "{verb:?}");
        assert_eq!(block_on(flights.run(&1, || async { 2 })), Ok(2), "{verb:?}");
    }
}

/// Promises 6 and 9: a clock that panicked while a newcomer took over left it aboard for ever, and with it the key and the follower.
#[test]
fn a_clock_that_panicked_left_a_newcomer_aboard() {
    let (builder, runtime) = doomed();
    let flights = builder.overtake_after(SECOND).build();
    let leader = boarded(flights.run(&1, pending));
    let follower = boarded(flights.run(&1, || async { 2 }));
    drop(leader);
    *runtime.meanwhile.lock().unwrap() = Some(Box::new(|| panic!("the clock panics")));
    let mut newcomer = Box::pin(flights.run(&1, pending));
    let _ = catch_unwind(AssertUnwindSafe(|| poll_now(newcomer.as_mut())));
    drop(newcomer);
    assert_eq!(block_on(follower), Ok(2));
    assert_eq!((flights.len(), flights.stats().in_flight), (0, 0));
}

/// Promises 7 and 9: a clock that panicked while the last caller left an observed flight kept it there.
#[test]
fn a_clock_that_panicked_kept_the_last_caller_aboard() {
    let (builder, runtime) = doomed();
    let flights = builder.timed().observer(|_: &Event<'_, u32>| {}).build();
    let leader = boarded(flights.run(&1, pending));
    *runtime.meanwhile.lock().unwrap() = Some(Box::new(|| panic!("the clock panics")));
    let _ = catch_unwind(AssertUnwindSafe(|| drop(leader)));
    assert_eq!((flights.len(), flights.stats().in_flight), (0, 0));
}

/// Promise 2: a failure's own caller lay in the flight's place for one waker, and took that of the next leader along.
#[test]
fn whoever_failed_took_the_next_leaders_waker_along() {
    let (builder, _) = doomed();
    let flights = builder.on_failure(OnFailure::Retry { limit: 1 }).failed_if(|value| *value == 0).build();
    let (first, second) = (Gate::new(), Gate::new());
    let behind = |gate: &Gate, value| {
        let gate = gate.clone();
        move || async move {
            gate.wait().await;
            value
        }
    };
    let failed = boarded(flights.relay(&1, behind(&first, 0)));
    let mut next = boarded(flights.relay(&1, behind(&second, 7)));
    first.open();
    assert!(poll_now(next.as_mut()).is_pending());
    assert_eq!(block_on(failed), Ok(0));
    let waker = CountingWaker::new();
    assert!(next.as_mut().poll(&mut Context::from_waker(&Arc::clone(&waker).into())).is_pending());
    second.open();
    assert!(waker.wakes() > 0, "the next leader was never woken");
    assert_eq!(block_on(next), Ok(7));
}

/// Promise 3: an overtaker that was replaced while its work was being polled, and then panicked, stayed aboard.
#[test]
fn a_replaced_overtaker_that_panicked_stayed_aboard() {
    let (builder, runtime) = doomed();
    let flights = builder.overtake_after(SECOND).build();
    let leader = boarded(flights.run(&1, pending));
    let next = Mutex::new(None);
    let mut replaced = boarded(flights.run(&1, || async {
        // What another thread does meanwhile.
        std::thread::scope(|scope| {
            scope.spawn(|| {
                runtime.time.advance(SECOND);
                let mut next: Pin<Box<dyn Future<Output = _> + Send>> = next.lock().unwrap().take().expect("is aboard");
                assert!(poll_now(next.as_mut()).is_pending());
            });
        });
        panic!("the work panics")
    }));
    let follower = flights.clone();
    let follower: Pin<Box<dyn Future<Output = _> + Send>> = boarded(async move { follower.run(&1, pending).await });
    *next.lock().unwrap() = Some(follower);
    runtime.time.advance(SECOND);
    assert!(catch_unwind(AssertUnwindSafe(|| poll_now(replaced.as_mut()))).is_err());
    assert_eq!(flights.stats().overtakes, 2);
    drop((leader, replaced));
    assert_eq!((flights.len(), flights.stats().in_flight), (0, 0));
}

/// Promise 9: once everybody had been let go alone, an overtaker's panic came to it as an error.
#[test]
fn the_panic_of_a_released_overtaker_unwound_nowhere() {
    let (builder, runtime) = doomed();
    let flights = builder.overtake_after(SECOND).build();
    let gate = Gate::new();
    let Entry::Leader(leader) = flights.enter(&1) else { panic!("somebody else leads") };
    let mut overtaker = boarded(flights.relay(&1, {
        let gate = gate.clone();
        || async move {
            gate.wait().await;
            std::panic::panic_any(77_u8)
        }
    }));
    runtime.time.advance(SECOND);
    assert!(poll_now(overtaker.as_mut()).is_pending());
    assert_eq!(leader.release(), Ok(()));
    gate.open();
    let unwound = catch_unwind(AssertUnwindSafe(|| poll_now(overtaker.as_mut())));
    assert_eq!(unwound.expect_err("it unwinds").downcast_ref(), Some(&77_u8));
}
