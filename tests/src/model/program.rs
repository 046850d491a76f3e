//! The language of the programs: plain data, so that any source of choices can make one.

use std::fmt::{Debug, Formatter, Result};

pub use coflight::Verb;

/// A group, and what is done to it.
#[derive(Clone, Default)]
pub struct Program {
    pub setup: Setup,
    pub ops: Vec<Op>,
}

/// What is chosen for the group.
#[derive(Clone, Copy, Default, PartialEq)]
pub struct Setup {
    pub limits: Limits,
    pub timed: bool,
    pub observed: bool,
    pub detach: bool,
    /// Whether failures of plain works count as such.
    pub judged: bool,
    pub linger_failures: bool,
    pub retries: usize,
}

/// Limits and windows; times in ticks. By a call: the outer `Option` says whether it overrides the group's.
#[derive(Clone, Copy, Default, PartialEq)]
pub struct Limits<T = Option<u32>> {
    pub timeout: T,
    pub overtake_after: T,
    pub wait_timeout: T,
    pub join_within: T,
    pub linger: T,
    pub max_flights: T,
    pub max_callers: T,
}

/// What a call asks for.
#[derive(Clone, Copy, PartialEq)]
pub struct Request {
    pub key: u8,
    pub verb: Verb,
    /// By the `try_` twin of the verb: its failures always count as such.
    pub fallible: bool,
    /// Its work is ready at once, so.
    pub ready: Option<End>,
    pub detach: Option<bool>,
    pub limits: Limits<Option<Option<u32>>>,
    /// It brings metadata.
    pub tagged: bool,
}

impl Request {
    /// A plain call.
    pub fn new(verb: Verb, key: u8) -> Self {
        let limits = Limits::default();
        Self { key, verb, fallible: false, ready: None, detach: None, limits, tagged: false }
    }
}

/// How a work ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    Value,
    Failure,
    Panic,
}

/// One step. Who or what it is about is counted among those there are at that moment, round and round; where there is nobody, nothing happens.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    /// A new caller. By `enter` it asks at once, by the others when it is first polled.
    Ask(Request),
    /// Polls a caller; the leader of an `enter` is polled for `cancelled`.
    Poll(usize),
    /// A caller leaves.
    Drop(usize),
    /// A running work can end, or the leader of an `enter` brings its flight to this end.
    Finish(usize, End),
    /// The leader of an `enter` lets its followers go alone.
    Release(usize),
    /// Polls a task of the runtime.
    PollTask(usize),
    /// The runtime drops a task that runs a work.
    DropTask(usize),
    /// Time passes.
    Advance(u32),
    Forget(u8),
    Cancel(u8),
    ForgetAll,
    CancelAll,
    ResetStats,
    /// Everybody who was woken is polled, until nobody is.
    Settle,
}

/// As Rust that makes it, so that a program that failed can become a test.
impl Debug for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "Program {{\n    setup: {:?},\n    ops: vec![", self.setup)?;
        self.ops.iter().try_for_each(|op| writeln!(f, "        Op::{op:?},"))?;
        f.write_str("    ],\n}")
    }
}

impl Debug for Setup {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self { limits, timed, observed, detach, judged, linger_failures, retries } = self;
        f.write_str("Setup { ")?;
        field(f, "limits", limits)?;
        field(f, "timed", timed)?;
        field(f, "observed", observed)?;
        field(f, "detach", detach)?;
        field(f, "judged", judged)?;
        field(f, "linger_failures", linger_failures)?;
        field(f, "retries", retries)?;
        f.write_str("..Setup::default() }")
    }
}

impl<T: Debug + Default + PartialEq> Debug for Limits<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self { timeout, overtake_after, wait_timeout, join_within, linger, max_flights, max_callers } = self;
        f.write_str("Limits { ")?;
        field(f, "timeout", timeout)?;
        field(f, "overtake_after", overtake_after)?;
        field(f, "wait_timeout", wait_timeout)?;
        field(f, "join_within", join_within)?;
        field(f, "linger", linger)?;
        field(f, "max_flights", max_flights)?;
        field(f, "max_callers", max_callers)?;
        f.write_str("..Limits::default() }")
    }
}

impl Debug for Request {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self { key, verb, fallible, ready, detach, limits, tagged } = self;
        f.write_str("Request { ")?;
        field(f, "fallible", fallible)?;
        field(f, "ready", ready)?;
        field(f, "detach", detach)?;
        field(f, "limits", limits)?;
        field(f, "tagged", tagged)?;
        write!(f, "..Request::new(Verb::{verb:?}, {key}) }}")
    }
}

/// Says what was chosen; what was not would hide it.
fn field<T: Debug + Default + PartialEq>(f: &mut Formatter<'_>, name: &str, value: &T) -> Result {
    if *value == T::default() { Ok(()) } else { write!(f, "{name}: {value:?}, ") }
}
