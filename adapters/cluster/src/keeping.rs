//! A lease, as those who keep it see it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use event_listener::{Event, EventListener};

use crate::engine::EngineError;

/// What the work, and the task that renews its lease, know of it.
pub(crate) struct Keeping {
    state: Mutex<State>,
    /// For who drives the work.
    changed: Event,
    /// For who renews the lease.
    wake: Event,
}

pub(crate) struct State {
    pub(crate) status: Status,
    /// After this moment the lease may be somebody else's.
    pub(crate) valid_until: Duration,
    /// The work is being polled at this moment, so it is not stuck, however long that takes.
    polling: bool,
    /// Since when whoever drives the work was asked to show that it is driven.
    asked: Option<Duration>,
    /// Nothing more is to be done for this lease.
    finished: bool,
    /// It is to be renewed now.
    wanted: bool,
    /// The work is done, and its result on the way.
    publishing: bool,
    /// It was given up, and that was told.
    resigned: bool,
    /// The callers of its own process have left.
    carried_on: bool,
    /// When the engine last answered, and whether somebody elsewhere waited by then.
    pub(crate) followed: Option<LastLook>,
    /// From then on, who waited for an earlier lease has found this one, or does not wait any more.
    found_by: Duration,
    /// Newcomers are to get another flight.
    forgotten: bool,
    /// It was ended by its own process. Whatever the engine was told, that may have been of another flight.
    ended_here: bool,
}

#[derive(Clone, Copy)]
pub(crate) struct LastLook {
    pub(crate) by: bool,
    pub(crate) at: Duration,
}

#[derive(Clone)]
pub(crate) enum Status {
    Held,
    /// It is being given up, because nobody drives the work.
    Resigning,
    /// Given up, but the work goes on for this process.
    Unleased,
    /// Somebody else may lead.
    Lost,
    /// Nobody knows: the engine did not answer for as long as the lease lasts.
    CutOff(EngineError),
    /// The flight was ended by somebody else.
    Ended(Arc<[u8]>),
}

/// Whether the work may be polled.
pub(crate) enum MayPoll {
    Work,
    /// Not before it is known whether the lease is still held.
    Wait,
    Stop(Status),
}

