//! `enter`: leading and following by hand.

use alloc::boxed::Box;
use core::fmt;
use core::future::{Future, poll_fn};
use core::hash::BuildHasher;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::boarding::{self, How};
use crate::caller::{self, Caller};
use crate::circle;
use crate::ending::Landing;
use crate::error::{Error, Panic, SharedError, TryError};
use crate::flight::FlightRef;
use crate::group::Group;
use crate::key::AsKey;
use crate::options::Luggage;
use crate::panics;
use crate::served::{Reports, Role, Served, WithServed};
use crate::snapshot::Verb;
use crate::state::Leaver;

/// What [`Group::enter`] makes of its caller.
///
/// ```
/// use coflight::{Entry, Group};
///
/// let flights: Group<u64, String> = Group::new();
/// let first = flights.enter(&42);
/// let second = flights.enter(&42);
/// assert!(matches!(first, Entry::Leader(_)));
/// assert!(matches!(second, Entry::Follower(_)));
/// ```
#[must_use = "dropping it leaves the flight at once"]
pub enum Entry<'g, 'k, K, V, R, S, Q: ?Sized> {
    /// Nobody runs the work for this key: the caller is to.
    Leader(Leader<K, V, R, S>),
    /// Somebody does: the caller waits. Or it is [refused](Error::Full), of which it is told when it is polled.
    Follower(Follower<'g, 'k, K, V, R, S, Q>),
}

impl<'g, 'k, K, V, R, S, Q> Entry<'g, 'k, K, V, R, S, Q>
where
    S: BuildHasher,
    Q: ?Sized + AsKey<K>,
{
    #[inline]
    pub(crate) fn new(group: &'g Group<K, V, R, S>, key: &'k Q, mut luggage: Option<Box<Luggage<K, V>>>) -> Self {
        let hash = group.hasher().hash_one(key);
        let boarded = boarding::board(group.table(), group.config(), &mut luggage, key, hash, Verb::Enter);
        let (flight, role) = match boarded {
            (Some(flight), How::Leads) => (flight, Role::Led),
            (Some(flight), How::TookOver) => (flight, Role::TookOver),
            boarded => return Self::Follower(Follower { caller: Caller::boarded(group, key, boarded, luggage) }),
        };
        let leader = Leader::new(group.clone(), flight, role, luggage);
        leader.flight().tell_observers();
        Self::Leader(leader)
    }
}

/// The duty to bring a flight to its end, and the right to choose how: [`complete`](Self::complete), [`release`](Self::release), or drop to abandon
/// it, upon which one follower takes over.
///
/// It owns what it needs, so it can be sent to where the work runs. Dropped by a panic, it ends the flight with
/// [`Error::Panicked`]: the work is not retried.
///
/// The work is taken to run for as long as the leader lives: after [`Group::cancel`], newcomers wait until it is dropped or done. A leader
/// learns of that by [`cancelled`](Self::cancelled).
///
/// A call for the leader's own key, made by its work, is recognised as circular only [within](Self::within) it, because the group cannot see where
/// the work runs.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use coflight::{Entry, Group, Turn};
///
/// let flights: Group<u64, u64> = Group::new();
/// let Entry::Leader(leader) = flights.enter(&6) else { unreachable!("nobody came before") };
/// let Entry::Follower(follower) = flights.enter(&6) else { unreachable!("there is a leader") };
///
/// // To where the work runs.
/// std::thread::spawn(move || leader.complete(42));
/// assert!(matches!(follower.await?, Turn::Value(42)));
/// # Ok::<(), coflight::Error>(()) }).unwrap();
/// ```
#[must_use = "dropping it abandons the flight at once"]
pub struct Leader<K, V, R, S> {
    group: Group<K, V, R, S>,
    /// Until it has ended.
    flight: Option<FlightRef<K, V>>,
    role: Role,
    /// With the place in the graph of who waits for whom, which it keeps for as long as this caller counts as waiting.
    luggage: Option<Box<Luggage<K, V>>>,
    /// It was made in a destructor that runs because of a panic, or given up there by hand, so being dropped by that panic says nothing.
    is_innocent: bool,
}

