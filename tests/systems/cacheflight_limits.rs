//! cacheflight: timeouts, and the cap on keys in flight.

use std::sync::Arc;
use std::time::Duration;

use coflight::Error;
use coflight_tests::*;

use crate::common::*;

matrix!(
    clean_after_a_timeout,
    the_default_timeout_applies,
    a_timeout_of_the_call_beats_the_default,
    none_means_none,
    a_joiners_own_timeout_counts,
    the_works_own_timeout_error_is_its_result,
    a_timeout_waits_for_no_cleaning_up,
    the_cap_refuses_a_new_key_and_lets_others_join,
    the_cap_gives_a_place_back_however_a_flight_ends,
    a_hundred_cycles_with_failures_and_timeouts_leave_nothing,
);

const SECOND: Duration = Duration::from_secs(1);

/// What is asked of the timeout of one call: nothing, or this.
type Own = Option<Option<Duration>>;

/// A call with a timeout of its own.
async fn ask_within(verb: Verb, flights: Flights<u32>, own: Own, work: Work<u32>) -> Result<u32, Error> {
    let mut asked = flights.call();
    if let Some(limit) = own {
        asked = asked.timeout(limit);
    }
    match verb {
        Verb::Run => asked.run(KEY, work).await,
        Verb::Relay => asked.relay(KEY, work).await,
        Verb::Spawn => asked.spawn(KEY, work).await,
        // A guard's work is its owner's to stop: not asked here.
        Verb::Enter => unreachable!("not by `enter`"),
    }
}

const VERBS: [Verb; 3] = [Verb::Run, Verb::Relay, Verb::Spawn];

/// Promises 3 and 14.
async fn clean_after_a_timeout(lab: Lab) {
    for verb in VERBS {
        let flights: Flights<u32> = lab.builder().timeout(SECOND).build();
        let (runs, never_open) = (Runs::default(), Gate::new());
        let callers = crowd(&lab, verb, &flights, KEY, 3, || runs.work(&never_open, 1)).await;
        lab.time().advance(SECOND);
        assert_eq!(results(callers).await, vec![Err(Error::TimedOut); 3], "{verb:?}");
        assert!(!flights.contains(KEY) && flights.is_empty(), "{verb:?}");
        lab.until(|| runs.live() == 0).await;
        assert_eq!(lab.start(ask(verb, flights.clone(), KEY, runs.now(2))).await.returned(), Ok(2), "{verb:?}");
        assert_eq!((runs.count(), flights.stats().timed_out, flights.in_flight().len()), (2, 1, 0));
        lab.until(|| lab.time().timers() == 0).await;
    }
}

/// Advances by `after` and tells whether the call has timed out by then; else lets it finish.
async fn times_out(lab: &Lab, verb: Verb, default: Option<Duration>, own: Own, after: Duration) -> bool {
    let builder = lab.builder();
    let flights: Flights<u32> = match default {
        Some(limit) => builder.timeout(limit).build(),
        None => builder.build(),
    };
    let (runs, gate) = (Runs::default(), Gate::new());
    let mut caller = boarded(ask_within(verb, flights.clone(), own, runs.work(&gate, 1)));
    lab.time().advance(after);
    if let std::task::Poll::Ready(result) = poll_now(caller.as_mut()) {
        assert_eq!(result, Err(Error::TimedOut));
        return true;
    }
    gate.open();
    caller.await == Err(Error::TimedOut)
}

/// Promise 14.
async fn the_default_timeout_applies(lab: Lab) {
    let just_before = SECOND - Duration::from_nanos(1);
    for verb in VERBS {
        assert!(times_out(&lab, verb, Some(SECOND), None, SECOND).await, "{verb:?}");
        assert!(!times_out(&lab, verb, Some(SECOND), None, just_before).await, "{verb:?}");
    }
}

/// Promise 14: shorter or longer.
async fn a_timeout_of_the_call_beats_the_default(lab: Lab) {
    for verb in VERBS {
        let (short, long) = (Some(Some(SECOND)), Some(Some(3 * SECOND)));
        assert!(times_out(&lab, verb, Some(2 * SECOND), short, SECOND).await, "{verb:?}");
        assert!(!times_out(&lab, verb, Some(2 * SECOND), long, 2 * SECOND).await, "{verb:?}");
        assert!(times_out(&lab, verb, Some(2 * SECOND), long, 3 * SECOND).await, "{verb:?}");
        assert!(times_out(&lab, verb, None, short, SECOND).await, "{verb:?}");
    }
}

