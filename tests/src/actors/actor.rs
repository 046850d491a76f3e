//! One actor: takes its steps in order, then lets all its works end and waits for its callers.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use coflight::{Runtime, Verb};
use futures_util::task::AtomicWaker;

use super::caller::{Caller, Woken};
use super::ledger::{Call, Ledger};
use super::work::Work;
use crate::model::answers::{answer, whose};
use crate::model::asking::{self, Flights};
use crate::model::key::Key;
use crate::model::program::{End, Op, Request};
use crate::model::reference::Answer;

/// Where actors meet.
pub struct Stage<R: Runtime> {
    pub group: Flights<R>,
    pub ledger: Arc<Ledger>,
    /// As many as there are keys, and one more.
    pub keys: Arc<()>,
    pub tick: Duration,
    /// Every call says who it is.
    pub tagged: bool,
}

impl<R: Runtime> Clone for Stage<R> {
    fn clone(&self) -> Self {
        let Self { group, ledger, keys, tick, tagged } = self;
        let (group, ledger, keys) = (group.clone(), Arc::clone(ledger), Arc::clone(keys));
        Self { group, ledger, keys, tick: *tick, tagged: *tagged }
    }
}

pub struct Actor<R: Runtime> {
    stage: Stage<R>,
    /// It may block.
    thread: bool,
    callers: Vec<Caller<R>>,
    works: Vec<Arc<Work>>,
    waker: Arc<AtomicWaker>,
}

impl<R: Runtime> Actor<R> {
    /// One that has a thread to itself also blocks: by `run_blocking`, where a `run` has its work ready.
    pub fn new(stage: Stage<R>, thread: bool) -> Self {
        stage.ledger.comes();
        Self { stage, thread, callers: Vec::new(), works: Vec::new(), waker: Arc::default() }
    }

    /// Does all of `ops`. May be dropped at any time, and leaves nothing undone that others wait for.
    pub async fn act(mut self, ops: Vec<Op>) {
        for op in ops {
            self.step(op).await;
        }
        self.drain().await;
    }

    async fn step(&mut self, op: Op) {
        let stage = &self.stage;
        match op {
            Op::Ask(request) if self.thread && request.verb == Verb::Run && request.ready.is_some() => {
                // Who blocks must not hold anybody up.
                self.drain().await;
                self.block(Request { verb: Verb::RunBlocking, ..request });
            }
            Op::Ask(request) => self.ask(request),
            Op::Poll(nth) => {
                if let Some(at) = pick(self.callers.len(), nth) {
                    self.poll(at);
                }
                crate::yield_now().await;
            }
            Op::Drop(nth) => {
                if let Some(at) = pick(self.callers.len(), nth) {
                    drop(self.callers.swap_remove(at));
                }
            }
            Op::Finish(nth, end) => self.finish(nth, end),
            Op::Release(nth) => {
                let leaders = self.leaders();
                if let Some(at) = pick(leaders.len(), nth) {
                    self.callers[leaders[at]].release();
                    self.sweep();
                }
            }
            Op::Advance(by) => _ = smol::Timer::after(stage.tick * by).await,
            Op::Forget(key) => self.forgot(usize::from(stage.group.forget(&self.key(key)))),
            Op::ForgetAll => self.forgot(stage.group.forget_all()),
            Op::Cancel(key) => self.cancelled(usize::from(stage.group.cancel(&self.key(key)))),
            Op::CancelAll => self.cancelled(stage.group.cancel_all()),
            Op::ResetStats => stage.ledger.counted.lock().unwrap().push(stage.group.reset_stats()),
            Op::Settle => {
                self.settle();
                crate::yield_now().await;
            }
            // The runtime does as it likes.
            Op::PollTask(_) | Op::DropTask(_) => crate::yield_now().await,
        }
    }

    fn key(&self, key: u8) -> Key {
        Key::new(key, &self.stage.keys)
    }

    /// A new call, and its work.
    fn new_call(&self, request: Request) -> (Request, Arc<Work>) {
        let Stage { ledger, tagged, .. } = &self.stage;
        let request = Request { tagged: request.tagged || *tagged, ..request };
        (request, Work::new(ledger.id(), request.key, request.ready, Arc::clone(ledger)))
    }

