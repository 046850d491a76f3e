//! The log of an observed flight: telling observers what happens, in order, outside all locks.
//!
//! The events of one flight are told one after another, in the order in which they happened: each step of a flight that is observed is taken,
//! and noted, under the lock of that flight's log, and whoever finds notes in the log tells them, one teller at a time. So an observer that
//! blocks holds up the call that happens to tell it, and nobody else.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::circle;
use crate::config::Config;
use crate::events::{Event, EventKind, Metadata, Source};
use crate::flight::Flight;
use crate::panics;
use crate::snapshot::Verb;
use crate::sync::Lock;

/// A flight's notes that observers have not been told yet.
struct Log {
    notes: VecDeque<Note>,
    /// Somebody is telling them.
    told: bool,
    /// Of the call whose work the flight runs.
    leader: Option<Metadata>,
    verb: Verb,
}

struct Note {
    kind: EventKind,
    verb: Verb,
    elapsed: Option<Duration>,
    metadata: Option<Metadata>,
    leader: Option<Metadata>,
}

/// What a caller brings to an event: its verb, what it says of itself, and the time, read before any lock is taken.
#[derive(Clone)]
pub(crate) struct Brought {
    pub(crate) verb: Verb,
    pub(crate) elapsed: Option<Duration>,
    pub(crate) metadata: Option<Metadata>,
}

/// That a flight is observed.
pub(crate) struct Watch {
    /// The flight's number.
    number: u64,
    log: Lock<Log>,
}

impl Watch {
    /// Of a flight that `leader` is about to start.
    pub(crate) fn new(number: u64, leader: &Brought) -> Self {
        let log = Log { notes: VecDeque::new(), told: false, leader: leader.metadata.clone(), verb: leader.verb };
        let watch = Self { number, log: Lock::new(log) };
        watch.log.with(|log| {
            log.note(EventKind::Missed, Some(leader), None);
            log.note(EventKind::Started, Some(leader), None);
        });
        watch
    }

    /// Takes a step of the flight, which has been in progress for `elapsed`, and notes it, in one. `step` runs under a lock.
    pub(crate) fn noting<T>(&self, elapsed: Option<Duration>, step: impl FnOnce(&mut Noting<'_>) -> T) -> T {
        self.log.with(|log| step(&mut Noting { log: Some(log), elapsed }))
    }

    /// Tells the observers what was noted, unless somebody is doing so.
    pub(crate) fn tell<K, V>(&self, config: &Config<K, V>, flight: &Flight<K, V>) {
        let next = |log: &mut Log, telling: bool| {
            if log.told && !telling {
                return None;
            }
            let note = log.notes.pop_front();
            log.told = note.is_some();
            note
        };
        let mut note = self.log.with(|log| next(log, false));
        while let Some(told) = note {
            let event = Event {
                kind: told.kind,
                key: &flight.key,
                hash: flight.hash,
                source: Source::of(config),
                flight: Some(self.number),
                verb: Some(told.verb),
                elapsed: told.elapsed,
                metadata: told.metadata.as_ref(),
                leader: told.leader.as_ref(),
            };
            circle::within(&flight.own_node, || config.tell(&event));
            panics::contain(|| drop(told));
            note = self.log.with(|log| next(log, true));
        }
    }
}

impl Log {
    /// Notes what happened. `by`: the call it is about; none if it is about the flight, and so about its leader.
    fn note(&mut self, kind: EventKind, by: Option<&Brought>, elapsed: Option<Duration>) {
        let leader = self.leader.clone();
        self.notes.push_back(match by {
            Some(by) => Note { kind, verb: by.verb, elapsed: by.elapsed, metadata: by.metadata.clone(), leader },
            None => Note { kind, verb: self.verb, elapsed, metadata: leader.clone(), leader },
        });
    }

    /// From now on the flight runs the work of `leader`. Gives back what was kept of the last one, to be dropped outside the lock.
    fn lead(&mut self, leader: &Brought) -> Option<Metadata> {
        self.verb = leader.verb;
        core::mem::replace(&mut self.leader, leader.metadata.clone())
    }
}

/// Where a step of a flight is noted.
pub(crate) struct Noting<'a> {
    log: Option<&'a mut Log>,
    elapsed: Option<Duration>,
}

impl Noting<'_> {
    /// For a flight that nobody observes.
    pub(crate) fn nowhere() -> Self {
        Self { log: None, elapsed: None }
    }

    /// Something that is about the flight.
    pub(crate) fn flight(&mut self, kind: EventKind) {
        if let Some(log) = &mut self.log {
            log.note(kind, None, self.elapsed);
        }
    }

    /// Something that a caller did.
    pub(crate) fn call(&mut self, kind: EventKind, by: &Brought) {
        if let Some(log) = &mut self.log {
            log.note(kind, Some(&Brought { elapsed: self.elapsed, ..by.clone() }), None);
        }
    }

    /// From now on the flight runs the work of `leader`. What is returned is to be dropped outside the lock.
    #[must_use]
    pub(crate) fn lead(&mut self, leader: &Brought) -> Option<Metadata> {
        self.log.as_mut().and_then(|log| log.lead(leader))
    }
}

/// Tells of a call that was refused: there is no flight.
pub(crate) fn tell_refused<K, V>(config: &Config<K, V>, key: &K, hash: u64, by: &Brought) {
    for kind in [EventKind::Missed, EventKind::Refused] {
        config.tell(&Event {
            kind,
            key,
            hash,
            source: Source::of(config),
            flight: None,
            verb: Some(by.verb),
            elapsed: None,
            metadata: by.metadata.as_ref(),
            leader: None,
        });
    }
}
