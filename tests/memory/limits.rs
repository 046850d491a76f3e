//! Promise 3 in bytes, where limits, windows and observers were chosen: each case makes a group, and drops it.

use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use coflight::{Builder, Entry, Error, Event, Group, OnFailure, TryError, Turn};
use coflight_tests::*;
use futures_lite::future::block_on;

const SECOND: Duration = Duration::from_secs(1);

/// A group in time of its own, whose tasks run when told to. Dropped in this order.
struct Timed<V> {
    flights: Emptied<V>,
    time: VirtualTime,
    tasks: Tasks,
}

/// Must be empty when it is dropped.
struct Emptied<V>(Group<u64, V, AnyRuntime>);

impl<V> Deref for Emptied<V> {
    type Target = Group<u64, V, AnyRuntime>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<V> Drop for Emptied<V> {
    fn drop(&mut self) {
        assert!(self.is_empty(), "the table is not empty");
    }
}

/// Runs what is ready before it is dropped.
struct Tasks(HandExecutor);

impl Tasks {
    fn run(&self) {
        self.0.block_on(async {
            for _ in 0..8 {
                yield_now().await;
            }
        });
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.run();
        self.0.shut_down();
    }
}

fn timed<V>(choose: impl FnOnce(Builder<u64, V, AnyRuntime>) -> Builder<u64, V, AnyRuntime>) -> Timed<V> {
    let (time, tasks) = (VirtualTime::new(), HandExecutor::default());
    let hand = AnyRuntime::Hand(tasks.clone(), Instant::now());
    let builder = Group::builder().runtime(AnyRuntime::Virtual(Box::new(hand), time.clone())).shards(1);
    Timed { flights: Emptied(choose(builder).build()), time, tasks: Tasks(tasks) }
}

impl<V> Timed<V> {
    /// Moves the time, and runs the tasks that are ready.
    fn advance(&self, by: Duration) {
        self.time.advance(by);
        self.tasks.run();
    }
}

/// Every way out.
pub const EXITS: &[(&str, fn())] = &[
    ("a timeout, with a parked leader", || {
        let Timed { flights, time, .. } = &timed::<u64>(|group| group.timeout(SECOND));
        let _parked = boarded(flights.run(&1, std::future::pending));
        let follower = boarded(flights.run(&1, std::future::pending));
        time.advance(SECOND);
        assert_eq!(block_on(follower), Err(Error::TimedOut));
        assert_eq!(time.timers(), 0);
    }),
    ("a timeout of a relay and of a spawned work", || {
        let timed = timed::<u64>(|group| group.timeout(SECOND));
        let relay = boarded(timed.flights.relay(&1, std::future::pending));
        let spawned = boarded(timed.flights.spawn(&2, std::future::pending));
        timed.tasks.run();
        timed.advance(SECOND);
        assert_eq!((block_on(relay), block_on(spawned)), (Err(Error::TimedOut), Err(Error::TimedOut)));
    }),
    ("callers that stop waiting", || {
        let Timed { flights, time, .. } = &timed::<u64>(|group| group.wait_timeout(SECOND));
        let leader = boarded(flights.relay(&1, std::future::pending));
        let follower = boarded(flights.run(&1, std::future::pending));
        time.advance(SECOND);
        assert_eq!((block_on(leader), block_on(follower)), (Err(Error::WaitTimedOut), Err(Error::WaitTimedOut)));
    }),
    ("callers that leave before their limits", || {
        let Timed { flights, time, .. } =
            &timed::<u64>(|group| group.timeout(SECOND).wait_timeout(SECOND / 2).overtake_after(SECOND / 4));
        let leader = boarded(flights.run(&1, std::future::pending));
        drop(boarded(flights.run(&1, std::future::pending)));
        drop(leader);
        assert_eq!(time.timers(), 0);
    }),
    ("a follower that overtakes a parked leader", || {
        let Timed { flights, time, .. } = &timed::<u64>(|group| group.overtake_after(SECOND));
        let parked = boarded(flights.run(&1, std::future::pending));
        let overtaker = boarded(flights.run(&1, || async { 2 }));
        time.advance(SECOND);
        assert_eq!((block_on(overtaker), block_on(parked)), (Ok(2), Ok(2)));
    }),
    ("a leader that is quicker after all", || {
        let Timed { flights, time, .. } = &timed::<u64>(|group| group.overtake_after(SECOND));
        let gate = Gate::new();
        let leader = boarded(flights.run(&1, || async {
            gate.wait().await;
            1
        }));
        let mut overtakers =
            [boarded(flights.relay(&1, std::future::pending)), boarded(flights.relay(&1, std::future::pending))];
        time.advance(SECOND);
        for overtaker in &mut overtakers {
            assert!(poll_now(overtaker.as_mut()).is_pending());
        }
        gate.open();
        assert_eq!(block_on(leader), Ok(1));
        assert_eq!(overtakers.map(block_on), [Ok(1), Ok(1)]);
    }),
    ("an overtaker that leaves, and then everybody", || {
        let Timed { flights, time, .. } = &timed::<u64>(|group| group.overtake_after(SECOND));
        let leader = boarded(flights.run(&1, std::future::pending));
        let mut overtaker = boarded(flights.run(&1, std::future::pending));
        time.advance(SECOND);
        assert!(poll_now(overtaker.as_mut()).is_pending());
        drop(overtaker);
        let mut overtaker = boarded(flights.relay(&1, std::future::pending));
        assert!(poll_now(overtaker.as_mut()).is_pending());
        drop(leader);
        drop(overtaker);
    }),
    ("overtaken flights that are cancelled, time out, or panic", || {
        let group =
            timed::<u64>(|group| group.overtake_after(SECOND).timeout(2 * SECOND).observer(|_: &Event<'_, u64>| ()));
        let Timed { flights, time, .. } = &group;
        for end in 0..3 {
            let gate = Gate::new();
            let leader = boarded(flights.run(&1, std::future::pending));
            let mut overtaker = boarded(flights.relay(&1, {
                let gate = gate.clone();
                || async move {
                    gate.wait().await;
                    panic!("the work panics")
                }
            }));
            time.advance(SECOND);
            assert!(poll_now(overtaker.as_mut()).is_pending());
            match end {
                0 => assert!(flights.cancel(&1)),
                1 => time.advance(SECOND),
                _ => gate.open(),
            }
            let ended = catch_unwind(AssertUnwindSafe(|| block_on(overtaker)));
            assert!(!matches!(ended, Ok(Ok(_))));
            assert!(block_on(leader).is_err());
        }
    }),
    ("a leader that lets its followers go alone, one of which runs already", || {
        let Timed { flights, time, .. } = &timed::<u64>(|group| group.overtake_after(SECOND));
        let gate = Gate::new();
        let Entry::Leader(leader) = flights.enter(&1) else { panic!("somebody else leads") };
        let mut overtaker = boarded(flights.run(&1, || async {
            gate.wait().await;
            2
        }));
        time.advance(SECOND);
        assert!(poll_now(overtaker.as_mut()).is_pending());
        assert_eq!(leader.release(), Ok(()));
        gate.open();
        assert_eq!(block_on(overtaker), Ok(2));
    }),
    ("a leader that outlives the caller of a detached work beside its own", || {
        let timed = timed::<u64>(|group| group.overtake_after(SECOND).detach(true));
        let Timed { flights, time, tasks } = &timed;
        let gate = Gate::new();
        let leader = boarded(flights.run(&1, || async {
            gate.wait().await;
            1
        }));
        let mut overtaker = boarded(flights.spawn(&1, std::future::pending));
        time.advance(SECOND);
        assert!(poll_now(overtaker.as_mut()).is_pending());
        tasks.run();
        drop(overtaker);
        gate.open();
        assert_eq!(block_on(leader), Ok(1));
    }),
    ("results that lingered", || {
        let timed = timed::<u64>(|group| group.linger(SECOND));
        assert_eq!(block_on(timed.flights.run(&1, || async { 1 })), Ok(1));
        assert_eq!(block_on(timed.flights.run(&1, || async { 2 })), Ok(1));
        assert_eq!(block_on(timed.flights.run(&2, || async { 2 })), Ok(2));
        assert!(timed.flights.forget(&2));
        timed.tasks.run();
        timed.advance(SECOND);
        assert_eq!(timed.time.timers(), 0);
    }),
    ("results that lingered in a group that stays", || {
        let lingers = timed::<u64>(|group| group.linger(SECOND));
        // All but the second group has done this before, and so keeps what it keeps.
        let once = |flights: &Group<u64, u64, AnyRuntime>| {
            assert_eq!(block_on(flights.run(&1, || async { 1 })), Ok(1));
            lingers.tasks.run();
            lingers.advance(SECOND);
        };
        once(&lingers.flights);
        let flights = Group::builder().runtime(lingers.flights.runtime().clone()).shards(1).linger(SECOND).build();
        assert_eq!(block_on(flights.call().linger(None).run(&1, || async { 1 })), Ok(1));
        let before = live_bytes();
        once(&flights);
        assert_eq!(live_bytes() - before, 0, "bytes kept");
    }),
    ("flights whose group chose nothing that they would have to remember", || {
        let flights: Group<u64, u64> = Group::builder().shards(1).max_callers(2).build();
        let solo = || {
            let before = Counting::allocations();
            assert_eq!(block_on(flights.run(&1, || async { 1 })), Ok(1));
            Counting::allocations() - before
        };
        // The test program's own thread may allocate at the same time, once.
        assert_eq!((0..5).map(|_| solo()).min(), Some(1));
    }),
    ("a group that is dropped with what lingers in it", || {
        let timed = timed::<u64>(|group| group.linger(SECOND));
        assert_eq!(block_on(timed.flights.run(&1, || async { 1 })), Ok(1));
        timed.tasks.run();
    }),
    ("a result that lingers in a group without a window", || {
        let timed = timed::<u64>(|group| group);
        assert_eq!(block_on(timed.flights.call().linger(SECOND).run(&1, || async { 1 })), Ok(1));
        assert_eq!(block_on(timed.flights.run(&1, || async { 2 })), Ok(1));
        timed.tasks.run();
        timed.advance(SECOND);
    }),
    ("failures that the next one tries again", || {
        let Timed { flights, .. } =
            &timed::<Result<u64, std::sync::Arc<String>>>(|group| group.on_failure(OnFailure::Retry { limit: 2 }));
        let gate = Gate::new();
        let work = || {
            let gate = gate.clone();
            || async move {
                gate.wait().await;
                Err(String::from("no"))
            }
        };
        let (a, b) = (boarded(flights.try_relay(&1, work())), boarded(flights.try_run(&1, work())));
        let c = boarded(flights.try_relay(&1, work()));
        gate.open();
        for call in [block_on(a), block_on(b), block_on(c)] {
            assert!(matches!(call, Err(TryError::Work(_))));
        }
    }),
    ("flights that are full, too old, or refused", || {
        let group = timed::<u64>(|group| group.max_callers(2).join_within(SECOND).max_flights(2));
        let Timed { flights, time, .. } = &group;
        let calls: Vec<_> = (0..3).map(|_| boarded(flights.run(&1, std::future::pending))).collect();
        time.advance(2 * SECOND);
        assert_eq!(block_on(flights.run(&1, || async { 1 })), Err(Error::Full));
        assert_eq!(block_on(flights.call().max_flights(None).run(&1, || async { 1 })), Ok(1));
        drop(calls);
        assert_eq!(block_on(flights.run(&1, || async { 1 })), Ok(1));
    }),
    ("observed calls that say something of themselves", || {
        let Timed { flights, .. } = &timed::<u64>(|group| group.name("observed").observer(|_: &Event<'_, u64>| ()));
        let leader = boarded(flights.call().metadata(String::from("first")).run(&1, std::future::pending));
        let follower = boarded(flights.call().metadata(String::from("second")).run(&1, || async { 2 }));
        drop(leader);
        assert_eq!(block_on(follower), Ok(2));
    }),
    ("guards whose time is over", || {
        let Timed { flights, time, .. } = &timed::<u64>(|group| group.timeout(SECOND).overtake_after(SECOND / 2));
        let Entry::Leader(mut leader) = flights.enter(&1) else { panic!("somebody else leads") };
        let mut follower = boarded(async {
            let Entry::Follower(follower) = flights.enter(&1) else { panic!("two lead") };
            follower.await
        });
        time.advance(SECOND / 2);
        match poll_now(follower.as_mut()) {
            std::task::Poll::Ready(Ok(Turn::Leader(_overtaker))) => time.advance(SECOND),
            _ => panic!("the follower was to overtake"),
        }
        block_on(leader.cancelled());
        assert_eq!(leader.complete(1), Err(Error::TimedOut));
    }),
];