impl<K, V, R, S> Leader<K, V, R, S> {
    fn new(
        group: Group<K, V, R, S>,
        flight: FlightRef<K, V>,
        role: Role,
        mut luggage: Option<Box<Luggage<K, V>>>,
    ) -> Self {
        let _ = caller::link(&mut luggage, &flight);
        Self { group, flight: Some(flight), role, luggage, is_innocent: panics::unwinding() }
    }

    fn flight(&self) -> &FlightRef<K, V> {
        match &self.flight {
            Some(flight) => flight,
            None => unreachable!("a leader has a flight until it is consumed"),
        }
    }

    #[inline]
    fn end<T>(mut self, end: impl FnOnce(&FlightRef<K, V>, &Group<K, V, R, S>) -> T) -> T {
        match self.flight.take() {
            Some(flight) => {
                // That of `cancelled`, of this very leader.
                let _waker = flight.runner.take();
                let ended = end(&flight, &self.group);
                flight.leave_main(self.group.table());
                ended
            }
            None => unreachable!("a leader has a flight until it is consumed"),
        }
    }

    /// Ends the flight with `value`, which every follower gets a clone of, and gives it back: moved, if nobody shares it.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Entry, Error, Group, Turn};
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let Entry::Leader(leader) = flights.enter(&6) else { unreachable!("nobody came before") };
    /// let Entry::Follower(follower) = flights.enter(&6) else { unreachable!("there is a leader") };
    /// assert_eq!(leader.complete(42), Ok(42));
    /// assert!(matches!(follower.await?, Turn::Value(42)));
    ///
    /// let Entry::Leader(leader) = flights.enter(&6) else { unreachable!("nobody came before") };
    /// flights.cancel(&6);
    /// assert_eq!(leader.complete(42), Err(Error::Cancelled)); // it comes too late
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`] if the flight was cancelled meanwhile, [`Error::TimedOut`] if its time was over; then nobody gets `value`.
    ///
    /// If another work [overtook](crate::Builder::overtake_after) this one, its result is what everybody gets, this caller included, or
    /// [`Error::Panicked`] if it panicked. A caller that overtook and was too slow as well, so that another took its place, gets [`Error::Cancelled`] while the
    /// flight goes on.
    pub fn complete(self, value: V) -> Result<V, Error>
    where
        V: Clone,
    {
        self.land(value, false)
    }

    fn land(self, value: V, failed: bool) -> Result<V, Error>
    where
        V: Clone,
    {
        self.end(|flight, group| match flight.land(group.table(), value, failed, false) {
            Landing::Own(value) | Landing::HandedOn(value) => Ok(value),
            Landing::Shared => flight.ending(),
            Landing::Kept => unreachable!("a leader has its failure in hand"),
            Landing::Elsewhere => {
                // The flight that it ran beside may go on, without this caller, if another took its place.
                let main = flight.main().unwrap_or(flight);
                if flight.state.load().is_late() { Err(Error::TimedOut) } else { main.ending() }
            }
        })
    }

    /// Leaves, so that a follower takes over. The same as dropping it, but when its thread panics: then dropping it says that the work did, and this does not.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Entry, Group, Role, Turn};
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let Entry::Leader(leader) = flights.enter(&6) else { unreachable!("nobody came before") };
    /// let Entry::Follower(follower) = flights.enter(&6) else { unreachable!("there is a leader") };
    /// leader.abandon();
    ///
    /// let Turn::Leader(next) = follower.await? else { unreachable!("there is no value yet") };
    /// assert_eq!(next.role(), Role::TookOver);
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    pub fn abandon(mut self) {
        self.is_innocent = true;
    }

    /// Ends the flight because its result cannot be shared: every follower goes alone, at once and in parallel, each with its own work.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Entry, Group, Role, Turn};
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let Entry::Leader(leader) = flights.enter(&6) else { unreachable!("nobody came before") };
    /// let Entry::Follower(follower) = flights.enter(&6) else { unreachable!("there is a leader") };
    /// leader.release()?; // what it got is for itself alone
    ///
    /// let Turn::Leader(own) = follower.await? else { unreachable!("there is no value to share") };
    /// assert_eq!(own.role(), Role::Alone);
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`] if the flight was cancelled meanwhile, [`Error::TimedOut`] if its time was over.
    pub fn release(self) -> Result<(), Error> {
        self.end(|flight, group| flight.release(group.table()))
    }

    /// The flight's key.
    ///
    /// ```
    /// use coflight::{Entry, Group};
    ///
    /// let flights: Group<String, usize> = Group::new();
    /// let Entry::Leader(leader) = flights.enter("a key") else { unreachable!("nobody came before") };
    /// let length = leader.key().len(); // also where the caller's own key is not at hand
    /// assert_eq!(leader.complete(length), Ok(5));
    /// ```
    pub fn key(&self) -> &K {
        &self.flight().key
    }

    /// How many callers are aboard, this one included.
    ///
    /// ```
    /// use coflight::{Entry, Group};
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let Entry::Leader(leader) = flights.enter(&6) else { unreachable!("nobody came before") };
    /// let follower = flights.enter(&6);
    /// assert_eq!(leader.callers(), 2);
    ///
    /// drop(follower);
    /// assert_eq!(leader.callers(), 1);
    /// ```
    pub fn callers(&self) -> usize {
        self.flight().state.load().callers()
    }

    /// How this caller came to lead: [`Role::Led`], [`Role::TookOver`], [`Role::Overtook`] or [`Role::Alone`].
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Entry, Group, Role, Turn};
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let Entry::Leader(leader) = flights.enter(&6) else { unreachable!("nobody came before") };
    /// let Entry::Follower(follower) = flights.enter(&6) else { unreachable!("there is a leader") };
    /// assert_eq!(leader.role(), Role::Led);
    ///
    /// drop(leader);
    /// let Turn::Leader(next) = follower.await? else { unreachable!("there is no value yet") };
    /// assert_eq!(next.role(), Role::TookOver); // the first may have begun what this one begins again
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    pub fn role(&self) -> Role {
        self.role
    }

    /// Ends the coalescing, not the flight: those aboard get its result, newcomers start afresh. Unlike [`Group::forget`] it means this very
    /// flight, whatever else there is for its key. Returns whether newcomers could have joined it until now.
    ///
    /// For when the result is not what a newcomer should get any more, as with a stream whose beginning is gone.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Entry, Group, Turn};
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let Entry::Leader(leader) = flights.enter(&6) else { unreachable!("nobody came before") };
    /// let Entry::Follower(follower) = flights.enter(&6) else { unreachable!("there is a leader") };
    /// assert!(leader.forget());
    ///
    /// assert!(matches!(flights.enter(&6), Entry::Leader(_))); // a newcomer starts afresh
    /// leader.complete(42)?;
    /// assert!(matches!(follower.await?, Turn::Value(42)));
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    pub fn forget(&self) -> bool {
        let flight = self.flight();
        self.group.forget_flight(flight.main().unwrap_or(flight))
    }

    /// Runs a part of the work, such as one poll of its future: a call made in it that would wait for this flight, directly or through others, gets
    /// [`Error::Circular`] at once instead of waiting for ever.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use std::future::{Future, poll_fn};
    /// use std::pin::pin;
    /// use coflight::{Entry, Error, Group};
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let Entry::Leader(leader) = flights.enter(&6) else { unreachable!("nobody came before") };
    ///
    /// // By mistake, the work asks for what it is to find out.
    /// let mut work = pin!(flights.run(&6, || async { 42 }));
    /// let answer = poll_fn(|cx| leader.within(|| work.as_mut().poll(cx))).await;
    /// assert_eq!(answer, Err(Error::Circular));
    /// # });
    /// ```
    pub fn within<T>(&self, part: impl FnOnce() -> T) -> T {
        circle::within(self.flight().node(), part)
    }

    /// Whether the flight was ended by somebody else, so that nobody waits for a result: it was cancelled, its time was over, or another
    /// work overtook this one.
    ///
    /// ```
    /// use coflight::{Entry, Group};
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let Entry::Leader(leader) = flights.enter(&6) else { unreachable!("nobody came before") };
    /// assert!(!leader.is_cancelled());
    ///
    /// flights.cancel(&6);
    /// assert!(leader.is_cancelled()); // a work in steps asks before each of them
    /// ```
    pub fn is_cancelled(&self) -> bool {
        !self.flight().state.load().is_open()
    }

    /// Ready when the flight is ended by somebody else, as told by [`is_cancelled`](Self::is_cancelled), and at the latest when its
    /// [time](crate::Builder::timeout) is over, upon which everybody aboard is told so. To race the work with.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Entry, Group};
    /// use futures_lite::future;
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let Entry::Leader(mut leader) = flights.enter(&6) else { unreachable!("nobody came before") };
    /// let work = async {
    ///     flights.cancel(&6); // somebody else does, while the work waits
    ///     Some(future::pending::<u64>().await)
    /// };
    /// let ended = async {
    ///     leader.cancelled().await;
    ///     None
    /// };
    /// assert_eq!(future::or(work, ended).await, None);
    /// # });
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost by dropping the future.
    pub async fn cancelled(&mut self) {
        let Some(flight) = &self.flight else { unreachable!("a leader has a flight until it is consumed") };
        let (luggage, table) = (&mut self.luggage, self.group.table());
        poll_fn(|cx| {
            flight.runner.register(cx.waker());
            let limit = flight.terms.as_ref().and_then(|terms| terms.deadline.zip(terms.time()));
            if flight.state.load().is_open()
                && limit.is_some_and(|(at, time)| luggage.get_or_insert_default().alarm.rang(time, at, cx))
            {
                flight.expire(table);
            }
            if flight.state.load().is_open() { Poll::Pending } else { Poll::Ready(()) }
        })
        .await;
    }
}

