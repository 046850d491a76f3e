//! What a call can end with instead of a value.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use coflight_core::SharedError;

use crate::codec::MessagePackError;
use crate::engine::EngineError;

/// Why a caller got no value. Failures of the work itself are values; see the `try_` verbs and [`TryError`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), coflight::cluster::Error> {
/// use std::time::Duration;
/// use coflight::cluster::{Cluster, Error, InProcess, OnOutage, Outage};
/// use coflight::Tokio;
///
/// let engine = InProcess::new();
/// let answers: Cluster<String, u64, _, _> =
///     Cluster::builder("answers", engine.clone(), Tokio::current()).on_outage(OnOutage::Refuse).build();
/// engine.set_outage(Outage::Refuses);
///
/// let status = match answers.run("life", |_| async { 42 }).await {
///     Ok(_) => 200,
///     Err(Error::Flight(coflight::Error::TimedOut)) => 504,
///     Err(Error::Unavailable(_) | Error::LeaseLost) => 503, // ask again
///     Err(_) => 500,
/// };
/// assert_eq!(status, 503);
/// # Ok(())
/// # }
/// ```
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
    /// done before it could be asked; or it was forgotten by then, and the group was told to [refuse](crate::OnOutage::Refuse). Only the caller whose work it was gets this; the others ask again by themselves. Ask again.
    LeaseLost,
    /// The key cannot be written as bytes, so that no other process would find it.
    Key(KeyError),
}

impl Error {
    /// What happened to the flight, if that is what this is.
    ///
    /// ```
    /// use coflight::cluster::Error;
    ///
    /// let error = Error::from(coflight::Error::Full);
    /// assert_eq!(error.flight(), Some(&coflight::Error::Full));
    /// assert_eq!(Error::LeaseLost.flight(), None);
    /// ```
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
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), coflight::cluster::Error> {
/// use std::panic::AssertUnwindSafe;
/// use coflight::cluster::{Cluster, Error, InProcess};
/// use coflight::Tokio;
/// use futures_lite::{FutureExt, future};
///
/// let engine = InProcess::new();
/// let [here, there]: [Cluster<u64, String, _, _>; 2] = ["web-1", "web-2"]
///     .map(|process| Cluster::builder("reports", engine.clone(), Tokio::current()).process(process).build());
/// let broken = here.run(&7, |_| async {
///     future::yield_now().await;
///     panic!("no rows")
/// });
/// // The caller who ran the work unwinds, those of other processes get this.
/// let unwinds = AssertUnwindSafe(broken).catch_unwind();
/// let (_, told) = future::zip(unwinds, there.run(&7, |_| async { unreachable!("it is being worked on") })).await;
/// let Err(Error::PanickedElsewhere(panic)) = told else { unreachable!("it panicked") };
/// assert_eq!(panic.to_string(), "the work panicked in process web-1: no rows");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PanicElsewhere {
    pub(crate) message: Option<Arc<str>>,
    pub(crate) process: Arc<str>,
}

impl PanicElsewhere {
    /// The panic's message, if its payload was a string.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// # use std::panic::AssertUnwindSafe;
    /// use coflight::cluster::Error;
    /// # use coflight::cluster::{Cluster, InProcess};
    /// # use coflight::Tokio;
    /// # use futures_lite::{FutureExt, future};
    /// #
    /// # let engine = InProcess::new();
    /// # let [here, there]: [Cluster<u64, String, _, _>; 2] =
    /// #     std::array::from_fn(|_| Cluster::new("reports", engine.clone(), Tokio::current()));
    /// # let broken = here.run(&7, |_| async {
    /// #     future::yield_now().await;
    /// #     panic!("no rows")
    /// # });
    /// # let unwinds = AssertUnwindSafe(broken).catch_unwind();
    /// # let (_, told) = future::zip(unwinds, there.run(&7, |_| async { String::new() })).await;
    /// # let error = told.unwrap_err();
    ///
    /// // The error of a call whose work ran elsewhere, where it panicked with "no rows".
    /// let Error::PanickedElsewhere(panic) = error else { return Err(error) };
    /// assert_eq!(panic.message(), Some("no rows"));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// What the process [calls itself](crate::Builder::process).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// # use std::panic::AssertUnwindSafe;
    /// use coflight::cluster::Error;
    /// # use coflight::cluster::{Cluster, InProcess};
    /// # use coflight::Tokio;
    /// # use futures_lite::{FutureExt, future};
    /// #
    /// # let engine = InProcess::new();
    /// # let [here, there]: [Cluster<u64, String, _, _>; 2] = ["web-1", "web-2"]
    /// #     .map(|process| Cluster::builder("reports", engine.clone(), Tokio::current()).process(process).build());
    /// # let broken = here.run(&7, |_| async {
    /// #     future::yield_now().await;
    /// #     panic!("no rows")
    /// # });
    /// # let unwinds = AssertUnwindSafe(broken).catch_unwind();
    /// # let (_, told) = future::zip(unwinds, there.run(&7, |_| async { String::new() })).await;
    /// # let error = told.unwrap_err();
    ///
    /// // The error of a call whose work ran in the process `web-1`, where it panicked.
    /// let Error::PanickedElsewhere(panic) = error else { return Err(error) };
    /// assert_eq!(panic.process(), "web-1"); // its log has the rest
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn process(&self) -> &str {
        &self.process
    }
}

