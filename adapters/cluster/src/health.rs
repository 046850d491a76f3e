//! Not to wait for an engine that is known to be down.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::engine::EngineError;

/// Whether the engine answered last time. While it does not, one operation at a time finds out whether it does again; everybody else is told at once.
#[derive(Default)]
pub(crate) struct Health(Mutex<Option<Down>>);

struct Down {
    error: EngineError,
    /// When the next operation may try.
    next: Duration,
}

impl Health {
    /// Whether an operation may try, and if not, why not.
    pub(crate) fn admit(&self, now: Duration, pause: Duration) -> Result<(), EngineError> {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            None => Ok(()),
            Some(down) if now >= down.next => {
                down.next = now.saturating_add(pause);
                Ok(())
            }
            Some(down) => Err(down.error.clone()),
        }
    }

    /// It does not answer. Whether that is news.
    pub(crate) fn down(&self, error: EngineError, next: Duration) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(Down { error, next }).is_none()
    }

    /// It does. Whether that is news.
    pub(crate) fn up(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }
}
