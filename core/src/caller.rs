//! One caller's way through a flight: finding or starting it, waiting, taking over, and leaving.
//!
//! This is the part that all verbs share. A verb polls [`Caller::poll_turn`] until it is told to lead or handed the outcome.

use core::hash::BuildHasher;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::circle::{self, Edge};
use crate::ending::{Driven, Runner};
use crate::error::{Error, Panic};
use crate::flight::{Flight, FlightRef};
use crate::group::Group;
use crate::key::AsKey;
use crate::panics;
use crate::served::{Role, Served};
use crate::state::{Boarding, Leaver, Left, Phase, Snapshot};
use crate::wait::Waiting;

/// Where a caller stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It has not asked yet.
    Outside,
    /// The last flight's work is still being torn down; it will ask again.
    Watching,
    /// Aboard; somebody else, or every caller by turns, runs the work.
    Aboard,
    /// Aboard, and its own work is the flight's.
    Leading,
    /// It has its answer, or left.
    Done,
}

/// What a caller is to do next.
pub(crate) enum Turn<V> {
    /// Run its own work. It holds the work's mark.
    Lead,
    /// Return this.
    Landed(Result<V, Error>),
}

pin_project! {
    pub(crate) struct Caller<'g, 'k, K, V, R, S, Q: ?Sized> {
        pub(crate) group: &'g Group<K, V, R, S>,
        key: &'k Q,
        flight: Option<FlightRef<K, V>>,
        #[pin]
        waiting: Waiting,
        edge: Edge,
        place: Place,
        role: Role,
        // The term of the flight in which it started the work that the flight carries, so that a panic of that work is its own; or zero.
        started: u8,
        // It waits in the flight's slot for one, not in the list.
        in_slot: bool,
        // Set when the flight has ended.
        shared_by: u32,
    }

    impl<K, V, R, S, Q: ?Sized> PinnedDrop for Caller<'_, '_, K, V, R, S, Q> {
        fn drop(this: Pin<&mut Self>) {
            this.leave();
        }
    }
}

impl<'g, 'k, K, V, R, S, Q: ?Sized> Caller<'g, 'k, K, V, R, S, Q> {
    pub(crate) fn new(group: &'g Group<K, V, R, S>, key: &'k Q) -> Self {
        Self {
            group,
            key,
            flight: None,
            waiting: Waiting::new(),
            edge: Edge::none(),
            place: Place::Outside,
            role: Role::Followed,
            started: 0,
            in_slot: false,
            shared_by: 1,
        }
    }

    /// The flight. Only while aboard.
    pub(crate) fn flight(&self) -> &FlightRef<K, V> {
        match &self.flight {
            Some(flight) => flight,
            None => unreachable!("a caller that leads has a flight"),
        }
    }

    /// A caller that [boarded](board) already.
    pub(crate) fn boarded(
        group: &'g Group<K, V, R, S>,
        key: &'k Q,
        flight: FlightRef<K, V>,
        boarding: Boarding,
    ) -> Self {
        let mut caller = Self::new(group, key);
        caller.flight = Some(flight);
        caller.place = match boarding {
            Boarding::Clearing | Boarding::Gone => Place::Watching,
            Boarding::Followed => Place::Aboard,
            Boarding::TookOver => Place::Leading,
        };
        caller
    }

    pub(crate) fn served(&self) -> Served {
        Served::new(self.role, self.shared_by as usize)
    }

    /// Leaves the flight, if aboard.
    fn leave(self: Pin<&mut Self>) {
        let this = self.project();
        this.waiting.stop();
        let place = core::mem::replace(this.place, Place::Done);
        if let (Some(flight), Place::Aboard | Place::Leading) = (&*this.flight, place) {
            let leaver = match place {
                Place::Leading => Leaver::Leading,
                _ if *this.started == flight.term() => Leaver::Starter,
                _ => Leaver::Follower,
            };
            // Taken while the slot is still this caller's, because whoever takes over may put its own waker there at once; dropped
            // when everything is in order.
            let _waker = (leaver == Leaver::Leading || *this.in_slot).then(|| flight.runner.take());
            let left = flight.leave(this.group.table(), leaver);
            if leaver == Leaver::Leading && left == Left::Ended {
                // Cancelled; in case a panic of this leader's waker kept it from putting its work down.
                flight.free(this.group.table());
            }
        }
        *this.edge = Edge::none();
    }

    /// The leader gives its flight away, to a guard of its own.
    pub(crate) fn into_lead(self: Pin<&mut Self>) -> (FlightRef<K, V>, Role, Edge) {
        let this = self.project();
        *this.place = Place::Done;
        let edge = core::mem::replace(this.edge, Edge::none());
        match this.flight.take() {
            Some(flight) => (flight, *this.role, edge),
            None => unreachable!("a caller that leads has a flight"),
        }
    }

