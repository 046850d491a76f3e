//! Where processes meet: what an engine must do, and the words it does it in.

use std::borrow::Borrow;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a cluster group needs of the system that its processes share: a register of the flights in progress, with leases.
///
/// An engine knows nothing of values, keys or callers: names, tokens, and bytes. Each operation is one atomic step of the shared system, and is safe to
/// repeat: when its answer is lost, the group asks again, with the same arguments. Limits on how long it waits for an answer are the group's, too; an
/// engine whose system is not there fails, or does not answer.
///
/// An entry is made by [`join`](Self::join), lives for a lease unless it is [renewed](Self::renew), keeps its [ending](Self::publish) for as long as
/// it is told to, and is then gone from the system without anybody doing anything.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), coflight::cluster::Error> {
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::time::Duration;
/// # use coflight::cluster::{Cluster, InProcess};
/// use coflight::cluster::{Engine, EngineError, Joined, Keep, Lead, Name, Nonce, Renewed, Seen, Token};
/// # use coflight::Tokio;
///
/// /// Another engine, and how often processes asked it who leads.
/// #[derive(Clone)]
/// struct Counted<E> {
///     inner: E,
///     joins: Arc<AtomicU64>,
/// }
///
/// impl<E: Engine> Engine for Counted<E> {
///     async fn join(&self, name: &Name, nonce: Nonce, lease: Duration) -> Result<Joined, EngineError> {
///         self.joins.fetch_add(1, Ordering::Relaxed);
///         self.inner.join(name, nonce, lease).await
///     }
///
///     async fn look(&self, name: &Name, token: Token) -> Result<Seen, EngineError> {
///         self.inner.look(name, token).await
///     }
/// #
/// #     async fn renew(&self, lead: &Lead, lease: Duration) -> Result<Renewed, EngineError> {
/// #         self.inner.renew(lead, lease).await
/// #     }
/// #
/// #     async fn publish(&self, lead: &Lead, ending: &[u8], keep: Keep) -> Result<bool, EngineError> {
/// #         self.inner.publish(lead, ending, keep).await
/// #     }
/// #
/// #     async fn resign(&self, lead: &Lead) -> Result<bool, EngineError> {
/// #         self.inner.resign(lead).await
/// #     }
/// #
/// #     async fn cancel(&self, name: &Name, ending: &[u8], fetch: Duration) -> Result<bool, EngineError> {
/// #         self.inner.cancel(name, ending, fetch).await
/// #     }
/// #
/// #     async fn forget(&self, name: &Name) -> Result<bool, EngineError> {
/// #         self.inner.forget(name).await
/// #     }
/// #
/// #     async fn tell(&self, name: &Name) -> Result<(), EngineError> {
/// #         self.inner.tell(name).await
/// #     }
///
///     // … and so on, as far as
///     fn changed(&self, name: &Name) -> impl Future<Output = ()> + Send + 'static {
///         self.inner.changed(name)
///     }
/// }
/// #
/// # let engine = Counted { inner: InProcess::new(), joins: Arc::default() };
/// # let answers: Cluster<String, u64, _, _> = Cluster::new("answers", engine.clone(), Tokio::current());
/// # assert_eq!(answers.run("life", |_| async { 42 }).await?, 42);
/// # assert_eq!(engine.joins.load(Ordering::Relaxed), 1);
/// # Ok(())
/// # }
/// ```
///
/// # Contract
///
/// [`conformance`](crate::conformance) has a test for each sentence here and at the operations. Run it on an engine of your own with
/// [`conformance_tests!`](crate::conformance_tests).
///
/// # Errors
///
/// Of each operation: [`EngineError::new`] if the system is not there, [`EngineError::answered`] if it says that this cannot be done.
pub trait Engine: Clone + Send + Sync + 'static {
    /// Follows the flight that there is for `name`, or makes one and leads it, under a lease of the given length.
    ///
    /// Tokens that are given out for a name grow. The one who made the flight is told again that it leads, if it asks with the same nonce. Following
    /// counts as [looking](Self::look).
    fn join(
        &self,
        name: &Name,
        nonce: Nonce,
        lease: Duration,
    ) -> impl Future<Output = Result<Joined, EngineError>> + Send;

    /// What has become of the flight `token`. Tells its leader, through [`renew`](Self::renew), that somebody elsewhere waits.
    fn look(&self, name: &Name, token: Token) -> impl Future<Output = Result<Seen, EngineError>> + Send;

    /// Makes the lease last for the given length from now, if it is still held.
    fn renew(&self, lead: &Lead, lease: Duration) -> impl Future<Output = Result<Renewed, EngineError>> + Send;

    /// Ends the flight, if the lease is still held and it has not ended: everyone who [looks](Self::look) within `keep.fetch` gets the ending,
    /// newcomers within `keep.linger` get it by [joining](Self::join), and whoever [listens](Self::changed) is told. Returns whether this is the
    /// flight's ending: also when the very same was published before.
    fn publish(&self, lead: &Lead, ending: &[u8], keep: Keep)
    -> impl Future<Output = Result<bool, EngineError>> + Send;

    /// Gives the lease up, if it is still held, so that somebody else can lead at once. Whoever listens is told. Returns whether the flight has an ending: then
    /// there was nothing to give up.
    fn resign(&self, lead: &Lead) -> impl Future<Output = Result<bool, EngineError>> + Send;

    /// Ends the flight for `name` in its leader's stead. As with [`publish`](Self::publish) everyone who looks gets the ending, newcomers do not. Also ends
    /// lingering. Returns whether there was a flight, or a result that lingered.
    fn cancel(
        &self,
        name: &Name,
        ending: &[u8],
        fetch: Duration,
    ) -> impl Future<Output = Result<bool, EngineError>> + Send;

    /// Lets newcomers start afresh, while the flight for `name` goes on for those who follow it. Also ends lingering. Returns whether there was a
    /// flight, or a result that lingered. Whoever listens is told.
    fn forget(&self, name: &Name) -> impl Future<Output = Result<bool, EngineError>> + Send;

    /// Whoever listens for `name` is told. Asked by one who leads after another lost its lease, of which nobody is told otherwise.
    fn tell(&self, name: &Name) -> impl Future<Output = Result<(), EngineError>> + Send;

    /// Ready soon after something happened to a flight of `name`, counted from this call, not from the first poll. May be ready for no reason, and
    /// may miss something: the group looks from time to time.
    fn changed(&self, name: &Name) -> impl Future<Output = ()> + Send + 'static;
}

