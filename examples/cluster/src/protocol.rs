//! What a process is told, and what it tells: a line of JSON each, on its standard input and output.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How callers ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Their own future does the work.
    Run,
    /// A task of the process does.
    Spawn,
}

/// What a process is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// So many callers ask for so many keys, as evenly as it goes. The works wait until the round is opened.
    Round {
        /// Its number.
        round: u64,
        /// How many callers.
        callers: usize,
        /// How many keys.
        keys: usize,
        /// How they ask.
        by: By,
    },
    /// The works of the round may end.
    Open {
        /// Its number.
        round: u64,
    },
    /// All callers of the round leave.
    Leave {
        /// Its number.
        round: u64,
    },
    /// For so long, so many callers ask for keys at random, again and again.
    Load {
        /// How long.
        millis: u64,
        /// How many callers at a time.
        callers: usize,
        /// How many keys.
        keys: usize,
        /// Where the randomness starts.
        seed: u64,
    },
}

/// What a process tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It takes commands.
    Ready,
    /// A work begins, here.
    Begun {
        /// Of this round.
        round: u64,
        /// For this key.
        key: String,
        /// Under this token; none: without a lease.
        token: Option<u64>,
    },
    /// A work was dropped before its end.
    Dropped {
        /// Of this round.
        round: u64,
        /// For this key.
        key: String,
    },
    /// All callers of the round wait, and for each of its keys this process leads, or follows.
    Aboard {
        /// Its number.
        round: u64,
    },
    /// All callers of the round have an answer.
    Answered {
        /// Its number.
        round: u64,
        /// What they got, each with how many got just that.
        answers: Vec<Answers>,
        /// What others got instead.
        errors: BTreeMap<String, usize>,
        /// The longest that anyone waited after the round was opened.
        longest_ms: u64,
    },
    /// The load is over.
    Loaded(Loaded),
}

/// What callers got.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Answers {
    /// What they asked for.
    pub key: String,
    /// What they got.
    pub value: Value,
    /// The execution's token.
    pub token: Option<u64>,
    /// Where it is from: here, elsewhere, lingered, alone.
    pub place: String,
    /// How many of them.
    pub callers: usize,
}

/// What works produce.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Value {
    /// For what.
    pub key: String,
    /// In which process.
    pub process: String,
    /// Which execution of all.
    pub execution: u64,
}

/// What a load came to, in one process.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Loaded {
    /// Answers and errors.
    pub calls: usize,
    /// Works that were begun.
    pub executions: usize,
    /// Of them without a lease.
    pub alone: usize,
    /// Answers that were for another key.
    pub wrong: usize,
    /// How many got what error.
    pub errors: BTreeMap<String, usize>,
    /// Which execution the answers under a token were from.
    pub answers: Vec<(String, u64, u64)>,
    /// What this process published.
    pub published: Vec<(String, u64)>,
    /// Publications that came too late.
    pub refused: u64,
    /// Leases that were lost.
    pub leases_lost: u64,
    /// Flights taken over from another leader.
    pub succeeded: u64,
    /// Times that the engine was found not to answer.
    pub outages: u64,
    /// The longest that anyone waited, without the time in which the process was stopped.
    pub longest_ms: u64,
}
