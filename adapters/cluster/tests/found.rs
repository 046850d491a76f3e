//! What a review tried to break, and broke: each test is one of its scenarios. In real time, so with limits that a loaded machine keeps.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use coflight_blocking::{Threads, wait, wait_timeout};
use coflight_cluster::*;
use coflight_core::{Clock, Spawn, Timer};
use coflight_tokio::Tokio;

type Flights<En = InProcess> = Cluster<String, u64, En, Threads>;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

async fn nap(millis: u64) {
    Threads::new().sleep(ms(millis)).await;
}

fn group<En: Engine>(engine: &En, lease: u64, patience: u64) -> Flights<En> {
    Cluster::builder("test", engine.clone(), Threads::new()).lease(ms(lease)).patience(ms(patience)).build()
}

/// Polls once, and says nobody when to poll again.
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Waits for what happens elsewhere.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        sleep(ms(2));
    }
}

/// Gives 1 when it may finish.
fn until_told<L>(
    finish: &Arc<AtomicBool>,
) -> impl FnOnce(L) -> Pin<Box<dyn Future<Output = u64> + Send>> + Send + use<L> {
    let finish = finish.clone();
    move |_| {
        Box::pin(async move {
            while !finish.load(Ordering::SeqCst) {
                nap(2).await;
            }
            1
        })
    }
}

/// An engine with a network in front, which loses and delays what a test says.
#[derive(Clone, Default)]
struct Odd {
    engine: InProcess,
    /// So many answers to `join` do not come.
    lost_joins: Arc<AtomicUsize>,
    /// Publishing takes so long.
    publish_takes: Arc<AtomicUsize>,
    /// Nothing is answered at once.
    is_slow: bool,
    /// Of this name the engine says that nothing can be done.
    poisoned: Arc<Mutex<Option<Name>>>,
    /// The first name to be joined is that.
    poisons: Arc<AtomicBool>,
    /// Every change is told although there is none.
    is_noisy: bool,
}

impl Odd {
    async fn reach(&self, name: &Name) -> Result<(), EngineError> {
        if self.is_slow {
            nap(2).await;
        }
        if self.poisoned.lock().unwrap().as_ref() == Some(name) {
            return Err(EngineError::answered("this key holds something else"));
        }
        Ok(())
    }
}

impl Engine for Odd {
    async fn join(&self, name: &Name, nonce: Nonce, lease: Duration) -> Result<Joined, EngineError> {
        if self.poisons.swap(false, Ordering::SeqCst) {
            *self.poisoned.lock().unwrap() = Some(name.clone());
        }
        self.reach(name).await?;
        let joined = self.engine.join(name, nonce, lease).await;
        let lose = |left: usize| left.checked_sub(1);
        if self.lost_joins.fetch_update(Ordering::SeqCst, Ordering::SeqCst, lose).is_ok() {
            pending::<()>().await;
        }
        joined
    }

    async fn look(&self, name: &Name, token: Token) -> Result<Seen, EngineError> {
        self.reach(name).await?;
        self.engine.look(name, token).await
    }

    async fn renew(&self, lead: &Lead, lease: Duration) -> Result<Renewed, EngineError> {
        self.reach(&lead.name).await?;
        self.engine.renew(lead, lease).await
    }

    async fn publish(&self, lead: &Lead, ending: &[u8], keep: Keep) -> Result<bool, EngineError> {
        self.reach(&lead.name).await?;
        nap(self.publish_takes.load(Ordering::SeqCst) as u64).await;
        self.engine.publish(lead, ending, keep).await
    }

    async fn resign(&self, lead: &Lead) -> Result<bool, EngineError> {
        self.reach(&lead.name).await?;
        self.engine.resign(lead).await
    }

    async fn cancel(&self, name: &Name, ending: &[u8], fetch: Duration) -> Result<bool, EngineError> {
        self.reach(name).await?;
        self.engine.cancel(name, ending, fetch).await
    }

