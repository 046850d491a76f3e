//! Where callers run.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use coflight::{AsyncStd, Builder, Smol, Threads, Tokio};
use futures_util::FutureExt;
use futures_util::future::{AbortHandle, Abortable};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::executor::HandExecutor;
use crate::late;
use crate::runtime::AnyRuntime;
use crate::time::VirtualTime;
use crate::watch::with_deadline;
use crate::{Flights, Verb};

/// A column of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// tokio with two workers.
    TokioMulti,
    /// tokio on one thread.
    TokioCurrent,
    /// smol's global executor.
    Smol,
    /// async-std.
    AsyncStd,
    /// A thread for each caller.
    Threads,
    /// An executor made by hand, on one thread.
    Nothing,
    /// Callers of tokio, smol, async-std and threads, by turns.
    Mixed,
}

/// What a test body gets: the runtime it runs on, and places for its callers.
#[derive(Clone)]
pub struct Lab {
    on: On,
    tokio: Option<Handle>,
    hand: HandExecutor,
    next: Arc<AtomicUsize>,
    time: VirtualTime,
    threads: Started,
}

impl On {
    /// Runs `body` here, within the deadline.
    pub fn run<F>(self, name: &'static str, body: fn(Lab) -> F)
    where
        F: Future<Output = ()> + 'static,
    {
        with_deadline(name, move || {
            let threads = Started::default();
            let lab = Lab {
                on: self,
                tokio: None,
                hand: HandExecutor::default(),
                next: Arc::default(),
                time: VirtualTime::new(),
                threads: threads.clone(),
            };
            match self {
                Self::TokioMulti | Self::Mixed => {
                    lab.on_tokio(tokio::runtime::Builder::new_multi_thread().worker_threads(2), body)
                }
                Self::TokioCurrent => lab.on_tokio(&mut tokio::runtime::Builder::new_current_thread(), body),
                Self::Smol => smol::block_on(body(lab)),
                Self::AsyncStd => async_std::task::block_on(body(lab)),
                Self::Threads => futures_lite::future::block_on(body(lab)),
                Self::Nothing => {
                    let hand = lab.hand.clone();
                    hand.block_on(body(lab));
                    hand.shut_down();
                }
            }
            threads.join_finished();
            // Others may wait for ever.
            threads.0.lock().unwrap().drain(..).for_each(std::mem::forget);
        });
    }
}

/// Threads that were started. Dropping a handle while its thread ends can crash in glibc 2.36 (its bug 19951), and would be taken for a fault of
/// ours; so each is joined when it is through.
#[derive(Clone, Default)]
struct Started(Arc<Mutex<Vec<JoinHandle<()>>>>);

impl Started {
    fn keep(&self, thread: JoinHandle<()>) {
        self.join_finished();
        self.0.lock().unwrap().push(thread);
    }

    fn join_finished(&self) {
        let mut threads = self.0.lock().unwrap();
        for index in (0..threads.len()).rev() {
            if threads[index].is_finished() {
                // What a caller does is caught, and told to the test.
                let _ = threads.swap_remove(index).join();
            }
        }
    }
}

/// How a caller's task ended.
#[derive(Debug)]
pub enum Ended<T> {
    /// It returned this.
    Returned(T),
    /// It unwound with this.
    Panicked(Box<dyn Any + Send>),
    /// It was dropped before its end.
    Dropped,
}

impl<T> Ended<T> {
    /// What it returned.
    ///
    /// # Panics
    ///
    /// If it did not return.
    #[track_caller]
    pub fn returned(self) -> T {
        match self {
            Self::Returned(value) => value,
            Self::Panicked(payload) => panic!("the caller panicked: {:?}", text(&*payload)),
            Self::Dropped => panic!("the caller was dropped"),
        }
    }

    /// The message it panicked with.
    ///
    /// # Panics
    ///
    /// If it did not.
    #[track_caller]
    pub fn panicked(self) -> String {
        match self {
            Self::Panicked(payload) => text(&*payload),
            Self::Returned(_) => panic!("the caller returned"),
            Self::Dropped => panic!("the caller was dropped"),
        }
    }
}

fn text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// A caller on its way. Dropping this does not stop it.
pub struct Task<T> {
    ended: oneshot::Receiver<Ended<T>>,
    abort: AbortHandle,
}

impl<T> Task<T> {
    /// Drops the caller's future at its next chance.
    pub fn abort(&self) {
        self.abort.abort();
    }
}

impl<T> Future for Task<T> {
    type Output = Ended<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Ended<T>> {
        // Not charged to the task's budget: bodies run on any executor.
        let ended = std::pin::pin!(tokio::task::coop::unconstrained(&mut self.ended));
        ended.poll(cx).map(|ended| ended.unwrap_or(Ended::Dropped))
    }
}

impl Lab {
    fn on_tokio<F: Future<Output = ()>>(mut self, builder: &mut tokio::runtime::Builder, body: fn(Self) -> F) {
        let runtime = builder.enable_all().build().expect("a tokio runtime");
        self.tokio = Some(runtime.handle().clone());
        runtime.block_on(body(self));
    }