/// What the processes of a cluster call a key.
///
/// Made by the group: its name, and a hash of the key. Of ASCII letters, digits, and `-_.:`, so that an engine may put it into names of its own.
///
/// ```
/// use coflight::cluster::Name;
///
/// let name = Name::new("users:8ad7c37011cb5b9c4717cb8833eeda69a7856f84");
/// let mut waiting = std::collections::HashMap::from([(name, 3)]);
/// // An engine that is told of it as text finds it by that.
/// let text = waiting.keys().next().map(Name::to_string).unwrap();
/// assert!(text.starts_with("users:"));
/// assert_eq!(waiting.remove(text.as_str()), Some(3));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// For who calls an engine by hand, as its author's tests do. Groups make their own, of their name and a hash of the key.
    ///
    /// Other characters than those above become `_`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), coflight::cluster::EngineError> {
    /// use std::time::Duration;
    /// use coflight::cluster::{Engine, InProcess, Joined, Name, Nonce};
    ///
    /// let (engine, name) = (InProcess::new(), Name::new("users:42"));
    /// let joined = engine.join(&name, Nonce::random()?, Duration::from_secs(3)).await?;
    /// assert!(matches!(joined, Joined::Leads(_)));
    /// // No engine has to be afraid of a name.
    /// assert_eq!(Name::new("users:{4 2}").as_str(), "users:_4_2_");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(name: &str) -> Self {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        if name.chars().all(is_plain) {
            return Self(name.into());
        }
        let plain: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        Self(plain.into())
    }

    /// As text.
    ///
    /// ```
    /// use coflight::cluster::Name;
    ///
    /// let name = Name::new("users:42");
    /// assert_eq!(format!("flights:{{{}}}", name.as_str()), "flights:{users:42}"); // as an engine may call it
    /// ```
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The same text, the same hash.
impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// A fencing token: the number of one execution, greater than those of all earlier executions for its key.
///
/// Work that writes somewhere passes it along, and what it writes to refuses a token that is smaller than one it has seen: so a leader that was cut off
/// and comes back cannot undo what its successor wrote.
///
/// ```
/// use coflight::cluster::Token;
///
/// /// A row, and the token of who wrote it last.
/// struct Row(Token, &'static str);
///
/// impl Row {
///     fn write(&mut self, token: Token, text: &'static str) -> bool {
///         let is_late = token < self.0;
///         if !is_late {
///             *self = Row(token, text);
///         }
///         !is_late
///     }
/// }
///
/// let mut row = Row(Token(0), "");
/// assert!(row.write(Token(8), "of the successor"));
/// assert!(!row.write(Token(7), "of a leader that was cut off, and comes back"));
/// ```
///
/// In bytes it is its number, so that a work may return it with its value:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), coflight::cluster::Error> {
/// use coflight::cluster::{Cluster, InProcess, Token};
/// use coflight::Tokio;
///
/// let rows: Cluster<u64, (Option<Token>, String), _, _> = Cluster::new("rows", InProcess::new(), Tokio::current());
/// let (token, row) = rows.run(&7, |lease| async move { (lease.token(), "a row".to_owned()) }).await?;
/// assert!(token.is_some()); // under which the row was written
/// # assert_eq!(row, "a row");
/// # assert_eq!(serde_json::to_string(&Token(7)).unwrap(), "7");
/// # assert_eq!(serde_json::from_str::<Token>("7").unwrap(), Token(7));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub u64);

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", self.0)
    }
}