    /// The leader's work lies in the flight now. `in_slot`: nobody else needs the flight's slot for one waker.
    pub(crate) fn stay_aboard(self: Pin<&mut Self>, in_slot: bool) {
        let this = self.project();
        *this.place = Place::Aboard;
        *this.started = this.flight.as_ref().map_or(0, |flight| flight.term());
        *this.in_slot = in_slot;
    }

    /// Calls the work, of which this caller is now the leader.
    pub(crate) fn start<T>(self: Pin<&mut Self>, work: impl FnOnce() -> T) -> T {
        let flight = self.flight();
        let table = self.group.table();
        let unseen = || flight.fail(table, Error::Panicked(Panic::unseen()));
        match circle::within(&flight.node, || panics::catch(work, unseen)) {
            Ok(started) => started,
            Err(payload) => {
                flight.fail(table, Error::Panicked(Panic::told(&payload)));
                self.done();
                panics::resume(payload);
            }
        }
    }

    /// The flight has ended by this caller's doing or knowledge.
    pub(crate) fn done(self: Pin<&mut Self>) {
        let this = self.project();
        *this.place = Place::Done;
        *this.edge = Edge::none();
        // Before the flight goes, in which the event lies.
        this.waiting.stop();
        if let Some(flight) = this.flight.take() {
            *this.shared_by = u32::try_from(flight.state.load().callers()).unwrap_or(u32::MAX).max(1);
            // Its last owner drops the user's key and value.
            panics::contain(|| drop(flight));
        }
    }

    /// Notes that the work being run on this thread, if any, waits for this flight.
    pub(crate) fn link(self: Pin<&mut Self>) -> Result<(), crate::circle::Circular> {
        let this = self.project();
        match this.flight {
            Some(flight) => this.edge.link(&flight.node),
            None => Ok(()),
        }
    }
}

