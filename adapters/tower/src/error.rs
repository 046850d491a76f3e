//! What a coalesced request can end with instead of a response, or in the middle of one.

use std::fmt;

use coflight_core::{SharedError, TryError};

/// Any error, as tower's middleware has them.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use std::io;
/// use coflight::tower::{BoxError, CoalesceLayer, Error};
/// # use http::{Request, Response};
/// # use tower::{Layer, ServiceExt, service_fn};
///
/// let upstream = service_fn(|_: Request<String>| async {
///     let error: BoxError = io::Error::from(io::ErrorKind::ConnectionRefused).into();
///     Err::<Response<String>, _>(error)
/// });
/// let pages = CoalesceLayer::default().layer(upstream);
/// let Err(Error::Service(error)) = pages.oneshot(Request::get("/report").body(String::new())?).await else {
///     unreachable!("nobody is there")
/// };
/// assert!(error.is::<io::Error>()); // whatever the service fails with
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no response, or no more of its body.
///
/// All callers of a flight get the same one; cloning it is cheap.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use coflight::Group;
/// use coflight::tower::{CoalesceLayer, Error};
/// # use coflight::tower::BoxError;
/// # use http::{Request, Response};
/// # use tower::{Layer, ServiceExt, service_fn};
/// # let get = |uri: &str| Request::get(uri).body(String::new()).unwrap();
/// # let upstream = service_fn(|_: Request<String>| async { Ok::<_, BoxError>(Response::new("page".to_owned())) });
///
/// let pages = CoalesceLayer::new(Group::builder().max_flights(1).build()).layer(upstream);
/// let reading = pages.clone().oneshot(get("/1")).await?; // in flight until its body is read
/// let what = match pages.oneshot(get("/2")).await {
///     Ok(_) => "a response",
///     Err(Error::Flight(coflight::Error::Full)) => "too many at a time",
///     Err(Error::Service(_)) => "the upstream failed",
///     Err(_) => "something else",
/// };
/// assert_eq!(what, "too many at a time");
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The inner service failed, or the body of its response did. As it is, shared by all who waited for it.
    Service(SharedError<BoxError>),
    /// Something happened to the flight: there were too many ([`Full`](coflight_core::Error::Full)), its time was over
    /// ([`TimedOut`](coflight_core::Error::TimedOut)), it was [`Cancelled`](coflight_core::Error::Cancelled), ….
    Flight(coflight_core::Error),
    /// This caller read so slowly that what it needs next is gone: it lagged more behind the fastest reader than may be
    /// [kept](crate::CoalesceLayer::keep). The others go on. What it got is whole up to here, and not the end.
    Lagged,
    /// The inner service panicked while another caller was polling it.
    Panicked,
}

impl Error {
    pub(crate) fn service(error: impl Into<BoxError>) -> Self {
        Self::Service(SharedError::new(error.into()))
    }
}

impl From<coflight_core::Error> for Error {
    fn from(error: coflight_core::Error) -> Self {
        Self::Flight(error)
    }
}

impl From<TryError<BoxError>> for Error {
    fn from(error: TryError<BoxError>) -> Self {
        match error {
            TryError::Work(error) => Self::Service(error),
            TryError::Flight(error) => Self::Flight(error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(error) => error.fmt(f),
            Self::Flight(error) => error.fmt(f),
            Self::Lagged => f.write_str("cut off: this reader lagged further behind the others than is kept for it"),
            Self::Panicked => f.write_str("the inner service panicked"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Service(error) => error.source(),
            Self::Flight(error) => error.source(),
            Self::Lagged | Self::Panicked => None,
        }
    }
}