impl<K, V, R, S> Drop for Leader<K, V, R, S> {
    fn drop(&mut self) {
        let Some(flight) = self.flight.take() else {
            return;
        };
        let table = self.group.table();
        // Taken while the slot is still this leader's, because whoever takes over may put its own waker there at once; dropped
        // when everything is in order.
        let _waker = flight.runner.take();
        if panics::unwinding() && !self.is_innocent {
            flight.fail(table, Panic::unseen());
            flight.leave_main(table);
        } else {
            flight.depart(table, Leaver::Leading);
        }
    }
}

/// Ways for a leader whose work can fail.
impl<K, T: Clone, E, R, S> Leader<K, Result<T, SharedError<E>>, R, S> {
    /// [`complete`](Self::complete), for work that can fail: its error is shared as it is, and counts as a failure.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use std::num::ParseIntError;
    /// use coflight::{Entry, TryError, TryGroup};
    ///
    /// let flights: TryGroup<String, u16, ParseIntError> = TryGroup::new();
    /// let Entry::Leader(leader) = flights.enter("80a") else { unreachable!("nobody came before") };
    /// let port = leader.key().parse();
    /// assert!(matches!(leader.try_complete(port), Err(TryError::Work(_))));
    /// assert_eq!(flights.stats().failed, 1);
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// [`TryError::Work`] with the work's error, [`TryError::Flight`] for those of [`complete`](Self::complete).
    pub fn try_complete(self, result: Result<T, E>) -> Result<T, TryError<E>> {
        let failed = result.is_err();
        crate::try_twin::flatten(self.land(result.map_err(SharedError::new), failed))
    }
}

