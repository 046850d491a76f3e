//! An executor that coflight has never heard of, and the page of code that makes it a runtime for coflight's groups.
//!
//! `main` and the adapter come first; the executor below them is a small but complete one, with nothing but `std`.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use coflight::{Clock, Group, Spawn, Timer};

const CALLERS: usize = 100;

fn main() {
    let executor = Executor::start(2);
    share_one_flight(&executor, "spawn");
    share_one_flight(&executor, "relay");
}

/// Has a hundred callers ask for one key, each in a task of its own.
fn share_one_flight(executor: &Executor, verb: &'static str) {
    let runtime = Own { handle: executor.handle() };
    let flights: Group<String, usize, Own> = Group::with_runtime(runtime.clone());
    let executions = Arc::new(AtomicUsize::new(0));
    let (sender, answers) = mpsc::channel();
    for _ in 0..CALLERS {
        let (flights, executions, sender, timer) =
            (flights.clone(), Arc::clone(&executions), sender.clone(), runtime.clone());
        runtime.spawn(async move {
            let work = || async move {
                executions.fetch_add(1, Ordering::Relaxed);
                timer.sleep(Duration::from_millis(50)).await;
                42
            };
            let answer = match verb {
                "spawn" => flights.spawn("answer", work).await,
                _ => flights.relay("answer", work).await,
            };
            let _ = sender.send(answer); // only if `main` has given up
        });
    }
    drop(sender);
    let right = answers.iter().filter(|answer| *answer == Ok(42)).count();
    println!("{verb}: {right} of {CALLERS} callers got the answer, executions: {}", executions.load(Ordering::Relaxed));
}

// The adapter: a handle, and three traits of one method each.

/// A runtime for coflight's groups.
#[derive(Clone)]
struct Own {
    handle: Arc<Shared>,
}

impl Spawn for Own {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
        Task::start(&self.handle, task);
    }
}

impl Timer for Own {
    type Sleep = Sleep;

    fn sleep(&self, duration: Duration) -> Sleep {
        Sleep::new(&self.handle, duration)
    }
}

impl Clock for Own {
    fn now(&self) -> Duration {
        self.handle.origin.elapsed()
    }
}

// The executor: worker threads that poll what is ready, and one thread that knows when sleepers are due.

/// Runs tasks until it is dropped.
struct Executor {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    origin: Instant,
    state: Mutex<State>,
    ready_changed: Condvar,
    sleepers_changed: Condvar,
}

#[derive(Default)]
struct State {
    stopped: bool,
    ready: VecDeque<Arc<Task>>,
    /// All that are not finished, by number.
    tasks: BTreeMap<u64, Arc<Task>>,
    /// By the time they are due, and a number, because two may be due at once.
    sleepers: BTreeMap<(Instant, u64), Waker>,
    next_number: u64,
}

impl State {
    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }
}

impl Executor {
    fn start(workers: usize) -> Self {
        let shared = Arc::new(Shared {
            origin: Instant::now(),
            state: Mutex::default(),
            ready_changed: Condvar::new(),
            sleepers_changed: Condvar::new(),
        });
        let thread = |body: fn(&Shared)| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || body(&shared))
        };
        let mut threads: Vec<_> = (0..workers).map(|_| thread(Shared::run_tasks)).collect();
        threads.push(thread(Shared::wake_sleepers));
        Self { shared, threads }
    }

    fn handle(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }
}

impl Drop for Executor {
    /// Drops all tasks, here and now. Were they left to whoever drops their last waker, that could happen in the middle of that
    /// waker's `wake`, which not everybody who wakes is prepared for.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.stopped = true;
        let left = (std::mem::take(&mut state.ready), std::mem::take(&mut state.sleepers));
        let tasks = std::mem::take(&mut state.tasks);
        drop(state);
        self.shared.ready_changed.notify_all();
        self.shared.sleepers_changed.notify_all();
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
        tasks.into_values().for_each(|task| task.finish()); // not under the lock: a task may hold anything
        drop(left);
    }
}

