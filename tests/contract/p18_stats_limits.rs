//! Promise 18: what stats count where flights change hands, and where limits and windows decide.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coflight::{Error, OnFailure, Stats};
use coflight_tests::*;

use crate::common::*;
use crate::p18_stats::stats;

matrix!(
    a_follower_takes_over,
    a_newcomer_takes_over,
    a_work_that_goes_on_is_not_handed_over,
    one_that_overtakes,
    one_that_overtakes_in_vain,
    a_failure_that_is_retried,
    a_failure_after_the_last_retry,
    retries_are_counted_when_all_have_returned,
    full_flights,
    flights_that_are_too_old_to_join,
    results_that_linger,
    refused_calls,
    counts_hold_at_every_moment,
    of_two_resets_each_counts_what_the_other_does_not,
);

const SECOND: Duration = Duration::from_secs(1);

async fn a_follower_takes_over(lab: Lab) {
    for leading in [Verb::Run, Verb::Enter] {
        for &verb in lab.verbs() {
            let flights: Flights<u32> = lab.group();
            let leader = boarded(call(leading, &flights, endless()));
            let follower = boarded(call(verb, &flights, at_once(2)));
            drop(leader);
            assert_eq!(flights.stats(), stats!(led: 1, joined: 1, in_flight: 1, waiting: 1), "{verb:?}: not yet");
            assert_eq!(finish(&lab, follower).await, Ok(2));
            assert_eq!(flights.stats(), stats!(led: 1, joined: 1, handovers: 1, completed: 1), "{verb:?}");
        }
    }
}

async fn a_newcomer_takes_over(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let leader = boarded(call(Verb::Run, &flights, endless()));
        let parked = boarded(call(verb, &flights, never()));
        drop(leader);
        assert_eq!(finish(&lab, call(verb, &flights, at_once(3))).await, Ok(3));
        assert_eq!(flights.stats(), stats!(led: 1, joined: 2, handovers: 1, completed: 1), "{verb:?}");
        assert_eq!(finish(&lab, parked).await, Ok(3));
        assert_eq!(flights.stats(), stats!(led: 1, joined: 2, handovers: 1, completed: 1), "{verb:?}");
    }
}

async fn a_work_that_goes_on_is_not_handed_over(lab: Lab) {
    for verb in [Verb::Relay, Verb::Spawn] {
        let flights: Flights<u32> = lab.group();
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 1)));
        let follower = boarded(call(verb, &flights, never()));
        drop(leader);
        gate.open();
        assert_eq!(finish(&lab, follower).await, Ok(1));
        assert_eq!(flights.stats(), stats!(led: 1, joined: 1, completed: 1), "{verb:?}");
    }
}

async fn one_that_overtakes(lab: Lab) {
    for leading in [Verb::Run, Verb::Spawn, Verb::Enter] {
        for &verb in lab.verbs() {
            let flights: Flights<u32> = lab.builder().overtake_after(SECOND).build();
            let slow = boarded(call(leading, &flights, endless()));
            let follower = boarded(call(verb, &flights, at_once(2)));
            lab.time().advance(SECOND);
            assert_eq!(finish(&lab, follower).await, Ok(2));
            let stats = stats!(led: 1, joined: 1, overtakes: 1, completed: 1);
            assert_eq!(flights.stats(), stats, "{verb:?} overtakes {leading:?}: one flight, and one end");
            drop(slow);
            assert_eq!(flights.stats(), stats, "{verb:?} overtakes {leading:?}");
        }
    }
}

async fn one_that_overtakes_in_vain(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().overtake_after(SECOND).build();
        let gate = Gate::new();
        let slow = boarded(call(Verb::Run, &flights, behind(&gate, 1)));
        let mut follower = boarded(call(verb, &flights, endless()));
        lab.time().advance(SECOND);
        assert!(poll_now(follower.as_mut()).is_pending());
        assert_eq!(flights.stats(), stats!(led: 1, joined: 1, overtakes: 1, in_flight: 1, waiting: 1), "{verb:?}");
        drop(follower);
        assert_eq!(flights.stats(), stats!(led: 1, joined: 1, overtakes: 1, in_flight: 1), "{verb:?}: it has left");
        gate.open();
        assert_eq!(finish(&lab, slow).await, Ok(1));
        assert_eq!(flights.stats(), stats!(led: 1, joined: 1, overtakes: 1, completed: 1), "{verb:?}");
    }
}

fn retrying(lab: &Lab, limit: usize) -> Flights<u32> {
    lab.builder().failed_if(|value| *value == 0).on_failure(OnFailure::Retry { limit }).build()
}

