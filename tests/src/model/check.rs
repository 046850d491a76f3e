//! Runs a program on the model and on the group, and compares what can be seen after every step.

use std::fmt::Debug;

use coflight::{FlightState, Role, Stats};

use super::program::{End, Op, Program, Setup, Verb};
use super::reference::{Answer, At, Event, InFlight, Model, Why};
use super::system::{System, in_ticks, ticks};

/// More callers than this would wait for each other's turn for most of a program.
const CALLERS: usize = 8;

/// # Errors
///
/// What the group did otherwise than the model.
pub fn run(program: &Program) -> Result<(), String> {
    let mut check = Check::new(&program.setup);
    for (step, op) in program.ops.iter().enumerate() {
        check.apply(op).map_err(|error| format!("step {step}, {op:?}: {error}"))?;
    }
    check.drain().map_err(|error| format!("at the end: {error}"))
}

struct Check {
    model: Model,
    system: System,
    /// The numbers of the observed flights, in the order of their starts.
    numbers: Vec<u64>,
    /// What was counted before the accounts were reset.
    counted: Vec<Stats>,
}

/// `Err` unless both are the same.
fn same<T: PartialEq + Debug>(what: &str, real: T, model: T) -> Result<(), String> {
    if real == model { Ok(()) } else { Err(format!("{what}: is {real:?}, should be {model:?}")) }
}

impl Check {
    fn new(setup: &Setup) -> Self {
        Self { model: Model::new(*setup), system: System::new(setup), numbers: Vec::new(), counted: Vec::new() }
    }

    fn apply(&mut self, op: &Op) -> Result<(), String> {
        match *op {
            Op::Ask(request) if self.live().len() < CALLERS => {
                self.model.ask(request);
                self.system.ask(request)?;
            }
            Op::Poll(nth) => {
                if let Some(id) = pick(&self.live(), nth) {
                    return self.poll(id);
                }
            }
            Op::Drop(nth) => {
                if let Some(id) = pick(&self.live(), nth) {
                    self.model.leave(id);
                    self.system.leave(id);
                }
            }
            Op::Finish(nth, end) => {
                if let Some(id) = pick(&self.works(), nth) {
                    self.finish(id, end);
                }
            }
            Op::Release(nth) => {
                if let Some(id) = pick(&self.leaders(), nth) {
                    self.model.release(id);
                    self.system.release(id);
                }
            }
            Op::PollTask(nth) => {
                if let Some(task) = pick(&self.tasks(), nth) {
                    return self.poll_task(task);
                }
            }
            Op::DropTask(nth) => {
                if let Some(task) = pick(&self.tasks(), nth) {
                    self.model.drop_task(task);
                    self.system.drop_task(task);
                }
            }
            Op::Advance(by) => self.advance(by),
            Op::Forget(key) => {
                let forgot = self.system.group.forget(&self.system.key(key));
                let (sure, stale) = self.model.end_all(Some(key), false);
                same("forgot", forgot, if stale > 0 { forgot || sure > 0 } else { sure > 0 })?;
            }
            Op::Cancel(key) => {
                let cancelled = self.system.group.cancel(&self.system.key(key));
                let (sure, stale) = self.model.end_all(Some(key), true);
                same("cancelled", cancelled, if stale > 0 { cancelled || sure > 0 } else { sure > 0 })?;
            }
            Op::ForgetAll => {
                let forgot = self.system.group.forget_all();
                let (sure, stale) = self.model.end_all(None, false);
                same("forgot", forgot, forgot.clamp(sure, sure + stale))?;
            }
            Op::CancelAll => {
                let cancelled = self.system.group.cancel_all();
                let (sure, stale) = self.model.end_all(None, true);
                same("cancelled", cancelled, cancelled.clamp(sure, sure + stale))?;
            }
            Op::ResetStats => {
                let counted = self.system.group.reset_stats();
                same("counted until now", counted, self.model.reset_stats())?;
                self.counted.push(counted);
            }
            Op::Settle => return self.settle(),
            Op::Ask(_) => {}
        }
        self.compare()
    }

