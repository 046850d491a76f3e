//! Promise 9: a panic of the work is not retried; the leader unwinds with the original payload, followers get a typed error; and a panic
//! in anything of the user's leaves every other key and caller intact.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Context;

use coflight::{Entry, Error, Group};
use coflight_tests::*;

use crate::common::*;

matrix!(
    the_leader_unwinds_and_followers_get_an_error,
    a_panic_before_there_is_a_future,
    a_payload_that_is_no_text_arrives_as_it_is,
    a_thread_panics,
    a_guard_dropped_by_a_panic,
    a_guard_given_up_in_a_panic,
    a_panic_while_another_caller_runs_the_work,
    a_panic_in_clone,
    a_panic_in_drop_of_the_work,
    a_panic_in_drop_of_a_finished_work,
    a_panic_in_drop_of_the_value,
    a_panic_in_hash_and_eq,
    a_panic_in_making_the_key,
    a_panic_in_a_waker,
    a_panic_in_the_leaders_waker,
    a_waker_that_cannot_be_cloned,
);

async fn the_leader_unwinds_and_followers_get_an_error(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let (runs, gate, all) = (Arc::new(AtomicUsize::new(0)), Gate::new(), Latch::new(11));
        let work = || {
            let (runs, gate) = (runs.clone(), gate.clone());
            value(move || async move {
                runs.fetch_add(1, Ordering::SeqCst);
                gate.wait().await;
                panic!("number {}", 7)
            })
        };
        let leader = lab.start(asked(call(verb, &flights, work()), &all));
        lab.until(|| runs.load(Ordering::SeqCst) == 1).await;
        let followers: Vec<_> = (0..10).map(|_| lab.start(asked(call(verb, &flights, work()), &all))).collect();
        all.wait().await;
        gate.open();
        assert_eq!(leader.await.panicked(), "number 7", "{verb:?}");
        for follower in followers {
            let Err(Error::Panicked(panic)) = follower.await.returned() else { panic!("{verb:?}: no panic seen") };
            // A guard of `enter` sees that it is dropped by a panic, not by which.
            assert_eq!(panic.message(), (verb != Verb::Enter).then_some("number 7"), "{verb:?}");
        }
        assert_eq!(runs.load(Ordering::SeqCst), 1, "retried by {verb:?}");
        assert!(flights.is_empty());
        assert_eq!(call(verb, &flights, at_once(1)).await, Ok(1));
    }
}

async fn a_panic_before_there_is_a_future(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let caller = lab.start(call(verb, &flights, Box::new(|| panic!("no future"))));
        assert_eq!(caller.await.panicked(), "no future", "{verb:?}");
        assert!(flights.is_empty());
        assert_eq!(call(verb, &flights, at_once(1)).await, Ok(1));
    }
}

async fn a_payload_that_is_no_text_arrives_as_it_is(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let work = value(|| async { std::panic::panic_any(42_u8) });
        let Ended::Panicked(payload) = lab.start(call(verb, &flights, work)).await else { panic!("{verb:?}") };
        assert_eq!(payload.downcast_ref::<u8>(), Some(&42), "{verb:?}");
    }
}

async fn a_thread_panics(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let (begun, is_begun) = std::sync::mpsc::channel();
    let (end, is_ended) = std::sync::mpsc::channel::<()>();
    let leader = lab.thread({
        let flights = flights.clone();
        move || {
            flights.run_blocking(KEY, || {
                begun.send(()).unwrap();
                is_ended.recv().unwrap();
                panic!("a closure panics")
            })
        }
    });
    is_begun.recv().unwrap();
    let follower = boarded(call(Verb::Run, &flights, never()));
    end.send(()).unwrap();
    assert_eq!(leader.await.panicked(), "a closure panics");
    let Err(Error::Panicked(panic)) = finish(&lab, follower).await else { panic!("no panic seen") };
    assert_eq!(panic.message(), Some("a closure panics"));
    assert!(flights.is_empty());
}

async fn a_guard_dropped_by_a_panic(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let Entry::Leader(leader) = flights.enter(KEY) else { panic!("somebody else leads") };
    let follower = boarded(call(Verb::Run, &flights, never()));
    let holder = lab.thread(move || {
        let _leader = leader;
        panic!("while leading")
    });
    let _: Ended<()> = holder.await;
    assert!(matches!(finish(&lab, follower).await, Err(Error::Panicked(_))), "the work is not retried");
    assert!(flights.is_empty());
}

