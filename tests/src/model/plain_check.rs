//! Runs a program on the plain model and on a peer of it, and compares what became of everybody after every step.

use std::collections::BTreeMap;
use std::fmt::Debug;

use super::peer::{Peer, go_on};
use super::plain::{Answer, Id, Plain};
use super::program::{Op, Program, Request, Setup, Verb};
use super::reference::Model;
use super::system::System;

/// More keys than this are not in the language.
const KEYS: u8 = 3;

/// The real group does what the plain model does.
///
/// # Errors
///
/// What it did otherwise.
pub fn run(program: &Program) -> Result<(), String> {
    check(program, System::new(&Setup::default()))
}

/// So does the reference model, for as much as the plain one knows of.
///
/// # Errors
///
/// What it did otherwise.
pub fn run_reference(program: &Program) -> Result<(), String> {
    check(program, Model::new(Setup::default()))
}

fn check(program: &Program, peer: impl Peer) -> Result<(), String> {
    let mut check = Check { plain: Plain::default(), peer, answers: BTreeMap::new() };
    for (step, op) in program.ops.iter().enumerate() {
        check.apply(op).map_err(|error| format!("step {step}, {op:?}: {error}"))?;
    }
    check.drain().map_err(|error| format!("at the end: {error}"))
}

struct Check<P> {
    plain: Plain,
    peer: P,
    answers: BTreeMap<Id, Answer>,
}

/// `Err` unless both are the same.
fn same<T: PartialEq + Debug>(what: &str, peer: T, plain: T) -> Result<(), String> {
    if peer == plain { Ok(()) } else { Err(format!("{what}: is {peer:?}, should be {plain:?}")) }
}

/// Without what the plain model does not know of. A leader by `enter` says itself when its work is ready.
fn core_of(request: Request) -> Request {
    let Request { key, verb, fallible, ready, .. } = request;
    Request { fallible, ready: ready.filter(|_| verb != Verb::Enter), ..Request::new(verb, key % KEYS) }
}

impl<P: Peer> Check<P> {
    fn apply(&mut self, op: &Op) -> Result<(), String> {
        match *op {
            Op::Ask(request) => {
                self.plain.ask(core_of(request));
                self.peer.ask(core_of(request))?;
            }
            Op::Drop(nth) => {
                if let Some(id) = pick(&self.waiting(), nth) {
                    self.plain.leave(id);
                    self.peer.leave(id);
                }
            }
            Op::Finish(nth, end) => {
                if let Some(id) = pick(&self.running(), nth) {
                    self.plain.finish(id, end);
                    self.peer.finish(self.plain.calls[id], id, end);
                    // One that panics with the lead of an `enter` in its hands does so on its own.
                    if let (Some(Answer::Unwinds), Verb::Enter) =
                        (self.plain.answers.get(&id), self.plain.calls[id].verb)
                    {
                        self.answers.insert(id, Answer::Unwinds);
                    }
                }
            }
            Op::Forget(key) => same("forgot", self.peer.forget(key), self.plain.forget(key))?,
            Op::Cancel(key) => same("cancelled", self.peer.cancel(key), self.plain.cancel(key))?,
            Op::ForgetAll => {
                for key in 0..KEYS {
                    same("forgot", self.peer.forget(key), self.plain.forget(key))?;
                }
            }
            Op::CancelAll => {
                for key in 0..KEYS {
                    same("cancelled", self.peer.cancel(key), self.plain.cancel(key))?;
                }
            }
            // Limits, and who is polled when.
            _ => return Ok(()),
        }
        self.compare()
    }

    fn compare(&mut self) -> Result<(), String> {
        go_on(&mut self.peer, &self.plain.calls, &mut self.answers)?;
        same("answers", &self.answers, &self.plain.answers)?;
        same("waiting", self.peer.waiting(), self.waiting())?;
        same("works that run", self.peer.running(), self.running())?;
        same("len", self.peer.len(), self.plain.len())
    }

    /// When every work has ended, everybody is served and nothing is left.
    fn drain(mut self) -> Result<(), String> {
        while let Some(id) = pick(&self.running(), 0) {
            self.apply(&Op::Finish(0, super::program::End::Value)).map_err(|error| format!("finish {id}: {error}"))?;
        }
        same("left", self.peer.left(), 0)
    }

    fn waiting(&self) -> Vec<Id> {
        let mut waiting: Vec<_> = self.plain.flights.iter().flat_map(|flight| flight.aboard.clone()).collect();
        waiting.sort_unstable();
        waiting
    }

    fn running(&self) -> Vec<Id> {
        let mut running: Vec<_> = self.plain.flights.iter().map(|flight| flight.worker).collect();
        running.sort_unstable();
        running
    }
}

fn pick(among: &[Id], nth: usize) -> Option<Id> {
    (!among.is_empty()).then(|| among[nth % among.len()])
}