    async fn forget(&self, name: &Name) -> Result<bool, EngineError> {
        self.reach(name).await?;
        self.engine.forget(name).await
    }

    async fn tell(&self, name: &Name) -> Result<(), EngineError> {
        self.engine.tell(name).await
    }

    fn changed(&self, name: &Name) -> impl Future<Output = ()> + Send + 'static {
        let (changed, is_noisy) = (self.engine.changed(name), self.is_noisy);
        async move {
            if !is_noisy {
                changed.await;
            }
        }
    }
}

/// An outage that another key noticed does not keep a leader from publishing.
#[test]
fn a_result_gets_through_though_the_engine_was_down_a_moment_ago() {
    let engine = InProcess::new();
    let (a, b) = (group(&engine, 3_000, 100), group(&engine, 3_000, 100));
    let finish = Arc::new(AtomicBool::new(false));
    let leader = {
        let (a, work) = (a.clone(), until_told(&finish));
        thread::spawn(move || wait(a.run("key", work)))
    };
    until("it leads", || a.cluster_stats().led == 1);
    let follower = {
        let b = b.clone();
        thread::spawn(move || wait(b.run("key", |_| async { 2 })))
    };
    until("it follows", || b.cluster_stats().followed == 1);
    engine.set_outage(Outage::Refuses);
    assert_eq!(wait(a.run("other", |_| async { 9 })).unwrap(), 9);
    engine.set_outage(None);
    finish.store(true, Ordering::SeqCst);
    assert_eq!((leader.join().unwrap().unwrap(), follower.join().unwrap().unwrap()), (1, 1));
}

/// One that was not polled for a while, and lost its lease, leads again before it goes on.
#[test]
fn a_leader_that_comes_back_does_not_work_beside_another() {
    let engine = InProcess::new();
    let (a, b) = (group(&engine, 300, 100), group(&engine, 300, 100));
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let work = |takes: u64| {
        let (running, most) = (running.clone(), most.clone());
        move |_| async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            nap(takes).await;
            running.fetch_sub(1, Ordering::SeqCst);
            takes
        }
    };
    let mut parked = Box::pin(a.run("key", work(1_000)));
    assert!(poll(parked.as_mut()).is_pending());
    until("it resigns", || engine.operations() >= 3);
    thread::scope(|scope| {
        scope.spawn(|| {
            until("it leads again", || a.cluster_stats().led == 2);
            assert_eq!(wait(b.run("key", work(100))).unwrap(), 1_000);
        });
        assert_eq!(wait(parked).unwrap(), 1_000);
    });
    assert_eq!(most.load(Ordering::SeqCst), 1, "works at a time");
}

fn tokio_to_shut_down() -> (tokio::runtime::Runtime, Tokio) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let handle = Tokio::new(runtime.handle().clone());
    (runtime, handle)
}

/// Those who wait on other runtimes carry on.
#[test]
fn a_runtime_is_shut_down_while_others_follow() {
    let engine = InProcess::new();
    let (runtime, tokio) = tokio_to_shut_down();
    let a = group(&engine, 600, 100);
    let b: Cluster<String, u64, _, _> =
        Cluster::builder("test", engine.clone(), tokio).lease(ms(600)).patience(ms(100)).build();
    let finish = Arc::new(AtomicBool::new(false));
    let leader = {
        let (a, work) = (a.clone(), until_told(&finish));
        thread::spawn(move || wait(a.run("key", work)))
    };
    until("it leads", || a.cluster_stats().led == 1);
    let follower = {
        let b = b.clone();
        thread::spawn(move || wait_timeout(b.run("key", |_| async { 2 }), Duration::from_secs(20)))
    };
    until("it follows", || b.cluster_stats().followed == 1);
    runtime.shutdown_background();
    finish.store(true, Ordering::SeqCst);
    assert!(matches!(follower.join().unwrap(), Some(Ok(_))), "it hangs");
    assert_eq!(leader.join().unwrap().unwrap(), 1);
}

