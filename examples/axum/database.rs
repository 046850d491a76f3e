//! The database of the web services: PostgreSQL if `DATABASE_URL` says where, else SQLite in memory. It has a thousand users, and the query for
//! one of them is slow.

#![forbid(unsafe_code)]

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::OptionalExtension;
use serde::Serialize;
use tokio_postgres::NoTls;

/// A user, and how much there is of theirs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// Their number.
    pub id: i64,
    /// Their name.
    pub name: String,
    /// How many posts they wrote, which takes a while to find out.
    pub posts: i64,
}

/// What a query can fail with.
#[derive(Debug)]
pub enum DatabaseError {
    /// There is no such user.
    NotFound,
    /// The database said so.
    Database(Box<dyn std::error::Error + Send + Sync>),
}

impl fmt::Display for DatabaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound => f.write_str("there is no such user"),
            Self::Database(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for DatabaseError {}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error.into())
    }
}

/// A connection to the database. Its clones share it.
#[derive(Clone)]
pub struct Database {
    kind: Kind,
    queries: Arc<AtomicU64>,
}

#[derive(Clone)]
enum Kind {
    Postgres(Arc<tokio_postgres::Client>),
    Sqlite(Arc<Mutex<rusqlite::Connection>>),
}

const POSTS_OF_EACH: i64 = 200;

impl Database {
    /// Connects, and makes the tables if they are not there. On a tokio runtime that lives as long as the connection.
    ///
    /// # Errors
    ///
    /// The database's, if it cannot be reached, or does not let us in.
    pub async fn connect() -> Result<Self, DatabaseError> {
        let kind = match std::env::var("DATABASE_URL") {
            Ok(url) => Kind::Postgres(Arc::new(postgres(&url).await?)),
            Err(_) => Kind::Sqlite(Arc::new(Mutex::new(sqlite()?))),
        };
        Ok(Self { kind, queries: Arc::default() })
    }

    /// PostgreSQL or SQLite.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.kind {
            Kind::Postgres(_) => "PostgreSQL",
            Kind::Sqlite(_) => "SQLite",
        }
    }

    /// All groups of the process, and how many queries reached this database.
    #[must_use]
    pub fn report(&self) -> String {
        let queries = self.queries.load(Ordering::Relaxed);
        format!("{}\n{queries} queries of {}\n", coflight::registry::overview(), self.name())
    }

    /// A user, slowly.
    ///
    /// # Errors
    ///
    /// [`DatabaseError::NotFound`], and the database's own.
    pub async fn user(&self, id: i64) -> Result<User, DatabaseError> {
        self.queries.fetch_add(1, Ordering::Relaxed);
        match &self.kind {
            Kind::Postgres(client) => {
                let query = "select name, (select count(*) from posts where author = users.id), pg_sleep(0.2)::text from users where id = $1";
                let row = client.query_opt(query, &[&id]).await?.ok_or(DatabaseError::NotFound)?;
                Ok(User { id, name: row.get(0), posts: row.get(1) })
            }
            Kind::Sqlite(connection) => {
                let connection = Arc::clone(connection);
                // A query of SQLite blocks its thread.
                let query = move || {
                    let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
                    // No index helps with this.
                    let query = "select name, (select count(*) from posts where author + 0 = users.id) from users where id = ?1";
                    let user = |row: &rusqlite::Row<'_>| Ok(User { id, name: row.get(0)?, posts: row.get(1)? });
                    connection.query_row(query, [id], user).optional()
                };
                let user = tokio::task::spawn_blocking(query)
                    .await
                    .map_err(|error| DatabaseError::Database(error.into()))??;
                user.ok_or(DatabaseError::NotFound)
            }
        }
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("kind", &self.name()).finish_non_exhaustive()
    }
}

async fn postgres(url: &str) -> Result<tokio_postgres::Client, DatabaseError> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            eprintln!("the connection to PostgreSQL is lost: {error}");
        }
    });
    client
        .batch_execute(&format!(
            "create table if not exists users (id bigint primary key, name text not null);
             create table if not exists posts (author bigint not null);
             insert into users select i, 'user ' || i from generate_series(1, 1000) i on conflict do nothing;
             insert into posts select i % 1000 + 1 from generate_series(1, 1000 * {POSTS_OF_EACH}) i
                 where not exists (select from posts);"
        ))
        .await?;
    Ok(client)
}

fn sqlite() -> Result<rusqlite::Connection, DatabaseError> {
    let connection = rusqlite::Connection::open_in_memory()?;
    connection.execute_batch(&format!(
        "create table users (id integer primary key, name text not null);
         create table posts (author integer not null);
         with recursive n (i) as (select 1 union all select i + 1 from n where i < 1000)
             insert into users select i, 'user ' || i from n;
         with recursive n (i) as (select 1 union all select i + 1 from n where i < 1000 * {POSTS_OF_EACH})
             insert into posts select i % 1000 + 1 from n;"
    ))?;
    Ok(connection)
}
