//! Whom the callers of a local flight wait for: noted for all of them, not only for the one that asks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coflight_core::note::FlightNote;

use crate::engine::Token;
use crate::renewing::Hooks;

/// What is noted for a local flight: what became of it is what those aboard wait for, whoever of them asked.
pub(crate) struct Followed {
    pub(crate) token: Token,
    /// One of them led it, who left.
    pub(crate) led: bool,
}

/// Of one who asks for the callers of a local flight.
pub(crate) struct Following {
    flight: Option<FlightNote>,
    pub(crate) hooks: Hooks,
    /// Whom this one follows at the moment.
    follows: Mutex<Option<Arc<Followed>>>,
}

impl Following {
    pub(crate) fn new(flight: Option<FlightNote>, hooks: Hooks) -> Self {
        Self { flight, hooks, follows: Mutex::default() }
    }

    fn follows(&self) -> MutexGuard<'_, Option<Arc<Followed>>> {
        self.follows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whom those aboard wait for, as far as another one who asked for them knows, who left, or asks beside this one.
    pub(crate) fn known(&self) -> Option<Arc<Followed>> {
        self.flight.and_then(FlightNote::read)
    }

    pub(crate) fn begin(&self, noted: &Arc<Followed>) {
        *self.follows() = Some(Arc::clone(noted));
        self.note(noted);
    }

    /// Nothing more is to be expected of it.
    pub(crate) fn over(&self, noted: &Arc<Followed>) {
        self.follows().take();
        if let Some(flight) = self.flight {
            flight.erase(noted);
        }
    }

    pub(crate) fn leads(&self, token: Token) {
        self.note(&Arc::new(Followed { token, led: true }));
    }

    fn note(&self, noted: &Arc<Followed>) {
        // One who was stuck may come with what is long over.
        let is_new = self.known().is_none_or(|there| there.token <= noted.token);
        if let Some(flight) = self.flight.filter(|_| is_new) {
            flight.write(Arc::<Followed>::clone(noted));
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // Whose leader left, they lead next, and newcomers with them; unless there is an ending, which that leader has seen to.
        let elsewhere = self.follows().take().is_some_and(|noted| !noted.led);
        if elsewhere {
            // Those aboard get what becomes of it. It may be over by now, and is not for newcomers, who ask anew.
            (self.hooks.forgotten)();
        }
    }
}
