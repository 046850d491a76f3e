//! What a call can end with instead of a value.

use alloc::borrow::Cow;
#[cfg(feature = "std")]
use alloc::string::String;
use core::fmt;

use crate::panics::{self, Payload};
use crate::sync::{Arc, Lock};

/// Why a caller got no value: something happened to the flight, not inside the work.
///
/// Failures of the work itself are values; see the `try_` verbs and [`TryError`].
///
/// ```
/// # futures_lite::future::block_on(async {
/// use coflight::{Error, Group};
///
/// let flights: Group<u64, &str> = Group::builder().max_flights(1).build();
/// let busy = flights.enter(&1);
/// let page = match flights.run(&2, || async { "the page" }).await {
///     Ok(page) => page,
///     Err(Error::Full) => "come back later",
///     Err(error) => return Err(error), // cancelled, panicked, …
/// };
/// assert_eq!(page, "come back later");
/// # drop(busy);
/// # Ok::<(), coflight::Error>(()) }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The work panicked. The leader's call unwound with the original payload; everyone else gets this.
    Panicked(Panic),
    /// [`Group::cancel`](crate::Group::cancel) or [`cancel_all`](crate::Group::cancel_all) ended the flight.
    Cancelled,
    /// The flight did not end within its [`timeout`](crate::Builder::timeout). Its work is dropped. Never the work's own timeout error,
    /// which is a value like any other.
    TimedOut,
    /// This caller's own limit, [`wait_timeout`](crate::Builder::wait_timeout), passed. It left the flight, which goes on for the others.
    WaitTimedOut,
    /// There are as many flights as [`max_flights`](crate::Builder::max_flights) allows, and none for this key.
    Full,
    /// Waiting for this flight would never end: the work asked, directly or through other flights, for its own result.
    ///
    /// Only detected with the `std` feature, and for calls made while the work is being polled.
    Circular,
    /// The runtime that ran this caller's [`spawn`](crate::Group::spawn)ed work dropped it, most likely because it was
    /// shut down. A follower, if there is one, takes over with its own work.
    Shutdown,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(panic) => panic.fmt(f),
            Self::Cancelled => f.write_str("the flight was cancelled"),
            Self::TimedOut => f.write_str("the flight did not end within its time limit"),
            Self::WaitTimedOut => f.write_str("the caller's own time limit passed before the flight ended"),
            Self::Full => f.write_str("there are as many flights in progress as the group allows"),
            Self::Circular => f.write_str("the work waits for its own result, directly or through other flights"),
            Self::Shutdown => f.write_str("the runtime dropped the work before it was finished"),
        }
    }
}

impl core::error::Error for Error {}

/// The panic of a flight's work, as the callers who did not run it see it.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use std::panic::AssertUnwindSafe;
/// use coflight::{Error, Group};
/// use futures_lite::{FutureExt, future};
///
/// async fn load(id: u64) -> String {
///     future::yield_now().await; // it takes a moment
///     panic!("there is no user {id}")
/// }
///
/// let flights: Group<u64, String> = Group::new();
/// let leader = AssertUnwindSafe(flights.run(&7, || load(7))).catch_unwind();
/// let follower = flights.run(&7, || load(7));
///
/// let (unwound, answer) = future::zip(leader, follower).await;
/// assert!(unwound.is_err()); // with the panic itself
/// let Err(Error::Panicked(panic)) = answer else { unreachable!("the work panicked") };
/// assert_eq!(panic.to_string(), "the work panicked: there is no user 7");
/// # });
/// ```
#[derive(Clone)]
pub struct Panic(Arc<PanicInner>);

struct PanicInner {
    message: Option<Cow<'static, str>>,
    /// Waits here for the leader, whose call unwinds with it.
    payload: Lock<Option<Payload>>,
}

impl Panic {
    pub(crate) fn new(payload: Payload) -> Self {
        Self(Arc::new(PanicInner { message: panics::message(&payload), payload: Lock::new(Some(payload)) }))
    }

    /// A panic whose payload is on its way to the leader already.
    pub(crate) fn told(payload: &Payload) -> Self {
        Self(Arc::new(PanicInner { message: panics::message(payload), payload: Lock::new(None) }))
    }

    /// A panic whose payload nobody can reach: it unwound through a guard, or there is no `std` to catch it.
    pub(crate) fn unseen() -> Self {
        Self(Arc::new(PanicInner { message: None, payload: Lock::new(None) }))
    }

    pub(crate) fn take_payload(&self) -> Option<Payload> {
        self.0.payload.with(Option::take)
    }

    /// The panic's message, if its payload was a string, as with `panic!("…")`.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Error, Group};
    /// # use std::panic::AssertUnwindSafe;
    /// # use futures_lite::{FutureExt, future};
    /// # async fn load(id: u64) -> String {
    /// #     future::yield_now().await;
    /// #     panic!("there is no user {id}")
    /// # }
    ///
    /// let flights: Group<u64, String> = Group::new();
    /// # let leader = AssertUnwindSafe(flights.run(&7, || load(7))).catch_unwind();
    /// # let follower = async {
    /// match flights.run(&7, || load(7)).await {
    ///     Err(Error::Panicked(panic)) => assert_eq!(panic.message(), Some("there is no user 7")),
    ///     other => unreachable!("somebody else ran the work, which panicked: {other:?}"),
    /// }
    /// # };
    /// # assert!(future::zip(leader, follower).await.0.is_err());
    /// # });
    /// ```
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.0.message.as_deref()
    }
}

impl PartialEq for Panic {
    /// Two are equal when they are the same panic, not when they happen to say the same.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Panic {}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Panic").field(&self.message()).finish()
    }
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message() {
            Some(message) => write!(f, "the work panicked: {message}"),
            None => f.write_str("the work panicked"),
        }
    }
}

