//! What all backends have in common, so that callers can stampede any of them.

use std::fmt;
use std::sync::Arc;

use crate::database::Rows;
use crate::home::Home;

/// Something slow or scarce. It answers tasks and threads alike, and counts how often it is asked.
pub trait Backend: Send + Sync + 'static {
    /// Asks, for a task that lives in `home`.
    fn fetch<H: Home>(self: Arc<Self>, home: H, shop: u32) -> impl Future<Output = Result<Rows, Failure>> + Send;

    /// Asks, for a thread.
    fn fetch_blocking(&self, shop: u32) -> Result<Rows, Failure>;

    /// The answer, if it is at hand and need not be asked for.
    fn at_hand(&self, _shop: u32) -> Option<Rows> {
        None
    }

    /// How often this was asked so far, counted where the asking is done.
    fn calls(&self) -> usize;
}

/// Why there are no rows.
#[derive(Debug)]
pub enum Failure {
    /// The database said no.
    Database(rusqlite::Error),
    /// The API said: too often.
    TooManyRequests,
    /// The thread that was to ask is gone.
    Lost(tokio::task::JoinError),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(_) => f.write_str("the database failed"),
            Self::TooManyRequests => f.write_str("429 too many requests"),
            Self::Lost(_) => f.write_str("the query was lost"),
        }?;
        // All on one line: these errors end up in lists.
        match std::error::Error::source(self) {
            Some(source) => write!(f, ": {source}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Database(error) => Some(error),
            Self::TooManyRequests => None,
            Self::Lost(error) => Some(error),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}