/// By hand, because the panic is not of the work.
async fn a_guard_given_up_in_a_panic(lab: Lab) {
    struct GivesUp(Option<coflight::Leader<String, u32, AnyRuntime, coflight::DefaultHashBuilder>>);

    impl Drop for GivesUp {
        fn drop(&mut self) {
            self.0.take().unwrap().abandon();
        }
    }

    let flights: Flights<u32> = lab.group();
    let Entry::Leader(leader) = flights.enter(KEY) else { panic!("somebody else leads") };
    let follower = lab.start(call(Verb::Run, &flights, at_once(2)));
    lab.until(|| flights.stats().joined == 1).await;
    let thread = lab.thread(move || {
        let _gives_up = GivesUp(Some(leader));
        panic!("of something else");
    });
    let _: Ended<()> = thread.await;
    assert_eq!(follower.await.returned(), Ok(2));
    assert_eq!((flights.stats().panicked, flights.stats().handovers), (0, 1));
}

async fn a_panic_while_another_caller_runs_the_work(lab: Lab) {
    for leader_stays in [true, false] {
        let flights: Flights<u32> = lab.group();
        let gate = Gate::new();
        let work = {
            let gate = gate.clone();
            value(move || async move {
                gate.wait().await;
                panic!("in other hands")
            })
        };
        let leader = boarded(call(Verb::Relay, &flights, work));
        let bystander = boarded(call(Verb::Relay, &flights, never()));
        let leader = Some(leader).filter(|_| leader_stays);
        gate.open();
        let follower = lab.start(call(Verb::Relay, &flights, never()));
        match (leader, follower.await) {
            // The leader is to unwind, whoever polled.
            (Some(leader), Ended::Returned(Err(Error::Panicked(panic)))) => {
                assert_eq!(panic.message(), Some("in other hands"));
                assert_eq!(lab.start(leader).await.panicked(), "in other hands");
            }
            // Nobody else is left to unwind.
            (None, ended) => assert_eq!(ended.panicked(), "in other hands"),
            (_, ended) => panic!("{ended:?}"),
        }
        assert!(matches!(bystander.await, Err(Error::Panicked(_))));
        assert!(flights.is_empty());
    }
}

/// Panics when cloned while armed.
struct Fragile(Arc<AtomicBool>);

impl Clone for Fragile {
    fn clone(&self) -> Self {
        assert!(!self.0.load(Ordering::SeqCst), "clone panics");
        Self(self.0.clone())
    }
}

async fn a_panic_in_clone(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<Fragile> = lab.group();
        let (gate, armed) = (Gate::new(), Arc::new(AtomicBool::new(false)));
        let leader = boarded(call(verb, &flights, behind(&gate, Fragile(armed.clone()))));
        let first = boarded(call(verb, &flights, never()));
        let second = boarded(call(verb, &flights, never()));
        gate.open();
        assert!(finish(&lab, leader).await.is_ok());
        armed.store(true, Ordering::SeqCst);
        assert_eq!(lab.start(first).await.panicked(), "clone panics", "{verb:?}");
        armed.store(false, Ordering::SeqCst);
        assert!(second.await.is_ok(), "{verb:?}");
        assert!(flights.is_empty());
    }
}

/// Panics when dropped while armed, except during a panic.
#[derive(Clone)]
struct Explosive(Arc<AtomicBool>);

impl Drop for Explosive {
    fn drop(&mut self) {
        assert!(std::thread::panicking() || !self.0.swap(false, Ordering::SeqCst), "drop panics");
    }
}