async fn a_failure_that_is_retried(lab: Lab) {
    for &verb in lab.verbs() {
        let flights = retrying(&lab, 3);
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 0)));
        let follower = boarded(call(verb, &flights, at_once(2)));
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(0), "{verb:?}: its own failure");
        assert_eq!(finish(&lab, follower).await, Ok(2), "{verb:?}");
        let stats = stats!(led: 1, joined: 1, retries: 1, handovers: 1, completed: 1);
        lab.until(|| flights.stats() == stats).await;
        assert_eq!(call(verb, &flights, at_once(0)).await, Ok(0), "{verb:?}: nobody is there to try again");
        let stats = stats!(led: 2, joined: 1, retries: 1, handovers: 1, completed: 1, failed: 1);
        assert_eq!(flights.stats(), stats, "{verb:?}");
    }
}

async fn a_failure_after_the_last_retry(lab: Lab) {
    for &verb in lab.verbs() {
        let flights = retrying(&lab, 2);
        let gate = Gate::new();
        let callers: Vec<_> = (0..5).map(|_| boarded(call(verb, &flights, behind(&gate, 0)))).collect();
        gate.open();
        for caller in callers {
            assert_eq!(finish(&lab, caller).await, Ok(0), "{verb:?}");
        }
        let stats = stats!(led: 1, joined: 4, retries: 2, handovers: 2, failed: 1);
        lab.until(|| flights.stats() == stats).await;
    }
}

/// A call that has returned is in the counts, with all that it did: here, nobody waits for the counts to come right.
async fn retries_are_counted_when_all_have_returned(lab: Lab) {
    for &verb in lab.verbs() {
        let flights = retrying(&lab, 1);
        for round in 1..=100 {
            let gate = Gate::new();
            let leader = boarded(call(verb, &flights, behind(&gate, 0)));
            let follower = boarded(call(verb, &flights, at_once(2)));
            gate.open();
            assert_eq!(finish(&lab, leader).await, Ok(0));
            assert_eq!(flights.stats().retries, round, "{verb:?}: the leader returned because of it");
            assert_eq!(finish(&lab, follower).await, Ok(2));
            assert_eq!(flights.stats().handovers, round, "{verb:?}");
        }
    }
}

async fn full_flights(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().max_callers(2).build();
        let gate = Gate::new();
        let callers: Vec<_> = (0..5).map(|_| boarded(call(verb, &flights, behind(&gate, 1)))).collect();
        assert_eq!(flights.stats(), stats!(led: 3, joined: 2, in_flight: 3, waiting: 2), "{verb:?}");
        gate.open();
        for caller in callers {
            assert_eq!(finish(&lab, caller).await, Ok(1));
        }
        assert_eq!(flights.stats(), stats!(led: 3, joined: 2, completed: 3), "{verb:?}");
    }
}

async fn flights_that_are_too_old_to_join(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().join_within(SECOND).build();
        let gate = Gate::new();
        let old = boarded(call(verb, &flights, behind(&gate, 1)));
        lab.time().advance(SECOND);
        let just_in_time = boarded(call(verb, &flights, never()));
        lab.time().advance(Duration::from_nanos(1));
        let young = boarded(call(verb, &flights, endless()));
        assert_eq!(flights.stats(), stats!(led: 2, joined: 1, in_flight: 2, waiting: 1), "{verb:?}");
        gate.open();
        assert_eq!(finish(&lab, old).await, Ok(1));
        assert_eq!(finish(&lab, just_in_time).await, Ok(1));
        drop(young);
        assert_eq!(flights.stats(), stats!(led: 2, joined: 1, completed: 1, abandoned: 1), "{verb:?}");
    }
}

async fn results_that_linger(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().linger(SECOND).build();
        assert_eq!(call(verb, &flights, at_once(1)).await, Ok(1));
        assert_eq!(flights.stats(), stats!(led: 1, completed: 1), "{verb:?}: what lingers is not in flight");
        for _ in 0..3 {
            assert_eq!(finish(&lab, call(verb, &flights, never())).await, Ok(1));
        }
        let stats = flights.stats();
        assert_eq!(stats, stats!(led: 1, lingered: 3, completed: 1), "{verb:?}");
        assert_eq!((stats.calls(), stats.hits(), stats.misses()), (4, 3, 1));
        assert!((stats.hit_rate() - 0.75).abs() < 1e-12);
        assert!(flights.cancel(KEY), "{verb:?}: that ends the lingering, but the flight was over before");
        assert_eq!(finish(&lab, call(verb, &flights, at_once(2))).await, Ok(2));
        // A task may be about to say since when it lingers.
        let mut lingered = 3;
        loop {
            lab.time().advance(SECOND);
            match finish(&lab, call(verb, &flights, at_once(3))).await {
                Ok(3) => break,
                result => assert_eq!(result, Ok(2)),
            }
            lingered += 1;
        }
        assert_eq!(flights.stats(), stats!(led: 3, lingered: lingered, completed: 3), "{verb:?}");
    }
}

