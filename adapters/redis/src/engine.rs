//! The engine: scripts, one connection, one subscription.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coflight_cluster::{Changes, Engine, EngineError, Joined, Keep, Lead, Name, Nonce, Renewed, Seen, Token};
use redis::{Client, FromRedisValue, IntoConnectionInfo, RedisResult, Script, Value};
use tokio::runtime::Runtime;

use crate::connection::{Connection, is_broken};
use crate::scripts::Scripts;
use crate::subscription::Subscription;

/// Redis, or Valkey, as the place where processes meet: for [`Cluster`](coflight_cluster::Cluster).
///
/// One is enough for a process, whatever its groups and runtimes: it has one connection for commands, one for what it is told, and a thread of its own
/// for both, so that it works with every runtime, and answers while a runtime is busy. Clones share them. They are made when they are first
/// needed, and made anew when they break.
///
/// Needs version 6.0 or later, a single primary: scripts, and `SET … KEEPTTL`.
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use coflight::cluster::Cluster;
/// use coflight::redis::Redis;
/// use coflight::Tokio;
///
/// let redis = Redis::open("redis://127.0.0.1/")?;
/// let users: Cluster<u64, String, _, _> = Cluster::new("users", redis.clone(), Tokio::current());
/// let orders: Cluster<u64, u64, _, _> = Cluster::new("orders", redis, Tokio::current());
/// assert_eq!(users.run(&42, |_| async { "Ada".to_owned() }).await?, "Ada");
/// assert_eq!(orders.run(&42, |_| async { 3 }).await?, 3); // another group's 42 is another key
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Redis {
    inner: Arc<Inner>,
}

struct Inner {
    connection: Connection,
    scripts: Scripts,
    subscription: Arc<Subscription>,
    is_listening: AtomicBool,
    /// None once it is being shut down.
    runtime: Option<Runtime>,
}

/// What can be chosen. From [`Redis::builder`].
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use coflight::redis::{Redis, redis::Client};
///
/// let client = Client::open("redis+unix:///run/redis.sock")?;
/// let redis = Redis::builder(client).prefix("shop").timeout(Duration::from_millis(500)).build()?;
/// assert!(format!("{redis:?}").contains("shop:changed")); // its channel
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is chosen until it is built"]
pub struct Builder {
    client: Client,
    prefix: String,
    timeout: Duration,
}

impl Redis {
    /// The server at this address, such as `redis://127.0.0.1/`. It is not asked anything yet.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use coflight::redis::Redis;
    ///
    /// assert!(Redis::open("redis://127.0.0.1/").is_ok()); // whether or not there is a server
    /// assert!(Redis::open("127.0.0.1 or so").is_err());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`EngineError`] if this is no address, or the system has no thread for the engine.
    pub fn open(address: impl IntoConnectionInfo) -> Result<Self, EngineError> {
        let client = Client::open(address).map_err(EngineError::new)?;
        Self::builder(client).build()
    }

    /// Everything that can be chosen.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use coflight::redis::{Redis, redis::Client};
    ///
    /// // What an address can say, and what an address cannot.
    /// let client = Client::open("redis://coflight:secret@127.0.0.1:6380/2")?;
    /// let redis = Redis::builder(client).prefix("staging").build()?;
    /// assert!(format!("{redis:?}").contains("staging:changed")); // its channel
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(client: Client) -> Builder {
        Builder { client, prefix: "coflight".into(), timeout: Duration::from_secs(1) }
    }

    /// Runs a script, as one step.
    async fn step<T: FromRedisValue + Send + 'static>(
        &self,
        script: fn(&Scripts) -> &Script,
        name: &Name,
        arguments: Vec<Vec<u8>>,
    ) -> Result<T, EngineError> {
        let Some(runtime) = &self.inner.runtime else { unreachable!("it is taken when the engine is dropped") };
        let (inner, key) = (Arc::clone(&self.inner), self.inner.key(name));
        // On the engine's thread, and to its end even if nobody waits any more: a connection that does not answer is found out then.
        let step = runtime.spawn(async move { inner.step(script(&inner.scripts), &key, arguments).await });
        match step.await {
            Ok(answer) => answer,
            Err(error) => Err(EngineError::new(error)),
        }
    }
}

