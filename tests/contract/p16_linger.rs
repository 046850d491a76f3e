//! Promise 16: a result that lingers is served for a while, and gone without anybody asking.

use std::sync::Arc;
use std::time::Duration;

use coflight::{Error, Group, Role, Tokio, TryGroup};
use coflight_tests::*;

use crate::common::*;

matrix!(
    it_is_served_until_its_time_is_over,
    forget_and_cancel_end_it,
    its_memory_goes_without_a_call,
    failures_linger_only_if_asked,
    what_did_not_end_well_does_not_linger,
    a_call_lets_it_linger_longer_or_not_at_all,
    it_is_not_served_when_it_is_too_old_to_join,
    nobody_works_again_while_it_is_published,
);

const WINDOW: Duration = Duration::from_secs(5);
const MOMENT: Duration = Duration::from_nanos(1);

fn lingering<V: Send + Sync + 'static>(lab: &Lab) -> Flights<V> {
    lab.builder().linger(WINDOW).build()
}

async fn it_is_served_until_its_time_is_over(lab: Lab) {
    for &verb in lab.verbs() {
        for shared in [false, true] {
            let flights: Flights<u32> = lingering(&lab);
            let gate = Gate::new();
            let leader = boarded(call(verb, &flights, behind(&gate, 1)));
            let follower = shared.then(|| boarded(call(verb, &flights, never())));
            lab.time().advance(WINDOW);
            gate.open();
            assert_eq!(finish(&lab, leader).await, Ok(1));
            // A task of `spawn` says only after it counted, and after its caller has returned, since when the result is there.
            lab.until(|| lab.time().timers() == 1).await;
            assert_eq!(flights.stats().completed, 1);
            assert!(!flights.contains(KEY) && flights.is_empty() && flights.in_flight().is_empty());
            lab.time().advance(WINDOW - MOMENT);
            assert_eq!(call(verb, &flights, never()).await, Ok(1), "{verb:?}: from when it was ready");
            let (result, served) = flights.run(KEY, || async { unreachable!("it is served") }).with_served().await;
            assert_eq!((result, served.role), (Ok(1), Role::Lingered));
            lab.time().advance(MOMENT);
            assert_eq!(finish(&lab, call(verb, &flights, at_once(2))).await, Ok(2), "{verb:?}");
            assert_eq!(flights.stats().lingered, 2);
            // The second lingers as well, and goes with its group.
            lab.until(|| lab.time().timers() == 1).await;
            drop((follower, flights));
            lab.until(|| lab.time().timers() == 0).await;
        }
    }
}

async fn forget_and_cancel_end_it(lab: Lab) {
    for end in 0..4 {
        let flights: Flights<u32> = lingering(&lab);
        assert_eq!(flights.run(KEY, || async { 1 }).await, Ok(1));
        match end {
            0 => assert!(flights.forget(KEY) && !flights.forget(KEY)),
            1 => assert!(flights.cancel(KEY) && !flights.cancel(KEY)),
            2 => assert_eq!((flights.forget_all(), flights.forget_all()), (1, 0)),
            _ => assert_eq!((flights.cancel_all(), flights.cancel_all()), (1, 0)),
        }
        assert_eq!(flights.run(KEY, || async { 2 }).await, Ok(2));
        assert_eq!(flights.stats().cancelled, 0, "the flight had completed");
    }
    // What is forgotten before it is ready does not linger.
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lingering(&lab);
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 1)));
        assert!(flights.forget(KEY));
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(1));
        assert_eq!(finish(&lab, call(verb, &flights, at_once(2))).await, Ok(2), "{verb:?}");
    }
}

/// Also promise 3.
async fn its_memory_goes_without_a_call(lab: Lab) {
    let flights: Flights<Arc<u32>> = lingering(&lab);
    let (value, seen) = mortal();
    let (longer, seen_longer) = mortal();
    assert!(flights.run("short", || async { value }).await.is_ok());
    assert!(flights.call().linger(2 * WINDOW).run("long", || async { longer }).await.is_ok());
    lab.until(|| lab.time().timers() == 1).await;
    assert_eq!((seen.strong_count(), seen_longer.strong_count()), (1, 1));
    lab.time().advance(WINDOW);
    lab.until(|| seen.strong_count() == 0).await;
    assert_eq!(seen_longer.strong_count(), 1);
    lab.until(|| lab.time().timers() == 1).await;
    lab.time().advance(WINDOW);
    lab.until(|| seen_longer.strong_count() == 0 && lab.time().timers() == 0).await;
    // And at once when it is ended before.
    let (value, seen) = mortal();
    assert!(flights.run(KEY, || async { value }).await.is_ok());
    assert!(flights.forget(KEY));
    assert_eq!(seen.strong_count(), 0);
}