    fn poll(&mut self, id: usize) -> Result<(), String> {
        self.model.poll(id);
        self.system.poll(id)?;
        self.compare().map_err(|error| format!("call {id} was polled: {error}"))
    }

    fn poll_task(&mut self, task: usize) -> Result<(), String> {
        self.model.poll_task(task);
        self.system.poll_task(task);
        self.compare().map_err(|error| format!("task {task} was polled: {error}"))
    }

    fn finish(&mut self, id: usize, end: End) {
        let request = self.model.calls[id].request;
        if request.verb == Verb::Enter {
            self.model.bring(id, end);
            self.system.bring(id, end, request.fallible);
        } else {
            self.model.calls[id].end = Some(end);
            self.system.calls[id].work.finish(end);
        }
    }

    fn advance(&mut self, by: u32) {
        self.model.now += by;
        self.system.time.advance(ticks(by));
    }

    /// Polls everybody who was woken, until nobody is.
    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..100 {
            let callers = self.live().into_iter().filter(|id| self.system.is_woken(*id)).collect::<Vec<_>>();
            let tasks = self.tasks().into_iter().filter(|task| self.system.task_is_woken(*task)).collect::<Vec<_>>();
            if callers.is_empty() && tasks.is_empty() {
                return Ok(());
            }
            callers.into_iter().try_for_each(|id| self.poll(id))?;
            tasks.into_iter().try_for_each(|task| self.poll_task(task))?;
        }
        Err("they wake each other for ever".into())
    }

    /// When every work can end, and those who are woken are polled, everybody is served and nothing is left.
    fn drain(mut self) -> Result<(), String> {
        loop {
            self.settle()?;
            let works = self.works();
            if works.is_empty() {
                break;
            }
            for id in works {
                self.finish(id, End::Value);
                self.compare()?;
            }
        }
        same("not served", self.live(), Vec::new())?;
        self.advance(1000);
        self.settle()?;
        let stats = self.system.group.stats();
        same("in flight", (stats.in_flight, stats.waiting, self.system.group.len()), (0, 0, 0))?;
        let (led, ended) = self
            .counted
            .iter()
            .chain([&stats])
            .fold((0, 0), |(led, ended), stats| (led + stats.led, ended + stats.ended()));
        same("flights ended", ended, led)?;
        same("timers", self.system.time.timers(), 0)?;
        same("tasks", self.tasks(), Vec::new())?;
        // The table is empty, lingering results and all.
        same("keys", self.system.keys(), 0)
    }

    fn compare(&mut self) -> Result<(), String> {
        self.compare_answers()?;
        self.compare_events()?;
        let (model, system) = (&self.model, &self.system);
        same("accounts", system.group.stats(), model.stats())?;
        same("len", (system.group.len(), system.group.is_empty()), (model.len(), model.len() == 0))?;
        for key in 0..3 {
            same("contains", system.group.contains(&system.key(key)), model.contains(key))?;
        }
        self.compare_in_flight()?;
        for (id, call) in model.calls.iter().enumerate() {
            let work = system.calls[id].work.state();
            same(&format!("work {id}: called, alive"), work, (usize::from(call.called), call.alive))?;
            if let Some(leader) = &system.calls[id].leader {
                let led = (!leader.is_cancelled()).then(|| leader.callers());
                same(&format!("led by {id}"), led, model.led_by(id))?;
            }
        }
        same("tasks", system.tasks(), model.tasks.len())?;
        for task in 0..model.tasks.len() {
            same(&format!("task {task} is finished"), system.task_is_finished(task), model.tasks[task].finished)?;
        }
        self.compare_wakes()
    }

    fn compare_answers(&mut self) -> Result<(), String> {
        let real = std::mem::take(&mut self.system.answers);
        let model = std::mem::take(&mut self.model.answers);
        same("answers", real.len(), model.len()).map_err(|error| format!("{error}: {real:?}, {model:?}"))?;
        for ((id, answer, role), (call, expected)) in real.into_iter().zip(model) {
            // What the model leaves open.
            let answer = match (answer, expected) {
                (Answer::Value(of, _), Answer::Value(_, None)) => Answer::Value(of, None),
                (Answer::Failure(of, _), Answer::Failure(_, None)) => Answer::Failure(of, None),
                (Answer::Error(Why::Cancelled), Answer::Error(Why::Shutdown)) if role == Some(Role::Overtook) => {
                    expected
                }
                _ => answer,
            };
            same("answer", (id, answer), (call, expected))?;
            if let Some(role) = role {
                same(&format!("role of {id}"), role, self.model.calls[id].role)?;
            }
        }
        Ok(())
    }

    fn compare_events(&mut self) -> Result<(), String> {
        let mut real = Vec::new();
        for seen in std::mem::take(&mut *self.system.events.lock().unwrap()) {
            let flight = seen.number.map(|number| {
                self.numbers.iter().position(|known| *known == number).unwrap_or_else(|| {
                    self.numbers.push(number);
                    self.numbers.len() - 1
                })
            });
            real.push(Event { flight, ..seen.event });
        }
        let mut model = std::mem::take(&mut self.model.events);
        // Those of one flight come in order.
        real.sort_by_key(|event| event.flight);
        model.sort_by_key(|event| event.flight);
        for (real, model) in real.iter_mut().zip(&model) {
            if model.elapsed.is_none() {
                real.elapsed = None;
            }
        }
        same("events", real, model)
    }

    fn compare_in_flight(&self) -> Result<(), String> {
        let name = |state: FlightState| format!("{state:?}");
        let mut real: Vec<_> = self
            .system
            .group
            .in_flight()
            .into_iter()
            .map(|flight| {
                let age = flight.age.map(in_ticks);
                (
                    InFlight {
                        key: flight.key.0,
                        age,
                        callers: flight.callers,
                        state: "",
                        verb: flight.verb.name(),
                        listed: flight.listed,
                    },
                    name(flight.state),
                )
            })
            .collect();
        let mut model: Vec<_> = self
            .model
            .in_flight()
            .into_iter()
            .map(|flight| (InFlight { state: "", ..flight }, flight.state.to_owned()))
            .collect();
        if self.model.setup.observed {
            // Without a clock, by the system's.
            let clocked = model.iter().all(|flight| flight.0.age.is_some());
            if !clocked {
                real.iter_mut().chain(&mut model).for_each(|flight| flight.0.age = None);
            }
        }
        real.sort();
        model.sort();
        same("in flight", real, model)
    }

    /// Whoever could go on was woken since it was last polled.
    fn compare_wakes(&self) -> Result<(), String> {
        for id in self.live().into_iter().filter(|id| !self.system.is_woken(*id)) {
            let mut next = self.model.clone();
            next.poll(id);
            if next != self.model {
                return Err(format!("call {id} could go on and was not woken"));
            }
        }
        for task in self.tasks().into_iter().filter(|task| !self.system.task_is_woken(*task)) {
            let mut next = self.model.clone();
            next.poll_task(task);
            if next != self.model && self.model.is_wanted(task) {
                return Err(format!("task {task} could go on and was not woken"));
            }
        }
        Ok(())
    }

    fn live(&self) -> Vec<usize> {
        let calls = self.model.calls.iter().enumerate();
        calls.filter(|(_, call)| call.at != At::Done).map(|(id, _)| id).collect()
    }

    /// The calls by `enter` that lead.
    fn leaders(&self) -> Vec<usize> {
        let leads = |id: &usize| matches!(self.model.calls[*id].at, At::Leading(_));
        self.live().into_iter().filter(|id| self.model.calls[*id].request.verb == Verb::Enter && leads(id)).collect()
    }

    /// The works that run and cannot end yet, wherever they are.
    fn works(&self) -> Vec<usize> {
        let calls = self.model.calls.iter().enumerate();
        let works = calls.filter(|(_, call)| call.alive && call.end.is_none()).map(|(id, _)| id);
        works.chain(self.leaders()).collect()
    }

    fn tasks(&self) -> Vec<usize> {
        (0..self.model.tasks.len()).filter(|task| !self.model.tasks[*task].finished).collect()
    }
}

fn pick(among: &[usize], nth: usize) -> Option<usize> {
    (!among.is_empty()).then(|| among[nth % among.len()])
}
