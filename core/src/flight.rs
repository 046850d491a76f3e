//! One flight: the key, the state, and the places where its work and its outcome lie.

use alloc::boxed::Box;
use core::mem::MaybeUninit;
use core::ops::Deref;

use event_listener::{Event, IntoNotification};

use crate::carried::CarriedWork;
use crate::circle::Node;
use crate::error::Error;
use crate::linger;
use crate::owners::{Listed, Owned, Ref};
use crate::panics;
use crate::snapshot::Verb;
use crate::state::{Snapshot, State};
use crate::sync::{self, AtomicUsize, Ordering, UnsafeCell};
use crate::terms::Terms;
use crate::waker_slot::WakerSlot;

/// Room for the verb in a flight's history.
const VERBS: usize = 8;

/// What every call touches comes first, and with the count before it fills one line of the cache.
#[repr(C)]
pub(crate) struct Flight<K, V> {
    pub(crate) state: State,
    pub(crate) hash: u64,
    /// What was chosen for this flight, if anything was.
    pub(crate) terms: Option<Box<Terms<K, V>>>,
    /// What callers wait on. Allocates when first listened to.
    pub(crate) event: Event,
    /// How often somebody who started a work that the flight carries stopped being its leader while aboard, and, in the low bits, the verb of
    /// who leads.
    history: AtomicUsize,
    /// Where this flight stands in the graph of who waits for whom.
    pub(crate) own_node: Node,
    pub(crate) key: K,
    outcome: OutcomeCell<V>,
    /// The one who runs the work in a future of its own (a leader, a task), or who leads a relay: woken when the flight is
    /// ended from outside, and when a relayed work can go on.
    pub(crate) runner: WakerSlot,
    work: WorkCell<K, V>,
}

/// Where the outcome is written.
struct OutcomeCell<V>(UnsafeCell<MaybeUninit<Result<V, Error>>>);

// SAFETY: it is written once, by the one thread that moved the state to `Landing`; who reads it found the state `Landed`, after which nobody writes. Those
// who read are callers on any threads, which clone the value (`V: Sync`), and whichever of them is the last to go drops it (`V: Send`).
unsafe impl<V: Send + Sync> Sync for OutcomeCell<V> {}

/// Where a work that the flight carries lies.
struct WorkCell<K, V>(UnsafeCell<Option<CarriedWork<K, V>>>);

// SAFETY: only the one holder of the state's busy mark touches it, as `set_work` and `work` demand. That may be any thread, so the work is `Send`; as it is one
// thread at a time, it need not be `Sync`.
unsafe impl<K, V> Sync for WorkCell<K, V> where CarriedWork<K, V>: Send {}

/// A counted reference to a flight: a caller's, a task's, or a waker's.
pub(crate) struct FlightRef<K, V>(Ref<Flight<K, V>>);

/// The table's.
pub(crate) type ListedFlight<K, V> = Listed<Flight<K, V>>;

impl<K, V> FlightRef<K, V> {
    pub(crate) fn new(flight: Flight<K, V>) -> Self {
        Self(Ref::new(flight))
    }

    /// Whether both are references to one flight.
    #[inline]
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.is(&other.0)
    }

    pub(crate) fn as_ptr(&self) -> *const Owned<Flight<K, V>> {
        self.0.as_ptr()
    }

    /// # Safety
    ///
    /// `flight` is from [`as_ptr`](Self::as_ptr), and the caller hands over one count of it.
    pub(crate) unsafe fn from_ptr(flight: *const Owned<Flight<K, V>>) -> Self {
        // SAFETY: as the caller promises.
        Self(unsafe { Ref::from_ptr(flight) })
    }

    /// For the table, under its lock, if it is not listed yet.
    #[inline]
    pub(crate) fn list(&self) -> ListedFlight<K, V> {
        self.0.list()
    }
}

impl<K, V> ListedFlight<K, V> {
    /// Whether it lists this flight.
    #[inline]
    pub(crate) fn lists(&self, flight: &FlightRef<K, V>) -> bool {
        self.is(&flight.0)
    }

    /// A reference for whoever found it.
    #[inline]
    pub(crate) fn find(&self) -> FlightRef<K, V> {
        FlightRef(self.give())
    }
}

impl<K, V> Clone for FlightRef<K, V> {
    #[inline]
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K, V> Deref for FlightRef<K, V> {
    type Target = Flight<K, V>;

    #[inline]
    fn deref(&self) -> &Flight<K, V> {
        &self.0
    }
}

impl<K, V> Flight<K, V> {
    pub(crate) fn new(key: K, hash: u64, verb: Verb, terms: Option<Terms<K, V>>) -> Self {
        Self {
            state: State::new(),
            hash,
            event: Event::new(),
            runner: WakerSlot::new(),
            history: AtomicUsize::new(verb as usize),
            own_node: Node::new(),
            terms: terms.map(Box::new),
            work: WorkCell(UnsafeCell::new(None)),
            outcome: OutcomeCell(UnsafeCell::new(MaybeUninit::uninit())),
            key,
        }
    }

