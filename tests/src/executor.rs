//! An executor made by hand in a few lines: what "no runtime at all" means in the matrix.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::task::{Context, Poll, Wake, Waker};

type Future = Pin<Box<dyn std::future::Future<Output = ()> + Send>>;

/// Polls everything on the one thread that calls [`block_on`](Self::block_on).
#[derive(Clone, Default)]
pub struct HandExecutor {
    ready: Arc<Ready>,
}

#[derive(Default)]
struct Ready {
    queue: Mutex<Queue>,
    filled: Condvar,
}

#[derive(Default)]
struct Queue {
    tasks: VecDeque<Arc<Job>>,
    main: bool,
}

struct Job {
    future: Mutex<Option<Future>>,
    ready: Weak<Ready>,
}

impl Wake for Job {
    fn wake(self: Arc<Self>) {
        if let Some(ready) = self.ready.upgrade() {
            ready.queue.lock().unwrap().tasks.push_back(self);
            ready.filled.notify_one();
        }
    }
}

struct Main(Weak<Ready>);

impl Wake for Main {
    fn wake(self: Arc<Self>) {
        if let Some(ready) = self.0.upgrade() {
            ready.queue.lock().unwrap().main = true;
            ready.filled.notify_one();
        }
    }
}

impl HandExecutor {
    /// Adds a task, which runs when and where [`block_on`](Self::block_on) does.
    pub fn spawn(&self, task: impl std::future::Future<Output = ()> + Send + 'static) {
        let job = Job { future: Mutex::new(Some(Box::pin(task))), ready: Arc::downgrade(&self.ready) };
        Arc::new(job).wake();
    }

    /// Runs `main` and all tasks until `main` is ready.
    pub fn block_on<T>(&self, main: impl std::future::Future<Output = T>) -> T {
        let mut main = pin!(main);
        let waker = Waker::from(Arc::new(Main(Arc::downgrade(&self.ready))));
        self.ready.queue.lock().unwrap().main = true;
        loop {
            let (poll_main, task) = self.next();
            if poll_main {
                if let Poll::Ready(output) = main.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return output;
                }
            }
            if let Some(job) = task {
                run(&job);
            }
        }
    }

    /// Drops the tasks that are ready. Those that wait belong to who will wake them.
    pub fn shut_down(&self) {
        let left = std::mem::take(&mut self.ready.queue.lock().unwrap().tasks);
        for job in left {
            let future = job.future.lock().unwrap().take();
            drop(future);
        }
    }

    fn next(&self) -> (bool, Option<Arc<Job>>) {
        let mut queue = self.ready.queue.lock().unwrap();
        loop {
            let (main, task) = (std::mem::take(&mut queue.main), queue.tasks.pop_front());
            if main || task.is_some() {
                return (main, task);
            }
            queue = self.ready.filled.wait(queue).unwrap();
        }
    }
}

fn run(job: &Arc<Job>) {
    let waker = Waker::from(Arc::clone(job));
    let mut place = job.future.lock().unwrap();
    if let Some(mut future) = place.take() {
        if future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            *place = Some(future);
        }
    }
}
