//! The real group, on a scheduler of one thread that polls only what it is told to, in time that only it moves.

use std::any::Any;
use std::future::Future;
use std::hash::{BuildHasher, Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use coflight::{
    Call, Clock, Entry, Error, Event, Group, Leader, OnFailure, Role, Served, Spawn, Timer, TryError, TryGroup, Turn,
    Verb,
};
use coflight_tests::{VirtualSleep, VirtualTime};

use crate::model::{Answer, Id, Why};
use crate::program::{End, Request, Setup};

type Value = Result<Id, Arc<Id>>;
type Flights = TryGroup<Key, Id, Id, Bench, Colliding>;

pub struct System {
    pub group: Flights,
    pub time: VirtualTime,
    tasks: Tasks,
    pub calls: Vec<Caller>,
    pub events: Arc<Mutex<Vec<Seen>>>,
    pub answers: Vec<(Id, Answer, Option<Role>)>,
    keys: Arc<()>,
}

/// A caller's future, or what the leader of an `enter` holds.
#[derive(Default)]
pub struct Caller {
    future: Option<Pin<Box<dyn Future<Output = Outcome>>>>,
    pub leader: Option<Leader<Key, Value, Bench, Colliding>>,
    pub work: Arc<Work>,
    told: bool,
    /// By the waker of its last poll.
    woken: Arc<Woken>,
}

enum Outcome {
    Plain(Result<Value, Error>, Served),
    Fallible(Result<Id, TryError<Id>>, Served),
    Turn(Result<Turn<Key, Value, Bench, Colliding>, Error>, Option<Served>),
}

/// An event, but for its flight's number as the group gave it.
pub struct Seen {
    pub number: Option<u64>,
    pub event: crate::model::Event,
}

impl System {
    pub fn new(setup: &Setup) -> Self {
        let (time, tasks, events) = (VirtualTime::new(), Tasks::default(), Arc::default());
        let group = group(setup, Bench { time: time.clone(), tasks: tasks.clone() }, &events);
        Self { group, time, tasks, calls: Vec::new(), events, answers: Vec::new(), keys: Arc::default() }
    }

    pub fn key(&self, key: u8) -> Key {
        Key(key, Arc::clone(&self.keys))
    }

    /// How many keys there are, and so callers and flights.
    pub fn keys(&self) -> usize {
        Arc::strong_count(&self.keys) - 1
    }

    pub fn ask(&mut self, request: Request) -> Result<(), String> {
        let id = self.calls.len();
        let work = Arc::new(Work { id, end: Mutex::new(request.ready), ..Work::default() });
        let call = call(self.group.clone(), self.key(request.key), request, Arc::clone(&work));
        self.calls.push(Caller { future: Some(call), work, ..Caller::default() });
        if request.verb == Verb::Enter {
            self.poll(id)?;
        }
        // Nobody has polled it yet.
        self.calls[id].woken = Arc::default();
        Ok(())
    }

    pub fn is_woken(&self, id: Id) -> bool {
        self.calls[id].woken.is()
    }

    pub fn poll(&mut self, id: Id) -> Result<(), String> {
        let caller = &mut self.calls[id];
        // A new one each time: only the last waker counts.
        caller.woken = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&caller.woken));
        let cx = &mut Context::from_waker(&waker);
        if let Some(leader) = &mut caller.leader {
            if std::pin::pin!(leader.cancelled()).poll(cx).is_ready() && !std::mem::replace(&mut caller.told, true) {
                self.answers.push((id, Answer::Told, None));
            }
            return Ok(());
        }
        let Some(mut future) = caller.future.take() else { return Ok(()) };
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => caller.future = Some(future),
            Ok(Poll::Ready(outcome)) => {
                drop(future);
                self.answered(id, outcome);
            }
            Err(payload) => {
                drop(future);
                let of = whose(&*payload).ok_or_else(|| format!("call {id} panicked: {:?}", text(&*payload)))?;
                self.answers.push((id, Answer::Unwound(of), None));
            }
        }
        Ok(())
    }

    fn answered(&mut self, id: Id, outcome: Outcome) {
        let (answer, role) = match outcome {
            Outcome::Plain(result, served) => (answer(result, Some(served)), Some(served.role)),
            Outcome::Fallible(result, served) => (fallible(result, Some(served)), Some(served.role)),
            Outcome::Turn(Ok(Turn::Leader(leader)), served) => {
                let role = leader.role();
                assert!(served.is_none_or(|served| served.role == role), "a leader and its future do not agree");
                self.calls[id].leader = Some(leader);
                self.calls[id].woken = Arc::default();
                (Answer::Leads, Some(role))
            }
            Outcome::Turn(Ok(Turn::Value(value)), served) => {
                (answer(Ok(value), served), served.map(|served| served.role))
            }
            Outcome::Turn(Err(error), served) => (answer(Err(error), served), served.map(|served| served.role)),
        };
        self.answers.push((id, answer, role));
    }

    pub fn leave(&mut self, id: Id) {
        self.calls[id].future = None;
        self.calls[id].leader = None;
    }

    pub fn bring(&mut self, id: Id, end: End, by_try: bool) {
        let Some(leader) = self.calls[id].leader.take() else { return };
        let value = if end == End::Value { Ok(id) } else { Err(id) };
        let answer = match end {
            End::Panic => {
                let panicked = catch_unwind(AssertUnwindSafe(move || {
                    let _leader = leader;
                    resume_unwind(Box::new(()));
                }));
                return drop(panicked);
            }
            _ if by_try => fallible(leader.try_complete(value), None),
            _ => answer(leader.complete(value.map_err(Arc::new)), None),
        };
        self.answers.push((id, answer, None));
    }

    pub fn release(&mut self, id: Id) {
        let Some(leader) = self.calls[id].leader.take() else { return };
        let answer = leader.release().map_or_else(|error| Answer::Error(why(&error)), |()| Answer::Released);
        self.answers.push((id, answer, None));
    }

    pub fn tasks(&self) -> usize {
        self.tasks.lock().unwrap().len()
    }

    pub fn task_is_finished(&self, task: usize) -> bool {
        self.tasks.lock().unwrap()[task].future.is_none()
    }

    pub fn task_is_woken(&self, task: usize) -> bool {
        self.tasks.lock().unwrap()[task].woken.is()
    }

    pub fn poll_task(&mut self, task: usize) {
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&woken));
        let future = {
            let task = &mut self.tasks.lock().unwrap()[task];
            task.woken = woken;
            task.future.take()
        };
        let Some(mut future) = future else { return };
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            self.tasks.lock().unwrap()[task].future = Some(future);
        }
    }

    pub fn drop_task(&mut self, task: usize) {
        let future = self.tasks.lock().unwrap()[task].future.take();
        drop(future);
    }
}