async fn refused_calls(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().max_flights(1).build();
        let leader = boarded(call(verb, &flights, endless()));
        for _ in 0..2 {
            assert_eq!(ask(verb, flights.clone(), "other", never()).await, Err(Error::Full), "{verb:?}");
        }
        let follower = boarded(call(verb, &flights, never()));
        let stats = flights.stats();
        assert_eq!(stats, stats!(led: 1, joined: 1, refused: 2, in_flight: 1, waiting: 1), "{verb:?}");
        assert_eq!((stats.calls(), stats.hits(), stats.misses()), (4, 1, 1));
        assert!((stats.hit_rate() - 0.5).abs() < 1e-12, "who was refused was not served");
        drop((leader, follower));
        assert_eq!(flights.stats(), stats!(led: 1, joined: 1, refused: 2, abandoned: 1), "{verb:?}");
    }
}

/// What holds whenever somebody looks, in a group that was not reset.
fn holds(stats: &Stats, before: &Stats, callers: u64) {
    assert_eq!(stats.calls(), stats.led + stats.joined + stats.lingered + stats.refused);
    assert_eq!(stats.led, stats.ended() + stats.in_flight, "{stats:?}");
    assert!(stats.calls() <= callers && stats.in_flight <= callers && stats.waiting <= callers, "{stats:?}");
    let counts = |stats: &Stats| {
        [
            [stats.led, stats.joined, stats.lingered, stats.refused],
            [stats.completed, stats.failed, stats.cancelled, stats.abandoned],
            [stats.handovers, stats.overtakes, stats.retries, stats.alone],
        ]
    };
    let grown = counts(stats).into_iter().flatten().zip(counts(before).into_iter().flatten());
    assert!(grown.into_iter().all(|(now, before)| now >= before), "{before:?}, then {stats:?}");
}

const CALLERS: u64 = 400;

/// Starts callers who lead, follow, fail, leave, are forgotten, cancelled and refused.
async fn hammer(lab: &Lab, flights: &Flights<u32>) {
    let mut callers = Vec::new();
    for number in 0..CALLERS {
        let verb = lab.verbs()[number as usize % lab.verbs().len()];
        let key = (number * 7 % 5).to_string();
        let work = value(move || async move {
            for _ in 0..number % 4 {
                yield_now().await;
            }
            number as u32 % 3
        });
        let caller = lab.start(ask(verb, flights.clone(), key.clone(), work));
        match number % 17 {
            3 => caller.abort(),
            5 => drop(flights.forget(&key)),
            11 => drop(flights.cancel(&key)),
            _ => {}
        }
        callers.push(caller);
        if number % 20 == 0 {
            yield_now().await;
        }
    }
    for caller in callers {
        assert!(!matches!(caller.await, Ended::Panicked(_)));
    }
}

async fn counts_hold_at_every_moment(lab: Lab) {
    let builder = lab.builder().failed_if(|value| *value == 0).max_flights(3).max_callers(8);
    let flights: Flights<u32> = builder.build();
    let over = Arc::new(AtomicBool::new(false));
    let reader = lab.thread({
        let (flights, over) = (flights.clone(), over.clone());
        move || {
            let mut before = Stats::default();
            while !over.load(Ordering::SeqCst) {
                let stats = flights.stats();
                holds(&stats, &before, CALLERS);
                before = stats;
            }
        }
    });
    hammer(&lab, &flights).await;
    over.store(true, Ordering::SeqCst);
    reader.await.returned();
    lab.until(|| flights.is_empty()).await;
    let stats = flights.stats();
    holds(&stats, &Stats::default(), CALLERS);
    assert_eq!((stats.ended(), stats.in_flight, stats.waiting), (stats.led, 0, 0));
    assert!(stats.calls() > CALLERS / 2 && stats.completed > 0, "{stats:?}");
}

async fn of_two_resets_each_counts_what_the_other_does_not(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let over = Arc::new(AtomicBool::new(false));
    let readers = [(); 2].map(|()| {
        let (flights, over) = (flights.clone(), over.clone());
        lab.thread(move || {
            let mut sum = [0; 3];
            while !over.load(Ordering::SeqCst) {
                add(&mut sum, &flights.reset_stats());
            }
            sum
        })
    });
    for number in 0..200 {
        let verb = lab.verbs()[number % lab.verbs().len()];
        let gate = Gate::new();
        let callers = [(); 3].map(|()| boarded(call(verb, &flights, behind(&gate, 1))));
        gate.open();
        for caller in callers {
            assert_eq!(finish(&lab, caller).await, Ok(1));
        }
    }
    over.store(true, Ordering::SeqCst);
    let mut sum = [0; 3];
    for reader in readers {
        let part = reader.await.returned();
        sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
    add(&mut sum, &flights.stats());
    assert_eq!(sum, [200, 400, 200], "led, joined, completed");
}

fn add(sum: &mut [u64; 3], stats: &Stats) {
    let counted = [stats.led, stats.joined, stats.completed];
    sum.iter_mut().zip(counted).for_each(|(sum, counted)| *sum += counted);
}
