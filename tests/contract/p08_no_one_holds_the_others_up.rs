//! Promise 8: a caller that is alive but not polled never delays the result, nor a handover, for callers that are.

use coflight_tests::*;

use crate::common::*;

matrix!(
    a_parked_follower_delays_nobody,
    a_parked_leader_delays_nobody_by_relay_and_spawn,
    ten_parked_callers_delay_nobody_by_relay,
    the_one_that_was_notified_may_be_parked,
    a_parked_caller_finds_its_result_later,
    a_thread_carries_a_relay_on,
);

async fn a_parked_follower_delays_nobody(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (gate, all) = (Gate::new(), Latch::new(4));
        let leader = lab.start(asked(call(verb, &flights, behind(&gate, 1)), &all));
        lab.until(|| flights.contains(KEY)).await;
        let parked = boarded(call(verb, &flights, never()));
        let followers: Vec<_> = (0..3).map(|_| lab.start(asked(call(verb, &flights, never()), &all))).collect();
        all.wait().await;
        gate.open();
        for caller in std::iter::once(leader).chain(followers) {
            assert_eq!(caller.await.returned(), Ok(1), "{verb:?}");
        }
        assert!(flights.is_empty());
        drop(parked);
    }
}

async fn a_parked_leader_delays_nobody_by_relay_and_spawn(lab: Lab) {
    for verb in [Verb::Relay, Verb::Spawn] {
        let flights: Flights<u32> = lab.group();
        let (gate, all) = (Gate::new(), Latch::new(3));
        let parked = boarded(call(verb, &flights, behind(&gate, 1)));
        let followers: Vec<_> = (0..3).map(|_| lab.start(asked(call(verb, &flights, never()), &all))).collect();
        all.wait().await;
        gate.open();
        for follower in followers {
            assert_eq!(follower.await.returned(), Ok(1), "{verb:?}");
        }
        assert_eq!(parked.await, Ok(1));
    }
}

async fn ten_parked_callers_delay_nobody_by_relay(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let gates: Vec<_> = (0..3).map(|_| Gate::new()).collect();
    let work = {
        let gates = gates.clone();
        value(move || async move {
            for gate in gates {
                gate.wait().await;
            }
            1
        })
    };
    // Leader, followers, and whoever ran the work last: none of them is ever polled again.
    let mut parked: Vec<_> = vec![boarded(call(Verb::Relay, &flights, work))];
    parked.extend((0..9).map(|_| boarded(call(Verb::Relay, &flights, never()))));
    gates[0].open();
    assert!(poll_now(parked[5].as_mut()).is_pending(), "a follower ran the work");
    let all = Latch::new(1);
    let alive = lab.start(asked(call(Verb::Relay, &flights, never()), &all));
    all.wait().await;
    gates[1].open();
    gates[2].open();
    assert_eq!(alive.await.returned(), Ok(1));
    drop(parked);
}

async fn the_one_that_was_notified_may_be_parked(lab: Lab) {
    for verb in [Verb::Run, Verb::Enter] {
        let flights: Flights<u32> = lab.group();
        let leader = boarded(call(verb, &flights, endless()));
        // First in line for any notification, and parked.
        let parked = boarded(call(verb, &flights, at_once(2)));
        let all = Latch::new(1);
        let alive = lab.start(asked(call(verb, &flights, at_once(3)), &all));
        all.wait().await;
        drop(leader);
        assert_eq!(alive.await.returned(), Ok(3), "{verb:?}");
        assert_eq!(parked.await, Ok(3));
    }
}

async fn a_parked_caller_finds_its_result_later(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 1)));
        let parked = boarded(call(verb, &flights, never()));
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(1));
        assert_eq!(call(verb, &flights, at_once(2)).await, Ok(2));
        assert_eq!(poll_now(std::pin::pin!(parked)), std::task::Poll::Ready(Ok(1)), "{verb:?}");
    }
}

async fn a_thread_carries_a_relay_on(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let (gates, polled_by) = ([Gate::new(), Gate::new()], std::sync::Arc::new(std::sync::Mutex::new(None)));
    let work = {
        let (gates, polled_by) = (gates.clone(), polled_by.clone());
        value(move || async move {
            gates[0].wait().await;
            *polled_by.lock().unwrap() = std::thread::current().name().map(str::to_owned);
            gates[1].wait().await;
            1
        })
    };
    let driver = boarded(call(Verb::Relay, &flights, work));
    let thread = std::thread::Builder::new().name("a plain thread".into());
    let thread = thread.spawn({
        let flights = flights.clone();
        move || flights.run_blocking(KEY, || panic!("a follower's work is called"))
    });
    let thread = thread.expect("a thread");
    gates[0].open();
    // Only the thread is there to run it: the driver is not polled.
    lab.until(|| polled_by.lock().unwrap().as_deref() == Some("a plain thread")).await;
    drop(driver);
    gates[1].open();
    lab.until(|| thread.is_finished()).await;
    assert_eq!(thread.join().expect("the thread returned"), Ok(1));
}
