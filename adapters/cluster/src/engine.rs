//! Where processes meet: what an engine must do, and the words it does it in.

use std::borrow::Borrow;
use std::error::Error as StdError;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// What a cluster group needs of the system that its processes share: a register of the flights in progress, with leases.
///
/// An engine knows nothing of values, keys or callers: names, tokens, and bytes. Each operation is one atomic step of the shared system, and is safe to
/// repeat: when its answer is lost, the group asks again, with the same arguments. Limits on how long it waits for an answer are the group's, too; an
/// engine whose system is not there fails, or does not answer.
///
/// An entry is made by [`join`](Self::join), lives for a lease unless it is [renewed](Self::renew), keeps its [ending](Self::publish) for as long as
/// it is told to, and is then gone from the system without anybody doing anything.
///
/// # Contract
///
/// [`conformance`](crate::conformance) has a test for each sentence here and at the operations. Run it on an engine of your own with
/// [`conformance_tests!`](crate::conformance_tests).
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
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    pub(crate) fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// As text.
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
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce([u8; 16]);

impl Nonce {
    /// A new one, from the system's source of randomness.
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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keep {
    /// For those who followed.
    pub fetch: Duration,
    /// For newcomers.
    pub linger: Duration,
}

impl Keep {
    /// How long the engine keeps it in all.
    #[must_use]
    pub fn longest(self) -> Duration {
        self.fetch.max(self.linger)
    }
}

/// What went wrong between an engine and the system behind it. Cheap to clone; [`source`](StdError::source) is that of the engine's own error.
#[derive(Clone)]
pub struct EngineError {
    error: Arc<dyn StdError + Send + Sync>,
    is_answer: bool,
}

impl EngineError {
    /// The system is not there, or does not answer, or is in a state in which it answers nobody. It is asked again, and not for long: see
    /// [`Builder::patience`](crate::Builder::patience). Wraps the engine's own error, or a message.
    pub fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { error: Arc::from(error.into()), is_answer: false }
    }

    /// The system answered, and what it said is that this operation cannot be done. It is not asked again, and says nothing about others.
    pub fn answered(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { is_answer: true, ..Self::new(error) }
    }

    pub(crate) fn is_answer(&self) -> bool {
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