/// And so do those who come later.
#[test]
fn a_runtime_was_shut_down_before_a_call() {
    let engine = Odd { is_slow: true, ..Odd::default() };
    let (runtime, tokio) = tokio_to_shut_down();
    let b: Cluster<String, u64, _, _> =
        Cluster::builder("test", engine, tokio).lease(ms(600)).patience(ms(100)).build();
    runtime.shutdown_background();
    let answer = wait_timeout(b.run("key", |_| async { 2 }), Duration::from_secs(20));
    assert!(matches!(answer, Some(Ok(2))), "{answer:?}");
}

/// Times without end are times like others.
#[test]
fn the_longest_times() {
    let engine = InProcess::new();
    let a: Flights = Cluster::builder("test", engine.clone(), Threads::new()).linger(Duration::MAX).build();
    assert_eq!(wait(a.run("lingers", |_| async { 1 })).unwrap(), 1);
    let a: Flights = Cluster::builder("test", engine.clone(), Threads::new()).lease(Duration::MAX).build();
    assert_eq!(wait(a.run("led", |_| async { 1 })).unwrap(), 1);
    let a: Flights =
        Cluster::builder("test", engine, Threads::new()).timeout(Duration::MAX).patience(Duration::MAX).build();
    assert_eq!(wait(a.run("patient", |_| async { 1 })).unwrap(), 1);
}

/// No patience at all: the engine's answer may be there at once.
#[test]
fn without_patience() {
    let engine = InProcess::new();
    let a = group(&engine, 3_000, 0);
    assert_eq!(wait(a.run("key", |_| async { 1 })).unwrap(), 1);
}

/// An answer that was lost is asked for again, within patience, and is no outage.
#[test]
fn an_answer_that_was_lost_is_asked_for_again() {
    let engine = Odd::default();
    let a = group(&engine, 20_000, 2_000);
    engine.lost_joins.store(1, Ordering::SeqCst);
    let (value, served) = wait(a.run("key", |_| async { 1 }).with_served());
    assert_eq!((value.unwrap(), served.trip.unwrap().place), (1, Place::Here));
    assert_eq!((a.cluster_stats().engine_down, a.cluster_stats().alone), (0, 0));
}

/// Whoever did not hear that it leads gives that up behind its own back.
#[test]
fn an_answer_that_was_lost_strands_nobody() {
    let engine = Odd::default();
    let (a, b) = (group(&engine, 20_000, 100), group(&engine, 20_000, 100));
    engine.lost_joins.store(2, Ordering::SeqCst);
    assert_eq!(wait(a.run("key", |_| async { 1 })).unwrap(), 1);
    let began = Instant::now();
    assert_eq!(wait(b.run("key", |_| async { 2 })).unwrap(), 2);
    assert!(began.elapsed() < Duration::from_secs(10), "nobody led, and it waited for {:?}", began.elapsed());
}

/// A runtime that counts tasks which unwind.
#[derive(Clone)]
struct Counting(Threads, Arc<AtomicUsize>);

impl Spawn for Counting {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
        let unwound = self.1.clone();
        self.0.spawn(async move {
            let task = std::panic::AssertUnwindSafe(task);
            if futures_lite::FutureExt::catch_unwind(task).await.is_err() {
                unwound.fetch_add(1, Ordering::SeqCst);
            }
        });
    }
}

impl Timer for Counting {
    type Sleep = <Threads as Timer>::Sleep;

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }
}

impl Clock for Counting {
    fn now(&self) -> Duration {
        self.0.now()
    }
}