    /// A number that no other flight has while this one exists.
    pub(crate) fn address(&self) -> u64 {
        // Spread, because the table uses the top bits as well.
        ((&raw const *self).addr() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    /// Puts a work into the flight, or takes it out.
    ///
    /// # Safety
    ///
    /// The caller holds the state's busy mark: it set the mark in a transition of its own and has not cleared it.
    pub(crate) unsafe fn set_work(&self, work: Option<CarriedWork<K, V>>) -> Option<CarriedWork<K, V>> {
        // SAFETY: the busy mark is exclusive, so nobody else reads or writes the cell. Taking the mark acquires what the
        // last holder released.
        self.work.0.with_mut(|place| core::mem::replace(unsafe { &mut *place }, work))
    }

    /// The carried work, to poll it.
    ///
    /// # Safety
    ///
    /// As for [`set_work`](Self::set_work), for as long as the reference lives.
    #[expect(clippy::mut_from_ref, reason = "the busy mark is the lock of this cell")]
    pub(crate) unsafe fn work(&self) -> Option<&mut CarriedWork<K, V>> {
        // SAFETY: as in `set_work`.
        self.work.0.with_mut(|place| unsafe { &mut *place }.as_mut())
    }

    /// Writes the outcome and lets everybody know.
    ///
    /// # Safety
    ///
    /// The caller moved the state to `Landing` itself, and publishes once.
    pub(crate) unsafe fn publish(&self, outcome: Result<V, Error>) {
        // SAFETY: as the caller promises.
        let before = unsafe { self.write(outcome) };
        self.announce(before);
    }

    /// The first half of [`publish`](Self::publish), in which nobody's code runs. Returns the word before.
    ///
    /// # Safety
    ///
    /// As for [`publish`](Self::publish).
    pub(crate) unsafe fn write(&self, outcome: Result<V, Error>) -> Snapshot {
        // SAFETY: nobody reads the outcome before `landed`, and nobody else writes it: only one transition to `Landing`
        // can succeed in a flight's life.
        self.outcome.0.with_mut(|place| unsafe { (*place).write(outcome) });
        self.state.landed()
    }

    /// The second half of [`publish`](Self::publish).
    pub(crate) fn announce(&self, before: Snapshot) {
        self.wake_if_heard(before);
        self.runner.wake();
    }

    /// The outcome, if the flight has landed.
    pub(crate) fn outcome(&self) -> Option<&Result<V, Error>> {
        if self.state.load().phase() != crate::state::Phase::Landed {
            return None;
        }
        // SAFETY: it was written before `landed`, whose word the load above acquired, and never changes again.
        Some(self.outcome.0.with(|place| unsafe { (*place).assume_init_ref() }))
    }

    /// Wakes everyone who listens, given the word before the change they should see.
    pub(crate) fn wake_if_heard(&self, before: Snapshot) {
        if !before.is_heard() {
            // Who listens from now on marks the state first, after our change to it, and so sees that change.
            return;
        }
        self.notify();
    }

    /// A number, not zero, that changes whenever the leader of a work that the flight carries stops being that. It comes round after 255 times, all
    /// while one caller is not polled, at the price of a panic that unwinds in the wrong caller, or a failure that is handed to it.
    pub(crate) fn term(&self) -> u8 {
        // Pairs with `end_term`; whoever reads a new number also sees the handover that made it, or will be told of it.
        ((self.history.load(Ordering::Acquire) / VERBS) % 255) as u8 + 1
    }

    /// The leader of a work that the flight carries stops being that.
    pub(crate) fn end_term(&self) {
        self.history.fetch_add(VERBS, Ordering::Release);
    }

    /// The verb of whoever leads, or led last.
    pub(crate) fn verb(&self) -> Verb {
        Verb::from_index(self.history.load(Ordering::Relaxed) % VERBS)
    }

    /// Whether its work, while it is marked busy, is in the middle of one poll; or whether a caller by `verb`, a thread that would have to be put to
    /// sleep, may take it for that. A closure, or what the leader of an `enter` does, is busy all the time.
    pub(crate) fn is_brief(&self, verb: Verb) -> bool {
        verb == Verb::RunBlocking || matches!(self.verb(), Verb::Run | Verb::Relay | Verb::Spawn)
    }

    /// Somebody else leads now, by `verb`.
    pub(crate) fn set_verb(&self, verb: Verb) {
        let with = |history: usize| Some(history - history % VERBS + verb as usize);
        let _ = self.history.fetch_update(Ordering::Relaxed, Ordering::Relaxed, with);
    }

    /// Notes where its result lingers; returns what was noted before.
    pub(crate) fn set_linger_place(&self, place: Option<linger::Place>) -> Option<linger::Place> {
        self.terms.as_ref().and_then(|terms| terms.set_linger_place(place))
    }

    /// The carried work can go on: every caller must know, for any one of them may never be polled again.
    pub(crate) fn wake_callers(&self) {
        self.announce(self.state.load());
    }

    /// Wakes everyone who listens, whoever they are: one that is never polled again must not swallow the news.
    pub(crate) fn notify(&self) {
        // A waker that panics stops the broadcast in the middle; the rest are still to be told.
        let mut told = false;
        while !told {
            panics::contain(|| {
                sync::unseen_step();
                // `additional` does not rely on event-listener's count of the notified, which a panicking waker upsets.
                self.event.notify(usize::MAX.additional());
                told = true;
            });
        }
    }
}

impl<K, V> Drop for Flight<K, V> {
    fn drop(&mut self) {
        if self.outcome().is_some() {
            // SAFETY: written, as `outcome` found, and nobody else is left to look.
            self.outcome.0.with_mut(|place| unsafe { (*place).assume_init_drop() });
        }
    }
}
