//! What adapters supply: a timer and a clock that agree, and waiting with a limit for threads.

use std::time::Duration;

use coflight::{Clock, Timer, blocking};
use coflight_tests::*;

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
