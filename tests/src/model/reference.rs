//! What the documentation promises, in plain steps: lists of callers and flights, looked through from end to end, and no cleverness. It knows
//! nothing of states, wakers or locks; that somebody was to be woken is found by polling a copy.
//!
//! Everything that can be seen is modelled exactly, overtaking and retries too, but for what the docs leave open, which is not looked at:
//!
//! - with how many callers it shared, for one whose answer is not the result of the flight it was aboard of;
//! - whether a result counts as forgotten whose time to linger is over, but which no sweeper has taken out yet;
//! - which error one gets who is left without a leader after its own work was overtaken;
//! - how old a flight is, and when an event was, where no runtime keeps time.
//!
//! `run_blocking`, wakers and hashers that panic, calls inside works, and threads are not in the language.

use coflight::{EventKind, Role, Stats, Verb};

use super::program::{End, Limits, Request, Setup};

/// A call: its work, its value, its metadata, all by the same number.
pub type Id = usize;
type Fid = usize;

#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub setup: Setup,
    pub now: u32,
    pub calls: Vec<Call>,
    pub flights: Vec<Flight>,
    pub tasks: Vec<Task>,
    sweeps: Vec<Sweep>,
    counts: Stats,
    /// What happened since it was last looked at.
    pub answers: Vec<(Id, Answer)>,
    pub events: Vec<Event>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub request: Request,
    pub at: At,
    /// The work was called; it exists; it can end.
    pub called: bool,
    pub alive: bool,
    pub end: Option<End>,
    pub role: Role,
    asked: Option<u32>,
    wait: Option<(u32, Why)>,
    /// Its work failed, and others are to try.
    failed: bool,
    /// The leader of an `enter` was told that its flight has ended.
    told: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum At {
    Outside,
    Refused,
    /// Waiting for the key to be free.
    Watching(Fid),
    Aboard(Fid),
    /// Aboard, with the flight's work in its own hands.
    Leading(Fid),
    Done,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Flight {
    pub key: u8,
    pub phase: Phase,
    /// Frozen when it ends.
    pub aboard: Vec<Id>,
    leader: Option<Id>,
    /// Whose work it runs, or ran last.
    worker: Id,
    runs: Runs,
    listed: Listed,
    forgotten: bool,
    kind: Kind,
    detached: bool,
    born: Option<u32>,
    deadline: Option<u32>,
    overtake_after: Option<u32>,
    led_since: u32,
    linger: Option<(u32, usize)>,
    lingers_until: Option<u32>,
    retries: usize,
    rival: Option<Fid>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    Flying,
    Vacant,
    Over(Ending),
    Released,
    Dead,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ending {
    /// Of whose work.
    Result(Id),
    Panicked(Id),
    Cancelled,
    TimedOut,
}

/// Where a flight's work is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Runs {
    Hand,
    Baton,
    Task,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Listed {
    Yes,
    Aside,
    No,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Main,
    Beside(Fid),
    /// Of a caller that goes alone.
    Alone,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Task {
    job: Job,
    pub polled: bool,
    pub finished: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Job {
    Work(Fid),
    Sweep(usize),
}

/// What lingers in one place.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sweep {
    queue: Vec<(u32, Fid)>,
    started: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Why {
    Full,
    Cancelled,
    TimedOut,
    WaitTimedOut,
    /// Whose work, if the panic says so.
    Panicked(Option<Id>),
    Shutdown,
}

/// What a caller got.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    /// Of whose work; with how many it was shared, where that is looked at.
    Value(Id, Option<usize>),
    Failure(Id, Option<usize>),
    Error(Why),
    Unwound(Id),
    /// The leader of an `enter`: it leads; it was told that its flight has ended; it has released its followers.
    Leads,
    Told,
    Released,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// Counted from zero in the order of their starts.
    pub flight: Option<usize>,
    pub kind: &'static str,
    pub key: u8,
    pub verb: &'static str,
    pub elapsed: Option<u32>,
    /// Of the call, and of the leader, if they brought some.
    pub tag: Option<Id>,
    pub leader: Option<Id>,
}

/// What [`coflight::Group::in_flight`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InFlight {
    pub key: u8,
    pub age: Option<u32>,
    pub callers: usize,
    pub state: &'static str,
    pub verb: &'static str,
    pub listed: bool,
}

/// Asking.
impl Model {
    pub fn new(setup: Setup) -> Self {
        let (calls, flights, tasks, answers, events) = Default::default();
        // The group's own place for what lingers is the first.
        let sweeps = vec![Sweep::default()];
        Self { setup, now: 0, calls, flights, tasks, sweeps, counts: Stats::default(), answers, events }
    }

    pub fn ask(&mut self, request: Request) {
        let (at, end, role) = (At::Outside, request.ready, Role::Followed);
        let (called, alive, failed, told) = (false, false, false, false);
        self.calls.push(Call { request, at, called, alive, end, role, asked: None, wait: None, failed, told });
        if request.verb == Verb::Enter {
            self.board(self.calls.len() - 1);
        }
    }

    fn limits(&self, id: Id) -> Limits {
        let (own, group) = (self.calls[id].request.limits, self.setup.limits);
        Limits {
            timeout: own.timeout.unwrap_or(group.timeout),
            overtake_after: own.overtake_after.unwrap_or(group.overtake_after),
            wait_timeout: own.wait_timeout.unwrap_or(group.wait_timeout),
            join_within: own.join_within.unwrap_or(group.join_within),
            linger: own.linger.unwrap_or(group.linger),
            max_flights: own.max_flights.unwrap_or(group.max_flights),
            max_callers: own.max_callers.unwrap_or(group.max_callers),
        }
    }

    fn board(&mut self, id: Id) {
        let (limits, key) = (self.limits(id), self.calls[id].request.key);
        let found = self.flights.iter().position(|flight| flight.listed == Listed::Yes && flight.key == key);
        match found {
            Some(f) if self.may_be_had(f, &limits) => self.join(id, f),
            Some(f) if self.is_clearing(f) => self.calls[id].at = At::Watching(f),
            _ => self.start(id, found, &limits),
        }
        let (now, call) = (self.now, &mut self.calls[id]);
        let asked = *call.asked.get_or_insert(now);
        // A flight's limit was set by who started it. Who joins has its own for itself; who waits for the key has no flight.
        let timeout = match call.at {
            At::Watching(_) => limits.timeout,
            _ if call.role != Role::Led => limits.timeout.filter(|_| call.request.limits.timeout.is_some()),
            _ => None,
        };
        let timeout = timeout.map(|timeout| (asked + timeout, Why::TimedOut));
        let wait = limits.wait_timeout.map(|wait| (asked + wait, Why::WaitTimedOut));
        call.wait = timeout.into_iter().chain(wait).min_by_key(|wait| wait.0);
    }

    /// Whether a newcomer may join the flight, or have what lingers of it.
    fn may_be_had(&self, f: Fid, limits: &Limits) -> bool {
        let flight = &self.flights[f];
        let too_old = limits.join_within.is_some_and(|most| flight.born.is_none_or(|born| self.now - born > most));
        let full = limits.max_callers.is_some_and(|most| flight.aboard.len() >= most.max(1) as usize);
        !too_old && if flight.is_open() { !full } else { flight.lingers_until.is_some_and(|until| self.now < until) }
    }

    /// Whether newcomers must wait: the flight has ended, but the leader of an `enter` has not put its work down.
    fn is_clearing(&self, f: Fid) -> bool {
        let flight = &self.flights[f];
        !flight.is_open() && flight.lingers_until.is_none() && !flight.forgotten && self.is_held(f)
    }

    fn is_held(&self, f: Fid) -> bool {
        self.calls.iter().any(|call| call.at == At::Leading(f) && call.request.verb == Verb::Enter)
    }

    fn join(&mut self, id: Id, f: Fid) {
        self.calls[id].at = At::Aboard(f);
        if !self.flights[f].is_open() {
            self.calls[id].role = Role::Lingered;
            self.counts.lingered += 1;
            return self.tell(EventKind::Lingered, f, Some(id));
        }
        self.flights[f].aboard.push(id);
        self.counts.joined += 1;
        self.tell(EventKind::Joined, f, Some(id));
        if self.flights[f].is_free() {
            self.take_over(id, f);
        }
    }

    fn start(&mut self, id: Id, over: Option<Fid>, limits: &Limits) {
        let in_progress = self.open().count();
        if limits.max_flights.is_some_and(|most| in_progress >= most as usize) {
            self.calls[id].at = At::Refused;
            self.counts.refused += 1;
            self.note(EventKind::Missed, None, id, id);
            return self.note(EventKind::Refused, None, id, id);
        }
        if let Some(over) = over {
            self.flights[over].listed = if self.flights[over].is_open() { Listed::Aside } else { Listed::No };
        }
        let f = self.new_flight(id, Kind::Main, limits);
        self.flights[f].listed = Listed::Yes;
        self.counts.led += 1;
        self.tell(EventKind::Missed, f, Some(id));
        self.tell(EventKind::Started, f, Some(id));
        self.lead(id, f, Role::Led);
    }

    fn new_flight(&mut self, id: Id, kind: Kind, limits: &Limits) -> Fid {
        let Request { key, limits: own, .. } = self.calls[id].request;
        let timed = self.setup.is_timed() || own.is_timed();
        let main = kind == Kind::Main;
        let linger = limits.linger.filter(|linger| main && *linger > 0).map(|linger| {
            if self.setup.limits.linger.is_none() {
                self.sweeps.push(Sweep::default());
            }
            (linger, if self.setup.limits.linger.is_some() { 0 } else { self.sweeps.len() - 1 })
        });
        self.flights.push(Flight {
            key,
            phase: Phase::Flying,
            aboard: vec![id],
            leader: Some(id),
            worker: id,
            runs: Runs::Hand,
            listed: Listed::No,
            forgotten: false,
            kind,
            detached: false,
            born: timed.then_some(self.now),
            deadline: match kind {
                Kind::Beside(main) => self.flights[main].deadline,
                Kind::Main | Kind::Alone => limits.timeout.map(|timeout| self.now + timeout),
            },
            overtake_after: limits.overtake_after.filter(|_| main),
            led_since: self.now,
            linger,
            lingers_until: None,
            retries: if main { self.setup.retries } else { 0 },
            rival: None,
        });
        self.flights.len() - 1
    }
}

/// Going on.
impl Model {
    /// Polls a caller.
    pub fn poll(&mut self, id: Id) {
        if let (At::Leading(f), Verb::Enter) = (self.calls[id].at, self.calls[id].request.verb) {
            if self.flights[f].is_open() && self.is_due(self.flights[f].deadline) {
                self.expire(f);
            }
            if !self.flights[f].is_open() && !std::mem::replace(&mut self.calls[id].told, true) {
                self.answers.push((id, Answer::Told));
            }
            return;
        }
        while self.step(id) {}
    }

    fn is_due(&self, at: Option<u32>) -> bool {
        at.is_some_and(|at| at <= self.now)
    }

    /// Whether to look again.
    fn step(&mut self, id: Id) -> bool {
        match self.calls[id].at {
            At::Done => false,
            At::Refused => self.answer(id, Answer::Error(Why::Full)),
            At::Watching(f) if self.is_clearing(f) => match self.calls[id].wait.filter(|wait| wait.0 <= self.now) {
                Some((_, why)) => self.answer(id, Answer::Error(why)),
                None => false,
            },
            At::Outside | At::Watching(_) => {
                self.board(id);
                true
            }
            At::Leading(_) if self.calls[id].request.verb == Verb::Enter => false,
            At::Leading(f) => self.step_leading(id, f),
            At::Aboard(f) => self.step_aboard(id, f),
        }
    }

    /// The leader of a `run`.
    fn step_leading(&mut self, id: Id, f: Fid) -> bool {
        if self.flights[f].phase != Phase::Flying {
            self.calls[id].alive = false;
            self.calls[id].at = At::Aboard(f);
            return true;
        }
        let (deadline, wait) = (self.flights[f].deadline, self.calls[id].wait);
        match self.calls[id].end {
            Some(_) => {
                let end = self.finish(f);
                self.calls[id].at = At::Aboard(f);
                match end {
                    Finished::Panicked => self.answer(id, Answer::Unwound(id)),
                    Finished::HandedOn => {
                        self.depart(id, f);
                        self.answer(id, Answer::Failure(id, None))
                    }
                    Finished::Landed => true,
                }
            }
            None if self.is_due(deadline) && wait.is_none_or(|wait| deadline <= Some(wait.0)) => {
                self.expire(f);
                true
            }
            None => match wait.filter(|wait| wait.0 <= self.now) {
                Some((_, why)) => {
                    self.leave(id);
                    self.answer(id, Answer::Error(why))
                }
                None => false,
            },
        }
    }

    fn step_aboard(&mut self, id: Id, f: Fid) -> bool {
        let can_lead = self.calls[id].request.verb == Verb::Enter || !self.calls[id].called;
        let flight = &self.flights[f];
        let main = if let Kind::Beside(main) = flight.kind { Some(main) } else { None };
        match (flight.phase, main) {
            // What its work came to is its own: everybody goes alone, or others try again.
            (Phase::Over(ending), Some(_)) => {
                self.depart(id, f);
                self.answer(id, self.ending(id, ending, None))
            }
            (Phase::Vacant | Phase::Dead, Some(main)) => {
                self.depart_only(id, f);
                self.calls[id].at = At::Aboard(main);
                true
            }
            _ if self.calls[id].failed => {
                self.depart(id, f);
                self.answer(id, Answer::Failure(id, None))
            }
            (Phase::Over(ending), None) => self.answer_ending(id, f, ending),
            (Phase::Released, _) if can_lead => {
                self.counts.alone += 1;
                self.tell(EventKind::Alone, f, Some(id));
                let alone = self.new_flight(id, Kind::Alone, &self.limits(id));
                self.lead(id, alone, Role::Alone);
                true
            }
            (Phase::Vacant, _) if can_lead && flight.is_free() => {
                self.take_over(id, f);
                true
            }
            (Phase::Released | Phase::Vacant, _) if !flight.is_open() || flight.is_free() => {
                self.depart(id, f);
                self.answer(id, Answer::Error(Why::Shutdown))
            }
            (Phase::Flying, _) if flight.runs == Runs::Baton && self.calls[flight.worker].end.is_some() => {
                let (led, worker) = (flight.leader.is_some(), flight.worker);
                let end = self.finish(f);
                // Somebody is to unwind.
                if end == Finished::Panicked && !led { self.answer(id, Answer::Unwound(worker)) } else { true }
            }
            _ => self.step_limits(id, f, can_lead),
        }
    }

    /// Looks at a waiting caller's limits: its flight's, its own, and how long it bears with a slow leader.
    fn step_limits(&mut self, id: Id, f: Fid, can_lead: bool) -> bool {
        let flight = &self.flights[f];
        // Anybody goes on with a baton, so nobody holds it up.
        let slow = flight.rival.map_or(flight.led_since, |rival| self.flights[rival].led_since);
        let may_overtake = can_lead && (flight.runs != Runs::Baton || flight.phase == Phase::Vacant);
        let overtake_at = flight.overtake_after.filter(|_| may_overtake).map(|after| slow + after);
        let wait = self.calls[id].wait;
        let limits = [flight.deadline, wait.map(|wait| wait.0), overtake_at];
        let Some(next) = limits.into_iter().flatten().min().filter(|next| *next <= self.now) else {
            return false;
        };
        if limits[0] == Some(next) {
            self.expire(f);
            return true;
        }
        if let Some((_, why)) = wait.filter(|wait| wait.0 == next) {
            self.leave(id);
            return self.answer(id, Answer::Error(why));
        }
        self.stop_rival(f);
        if self.flights[f].phase == Phase::Vacant {
            return true;
        }
        self.counts.overtakes += 1;
        self.tell(EventKind::Overtaken, f, Some(id));
        let rival = self.new_flight(id, Kind::Beside(f), &self.limits(id));
        self.flights[f].rival = Some(rival);
        self.lead(id, rival, Role::Overtook);
        true
    }

    fn take_over(&mut self, id: Id, f: Fid) {
        self.counts.handovers += 1;
        let now = self.now;
        let flight = &mut self.flights[f];
        (flight.phase, flight.leader, flight.worker, flight.led_since) = (Phase::Flying, Some(id), id, now);
        self.tell(EventKind::Handover, f, Some(id));
        self.lead(id, f, Role::TookOver);
    }

    /// Starts the caller's own work for the flight.
    fn lead(&mut self, id: Id, f: Fid, role: Role) {
        let (call, flight) = (&mut self.calls[id], &mut self.flights[f]);
        call.role = role;
        call.called = call.request.verb != Verb::Enter;
        call.alive = call.called;
        (call.at, flight.runs) = match call.request.verb {
            Verb::Relay => (At::Aboard(f), Runs::Baton),
            Verb::Spawn => (At::Aboard(f), Runs::Task),
            _ => (At::Leading(f), Runs::Hand),
        };
        if call.request.verb == Verb::Spawn {
            flight.detached = call.request.detach.unwrap_or(self.setup.detach);
            self.tasks.push(Task { job: Job::Work(f), polled: false, finished: false });
        }
        if call.request.verb == Verb::Enter {
            self.answers.push((id, Answer::Leads));
        }
    }

    /// The work of a flight came to its end.
    fn finish(&mut self, f: Fid) -> Finished {
        let Flight { worker, kind, leader, .. } = self.flights[f];
        self.calls[worker].alive = false;
        let end = self.calls[worker].end.unwrap_or(End::Value);
        let ending = if end == End::Panic { Ending::Panicked(worker) } else { Ending::Result(worker) };
        let main = if let Kind::Beside(main) = kind { main } else { f };
        let others = self.flights[main].aboard.iter().any(|id| Some(*id) != leader);
        if self.is_failure(worker) && self.flights[main].is_open() && others && self.flights[main].retries > 0 {
            self.counts.retries += 1;
            self.flights[main].retries -= 1;
            self.tell(EventKind::Retried, main, Some(worker));
            if main == f {
                self.flights[f].detached = false;
                self.vacate(f);
            } else {
                self.flights[f].phase = Phase::Over(ending);
                self.leave_place(f);
            }
            if let Some(leader) = leader {
                self.calls[leader].failed = true;
            }
            return Finished::HandedOn;
        }
        match kind {
            Kind::Beside(main) if self.flights[main].is_open() => {
                self.end(main, ending, true);
                self.flights[f].phase = Phase::Dead;
            }
            Kind::Main => self.end(f, ending, false),
            Kind::Beside(_) | Kind::Alone => self.flights[f].phase = Phase::Over(ending),
        }
        if end == End::Panic { Finished::Panicked } else { Finished::Landed }
    }

    fn is_failure(&self, worker: Id) -> bool {
        self.calls[worker].end == Some(End::Failure) && (self.setup.judged || self.calls[worker].request.fallible)
    }

    fn answer_ending(&mut self, id: Id, f: Fid, ending: Ending) -> bool {
        let shared = Some(self.flights[f].aboard.len()).filter(|_| self.calls[id].role != Role::Lingered);
        self.answer(id, self.ending(id, ending, shared))
    }

    fn ending(&self, id: Id, ending: Ending, shared: Option<usize>) -> Answer {
        match ending {
            Ending::Result(worker) if self.calls[worker].end == Some(End::Failure) => Answer::Failure(worker, shared),
            Ending::Result(worker) => Answer::Value(worker, shared),
            Ending::Panicked(worker) if worker == id => Answer::Unwound(id),
            // What a leader by `enter` panics with is not seen.
            Ending::Panicked(worker) => {
                let seen = self.calls[worker].request.verb != Verb::Enter;
                Answer::Error(Why::Panicked(Some(worker).filter(|_| seen)))
            }
            Ending::Cancelled => Answer::Error(Why::Cancelled),
            Ending::TimedOut => Answer::Error(Why::TimedOut),
        }
    }

    fn answer(&mut self, id: Id, answer: Answer) -> bool {
        self.calls[id].at = At::Done;
        self.answers.push((id, answer));
        false
    }
}

/// Ending.
impl Model {
    fn end(&mut self, f: Fid, ending: Ending, overtaken: bool) {
        let (count, kind) = match ending {
            Ending::Result(worker) if self.is_failure(worker) => (&mut self.counts.failed, EventKind::Failed),
            Ending::Result(_) => (&mut self.counts.completed, EventKind::Completed),
            Ending::Panicked(_) => (&mut self.counts.panicked, EventKind::Panicked),
            Ending::Cancelled => (&mut self.counts.cancelled, EventKind::Cancelled),
            Ending::TimedOut => (&mut self.counts.timed_out, EventKind::TimedOut),
        };
        *count += 1;
        let lingers =
            matches!(ending, Ending::Result(_)) && (kind == EventKind::Completed || self.setup.linger_failures);
        let linger = self.flights[f].linger.filter(|_| lingers && self.flights[f].listed == Listed::Yes);
        // The key is free when the work is put down, unless another work was quicker.
        let stays = linger.is_some() || self.is_held(f) && !overtaken && self.flights[f].listed == Listed::Yes;
        if let Ending::Result(worker) | Ending::Panicked(worker) = ending {
            // That of the leader, or the one beside it.
            self.drop_carried(f);
            self.flights[f].worker = worker;
        }
        self.over(f, Phase::Over(ending), kind);
        self.flights[f].listed = if stays { Listed::Yes } else { Listed::No };
        if let Some((linger, sweep)) = linger {
            self.flights[f].lingers_until = Some(self.now + linger);
            self.sweeps[sweep].queue.push((self.now + linger, f));
            if !std::mem::replace(&mut self.sweeps[sweep].started, true) {
                self.tasks.push(Task { job: Job::Sweep(sweep), polled: false, finished: false });
            }
        }
    }

    fn over(&mut self, f: Fid, phase: Phase, kind: EventKind) {
        self.tell(kind, f, None);
        self.flights[f].phase = phase;
        self.flights[f].listed = Listed::No;
        self.drop_carried(f);
        self.stop_rival(f);
    }

    fn stop_rival(&mut self, f: Fid) {
        if let Some(rival) = self.flights[f].rival.take() {
            self.flights[rival].phase = Phase::Dead;
            self.drop_carried(rival);
        }
    }

    fn drop_carried(&mut self, f: Fid) {
        if self.flights[f].runs != Runs::Hand {
            self.calls[self.flights[f].worker].alive = false;
        }
    }

    /// The flight's time is over.
    fn expire(&mut self, f: Fid) {
        match self.flights[f].kind {
            Kind::Main => self.end(f, Ending::TimedOut, false),
            Kind::Beside(main) if self.flights[main].is_open() => self.end(main, Ending::TimedOut, false),
            Kind::Beside(_) | Kind::Alone => {
                self.flights[f].phase = Phase::Over(Ending::TimedOut);
                self.drop_carried(f);
            }
        }
    }

    /// The caller is dropped, or its own limit has passed.
    pub fn leave(&mut self, id: Id) {
        let at = std::mem::replace(&mut self.calls[id].at, At::Done);
        if let At::Leading(f) = at {
            self.calls[id].alive = false;
            self.depart(id, f);
        }
        if let At::Aboard(f) = at {
            self.depart(id, f);
        }
    }

    fn depart(&mut self, id: Id, f: Fid) {
        self.depart_only(id, f);
        if let Kind::Beside(main) = self.flights[f].kind {
            self.depart_only(id, main);
        }
    }

    fn depart_only(&mut self, id: Id, f: Fid) {
        if self.flights[f].is_open() {
            self.flights[f].aboard.retain(|aboard| *aboard != id);
            if self.flights[f].leader == Some(id) {
                self.flights[f].leader = None;
                if self.flights[f].runs == Runs::Hand {
                    self.vacate(f);
                }
            }
            self.abandon_if_empty(f);
        }
        self.free(f);
    }

    fn vacate(&mut self, f: Fid) {
        (self.flights[f].phase, self.flights[f].leader) = (Phase::Vacant, None);
    }

    fn abandon_if_empty(&mut self, f: Fid) {
        if self.flights[f].aboard.is_empty() && !self.flights[f].detached {
            self.counts.abandoned += u64::from(self.flights[f].kind == Kind::Main);
            self.over(f, Phase::Dead, EventKind::Abandoned);
            self.leave_place(f);
        }
    }

    /// Somebody else may start a work beside the leader's.
    fn leave_place(&mut self, f: Fid) {
        if let Kind::Beside(main) = self.flights[f].kind {
            if self.flights[main].rival == Some(f) {
                self.flights[main].rival = None;
            }
        }
    }

    /// A work that was ended from outside may be put down.
    fn free(&mut self, f: Fid) {
        if !self.flights[f].is_open() && self.flights[f].lingers_until.is_none() && !self.is_held(f) {
            self.flights[f].listed = Listed::No;
        }
    }

    /// The leader of an `enter` ends its flight.
    pub fn bring(&mut self, id: Id, end: End) {
        let At::Leading(f) = self.calls[id].at else { return };
        self.calls[id].end = Some(end);
        self.calls[id].at = At::Done;
        // Who overtook, was too slow as well, and was released with the others, has what its work came to.
        let is_alone = |main: Fid| self.flights[main].phase == Phase::Released && self.flights[f].phase == Phase::Dead;
        let alone = matches!(self.flights[f].kind, Kind::Beside(main) if is_alone(main));
        if alone || self.flights[f].phase == Phase::Flying {
            match self.finish(f) {
                Finished::HandedOn => self.depart(id, f),
                Finished::Panicked => return,
                Finished::Landed => {}
            }
            let answer = if end == End::Value { Answer::Value(id, None) } else { Answer::Failure(id, None) };
            return self.answers.push((id, answer));
        }
        self.depart(id, f);
        if end != End::Panic {
            self.answers.push((id, self.ending(id, self.ended(f), None)));
        }
    }

    /// How a flight ended, or that beside which it ran.
    fn ended(&self, f: Fid) -> Ending {
        match (self.flights[f].phase, self.flights[f].kind) {
            (Phase::Over(ending), _) => ending,
            (_, Kind::Beside(main)) => self.ended(main),
            _ => Ending::Cancelled,
        }
    }

    /// The leader of an `enter` lets its followers go alone.
    pub fn release(&mut self, id: Id) {
        let At::Leading(f) = self.calls[id].at else { return };
        if self.flights[f].phase != Phase::Flying {
            let why = if self.ended(f) == Ending::TimedOut { Why::TimedOut } else { Why::Cancelled };
            self.answer(id, Answer::Error(why));
            return self.depart(id, f);
        }
        self.answer(id, Answer::Released);
        match self.flights[f].kind {
            Kind::Main => {
                self.counts.released += 1;
                // What runs beside it goes on, alone.
                self.flights[f].rival = None;
                self.over(f, Phase::Released, EventKind::Released);
            }
            Kind::Beside(_) => self.depart(id, f),
            Kind::Alone => self.flights[f].phase = Phase::Dead,
        }
    }

    /// Polls a task.
    pub fn poll_task(&mut self, t: usize) {
        self.tasks[t].polled = true;
        self.tasks[t].finished = match self.tasks[t].job {
            _ if self.tasks[t].finished => true,
            Job::Sweep(sweep) => {
                let now = self.now;
                self.sweep(sweep, |until| until <= now)
            }
            Job::Work(f) if self.flights[f].phase != Phase::Flying => true,
            Job::Work(f) if self.calls[self.flights[f].worker].end.is_some() => {
                self.finish(f);
                true
            }
            Job::Work(f) if self.is_due(self.flights[f].deadline) => {
                self.expire(f);
                true
            }
            Job::Work(_) => false,
        };
    }

    /// Whether there is something to do for a task. One that sweeps may stay for nothing until its timer rings.
    pub fn is_wanted(&self, t: usize) -> bool {
        let Job::Sweep(sweep) = self.tasks[t].job else { return true };
        self.sweeps[sweep].queue.iter().any(|(until, _)| *until <= self.now)
    }

    /// The runtime drops a task.
    pub fn drop_task(&mut self, t: usize) {
        let Task { job, polled, .. } = self.tasks[t];
        self.tasks[t].finished = true;
        match job {
            Job::Sweep(sweep) => _ = self.sweep(sweep, |_| true),
            Job::Work(f) if self.flights[f].phase == Phase::Flying => {
                if polled {
                    self.drop_carried(f);
                    self.vacate(f);
                    self.leave_place(f);
                }
                self.flights[f].runs = Runs::Baton;
                self.flights[f].detached = false;
                self.abandon_if_empty(f);
            }
            Job::Work(_) => {}
        }
    }

    /// Takes out what lingered long enough. Whether nothing is left.
    fn sweep(&mut self, sweep: usize, over: impl Fn(u32) -> bool) -> bool {
        let (gone, left): (Vec<_>, Vec<_>) = self.sweeps[sweep].queue.iter().partition(|(until, _)| over(*until));
        gone.into_iter().for_each(|(_, f)| self.unlist(f));
        self.sweeps[sweep].started = !left.is_empty();
        self.sweeps[sweep].queue = left;
        !self.sweeps[sweep].started
    }

    fn unlist(&mut self, f: Fid) {
        self.flights[f].lingers_until = None;
        self.flights[f].forgotten = true;
        self.flights[f].listed = Listed::No;
    }

    /// Forgets, or cancels, the flights of a key, or all. How many there were for certain, and how many perhaps: those whose time to linger
    /// is over.
    pub fn end_all(&mut self, key: Option<u8>, cancel: bool) -> (usize, usize) {
        let (mut sure, mut stale) = (0, 0);
        for f in 0..self.flights.len() {
            let flight = &self.flights[f];
            let among = key.is_none_or(|key| flight.key == key) && flight.kind == Kind::Main && !flight.forgotten;
            if among && flight.is_open() {
                sure += 1;
                if cancel {
                    self.end(f, Ending::Cancelled, false);
                } else {
                    self.unlist(f);
                }
            } else if among && flight.listed == Listed::Yes {
                match flight.lingers_until {
                    Some(until) if self.now < until => sure += 1,
                    Some(_) => stale += 1,
                    None if cancel => continue,
                    None => {}
                }
                self.unlist(f);
                self.sweeps.iter_mut().for_each(|sweep| sweep.queue.retain(|(_, lingers)| *lingers != f));
            }
        }
        (sure, stale)
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Finished {
    Landed,
    Panicked,
    HandedOn,
}

/// Looking.
impl Model {
    pub fn contains(&self, key: u8) -> bool {
        self.open().any(|flight| !flight.forgotten && flight.key == key)
    }

    pub fn len(&self) -> usize {
        self.open().filter(|flight| !flight.forgotten).count()
    }

    fn open(&self) -> impl Iterator<Item = &Flight> {
        self.flights.iter().filter(|flight| flight.kind == Kind::Main && flight.is_open())
    }

    pub fn stats(&self) -> Stats {
        let mut stats = self.counts;
        stats.in_flight = self.open().count() as u64;
        stats.waiting = self.open().map(|flight| (flight.aboard.len() - flight.leader.iter().count()) as u64).sum();
        stats
    }

    pub fn reset_stats(&mut self) -> Stats {
        let stats = self.stats();
        self.counts = Stats::default();
        stats
    }

    pub fn in_flight(&self) -> Vec<InFlight> {
        let look = |flight: &Flight| InFlight {
            key: flight.key,
            age: flight.born.map(|born| self.now - born),
            callers: flight.aboard.len(),
            state: match flight.phase {
                _ if flight.rival.is_some() => "Overtaken",
                Phase::Vacant => "Vacant",
                _ => "Running",
            },
            verb: self.calls[flight.worker].request.verb.name(),
            listed: flight.listed == Listed::Yes,
        };
        self.open().map(look).collect()
    }

    /// How many callers the leader of an `enter` leads, itself included; `None`: its flight was ended.
    pub fn led_by(&self, id: Id) -> Option<usize> {
        let At::Leading(f) = self.calls[id].at else { return None };
        self.flights[f].is_open().then_some(self.flights[f].aboard.len())
    }

    fn tell(&mut self, kind: EventKind, f: Fid, by: Option<Id>) {
        if self.flights[f].kind == Kind::Main {
            let worker = self.flights[f].worker;
            self.note(kind, Some(f), by.unwrap_or(worker), worker);
        }
    }

    fn note(&mut self, kind: EventKind, f: Option<Fid>, by: Id, leader: Id) {
        if !self.setup.observed {
            return;
        }
        let tag = |id: Id| Some(id).filter(|id| self.calls[*id].request.tagged);
        let mains = |f: Fid| self.flights[..f].iter().filter(|flight| flight.kind == Kind::Main).count();
        let aged = f.filter(|_| !matches!(kind, EventKind::Missed | EventKind::Started));
        self.events.push(Event {
            flight: f.map(mains),
            kind: kind.name(),
            key: self.calls[by].request.key,
            verb: self.calls[by].request.verb.name(),
            elapsed: aged.and_then(|f| Some(self.now - self.flights[f].born?)),
            tag: tag(by),
            leader: f.and_then(|_| tag(leader)),
        });
    }
}

impl Flight {
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Flying | Phase::Vacant)
    }

    /// Whether a caller may take the place of the leader who left.
    fn is_free(&self) -> bool {
        self.phase == Phase::Vacant && self.rival.is_none()
    }
}

impl Setup {
    fn is_timed(&self) -> bool {
        self.timed || self.limits.is_timed()
    }
}

impl<T> Limits<Option<T>> {
    fn is_timed(&self) -> bool {
        let Self { timeout, overtake_after, wait_timeout, join_within, linger, .. } = self;
        [timeout, overtake_after, wait_timeout, join_within, linger].into_iter().any(Option::is_some)
    }
}