/// What a [`Follower`] waits for.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use coflight::{Entry, Group, Turn};
///
/// let flights: Group<u64, u64> = Group::new();
/// let Entry::Leader(leader) = flights.enter(&6) else { unreachable!("nobody came before") };
/// let Entry::Follower(follower) = flights.enter(&6) else { unreachable!("there is a leader") };
/// drop(leader);
///
/// let answer = match follower.await? {
///     Turn::Value(answer) => answer,
///     Turn::Leader(leader) => leader.complete(6 * 7)?, // the first one left
/// };
/// assert_eq!(answer, 42);
/// # Ok::<(), coflight::Error>(()) }).unwrap();
/// ```
#[must_use = "dropping a leader abandons the flight at once"]
pub enum Turn<K, V, R, S> {
    /// The flight's value.
    Value(V),
    /// This caller is to run the work: it took over from a leader that left or [failed](crate::OnFailure::Retry), is to
    /// [overtake](crate::Builder::overtake_after) one that is slow, or was released to go alone. [`Leader::role`] tells which.
    Leader(Leader<K, V, R, S>),
}

pin_project! {
    /// A caller that follows. The future is ready when the flight has ended, or when it is this caller's turn to lead.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use std::pin::pin;
    /// use coflight::{Entry, Group, Turn};
    /// use futures_lite::future::poll_once;
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let Entry::Leader(leader) = flights.enter(&6) else { unreachable!("nobody came before") };
    /// let Entry::Follower(follower) = flights.enter(&6) else { unreachable!("there is a leader") };
    /// let mut follower = pin!(follower);
    /// assert!(poll_once(follower.as_mut()).await.is_none()); // still in progress
    ///
    /// leader.complete(42)?;
    /// assert!(matches!(follower.await?, Turn::Value(42)));
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves the flight, also if it was never polled.
    ///
    /// # Errors
    ///
    /// As [`Group::run`]. A caller that was refused is a follower, too, whose future is ready at once, with [`Error::Full`].
    ///
    /// # Panics
    ///
    /// When it is polled again after it was ready.
    #[must_use = "dropping it leaves the flight at once"]
    pub struct Follower<'g, 'k, K, V, R, S, Q: ?Sized> {
        #[pin]
        caller: Caller<'g, 'k, K, V, R, S, Q>,
    }
}

