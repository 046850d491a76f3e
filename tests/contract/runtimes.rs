//! What adapters supply: a timer and a clock that agree, and waiting with a limit for threads.

use std::time::Duration;

use coflight::{Clock, Error, Group, Timer, Tokio, blocking};
use coflight_tests::*;
use futures_lite::future::block_on;

use crate::common::*;

matrix!(a_timer_and_its_clock_agree, a_thread_waits_with_a_limit);

async fn a_timer_and_its_clock_agree(lab: Lab) {
    let runtime = lab.runtime();
    // The shortest time that shows: this is about the timer, so nothing else can tell when it is over.
    let (short, before) = (Duration::from_millis(5), runtime.now());
    let never = runtime.sleep(Duration::from_secs(3600));
    runtime.sleep(short).await;
    assert!(runtime.now() - before >= short);
    drop(never);
    // From where callers run, too.
    let timer = runtime.clone();
    lab.start(async move { timer.sleep(Duration::from_millis(1)).await }).await.returned();
    assert!(runtime.now() > before);
}

/// Promises 5 and 7: a limit makes one caller leave, and the last one's leaving drops the work.
async fn a_thread_waits_with_a_limit(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let witness = Witness::default();
    let waiting = {
        let call = call(Verb::Relay, &flights, witness.watch(endless()));
        lab.thread(|| blocking::wait_timeout(call, Duration::from_millis(5)))
    };
    assert_eq!(waiting.await.returned(), None);
    assert!(flights.is_empty() && witness.gone() == 1);

    // The flight it joined is not disturbed.
    let gate = Gate::new();
    let leader = boarded(call(Verb::Relay, &flights, behind(&gate, 1)));
    let leaving = call(Verb::Relay, &flights, never());
    let leaving = lab.thread(|| blocking::wait_timeout(leaving, Duration::from_millis(5)));
    assert_eq!(leaving.await.returned(), None);
    let staying = boarded(call(Verb::Relay, &flights, never()));
    let staying = lab.thread(|| blocking::wait_timeout(staying, Duration::from_secs(30)));
    gate.open();
    assert_eq!(staying.await.returned(), Some(Ok(1)));
    assert_eq!(finish(&lab, leader).await, Ok(1));
    assert!(flights.is_empty());
}

/// For a group in a `static`, which outlives the runtime of each test that uses it.
#[test]
fn an_ambient_runtime_is_whichever_the_caller_is_in() {
    let flights: Group<u32, u32, Tokio> =
        Group::builder().runtime(Tokio::ambient()).timeout(Duration::from_secs(60)).build();
    for round in 0..3 {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().expect("a runtime");
        assert_eq!(runtime.block_on(async { flights.spawn(&1, || async move { round }).await }), Ok(round));
        // Its timers are that one's, too: time is paused, and moves when nothing else does.
        assert_eq!(runtime.block_on(async { flights.run(&1, endless()).await }), Err(Error::TimedOut));
    }
}

#[test]
fn an_ambient_runtime_that_is_not_there_leaves_the_work_to_its_callers() {
    let flights: Group<u32, u32, Tokio> = Group::with_runtime(Tokio::ambient());
    assert_eq!(block_on(flights.spawn(&1, || async { 1 })), Ok(1));
    assert!(flights.is_empty());
}