fn group(setup: &Setup, bench: Bench, events: &Arc<Mutex<Vec<Seen>>>) -> Flights {
    let mut group = Group::builder().runtime(bench).hasher(Colliding).shards(2).detach(setup.detach);
    let limits = &setup.limits;
    if let Some(limit) = limits.timeout {
        group = group.timeout(ticks(limit));
    }
    if let Some(limit) = limits.overtake_after {
        group = group.overtake_after(ticks(limit));
    }
    if let Some(limit) = limits.wait_timeout {
        group = group.wait_timeout(ticks(limit));
    }
    if let Some(limit) = limits.join_within {
        group = group.join_within(ticks(limit));
    }
    if let Some(limit) = limits.linger {
        group = group.linger(ticks(limit));
    }
    if let Some(limit) = limits.max_flights {
        group = group.max_flights(limit as usize);
    }
    if let Some(limit) = limits.max_callers {
        group = group.max_callers(limit as usize);
    }
    if setup.timed {
        group = group.timed();
    }
    if setup.judged {
        group = group.failed_if(Result::is_err);
    }
    if setup.linger_failures {
        group = group.linger_failures(true);
    }
    if setup.retries > 0 {
        group = group.on_failure(OnFailure::Retry { limit: setup.retries });
    }
    if setup.observed {
        let events = Arc::clone(events);
        group = group.observer(move |event: &Event<'_, Key>| events.lock().unwrap().push(seen(event)));
    }
    group.build()
}

fn seen(event: &Event<'_, Key>) -> Seen {
    Seen {
        number: event.flight(),
        event: crate::model::Event {
            flight: None,
            kind: event.kind().name(),
            key: event.key().0,
            verb: event.verb().map_or("", Verb::name),
            elapsed: event.elapsed().map(in_ticks),
            tag: event.metadata().copied(),
            leader: event.leader().copied(),
        },
    }
}

/// The call of a request, by its verb. That of an `enter` asks when it is polled first, follows from the second poll on, and is ready when it leads.
fn call(group: Flights, key: Key, request: Request, work: Arc<Work>) -> Pin<Box<dyn Future<Output = Outcome>>> {
    let id = work.id;
    let start = move || Work::start(&work);
    let plain = |work: Running| async move { work.await.map_err(Arc::new) };
    Box::pin(async move {
        let call = with_options(&group, &request, id);
        match (request.verb, request.fallible) {
            (Verb::Relay, false) => {
                let (result, served) = call.relay(&key, move || plain(start())).with_served().await;
                Outcome::Plain(result, served)
            }
            (Verb::Relay, true) => {
                let (result, served) = call.try_relay(&key, start).with_served().await;
                Outcome::Fallible(result, served)
            }
            (Verb::Spawn, false) => {
                let (result, served) = call.spawn(&key, move || plain(start())).with_served().await;
                Outcome::Plain(result, served)
            }
            (Verb::Spawn, true) => {
                let (result, served) = call.try_spawn(&key, start).with_served().await;
                Outcome::Fallible(result, served)
            }
            (Verb::Enter, _) => match call.enter(&key) {
                Entry::Leader(leader) => Outcome::Turn(Ok(Turn::Leader(leader)), None),
                Entry::Follower(follower) => {
                    coflight_tests::yield_now().await;
                    let (turn, served) = follower.with_served().await;
                    Outcome::Turn(turn, Some(served))
                }
            },
            (_, false) => {
                let (result, served) = call.run(&key, move || plain(start())).with_served().await;
                Outcome::Plain(result, served)
            }
            (_, true) => {
                let (result, served) = call.try_run(&key, start).with_served().await;
                Outcome::Fallible(result, served)
            }
        }
    })
}

fn with_options<'g>(group: &'g Flights, request: &Request, id: Id) -> Call<'g, Key, Value, Bench, Colliding> {
    let mut call = group.call();
    let limits = &request.limits;
    if let Some(limit) = limits.timeout {
        call = call.timeout(limit.map(ticks));
    }
    if let Some(limit) = limits.overtake_after {
        call = call.overtake_after(limit.map(ticks));
    }
    if let Some(limit) = limits.wait_timeout {
        call = call.wait_timeout(limit.map(ticks));
    }
    if let Some(limit) = limits.join_within {
        call = call.join_within(limit.map(ticks));
    }
    if let Some(limit) = limits.linger {
        call = call.linger(limit.map(ticks));
    }
    if let Some(limit) = limits.max_flights {
        call = call.max_flights(limit.map(|limit| limit as usize));
    }
    if let Some(limit) = limits.max_callers {
        call = call.max_callers(limit.map(|limit| limit as usize));
    }
    if let Some(detach) = request.detach {
        call = call.detach(detach);
    }
    if request.tagged {
        call = call.metadata(id);
    }
    call
}

