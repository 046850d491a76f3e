//! One measured run: a crowd waits at the gate, the gate opens, and everyone tells how it went.

use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use crate::database::Rows;
use crate::gate::Gate;
use crate::progress::Progress;

/// What a caller got: the rows, or why not.
pub type Answer = Result<Rows, String>;

/// What a caller tells.
pub struct Outcome {
    pub shop: u32,
    pub answer: Answer,
    /// From the opening of the gate.
    pub latency: Duration,
}

/// What a caller needs: a gate to wait at, and someone to tell.
#[derive(Clone)]
pub struct Stand {
    pub gate: Arc<Gate>,
    outcomes: Sender<Outcome>,
}

impl Stand {
    pub fn tell(&self, shop: u32, opened: Instant, answer: Answer) {
        let outcome = Outcome { shop, answer, latency: opened.elapsed() };
        let _ = self.outcomes.send(outcome); // nobody listens any more if the run was given up
    }
}

/// Has `send` bring `waiting` callers to the gate, opens it, and listens until the last of them is done.
pub fn measure(
    waiting: usize,
    progress: &Progress,
    send: impl FnOnce(&Stand) -> Result<(), String>,
) -> Result<Vec<Outcome>, String> {
    let (sender, outcomes) = mpsc::channel();
    let stand = Stand { gate: Arc::default(), outcomes: sender };
    send(&stand)?;
    stand.gate.open_for(waiting);
    drop(stand); // so that the channel closes behind the last caller, even if one is lost
    Ok(outcomes.iter().inspect(|_| progress.step()).collect())
}
