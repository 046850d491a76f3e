//! A lease, as the work sees it.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use crate::engine::Token;
use crate::keeping::{Keeping, Status};

/// What the work gets: its fencing token, and whether its lease is still held. Clones are the same lease.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), coflight::cluster::Error> {
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use coflight::cluster::{Cluster, InProcess};
/// use coflight::Tokio;
///
/// let fence = AtomicU64::new(0); // where the report is kept
/// let reports: Cluster<u64, bool, _, _> = Cluster::new("reports", InProcess::new(), Tokio::current());
/// let written = reports.run(&7, async |lease| {
///     let Some(token) = lease.token() else { return false }; // nothing keeps two processes apart
///     // No write of an execution that came after this one is there.
///     fence.fetch_max(token.0, Ordering::SeqCst) <= token.0
/// });
/// assert!(written.await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Lease(Option<(Token, Arc<Keeping>)>);

impl Lease {
    pub(crate) fn held(token: Token, keeping: &Arc<Keeping>) -> Self {
        Self(Some((token, Arc::clone(keeping))))
    }

    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// The fencing token of this execution: greater than that of every earlier execution for the key, wherever it ran. `None`: there is no lease,
    /// because the engine was not available, or a result of another process could not be used.
    ///
    /// Pass it along to what the work writes to, and have that refuse a smaller one than it has seen.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let tokens: Cluster<String, Option<u64>, _, _> = Cluster::new("tokens", InProcess::new(), Tokio::current());
    /// let first = tokens.run("a key", |lease| async move { lease.token().map(|token| token.0) }).await?;
    /// let second = tokens.run("a key", |lease| async move { lease.token().map(|token| token.0) }).await?;
    /// assert!(first.is_some() && second > first);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        self.0.as_ref().map(|(token, _)| *token)
    }

    /// Whether the lease is held, as far as this process knows. It may have been lost without its knowledge: that is what the token is for.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess};
    /// use coflight::Tokio;
    ///
    /// let pages: Cluster<String, Vec<u32>, _, _> = Cluster::new("pages", InProcess::new(), Tokio::current());
    /// let all = pages.run("book", |lease| async move {
    ///     // There is no use in going on for nobody.
    ///     (1..=3).take_while(|_| lease.is_held()).collect()
    /// });
    /// assert_eq!(all.await?, [1, 2, 3]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.0.as_ref().is_some_and(|(_, keeping)| matches!(keeping.state().status, Status::Held))
    }

    /// Ready when the lease is lost, or if there is none. For a work that would rather stop early; if another process took over, it is dropped
    /// anyway.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), coflight::cluster::Error> {
    /// use coflight::cluster::{Cluster, InProcess, Outage};
    /// use coflight::Tokio;
    /// use futures_lite::future;
    ///
    /// let engine = InProcess::new();
    /// let answers: Cluster<String, Option<u64>, _, _> = Cluster::new("answers", engine.clone(), Tokio::current());
    /// let answer = answers.run("life", |lease| async move {
    ///     engine.set_outage(Outage::Silent); // so that nobody can renew the lease
    ///     let work = std::future::pending();
    ///     let lost = async {
    ///         lease.lost().await;
    ///         None // there is no use in going on
    ///     };
    ///     future::or(work, lost).await
    /// });
    /// assert_eq!(answer.await?, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost by dropping the future.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + 'static {
        let lease = self.clone();
        async move {
            if let Some((_, keeping)) = &lease.0 {
                keeping.until(|status| !matches!(status, Status::Held)).await;
            }
        }
    }

    /// Ready when somebody else ended the flight; never, if there is no lease.
    pub(crate) async fn ended(&self) {
        match &self.0 {
            Some((_, keeping)) => keeping.until(|status| matches!(status, Status::Ended(_))).await,
            None => std::future::pending().await,
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("token", &self.token()).field("held", &self.is_held()).finish()
    }
}