impl<K, V, R, S, Q> Caller<'_, '_, K, V, R, S, Q>
where
    V: Clone,
    S: BuildHasher,
    Q: ?Sized + AsKey<K>,
{
    /// Goes on until this caller is to lead or the flight has ended. `can_lead`: it has a work of its own.
    pub(crate) fn poll_turn(mut self: Pin<&mut Self>, cx: &mut Context<'_>, can_lead: bool) -> Poll<Turn<V>> {
        let mut driven = false;
        loop {
            match self.place {
                Place::Outside => {
                    if self.as_mut().board() {
                        return Poll::Ready(Turn::Lead);
                    }
                }
                Place::Watching => {
                    if self.as_mut().link().is_err() {
                        return Poll::Ready(self.refused());
                    }
                    ready!(self.as_mut().poll_clearing(cx));
                }
                Place::Aboard => {
                    if self.as_mut().link().is_err() {
                        return Poll::Ready(self.refused());
                    }
                    if let Some(turn) = ready!(self.as_mut().poll_aboard(cx, can_lead, &mut driven)) {
                        return Poll::Ready(turn);
                    }
                }
                Place::Leading | Place::Done => {
                    unreachable!("a caller that leads, or is done, has no turn to wait for")
                }
            }
        }
    }

    /// Asks: joins a flight, or starts one. `true`: this caller leads.
    fn board(self: Pin<&mut Self>) -> bool {
        let this = self.project();
        let inner = &*this.group.inner;
        let key = *this.key;
        let hash = inner.hasher.hash_one(key);
        let (flight, boarding) = board(&inner.table, key, hash);
        // The one this caller watched before, if any.
        let last = this.flight.replace(flight);
        panics::contain(|| drop(last));
        (*this.place, *this.role) = match boarding {
            None => (Place::Leading, Role::Led),
            Some(Boarding::TookOver) => (Place::Leading, Role::TookOver),
            Some(Boarding::Followed) => (Place::Aboard, Role::Followed),
            Some(Boarding::Clearing | Boarding::Gone) => (Place::Watching, Role::Followed),
        };
        let leads = *this.place == Place::Leading;
        if leads {
            // Nothing can be circular about a work that has not begun, but what it will wait for may be.
            if let Some(flight) = this.flight {
                let _ = this.edge.link(&flight.node);
            }
        }
        leads
    }

    /// Waiting would never end.
    fn refused(mut self: Pin<&mut Self>) -> Turn<V> {
        self.as_mut().leave();
        Turn::Landed(Err(Error::Circular))
    }

    /// Waits until the key is free.
    fn poll_clearing(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(flight) = this.flight else { unreachable!("a caller that watches has a flight to watch") };
        while flight.state.load().is_clearing() {
            if !this.waiting.is_listening() {
                // SAFETY: the event lies in the flight, which this caller holds until it stopped waiting: see `leave` and
                // the line after this loop.
                unsafe { this.waiting.as_mut().start(&flight.event) };
            }
            if this.waiting.as_mut().poll(cx).is_pending() && flight.state.load().is_clearing() {
                return Poll::Pending;
            }
        }
        this.waiting.stop();
        // The edge names the flight that was watched.
        *this.edge = Edge::none();
        *this.place = Place::Outside;
        Poll::Ready(())
    }

    /// Waits aboard. `None`: look again.
    fn poll_aboard(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        can_lead: bool,
        driven: &mut bool,
    ) -> Poll<Option<Turn<V>>> {
        let mut this = self.as_mut().project();
        let table = &this.group.inner.table;
        let Some(flight) = this.flight else { unreachable!("a caller aboard has a flight") };
        let now = flight.state.load();
        match now.phase() {
            Phase::Landed => {
                let ending = flight.ending();
                let led = *this.started == flight.term();
                self.done();
                if let (true, Err(Error::Panicked(panic))) = (led, &ending) {
                    if let Some(payload) = panic.take_payload() {
                        panics::resume(payload);
                    }
                }
                Poll::Ready(Some(Turn::Landed(ending)))
            }
            // Its own work is used up.
            Phase::Vacant | Phase::Released if !can_lead => {
                self.leave();
                Poll::Ready(Some(Turn::Landed(Err(Error::Shutdown))))
            }
            Phase::Released => {
                this.waiting.stop();
                *this.place = Place::Done;
                let alone = Flight::new(this.key.to_key(), flight.hash);
                *this.edge = Edge::none();
                *this.flight = Some(FlightRef::new(alone));
                *this.place = Place::Leading;
                *this.role = Role::Alone;
                let _ = self.link();
                Poll::Ready(Some(Turn::Lead))
            }
            Phase::Vacant => {
                if !flight.state.claim() {
                    return Poll::Ready(None);
                }
                this.waiting.stop();
                *this.place = Place::Leading;
                *this.role = Role::TookOver;
                Poll::Ready(Some(Turn::Lead))
            }
            Phase::Dead => unreachable!("a flight with a caller aboard is not dead"),
            Phase::Flying | Phase::Landing if now.is_drivable() => {
                if *driven {
                    // The work woke itself while this caller ran it. Others know; so that an executor can do
                    // something else first, this one comes back later.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                if flight.state.claim_work() {
                    *driven = true;
                    match flight.drive(table, Runner::Caller, None) {
                        Driven::Pending | Driven::Landed => {}
                        Driven::Alone(value) => {
                            self.done();
                            return Poll::Ready(Some(Turn::Landed(Ok(value))));
                        }
                        Driven::Panicked(payload) => {
                            self.done();
                            panics::resume(payload);
                        }
                    }
                }
                Poll::Ready(None)
            }
            Phase::Flying | Phase::Landing => {
                if *this.in_slot {
                    flight.runner.register(cx.waker());
                } else {
                    if !this.waiting.is_listening() {
                        if !now.is_heard() {
                            flight.state.mark_heard();
                        }
                        // SAFETY: as in `poll_clearing`: whatever lets go of the flight stops waiting first.
                        unsafe { this.waiting.as_mut().start(&flight.event) };
                    }
                    if this.waiting.as_mut().poll(cx).is_ready() {
                        return Poll::Ready(None);
                    }
                }
                // What changed before this caller was listed is seen here, what changes later wakes it.
                let idle = |now: Snapshot| matches!(now.phase(), Phase::Flying | Phase::Landing) && !now.is_drivable();
                if idle(flight.state.load()) { Poll::Pending } else { Poll::Ready(None) }
            }
        }
    }
}

/// Finds the flight for `key` and boards it, or lists a new one (`None`) with the caller as its leader.
///
/// The user's code (comparing keys, making one) runs between looking and listing, outside the lock.
pub(crate) fn board<K, V, Q>(
    table: &crate::table::Table<K, V>,
    key: &Q,
    hash: u64,
) -> (FlightRef<K, V>, Option<Boarding>)
where
    Q: ?Sized + AsKey<K>,
{
    let mut new: Option<FlightRef<K, V>> = None;
    loop {
        let found = if new.is_none() && table.seems_empty(hash) { crate::table::Found::None } else { table.find(hash) };
        let known = found.as_slice().iter().find(|flight| key.matches(&flight.key));
        if let Some(flight) = known {
            match flight.state.board() {
                Boarding::Gone => {}
                boarding => {
                    let flight = flight.clone();
                    panics::contain(|| drop(found));
                    return (flight, Some(boarding));
                }
            }
        }
        let flight = new.take().unwrap_or_else(|| FlightRef::new(Flight::new(key.to_key(), hash)));
        let inserted = table.insert(&flight, found.as_slice(), known);
        // This may be the last owner of flights that ended meanwhile, and so drop the user's keys and values. From here on a panic
        // of those would leave behind a flight that nobody is aboard of.
        panics::contain(|| drop(found));
        if inserted {
            return (flight, None);
        }
        new = Some(flight);
    }
}
