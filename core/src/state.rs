//! The state of a flight: one word, and every transition it can make.
//!
//! The word holds a [`Phase`], a few marks, and the number of callers aboard, so that joining, leaving and ending are single
//! atomic steps that cannot contradict each other. The phases move like this; whatever is not here is impossible:
//!
//! | from | to | when | by |
//! |---|---|---|---|
//! | (new) | `Flying` | a caller finds nothing to join | [`State::new`] |
//! | `Flying` | `Vacant` | the leader leaves, others are aboard; or the runtime dropped the task | [`State::leave`], [`State::vacate`] |
//! | `Flying` | `Vacant` | the leader's work failed, and the next is to try | [`State::retry`] |
//! | `Vacant` | `Flying` | a caller aboard or a newcomer takes over, unless a work runs beside | [`State::claim`], [`State::board`] |
//! | `Flying` | `Dead` | the leader ends the flight and is alone; or the last caller leaves | [`State::close_unseen`], [`State::close_alone`], [`State::leave`] |
//! | `Vacant` | `Dead` | the last caller leaves | [`State::leave`] |
//! | `Flying` | `Landing` | the leader has a result | [`State::begin_landing`] |
//! | `Flying`, `Vacant` | `Landing` | the flight is cancelled, runs out of time, or a work beside has a result | [`State::begin_cancel`] |
//! | `Landing` | `Landed` | the outcome is written | [`State::landed`] |
//! | `Flying` | `Released` | the leader's result must not be shared | [`State::release`] |
//!
//! `Landed`, `Released` and `Dead` are final. Once a flight left `Flying` and `Vacant` the number of callers is frozen: nobody
//! joins and nobody counts down.
//!
//! # Memory orderings
//!
//! Every step that gives something away (a written outcome, a work put down, a place left) is a release, every step that takes
//! something up is an acquire, and all of them are read-modify-writes of this one word, so each reads the last before it. All but
//! [`State::close_unseen`], a load and a relaxed store: under the shard's lock, by the one who has the only reference, so that nobody can take a step
//! between the two, and nobody takes one afterwards.

use crate::sync::{AtomicUsize, Ordering};

/// Where a flight is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Somebody runs the work.
    Flying,
    /// The leader left; whoever is polled first takes over.
    Vacant,
    /// One thread is about to publish the outcome.
    Landing,
    /// The outcome can be read, and never changes again.
    Landed,
    /// The result was not for sharing: every follower goes alone.
    Released,
    /// Nobody is aboard and nobody will be.
    Dead,
}

const PHASE: usize = 0b111;
const FLYING: usize = 0;
const VACANT: usize = 1;
const LANDING: usize = 2;
/// `LANDING | 1`, so that landing is one `fetch_or`.
const LANDED: usize = 3;
const RELEASED: usize = 4;
const DEAD: usize = 5;

/// The work is being run or torn down right now, so the key is not free even if the flight has ended.
const BUSY: usize = 1 << 3;
/// Somebody listens, or is about to: whoever changes the phase must notify.
const HEARD: usize = 1 << 4;
/// The work lies in the flight, not in the leader's own future.
const CARRIED: usize = 1 << 5;
/// A task of the runtime runs the carried work; callers leave it alone.
const TASK: usize = 1 << 6;
/// The carried work was woken and nobody runs it yet: any caller that is polled may.
const RUNNABLE: usize = 1 << 7;
/// The leader is aboard.
const LED: usize = 1 << 8;
/// `forget` took the flight out of the table.
const FORGOTTEN: usize = 1 << 9;
/// One of the callers counted is the task itself, so that the flight outlives its callers.
const DETACHED: usize = 1 << 10;
/// It was its time limit that ended the flight.
const LATE: usize = 1 << 11;
/// A follower runs its own work beside the leader's.
const RIVALED: usize = 1 << 12;
/// The result is served to newcomers for a while.
const LINGERS: usize = 1 << 13;
/// One caller.
const CALLER: usize = 1 << 14;
/// More would overflow the word. Only reachable where a word has 32 bits, or by leaking callers.
const MOST: usize = usize::MAX - 2 * CALLER;

/// How many callers a flight may have.
#[derive(Clone, Copy)]
pub(crate) struct Room(usize);

impl Room {
    /// As many as come.
    pub(crate) const ANY: Self = Self(MOST);

    pub(crate) fn at_most(callers: usize) -> Self {
        Self(callers.max(1).checked_mul(CALLER).map_or(MOST, |word| word.min(MOST)))
    }

