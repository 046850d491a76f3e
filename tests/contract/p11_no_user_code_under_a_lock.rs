//! Promise 11: no user code under a lock. Whatever of the user's the group calls may call the group.

use std::cell::RefCell;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Waker};

use coflight::Group;
use coflight_tests::*;

use crate::common::*;

matrix!(keys_may_use_the_group, values_may_use_the_group, works_may_use_the_group, wakers_may_use_the_group);

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

/// Does everything that can be done with a group, for the same key and for another.
fn use_all(flights: &Group<Hooked, u32, AnyRuntime>) {
    for key in [Hooked(1), Hooked(2), Hooked(9)] {
        let _ = (flights.contains(&key), flights.len());
        drop(poll_now(std::pin::pin!(flights.run(&key, || async { 1 }))));
    }
    let key = Hooked(7);
    let mut call = std::pin::pin!(flights.run(&key, std::future::pending));
    assert!(poll_now(call.as_mut()).is_pending());
    assert!(flights.forget(&key));
    assert!(!flights.cancel(&key));
}

async fn keys_may_use_the_group(lab: Lab) {
    let flights: Group<Hooked, u32, AnyRuntime> = Group::builder().runtime(lab.runtime()).shards(1).build();
    let in_hook = flights.clone();
    HOOK.with(|place| *place.borrow_mut() = Some(Box::new(move || use_all(&in_hook))));
    {
        let (one, two) = (Hooked(1), Hooked(2));
        let gate = Gate::new();
        let leader = boarded(flights.run(&one, || async {
            gate.wait().await;
            1
        }));
        let follower = boarded(flights.run(&one, || async { unreachable!("a follower's work is called") }));
        let leaving = boarded(flights.run(&two, std::future::pending::<u32>));
        drop(leaving);
        assert!(flights.contains(&one));
        gate.open();
        assert_eq!(leader.await, Ok(1));
        assert_eq!(follower.await, Ok(1));
        let cancelled = boarded(flights.run(&two, std::future::pending::<u32>));
        assert!(flights.cancel(&two));
        assert!(cancelled.await.is_err());
    }
    HOOK.with(|place| *place.borrow_mut() = None);
    assert!(flights.is_empty());
}

/// Calls its group when it is cloned or dropped.
struct Busybody(Arc<OnceLock<Flights<Busybody>>>);

impl Busybody {
    fn meddle(&self) {
        if let Some(flights) = self.0.get() {
            let _ = (flights.len(), flights.contains(KEY), flights.forget("another"), flights.cancel("another"));
            drop(boarded(flights.run("another", std::future::pending::<Busybody>)));
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
        let _ = (self.0.len(), self.0.cancel("another"));
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
