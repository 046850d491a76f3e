//! A database whose question costs what such questions cost: every row is looked at, and ten at a time may ask.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags, params};
use serde::{Deserialize, Serialize};

use crate::backend::{Backend, Failure};
use crate::home::Home;

/// How many keys can be asked for.
pub const SHOPS: usize = 1_000;
/// As many as make the question cost tens of milliseconds.
pub const ROWS: usize = 650_000;
/// The size of the pool.
pub const CONNECTIONS: usize = 10;

const ITEMS: u64 = 40;
/// How many rows an answer has, at most.
const BEST: usize = 5;

/// There is no index on `shop`: that is the cost.
const BESTSELLERS: &str = "
    SELECT item, COUNT(*), SUM(cents) FROM sales WHERE shop = ?1
    GROUP BY item ORDER BY SUM(cents) DESC, item LIMIT 5";

/// An answer, shared: a clone for each caller costs nothing.
pub type Rows = Arc<[Row]>;

/// One item of a shop's bestsellers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub item: i64,
    pub sold: i64,
    pub cents: i64,
}

/// SQLite in a file, behind a pool.
pub struct Database {
    pool: Pool,
    /// The right answer for each shop, reckoned without SQL.
    expected: Vec<Rows>,
    calls: AtomicUsize,
}

impl Database {
    /// Makes the file in `folder`, and fills it.
    pub fn new(folder: &Path) -> Result<Self, Failure> {
        let file = folder.join("sales.sqlite");
        let sales = sales();
        fill(&file, &sales)?;
        let pool = Pool::open(&file)?;
        Ok(Self { pool, expected: expected(&sales), calls: AtomicUsize::new(0) })
    }

    /// Closes the connections that are idle, so that the file can be removed wherever open files cannot.
    pub fn close(&self) {
        self.pool.lock().clear();
    }

    /// What every caller who asks for this shop must get.
    pub fn expected(&self, shop: u32) -> Rows {
        self.expected.get(shop as usize).cloned().unwrap_or_default()
    }

    /// What the question costs one who is alone: the median of a few.
    pub fn cost(&self) -> Result<Duration, Failure> {
        let mut costs = Vec::new();
        for _ in 0..5 {
            let start = Instant::now();
            self.pool.with(|connection| bestsellers(connection, 0))?;
            costs.push(start.elapsed());
        }
        costs.sort();
        Ok(costs[costs.len() / 2])
    }

    /// The query. It waits for a connection, so it blocks.
    fn query(&self, shop: u32) -> Result<Rows, Failure> {
        self.pool.with(|connection| {
            self.calls.fetch_add(1, Ordering::Relaxed);
            bestsellers(connection, shop)
        })
    }
}

impl Backend for Database {
    /// SQLite blocks, so a task asks on a thread where that is allowed.
    async fn fetch<H: Home>(self: Arc<Self>, home: H, shop: u32) -> Result<Rows, Failure> {
        home.unblock(move || self.query(shop)).await
    }

    fn fetch_blocking(&self, shop: u32) -> Result<Rows, Failure> {
        self.query(shop)
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}

fn bestsellers(connection: &Connection, shop: u32) -> Result<Rows, Failure> {
    let mut question = connection.prepare_cached(BESTSELLERS)?;
    let rows =
        question.query_map([shop], |row| Ok(Row { item: row.get(0)?, sold: row.get(1)?, cents: row.get(2)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Connections to wait for.
struct Pool {
    idle: Mutex<Vec<Connection>>,
    returned: Condvar,
}

impl Pool {
    /// Each connection asks once, so that none of them reads the file for the first time while it is measured.
    fn open(file: &Path) -> Result<Self, Failure> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut idle = Vec::new();
        for _ in 0..CONNECTIONS {
            let connection = Connection::open_with_flags(file, flags)?;
            bestsellers(&connection, 0)?;
            idle.push(connection);
        }
        Ok(Self { idle: Mutex::new(idle), returned: Condvar::new() })
    }

    fn with<T>(&self, ask: impl FnOnce(&Connection) -> T) -> T {
        let borrowed = Borrowed { pool: self, connection: Some(self.take()) };
        match &borrowed.connection {
            Some(connection) => ask(connection),
            None => unreachable!("it is given back only by the drop below"),
        }
    }

    fn take(&self) -> Connection {
        let mut idle = self.lock();
        loop {
            match idle.pop() {
                Some(connection) => return connection,
                None => idle = self.returned.wait(idle).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the connection back, also if the question panics.
struct Borrowed<'a> {
    pool: &'a Pool,
    connection: Option<Connection>,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        self.pool.lock().extend(self.connection.take());
        self.pool.returned.notify_one();
    }
}

struct Sale {
    shop: u32,
    item: i64,
    cents: i64,
}

/// The same sales each time, scattered over shops and items.
fn sales() -> Vec<Sale> {
    let mut state = 1_u64;
    let mut below = |limit: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The low bits of such a sequence repeat soon; the high ones do not.
        (state >> 33) % limit
    };
    let mut sale = || Sale { shop: below(SHOPS as u64) as u32, item: below(ITEMS) as i64, cents: below(10_000) as i64 };
    (0..ROWS).map(|_| sale()).collect()
}

fn fill(file: &Path, sales: &[Sale]) -> Result<(), Failure> {
    let mut connection = Connection::open(file)?;
    let filling = connection.transaction()?;
    filling.execute("CREATE TABLE sales (id INTEGER PRIMARY KEY, shop INTEGER, item INTEGER, cents INTEGER)", [])?;
    {
        let mut insert = filling.prepare("INSERT INTO sales (shop, item, cents) VALUES (?1, ?2, ?3)")?;
        for sale in sales {
            insert.execute(params![sale.shop, sale.item, sale.cents])?;
        }
    }
    Ok(filling.commit()?)
}

fn expected(sales: &[Sale]) -> Vec<Rows> {
    let mut shops = vec![BTreeMap::new(); SHOPS];
    for sale in sales {
        let row = shops[sale.shop as usize].entry(sale.item).or_insert(Row { item: sale.item, sold: 0, cents: 0 });
        row.sold += 1;
        row.cents += sale.cents;
    }
    shops.into_iter().map(|items| best(items.into_values().collect())).collect()
}

fn best(mut rows: Vec<Row>) -> Rows {
    rows.sort_by_key(|row| (-row.cents, row.item));
    rows.truncate(BEST);
    rows.into()
}