impl Inner {
    /// In one hash slot with everything that begins with it.
    fn key(&self, name: &Name) -> String {
        format!("{}{name}}}", self.subscription.prefix)
    }

    async fn step<T: FromRedisValue>(
        &self,
        script: &Script,
        key: &str,
        arguments: Vec<Vec<u8>>,
    ) -> Result<T, EngineError> {
        let (mut connection, number) = self.connection.get().await.map_err(EngineError::new)?;
        let mut invocation = script.prepare_invoke();
        invocation.key(key);
        for argument in arguments {
            invocation.arg(argument);
        }
        invocation.arg(&self.subscription.channel);
        let answer: RedisResult<T> = invocation.invoke_async(&mut connection).await;
        answer.map_err(|error| {
            if is_broken(&error) {
                self.connection.discard(number);
                EngineError::new(error)
            } else {
                // About this key, or what is asked of it.
                EngineError::answered(error)
            }
        })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // It may be dropped by a task of its own, or of another runtime, where nothing may block.
            runtime.shutdown_background();
        }
    }
}

impl Builder {
    /// What the keys begin with, and the channel; `coflight` by default. **All processes alike.**
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use coflight::redis::{Redis, redis::Client};
    ///
    /// // Two installations on one server.
    /// for prefix in ["blue", "green"] {
    ///     let redis = Redis::builder(Client::open("redis://127.0.0.1/")?).prefix(prefix).build()?;
    ///     assert!(format!("{redis:?}").contains(&format!("{prefix}:changed"))); // its channel
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// After how long a connection that does not answer is given up for a new one, and an attempt to connect, too. The default is 1 s. How long callers
    /// wait is not decided here, but by the group's [patience](coflight_cluster::Builder::patience).
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    /// use coflight::cluster::Cluster;
    /// use coflight::redis::{Redis, redis::Client};
    /// use coflight::Tokio;
    ///
    /// // Callers go on without a server that does not answer for a second; its connection is given up after two.
    /// let redis = Redis::builder(Client::open("redis://127.0.0.1/")?).timeout(Duration::from_secs(2)).build()?;
    /// let users: Cluster<u64, String, _, _> =
    ///     Cluster::builder("users", redis, Tokio::current()).patience(Duration::from_secs(1)).build();
    /// assert_eq!(users.run(&42, |_| async { "Ada".to_owned() }).await?, "Ada");
    /// # Ok(())
    /// # }
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The engine. The server is not asked anything yet.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use coflight::redis::{Redis, redis::Client};
    ///
    /// let redis = Redis::builder(Client::open("redis://127.0.0.1/")?).build()?;
    /// assert!(format!("{redis:?}").contains("coflight:changed")); // the channel of the default prefix
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`EngineError`] if the system has no thread for it.
    pub fn build(self) -> Result<Redis, EngineError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("coflight-redis")
            .enable_all()
            .build()
            .map_err(EngineError::new)?;
        let subscription = Subscription {
            client: self.client.clone(),
            channel: format!("{}:changed", self.prefix),
            prefix: format!("{}:{{", self.prefix),
            changes: Changes::new(),
            limit: self.timeout,
        };
        let inner = Inner {
            connection: Connection::new(self.client, self.timeout),
            scripts: Scripts::new(),
            subscription: Arc::new(subscription),
            is_listening: AtomicBool::new(false),
            runtime: Some(runtime),
        };
        Ok(Redis { inner: Arc::new(inner) })
    }
}

impl Engine for Redis {
    async fn join(&self, name: &Name, nonce: Nonce, lease: Duration) -> Result<Joined, EngineError> {
        let arguments = vec![nonce.as_bytes().to_vec(), millis(lease)];
        let answer: Vec<Value> = self.step(|scripts| &scripts.join, name, arguments).await?;
        match &*answer {
            [Value::Int(0), token] => Ok(Joined::Leads(number(token)?)),
            [Value::Int(1), token] => Ok(Joined::Follows(number(token)?)),
            [Value::Int(2), token, Value::BulkString(ending)] => {
                Ok(Joined::Lingers(number(token)?, ending.as_slice().into()))
            }
            answer => Err(unexpected("join", &answer)),
        }
    }

