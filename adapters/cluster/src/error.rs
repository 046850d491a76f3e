//! What a call can end with instead of a value.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use coflight_core::SharedError;

use crate::codec::MessagePackError;
use crate::engine::EngineError;

/// Why a caller got no value. Failures of the work itself are values; see the `try_` verbs and [`TryError`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// What can happen to the flight of a single process, or happened to the one flight of all: among them that it was cancelled, or timed out, in
    /// whichever process.
    Flight(coflight_core::Error),
    /// The work panicked, in another process.
    PanickedElsewhere(PanicElsewhere),
    /// The engine does not answer, or not within the group's [patience](crate::Builder::patience), and the group was told to
    /// [refuse](crate::OnOutage::Refuse) then.
    Unavailable(EngineError),
    /// The lease was lost while this caller's work ran, the work was dropped because another process had taken over, and that one vanished as well, or was
    /// done before it could be asked. Only the caller whose work it was gets this; the others ask again by themselves. Ask again.
    LeaseLost,
    /// The key cannot be written as bytes, so that no other process would find it.
    Key(KeyError),
}

impl Error {
    /// What happened to the flight, if that is what this is.
    #[must_use]
    pub fn flight(&self) -> Option<&coflight_core::Error> {
        match self {
            Self::Flight(error) => Some(error),
            _ => None,
        }
    }
}

impl From<coflight_core::Error> for Error {
    fn from(error: coflight_core::Error) -> Self {
        Self::Flight(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flight(error) => error.fmt(f),
            Self::PanickedElsewhere(panic) => panic.fmt(f),
            Self::Unavailable(error) => write!(f, "the engine that the processes share is not available: {error}"),
            Self::LeaseLost => f.write_str("the lease was lost while the work ran, and nobody finished it; ask again"),
            Self::Key(error) => error.fmt(f),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Unavailable(error) => Some(error),
            Self::Key(error) => Some(&*error.0),
            _ => None,
        }
    }
}

/// The panic of a work in another process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanicElsewhere {
    pub(crate) message: Option<Arc<str>>,
    pub(crate) process: Arc<str>,
}

impl PanicElsewhere {
    /// The panic's message, if its payload was a string.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// What the process [calls itself](crate::Builder::process).
    #[must_use]
    pub fn process(&self) -> &str {
        &self.process
    }
}

impl fmt::Display for PanicElsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the work panicked in process {}", self.process)?;
        match &self.message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

/// Why a key has no bytes.
#[derive(Clone, Debug)]
pub struct KeyError(pub(crate) Arc<MessagePackError>);

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key cannot be written as bytes, by which other processes know it: {}", self.0)
    }
}

/// Why a `try_` call failed: the work said no, or something happened to its flight.
///
/// Transparent: [`Display`](fmt::Display) and [`source`](StdError::source) are those of the error inside. All callers of one process share the
/// work's error; each process has its own copy.
#[non_exhaustive]
pub enum TryError<E> {
    /// The work's own error.
    Work(SharedError<E>),
    /// There is no result of the work.
    Flight(Error),
}

impl<E> TryError<E> {
    /// The work's error, if that is what this is.
    pub fn work(&self) -> Option<&E> {
        match self {
            Self::Work(error) => Some(error),
            Self::Flight(_) => None,
        }
    }

    /// The other error, if that is what this is.
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
            Self::Work(error) => Self::Work(SharedError::clone(error)),
            Self::Flight(error) => Self::Flight(error.clone()),
        }
    }
}

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

impl<E: StdError> StdError for TryError<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Work(error) => error.source(),
            Self::Flight(error) => error.source(),
        }
    }
}
