//! Not to wait for an engine that is known to be down.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::engine::EngineError;

/// Whether the engine answers. While it does not, one operation at a time finds out whether it does again; everybody else is told at once.
#[derive(Default)]
pub(crate) struct Health(Mutex<State>);

#[derive(Default)]
struct State {
    down: Option<Down>,
    /// How often it answered.
    answers: u64,
}

struct Down {
    error: EngineError,
    /// When the next operation may try.
    next: Duration,
}

impl Health {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an operation may try, and if not, why not.
    pub(crate) fn admit(&self, now: Duration, pause: Duration) -> Result<(), EngineError> {
        match &mut self.state().down {
            None => Ok(()),
            Some(down) if now >= down.next => {
                down.next = now.saturating_add(pause);
                Ok(())
            }
            Some(down) => Err(down.error.clone()),
        }
    }

    /// How often it has answered.
    pub(crate) fn answers(&self) -> u64 {
        self.state().answers
    }

    /// An operation had no answer, which began when there had been so many. Whether it is news that the engine is down: it is not if it answered
    /// somebody else meanwhile.
    pub(crate) fn failed(&self, error: EngineError, answers: u64, next: Duration) -> bool {
        let mut state = self.state();
        if state.down.is_some() || state.answers > answers {
            return false;
        }
        state.down = Some(Down { error, next });
        true
    }

    /// It answers. Whether that is news.
    pub(crate) fn answered(&self) -> bool {
        let mut state = self.state();
        state.answers += 1;
        let down = state.down.take();
        drop(state);
        down.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn error() -> EngineError {
        EngineError::new("gone")
    }

    #[test]
    fn one_at_a_time_finds_out() {
        let health = Health::default();
        assert!(health.admit(SECOND, SECOND).is_ok());
        assert!(health.failed(error(), 0, 2 * SECOND));
        assert!(!health.failed(error(), 0, 9 * SECOND), "no news, and no later");
        assert!(health.admit(SECOND, SECOND).is_err());
        assert!(health.admit(2 * SECOND, SECOND).is_ok());
        assert!(health.admit(2 * SECOND, SECOND).is_err(), "one does already");
        assert!(health.answered());
        assert!(!health.answered());
        assert!(health.admit(2 * SECOND, SECOND).is_ok());
    }

    #[test]
    fn a_failure_among_answers_is_no_outage() {
        let health = Health::default();
        health.answered();
        assert!(!health.failed(error(), 0, 3 * SECOND));
        assert!(health.admit(2 * SECOND, SECOND).is_ok());
        assert!(health.failed(error(), health.answers(), 4 * SECOND), "nobody was answered since it began");
    }
}
