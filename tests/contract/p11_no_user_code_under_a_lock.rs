//! Promise 11: no user code under a lock. Whatever of the user's the group calls may call the group.

use std::cell::{Cell, RefCell};
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use coflight::{Entry, Error, Event, Group, OnFailure, Turn};
use coflight_tests::*;

use crate::common::*;

matrix!(
    keys_may_use_the_group,
    keys_may_end_everything,
    a_judgement_may_use_the_group,
    keys_that_are_shown_may_use_the_group,
    values_may_use_the_group,
    works_may_use_the_group,
    wakers_may_use_the_group,
);

std::thread_local! {
    /// Called by everything below; unset while it runs, so that it does not call itself.
    static HOOK: RefCell<Option<Box<dyn Fn()>>> = const { RefCell::new(None) };
}

fn hook() {
    let hook = HOOK.with(|place| place.borrow_mut().take());
    if let Some(hook) = hook {
        hook();
        HOOK.with(|place| *place.borrow_mut() = Some(hook));
    }
}

/// A key that calls the hook whenever it is looked at, copied or dropped.
struct Hooked(u32);

impl Hash for Hooked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hook();
        // Every two keys collide, so that they must be compared.
        state.write_u8(0);
    }
}

impl PartialEq for Hooked {
    fn eq(&self, other: &Self) -> bool {
        hook();
        self.0 == other.0
    }
}

impl Eq for Hooked {}

impl Clone for Hooked {
    fn clone(&self) -> Self {
        hook();
        Self(self.0)
    }
}

impl Drop for Hooked {
    fn drop(&mut self) {
        hook();
    }
}

type OfHooked = Group<Hooked, u32, AnyRuntime>;

/// Does everything that can be done with a group and leaves its flights alone, for the same key and for another.
fn use_all(flights: &OfHooked) {
    for key in [Hooked(1), Hooked(2), Hooked(9)] {
        let _ = (flights.contains(&key), flights.len(), flights.in_flight(), flights.stats());
        drop(poll_now(std::pin::pin!(flights.run(&key, || async { 1 }))));
    }
    let key = Hooked(7);
    let mut call = std::pin::pin!(flights.run(&key, std::future::pending));
    assert!(poll_now(call.as_mut()).is_pending());
    assert!(flights.forget(&key));
    assert!(!flights.cancel(&key));
}

/// A group whose keys all lie in one place, and what they do.
fn of_hooked(lab: &Lab, hook: fn(&OfHooked)) -> OfHooked {
    let flights: OfHooked = Group::builder().runtime(lab.runtime()).shards(1).build();
    let in_hook = flights.clone();
    HOOK.with(|place| *place.borrow_mut() = Some(Box::new(move || hook(&in_hook))));
    flights
}

/// Asks by `verb`.
async fn ask_hooked(verb: Verb, flights: &OfHooked, key: &Hooked, work: Work<u32>) -> Result<u32, Error> {
    match verb {
        Verb::Run => flights.run(key, work).await,
        Verb::Relay => flights.relay(key, work).await,
        Verb::Spawn => flights.spawn(key, work).await,
        Verb::Enter => {
            let leader = match flights.enter(key) {
                Entry::Leader(leader) => leader,
                Entry::Follower(follower) => match follower.await? {
                    Turn::Value(value) => return Ok(value),
                    Turn::Leader(leader) => leader,
                },
            };
            leader.complete(work().await)
        }
    }
}

