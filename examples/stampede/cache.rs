//! A cache whose entries go stale all at once: the classic stampede.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::backend::{Backend, Failure};
use crate::database::Rows;
use crate::home::Home;

/// How long an answer is good for: longer than a run takes, so that each entry expires once.
const TIME_TO_LIVE: Duration = Duration::from_secs(600);

/// A backend behind a cache.
pub struct Cached<B> {
    backend: Arc<B>,
    entries: Mutex<HashMap<u32, Entry>>,
}

struct Entry {
    rows: Rows,
    fresh_until: Instant,
}

impl<B: Backend> Cached<B> {
    /// With an entry for each of `shops` that has just expired, by `rows`.
    pub fn expired(backend: Arc<B>, shops: impl Iterator<Item = u32>, rows: impl Fn(u32) -> Rows) -> Self {
        let now = Instant::now();
        let entries = shops.map(|shop| (shop, Entry { rows: rows(shop), fresh_until: now })).collect();
        Self { backend, entries: Mutex::new(entries) }
    }

    fn keep(&self, shop: u32, rows: &Rows) {
        let entry = Entry { rows: Arc::clone(rows), fresh_until: Instant::now() + TIME_TO_LIVE };
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).insert(shop, entry);
    }
}

impl<B: Backend> Backend for Cached<B> {
    /// Looks again first: a caller that found nothing at hand may get here when another has just filled the entry. Without
    /// this, coalesced or not, it would ask for what is there.
    async fn fetch<H: Home>(self: Arc<Self>, home: H, shop: u32) -> Result<Rows, Failure> {
        if let Some(rows) = self.at_hand(shop) {
            return Ok(rows);
        }
        let rows = Arc::clone(&self.backend).fetch(home, shop).await?;
        self.keep(shop, &rows);
        Ok(rows)
    }

    fn fetch_blocking(&self, shop: u32) -> Result<Rows, Failure> {
        if let Some(rows) = self.at_hand(shop) {
            return Ok(rows);
        }
        let rows = self.backend.fetch_blocking(shop)?;
        self.keep(shop, &rows);
        Ok(rows)
    }

    fn at_hand(&self, shop: u32) -> Option<Rows> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(&shop)?;
        (Instant::now() < entry.fresh_until).then(|| Arc::clone(&entry.rows))
    }

    fn calls(&self) -> usize {
        self.backend.calls()
    }
}