    fn ask(&mut self, request: Request) {
        let Stage { group, ledger, tick, .. } = &self.stage;
        let (request, work) = self.new_call(request);
        let start = Arc::clone(&work);
        let call = asking::call(group.clone(), self.key(request.key), request, (work.id, *tick), || start.start());
        self.works.retain(|work| work.is_open());
        self.works.push(Arc::clone(&work));
        self.callers.push(Caller {
            request,
            future: Some(call),
            leader: None,
            work,
            woken: Arc::new(Woken { flag: AtomicBool::new(true), actor: Arc::clone(&self.waker) }),
            ledger: Arc::clone(ledger),
            turn: None,
            asked: None,
            answer: None,
            role: None,
            led: false,
        });
        if request.verb == Verb::Enter {
            self.poll(self.callers.len() - 1);
        }
    }

    /// Leads or follows, and blocks this thread meanwhile.
    fn block(&mut self, request: Request) {
        let Stage { group, ledger, tick, .. } = &self.stage;
        let (request, work) = self.new_call(request);
        let asked = Some(ledger.now());
        let run = || {
            let call = asking::with_options(group, &request, work.id, *tick);
            call.run_blocking_with_served(&self.key(request.key), || work.run().map_err(Arc::new))
        };
        let (answer, role) = match catch_unwind(AssertUnwindSafe(run)) {
            Ok((result, served)) => (answer(result, Some(served)), Some(served.role)),
            Err(payload) => (Answer::Unwound(whose(&*payload).expect("a panic of a work")), None),
        };
        let answer = Some((ledger.now(), answer));
        let call = Call { request, work, asked, answer, role, led: false };
        ledger.calls.lock().unwrap().push(call);
    }

    fn forgot(&self, flights: usize) {
        self.stage.ledger.forgotten.fetch_add(flights, Ordering::SeqCst);
    }

    fn cancelled(&self, flights: usize) {
        self.stage.ledger.cancelled.fetch_add(flights, Ordering::SeqCst);
    }

    fn poll(&mut self, at: usize) {
        self.callers[at].poll();
        self.sweep();
    }

    fn sweep(&mut self) {
        self.callers.retain(|caller| !caller.is_done());
    }

    fn leaders(&self) -> Vec<usize> {
        (0..self.callers.len()).filter(|at| self.callers[*at].leader.is_some()).collect()
    }

    /// One of the works that run, or of the leaders.
    fn finish(&mut self, nth: usize, end: End) {
        let running: Vec<_> = self.works.iter().filter(|work| work.is_open() && work.has_begun()).collect();
        let Some(at) = pick(running.len(), nth) else { return };
        let id = running[at].id;
        match self.callers.iter_mut().find(|caller| caller.work.id == id && caller.leader.is_some()) {
            Some(leader) => leader.bring(end),
            None => running[at].finish(end),
        }
        self.works.retain(|work| work.id != id);
        self.sweep();
    }

    /// Polls those who were woken, until nobody is; or for long enough, if others keep waking them.
    fn settle(&mut self) {
        for _ in 0..1000 {
            let woken = |caller: &Caller<R>| caller.woken.flag.load(Ordering::SeqCst);
            match self.callers.iter().position(woken) {
                Some(at) => self.poll(at),
                None => return,
            }
        }
        self.waker.wake();
    }

    async fn drain(&mut self) {
        for work in self.works.drain(..) {
            work.finish(End::Value);
        }
        poll_fn(|cx| {
            self.waker.register(cx.waker());
            loop {
                self.settle();
                let leaders = self.leaders();
                if leaders.is_empty() {
                    break;
                }
                leaders.into_iter().for_each(|at| self.callers[at].bring(End::Value));
                self.sweep();
            }
            if self.callers.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl<R: Runtime> Drop for Actor<R> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Its executor would swallow that. What works panic with does not get here.
            self.stage.ledger.wrong("an actor unwinds".into());
        }
        self.callers.clear();
        // Others may be waiting for them.
        for work in self.works.drain(..) {
            work.finish(End::Value);
        }
        self.stage.ledger.goes();
    }
}

fn pick(among: usize, nth: usize) -> Option<usize> {
    (among > 0).then(|| nth % among)
}