/// A work that goes on for others, and panics, does not unwind into the user's executor.
#[test]
fn a_panic_stays_inside() {
    let engine = InProcess::new();
    let unwound = Arc::new(AtomicUsize::new(0));
    let runtime = Counting(Threads::new(), unwound.clone());
    let a: Cluster<String, u64, _, _> = Cluster::builder("test", engine.clone(), runtime).lease(ms(3_000)).build();
    let b = group(&engine, 3_000, 100);
    let panic = Arc::new(AtomicBool::new(false));
    let mut leader = {
        let panic = panic.clone();
        let work = |_| async move {
            while !panic.load(Ordering::SeqCst) {
                nap(2).await;
            }
            panic!("oh")
        };
        Box::pin(a.relay("key", work))
    };
    assert!(poll(leader.as_mut()).is_pending());
    let follower = {
        let b = b.clone();
        thread::spawn(move || wait(b.run("key", |_| async { 2 })))
    };
    until("it follows", || b.cluster_stats().followed == 1);
    drop(leader);
    until("it goes on", || a.cluster_stats().continued == 1);
    panic.store(true, Ordering::SeqCst);
    let error = follower.join().unwrap().unwrap_err();
    assert!(matches!(&error, Error::PanickedElsewhere(panic) if panic.message() == Some("oh")), "{error:?}");
    assert_eq!(unwound.load(Ordering::SeqCst), 0, "tasks that unwound");
}

/// A result that is on its way is not taken for a work that nobody drives.
#[test]
fn publishing_may_take_beats() {
    let engine = Odd::default();
    engine.publish_takes.store(700, Ordering::SeqCst);
    let (a, b) = (group(&engine, 900, 5_000), group(&engine, 900, 5_000));
    let leader = {
        let a = a.clone();
        thread::spawn(move || {
            wait(a.run("key", |_| async {
                nap(100).await;
                1
            }))
        })
    };
    until("it leads", || a.cluster_stats().led == 1);
    assert_eq!(wait(b.run("key", |_| async { 2 })).unwrap(), 1);
    assert_eq!(leader.join().unwrap().unwrap(), 1);
}

/// Wherever a caller is dropped: the next one does not wait for a lease to run out, or for its next look.
#[test]
fn a_caller_may_be_dropped_anywhere() {
    let engine = Odd { is_slow: true, ..Odd::default() };
    for polls in 0..12 {
        let a = group(&engine, 20_000, 1_000);
        let mut call = Box::pin(a.run("key", |_| async {
            nap(2_000).await;
            1
        }));
        for _ in 0..polls {
            assert!(poll(call.as_mut()).is_pending());
            sleep(ms(1));
        }
        drop(call);
        let began = Instant::now();
        assert_eq!(wait(group(&engine, 20_000, 1_000).run("key", |_| async { 2 })).unwrap(), 2);
        assert!(began.elapsed() < Duration::from_secs(3), "after {polls} polls: {:?}", began.elapsed());
    }
}

/// What the engine refuses for one key is no outage for others.
#[test]
fn a_poisoned_key_is_nobody_elses_trouble() {
    let engine = Odd::default();
    engine.poisons.store(true, Ordering::SeqCst);
    let (a, b) = (group(&engine, 3_000, 100), group(&engine, 3_000, 100));
    for at in 0..20 {
        assert_eq!(wait(a.run("bad", |_| async { 0 })).unwrap(), 0);
        let key = format!("good {at}");
        let Turn::Leader(leader) = wait(b.enter(&*key)).unwrap() else { panic!("nobody else leads") };
        let follower = {
            let (a, key) = (a.clone(), key.clone());
            thread::spawn(move || wait(a.run(&*key, |_| async { 1 })))
        };
        until("it follows", || a.cluster_stats().followed == at + 1);
        assert_eq!(wait(leader.complete(2)).unwrap(), 2);
        assert_eq!(follower.join().unwrap().unwrap(), 2, "call {at}");
    }
    assert_eq!((a.cluster_stats().alone, a.cluster_stats().engine_down), (20, 0));
}

