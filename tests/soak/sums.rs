//! What happened in all rounds.

use std::fmt::{Display, Formatter, Result};

use coflight_tests::actors::Totals;

use crate::round::Round;

#[derive(Default)]
pub struct Sums {
    rounds: usize,
    aborts: usize,
    shutdowns: usize,
    all: Totals,
}

impl Sums {
    pub fn add(&mut self, round: &Round, totals: &Totals) {
        self.rounds += 1;
        self.aborts += round.aborts();
        self.shutdowns += usize::from(round.shuts_down());
        self.all.calls += totals.calls;
        self.all.drops += totals.drops;
        self.all.panics += totals.panics;
        self.all.cancels += totals.cancels;
        self.all.forgets += totals.forgets;
        self.all.takeovers += totals.takeovers;
    }

    pub fn calls(&self) -> usize {
        self.all.calls
    }
}

impl Display for Sums {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self { rounds, aborts, shutdowns, all } = self;
        let Totals { calls, drops, panics, cancels, forgets, takeovers } = all;
        write!(
            f,
            "{rounds} rounds, {calls} calls, {drops} drops, {aborts} aborts, {panics} panics, {shutdowns} shutdowns, "
        )?;
        write!(f, "{cancels} cancels, {forgets} forgets, {takeovers} takeovers")
    }
}