/// Says who is asking: random, and only known to the one who asks. With it a leader is recognised.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use coflight::cluster::{Engine, InProcess, Joined, Name, Nonce};
///
/// let (engine, lease) = (InProcess::new(), Duration::from_secs(3));
/// let name = Name::new("users:42");
/// let (mine, yours) = (Nonce::random()?, Nonce::random()?);
/// assert!(matches!(engine.join(&name, mine, lease).await?, Joined::Leads(_)));
/// assert!(matches!(engine.join(&name, yours, lease).await?, Joined::Follows(_)));
/// // Who leads is known by its nonce: it may ask again if the answer was lost.
/// assert!(matches!(engine.join(&name, mine, lease).await?, Joined::Leads(_)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce([u8; 16]);

impl Nonce {
    /// A new one, from the system's source of randomness.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use coflight::cluster::Nonce;
    ///
    /// assert_ne!(Nonce::random()?, Nonce::random()?);
    /// // Logs do not have it.
    /// assert_eq!(format!("{:?}", Nonce::random()?), "Nonce(..)");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If that fails, which on the systems that Rust's standard library supports it does not do once they have started.
    pub fn random() -> Result<Self, EngineError> {
        let mut bytes = [0; 16];
        match getrandom::fill(&mut bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(error) => Err(EngineError::new(error.to_string())),
        }
    }

    /// As bytes.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use coflight::cluster::Nonce;
    ///
    /// let nonce = Nonce::random()?;
    /// // As an engine may write it down.
    /// let hex: String = nonce.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    /// assert_eq!(hex.len(), 32);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Nonce {
    /// Not told: whoever knows it can end the flight.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(..)")
    }
}