    async fn look(&self, name: &Name, token: Token) -> Result<Seen, EngineError> {
        let answer: Vec<Value> = self.step(|scripts| &scripts.look, name, vec![text(token)]).await?;
        match &*answer {
            [Value::Int(0)] => Ok(Seen::Gone),
            [Value::Int(1)] => Ok(Seen::Flies { forgotten: false }),
            [Value::Int(2), Value::BulkString(ending)] => Ok(Seen::Ended(ending.as_slice().into())),
            [Value::Int(3)] => Ok(Seen::Flies { forgotten: true }),
            answer => Err(unexpected("look", &answer)),
        }
    }

    async fn renew(&self, lead: &Lead, lease: Duration) -> Result<Renewed, EngineError> {
        let arguments = vec![text(lead.token), lead.nonce.as_bytes().to_vec(), millis(lease)];
        let answer: Vec<Value> = self.step(|scripts| &scripts.renew, &lead.name, arguments).await?;
        match &*answer {
            [Value::Int(0), Value::Int(succeeded)] => Ok(Renewed::Lost { succeeded: *succeeded == 1 }),
            [Value::Int(1), Value::Int(followed), Value::Int(forgotten)] => {
                let followed = u64::try_from(*followed).ok().map(Duration::from_millis);
                Ok(Renewed::Held { followed, forgotten: *forgotten == 1 })
            }
            [Value::Int(2), Value::BulkString(ending)] => Ok(Renewed::Ended(ending.as_slice().into())),
            answer => Err(unexpected("renew", &answer)),
        }
    }

    async fn publish(&self, lead: &Lead, ending: &[u8], keep: Keep) -> Result<bool, EngineError> {
        let (nonce, longest) = (lead.nonce.as_bytes().to_vec(), millis(keep.longest()));
        let linger = keep.linger.as_millis().to_string().into_bytes();
        let arguments = vec![text(lead.token), nonce, ending.to_vec(), longest, linger];
        self.step(|scripts| &scripts.publish, &lead.name, arguments).await
    }

    async fn resign(&self, lead: &Lead) -> Result<bool, EngineError> {
        let arguments = vec![text(lead.token), lead.nonce.as_bytes().to_vec()];
        self.step(|scripts| &scripts.resign, &lead.name, arguments).await
    }

    async fn cancel(&self, name: &Name, ending: &[u8], fetch: Duration) -> Result<bool, EngineError> {
        self.step(|scripts| &scripts.cancel, name, vec![ending.to_vec(), millis(fetch)]).await
    }

    async fn forget(&self, name: &Name) -> Result<bool, EngineError> {
        self.step(|scripts| &scripts.forget, name, Vec::new()).await
    }

    async fn tell(&self, name: &Name) -> Result<(), EngineError> {
        self.step::<Value>(|scripts| &scripts.tell, name, Vec::new()).await.map(drop)
    }

    fn changed(&self, name: &Name) -> impl Future<Output = ()> + Send + 'static {
        let changed = self.inner.subscription.changes.listen(name);
        if !self.inner.is_listening.swap(true, Ordering::Relaxed) {
            if let Some(runtime) = &self.inner.runtime {
                runtime.spawn(Arc::clone(&self.inner.subscription).listen());
            }
        }
        changed
    }
}

/// A token, which a script tells as text.
fn number(token: &Value) -> Result<Token, EngineError> {
    let number = redis::from_redis_value_ref(token).map_err(EngineError::new)?;
    Ok(Token(number))
}

/// At least one: Redis refuses to keep something for no time.
fn millis(duration: Duration) -> Vec<u8> {
    duration.as_millis().clamp(1, i64::MAX as u128 / 2).to_string().into_bytes()
}

fn text(token: Token) -> Vec<u8> {
    token.0.to_string().into_bytes()
}

fn unexpected(operation: &str, answer: &dyn fmt::Debug) -> EngineError {
    EngineError::new(format!("{operation} was answered in a way that it never is: {answer:?}"))
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("channel", &self.inner.subscription.channel).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::net::TcpListener;

    use super::*;

    /// For who looks into the error, and not only as text.
    #[test]
    fn who_cannot_connect_is_told_why() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let inner = Redis::open(format!("redis://{closed}/")).unwrap().inner;
        let step = inner.step::<Value>(&inner.scripts.tell, "key", Vec::new());
        let error = inner.runtime.as_ref().unwrap().block_on(step).expect_err("nobody is there");
        assert!(error.source().is_some(), "{error:?}");
    }
}
