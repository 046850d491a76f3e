//! What the work of a flight notes for the others aboard that lead after it, or beside it. For groups that are built on this one, and whose work may be to wait
//! for something: who leads next then knows what for. Not for anybody else: those groups and this change together.
//!
//! A note is freed with its flight, so nothing stays when the last caller has left.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::any::Any;
use core::hash::BuildHasher;

use crate::circle;
use crate::group::Group;
use crate::key::AsKey;
use crate::sync::Lock;

/// What can be noted.
pub type Noted = Arc<dyn Any + Send + Sync>;

/// By the names of flights, for as long as they live.
static NOTES: Lock<BTreeMap<usize, Option<Noted>>> = Lock::new(BTreeMap::new());

/// The place for the one note of a flight.
#[derive(Clone, Copy, Debug)]
pub struct FlightNote {
    flight: usize,
}

impl FlightNote {
    /// That of the flight whose work this thread runs at this moment.
    #[must_use]
    pub fn here() -> Option<Self> {
        let flight = circle::name_to_note()?;
        NOTES.with(|notes| {
            notes.entry(flight).or_default();
        });
        Some(Self { flight })
    }

    /// What is noted, if it is a `T`. Nothing after the flight is gone.
    #[must_use]
    pub fn read<T: Any + Send + Sync>(self) -> Option<Arc<T>> {
        let noted = NOTES.with(|notes| notes.get(&self.flight).cloned().flatten())?;
        noted.downcast().ok()
    }

    /// Notes this, in place of what was noted before. Does nothing after the flight is gone.
    pub fn write(self, note: Noted) {
        let replaced = NOTES.with(|notes| match notes.get_mut(&self.flight) {
            Some(place) => place.replace(note),
            None => Some(note),
        });
        drop(replaced);
    }

    /// Erases the note if it is still this one.
    pub fn erase<T>(self, note: &Arc<T>) {
        let erased = NOTES.with(|notes| {
            let is_this = |noted: &mut Noted| core::ptr::addr_eq(Arc::as_ptr(noted), Arc::as_ptr(note));
            notes.get_mut(&self.flight).and_then(|place| place.take_if(is_this))
        });
        drop(erased);
    }

    /// [`Group::forget`], for this very flight: newcomers do not join it any more, whatever else there is for its key.
    pub fn forget_flight<K, V, R, S, Q>(self, group: &Group<K, V, R, S>, key: &Q) -> bool
    where
        S: BuildHasher,
        Q: ?Sized + AsKey<K>,
    {
        let all = group.find(key);
        let this = all.iter().find(|flight| flight.own_node.name() == self.flight);
        this.is_some_and(|flight| group.forget_flight(flight))
    }
}

/// The flight is gone.
pub(crate) fn forget(flight: usize) {
    let note = NOTES.with(|notes| notes.remove(&flight));
    drop(note);
}

#[cfg(test)]
mod tests;