/// Promise 14.
async fn none_means_none(lab: Lab) {
    for verb in VERBS {
        assert!(!times_out(&lab, verb, None, None, 1_000_000 * SECOND).await, "{verb:?}");
        assert!(!times_out(&lab, verb, Some(SECOND), Some(None), 1_000_000 * SECOND).await, "{verb:?}");
    }
}

/// Promise 14: that caller leaves, and the others do not notice.
async fn a_joiners_own_timeout_counts(lab: Lab) {
    for verb in VERBS {
        let flights: Flights<u32> = lab.builder().timeout(9 * SECOND).build();
        let (runs, gate) = (Runs::default(), Gate::new());
        let callers = crowd(&lab, verb, &flights, KEY, 2, || runs.work(&gate, 1)).await;
        let joiner = boarded(ask_within(verb, flights.clone(), Some(Some(SECOND)), Box::new(never)));
        lab.time().advance(SECOND);
        assert_eq!(joiner.await, Err(Error::TimedOut), "{verb:?}");
        assert!(flights.contains(KEY));
        gate.open();
        assert_eq!(results(callers).await, vec![Ok(1); 2], "{verb:?}");
        assert_eq!((runs.count(), flights.stats().timed_out), (1, 0), "{verb:?}: the flight did not");
    }
}

/// Promise 14: it is a value, whatever it says of itself.
async fn the_works_own_timeout_error_is_its_result(lab: Lab) {
    for verb in VERBS {
        let flights: Flights<Fallible> = lab.builder().timeout(SECOND).build();
        let runs = Runs::default();
        let failed = ask(verb, flights.clone(), KEY, runs.now(Err(Arc::new(Broken("timed out"))))).await;
        assert_eq!(*failed.unwrap().unwrap_err(), Broken("timed out"), "{verb:?}");
        assert_eq!((flights.stats().timed_out, flights.stats().completed), (0, 1), "{verb:?}");
    }
}

/// Promise 14: those who wait are told when the time is over, though somebody is still in the middle of the work.
async fn a_timeout_waits_for_no_cleaning_up(lab: Lab) {
    let flights: Flights<u32> = lab.builder().timeout(SECOND).build();
    let runs = Runs::default();
    let (go_on, may_go_on) = std::sync::mpsc::channel();
    let work = runs.closure(1);
    let slow = lab.thread(blocking(&flights, KEY, move || {
        may_go_on.recv().unwrap();
        work()
    }));
    lab.until(|| flights.contains(KEY)).await;
    let waiting = crowd(&lab, Verb::Run, &flights, KEY, 3, || Box::new(never)).await;
    lab.time().advance(SECOND);
    assert_eq!(results(waiting).await, vec![Err(Error::TimedOut); 3]);
    // Two works for one key never run at a time, and this one cannot be stopped.
    let next = crowd(&lab, Verb::Run, &flights, KEY, 1, || runs.now(2)).await;
    assert_eq!((runs.count(), flights.len()), (0, 0));
    go_on.send(()).unwrap();
    assert_eq!(slow.await.returned(), Err(Error::TimedOut));
    assert_eq!((results(next).await, runs.count()), (vec![Ok(2)], 2));
}

/// Promise 15.
async fn the_cap_refuses_a_new_key_and_lets_others_join(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.builder().max_flights(2).build();
        let (runs, gate) = (Runs::default(), Gate::new());
        let mut callers = crowd(&lab, verb, &flights, "one", 1, || runs.work(&gate, 1)).await;
        callers.extend(crowd(&lab, verb, &flights, "two", 1, || runs.work(&gate, 1)).await);
        let third = lab.start(ask(verb, flights.clone(), "three", Box::new(never)));
        assert_eq!(third.await.returned(), Err(Error::Full), "{verb:?}");
        callers.extend(crowd(&lab, verb, &flights, "one", 2, || Box::new(never)).await);
        assert_eq!((flights.len(), flights.stats().refused), (2, 1));
        gate.open();
        assert_eq!(results(callers).await, vec![Ok(1); 4], "{verb:?}");
        assert_eq!(ask(verb, flights.clone(), "three", runs.now(3)).await, Ok(3), "{verb:?}");
        assert_eq!((runs.count(), flights.len()), (3, 0));
    }
}