    /// Whether a flight with this word is full. The number of callers is the word's top, so this compares both.
    #[inline]
    fn is_taken(self, word: usize) -> bool {
        // A detached task counts in the word, but is no caller.
        word >= self.0 && word - if word & DETACHED == 0 { 0 } else { CALLER } >= self.0
    }
}

/// What the word said at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Snapshot(usize);

impl Snapshot {
    pub(crate) fn phase(self) -> Phase {
        match self.0 & PHASE {
            FLYING => Phase::Flying,
            VACANT => Phase::Vacant,
            LANDING => Phase::Landing,
            LANDED => Phase::Landed,
            RELEASED => Phase::Released,
            _ => Phase::Dead,
        }
    }

    pub(crate) fn callers(self) -> usize {
        self.0 / CALLER - usize::from(self.0 & DETACHED != 0)
    }

    /// The callers aboard who do not lead, if the flight is in progress.
    pub(crate) fn followers(self) -> usize {
        if self.is_open() { self.callers().saturating_sub(usize::from(self.is_led())) } else { 0 }
    }

    /// Whether the flight is in progress, so that it can be joined: not any more once it is landing.
    pub(crate) fn is_open(self) -> bool {
        matches!(self.phase(), Phase::Flying | Phase::Vacant)
    }

    pub(crate) fn is_busy(self) -> bool {
        self.0 & BUSY != 0
    }

    pub(crate) fn is_heard(self) -> bool {
        self.0 & HEARD != 0
    }

    pub(crate) fn is_led(self) -> bool {
        self.0 & LED != 0
    }

    pub(crate) fn is_forgotten(self) -> bool {
        self.0 & FORGOTTEN != 0
    }

    pub(crate) fn is_late(self) -> bool {
        self.0 & LATE != 0
    }

    /// Whether a follower runs its own work beside the leader's.
    pub(crate) fn is_rivaled(self) -> bool {
        self.0 & RIVALED != 0
    }

    /// Whether a follower may bring a work of its own, if who runs one is too slow: not where any caller can go on with the work there is.
    pub(crate) fn may_be_overtaken(self) -> bool {
        match self.phase() {
            Phase::Flying => self.0 & (CARRIED | TASK) != CARRIED,
            Phase::Vacant => self.is_rivaled(),
            _ => false,
        }
    }

    /// Whether a caller aboard may take the place of the leader who left. Not while a work runs that was started beside that leader's.
    pub(crate) fn is_vacant(self) -> bool {
        self.0 & (PHASE | RIVALED) == VACANT
    }

    /// Whether the flight ended, and its result may be served to newcomers.
    pub(crate) fn lingers(self) -> bool {
        self.0 & (PHASE | LINGERS | FORGOTTEN) == LANDED | LINGERS
    }

    /// Whether its result is served to newcomers, or will be as soon as it is written.
    pub(crate) fn is_kept(self) -> bool {
        matches!(self.phase(), Phase::Landing | Phase::Landed) && self.0 & (LINGERS | FORGOTTEN) == LINGERS
    }

    /// Whether a newcomer must wait: the flight ended but its work is still being run or torn down, or its result is about to be there to
    /// be served.
    pub(crate) fn is_clearing(self) -> bool {
        match self.0 & PHASE {
            FLYING | VACANT => false,
            LANDING if self.0 & (LINGERS | FORGOTTEN) == LINGERS => true,
            _ => self.0 & (BUSY | FORGOTTEN | LINGERS) == BUSY,
        }
    }

    /// Whether a caller aboard has nothing to do but wait.
    #[inline]
    pub(crate) fn is_idle(self) -> bool {
        match self.0 & PHASE {
            FLYING => !self.is_drivable(),
            VACANT => self.is_rivaled(),
            LANDING => true,
            _ => false,
        }
    }

    /// Whether any caller may run the carried work now.
    pub(crate) fn is_drivable(self) -> bool {
        self.0 & (PHASE | CARRIED | TASK | RUNNABLE | BUSY) == FLYING | CARRIED | RUNNABLE
    }
}

/// What became of an attempt to join.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Boarding {
    /// Aboard, behind a leader.
    Followed,
    /// Aboard, and the leader from now on: the flight was vacant.
    TookOver,
    /// Too late to board, but the result is there and may be had.
    Lingers,
    /// Too late, and the work is still being torn down: wait for the key to be free.
    Clearing,
    /// Not aboard: as many are as may be.
    Full,
    /// Too late: the flight is over.
    Gone,
}

