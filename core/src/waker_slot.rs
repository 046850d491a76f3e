//! A place for one waker.

use core::task::Waker;

use crate::panics;
use crate::sync::Lock;

/// A waker that was taken from its place. Dropping it may drop the last owner of a task, and so run any destructor.
pub(crate) struct Taken(Option<Waker>);

impl Drop for Taken {
    fn drop(&mut self) {
        panics::contain(|| drop(self.0.take()));
    }
}

/// A place for one waker. Its user code (clone, wake, drop) runs outside the lock, so a waker that panics leaves the place usable.
pub(crate) struct WakerSlot(Lock<Option<Waker>>);

impl WakerSlot {
    pub(crate) fn new() -> Self {
        Self(Lock::new(None))
    }

    /// Puts `waker` here, unless one that wakes the same task is here already.
    pub(crate) fn register(&self, waker: &Waker) {
        let here = |place: &mut Option<Waker>| place.as_ref().is_some_and(|here| here.will_wake(waker));
        if !self.0.with(here) {
            self.put(waker);
        }
    }

    /// Puts `waker` here, whatever is here: likely nothing.
    pub(crate) fn put(&self, waker: &Waker) {
        let waker = waker.clone();
        let replaced = self.0.with(|place| place.replace(waker));
        panics::contain(|| drop(replaced));
    }

    /// Wakes whoever is here, once. A panic of the waker is its own, not that of whoever brings the news.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.0.with(Option::take) {
            panics::contain(|| waker.wake());
        }
    }

    /// Empties the place.
    pub(crate) fn take(&self) -> Taken {
        Taken(self.0.with(Option::take))
    }
}