    /// The column.
    pub fn on(&self) -> On {
        self.on
    }

    /// The runtime of this column; the mixed one's groups spawn on tokio.
    pub fn runtime(&self) -> AnyRuntime {
        match (self.on, &self.tokio) {
            (_, Some(tokio)) => AnyRuntime::Tokio(Tokio::new(tokio.clone())),
            (On::Smol, _) => AnyRuntime::Smol(Smol::global()),
            (On::AsyncStd, _) => AnyRuntime::AsyncStd(AsyncStd::new()),
            (On::Nothing, _) => AnyRuntime::Hand(self.hand.clone(), Instant::now()),
            _ => AnyRuntime::Threads(Threads::new()),
        }
    }

    /// A group on this column's runtime.
    pub fn group<V>(&self) -> Flights<V> {
        Flights::with_runtime(self.runtime())
    }

    /// Time that stands still until the test moves it: that of [`builder`](Self::builder).
    pub fn time(&self) -> &VirtualTime {
        &self.time
    }

    /// To build a group on this column's runtime, in this test's own time.
    pub fn builder<V>(&self) -> Builder<String, V, AnyRuntime> {
        coflight::Group::builder().runtime(AnyRuntime::Virtual(Box::new(self.runtime()), self.time.clone()))
    }

    /// The verbs whose futures can be used here. `run_blocking` has tests of its own.
    pub fn verbs(&self) -> &'static [Verb] {
        &[Verb::Run, Verb::Relay, Verb::Spawn, Verb::Enter]
    }

    /// Starts a caller: on this column's runtime, or, in the mixed one, on the next in turn.
    pub fn start<T: Send + 'static>(&self, call: impl Future<Output = T> + Send + 'static) -> Task<T> {
        let (sender, ended) = oneshot::channel();
        let (abort, registration) = AbortHandle::new_pair();
        let task = async move {
            let call = AssertUnwindSafe(Abortable::new(call, registration)).catch_unwind();
            // The future is gone before its end is told.
            let end = match { call }.await {
                Ok(Ok(value)) => Ended::Returned(value),
                Ok(Err(_)) => Ended::Dropped,
                Err(payload) => Ended::Panicked(payload),
            };
            let _ = sender.send(end);
        };
        self.place(late::polled(task));
        Task { ended, abort }
    }

    fn place(&self, task: impl Future<Output = ()> + Send + 'static) {
        let on = match self.on {
            On::Mixed => {
                [On::TokioMulti, On::Smol, On::AsyncStd, On::Threads][self.next.fetch_add(1, Ordering::Relaxed) % 4]
            }
            on => on,
        };
        match (on, &self.tokio) {
            (On::TokioMulti | On::TokioCurrent | On::Mixed, Some(tokio)) => drop(tokio.spawn(task)),
            (On::Smol, _) => smol::spawn(task).detach(),
            (On::AsyncStd, _) => drop(async_std::task::spawn(task)),
            (On::Nothing, _) => self.hand.spawn(task),
            _ => self.threads.keep(thread::spawn(|| futures_lite::future::block_on(task))),
        }
    }

    /// Starts a thread that may block, whatever the column.
    pub fn thread<T: Send + 'static>(&self, call: impl FnOnce() -> T + Send + 'static) -> Task<T> {
        let (sender, ended) = oneshot::channel();
        let (abort, _) = AbortHandle::new_pair();
        self.threads.keep(thread::spawn(move || {
            let end = match std::panic::catch_unwind(AssertUnwindSafe(call)) {
                Ok(value) => Ended::Returned(value),
                Err(payload) => Ended::Panicked(payload),
            };
            let _ = sender.send(end);
        }));
        Task { ended, abort }
    }

    /// Waits until `condition` holds, giving way to everyone else. The test's deadline is its limit.
    pub async fn until(&self, mut condition: impl FnMut() -> bool) {
        while !condition() {
            thread::yield_now();
            futures_lite::future::yield_now().await;
        }
    }
}
