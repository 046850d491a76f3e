//! Promise 10: work that asks for its own key, or closes a circle of flights waiting on each other, gets an error at once.

use std::time::Duration;

use coflight::{Entry, Error};
use coflight_tests::*;
use futures_lite::future::block_on;

use crate::common::*;

matrix!(
    a_work_asks_for_its_own_key,
    a_circle_of_two,
    a_circle_of_three_on_three_tasks,
    a_circle_through_a_nested_leader,
    a_circle_through_the_first_of_two,
    a_circle_of_threads,
    a_circle_through_two_groups,
    a_call_made_outside_and_polled_inside,
    a_call_that_moves_from_one_work_to_another,
    who_gave_up_waits_for_nothing,
    what_is_no_circle_is_not_refused,
    a_refusal_leaves_nothing_behind,
    a_destructor_of_the_work_asks_for_its_own_key,
    a_guard_says_what_its_work_is,
);

/// The verbs whose work the group can see running.
const SEEN: [Verb; 3] = [Verb::Run, Verb::Relay, Verb::Spawn];

/// A work that asks for `key` and returns what it is told.
fn asking(verb: Verb, flights: &Flights<Told>, key: &str, begun: Option<&Latch>, gate: Option<&Gate>) -> Work<Told> {
    let (flights, key) = (flights.clone(), key.to_owned());
    let (begun, gate) = (begun.cloned(), gate.cloned());
    value(move || async move {
        if let Some(begun) = begun {
            begun.arrive();
        }
        if let Some(gate) = gate {
            gate.wait().await;
        }
        ask(verb, flights, key, value(|| async { Ok(5) })).await.and_then(|told| told)
    })
}

/// What a work was told by the flight it asked.
type Told = Result<u32, Error>;

async fn a_work_asks_for_its_own_key(lab: Lab) {
    for outer in SEEN {
        for &inner in lab.verbs() {
            let flights: Flights<Told> = lab.group();
            let told = lab.start(call(outer, &flights, asking(inner, &flights, KEY, None, None))).await.returned();
            assert_eq!(told, Ok(Err(Error::Circular)), "{inner:?} inside {outer:?}");
            assert!(flights.is_empty());
        }
    }
    let flights: Flights<Told> = lab.group();
    let told =
        lab.thread(move || flights.run_blocking(KEY, || flights.run_blocking(KEY, || Ok(1)).and_then(|told| told)));
    assert_eq!(told.await.returned(), Ok(Err(Error::Circular)));
}

async fn a_circle_of_two(lab: Lab) {
    for verb in SEEN {
        let flights: Flights<Told> = lab.group();
        let (begun, gate) = (Latch::new(2), Gate::new());
        let start = |key: &'static str, other: &'static str| {
            let work = asking(verb, &flights, other, Some(&begun), Some(&gate));
            lab.start(ask(verb, flights.clone(), key, work))
        };
        let (a, b) = (start("a", "b"), start("b", "a"));
        begun.wait().await;
        gate.open();
        let (a, b) = (a.await.returned(), b.await.returned());
        // One of them closes the circle and is refused; the other gets what that one made of it.
        assert_eq!((a, b), (Ok(Err(Error::Circular)), Ok(Err(Error::Circular))), "{verb:?}");
        assert!(flights.is_empty());
    }
}

async fn a_circle_of_three_on_three_tasks(lab: Lab) {
    for verb in SEEN {
        let flights: Flights<Told> = lab.group();
        let (begun, gate) = (Latch::new(3), Gate::new());
        let keys = ["a", "b", "c"];
        let callers: Vec<_> = (0..3)
            .map(|number| {
                let work = asking(verb, &flights, keys[(number + 1) % 3], Some(&begun), Some(&gate));
                lab.start(ask(verb, flights.clone(), keys[number], work))
            })
            .collect();
        begun.wait().await;
        gate.open();
        for caller in callers {
            assert_eq!(caller.await.returned(), Ok(Err(Error::Circular)), "{verb:?}");
        }
        assert!(flights.is_empty());
    }
}

async fn a_circle_through_a_nested_leader(lab: Lab) {
    for verb in SEEN {
        let flights: Flights<Told> = lab.group();
        // "a" leads "b" inside its own work, and the work of "b" asks for "a".
        let inner = asking(verb, &flights, "a", None, None);
        let work = {
            let flights = flights.clone();
            value(move || async move { ask(verb, flights, "b", inner).await.and_then(|told| told) })
        };
        let told = lab.start(ask(verb, flights.clone(), "a", work)).await.returned();
        assert_eq!(told, Ok(Err(Error::Circular)), "{verb:?}");
        assert!(flights.is_empty());
    }
}