/// The right to end a flight, for as long as its lease is held.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use coflight::cluster::{Engine, InProcess, Joined, Keep, Lead, Name, Nonce};
///
/// let (engine, lease) = (InProcess::new(), Duration::from_secs(3));
/// let name = Name::new("users:42");
/// let nonce = Nonce::random()?;
/// let Joined::Leads(token) = engine.join(&name, nonce, lease).await? else { unreachable!("nobody else asked") };
/// let lead = Lead { name, token, nonce };
/// let forged = Lead { nonce: Nonce::random()?, ..lead.clone() };
///
/// let keep = Keep { fetch: lease, linger: Duration::ZERO };
/// assert!(!engine.publish(&forged, b"forged", keep).await?);
/// assert!(engine.publish(&lead, b"done", keep).await?);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lead {
    /// Of what.
    pub name: Name,
    /// Which flight.
    pub token: Token,
    /// Whose.
    pub nonce: Nonce,
}

/// What joining comes to.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use coflight::cluster::{Engine, InProcess, Joined, Keep, Lead, Name, Nonce};
///
/// let (engine, lease) = (InProcess::new(), Duration::from_secs(3));
/// let name = Name::new("users:42");
/// let nonce = Nonce::random()?;
/// let Joined::Leads(token) = engine.join(&name, nonce, lease).await? else { unreachable!("nobody else asked") };
/// assert_eq!(engine.join(&name, Nonce::random()?, lease).await?, Joined::Follows(token));
///
/// let lead = Lead { name, token, nonce };
/// engine.publish(&lead, b"done", Keep { fetch: lease, linger: Duration::from_secs(60) }).await?;
/// let lingers = engine.join(&lead.name, Nonce::random()?, lease).await?;
/// assert_eq!(lingers, Joined::Lingers(token, (*b"done").into()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Joined {
    /// The caller leads, under this token.
    Leads(Token),
    /// Somebody else does.
    Follows(Token),
    /// The flight has ended, and its ending lingers.
    Lingers(Token, Arc<[u8]>),
}

/// What a look at a flight shows.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use coflight::cluster::{Engine, InProcess, Joined, Name, Nonce, Seen};
///
/// let (engine, lease) = (InProcess::new(), Duration::from_secs(3));
/// let name = Name::new("users:42");
/// let Joined::Leads(token) = engine.join(&name, Nonce::random()?, lease).await? else { unreachable!() };
/// assert_eq!(engine.look(&name, token).await?, Seen::Flies { forgotten: false });
///
/// engine.cancel(&name, b"cancelled", lease).await?;
/// assert_eq!(engine.look(&name, token).await?, Seen::Ended((*b"cancelled").into()));
///
/// engine.flush(); // a server that starts empty
/// assert_eq!(engine.look(&name, token).await?, Seen::Gone);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seen {
    /// It is in progress.
    Flies {
        /// Newcomers do not join it any more.
        forgotten: bool,
    },
    /// It has ended with these bytes.
    Ended(Arc<[u8]>),
    /// There is no such flight any more: its leader resigned or lost its lease, or its ending was not fetched in time.
    Gone,
}

/// What became of a lease that was to be renewed.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use coflight::cluster::{Engine, InProcess, Joined, Lead, Name, Nonce, Renewed};
///
/// let (engine, lease) = (InProcess::new(), Duration::from_secs(3));
/// let name = Name::new("users:42");
/// let nonce = Nonce::random()?;
/// let Joined::Leads(token) = engine.join(&name, nonce, lease).await? else { unreachable!() };
/// let lead = Lead { name, token, nonce };
/// assert_eq!(engine.renew(&lead, lease).await?, Renewed::Held { followed: None, forgotten: false });
///
/// engine.flush(); // a server that starts empty
/// assert_eq!(engine.renew(&lead, lease).await?, Renewed::Lost { succeeded: false });
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Renewed {
    /// It is held.
    Held {
        /// How long ago somebody else last looked, if anybody ever did.
        followed: Option<Duration>,
        /// Newcomers do not join the flight any more.
        forgotten: bool,
    },
    /// It is not.
    Lost {
        /// Somebody else leads now.
        succeeded: bool,
    },
    /// The flight has ended with these bytes.
    Ended(Arc<[u8]>),
}