impl StdError for PanicElsewhere {}

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
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), coflight::cluster::Error> {
/// use coflight::cluster::{Cluster, Error, InProcess};
/// use coflight::Tokio;
/// use serde::{Serialize, Serializer};
///
/// #[derive(Clone, PartialEq, Eq, Hash)]
/// struct Handle(usize);
///
/// impl Serialize for Handle {
///     fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
///         Err(serde::ser::Error::custom("a handle means nothing elsewhere"))
///     }
/// }
///
/// let files: Cluster<Handle, u64, _, _> = Cluster::new("files", InProcess::new(), Tokio::current());
/// let Err(Error::Key(error)) = files.run(&Handle(3), |_| async { 42 }).await else { unreachable!("no bytes") };
/// assert!(error.to_string().ends_with("a handle means nothing elsewhere"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct KeyError(pub(crate) Arc<MessagePackError>);

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key cannot be written as bytes, by which other processes know it: {}", self.0)
    }
}

impl StdError for KeyError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

/// Why a `try_` call failed: the work said no, or something happened to its flight.
///
/// Transparent: [`Display`](fmt::Display) and [`source`](StdError::source) are those of the error inside. All callers of one process share the
/// work's error; each process has its own copy.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), coflight::cluster::Error> {
/// use coflight::cluster::{Error, InProcess, TryCluster, TryError};
/// use coflight::Tokio;
///
/// let ports: TryCluster<String, u16, String, _, _> = TryCluster::new("ports", InProcess::new(), Tokio::current());
/// let port = match ports.try_run("http", |_| async { Err("no such service".to_owned()) }).await {
///     Ok(port) => Some(port),
///     Err(TryError::Work(error)) if *error == "no such service" => None,
///     Err(TryError::Work(error)) => unreachable!("the work has no other error than {error}"),
///     Err(TryError::Flight(Error::Unavailable(_))) => Some(80), // better than nothing
///     Err(other) => unreachable!("it has no limits: {other}"),
/// };
/// assert_eq!(port, None);
/// # Ok(())
/// # }
/// ```
pub enum TryError<E> {
    /// The work's own error.
    Work(SharedError<E>),
    /// There is no result of the work.
    Flight(Error),
}

impl<E> TryError<E> {
    /// The work's error, if that is what this is.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{InProcess, TryCluster};
    /// use coflight::Tokio;
    ///
    /// let ports: TryCluster<String, u16, String, _, _> = TryCluster::new("ports", InProcess::new(), Tokio::current());
    /// let error = ports.try_run("http", |_| async { Err("no such service".to_owned()) }).await.unwrap_err();
    /// assert_eq!(error.work().map(String::as_str), Some("no such service"));
    /// assert!(error.flight().is_none());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn work(&self) -> Option<&E> {
        match self {
            Self::Work(error) => Some(error),
            Self::Flight(_) => None,
        }
    }

    /// The other error, if that is what this is.
    ///
    /// ```
    /// use coflight::cluster::{Error, TryError};
    ///
    /// let error: TryError<std::io::Error> = Error::LeaseLost.into();
    /// assert!(matches!(error.flight(), Some(Error::LeaseLost)));
    /// assert!(error.work().is_none());
    ///
    /// // What happened to the flight itself is in there:
    /// let error: TryError<std::io::Error> = Error::Flight(coflight::Error::TimedOut).into();
    /// assert_eq!(error.flight().and_then(Error::flight), Some(&coflight::Error::TimedOut));
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