/// Of two flights that a work waits for at once.
async fn a_circle_through_the_first_of_two(lab: Lab) {
    for verb in SEEN {
        let flights: Flights<Told> = lab.group();
        let (first, last) = (Gate::new(), Gate::new());
        let b = boarded(ask(verb, flights.clone(), "b", asking(verb, &flights, "a", None, Some(&first))));
        let c = boarded(ask(verb, flights.clone(), "c", behind(&last, Ok(3))));
        let both = {
            let flights = flights.clone();
            value(move || async move {
                let asks = |key| ask(Verb::Run, flights.clone(), key, never());
                let (b, c) = futures_lite::future::zip(asks("b"), asks("c")).await;
                b.and_then(|told| told).and(c.and_then(|told| told))
            })
        };
        let a = lab.start(ask(verb, flights.clone(), "a", both));
        lab.until(|| flights.stats().joined == 2).await;
        first.open();
        assert_eq!(finish(&lab, b).await, Ok(Err(Error::Circular)), "{verb:?}");
        last.open();
        assert_eq!(finish(&lab, c).await, Ok(Ok(3)), "{verb:?}");
        assert_eq!(a.await.returned(), Ok(Err(Error::Circular)), "{verb:?}");
        assert!(flights.is_empty());
    }
}

async fn a_circle_of_threads(lab: Lab) {
    let flights: Flights<Told> = lab.group();
    let barrier = std::sync::Arc::new(std::sync::Barrier::new(2));
    let start = |key: &'static str, other: &'static str| {
        let (flights, barrier) = (flights.clone(), barrier.clone());
        lab.thread(move || {
            flights.run_blocking(key, || {
                barrier.wait();
                flights.run_blocking(other, || panic!("a follower's work is called")).and_then(|told| told)
            })
        })
    };
    let (a, b) = (start("a", "b"), start("b", "a"));
    assert_eq!(a.await.returned(), Ok(Err(Error::Circular)));
    assert_eq!(b.await.returned(), Ok(Err(Error::Circular)));
    assert!(flights.is_empty());
}

/// Whose values are of different types. Who closes it is refused, and goes on, as a task or as a thread.
async fn a_circle_through_two_groups(lab: Lab) {
    for verb in SEEN {
        for by_thread in [false, true] {
            let (numbers, words): (Flights<u32>, Flights<Result<String, Error>>) = (lab.group(), lab.group());
            let (begun, waits, gate) = (Latch::new(1), Latch::new(1), Gate::new());
            let or_seven = |told| if told == Err(Error::Circular) { 7 } else { 0 };
            let number = {
                let (leads, words, begun, gate) = (numbers.clone(), words.clone(), begun.clone(), gate.clone());
                if by_thread {
                    lab.thread(move || {
                        leads.run_blocking(KEY, || {
                            begun.arrive();
                            block_on(gate.wait());
                            or_seven(words.run_blocking(KEY, || panic!("a follower's work is called")))
                        })
                    })
                } else {
                    let work = value(move || async move {
                        begun.arrive();
                        gate.wait().await;
                        or_seven(ask(verb, words, KEY, never()).await)
                    });
                    lab.start(call(verb, &leads, work))
                }
            };
            begun.wait().await;
            let word = {
                let (numbers, waits) = (numbers.clone(), waits.clone());
                value(move || async move {
                    let number = asked(ask(verb, numbers, KEY, never()), &waits).await?;
                    Ok(number.to_string())
                })
            };
            let word = lab.start(call(verb, &words, word));
            waits.wait().await;
            gate.open();
            assert_eq!(number.await.returned(), Ok(7), "{verb:?}, by a thread: {by_thread}");
            assert_eq!(word.await.returned(), Ok(Ok("7".to_owned())), "{verb:?}, by a thread: {by_thread}");
            assert!(numbers.is_empty() && words.is_empty());
        }
    }
}