impl<K, V, R, S, Q: ?Sized> Follower<'_, '_, K, V, R, S, Q> {
    /// The key of the flight it is aboard: equal to the one it asked for, but the leader's own, with whatever that carries. None when it
    /// is aboard of none: it was refused, it waits until the work of a cancelled flight is gone, or it has its answer.
    ///
    /// ```
    /// use coflight::{Entry, Group};
    ///
    /// // Equal to every other one for the same path, whoever makes it.
    /// #[derive(Clone)]
    /// struct Request {
    ///     path: &'static str,
    ///     by: &'static str,
    /// }
    /// # impl PartialEq for Request { fn eq(&self, other: &Self) -> bool { self.path == other.path } }
    /// # impl Eq for Request {}
    /// # impl std::hash::Hash for Request { fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) { self.path.hash(hasher) } }
    ///
    /// let (first, second) = (Request { path: "/", by: "Ada" }, Request { path: "/", by: "Grace" });
    /// let flights: Group<Request, String> = Group::new();
    /// let leader = flights.enter(&first);
    /// let Entry::Follower(follower) = flights.enter(&second) else { unreachable!("there is a leader") };
    /// assert_eq!(follower.key().map(|request| request.by), Some("Ada")); // whom Grace waits for
    /// # drop(leader);
    /// ```
    pub fn key(&self) -> Option<&K> {
        self.caller.aboard().map(|flight| &flight.key)
    }

    /// The key of a flight that was cancelled, or whose time was over, and whose leader must be gone before this caller can ask again. The leader's own
    /// key, so that whoever can end that leader may do so.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Entry, Group, Turn};
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let Entry::Leader(leader) = flights.enter(&6) else { unreachable!("nobody came before") };
    /// flights.cancel(&6); // the leader may not have noticed yet
    ///
    /// let Entry::Follower(follower) = flights.enter(&6) else { unreachable!("the leader is still there") };
    /// assert_eq!((follower.key(), follower.clearing()), (None, Some(&6)));
    ///
    /// drop(leader);
    /// assert!(matches!(follower.await?, Turn::Leader(_)));
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    pub fn clearing(&self) -> Option<&K> {
        self.caller.watched().map(|flight| &flight.key)
    }

