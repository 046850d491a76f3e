//! The one connection for commands, made when it is needed, and made anew when it is broken.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coflight_core::{Error, SharedError, TryError, TryGroup};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult};

/// Shared by all commands.
pub(crate) struct Connection {
    client: Client,
    config: AsyncConnectionConfig,
    current: Mutex<Current>,
    /// Many ask for a new one at the same moment.
    connecting: TryGroup<u64, MultiplexedConnection, RedisError>,
}

#[derive(Default)]
struct Current {
    connection: Option<MultiplexedConnection>,
    /// How many there have been.
    number: u64,
}

impl Connection {
    pub(crate) fn new(client: Client, timeout: Duration) -> Self {
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(Some(timeout)).set_response_timeout(Some(timeout));
        Self { client, config, current: Mutex::default(), connecting: TryGroup::new() }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection, and its number.
    pub(crate) async fn get(&self) -> Result<(MultiplexedConnection, u64), SharedError<RedisError>> {
        let number = {
            let current = self.current();
            if let Some(connection) = &current.connection {
                return Ok((connection.clone(), current.number));
            }
            current.number
        };
        let connection =
            self.connecting.try_run(&number, || self.connect(number)).await.map_err(|error| match error {
                TryError::Work(error) => error,
                TryError::Flight(error) => SharedError::new(broken(&error)),
            })?;
        Ok((connection, number))
    }

    async fn connect(&self, number: u64) -> RedisResult<MultiplexedConnection> {
        let connection = self.client.get_multiplexed_async_connection_with_config(&self.config).await?;
        let mut current = self.current();
        if current.number == number {
            current.connection = Some(connection.clone());
        }
        Ok(connection)
    }

    /// The connection of this number is of no use any more.
    pub(crate) fn discard(&self, number: u64) {
        let mut current = self.current();
        if current.number == number {
            current.number += 1;
            let broken = current.connection.take();
            drop(current);
            drop(broken);
        }
    }
}

/// Whether a connection that failed like this is to be given up.
///
/// One that does not answer in time may be one that never will: a server that vanished without a word is not noticed otherwise.
pub(crate) fn is_broken(error: &RedisError) -> bool {
    error.is_unrecoverable_error() || error.is_timeout() || error.is_io_error() || is_of_another(error)
}

/// A server that answers, but is not, or not yet, the one to ask: after a failover a new connection may lead to another.
fn is_of_another(error: &RedisError) -> bool {
    matches!(error.code(), Some("READONLY" | "MASTERDOWN" | "LOADING" | "NOAUTH" | "NOPERM"))
}

fn broken(error: &Error) -> RedisError {
    RedisError::from(std::io::Error::other(error.to_string()))
}