async fn a_panic_in_drop_of_the_work(lab: Lab) {
    for &verb in lab.verbs() {
        // The leader leaves, and its work explodes.
        let flights: Flights<u32> = lab.group();
        let explosive = Explosive(Arc::new(AtomicBool::new(true)));
        let work = value(move || async move {
            let _explosive = explosive;
            std::future::pending().await
        });
        let leader = boarded(call(verb, &flights, work));
        let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(leader)));
        assert_eq!(dropped.is_err(), matches!(verb, Verb::Run | Verb::Enter), "{verb:?}");
        lab.until(|| !flights.contains(KEY)).await;
        assert_eq!(call(verb, &flights, at_once(1)).await, Ok(1), "{verb:?}");

        // The work is cancelled, and explodes.
        let explosive = Explosive(Arc::new(AtomicBool::new(true)));
        let work = value(move || async move {
            let _explosive = explosive;
            std::future::pending().await
        });
        let leader = boarded(call(verb, &flights, work));
        let follower = boarded(call(verb, &flights, never()));
        assert!(flights.cancel(KEY));
        assert_eq!(finish(&lab, follower).await, Err(Error::Cancelled), "{verb:?}");
        let _ = lab.start(async move { drop(leader) }).await;
        assert_eq!(call(verb, &flights, at_once(1)).await, Ok(1), "{verb:?}");
        assert!(flights.is_empty());
    }
}

/// Ready when it is polled again, and panics when dropped.
struct Ruin(bool);

impl Future for Ruin {
    type Output = u32;

    fn poll(mut self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<u32> {
        if std::mem::replace(&mut self.0, true) { std::task::Poll::Ready(1) } else { std::task::Poll::Pending }
    }
}

impl Drop for Ruin {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "drop panics");
    }
}

/// It is the leader's own, and costs the followers nothing.
async fn a_panic_in_drop_of_a_finished_work(lab: Lab) {
    let flights: Flights<u32> = lab.group();
    let led = flights.clone();
    let leader = boarded(async move { led.run(KEY, || Ruin(false)).await });
    let follower = boarded(call(Verb::Run, &flights, never()));
    assert_eq!(lab.start(leader).await.panicked(), "drop panics");
    assert_eq!(follower.await, Ok(1));
    assert!(flights.is_empty());
}

async fn a_panic_in_drop_of_the_value(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<Explosive> = lab.group();
        let (gate, armed) = (Gate::new(), Arc::new(AtomicBool::new(false)));
        let leader = boarded(call(verb, &flights, behind(&gate, Explosive(armed.clone()))));
        let mut first = boarded(call(verb, &flights, never()));
        let second = boarded(call(verb, &flights, never()));
        gate.open();
        let kept = finish(&lab, leader).await;
        armed.store(true, Ordering::SeqCst);
        let exploding = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(poll_now(first.as_mut()))));
        assert!(exploding.is_err(), "{verb:?}");
        assert!(second.await.is_ok() && kept.is_ok(), "{verb:?}");
        assert!(flights.is_empty());
    }
}

/// A key that panics on request.
#[derive(Clone)]
struct Moody {
    name: u32,
    hash: Arc<AtomicBool>,
    eq: Arc<AtomicBool>,
}

impl Moody {
    fn new(name: u32) -> Self {
        Self { name, hash: Arc::default(), eq: Arc::default() }
    }
}

impl Hash for Moody {
    fn hash<H: Hasher>(&self, state: &mut H) {
        assert!(!self.hash.load(Ordering::SeqCst), "hash panics");
        // All keys collide, so that they must be compared.
        state.write_u8(0);
    }
}

impl PartialEq for Moody {
    fn eq(&self, other: &Self) -> bool {
        assert!(!self.eq.load(Ordering::SeqCst) && !other.eq.load(Ordering::SeqCst), "eq panics");
        self.name == other.name
    }
}

impl Eq for Moody {}

async fn a_panic_in_hash_and_eq(lab: Lab) {
    let flights: Group<Moody, u32, AnyRuntime> = Group::with_runtime(lab.runtime());
    let (good, bad) = (Moody::new(1), Moody::new(2));
    let gate = Gate::new();
    let leader = boarded(flights.run(&good, || async {
        gate.wait().await;
        1
    }));
    let trip = |which: &AtomicBool, expected: &str| {
        which.store(true, Ordering::SeqCst);
        for attempt in 0..4 {
            let attempted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| match attempt {
                0 => drop(poll_now(std::pin::pin!(flights.run(&bad, || async { 2 })))),
                1 => drop(flights.contains(&bad)),
                2 => drop(flights.forget(&bad)),
                _ => drop(flights.cancel(&bad)),
            }));
            assert_eq!(attempted.unwrap_err().downcast_ref::<&str>(), Some(&expected));
        }
        which.store(false, Ordering::SeqCst);
    };
    trip(&bad.hash, "hash panics");
    trip(&bad.eq, "eq panics");
    assert_eq!(flights.run(&bad, || async { 2 }).await, Ok(2));
    let follower = boarded(flights.run(&good, || async { unreachable!() }));
    gate.open();
    assert_eq!((leader.await, follower.await), (Ok(1), Ok(1)));
    assert!(flights.is_empty());
}