/// Changes without a reason, one upon another, cost a moment each.
#[test]
fn changes_without_a_reason_do_not_spin() {
    let engine = Odd { is_noisy: true, ..Odd::default() };
    let (a, b) = (group(&engine, 3_000, 100), group(&engine, 3_000, 100));
    let finish = Arc::new(AtomicBool::new(false));
    let leader = {
        let (a, work) = (a.clone(), until_told(&finish));
        thread::spawn(move || wait(a.run("key", work)))
    };
    until("it leads", || a.cluster_stats().led == 1);
    let follower = {
        let b = b.clone();
        thread::spawn(move || wait(b.run("key", |_| async { 2 })))
    };
    until("it follows", || b.cluster_stats().followed == 1);
    let (before, began) = (engine.engine.operations(), Instant::now());
    // What is counted is what they do in a time.
    sleep(ms(500));
    let (operations, took) = (engine.engine.operations() - before, began.elapsed());
    finish.store(true, Ordering::SeqCst);
    assert_eq!((leader.join().unwrap().unwrap(), follower.join().unwrap().unwrap()), (1, 1));
    assert!(operations as f64 / took.as_secs_f64() < 800.0, "{operations} operations in {took:?}");
}

/// Nor do they keep a thread from its other tasks while a result is on its way.
#[test]
fn changes_without_a_reason_do_not_hold_up_a_thread() {
    let (done, ended) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let engine = Odd { is_noisy: true, ..Odd::default() };
        engine.publish_takes.store(100, Ordering::SeqCst);
        let a: Cluster<String, u32, _, _> = Cluster::new("test", engine, Tokio::new(runtime.handle().clone()));
        let answer = runtime.block_on(a.run("key", |_| async {
            tokio::task::yield_now().await;
            1
        }));
        let _ = done.send(answer.unwrap());
    });
    assert_eq!(ended.recv_timeout(Duration::from_secs(10)), Ok(1));
}

/// Whatever the engine does, nothing keeps it once everybody is gone.
#[test]
fn nothing_lives_on() {
    for outage in [None, Some(Outage::Silent), Some(Outage::Refuses), Some(Outage::Mute)] {
        let engine = Odd::default();
        let (a, b) = (group(&engine, 150, 100), group(&engine, 150, 100));
        let mut spawned = Box::pin(a.spawn("key", |_| async {
            nap(10_000).await;
            1
        }));
        assert!(poll(spawned.as_mut()).is_pending());
        until("it leads", || a.cluster_stats().led == 1);
        let mut relayed = Box::pin(b.relay("key", |_| async { 2 }));
        assert!(poll(relayed.as_mut()).is_pending());
        engine.engine.set_outage(outage);
        drop(spawned);
        drop(relayed);
        drop((a, b));
        until("tasks end", || Arc::strong_count(&engine.lost_joins) == 1);
        engine.engine.set_outage(None);
        until("what was kept expires", || engine.engine.is_empty());
    }
}

/// Also if the leader is stuck in its work.
#[test]
fn a_time_limit_is_told_by_whoever_renews() {
    let engine = InProcess::new();
    let a: Flights = Cluster::builder("test", engine.clone(), Threads::new()).lease(ms(600)).timeout(ms(300)).build();
    let b = group(&engine, 600, 100);
    let stuck = Arc::new(AtomicBool::new(true));
    let leader = {
        let (a, stuck) = (a.clone(), stuck.clone());
        let work = move |_| {
            while stuck.load(Ordering::SeqCst) {
                sleep(ms(2));
            }
            1
        };
        thread::spawn(move || a.run_blocking("key", work))
    };
    until("it leads", || a.cluster_stats().led == 1);
    let error = wait(b.run("key", |_| async { 2 })).unwrap_err();
    assert_eq!(error.flight(), Some(&coflight_core::Error::TimedOut));
    stuck.store(false, Ordering::SeqCst);
    assert_eq!(leader.join().unwrap().unwrap_err().flight(), Some(&coflight_core::Error::TimedOut));
}

/// All that is public, if its parts are.
#[test]
fn futures_are_send() {
    fn send<T: Send>(_: T) {}
    let a = group(&InProcess::new(), 600, 100);
    send(a.run("key", |_| async { 1 }));
    send(a.relay("key", |_| async { 1 }));
    send(a.spawn("key", |_| async { 1 }));
    send(a.enter("key"));
    send(a.cancel("key"));
    send(a.forget("key"));
}
