//! Promise 3 in bytes, and the budget of allocations: a program of its own, with an allocator that counts.
//!
//! One test, so that nothing else allocates at the same time.

mod limits;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use coflight::{Entry, Error, Group, registry};
use coflight_tests::*;
use futures_lite::future::block_on;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

type Small = Group<u64, u64>;

/// A name, and what to do with a group.
type Case = (&'static str, fn(&Small));

/// The same, with the allocations it may make.
type Budgeted = (&'static str, usize, fn(&Small));

#[test]
fn p03_nothing_left_in_bytes_and_the_budget_of_allocations() {
    with_deadline("memory", || {
        // Many cases panic on purpose; an assertion that fails says so.
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<String>().is_some_and(|message| message.contains("assertion")) {
                report(info);
            }
        }));
        let mut failed = 0;
        for (name, exit) in EXITS {
            let flights = Small::new();
            failed += usize::from(!leaves_nothing(name, || exit(&flights)));
            assert!(flights.is_empty(), "{name}: the table is not empty");
        }
        for (name, exit) in limits::EXITS {
            failed += usize::from(!leaves_nothing(name, exit));
        }
        for (name, budget, call) in BUDGET {
            failed += usize::from(!within_budget(name, &Small::new(), *budget, *call));
            // Being listed costs nothing.
            let named = Group::builder().name("budget").build();
            failed += usize::from(!within_budget(name, &named, *budget, *call));
        }
        for name in ["named", "named and looked at"] {
            failed += usize::from(!leaves_nothing(name, || {
                let flights: Small = Group::builder().name(name).build();
                assert_eq!(block_on(flights.run(&1, || async { 1 })), Ok(1));
                assert!(!name.ends_with("looked at") || registry::overview().get(name).is_some());
            }));
        }
        assert_eq!(failed, 0, "failures above");
    });
}

/// Whether `exit` leaves as many bytes as there were, once everything that is made only once has been made.
fn leaves_nothing(name: &str, exit: impl Fn()) -> bool {
    // Fewer, where each takes much longer: under valgrind.
    let times = std::env::var("COFLIGHT_MEMORY_TIMES").map_or(100, |times| times.parse().expect("a number"));
    for _ in 0..3 {
        exit();
    }
    // The test program's own thread may allocate at the same time, once; a leak is there every time.
    let measure = || {
        let before = live_bytes();
        for _ in 0..times {
            exit();
        }
        live_bytes() - before
    };
    let left = (0..3).map(|_| measure()).min_by_key(|left| left.abs()).unwrap_or_default();
    let ok = left == 0;
    println!("{} promise 3, bytes left by {times} times {name}: {left}", if ok { "ok  " } else { "FAIL" });
    ok
}

/// Whether `call` allocates at most `budget` times.
fn within_budget(name: &str, flights: &Small, budget: usize, call: fn(&Small)) -> bool {
    for _ in 0..3 {
        call(flights);
    }
    let measure = || {
        let before = Counting::allocations();
        call(flights);
        Counting::allocations() - before
    };
    let made = (0..3).map(|_| measure()).min().unwrap_or_default();
    let ok = made <= budget;
    println!("{} budget, allocations of {name}: {made} of {budget}", if ok { "ok  " } else { "FAIL" });
    ok
}

/// Names a call that was polled once, and is pending.
macro_rules! aboard {
    ($name:ident = $call:expr) => {
        let mut $name = std::pin::pin!($call);
        assert!(poll_now($name.as_mut()).is_pending());
    };
}

/// A key or a value that panics in whatever it is set to.
#[derive(Default)]
struct Trap(Arc<Mutex<&'static str>>);

impl Trap {
    fn spring(&self, method: &str) {
        let armed = *self.0.lock().unwrap();
        assert!(armed != method, "{method} panics");
    }
}

impl Clone for Trap {
    fn clone(&self) -> Self {
        self.spring("clone");
        Self(self.0.clone())
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.spring("drop");
        }
    }
}

impl std::hash::Hash for Trap {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.spring("hash");
        state.write_u8(0);
    }
}