    /// Forgets this caller's own limit, [`wait_timeout`](crate::Builder::wait_timeout): from now on it waits for as long as its flight takes. For one that
    /// has a part of the result already.
    ///
    /// Here with a runtime whose time stands still until the test moves it:
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use std::pin::pin;
    /// use std::time::Duration;
    /// use coflight::{Entry, Group, Turn};
    /// use futures_lite::future::poll_once;
    /// # use std::{future::{Future, poll_fn}, pin::Pin, sync::{Arc, atomic::{AtomicU64, Ordering}}, task::Poll};
    /// # #[derive(Clone, Default)]
    /// # struct Paused(Arc<AtomicU64>);
    /// # impl Paused {
    /// #     fn advance(&self, time: Duration) {
    /// #         self.0.fetch_add(time.as_secs(), Ordering::Relaxed);
    /// #     }
    /// # }
    /// # impl coflight::Clock for Paused {
    /// #     fn now(&self) -> Duration {
    /// #         Duration::from_secs(self.0.load(Ordering::Relaxed))
    /// #     }
    /// # }
    /// # impl coflight::Timer for Paused {
    /// #     type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;
    /// #     fn sleep(&self, time: Duration) -> Self::Sleep {
    /// #         let (clock, due) = (self.clone(), coflight::Clock::now(self) + time);
    /// #         Box::pin(poll_fn(move |_| if coflight::Clock::now(&clock) < due { Poll::Pending } else { Poll::Ready(()) }))
    /// #     }
    /// # }
    ///
    /// let runtime = Paused::default();
    /// let flights: Group<u64, u64, _> =
    ///     Group::builder().runtime(runtime.clone()).wait_timeout(Duration::from_secs(1)).build();
    /// let Entry::Leader(leader) = flights.enter(&6) else { unreachable!("nobody came before") };
    /// let Entry::Follower(follower) = flights.enter(&6) else { unreachable!("there is a leader") };
    /// let mut follower = pin!(follower);
    /// follower.as_mut().unlimited();
    ///
    /// runtime.advance(Duration::from_secs(5));
    /// assert!(poll_once(follower.as_mut()).await.is_none()); // else `WaitTimedOut`
    /// leader.complete(42)?;
    /// assert!(matches!(follower.await?, Turn::Value(42)));
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    pub fn unlimited(self: Pin<&mut Self>) {
        self.project().caller.forget_wait();
    }

    /// Also says how the caller was served.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Entry, Group, Role};
    ///
    /// let flights: Group<u64, u64> = Group::new();
    /// let Entry::Leader(leader) = flights.enter(&6) else { unreachable!("nobody came before") };
    /// let Entry::Follower(follower) = flights.enter(&6) else { unreachable!("there is a leader") };
    /// leader.complete(42)?;
    ///
    /// let (turn, served) = follower.with_served().await;
    /// assert!(turn.is_ok());
    /// assert_eq!((served.role, served.callers), (Role::Followed, 2));
    /// # Ok::<(), coflight::Error>(()) }).unwrap();
    /// ```
    pub fn with_served(self) -> WithServed<Self> {
        WithServed::new(self)
    }
}

impl<K, V, R, S, Q> Future for Follower<'_, '_, K, V, R, S, Q>
where
    V: Clone,
    S: BuildHasher,
    Q: ?Sized + AsKey<K>,
{
    type Output = Result<Turn<K, V, R, S>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        Poll::Ready(match ready!(this.caller.as_mut().poll_turn(cx, true, Verb::Enter)) {
            caller::Turn::Landed(ending) => ending.map(Turn::Value),
            caller::Turn::Lead => {
                let group = this.caller.group.clone();
                let (flight, role, luggage) = this.caller.as_mut().into_lead();
                Ok(Turn::Leader(Leader::new(group, flight, role, luggage)))
            }
        })
    }
}

impl<K, V, R, S, Q: ?Sized> Reports for Follower<'_, '_, K, V, R, S, Q> {
    fn served(&self) -> Served {
        self.caller.served()
    }
}

impl<K, V, R, S, Q: ?Sized> fmt::Debug for Entry<'_, '_, K, V, R, S, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leader(leader) => leader.fmt(f),
            Self::Follower(follower) => follower.fmt(f),
        }
    }
}

impl<K, V: fmt::Debug, R, S> fmt::Debug for Turn<K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => f.debug_tuple("Value").field(value).finish(),
            Self::Leader(leader) => leader.fmt(f),
        }
    }
}

impl<K, V, R, S> fmt::Debug for Leader<K, V, R, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leader").field("role", &self.role).field("callers", &self.callers()).finish_non_exhaustive()
    }
}

impl<K, V, R, S, Q: ?Sized> fmt::Debug for Follower<'_, '_, K, V, R, S, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").finish_non_exhaustive()
    }
}
