//! One caller's way through a flight: finding or starting it, waiting, taking over, and leaving.
//!
//! This is the part that all verbs share. A verb polls [`Caller::poll_turn`] until it is told to lead or handed the outcome.

mod limits;
mod turns;

use alloc::boxed::Box;
use core::hash::BuildHasher;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::boarding::{self, Boarded, How};
use crate::carried::carry;
use crate::circle::{self, Edge};
use crate::ending::Landing;
use crate::error::{Error, Panic};
use crate::flight::FlightRef;
use crate::group::Group;
use crate::key::AsKey;
use crate::options::{Luggage, Wait};
use crate::panics;
use crate::served::{Role, Served};
use crate::snapshot::Verb;
use crate::state::{Leaver, Phase};
use crate::sync;
use crate::wait::Waiting;
use crate::work::Work;

pub(crate) use limits::Stop;
use limits::rang;

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
    /// It was refused, and is to be told.
    Refused,
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
        // What few callers need: options of their own, a limit, a place in the graph of who waits for whom.
        luggage: Option<Box<Luggage<K, V>>>,
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
        #[inline]
        fn drop(this: Pin<&mut Self>) {
            // Most have their answer, and nothing is left to do.
            if !matches!(this.place, Place::Outside | Place::Done) {
                this.leave();
            }
        }
    }
}

impl<'g, 'k, K, V, R, S, Q: ?Sized> Caller<'g, 'k, K, V, R, S, Q> {
    pub(crate) fn new(group: &'g Group<K, V, R, S>, key: &'k Q, luggage: Option<Box<Luggage<K, V>>>) -> Self {
        Self {
            group,
            key,
            flight: None,
            waiting: Waiting::new(),
            luggage,
            place: Place::Outside,
            role: Role::Followed,
            started: 0,
            in_slot: false,
            shared_by: 1,
        }
    }

    /// A caller that boarded already, and does not lead.
    pub(crate) fn boarded(
        group: &'g Group<K, V, R, S>,
        key: &'k Q,
        boarded: Boarded<K, V>,
        luggage: Option<Box<Luggage<K, V>>>,
    ) -> Self {
        let mut caller = Self::new(group, key, luggage);
        let (flight, how) = boarded;
        caller.flight = flight;
        (caller.place, caller.role) = placed(how);
        if let Some(flight) = &caller.flight {
            flight.tell_observers();
        }
        caller
    }
}