/// How long an ending is kept.
///
/// ```
/// use std::time::Duration;
/// use coflight::cluster::Keep;
///
/// // Those who follow look within a lease; newcomers are served for longer.
/// let keep = Keep { fetch: Duration::from_secs(3), linger: Duration::from_secs(60) };
/// assert_eq!(keep.longest(), Duration::from_secs(60)); // then it may be deleted
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keep {
    /// For those who followed.
    pub fetch: Duration,
    /// For newcomers.
    pub linger: Duration,
}

impl Keep {
    /// How long the engine keeps it in all.
    ///
    /// ```
    /// use std::time::Duration;
    /// use coflight::cluster::Keep;
    ///
    /// let keep = Keep { fetch: Duration::from_secs(3), linger: Duration::ZERO };
    /// assert_eq!(keep.longest(), Duration::from_secs(3));
    /// ```
    #[must_use]
    pub fn longest(self) -> Duration {
        self.fetch.max(self.linger)
    }
}

/// What went wrong between an engine and the system behind it. Cheap to clone; [`source`](StdError::source) is that of the engine's own error.
///
/// ```
/// use std::io;
/// use coflight::cluster::EngineError;
///
/// /// What an engine makes of the errors of its system.
/// fn engine_error(error: io::Error) -> EngineError {
///     match error.kind() {
///         io::ErrorKind::InvalidInput => EngineError::answered(error),
///         _ => EngineError::new(error),
///     }
/// }
///
/// let error = engine_error(io::ErrorKind::ConnectionRefused.into());
/// assert_eq!(error.to_string(), "connection refused");
/// ```
#[derive(Clone)]
pub struct EngineError {
    error: Arc<dyn StdError + Send + Sync>,
    is_answer: bool,
}

impl EngineError {
    /// The system is not there, or does not answer, or is in a state in which it answers nobody. It is asked again, and not for long: see
    /// [`Builder::patience`](crate::Builder::patience). Wraps the engine's own error, or a message.
    ///
    /// ```
    /// use coflight::cluster::EngineError;
    ///
    /// // A message, or any error.
    /// let error = EngineError::new("the server is loading its data");
    /// assert_eq!(error.to_string(), "the server is loading its data");
    /// let error = EngineError::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
    /// assert_eq!(error.to_string(), "connection reset");
    /// ```
    #[must_use]
    pub fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { error: Arc::from(error.into()), is_answer: false }
    }

    /// The system answered, and what it said is that this operation cannot be done. It is not asked again, and says nothing about others.
    ///
    /// ```
    /// use coflight::cluster::EngineError;
    ///
    /// // It would say the same of this key however often it is asked.
    /// let error = EngineError::answered("WRONGTYPE: what lies there is none of ours");
    /// assert_eq!(error.to_string(), "WRONGTYPE: what lies there is none of ours");
    /// ```
    #[must_use]
    pub fn answered(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { is_answer: true, ..Self::new(error) }
    }

    /// Whether the system [answered](Self::answered); if not, it is [not there](Self::new). For an engine that is put around another one.
    ///
    /// ```
    /// use coflight::cluster::EngineError;
    ///
    /// /// Says where an error is from, and leaves it the kind that it is.
    /// fn from(server: &str, error: EngineError) -> EngineError {
    ///     let text = format!("{server}: {error}");
    ///     if error.is_answer() { EngineError::answered(text) } else { EngineError::new(text) }
    /// }
    ///
    /// assert!(from("redis-1", EngineError::answered("no such script")).is_answer());
    /// let error = from("redis-1", EngineError::new("connection refused"));
    /// assert!(!error.is_answer());
    /// assert_eq!(error.to_string(), "redis-1: connection refused");
    /// ```
    #[must_use]
    pub fn is_answer(&self) -> bool {
        self.is_answer
    }
}

impl fmt::Debug for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EngineError").field(&self.error).finish()
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl StdError for EngineError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}