async fn failures_linger_only_if_asked(lab: Lab) {
    for asked in [false, true] {
        let flights: TryGroup<String, u32, &str, AnyRuntime> =
            lab.builder().linger(WINDOW).linger_failures(asked).build();
        assert!(flights.try_run(KEY, || async { Err("no") }).await.is_err());
        let again = flights.try_run(KEY, || async { Ok(2) }).await;
        assert_eq!(again.is_err(), asked);
        let flights: Flights<u32> =
            lab.builder().linger(WINDOW).linger_failures(asked).failed_if(|value| *value == 0).build();
        assert_eq!(flights.run(KEY, || async { 0 }).await, Ok(0));
        assert_eq!(flights.run(KEY, || async { 2 }).await, Ok(if asked { 0 } else { 2 }));
    }
}

async fn what_did_not_end_well_does_not_linger(lab: Lab) {
    let flights: Flights<u32> = lab.builder().linger(WINDOW).linger_failures(true).timeout(WINDOW / 2).build();
    let panics =
        std::panic::AssertUnwindSafe(|| poll_now(call(Verb::Run, &flights, value(|| async { panic!() })).as_mut()));
    assert!(std::panic::catch_unwind(panics).is_err());
    assert_eq!(flights.run(KEY, || async { 1 }).await, Ok(1));
    assert!(flights.forget(KEY));
    let cancelled = boarded(call(Verb::Run, &flights, endless()));
    assert!(flights.cancel(KEY));
    assert_eq!(finish(&lab, cancelled).await, Err(Error::Cancelled));
    let late = boarded(call(Verb::Run, &flights, endless()));
    lab.time().advance(WINDOW / 2);
    assert_eq!(finish(&lab, late).await, Err(Error::TimedOut));
    assert_eq!(flights.run(KEY, || async { 2 }).await, Ok(2));
}

async fn a_call_lets_it_linger_longer_or_not_at_all(lab: Lab) {
    let flights: Flights<u32> = lingering(&lab);
    assert_eq!(flights.call().linger(None).run("none", || async { 1 }).await, Ok(1));
    assert_eq!(flights.run("none", || async { 2 }).await, Ok(2));
    assert_eq!(flights.call().linger(2 * WINDOW).run("longer", || async { 1 }).await, Ok(1));
    lab.time().advance(2 * WINDOW - MOMENT);
    assert_eq!(flights.run("longer", || async { 2 }).await, Ok(1));
    let without: Flights<u32> = lab.builder().build();
    assert_eq!(without.call().linger(WINDOW).run(KEY, || async { 1 }).await, Ok(1));
    lab.time().advance(WINDOW - MOMENT);
    assert_eq!(without.run(KEY, || async { 2 }).await, Ok(1), "in a group that has no window");
    lab.time().advance(MOMENT);
    assert_eq!(without.run(KEY, || async { 2 }).await, Ok(2));
}

async fn it_is_not_served_when_it_is_too_old_to_join(lab: Lab) {
    let flights: Flights<u32> = lab.builder().linger(2 * WINDOW).join_within(WINDOW).build();
    assert_eq!(flights.run(KEY, || async { 1 }).await, Ok(1));
    lab.time().advance(WINDOW);
    assert_eq!(flights.run(KEY, || async { 2 }).await, Ok(1));
    lab.time().advance(MOMENT);
    assert_eq!(flights.run(KEY, || async { 2 }).await, Ok(2));
}

/// Whoever comes while the result is written waits for it.
async fn nobody_works_again_while_it_is_published(lab: Lab) {
    for _ in 0..20 {
        let flights: Flights<u32> = lingering(&lab);
        let witness = Witness::default();
        let callers: Vec<_> = (0..8)
            .map(|caller| {
                let verb = lab.verbs()[caller % lab.verbs().len()];
                lab.start(call(verb, &flights, witness.watch(at_once(1))))
            })
            .collect();
        for caller in callers {
            assert_eq!(caller.await.returned(), Ok(1));
        }
        assert_eq!(witness.begun(), 1);
    }
}

/// Nothing stays that nobody would free.
#[test]
fn it_goes_when_the_runtime_is_shut_down() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let flights: Group<u32, Arc<u32>, Tokio> =
        Group::builder().runtime(Tokio::new(runtime.handle().clone())).linger(Duration::from_secs(3600)).build();
    let (value, seen) = mortal();
    assert!(futures_lite::future::block_on(flights.run(&1, || async { value })).is_ok());
    assert_eq!(seen.strong_count(), 1);
    drop(runtime);
    assert_eq!(seen.strong_count(), 0);
    // Nor does anything begin to linger now.
    let (value, seen) = mortal();
    assert!(futures_lite::future::block_on(flights.run(&1, || async { value })).is_ok());
    assert_eq!(seen.strong_count(), 0);
}