async fn a_panic_in_making_the_key(lab: Lab) {
    #[derive(PartialEq, Eq, Hash)]
    struct Stubborn(u32);
    impl Clone for Stubborn {
        fn clone(&self) -> Self {
            assert!(self.0 != 0, "no key");
            Self(self.0)
        }
    }

    let flights: Group<Stubborn, u32, AnyRuntime> = Group::with_runtime(lab.runtime());
    let attempt = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        drop(poll_now(std::pin::pin!(flights.run(&Stubborn(0), || async { 1 }))));
    }));
    assert!(attempt.is_err());
    assert!(flights.is_empty());
    assert_eq!(flights.run(&Stubborn(1), || async { 1 }).await, Ok(1));
}

async fn a_panic_in_a_waker(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 1)));
        let before = boarded(call(verb, &flights, never()));
        let mut bad: Vec<_> = (0..3).map(|_| call(verb, &flights, never())).collect();
        for call in &mut bad {
            let waker = PanickingWaker::waker();
            assert!(call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        let all = Latch::new(3);
        let after: Vec<_> = (0..3).map(|_| lab.start(asked(call(verb, &flights, never()), &all))).collect();
        all.wait().await;
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(1), "{verb:?}");
        for caller in after {
            assert_eq!(caller.await.returned(), Ok(1), "{verb:?}");
        }
        assert_eq!(before.await, Ok(1), "{verb:?}");
        for caller in bad {
            assert_eq!(caller.await, Ok(1), "{verb:?}");
        }
        assert!(flights.is_empty());
    }
}

async fn a_panic_in_the_leaders_waker(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let mut leader = call(verb, &flights, endless());
        assert!(leader.as_mut().poll(&mut Context::from_waker(&PanickingWaker::waker())).is_pending());
        let follower = boarded(call(verb, &flights, never()));
        assert!(flights.cancel(KEY), "{verb:?}");
        assert_eq!(follower.await, Err(Error::Cancelled));
        drop(leader);
        assert_eq!(call(verb, &flights, at_once(1)).await, Ok(1), "{verb:?}");
        assert!(flights.is_empty());
    }
}

/// A waker whose every clone panics.
fn unclonable() -> std::task::Waker {
    use std::task::{RawWaker, RawWakerVTable, Waker};

    static VTABLE: RawWakerVTable = RawWakerVTable::new(|_| panic!("clone of a waker"), |_| (), |_| (), |_| ());
    // SAFETY: the functions do not use the pointer.
    unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &VTABLE)) }
}

async fn a_waker_that_cannot_be_cloned(lab: Lab) {
    for &verb in lab.verbs() {
        let flights: Flights<u32> = lab.group();
        let gate = Gate::new();
        let leader = boarded(call(verb, &flights, behind(&gate, 1)));
        let mut bad = call(verb, &flights, never());
        let good = boarded(call(verb, &flights, never()));
        for _ in 0..2 {
            let waker = unclonable();
            let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                bad.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
            }));
            assert!(polled.is_err(), "{verb:?}");
        }
        gate.open();
        assert_eq!(finish(&lab, leader).await, Ok(1), "{verb:?}");
        assert_eq!(good.await, Ok(1));
        drop(bad);

        // The same for a leader, whose flight is then cancelled while it holds its work.
        let mut leader = call(verb, &flights, value(|| std::future::poll_fn(|_| std::task::Poll::Pending)));
        let waker = unclonable();
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            leader.as_mut().poll(&mut Context::from_waker(&waker)).is_pending()
        }));
        assert!(polled.is_err() || verb == Verb::Enter, "{verb:?}");
        flights.cancel(KEY);
        drop(leader);
        assert_eq!(call(verb, &flights, at_once(2)).await, Ok(2), "{verb:?}");
        lab.until(|| flights.is_empty()).await;
    }
}