async fn a_call_made_outside_and_polled_inside(lab: Lab) {
    let flights: Flights<Told> = lab.group();
    let gate = Gate::new();
    let (hand_in, handed_in) = std::sync::mpsc::channel::<Call<Told>>();
    let work = {
        let gate = gate.clone();
        value(move || async move {
            gate.wait().await;
            let follower = handed_in.recv().unwrap();
            follower.await.and_then(|told| told)
        })
    };
    let leader = lab.start(call(Verb::Run, &flights, work));
    lab.until(|| flights.contains(KEY)).await;
    // It is aboard before it is moved into the very work it waits for.
    hand_in.send(boarded(call(Verb::Run, &flights, never()))).unwrap();
    gate.open();
    assert_eq!(leader.await.returned(), Ok(Err(Error::Circular)));
    assert!(flights.is_empty());
}

async fn a_call_that_moves_from_one_work_to_another(lab: Lab) {
    let flights: Flights<Told> = lab.group();
    let (hand_in, handed_in) = std::sync::mpsc::channel::<Call<Told>>();
    let gate = Gate::new();
    let work = {
        let gate = gate.clone();
        value(move || async move {
            gate.wait().await;
            handed_in.recv().unwrap().await.and_then(|told| told)
        })
    };
    let leader = boarded(call(Verb::Run, &flights, work));
    let other = {
        let flights = flights.clone();
        // Aboard from inside this work, and then moved into the one it waits for.
        value(move || async move {
            hand_in.send(boarded(call(Verb::Run, &flights, never()))).unwrap();
            gate.open();
            Ok(1)
        })
    };
    assert_eq!(lab.start(ask(Verb::Run, flights.clone(), "other", other)).await.returned(), Ok(Ok(1)));
    assert_eq!(finish(&lab, leader).await, Ok(Err(Error::Circular)));
    assert!(flights.is_empty());
}

/// Though its call is still there.
async fn who_gave_up_waits_for_nothing(lab: Lab) {
    const LIMIT: Duration = Duration::from_secs(1);
    let flights: Flights<Told> = lab.builder().build();
    let (first, last) = (Gate::new(), Gate::new());
    let slow = {
        let (flights, first, last) = (flights.clone(), first.clone(), last.clone());
        value(move || async move {
            first.wait().await;
            let mut asks = boarded(flights.run("hasty", never()));
            last.open();
            std::future::poll_fn(|cx| asks.as_mut().poll(cx)).await.and_then(|told| told)
        })
    };
    let slow = boarded(ask(Verb::Run, flights.clone(), "slow", slow));
    let hasty = {
        let (flights, first) = (flights.clone(), first.clone());
        value(move || async move {
            let mut asks = Box::pin(flights.call().wait_timeout(LIMIT).run("slow", never()));
            let gave_up = asks.as_mut().await;
            first.open();
            last.wait().await;
            drop(asks);
            gave_up.and_then(|told| told)
        })
    };
    let mut hasty = boarded(ask(Verb::Run, flights.clone(), "hasty", hasty));
    lab.time().advance(LIMIT);
    assert!(poll_now(hasty.as_mut()).is_pending());
    let slow = lab.start(slow);
    assert_eq!(finish(&lab, hasty).await, Ok(Err(Error::WaitTimedOut)));
    assert_eq!(slow.await.returned(), Ok(Err(Error::WaitTimedOut)), "what it was told by the other, and no circle");
    assert!(flights.is_empty());
}

async fn what_is_no_circle_is_not_refused(lab: Lab) {
    for verb in SEEN {
        let flights: Flights<Told> = lab.group();
        // A diamond: two works wait for the same third one.
        let (gate, all) = (Gate::new(), Latch::new(2));
        let bottom = boarded(ask(verb, flights.clone(), "bottom", behind(&gate, Ok(5))));
        let sides: Vec<_> = ["left", "right"]
            .map(|key| lab.start(ask(verb, flights.clone(), key, asking(verb, &flights, "bottom", Some(&all), None))))
            .into();
        all.wait().await;
        let top = {
            let flights = flights.clone();
            value(move || async move {
                let left = ask(verb, flights.clone(), "left", value(|| async { Ok(5) })).await.and_then(|told| told)?;
                let right = ask(verb, flights, "right", value(|| async { Ok(5) })).await.and_then(|told| told)?;
                Ok(left + right)
            })
        };
        let top = boarded(ask(verb, flights.clone(), "top", top));
        gate.open();
        assert_eq!(finish(&lab, bottom).await, Ok(Ok(5)));
        for side in sides {
            assert_eq!(side.await.returned(), Ok(Ok(5)), "{verb:?}");
        }
        assert_eq!(finish(&lab, top).await, Ok(Ok(10)), "{verb:?}");
        assert!(flights.is_empty());
    }
    // The same key of another group, and a key that was forgotten, are other flights.
    let (flights, other): (Flights<Told>, Flights<Told>) = (lab.group(), lab.group());
    let told = call(Verb::Run, &flights, asking(Verb::Run, &other, KEY, None, None)).await;
    assert_eq!(told, Ok(Ok(5)));
    let work = {
        let flights = flights.clone();
        value(move || async move {
            assert!(flights.forget(KEY));
            ask(Verb::Run, flights, KEY, value(|| async { Ok(3) })).await.and_then(|told| told)
        })
    };
    assert_eq!(call(Verb::Run, &flights, work).await, Ok(Ok(3)));
}