impl Keeping {
    /// Those who waited for an earlier lease, if there was one, have found this one by `found_by`.
    pub(crate) fn new(valid_until: Duration, found_by: Duration) -> Arc<Self> {
        let state = State {
            status: Status::Held,
            valid_until,
            polling: false,
            asked: None,
            finished: false,
            wanted: false,
            publishing: false,
            resigned: false,
            carried_on: false,
            followed: None,
            found_by,
            forgotten: false,
            ended_here: false,
        };
        Arc::new(Self { state: Mutex::new(state), changed: Event::new(), wake: Event::new() })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn until(&self, reached: impl Fn(&Status) -> bool) {
        loop {
            let changed = self.listen();
            if reached(&self.state().status) {
                return;
            }
            changed.await;
        }
    }

    /// For who drives the work: something is new.
    pub(crate) fn listen(&self) -> EventListener {
        self.changed.listen()
    }

    /// For who renews: something is to be done.
    pub(crate) fn listen_wake(&self) -> EventListener {
        self.wake.listen()
    }

    /// Renew now.
    pub(crate) fn wake(&self) {
        self.state().wanted = true;
        self.wake.notify(usize::MAX);
    }

    /// Before the work is polled.
    pub(crate) fn begin_poll(&self, now: Duration) -> MayPoll {
        let mut state = self.state();
        state.asked = None;
        match &state.status {
            Status::Held if now >= state.valid_until => MayPoll::Wait,
            Status::Resigning => MayPoll::Wait,
            Status::Held | Status::Unleased => {
                state.polling = true;
                MayPoll::Work
            }
            stopped => MayPoll::Stop(stopped.clone()),
        }
    }

    /// After it.
    pub(crate) fn end_poll(&self) {
        self.state().polling = false;
    }

    /// Whoever holds the lease does not poll, and is taken to be at it until the end.
    pub(crate) fn never_idle(&self) {
        self.state().polling = true;
    }

    /// The work is done, and its result on the way.
    pub(crate) fn publishing(&self) {
        self.state().publishing = true;
    }

    /// The work goes on, though its callers left.
    pub(crate) fn carry_on(&self) {
        self.state().carried_on = true;
    }

    pub(crate) fn is_carried_on(&self) -> bool {
        self.state().carried_on
    }

    pub(crate) fn is_publishing(&self) -> bool {
        self.state().publishing
    }

    /// The lease is held.
    pub(crate) fn renewed(&self, valid_until: Duration, followed: LastLook) {
        let mut state = self.state();
        state.valid_until = valid_until;
        let is_known = followed.by || followed.at >= state.found_by;
        state.followed = is_known.then_some(followed);
        drop(state);
        self.changed.notify(usize::MAX);
    }

    /// The lease is not held any more, if it was.
    pub(crate) fn set(&self, status: Status) {
        let mut state = self.state();
        if matches!(state.status, Status::Held | Status::Resigning) {
            state.status = status;
        }
        drop(state);
        self.changed.notify(usize::MAX);
    }

    /// It was ended by its own process. If its lease was lost before, it does not lead again.
    pub(crate) fn end(&self, ending: &[u8]) {
        let mut state = self.state();
        state.forgotten = true;
        if matches!(state.status, Status::Held | Status::Resigning) {
            state.status = Status::Ended(ending.into());
            state.ended_here = true;
        }
        drop(state);
        self.changed.notify(usize::MAX);
        self.wake();
    }

    pub(crate) fn is_ended_here(&self) -> bool {
        self.state().ended_here
    }

    /// Newcomers are to get another flight.
    pub(crate) fn forget(&self) {
        self.state().forgotten = true;
    }

    pub(crate) fn is_forgotten(&self) -> bool {
        self.state().forgotten
    }

    /// A lease is held again, as if nothing had been, but that those who wait have to find it, by `found_by`.
    pub(crate) fn held(&self, valid_until: Duration, found_by: Duration) {
        let mut state = self.state();
        (state.valid_until, state.found_by) = (valid_until, found_by);
        (state.asked, state.followed, state.resigned) = (None, None, false);
        let was = std::mem::replace(&mut state.status, Status::Held);
        drop(state);
        drop(was);
    }

    /// It is given up. Whether that is news: not if it was before, nor if it was somebody else's by then.
    pub(crate) fn resigned(&self) -> bool {
        let mut state = self.state();
        let before = std::mem::replace(&mut state.resigned, true);
        !before && !matches!(state.status, Status::Lost)
    }

    /// Whether it is to be renewed without waiting for a beat. Asked after [listening](Self::listen_wake).
    pub(crate) fn is_wanted(&self) -> bool {
        self.state().wanted
    }

    /// It is about to be renewed.
    pub(crate) fn clear_wanted(&self) {
        self.state().wanted = false;
    }

    /// The work goes on without a lease.
    pub(crate) fn unlease(&self) {
        let was = std::mem::replace(&mut self.state().status, Status::Unleased);
        drop(was);
        self.changed.notify(usize::MAX);
    }

    /// Whether the work is driven. It is asked to show that; if it did not for `grace`, it is not polled again before its lease is given up.
    pub(crate) fn is_driven(&self, now: Duration, grace: Duration) -> bool {
        let mut state = self.state();
        match state.asked {
            _ if state.polling || !matches!(state.status, Status::Held) => return true,
            Some(asked) if now.saturating_sub(asked) >= grace => state.status = Status::Resigning,
            Some(_) => {}
            None => state.asked = Some(now),
        }
        let is_driven = matches!(state.status, Status::Held);
        drop(state);
        self.changed.notify(usize::MAX);
        is_driven
    }

    pub(crate) fn finish(&self) {
        self.state().finished = true;
        self.wake();
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.state().finished
    }
}