impl PartialEq for Trap {
    fn eq(&self, other: &Self) -> bool {
        self.spring("eq");
        other.spring("eq");
        true
    }
}

impl Eq for Trap {}

/// Every way out.
const EXITS: &[Case] = &[
    ("a flight nobody joins", |flights| {
        assert_eq!(block_on(flights.run(&1, || async { 1 })), Ok(1));
    }),
    ("a leader that leaves alone", |flights| {
        aboard!(_leader = flights.run(&1, std::future::pending));
    }),
    ("a relay whose callers all leave", |flights| {
        aboard!(_leader = flights.relay(&1, std::future::pending));
        aboard!(_follower = flights.relay(&1, std::future::pending));
    }),
    ("a relay whose work keeps its waker", |flights| {
        let (sender, receiver) = tokio::sync::oneshot::channel::<u64>();
        {
            aboard!(_leader = flights.relay(&1, || async { receiver.await.unwrap_or(0) }));
        }
        drop(sender);
    }),
    ("a leader that leaves ten followers", |flights| {
        let gate = Gate::new();
        let work = || async {
            gate.wait().await;
            1
        };
        let leader = Box::pin(flights.run(&1, work));
        let mut leader = leader;
        assert!(poll_now(leader.as_mut()).is_pending());
        let followers: Vec<_> = (0..10).map(|_| boarded(flights.run(&1, work))).collect();
        drop(leader);
        gate.open();
        for follower in followers {
            assert_eq!(block_on(follower), Ok(1));
        }
    }),
    ("followers that leave", |flights| {
        aboard!(_leader = flights.run(&1, std::future::pending));
        for _ in 0..10 {
            aboard!(_follower = flights.run(&1, std::future::pending));
        }
    }),
    ("a result for ten followers, half of which left", |flights| {
        let gate = Gate::new();
        let work = || async {
            gate.wait().await;
            1
        };
        aboard!(leader = flights.run(&1, work));
        let mut followers: Vec<_> = (0..10).map(|_| boarded(flights.run(&1, work))).collect();
        followers.truncate(5);
        gate.open();
        assert_eq!(block_on(leader), Ok(1));
        for follower in followers {
            assert_eq!(block_on(follower), Ok(1));
        }
    }),
    ("a panic", |flights| {
        let gate = Gate::new();
        let gate = &gate;
        aboard!(
            leader = flights.run(&1, || async {
                gate.wait().await;
                panic!("the work panics")
            })
        );
        aboard!(follower = flights.run(&1, std::future::pending));
        gate.open();
        assert!(catch_unwind(AssertUnwindSafe(|| poll_now(leader.as_mut()).is_ready())).is_err());
        assert!(matches!(block_on(follower), Err(Error::Panicked(_))));
    }),
    ("a panic of a relay whose leader is parked", |flights| {
        let gate = Gate::new();
        let leader = boarded(flights.relay(&1, {
            let gate = gate.clone();
            || async move {
                gate.wait().await;
                panic!("the work panics")
            }
        }));
        gate.open();
        assert!(matches!(block_on(flights.run(&1, std::future::pending)), Err(Error::Panicked(_))));
        drop(leader);
    }),
    ("a panic in a waker", |flights| {
        let gate = Gate::new();
        let gate = &gate;
        aboard!(
            leader = flights.run(&1, || async {
                gate.wait().await;
                1
            })
        );
        let waker = PanickingWaker::waker();
        let mut follower = std::pin::pin!(flights.run(&1, std::future::pending));
        assert!(follower.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
        gate.open();
        assert_eq!((block_on(leader), block_on(follower)), (Ok(1), Ok(1)));
    }),
    ("cancel", |flights| {
        aboard!(leader = flights.run(&1, std::future::pending));
        aboard!(follower = flights.relay(&1, std::future::pending));
        assert!(flights.cancel(&1));
        assert_eq!((block_on(leader), block_on(follower)), (Err(Error::Cancelled), Err(Error::Cancelled)));
    }),
    ("cancel of parked callers", |flights| {
        aboard!(_leader = flights.relay(&1, std::future::pending));
        aboard!(_follower = flights.relay(&1, std::future::pending));
        assert!(flights.cancel(&1));
    }),
    ("forget", |flights| {
        aboard!(_old = flights.run(&1, std::future::pending));
        assert!(flights.forget(&1));
        aboard!(_new = flights.run(&1, std::future::pending));
    }),
    ("forget of an idle key", |flights| {
        assert!(!flights.forget(&1) && !flights.cancel(&1) && !flights.contains(&1));
    }),
    ("release", |flights| {
        let Entry::Leader(leader) = flights.enter(&1) else { panic!("somebody else leads") };
        aboard!(follower = flights.run(&1, || async { 2 }));
        assert_eq!(leader.release(), Ok(()));
        assert_eq!(block_on(follower), Ok(2));
    }),
    ("a guard that hands over", |flights| {
        let Entry::Leader(leader) = flights.enter(&1) else { panic!("somebody else leads") };
        let Entry::Follower(follower) = flights.enter(&1) else { panic!("two lead") };
        drop(leader);
        drop(block_on(follower));
    }),
    ("a refused circle", |flights| {
        let inner = || async { u64::from(flights.run(&1, || async { 0 }).await == Err(Error::Circular)) };
        assert_eq!(block_on(flights.run(&1, inner)), Ok(1));
    }),
    ("threads", |flights| {
        assert_eq!(flights.run_blocking(&1, || 1), Ok(1));
        std::thread::scope(|scope| {
            let threads = [(); 2].map(|()| scope.spawn(|| flights.run_blocking(&1, || 1)));
            for thread in threads {
                // Joined one by one: the end of a scope does not wait for what a thread frees last.
                assert_eq!(thread.join().expect("the thread returned"), Ok(1));
            }
        });
    }),
    ("a call that is never polled", |flights| {
        drop(flights.run(&1, || async { 1 }));
        drop(flights.relay(&1, || async { 1 }));
    }),
    ("a leader dropped at every await point", |flights| {
        for polls in 0..4 {
            let mut leader = Box::pin(flights.run(&1, || async {
                for _ in 0..8 {
                    yield_now().await;
                }
                1
            }));
            for _ in 0..polls {
                assert!(poll_now(leader.as_mut()).is_pending());
            }
            aboard!(follower = flights.run(&1, std::future::pending));
            drop(leader);
            assert!(poll_now(follower.as_mut()).is_pending());
        }
    }),
    ("callers polled once and then parked", |flights| {
        let gate = Gate::new();
        let parked_leader = boarded(flights.relay(&1, {
            let gate = gate.clone();
            || async move {
                gate.wait().await;
                1
            }
        }));
        let parked_follower = boarded(flights.run(&1, std::future::pending));
        gate.open();
        assert_eq!(block_on(flights.run(&1, std::future::pending)), Ok(1));
        drop((parked_leader, parked_follower));
    }),
    ("forget, then the old flight ends, then a third caller", |flights| {
        let gate = Gate::new();
        let work = || async {
            gate.wait().await;
            1
        };
        aboard!(old = flights.run(&1, work));
        assert!(flights.forget(&1));
        aboard!(new = flights.run(&1, std::future::pending));
        gate.open();
        assert_eq!(block_on(old), Ok(1));
        aboard!(third = flights.run(&1, std::future::pending));
        assert!(poll_now(new.as_mut()).is_pending() && poll_now(third.as_mut()).is_pending());
    }),
    ("a circle of two keys", |flights| {
        let gate = Gate::new();
        let asking = |other: &'static u64| {
            let gate = gate.clone();
            move || async move {
                gate.wait().await;
                u64::from(flights.run(other, || async { 0 }).await == Err(Error::Circular))
            }
        };
        aboard!(a = flights.run(&1, asking(&2)));
        aboard!(b = flights.run(&2, asking(&1)));
        gate.open();
        // The first waits for the second, which closes the circle and is refused.
        assert!(poll_now(a.as_mut()).is_pending());
        assert_eq!((block_on(b), block_on(a)), (Ok(1), Ok(0)));
    }),
    ("a runtime shut down while it leads", |flights| {
        let tokio = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let in_task = flights.clone();
        tokio.spawn(async move { in_task.run(&1, std::future::pending).await });
        tokio.block_on(async {
            while !flights.contains(&1) {
                tokio::task::yield_now().await;
            }
        });
        aboard!(follower = flights.run(&1, || async { 2 }));
        drop(tokio);
        assert_eq!(block_on(follower), Ok(2));
    }),
    ("panics in clone and drop of the value", |_| {
        for trap in ["clone", "drop"] {
            let flights: Group<u64, Trap> = Group::new();
            let armed = Arc::new(Mutex::new(""));
            let gate = Gate::new();
            let leader = boarded(flights.run(&1, || async {
                gate.wait().await;
                Trap(armed.clone())
            }));
            let mut follower = boarded(flights.run(&1, std::future::pending));
            gate.open();
            drop(block_on(leader));
            *armed.lock().unwrap() = trap;
            assert!(catch_unwind(AssertUnwindSafe(|| drop(poll_now(follower.as_mut())))).is_err());
            *armed.lock().unwrap() = "";
        }
    }),
    ("panics in hash and eq of the key", |_| {
        for trap in ["hash", "eq"] {
            let flights: Group<Trap, u64> = Group::new();
            let (good, bad) = (Trap::default(), Trap::default());
            let leader = boarded(flights.run(&good, std::future::pending));
            *bad.0.lock().unwrap() = trap;
            let asking = || drop(poll_now(std::pin::pin!(flights.run(&bad, std::future::pending))));
            assert!(catch_unwind(AssertUnwindSafe(asking)).is_err());
            drop(leader);
            assert!(flights.is_empty());
        }
    }),
    ("a burst of two thousand keys", |flights| {
        let keys: Vec<u64> = (0..2_000).collect();
        let burst: Vec<_> = keys.iter().map(|key| boarded(flights.run(key, std::future::pending))).collect();
        assert_eq!(flights.len(), keys.len());
        drop(burst);
    }),
];