/// Why a `try_` call failed: the work said no, or something happened to its flight.
///
/// Transparent: [`Display`](fmt::Display) and [`source`](core::error::Error::source) are those of the error inside, which every
/// caller of the flight shares as it is; `E` need not be `Clone`.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use std::num::ParseIntError;
/// use coflight::{TryError, TryGroup};
///
/// let flights: TryGroup<String, u16, ParseIntError> = TryGroup::new();
/// let port = match flights.try_run("80a", || async { "80a".parse() }).await {
///     Ok(port) => port,
///     Err(TryError::Work(_)) => 80,    // no number: the default
///     Err(error) => return Err(error), // nobody knows
/// };
/// assert_eq!(port, 80);
/// # Ok::<(), coflight::TryError<_>>(()) }).unwrap();
/// ```
pub enum TryError<E> {
    /// The work's own error, shared by all callers of the flight.
    Work(SharedError<E>),
    /// The flight ended without a result of the work.
    Flight(Error),
}

/// The pointer through which callers share one error: `alloc::sync::Arc`, or `portable_atomic_util::Arc` with the
/// `portable-atomic` feature.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use std::io;
/// use coflight::{Entry, SharedError, TryError, TryGroup, Turn};
///
/// let flights: TryGroup<u64, String, io::Error> = TryGroup::new();
/// let Entry::Leader(leader) = flights.enter(&7) else { unreachable!("nobody came before") };
/// let Entry::Follower(follower) = flights.enter(&7) else { unreachable!("there is a leader") };
///
/// let told = leader.try_complete(Err(io::Error::other("no answer")));
/// let Err(TryError::Work(one)) = told else { unreachable!("it is an error") };
/// let Ok(Turn::Value(Err(other))) = follower.await else { unreachable!("the leader told its error") };
/// assert!(SharedError::ptr_eq(&one, &other)); // one error, though it is not `Clone`
/// # });
/// ```
pub type SharedError<E> = Arc<E>;

impl<E> TryError<E> {
    /// The work's error, if that is what this is.
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use std::io;
    /// use coflight::TryGroup;
    ///
    /// let flights: TryGroup<u64, String, io::Error> = TryGroup::new();
    /// let page = flights.try_run(&7, || async { Err(io::ErrorKind::NotFound.into()) }).await;
    /// let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    /// assert!(page.is_err_and(|error| error.work().is_some_and(missing)));
    /// # });
    /// ```
    #[must_use]
    pub fn work(&self) -> Option<&E> {
        match self {
            Self::Work(error) => Some(error),
            Self::Flight(_) => None,
        }
    }

    /// The flight's error, if that is what this is.
    ///
    /// ```
    /// use coflight::{Error, SharedError, TryError};
    ///
    /// /// Whether the backend may be fine, and was only asked too much.
    /// fn overloaded<E>(error: &TryError<E>) -> bool {
    ///     matches!(error.flight(), Some(Error::Full | Error::TimedOut | Error::WaitTimedOut))
    /// }
    ///
    /// assert!(overloaded(&TryError::<std::fmt::Error>::Flight(Error::Full)));
    /// assert!(!overloaded(&TryError::Work(SharedError::new(std::fmt::Error))));
    /// ```
    #[must_use]
    pub fn flight(&self) -> Option<&Error> {
        match self {
            Self::Work(_) => None,
            Self::Flight(error) => Some(error),
        }
    }
}

impl<E> From<Error> for TryError<E> {
    fn from(error: Error) -> Self {
        Self::Flight(error)
    }
}

impl<E> Clone for TryError<E> {
    fn clone(&self) -> Self {
        match self {
            Self::Work(error) => Self::Work(Arc::clone(error)),
            Self::Flight(error) => Self::Flight(error.clone()),
        }
    }
}

impl<E: PartialEq> PartialEq for TryError<E> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Work(error), Self::Work(other)) => **error == **other,
            (Self::Flight(error), Self::Flight(other)) => error == other,
            (Self::Work(_), Self::Flight(_)) | (Self::Flight(_), Self::Work(_)) => false,
        }
    }
}

impl<E: Eq> Eq for TryError<E> {}

impl<E: fmt::Debug> fmt::Debug for TryError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Work(error) => f.debug_tuple("Work").field(error).finish(),
            Self::Flight(error) => f.debug_tuple("Flight").field(error).finish(),
        }
    }
}

impl<E: fmt::Display> fmt::Display for TryError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Work(error) => error.fmt(f),
            Self::Flight(error) => error.fmt(f),
        }
    }
}

impl<E: core::error::Error> core::error::Error for TryError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Work(error) => error.source(),
            Self::Flight(error) => error.source(),
        }
    }
}

/// What is left of a panic's payload as text.
#[cfg(feature = "std")]
pub(crate) fn text(payload: &(dyn core::any::Any + Send)) -> Option<Cow<'static, str>> {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        Some(Cow::Borrowed(text))
    } else {
        payload.downcast_ref::<String>().map(|text| Cow::Owned(text.clone()))
    }
}

#[cfg(test)]
#[cfg(not(any(loom, shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn errors_of_calls_are_equal_as_what_is_in_them() {
        let no = |number| TryError::Work(SharedError::new(number));
        assert_eq!(no(6), no(6), "though each is one of its own");
        assert_ne!(no(6), no(7));
        assert_eq!(TryError::<u8>::Flight(Error::Full), Error::Full.into());
        assert_ne!(TryError::<u8>::Flight(Error::Full), Error::Cancelled.into());
        assert_ne!(no(6), Error::Full.into());
        assert_ne!(TryError::from(Error::Full), no(6));
    }
}
