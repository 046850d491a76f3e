//! The core of the contract, in a hundred lines that anyone can check by eye.
//!
//! No limits, no windows, no clocks, no threads: everybody who can go on is polled at once, in the order in which they asked. A caller is a number, and so is
//! its work. What is here is what the README promises: if you do not agree with a line, one of the two is wrong.

use std::collections::BTreeMap;

use super::program::{End, Request, Verb};

pub type Id = usize;

#[derive(Default)]
pub struct Plain {
    /// Everybody who ever asked.
    pub calls: Vec<Request>,
    /// The flights in progress.
    pub flights: Vec<Flight>,
    /// What became of those who are neither waiting nor gone.
    pub answers: BTreeMap<Id, Answer>,
}

#[derive(Debug)]
pub struct Flight {
    pub key: u8,
    /// Whose work is running. There is always one, and only one.
    pub worker: Id,
    /// Who waits for it, in the order in which they came.
    pub aboard: Vec<Id>,
    pub forgotten: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What this caller's work came to.
    Value(Id),
    Failure(Id),
    /// It unwinds with the panic of the work; it is told that the work panicked.
    Unwinds,
    Panicked,
    Cancelled,
}

impl Plain {
    /// A caller joins the flight for its key, or starts one.
    pub fn ask(&mut self, request: Request) {
        let id = self.calls.len();
        self.calls.push(request);
        match self.flights.iter_mut().find(|flight| flight.key == request.key && !flight.forgotten) {
            Some(flight) => flight.aboard.push(id),
            None => {
                self.flights.push(Flight { key: request.key, worker: id, aboard: vec![id], forgotten: false });
                self.begin(id);
            }
        }
    }

    /// A work begins, and may be ready at once.
    fn begin(&mut self, worker: Id) {
        if let Some(end) = self.calls[worker].ready {
            self.finish(worker, end);
        }
    }

    /// A caller leaves. The last one out drops the work. The work of a `run` or an `enter` is gone with its caller, and the next one's begins; that of a `relay`
    /// or a `spawn` goes on.
    pub fn leave(&mut self, id: Id) {
        let Some(at) = self.flights.iter().position(|flight| flight.aboard.contains(&id)) else { return };
        let flight = &mut self.flights[at];
        flight.aboard.retain(|aboard| *aboard != id);
        if flight.aboard.is_empty() {
            self.flights.remove(at);
        } else if flight.worker == id && matches!(self.calls[id].verb, Verb::Run | Verb::Enter) {
            flight.worker = flight.aboard[0];
            let worker = flight.worker;
            self.begin(worker);
        }
    }

    /// A work ends, and with it the flight: all aboard get what it came to. With a panic unwinds who started the work; if that caller is gone, who
    /// goes on with a `relay`; and nobody else.
    pub fn finish(&mut self, worker: Id, end: End) {
        let Some(at) = self.flights.iter().position(|flight| flight.worker == worker) else { return };
        let flight = self.flights.remove(at);
        let relayed = self.calls[worker].verb == Verb::Relay && !flight.aboard.contains(&worker);
        let unwinds = if relayed { flight.aboard[0] } else { worker };
        for id in flight.aboard {
            let answer = match end {
                End::Value => Answer::Value(worker),
                End::Failure => Answer::Failure(worker),
                End::Panic if id == unwinds => Answer::Unwinds,
                End::Panic => Answer::Panicked,
            };
            self.answers.insert(id, answer);
        }
    }

    /// Newcomers start afresh, those aboard get their result. Whether there was such a flight.
    pub fn forget(&mut self, key: u8) -> bool {
        let mut found = self.flights.iter_mut().filter(|flight| flight.key == key && !flight.forgotten);
        found.next().map(|flight| flight.forgotten = true).is_some()
    }

    /// The work is dropped, all aboard are told. Whether there was such a flight.
    pub fn cancel(&mut self, key: u8) -> bool {
        let found = self.flights.iter().position(|flight| flight.key == key && !flight.forgotten);
        let cancelled = found.map(|at| self.flights.remove(at));
        cancelled
            .iter()
            .flat_map(|flight| &flight.aboard)
            .for_each(|id| _ = self.answers.insert(*id, Answer::Cancelled));
        cancelled.is_some()
    }

    /// How many flights a newcomer could join.
    pub fn len(&self) -> usize {
        self.flights.iter().filter(|flight| !flight.forgotten).count()
    }
}