async fn keys_may_use_the_group(lab: Lab) {
    for &verb in lab.verbs() {
        let flights = of_hooked(&lab, use_all);
        {
            let (one, two) = (Hooked(1), Hooked(2));
            let gate = Gate::new();
            let leader = boarded(ask_hooked(verb, &flights, &one, behind(&gate, 1)));
            let follower = boarded(ask_hooked(verb, &flights, &one, never()));
            let leaving = boarded(ask_hooked(verb, &flights, &two, endless()));
            drop(leaving);
            assert!(flights.contains(&one));
            let listed = flights.in_flight();
            assert!(listed.iter().any(|flight| flight.key.0 == 1), "{verb:?}");
            drop(listed);
            gate.open();
            assert_eq!(finish(&lab, leader).await, Ok(1), "{verb:?}");
            assert_eq!(finish(&lab, follower).await, Ok(1), "{verb:?}");
            let cancelled = boarded(ask_hooked(verb, &flights, &two, endless()));
            assert!(flights.cancel(&two));
            // By `enter` the work is the leader's own to stop.
            if verb != Verb::Enter {
                assert!(finish(&lab, cancelled).await.is_err(), "{verb:?}");
            }
            let keys = [3, 4].map(Hooked);
            let _forgotten = keys.each_ref().map(|key| flights.enter(key));
            assert_eq!((flights.forget_all(), flights.cancel_all()), (2, 0), "{verb:?}");
            let _cancelled = keys.each_ref().map(|key| flights.enter(key));
            assert_eq!(flights.cancel_all(), 2, "{verb:?}");
        }
        HOOK.with(|place| *place.borrow_mut() = None);
        lab.until(|| flights.is_empty()).await;
    }
}

/// Whatever is being done with a flight when its key is looked at, copied or dropped: there it ends.
async fn keys_may_end_everything(lab: Lab) {
    for &verb in lab.verbs() {
        let ends: [fn(&OfHooked); 2] = [|flights| _ = flights.cancel_all(), |flights| _ = flights.forget_all()];
        for end in ends {
            let flights = of_hooked(&lab, end);
            {
                let gate = Gate::new();
                let keys = [1, 2, 1, 2].map(Hooked);
                let mut calls: Vec<_> =
                    keys.iter().map(|key| Box::pin(ask_hooked(verb, &flights, key, behind(&gate, 1)))).collect();
                calls.retain_mut(|call| match poll_now(call.as_mut()) {
                    Poll::Ready(result) => {
                        assert_eq!(result, Err(Error::Cancelled), "{verb:?}");
                        false
                    }
                    Poll::Pending => true,
                });
                let _ = (flights.contains(&keys[0]), flights.forget(&keys[0]), flights.cancel(&keys[1]));
                gate.open();
                for call in calls {
                    let result = finish(&lab, call).await;
                    assert!(matches!(result, Ok(1) | Err(Error::Cancelled)), "{verb:?}: {result:?}");
                }
            }
            HOOK.with(|place| *place.borrow_mut() = None);
            lab.until(|| flights.is_empty()).await;
        }
    }
}

/// Does everything that can be done with a group, from within something that is done for [`KEY`].
fn use_everything(flights: &Flights<u32>) {
    let mut another = boarded(flights.run("another", std::future::pending));
    let _ = (flights.len(), flights.contains(KEY), flights.in_flight(), flights.stats());
    assert!(flights.cancel("another"));
    assert!(poll_now(another.as_mut()).is_ready());
    let _ = (flights.forget_all(), flights.cancel_all());
}

/// Sets the hook, and returns how often it was called.
fn set_hook(flights: &Flights<u32>) -> Rc<Cell<usize>> {
    let (flights, called) = (flights.clone(), Rc::new(Cell::new(0)));
    let calls = called.clone();
    let uses = move || {
        calls.set(calls.get() + 1);
        use_everything(&flights);
    };
    HOOK.with(|place| *place.borrow_mut() = Some(Box::new(uses)));
    called
}

/// Which results are failures.
async fn a_judgement_may_use_the_group(lab: Lab) {
    // By `spawn` a task judges, which has no hook.
    for verb in [Verb::Run, Verb::Relay, Verb::Enter] {
        let builder = Group::builder().runtime(lab.runtime()).shards(1).on_failure(OnFailure::Retry { limit: 1 });
        let flights: Flights<u32> = builder
            .failed_if(|value| {
                hook();
                *value == 0
            })
            .build();
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 0)));
        let follower = boarded(call(verb, &flights, at_once(1)));
        let called = set_hook(&flights);
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(0), "{verb:?}");
        assert_eq!(finish(&lab, follower).await, Ok(1), "{verb:?}");
        HOOK.with(|place| *place.borrow_mut() = None);
        assert_eq!(called.get(), 2, "{verb:?}");
        assert!(flights.is_empty());
    }
}