fn answer(result: Result<Value, Error>, served: Option<Served>) -> Answer {
    let shared = served.map(|served| served.callers);
    match result {
        Ok(Ok(of)) => Answer::Value(of, shared),
        Ok(Err(of)) => Answer::Failure(*of, shared),
        Err(error) => Answer::Error(why(&error)),
    }
}

fn fallible(result: Result<Id, TryError<Id>>, served: Option<Served>) -> Answer {
    answer(
        match result {
            Ok(of) => Ok(Ok(of)),
            Err(TryError::Work(of)) => Ok(Err(of)),
            Err(TryError::Flight(error)) => Err(error),
            Err(other) => unreachable!("{other:?}"),
        },
        served,
    )
}

fn why(error: &Error) -> Why {
    match error {
        Error::Full => Why::Full,
        Error::Cancelled => Why::Cancelled,
        Error::TimedOut => Why::TimedOut,
        Error::WaitTimedOut => Why::WaitTimedOut,
        Error::Shutdown => Why::Shutdown,
        Error::Panicked(panic) => Why::Panicked(panic.message().and_then(|of| of.parse().ok())),
        other => unreachable!("{other:?}"),
    }
}

/// Whose work unwound with this.
fn whose(payload: &(dyn Any + Send)) -> Option<Id> {
    text(payload)?.parse().ok()
}

