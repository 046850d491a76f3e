//! Works and crowds that these tests share.

use std::sync::Arc;

use coflight::{DefaultHashBuilder, Entry, Error, Leader, Role, Turn};
use coflight_tests::works::{Witness, at_once, behind};
use coflight_tests::*;

/// Counts executions, and those that are not over.
#[derive(Clone, Default)]
pub(crate) struct Runs(Witness);

impl Runs {
    /// Executions so far.
    pub(crate) fn count(&self) -> usize {
        self.0.begun()
    }

    /// Executions that have begun and are neither finished nor dropped.
    pub(crate) fn live(&self) -> usize {
        // In this order: none is gone that is not begun.
        let gone = self.0.gone();
        self.0.begun() - gone
    }

    /// A work that counts itself when called and then does this.
    pub(crate) fn doing<V, Fut>(&self, work: impl FnOnce() -> Fut + Send + 'static) -> Work<V>
    where
        V: Send + 'static,
        Fut: Future<Output = V> + Send + 'static,
    {
        self.0.watch(value(work))
    }

    /// A work that counts itself when called and then waits for the gate.
    pub(crate) fn work<V: Send + 'static>(&self, gate: &Gate, result: V) -> Work<V> {
        self.0.watch(behind(gate, result))
    }

    /// A work that counts itself and is ready at once.
    pub(crate) fn now<V: Send + 'static>(&self, result: V) -> Work<V> {
        self.0.watch(at_once(result))
    }

    /// A closure for a thread, counting itself.
    pub(crate) fn closure<V>(&self, result: V) -> impl FnOnce() -> V + use<V> {
        let witness = self.0.clone();
        move || {
            let _sign = witness.sign();
            result
        }
    }
}

/// An error that cannot be cloned.
#[derive(Debug, PartialEq)]
pub(crate) struct Broken(pub(crate) &'static str);

/// What a work produces when it may fail: the error shared as it is.
pub(crate) type Fallible = Result<u32, Arc<Broken>>;

/// What a caller learns: the result, its role, and how many shared the flight.
pub(crate) type Account<V> = (Result<V, Error>, Role, usize);

/// [`ask`], for a caller who also wants to know how it was served.
pub(crate) async fn ask_served<V>(verb: Verb, flights: Flights<V>, key: &str, work: Work<V>) -> Account<V>
where
    V: Clone + Send + Sync + 'static,
{
    let (result, served) = match verb {
        Verb::Run => flights.run(key, work).with_served().await,
        Verb::Relay => flights.relay(key, work).with_served().await,
        Verb::Spawn => flights.spawn(key, work).with_served().await,
        Verb::Enter => {
            let leader = match flights.enter(key) {
                Entry::Leader(leader) => leader,
                Entry::Follower(follower) => match follower.with_served().await {
                    (Ok(Turn::Value(value)), served) => return (Ok(value), served.role, served.callers),
                    (Ok(Turn::Leader(leader)), _) => leader,
                    (Err(error), served) => return (Err(error), served.role, served.callers),
                },
            };
            let result = work().await;
            let (role, callers) = (leader.role(), leader.callers());
            return (leader.complete(result), role, callers);
        }
    };
    (result, served.role, served.callers)
}

/// Starts `count` callers of `key`, each with a work from `work`; returns when all have asked.
pub(crate) async fn crowd<V: Clone + Send + Sync + 'static>(
    lab: &Lab,
    verb: Verb,
    flights: &Flights<V>,
    key: &str,
    count: usize,
    mut work: impl FnMut() -> Work<V>,
) -> Vec<Task<Result<V, Error>>> {
    let all = Latch::new(count);
    let callers =
        (0..count).map(|_| lab.start(asked(ask(verb, flights.clone(), key.to_owned(), work()), &all))).collect();
    all.wait().await;
    callers
}

/// One who leads by hand, so that others can be seen to come aboard.
pub(crate) type HandLeader<V> = Leader<String, V, AnyRuntime, DefaultHashBuilder>;

/// Leads `key` by hand.
#[track_caller]
pub(crate) fn lead<V: Clone>(flights: &Flights<V>, key: &str) -> HandLeader<V> {
    match flights.enter(key) {
        Entry::Leader(leader) => leader,
        Entry::Follower(_) => panic!("somebody else leads"),
    }
}

/// Starts `count` threads, each of which makes a call for the flight of `leader`; returns when all are aboard.
pub(crate) async fn thread_crowd<V, T: Send + 'static, C: FnOnce() -> T + Send + 'static>(
    lab: &Lab,
    leader: &HandLeader<V>,
    count: usize,
    mut call: impl FnMut() -> C,
) -> Vec<Task<T>> {
    let aboard = leader.callers();
    let threads = (0..count).map(|_| lab.thread(call())).collect();
    lab.until(|| leader.callers() == aboard + count).await;
    threads
}

/// A call by a thread.
pub(crate) fn blocking<V, W>(
    flights: &Flights<V>,
    key: &str,
    work: W,
) -> impl FnOnce() -> Result<V, Error> + Send + 'static + use<V, W>
where
    V: Clone + Send + Sync + 'static,
    W: FnOnce() -> V + Send + 'static,
{
    let (flights, key) = (flights.clone(), key.to_owned());
    move || flights.run_blocking(&key, work)
}

/// The work of a thread that must follow.
pub(crate) fn never<V>() -> V {
    panic!("a follower's work is called")
}

/// The results of callers, all of whom returned.
pub(crate) async fn results<T>(callers: Vec<Task<T>>) -> Vec<T> {
    let mut results = Vec::with_capacity(callers.len());
    for caller in callers {
        results.push(caller.await.returned());
    }
    results
}

/// A small generator of numbers that look random, the same for every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