async fn a_refusal_leaves_nothing_behind(lab: Lab) {
    let flights: Flights<Told> = lab.group();
    for _ in 0..3 {
        let told = call(Verb::Run, &flights, asking(Verb::Run, &flights, KEY, None, None)).await;
        assert_eq!(told, Ok(Err(Error::Circular)));
        // The edge is gone: the same wait, not circular this time, is let through.
        let told = call(Verb::Run, &flights, asking(Verb::Run, &flights, "other", None, None)).await;
        assert_eq!(told, Ok(Ok(5)));
    }
    assert!(flights.is_empty());
}

/// Asks for its own key when it is dropped, and says what it was told.
struct Asking(Flights<Told>, std::sync::mpsc::Sender<Told>);

impl Drop for Asking {
    fn drop(&mut self) {
        let told = self.0.run_blocking(KEY, || Ok(1)).and_then(|told| told);
        self.1.send(told).unwrap();
    }
}

async fn a_destructor_of_the_work_asks_for_its_own_key(lab: Lab) {
    for verb in SEEN {
        for exit in ["finished", "cancelled", "left"] {
            let flights: Flights<Told> = lab.group();
            let (told, is_told) = std::sync::mpsc::channel();
            let gate = Gate::new();
            let work = {
                let (asking, gate) = (Asking(flights.clone(), told), gate.clone());
                let mut asking = Some(asking);
                // Not an async block, whose end would drop what it owns before anyone can see it finished.
                value(move || {
                    let mut open = Box::pin(async move { gate.wait().await });
                    std::future::poll_fn(move |cx| {
                        let _owned = &mut asking;
                        open.as_mut().poll(cx).map(|()| Ok(2))
                    })
                })
            };
            let leader = boarded(call(verb, &flights, work));
            match exit {
                "finished" => {
                    gate.open();
                    assert_eq!(lab.start(leader).await.returned(), Ok(Ok(2)), "{verb:?}");
                }
                "cancelled" => {
                    assert!(flights.cancel(KEY));
                    assert_eq!(lab.start(leader).await.returned(), Err(Error::Cancelled), "{verb:?}");
                }
                _ => drop(leader),
            }
            let mut answer = None;
            lab.until(|| {
                answer = is_told.try_recv().ok();
                answer.is_some()
            })
            .await;
            // Refused, or, where the key was free already, served.
            assert!([Some(Err(Error::Circular)), Some(Ok(1))].contains(&answer), "{verb:?} {exit}: {answer:?}");
            lab.until(|| flights.is_empty()).await;
        }
    }
}

async fn a_guard_says_what_its_work_is(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let Entry::Leader(leader) = flights.enter(KEY) else { panic!("somebody else leads") };
        let mut inside = call(verb, &flights, never());
        assert_eq!(
            leader.within(|| poll_now(inside.as_mut())),
            std::task::Poll::Ready(Err(Error::Circular)),
            "{verb:?}"
        );
        // Through another flight, whose work waits for this one.
        let Entry::Leader(other) = flights.enter("other") else { panic!("somebody else leads") };
        let mut waits = call(verb, &flights, never());
        assert!(other.within(|| poll_now(waits.as_mut())).is_pending(), "{verb:?}");
        let mut closes = Box::pin(ask(verb, flights.clone(), "other".to_owned(), never()));
        let refused = leader.within(|| poll_now(closes.as_mut()));
        assert_eq!(refused, std::task::Poll::Ready(Err(Error::Circular)), "{verb:?}");
        // Outside it is no circle.
        let mut follower = call(verb, &flights, never());
        assert!(poll_now(follower.as_mut()).is_pending());
        drop((waits, other));
        assert_eq!(leader.complete(1), Ok(1));
        assert_eq!(finish(&lab, follower).await, Ok(1));
        assert!(flights.is_empty());
    }
}
