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
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use coflight::cluster::{Changes, Name};
/// use futures_lite::future::poll_once;
///
/// let (changes, name) = (Changes::new(), Name::new("users:42"));
/// // In `Engine::changed`:
/// let changed = changes.listen(&name);
/// // Where the engine is told of a change, by name:
/// changes.ring(name.as_str());
/// assert!(poll_once(changed).await.is_some());
/// assert!(changes.is_empty());
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Changes(Arc<Mutex<HashMap<Name, Heard>>>);

#[derive(Default)]
struct Heard {
    event: Arc<Event>,
    listeners: usize,
}

impl Changes {
    /// Without listeners.
    ///
    /// ```
    /// use coflight::cluster::Changes;
    ///
    /// let changes = Changes::new();
    /// assert!(changes.is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn heard(&self) -> MutexGuard<'_, HashMap<Name, Heard>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready when the name is rung after this call.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use coflight::cluster::{Changes, Name};
    /// use futures_lite::future::poll_once;
    ///
    /// let (changes, name) = (Changes::new(), Name::new("users:42"));
    /// changes.ring(name.as_str());
    /// let mut changed = changes.listen(&name);
    /// assert!(poll_once(&mut changed).await.is_none()); // that was before
    /// changes.ring(name.as_str());
    /// assert!(poll_once(&mut changed).await.is_some());
    /// # }
    /// ```
    pub fn listen(&self, name: &Name) -> Changed {
        let mut heard = self.heard();
        let entry = heard.entry(name.clone()).or_default();
        entry.listeners += 1;
        Changed { changes: self.clone(), name: name.clone(), listener: Some(entry.event.listen()) }
    }

    /// Something happened to the flight of this name.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use coflight::cluster::{Changes, Name};
    /// use futures_lite::future::poll_once;
    ///
    /// let (changes, name) = (Changes::new(), Name::new("users:42"));
    /// let mut listeners = [changes.listen(&name), changes.listen(&name)];
    /// changes.ring("another name");
    /// assert!(poll_once(&mut listeners[0]).await.is_none());
    /// changes.ring(name.as_str());
    /// for listener in listeners {
    ///     assert!(poll_once(listener).await.is_some());
    /// }
    /// # }
    /// ```
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
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use coflight::cluster::{Changes, Name};
    /// use futures_lite::future::poll_once;
    ///
    /// let (changes, name) = (Changes::new(), Name::new("users:42"));
    /// let changed = changes.listen(&name);
    /// // The subscription is back. What happened meanwhile is not known.
    /// changes.ring_all();
    /// assert!(poll_once(changed).await.is_some());
    /// # }
    /// ```
    pub fn ring_all(&self) {
        let events: Vec<_> = self.heard().values().map(|heard| Arc::clone(&heard.event)).collect();
        for event in events {
            event.notify(usize::MAX);
        }
    }

    /// Names with listeners.
    ///
    /// ```
    /// use coflight::cluster::{Changes, Name};
    ///
    /// let (changes, name) = (Changes::new(), Name::new("users:42"));
    /// let listeners = [changes.listen(&name), changes.listen(&name)];
    /// assert_eq!(changes.len(), 1); // they listen for the same name
    /// drop(listeners);
    /// assert_eq!(changes.len(), 0);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.heard().len()
    }

    /// Whether nobody listens.
    ///
    /// ```
    /// use coflight::cluster::{Changes, Name};
    ///
    /// let (changes, name) = (Changes::new(), Name::new("users:42"));
    /// let changed = changes.listen(&name);
    /// assert!(!changes.is_empty()); // an engine may end its subscription when it is
    /// drop(changed);
    /// assert!(changes.is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The future of [`Changes::listen`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use coflight::cluster::{Changed, Changes, Name};
///
/// let (changes, name) = (Changes::new(), Name::new("users:42"));
/// let changed: Changed = changes.listen(&name);
/// changes.ring(name.as_str()); // before it is polled for the first time
/// changed.await;
/// # }
/// ```
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