/// What became of an attempt to go on with the work, or to put it down.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// Done.
    Yes {
        /// The carried work was woken meanwhile.
        runnable: bool,
    },
    /// The flight was ended by somebody else. If the caller held the work it still does, and must tear it down.
    Ended,
}

/// Who leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaver {
    /// A caller that leads nothing.
    Follower,
    /// The leader whose work the flight carries.
    Starter,
    /// The leader whose work lived in its own future, and is gone.
    Leading,
    /// A detached task, which counted as a caller.
    Task,
}

/// Who is left after a caller left.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// Others, who need not know.
    Others,
    /// The flight had ended already; nothing changed.
    Ended,
    /// Others, and nobody leads them: they must be told.
    Vacated,
    /// Nobody would be left, so nothing changed yet.
    WouldEnd,
    /// Nobody. The flight is dead and the key is free as soon as the table is told.
    Nobody,
    /// Nobody, and the work that the flight carries is the leaver's to tear down.
    NobodyButWork,
    /// Nobody, and whoever runs the carried work at this moment will tear it down.
    NobodyButRunner,
}

impl Left {
    /// Whether the flight ended by this.
    pub(crate) fn is_end(&self) -> bool {
        matches!(self, Self::Nobody | Self::NobodyButWork | Self::NobodyButRunner)
    }
}

/// What is to be known of a flight that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum After {
    /// Nothing.
    Plain = 0,
    /// It was its time limit.
    Late = LATE,
    /// Its result lingers.
    Lingers = LINGERS,
    /// Newcomers need not wait until its work is torn down.
    Forgotten = FORGOTTEN,
}

/// The right to publish the outcome of a cancelled flight.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cancelling {
    /// The carried work is the canceller's to tear down.
    pub(crate) owns_work: bool,
    /// Somebody runs the work; the key is free when that one puts it down.
    pub(crate) busy: bool,
}

pub(crate) struct State(AtomicUsize);

impl State {
    /// A flight with its leader aboard, who holds the work.
    pub(crate) fn new() -> Self {
        Self(AtomicUsize::new(FLYING | BUSY | LED | CALLER))
    }

    #[inline]
    pub(crate) fn load(&self) -> Snapshot {
        // Pairs with the release in `landed`: who reads `Landed` may read the outcome.
        Snapshot(self.0.load(Ordering::Acquire))
    }

    /// Moves the word as `step` says, or stops with what `step` says instead. Returns the word before.
    #[inline]
    fn step<T>(&self, mut step: impl FnMut(usize) -> Result<usize, T>) -> Result<Snapshot, T> {
        let mut word = self.0.load(Ordering::Acquire);
        loop {
            let next = step(word)?;
            match self.0.compare_exchange_weak(word, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(Snapshot(word)),
                Err(seen) => word = seen,
            }
        }
    }

    /// A newcomer who found the flight in the table comes aboard, if there is room.
    #[inline]
    pub(crate) fn board(&self, room: Room) -> Boarding {
        let before = self.step(|word| match word & PHASE {
            FLYING | VACANT if room.is_taken(word) => Err(Boarding::Full),
            // Everybody who joins will listen, so both are said in one step.
            FLYING => Ok((word + CALLER) | HEARD),
            VACANT if word & RIVALED != 0 => Ok((word + CALLER) | HEARD),
            VACANT => Ok(lead(word) + CALLER),
            _ if Snapshot(word).lingers() => Err(Boarding::Lingers),
            _ if Snapshot(word).is_clearing() => Ok(word | HEARD),
            _ => Err(Boarding::Gone),
        });
        match before {
            Ok(before) if before.is_vacant() => Boarding::TookOver,
            Ok(before) if before.is_open() => Boarding::Followed,
            Ok(_) => Boarding::Clearing,
            Err(other) => other,
        }
    }

    /// A caller aboard takes the place of the leader who left. `false`: somebody else did, or the flight ended.
    pub(crate) fn claim(&self) -> bool {
        self.step(|word| if Snapshot(word).is_vacant() { Ok(lead(word)) } else { Err(()) }).is_ok()
    }

    /// A caller aboard is to run its own work beside the leader's. `false`: somebody does already, or there is no leader.
    pub(crate) fn begin_rival(&self) -> bool {
        self.step(|word| if word & (PHASE | RIVALED) == FLYING { Ok(word | RIVALED) } else { Err(()) }).is_ok()
    }

