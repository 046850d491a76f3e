//! The real group, on a scheduler of one thread that polls only what it is told to, in time that only it moves.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use coflight::{Clock, Event, Leader, Role, Spawn, Timer, Turn, Verb};

use super::answers::{answer, fallible, text, whose, why};
use super::asking::{self, Flights, Value};
use super::key::{Colliding, Key};
use super::program::{End, Request, Setup};
use super::reference::{Answer, Id};
use crate::{VirtualSleep, VirtualTime};

type Outcome = asking::Outcome<Bench>;

/// As long as the model's.
const TICK: Duration = Duration::from_secs(1);

pub struct System {
    pub group: Flights<Bench>,
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
    future: Option<Pin<Box<dyn Future<Output = Outcome> + Send>>>,
    pub leader: Option<Leader<Key, Value, Bench, Colliding>>,
    pub work: Arc<Work>,
    told: bool,
    /// By the waker of its last poll.
    woken: Arc<Woken>,
}

impl Caller {
    /// Whether it is on its way, or leads by `enter`.
    pub fn is_waiting(&self) -> bool {
        self.future.is_some() || self.leader.is_some()
    }
}

/// An event, but for its flight's number as the group gave it.
pub struct Seen {
    pub number: Option<u64>,
    pub event: super::reference::Event,
}

impl System {
    pub fn new(setup: &Setup) -> Self {
        let (time, tasks, events) = (VirtualTime::new(), Tasks::default(), Arc::default());
        let bench = Bench { time: time.clone(), tasks: tasks.clone() };
        let mut group = asking::builder(setup, bench, TICK);
        if setup.observed {
            let events: Arc<Mutex<Vec<Seen>>> = Arc::clone(&events);
            group = group.observer(move |event: &Event<'_, Key>| events.lock().unwrap().push(seen(event)));
        }
        let group = group.build();
        Self { group, time, tasks, calls: Vec::new(), events, answers: Vec::new(), keys: Arc::default() }
    }

    pub fn key(&self, key: u8) -> Key {
        Key::new(key, &self.keys)
    }

    /// How many keys there are, and so callers and flights.
    pub fn keys(&self) -> usize {
        Arc::strong_count(&self.keys) - 1
    }

    pub fn ask(&mut self, request: Request) -> Result<(), String> {
        let id = self.calls.len();
        let work = Arc::new(Work { id, end: Mutex::new(request.ready), ..Work::default() });
        let start = Arc::clone(&work);
        let key = self.key(request.key);
        let call = asking::call(self.group.clone(), key, request, (id, TICK), move || Work::start(&start));
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

    /// Whether a task is there to be polled, and was woken.
    pub fn can_go_on(&self, task: usize) -> bool {
        !self.task_is_finished(task) && self.task_is_woken(task)
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

fn seen(event: &Event<'_, Key>) -> Seen {
    Seen {
        number: event.flight(),
        event: super::reference::Event {
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

pub fn ticks(ticks: u32) -> Duration {
    TICK * ticks
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
