//! A caller of an actor: its future, or the lead of an `enter`.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use coflight::{Leader, Role, Runtime, Turn};
use futures_util::task::AtomicWaker;

use super::ledger::{Call, Ledger};
use super::work::{self, Work};
use crate::model::answers::{answer, fallible, whose, why};
use crate::model::asking::{Outcome, Value};
use crate::model::key::{Colliding, Key};
use crate::model::program::{End, Request};
use crate::model::reference::Answer;

type Future_<R> = Pin<Box<dyn Future<Output = Outcome<R>> + Send>>;

pub struct Caller<R: Runtime> {
    pub request: Request,
    pub future: Option<Future_<R>>,
    pub leader: Option<Leader<Key, Value, R, Colliding>>,
    pub work: Arc<Work>,
    pub woken: Arc<Woken>,
    pub ledger: Arc<Ledger>,
    /// The work of an `enter`, while it is in hand.
    pub turn: Option<work::Turn>,
    pub asked: Option<u64>,
    pub answer: Option<(u64, Answer)>,
    pub role: Option<Role>,
    pub led: bool,
}

impl<R: Runtime> Caller<R> {
    pub fn is_done(&self) -> bool {
        self.future.is_none() && self.leader.is_none()
    }

    pub fn poll(&mut self) {
        self.woken.flag.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(&self.woken));
        let cx = &mut Context::from_waker(&waker);
        if let Some(leader) = &mut self.leader {
            // That its flight was ended does not take the lead out of its hands.
            let _told = pin!(leader.cancelled()).poll(cx);
            return;
        }
        let Some(mut future) = self.future.take() else { return };
        self.asked.get_or_insert_with(|| self.ledger.now());
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => self.future = Some(future),
            Ok(Poll::Ready(outcome)) => {
                drop(future);
                self.answered(outcome);
            }
            Err(payload) => {
                drop(future);
                match whose(&*payload) {
                    Some(of) => self.answers(Answer::Unwound(of)),
                    None => resume_unwind(payload),
                }
            }
        }
    }

    fn answered(&mut self, outcome: Outcome<R>) {
        let (answer, served) = match outcome {
            Outcome::Plain(result, served) => (answer(result, Some(served)), Some(served)),
            Outcome::Fallible(result, served) => (fallible(result, Some(served)), Some(served)),
            Outcome::Turn(Ok(Turn::Leader(leader)), _) => {
                self.turn = Some(self.work.begin());
                (self.led, self.role, self.leader) = (true, Some(leader.role()), Some(leader));
                return self.woken.flag.store(true, Ordering::SeqCst);
            }
            Outcome::Turn(Ok(Turn::Value(value)), served) => (answer(Ok(value), served), served),
            Outcome::Turn(Err(error), served) => (answer(Err(error), served), served),
        };
        self.role = served.map(|served| served.role);
        self.answers(answer);
    }

    pub fn answers(&mut self, answer: Answer) {
        self.answer = Some((self.ledger.now(), answer));
    }

    /// The leader of an `enter` ends its flight.
    pub fn bring(&mut self, end: End) {
        let Some(leader) = self.leader.take() else { return };
        let (work, turn, fallible_) = (Arc::clone(&self.work), self.turn.take(), self.request.fallible);
        let brought = catch_unwind(AssertUnwindSafe(move || {
            // With the lead in its hands, if it panics; and no longer at work.
            let (leader, result) = (leader, {
                let _turn = turn;
                work.ends(end)
            });
            if fallible_ {
                fallible(leader.try_complete(result), None)
            } else {
                answer(leader.complete(result.map_err(Arc::new)), None)
            }
        }));
        self.answers(brought.unwrap_or(Answer::Unwound(self.work.id)));
    }

    /// The leader of an `enter` lets its followers go alone.
    pub fn release(&mut self) {
        let Some(leader) = self.leader.take() else { return };
        self.turn = None;
        let released = leader.release();
        self.answers(released.map_or_else(|error| Answer::Error(why(&error)), |()| Answer::Released));
    }
}

impl<R: Runtime> Drop for Caller<R> {
    fn drop(&mut self) {
        // It is no longer at work when it gives up the lead.
        self.turn = None;
        (self.future, self.leader) = (None, None);
        let (request, work) = (self.request, Arc::clone(&self.work));
        let Self { asked, answer, role, led, .. } = *self;
        self.ledger.calls.lock().unwrap().push(Call { request, work, asked, answer, role, led });
    }
}

/// Says which caller was woken, and wakes its actor.
pub struct Woken {
    pub flag: AtomicBool,
    pub actor: Arc<AtomicWaker>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.flag.store(true, Ordering::SeqCst);
        self.actor.wake();
    }
}