    /// The work beside the leader's is gone. Returns the word before; `None`: the flight has ended, and whoever wants to know how still sees
    /// that it had a rival.
    pub(crate) fn end_rival(&self) -> Option<Snapshot> {
        self.step(|word| if Snapshot(word).is_open() { Ok(word & !RIVALED) } else { Err(()) }).ok()
    }

    /// The leader's work failed, and somebody else aboard is to try. `leaves`: the leader is its own caller, and goes with what it has; else
    /// it is still counted, and learns of it when it looks. `false`: there is nobody else, or the flight ended.
    pub(crate) fn retry(&self, leaves: bool) -> bool {
        self.step(|word| {
            let (led, detached) = (word & LED != 0, word & DETACHED != 0);
            if word & PHASE != FLYING || Snapshot(word).callers() <= usize::from(led) {
                return Err(());
            }
            let gone = usize::from(led && leaves) + usize::from(detached);
            Ok(((word - gone * CALLER) & !(PHASE | BUSY | LED | CARRIED | TASK | RUNNABLE | DETACHED)) | VACANT)
        })
        .is_ok()
    }

    /// The leader put its work into the flight and puts it down, for any caller to run.
    pub(crate) fn offer(&self) -> Held {
        held(self.step(|word| match word & PHASE {
            FLYING => Ok((word | CARRIED | RUNNABLE) & !BUSY),
            _ => Err(()),
        }))
    }

    /// The leader puts the work down for a task of the runtime to run. `detached`: the task counts as a caller, so
    /// that the last caller's leaving does not end the flight.
    pub(crate) fn hand_to_task(&self, detached: bool) -> Held {
        held(self.step(|word| match word & PHASE {
            FLYING => {
                let (extra, mark) = if detached { (CALLER, DETACHED) } else { (0, 0) };
                Ok(((word | CARRIED | TASK | mark) & !BUSY) + extra)
            }
            _ => Err(()),
        }))
    }

    /// The task was dropped before it ever ran: the callers run the work themselves.
    pub(crate) fn take_from_task(&self) -> Held {
        held(self.step(|word| match word & PHASE {
            FLYING => Ok((word & !TASK) | RUNNABLE),
            _ => Err(()),
        }))
    }

    /// The runner takes the work up again.
    pub(crate) fn resume(&self) -> Held {
        held(self.step(|word| match word & PHASE {
            FLYING => Ok(word | BUSY),
            _ => Err(()),
        }))
    }

    /// A caller takes the carried work up because it was woken. `false`: somebody else did.
    pub(crate) fn claim_work(&self) -> bool {
        self.step(|word| if Snapshot(word).is_drivable() { Ok((word | BUSY) & !RUNNABLE) } else { Err(()) }).is_ok()
    }

    /// The runner puts the work down: it is not finished.
    pub(crate) fn pause(&self) -> Held {
        held(self.step(|word| match word & PHASE {
            FLYING => Ok(word & !BUSY),
            _ => Err(()),
        }))
    }

    /// A caller is about to listen. To be said before it registers, so that whoever changes the word later knows.
    pub(crate) fn mark_heard(&self) {
        self.0.fetch_or(HEARD, Ordering::AcqRel);
    }

    /// The carried work was woken. `true`: nobody knows yet, so callers must be told.
    pub(crate) fn mark_runnable(&self) -> bool {
        let before = self.0.fetch_or(RUNNABLE, Ordering::AcqRel);
        // While the work is being run its runner looks at the mark when it puts the work down.
        before & (PHASE | RUNNABLE | BUSY) == FLYING
    }

    /// The leader has a result and takes it along if nobody shares it: no outcome, no notification.
    #[inline]
    pub(crate) fn close_alone(&self) -> bool {
        self.step(|word| {
            if word & PHASE == FLYING && word / CALLER == 1 { Ok((word & !(PHASE | BUSY)) | DEAD) } else { Err(()) }
        })
        .is_ok()
    }

    /// The same, under the shard's lock, for a leader that is the only one who knows the flight, so that no atomic step is needed. `false`: others count as
    /// aboard, or the flight was ended.
    #[inline]
    pub(crate) fn close_unseen(&self) -> bool {
        let word = self.0.load(Ordering::Acquire);
        let alone = word & PHASE == FLYING && word / CALLER == 1;
        if alone {
            self.0.store((word & !(PHASE | BUSY)) | DEAD, Ordering::Relaxed);
        }
        alone
    }

