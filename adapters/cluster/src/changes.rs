//! Who listens for what: for engines that hear of changes and have to tell those who wait.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use event_listener::{Event, EventListener, Listener};

use crate::engine::Name;

/// Tells those who [listen](Self::listen) for a name that something [happened](Self::ring) to it. Clones share the listeners.
#[derive(Clone, Default)]
pub struct Changes(Arc<Mutex<HashMap<Name, Heard>>>);

#[derive(Default)]
struct Heard {
    event: Arc<Event>,
    listeners: usize,
}

impl Changes {
    /// Without listeners.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn heard(&self) -> MutexGuard<'_, HashMap<Name, Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready when the name is rung after this call.
    pub fn listen(&self, name: &Name) -> Changed {
        let mut heard = self.heard();
        let entry = heard.entry(name.clone()).or_default();
        entry.listeners += 1;
        Changed { changes: self.clone(), name: name.clone(), listener: Some(entry.event.listen()) }
    }

    /// Something happened to the flight of this name.
    pub fn ring(&self, name: &str) {
        let event = {
            let heard = self.heard();
            heard.get(name).map(|heard| Arc::clone(&heard.event))
        };
        if let Some(event) = event {
            event.notify(usize::MAX);
        }
    }

    /// Something may have happened to any flight: for an engine that was deaf for a while.
    pub fn ring_all(&self) {
        let events: Vec<_> = self.heard().values().map(|heard| Arc::clone(&heard.event)).collect();
        for event in events {
            event.notify(usize::MAX);
        }
    }

    /// Names with listeners.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heard().len()
    }

    /// Whether nobody listens.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The future of [`Changes::listen`].
#[must_use = "futures do nothing unless polled"]
pub struct Changed {
    changes: Changes,
    name: Name,
    /// Until it was told.
    listener: Option<EventListener>,
}

impl Future for Changed {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(listener) = &mut self.listener {
            ready!(Pin::new(listener).poll(cx));
            self.listener = None;
        }
        Poll::Ready(())
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        // What it was told and did not take would be told to another, who listens since and was meant to hear of later changes only.
        if let Some(listener) = self.listener.take() {
            listener.discard();
        }
        let mut heard = self.changes.heard();
        if let Some(entry) = heard.get_mut(self.name.as_str()) {
            entry.listeners -= 1;
            if entry.listeners == 0 {
                heard.remove(self.name.as_str());
            }
        }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("names", &self.len()).finish()
    }
}

impl fmt::Debug for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changed").field("name", &self.name).finish_non_exhaustive()
    }
}