impl<K, V, R, S, Q> Caller<'_, '_, K, V, R, S, Q>
where
    V: Clone,
    S: BuildHasher,
    Q: ?Sized + AsKey<K>,
{
    /// Goes on until this caller is to lead or the flight has ended. `can_lead`: it has a work of its own.
    pub(crate) fn poll_turn(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        can_lead: bool,
        verb: Verb,
    ) -> Poll<Turn<V>> {
        let mut driven = false;
        loop {
            match self.place {
                Place::Outside => {
                    if self.as_mut().board(verb) {
                        return Poll::Ready(Turn::Lead);
                    }
                }
                Place::Refused => {
                    self.done();
                    return Poll::Ready(Turn::Landed(Err(Error::Full)));
                }
                Place::Watching => {
                    if self.as_mut().link().is_err() {
                        return Poll::Ready(self.refused());
                    }
                    if let Some(error) = ready!(self.as_mut().poll_clearing(cx)) {
                        self.leave();
                        return Poll::Ready(Turn::Landed(Err(error)));
                    }
                }
                Place::Aboard => {
                    if self.as_mut().link().is_err() {
                        return Poll::Ready(self.refused());
                    }
                    if let Some(turn) = ready!(self.as_mut().poll_aboard(cx, can_lead, verb, &mut driven)) {
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
    pub(crate) fn board(mut self: Pin<&mut Self>, verb: Verb) -> bool {
        let this = self.as_mut().project();
        let inner = &*this.group.inner;
        let key = *this.key;
        let hash = inner.hasher.hash_one(key);
        let boarded = boarding::board(&inner.table, inner.config.get(), this.luggage, key, hash, verb);
        let (flight, how) = boarded;
        (*this.place, *this.role) = placed(how);
        // The one this caller watched before, if any.
        if let Some(last) = core::mem::replace(this.flight, flight) {
            panics::contain(|| drop(last));
        }
        if let Some(flight) = this.flight {
            // Only now, when this caller leaves the flight should anything go wrong.
            flight.tell_observers();
        }
        let leads = *this.place == Place::Leading;
        if leads {
            // Nothing can be circular about a work that has not begun, but what it will wait for may be.
            let _ = self.link();
        }
        leads
    }

    /// Waiting would never end.
    #[cold]
    fn refused(mut self: Pin<&mut Self>) -> Turn<V> {
        self.as_mut().leave();
        Turn::Landed(Err(Error::Circular))
    }

    /// Waits until the key is free. `Some`: that took longer than this caller waits.
    #[cold]
    fn poll_clearing(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Error>> {
        let mut this = self.project();
        let flight = known(this.flight);
        while flight.state.load().is_clearing() {
            // SAFETY: the event lies in the flight, which this caller holds until it stopped waiting: see `leave` and
            // the line after this loop.
            let waiting = unsafe { this.waiting.as_mut().listen_or_poll(&flight.event, cx) };
            if waiting.is_pending() && flight.state.load().is_clearing() {
                if let Some(luggage) = &mut this.luggage {
                    if let Some(Wait { until, error }) = luggage.wait.clone() {
                        if rang(flight, this.group.config(), luggage, until, cx) {
                            return Poll::Ready(Some(error));
                        }
                    }
                }
                return Poll::Pending;
            }
        }
        this.waiting.stop();
        // The edge names the flight that was watched.
        unlink(this.luggage);
        *this.place = Place::Outside;
        Poll::Ready(None)
    }

    /// Waits aboard. `None`: look again.
    fn poll_aboard(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        can_lead: bool,
        verb: Verb,
        driven: &mut bool,
    ) -> Poll<Option<Turn<V>>> {
        let mut this = self.as_mut().project();
        let flight = known(this.flight);
        let now = flight.state.load();
        if let Some(terms) = &flight.terms {
            // What is being written is waited for, like any outcome.
            if terms.main().is_some() && !matches!(now.phase(), Phase::Flying | Phase::Landing) {
                return Poll::Ready(self.go_back());
            }
            let overthrown = *this.started != 0 && (now.phase() == Phase::Vacant || *this.started != flight.term());
            if let Some(failure) = overthrown.then(|| terms.take_failure(*this.started)).flatten() {
                self.leave();
                return Poll::Ready(Some(Turn::Landed(Ok(failure))));
            }
        }
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
            Phase::Vacant | Phase::Released if !can_lead && (now.phase() == Phase::Released || now.is_vacant()) => {
                self.leave();
                Poll::Ready(Some(Turn::Landed(Err(Error::Shutdown))))
            }
            Phase::Released => Poll::Ready(Some(self.go_alone(verb))),
            Phase::Vacant if now.is_vacant() => Poll::Ready(self.take_over(verb)),
            Phase::Dead => unreachable!("a flight with a caller aboard is not dead"),
            Phase::Flying | Phase::Landing if now.is_drivable() => self.poll_drive(cx, can_lead, verb, driven),
            Phase::Flying | Phase::Vacant | Phase::Landing => {
                if *this.in_slot {
                    flight.runner.register(cx.waker());
                } else {
                    if now.is_busy() && !this.waiting.is_listening() && flight.is_brief(verb) {
                        // Waiting, and being woken, would take longer than the work nearly always does.
                        let busy = || flight.state.load().is_busy() || flight.state.load().phase() == Phase::Landing;
                        sync::spin_while(busy);
                        if !flight.state.load().is_idle() {
                            return Poll::Ready(None);
                        }
                    }
                    if !now.is_heard() {
                        flight.state.mark_heard();
                    }
                    // SAFETY: as in `poll_clearing`: whatever lets go of the flight stops waiting first.
                    if unsafe { this.waiting.as_mut().listen_or_poll(&flight.event, cx) }.is_ready() {
                        return Poll::Ready(None);
                    }
                }
                // What changed before this caller was listed is seen here, what changes later wakes it.
                if !flight.state.load().is_idle() {
                    return Poll::Ready(None);
                }
                if flight.terms.is_none() && this.luggage.is_none() {
                    return Poll::Pending;
                }
                self.poll_limits(cx, can_lead, verb)
            }
        }
    }
}

impl<K, V, R, S, Q: ?Sized> Caller<'_, '_, K, V, R, S, Q> {
    /// The flight. Only while aboard.
    pub(crate) fn flight(&self) -> &FlightRef<K, V> {
        known(&self.flight)
    }

    /// The flight, if it is aboard one.
    pub(crate) fn aboard(&self) -> Option<&FlightRef<K, V>> {
        self.flight.as_ref().filter(|_| matches!(self.place, Place::Aboard | Place::Leading))
    }

    /// The flight that is to make way for it.
    pub(crate) fn watched(&self) -> Option<&FlightRef<K, V>> {
        self.flight.as_ref().filter(|_| self.place == Place::Watching)
    }

    /// Its own limit holds no more.
    pub(crate) fn forget_wait(self: Pin<&mut Self>) {
        if let Some(luggage) = self.project().luggage {
            luggage.wait = None;
        }
    }

    pub(crate) fn served(&self) -> Served {
        Served::new(self.role, self.shared_by as usize)
    }

    /// Leaves the flight, if aboard.
    pub(crate) fn leave(self: Pin<&mut Self>) {
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
            flight.depart(this.group.table(), leaver);
        }
        unlink(this.luggage);
    }

    /// The leader gives its flight away, to a guard of its own.
    pub(crate) fn into_lead(self: Pin<&mut Self>) -> (FlightRef<K, V>, Role, Option<Box<Luggage<K, V>>>) {
        let this = self.project();
        *this.place = Place::Done;
        match this.flight.take() {
            Some(flight) => (flight, *this.role, this.luggage.take()),
            None => unreachable!("a caller that leads has a flight"),
        }
    }

    /// Begins the work and puts it into the flight, for whoever is to run it. `in_slot`: nobody else needs the flight's slot for one waker.
    ///
    /// # Safety
    ///
    /// The caller was just told to lead, and so holds the busy mark; it puts the work down after this.
    pub(crate) unsafe fn carry<W>(mut self: Pin<&mut Self>, work: W, in_slot: bool)
    where
        K: Send + Sync + 'static,
        V: Send + Sync + 'static,
        W: Work<V, Future: Send + 'static>,
    {
        let carried = self.as_mut().start(|| carry(work));
        // SAFETY: as is promised.
        unsafe { self.flight().set_work(Some(carried)) };
        // Before anybody else may run the work, fail, and hand the flight to the next leader.
        self.stay_aboard(in_slot);
    }

    /// The leader's work lies in the flight now.
    fn stay_aboard(self: Pin<&mut Self>, in_slot: bool) {
        let this = self.project();
        *this.place = Place::Aboard;
        let flight = known(this.flight);
        *this.started = flight.term();
        // If its work fails and the next one leads, that one takes the slot while this one is still to be told.
        *this.in_slot = in_slot && !flight.terms.as_ref().is_some_and(|terms| terms.retries());
    }

    /// Calls the work, of which this caller is now the leader.
    pub(crate) fn start<T>(self: Pin<&mut Self>, work: impl FnOnce() -> T) -> T {
        let flight = self.flight();
        let table = self.group.table();
        let unseen = || flight.fail(table, Panic::unseen());
        match circle::within(flight.node(), || panics::catch(work, unseen)) {
            Ok(started) => started,
            Err(payload) => {
                flight.fail(table, Panic::told(&payload));
                self.done();
                panics::resume(payload);
            }
        }
    }

    /// The flight has ended by this caller's doing or knowledge.
    pub(crate) fn done(self: Pin<&mut Self>) {
        let this = self.project();
        *this.place = Place::Done;
        unlink(this.luggage);
        // Before the flight goes, in which the event lies.
        this.waiting.stop();
        if let Some(flight) = this.flight.take() {
            *this.shared_by = u32::try_from(flight.state.load().callers()).unwrap_or(u32::MAX).max(1);
            flight.leave_main(this.group.table());
            // Its last owner drops the user's key and value.
            panics::contain(|| drop(flight));
        }
    }

    /// Notes that the work being run on this thread, if any, waits for this flight.
    #[inline]
    pub(crate) fn link(self: Pin<&mut Self>) -> Result<(), circle::Circular> {
        let this = self.project();
        match this.flight {
            Some(flight) => link(this.luggage, flight),
            None => Ok(()),
        }
    }

    /// The leader has a value. `registered`: its waker may be in the flight's slot for one. `Some`: what its call returns; `None`: the flight says so, as
    /// soon as it has landed.
    pub(crate) fn land(mut self: Pin<&mut Self>, value: V, failed: bool, registered: bool) -> Option<Result<V, Error>>
    where
        V: Clone,
    {
        let flight = self.flight();
        let ending = match flight.land(self.group.table(), value, failed, registered) {
            Landing::Own(value) | Landing::HandedOn(value) => Ok(value),
            Landing::Shared => flight.ending(),
            Landing::Kept => unreachable!("a leader has its failure in hand"),
            Landing::Elsewhere => {
                self.as_mut().follow_on();
                return None;
            }
        };
        self.done();
        Some(ending)
    }

    /// The flight that this caller led was ended by somebody else, whose word counts.
    pub(crate) fn follow_on(self: Pin<&mut Self>) {
        let this = self.project();
        *this.place = Place::Aboard;
        *this.started = 0;
    }
}

/// The flight of a caller that is aboard one, or watches one.
#[inline]
fn known<K, V>(flight: &Option<FlightRef<K, V>>) -> &FlightRef<K, V> {
    match flight {
        Some(flight) => flight,
        None => unreachable!("a caller that asked, and was not refused, has a flight until it has its answer"),
    }
}

/// Where a call stands that asked.
#[inline]
fn placed(how: How) -> (Place, Role) {
    match how {
        How::Leads => (Place::Leading, Role::Led),
        How::TookOver => (Place::Leading, Role::TookOver),
        How::Followed => (Place::Aboard, Role::Followed),
        How::Lingers => (Place::Aboard, Role::Lingered),
        How::Clearing => (Place::Watching, Role::Followed),
        How::Refused => (Place::Refused, Role::Followed),
    }
}

/// Notes that the work being run on this thread, if any, waits for `flight`.
#[inline]
pub(crate) fn link<K, V>(
    luggage: &mut Option<Box<Luggage<K, V>>>,
    flight: &FlightRef<K, V>,
) -> Result<(), circle::Circular> {
    if luggage.is_none() && circle::is_outside() {
        return Ok(());
    }
    luggage.get_or_insert_default().edge.link(flight.node())
}

/// The call waits for nothing any more.
fn unlink<K, V>(luggage: &mut Option<Box<Luggage<K, V>>>) {
    if let Some(luggage) = luggage {
        luggage.edge = Edge::none();
    }
}