/// Promise 15.
async fn the_cap_gives_a_place_back_however_a_flight_ends(lab: Lab) {
    for verb in VERBS {
        let flights: Flights<u32> = lab.builder().max_flights(1).timeout(SECOND).build();
        let (runs, never_open) = (Runs::default(), Gate::new());
        for round in 0..12 {
            // A key of its own, because the last one is free only when its work is gone.
            let key = round.to_string();
            let caller = boarded(ask(verb, flights.clone(), key.clone(), runs.work(&never_open, 1)));
            assert_eq!(ask(verb, flights.clone(), "other", Box::new(never)).await, Err(Error::Full), "{verb:?}");
            match round % 4 {
                0 => assert!(flights.cancel(&key)),
                1 => {
                    lab.time().advance(SECOND);
                    assert_eq!(caller.await, Err(Error::TimedOut), "{verb:?}");
                }
                2 => drop(caller),
                _ => {
                    // In progress, though nobody finds it.
                    assert!(flights.forget(&key));
                    assert_eq!(ask(verb, flights.clone(), key, Box::new(never)).await, Err(Error::Full), "{verb:?}");
                }
            }
        }
        let stats = flights.stats();
        assert_eq!((stats.cancelled, stats.timed_out, stats.abandoned, stats.refused), (3, 3, 6, 15), "{verb:?}");
        assert_eq!(ask(verb, flights.clone(), KEY, runs.now(2)).await, Ok(2), "{verb:?}");
    }
}

/// Promises 3, 14 and 18: a hundred cycles of a hundred callers over twenty keys, three works in ten failing and one in ten never ending; always
/// empty after, and every caller accounted for.
async fn a_hundred_cycles_with_failures_and_timeouts_leave_nothing(lab: Lab) {
    let flights: Flights<Fallible> = lab.builder().timeout(SECOND).failed_if(Result::is_err).build();
    let (mut dice, runs) = (Dice(2), Runs::default());
    let (mut failures, mut values, mut late) = (0, 0, 0);
    for cycle in 0..100 {
        let verb = VERBS[cycle % VERBS.len()];
        let all = Latch::new(100);
        let callers: Vec<_> = (0..100)
            .map(|_| {
                let key = dice.below(20) as u32;
                let luck = dice.below(10);
                let work = runs.doing(move || async move {
                    yield_now().await;
                    match luck {
                        0..3 => Err(Arc::new(Broken("unlucky"))),
                        3 => std::future::pending().await,
                        _ => Ok(key),
                    }
                });
                let call = ask(verb, flights.clone(), key.to_string(), work);
                lab.start(asked(async move { (key, call.await) }, &all))
            })
            .collect();
        all.wait().await;
        // What ends does so in its own time, and what does not, now.
        lab.until(|| flights.in_flight().len() == runs.live()).await;
        lab.time().advance(SECOND);
        for (key, result) in results(callers).await {
            match result {
                Ok(Ok(found)) => {
                    assert_eq!(found, key, "{verb:?}");
                    values += 1;
                }
                Ok(Err(error)) => {
                    assert_eq!(*error, Broken("unlucky"));
                    failures += 1;
                }
                Err(error) => {
                    assert_eq!(error, Error::TimedOut, "{verb:?}");
                    late += 1;
                }
            }
        }
        lab.until(|| runs.live() == 0).await;
        assert!(flights.is_empty() && flights.in_flight().is_empty(), "after cycle {cycle} by {verb:?}");
    }
    let stats = flights.stats();
    assert_eq!((failures + values + late, stats.calls()), (10_000, 10_000));
    assert_eq!((stats.led, stats.in_flight, stats.waiting), (runs.count() as u64, 0, 0));
    assert_eq!(stats.led, stats.completed + stats.failed + stats.timed_out, "{stats:?}");
    assert!(stats.failed > 0 && stats.timed_out > 0 && stats.completed > stats.failed, "{stats:?}");
    lab.until(|| lab.time().timers() == 0).await;
}
