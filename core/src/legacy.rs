//! What a leader that leaves leaves behind for the next one of its flight. For groups that are built on this one, and whose work may be to wait for
//! something: the next leader then knows what to wait for. Not for anybody else: those groups and this change together.
//!
//! It is freed with the flight, so nothing stays when the last caller has left.

use alloc::collections::BTreeMap;

use crate::circle;
use crate::sync::Lock;

static LEGACIES: Lock<BTreeMap<usize, u64>> = Lock::new(BTreeMap::new());

/// A flight, for its leader's work.
#[derive(Debug)]
pub struct Legacy {
    flight: usize,
}

impl Legacy {
    /// That of the flight whose work this thread runs at this moment.
    #[must_use]
    pub fn here() -> Option<Self> {
        circle::name_here().map(|flight| Self { flight })
    }

    /// Takes what the leader before left. Nothing outside of the flight's work.
    #[must_use]
    pub fn take(&self) -> Option<u64> {
        if !circle::is_here(self.flight) {
            return None;
        }
        LEGACIES.with(|legacies| legacies.remove(&self.flight))
    }

    /// Leaves a number for the next leader, in place of what was left before. Does nothing outside of the flight's work: the flight may be over.
    pub fn leave(&self, number: u64) {
        if circle::leave(self.flight) {
            LEGACIES.with(|legacies| legacies.insert(self.flight, number));
        }
    }
}

/// The flight is gone.
pub(crate) fn forget(flight: usize) {
    LEGACIES.with(|legacies| legacies.remove(&flight));
}

#[cfg(test)]
mod tests;