impl Shared {
    fn run_tasks(&self) {
        let mut state = self.lock();
        while !state.stopped {
            state = match state.ready.pop_front() {
                Some(task) => {
                    drop(state);
                    task.poll();
                    self.lock()
                }
                None => self.ready_changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn wake_sleepers(&self) {
        let mut state = self.lock();
        while !state.stopped {
            let due =
                state.sleepers.first_key_value().map(|(&(due, _), _)| due.saturating_duration_since(Instant::now()));
            state = match due {
                Some(Duration::ZERO) => {
                    let sleeper = state.sleepers.pop_first();
                    drop(state);
                    sleeper.into_iter().for_each(|(_, waker)| waker.wake());
                    self.lock()
                }
                Some(due) => self.sleepers_changed.wait_timeout(state, due).unwrap_or_else(PoisonError::into_inner).0,
                None => self.sleepers_changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Task {
    number: u64,
    /// Gone once it is finished.
    future: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    /// Whether it is in the queue, so that it is there once, however often it is woken.
    queued: AtomicBool,
    shared: Arc<Shared>,
}

impl Task {
    fn start(shared: &Arc<Shared>, future: impl Future<Output = ()> + Send + 'static) {
        let mut state = shared.lock();
        if state.stopped {
            drop(state); // the future may hold anything, and is dropped after this
            return;
        }
        let number = state.number();
        let future = Mutex::new(Some(Box::pin(future) as _));
        let task = Arc::new(Self { number, future, queued: AtomicBool::new(false), shared: Arc::clone(shared) });
        state.tasks.insert(number, Arc::clone(&task));
        drop(state);
        task.wake();
    }

    fn poll(self: Arc<Self>) {
        // Before the poll: a wake during it must queue the task again. Whoever polls it then waits for this lock.
        self.queued.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&self));
        let mut future = self.future.lock().unwrap_or_else(PoisonError::into_inner);
        let poll = |running: &mut Pin<Box<dyn Future<Output = ()> + Send>>| {
            let mut cx = Context::from_waker(&waker);
            catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(&mut cx)))
        };
        // A task that panics is finished, too; its worker goes on.
        if let Some(Ok(Poll::Ready(())) | Err(_)) = future.as_mut().map(poll) {
            drop(future);
            self.shared.lock().tasks.remove(&self.number);
            self.finish();
        }
    }

    fn finish(&self) {
        let future = self.future.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(future); // not under the lock: it may wake its own task
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if self.queued.swap(true, Ordering::SeqCst) {
            return;
        }
        let mut state = self.shared.lock();
        if state.stopped {
            return;
        }
        state.ready.push_back(Arc::clone(&self));
        drop(state);
        self.shared.ready_changed.notify_one();
    }
}

/// Ready when it is due.
struct Sleep {
    shared: Arc<Shared>,
    /// `None`: further away than the clock can tell.
    due: Option<Instant>,
    /// Its place among the sleepers.
    place: Option<(Instant, u64)>,
}

impl Sleep {
    fn new(shared: &Arc<Shared>, duration: Duration) -> Self {
        Self { shared: Arc::clone(shared), due: Instant::now().checked_add(duration), place: None }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.due else {
            return Poll::Pending;
        };
        if due <= Instant::now() {
            return Poll::Ready(());
        }
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        if state.stopped {
            return Poll::Pending; // nobody will ever wake it
        }
        let place = *self.place.get_or_insert_with(|| (due, state.number()));
        let replaced = state.sleepers.insert(place, cx.waker().clone());
        drop(state);
        drop(replaced); // a waker may be the last owner of a task
        shared.sleepers_changed.notify_one();
        Poll::Pending
    }
}

impl Drop for Sleep {
    /// Nothing is left behind.
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let waker = self.shared.lock().sleepers.remove(&place);
            drop(waker); // after the lock is released
        }
    }
}