/// What a call may allocate, once the table has room.
const BUDGET: &[Budgeted] = &[
    ("`run`, not joined", 1, |flights| {
        assert_eq!(block_on(flights.run(&1, || async { 1 })), Ok(1));
    }),
    ("`run`, not joined, waiting for its work", 1, |flights| {
        let mut polls = 0;
        let work = std::future::poll_fn(move |cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            if polls < 3 { std::task::Poll::Pending } else { std::task::Poll::Ready(1) }
        });
        assert_eq!(block_on(flights.run(&1, || work)), Ok(1));
    }),
    ("`run`, joined by three", 2, |flights| {
        aboard!(
            leader = flights.run(&1, || async {
                yield_now().await;
                1
            })
        );
        aboard!(a = flights.run(&1, std::future::pending));
        aboard!(b = flights.run(&1, std::future::pending));
        aboard!(c = flights.run(&1, std::future::pending));
        assert_eq!((block_on(leader), block_on(a), block_on(b), block_on(c)), (Ok(1), Ok(1), Ok(1), Ok(1)));
    }),
    ("`relay`, not joined", 2, |flights| {
        assert_eq!(block_on(flights.relay(&1, || async { 1 })), Ok(1));
    }),
    ("`relay`, joined by two", 3, |flights| {
        aboard!(
            leader = flights.relay(&1, || async {
                yield_now().await;
                yield_now().await;
                yield_now().await;
                yield_now().await;
                1
            })
        );
        aboard!(a = flights.run(&1, std::future::pending));
        aboard!(b = flights.relay(&1, std::future::pending));
        assert_eq!((block_on(leader), block_on(a), block_on(b)), (Ok(1), Ok(1), Ok(1)));
    }),
    ("`run_blocking`, not joined", 1, |flights| {
        assert_eq!(flights.run_blocking(&1, || 1), Ok(1));
    }),
];