/// In an event.
async fn keys_that_are_shown_may_use_the_group(lab: Lab) {
    for &verb in lab.verbs() {
        let builder = Group::builder().runtime(lab.runtime()).shards(1);
        let flights: Flights<u32> = builder
            .show_keys(|key, f| {
                hook();
                write!(f, "{key}")
            })
            .observer(|event: &Event<'_, String>| assert_eq!(event.shown_key().to_string(), *event.key()))
            .build();
        let called = set_hook(&flights);
        let gate = Gate::new();
        let calls = [(); 3].map(|()| boarded(call(verb, &flights, behind(&gate, 1))));
        gate.open();
        for call in calls {
            assert_eq!(finish(&lab, call).await, Ok(1), "{verb:?}");
        }
        HOOK.with(|place| *place.borrow_mut() = None);
        assert!(called.get() > 2, "{verb:?}");
        lab.until(|| flights.is_empty()).await;
    }
}

/// Calls its group when it is cloned or dropped.
struct Busybody(Arc<OnceLock<Flights<Busybody>>>);

impl Busybody {
    fn meddle(&self) {
        if let Some(flights) = self.0.get() {
            let _ = (flights.len(), flights.contains(KEY), flights.forget("another"), flights.cancel("another"));
            drop(boarded(flights.run("another", std::future::pending::<Busybody>)));
            let _ = (flights.in_flight(), flights.stats(), flights.forget_all(), flights.cancel_all());
        }
    }
}

impl Clone for Busybody {
    fn clone(&self) -> Self {
        self.meddle();
        Self(self.0.clone())
    }
}

impl Drop for Busybody {
    fn drop(&mut self) {
        self.meddle();
    }
}

async fn values_may_use_the_group(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<Busybody> = Group::builder().runtime(lab.runtime()).shards(1).build();
        let home = Arc::new(OnceLock::new());
        assert!(home.set(flights.clone()).is_ok());
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, Busybody(home.clone()))));
        let follower = boarded(call(verb, &flights, never()));
        let parked = boarded(call(verb, &flights, never()));
        gate.open();
        assert!(finish(&lab, leader).await.is_ok(), "{verb:?}");
        assert!(finish(&lab, follower).await.is_ok(), "{verb:?}");
        drop(parked);
        assert!(flights.is_empty());
    }
}

async fn works_may_use_the_group(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = Group::builder().runtime(lab.runtime()).shards(1).build();
        let work = {
            let flights = flights.clone();
            value(move || {
                let sign = OnDrop(flights.clone());
                async move {
                    assert!(flights.contains(KEY));
                    let inner = ask(verb, flights.clone(), "inner", at_once(1)).await;
                    // Ends the very flight it runs for.
                    assert!(flights.forget(KEY));
                    drop(sign);
                    inner.unwrap()
                }
            })
        };
        assert_eq!(lab.start(call(verb, &flights, work)).await.returned(), Ok(1), "{verb:?}");
        let work = {
            let flights = flights.clone();
            value(move || async move {
                assert!(flights.cancel(KEY));
                1
            })
        };
        let told = lab.start(call(verb, &flights, work)).await.returned();
        assert_eq!(told, Err(coflight::Error::Cancelled), "{verb:?} cancels itself");
        assert!(flights.is_empty());
    }
}

struct OnDrop(Flights<u32>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        let _ = (self.0.len(), self.0.cancel("another"), self.0.in_flight(), self.0.stats());
    }
}

async fn wakers_may_use_the_group(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = Group::builder().runtime(lab.runtime()).shards(1).build();
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 1)));
        let counting = CountingWaker::calling({
            let flights = flights.clone();
            move || {
                let _ = (flights.len(), flights.contains(KEY), flights.forget("another"));
                let _ = (flights.in_flight(), flights.stats(), flights.forget_all());
                assert_eq!(
                    poll_now(std::pin::pin!(flights.run("another", || async { 2 }))),
                    std::task::Poll::Ready(Ok(2))
                );
            }
        });
        let mut follower = call(verb, &flights, never());
        let waker = Waker::from(counting.clone());
        assert!(follower.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(1));
        lab.until(|| counting.wakes() > 0).await;
        assert_eq!(follower.await, Ok(1));
    }
}
