//! Whatever is held against the plain model: the real group, and the reference model.

use std::collections::BTreeMap;

use super::plain::Answer;
use super::program::{End, Request, Verb};
use super::reference::{self, At, Id, Model, Why};
use super::system::System;

/// As in the plain model, everybody who can go on is polled after each step, in the order in which they asked.
pub trait Peer {
    fn ask(&mut self, request: Request) -> Result<(), String>;
    fn leave(&mut self, id: Id);
    fn finish(&mut self, request: Request, id: Id, end: End);
    fn forget(&mut self, key: u8) -> bool;
    fn cancel(&mut self, key: u8) -> bool;
    fn settle(&mut self) -> Result<(), String>;
    /// What was answered since this was called last.
    fn answers(&mut self) -> Vec<(Id, reference::Answer)>;
    fn waiting(&self) -> Vec<Id>;
    fn running(&self) -> Vec<Id>;
    fn len(&self) -> usize;
    /// What is still held when everybody has gone.
    fn left(&self) -> usize;
}

/// Polls everybody, and notes the answers. A leader by `enter` who is told that its flight was ended puts its work down.
pub fn go_on(peer: &mut impl Peer, calls: &[Request], answers: &mut BTreeMap<Id, Answer>) -> Result<(), String> {
    loop {
        peer.settle()?;
        let news = peer.answers();
        if news.is_empty() {
            return Ok(());
        }
        for (id, answer) in news {
            let answer = match answer {
                reference::Answer::Value(of, _) => Answer::Value(of),
                reference::Answer::Failure(of, _) => Answer::Failure(of),
                reference::Answer::Unwound(_) => Answer::Unwinds,
                reference::Answer::Error(Why::Panicked(_)) => Answer::Panicked,
                reference::Answer::Error(Why::Cancelled) => Answer::Cancelled,
                reference::Answer::Leads => continue,
                reference::Answer::Told => {
                    peer.finish(calls[id], id, End::Value);
                    continue;
                }
                other => return Err(format!("call {id} got {other:?}")),
            };
            if let Some(first) = answers.insert(id, answer) {
                return Err(format!("call {id} was answered twice: {first:?}, {answer:?}"));
            }
        }
    }
}

impl Peer for System {
    fn ask(&mut self, request: Request) -> Result<(), String> {
        self.ask(request)
    }

    fn leave(&mut self, id: Id) {
        self.leave(id);
    }

    fn finish(&mut self, request: Request, id: Id, end: End) {
        if request.verb == Verb::Enter {
            self.bring(id, end, request.fallible);
        } else {
            self.calls[id].work.finish(end);
        }
    }

    fn forget(&mut self, key: u8) -> bool {
        self.group.forget(&self.key(key))
    }

    fn cancel(&mut self, key: u8) -> bool {
        self.group.cancel(&self.key(key))
    }

    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..100 {
            let callers: Vec<_> = self.waiting().into_iter().filter(|id| self.is_woken(*id)).collect();
            let tasks: Vec<_> = (0..self.tasks()).filter(|task| self.can_go_on(*task)).collect();
            if callers.is_empty() && tasks.is_empty() {
                return Ok(());
            }
            callers.into_iter().try_for_each(|id| self.poll(id))?;
            tasks.into_iter().for_each(|task| self.poll_task(task));
        }
        Err("they wake each other for ever".into())
    }

    fn answers(&mut self) -> Vec<(Id, reference::Answer)> {
        std::mem::take(&mut self.answers).into_iter().map(|(id, answer, _)| (id, answer)).collect()
    }

    fn waiting(&self) -> Vec<Id> {
        (0..self.calls.len()).filter(|id| self.calls[*id].is_waiting()).collect()
    }

    fn running(&self) -> Vec<Id> {
        let runs = |id: &Id| self.calls[*id].leader.is_some() || self.calls[*id].work.state().1;
        (0..self.calls.len()).filter(runs).collect()
    }

    fn len(&self) -> usize {
        self.group.len()
    }

    fn left(&self) -> usize {
        let stats = self.group.stats();
        let tasks = (0..self.tasks()).filter(|task| !self.task_is_finished(*task)).count();
        self.keys() + tasks + (stats.led - stats.ended() + stats.in_flight + stats.waiting) as usize
    }
}

impl Peer for Model {
    fn ask(&mut self, request: Request) -> Result<(), String> {
        self.ask(request);
        Ok(())
    }

    fn leave(&mut self, id: Id) {
        self.leave(id);
    }

    fn finish(&mut self, request: Request, id: Id, end: End) {
        if request.verb == Verb::Enter {
            self.bring(id, end);
        } else {
            self.calls[id].end = Some(end);
        }
    }

    fn forget(&mut self, key: u8) -> bool {
        self.end_all(Some(key), false).0 > 0
    }

    fn cancel(&mut self, key: u8) -> bool {
        self.end_all(Some(key), true).0 > 0
    }

    fn settle(&mut self) -> Result<(), String> {
        loop {
            let before = self.clone();
            self.waiting().into_iter().for_each(|id| self.poll(id));
            (0..self.tasks.len()).for_each(|task| self.poll_task(task));
            if *self == before {
                return Ok(());
            }
        }
    }

    fn answers(&mut self) -> Vec<(Id, reference::Answer)> {
        std::mem::take(&mut self.answers)
    }

    fn waiting(&self) -> Vec<Id> {
        (0..self.calls.len()).filter(|id| self.calls[*id].at != At::Done).collect()
    }

    fn running(&self) -> Vec<Id> {
        let leads = |id: Id| self.calls[id].request.verb == Verb::Enter && matches!(self.calls[id].at, At::Leading(_));
        (0..self.calls.len()).filter(|id| self.calls[*id].alive || leads(*id)).collect()
    }

    fn len(&self) -> usize {
        self.len()
    }

    fn left(&self) -> usize {
        self.stats().in_flight as usize
    }
}
