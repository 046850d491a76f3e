//! The events of a round.

use std::sync::Arc;

use coflight::{Event, EventKind, Observer};

use super::ledger::Ledger;
use crate::model::key::Key;

pub struct Seen {
    pub flight: Option<u64>,
    pub kind: EventKind,
    /// Which call did it.
    pub call: Option<usize>,
}

/// Notes every event.
pub fn watch(ledger: &Arc<Ledger>) -> impl Observer<Key> + use<> {
    let ledger = Arc::clone(ledger);
    move |event: &Event<'_, Key>| {
        let seen = Seen { flight: event.flight(), kind: event.kind(), call: event.metadata().copied() };
        ledger.events.lock().unwrap().push(seen);
    }
}
