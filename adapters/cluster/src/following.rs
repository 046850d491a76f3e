//! Whom a process follows: known to whoever asks for its callers, and left to the next one who does.

use std::sync::{Mutex, MutexGuard, PoisonError};

use coflight_core::legacy::Legacy;

use crate::engine::Token;

/// Of one who asks for the callers of a local flight. Dropped while it follows, within the flight's work, it leaves whom it followed to the next one: what
/// those aboard wait for must not go with one of them.
pub(crate) struct Following {
    legacy: Option<Legacy>,
    token: Mutex<Option<Token>>,
}

impl Following {
    /// Made within the work of the local flight.
    pub(crate) fn here() -> Self {
        let legacy = Legacy::here();
        let left = legacy.as_ref().and_then(Legacy::take).map(Token);
        Self { legacy, token: Mutex::new(left) }
    }

    fn token(&self) -> MutexGuard<'_, Option<Token>> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whom it follows, also if nobody asked for these callers since one of them left.
    pub(crate) fn get(&self) -> Option<Token> {
        *self.token()
    }

    pub(crate) fn set(&self, token: Option<Token>) {
        *self.token() = token;
    }

    /// To the next one, within the flight's work.
    pub(crate) fn leave(&self) {
        if let (Some(legacy), Some(token)) = (&self.legacy, self.get()) {
            legacy.leave(token.0);
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.leave();
    }
}