fn text(payload: &(dyn Any + Send)) -> Option<String> {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref().cloned())
}

pub fn ticks(ticks: u32) -> Duration {
    Duration::from_secs(ticks.into())
}

pub fn in_ticks(time: Duration) -> u32 {
    time.as_secs() as u32
}

/// A caller's work, as the program sees it.
#[derive(Default)]
pub struct Work {
    id: Id,
    called: AtomicUsize,
    alive: AtomicBool,
    end: Mutex<Option<End>>,
    waker: Mutex<Option<Waker>>,
}

struct Running(Arc<Work>);

impl Work {
    fn start(work: &Arc<Self>) -> Running {
        work.called.fetch_add(1, Ordering::Relaxed);
        work.alive.store(true, Ordering::Relaxed);
        Running(Arc::clone(work))
    }

    /// How often it was called, and whether it exists.
    pub fn state(&self) -> (usize, bool) {
        (self.called.load(Ordering::Relaxed), self.alive.load(Ordering::Relaxed))
    }

    pub fn finish(&self, end: End) {
        *self.end.lock().unwrap() = Some(end);
        let waker = self.waker.lock().unwrap().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Future for Running {
    type Output = Result<Id, Id>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let work = &*self.0;
        let end = *work.end.lock().unwrap();
        match end {
            Some(End::Value) => Poll::Ready(Ok(work.id)),
            Some(End::Failure) => Poll::Ready(Err(work.id)),
            // Without the hook, which prints.
            Some(End::Panic) => resume_unwind(Box::new(work.id.to_string())),
            None => {
                let last = work.waker.lock().unwrap().replace(cx.waker().clone());
                drop(last);
                Poll::Pending
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.alive.store(false, Ordering::Relaxed);
        let waker = self.0.waker.lock().unwrap().take();
        drop(waker);
    }
}

/// Whether somebody was woken since its last poll, or not polled at all.
struct Woken(AtomicBool);

impl Woken {
    fn is(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Default for Woken {
    fn default() -> Self {
        Self(AtomicBool::new(true))
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

type Tasks = Arc<Mutex<Vec<Task>>>;

struct Task {
    future: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    woken: Arc<Woken>,
}

/// A runtime that polls a task when it is told to.
#[derive(Clone)]
pub struct Bench {
    time: VirtualTime,
    tasks: Tasks,
}

impl Spawn for Bench {
    fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.lock().unwrap().push(Task { future: Some(Box::pin(task)), woken: Arc::default() });
    }
}

impl Timer for Bench {
    type Sleep = VirtualSleep;

    fn sleep(&self, duration: Duration) -> VirtualSleep {
        self.time.sleep(duration)
    }
}

impl Clock for Bench {
    fn now(&self) -> Duration {
        self.time.now()
    }
}

/// A key that tells how many of it there are.
#[derive(Clone, Debug)]
pub struct Key(pub u8, #[expect(dead_code, reason = "counted")] Arc<()>);

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u8(self.0);
    }
}

/// The first two keys have the same hash.
#[derive(Clone, Copy)]
pub struct Colliding;

pub struct Half(u64);

impl BuildHasher for Colliding {
    type Hasher = Half;

    fn build_hasher(&self) -> Half {
        Half(0)
    }
}

impl Hasher for Half {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = u64::from(bytes[0] / 2);
    }
}