    /// The leader, or who ran the carried work, has an outcome and may write it. `false`: the flight was cancelled.
    pub(crate) fn begin_landing(&self, after: After) -> bool {
        self.step(|word| match word & PHASE {
            FLYING => Ok((word & !(PHASE | BUSY)) | LANDING | after as usize),
            _ => Err(()),
        })
        .is_ok()
    }

    /// Somebody ends the flight from outside and may write the outcome. `None`: it is over already.
    pub(crate) fn begin_cancel(&self, why: After) -> Option<Cancelling> {
        let owns_work = |word: usize| word & (PHASE | CARRIED | BUSY) == FLYING | CARRIED;
        let before = self
            .step(|word| {
                if !Snapshot(word).is_open() {
                    return Err(());
                }
                let busy = if owns_work(word) { BUSY } else { 0 };
                Ok((word & !PHASE) | LANDING | why as usize | busy)
            })
            .ok()?;
        Some(Cancelling { owns_work: owns_work(before.0), busy: before.is_busy() })
    }

    /// The outcome is written. Returns the word before.
    pub(crate) fn landed(&self) -> Snapshot {
        // Releases the outcome to everyone who loads `Landed`.
        Snapshot(self.0.fetch_or(LANDED & !LANDING, Ordering::AcqRel))
    }

    /// The leader lets the followers go alone. `Err`: the flight was cancelled.
    pub(crate) fn release(&self) -> Result<Snapshot, ()> {
        self.step(|word| match word & PHASE {
            FLYING => Ok((word & !(PHASE | BUSY)) | RELEASED),
            _ => Err(()),
        })
    }

    /// The work of an ended flight is torn down. Returns the word before.
    pub(crate) fn clear(&self) -> Snapshot {
        Snapshot(self.0.fetch_and(!BUSY, Ordering::AcqRel))
    }

    /// `forget` took the flight out of the table, or its result lingers no longer. Returns the word before.
    pub(crate) fn forgotten(&self) -> Snapshot {
        Snapshot(self.0.fetch_or(FORGOTTEN, Ordering::AcqRel))
    }

    /// The task that ran the work was dropped, and the work with it.
    pub(crate) fn vacate(&self) -> Held {
        held(self.step(|word| match word & PHASE {
            FLYING => Ok((word & !(PHASE | BUSY | LED | CARRIED | TASK | RUNNABLE)) | VACANT),
            _ => Err(()),
        }))
    }

    /// A caller leaves before the end. `may_end`: also if it is the last.
    pub(crate) fn leave(&self, leaver: Leaver, may_end: bool) -> Left {
        let leading = leaver == Leaver::Leading;
        let marks = match leaver {
            Leaver::Follower => 0,
            Leaver::Starter | Leaver::Leading => LED,
            Leaver::Task => DETACHED,
        };
        let mut left = Left::Others;
        let _ = self.step(|word| {
            if !Snapshot(word).is_open() {
                left = Left::Ended;
                return Err(());
            }
            let fewer = (word - CALLER) & !marks;
            if fewer / CALLER > 0 {
                if !leading {
                    left = Left::Others;
                    return Ok(fewer);
                }
                left = Left::Vacated;
                return Ok((fewer & !(PHASE | BUSY)) | VACANT);
            }
            if !may_end {
                left = Left::WouldEnd;
                return Err(());
            }
            let dead = (fewer & !PHASE) | DEAD;
            if leading || word & CARRIED == 0 {
                left = Left::Nobody;
                return Ok(dead & !BUSY);
            }
            if word & BUSY != 0 {
                // The task is running it at this moment and will find the flight dead.
                left = Left::NobodyButRunner;
                return Ok(dead);
            }
            left = Left::NobodyButWork;
            Ok(dead | BUSY)
        });
        left
    }
}

/// The word of a vacant flight that gets a new leader, who holds the work.
fn lead(word: usize) -> usize {
    (word & !(PHASE | CARRIED | TASK | RUNNABLE)) | FLYING | BUSY | LED
}

fn held(step: Result<Snapshot, ()>) -> Held {
    match step {
        Ok(before) => Held::Yes { runnable: before.0 & RUNNABLE != 0 },
        Err(()) => Held::Ended,
    }
}

#[cfg(test)]
#[cfg(not(any(loom, shuttle)))]
mod tests;
