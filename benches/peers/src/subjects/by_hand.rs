//! What people make by hand: a map of cells, and a map of shared futures.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use futures_util::FutureExt;
use futures_util::future::Shared;
use tokio::sync::OnceCell;

use super::{Key, Kind, Subject};

pub(crate) struct CellInMap<K>(DashMap<K, Arc<OnceCell<u64>>>);

impl<K: Key> Subject<K> for CellInMap<K> {
    const NAME: &'static str = "DashMap of OnceCell";
    const KIND: Kind = Kind::ByHand;
    type Answer = u64;

    fn new(_flights: usize) -> Self {
        Self(DashMap::new())
    }

    async fn call<'a, F, Fut>(&'a self, key: &'a K::Borrowed, work: F) -> u64
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = u64> + Send + 'static,
    {
        let found = self.0.get(key).map(|cell| Arc::clone(&cell));
        let cell = found.unwrap_or_else(|| Arc::clone(&self.0.entry(key.to_owned()).or_default()));
        let mut led = false;
        let value = *cell
            .get_or_init(|| {
                led = true;
                work()
            })
            .await;
        if led {
            self.0.remove_if(key, |_, listed| Arc::ptr_eq(listed, &cell));
        }
        value
    }

    fn value(answer: u64) -> u64 {
        answer
    }
}

type Boxed = Pin<Box<dyn Future<Output = u64> + Send>>;

pub(crate) struct SharedInMap<K>(DashMap<K, Shared<Boxed>>);

impl<K: Key> Subject<K> for SharedInMap<K> {
    const NAME: &'static str = "DashMap of Shared";
    const KIND: Kind = Kind::ByHand;
    type Answer = u64;

    fn new(_flights: usize) -> Self {
        Self(DashMap::new())
    }

    async fn call<'a, F, Fut>(&'a self, key: &'a K::Borrowed, work: F) -> u64
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = u64> + Send + 'static,
    {
        let found = self.0.get(key).map(|shared| shared.clone());
        let (shared, led) = match found {
            Some(shared) => (shared, false),
            None => match self.0.entry(key.to_owned()) {
                Entry::Occupied(entry) => (entry.get().clone(), false),
                Entry::Vacant(entry) => {
                    let boxed: Boxed = Box::pin(work());
                    (entry.insert(boxed.shared()).clone(), true)
                }
            },
        };
        let value = shared.clone().await;
        if led {
            self.0.remove_if(key, |_, listed| listed.ptr_eq(&shared));
        }
        value
    }

    fn value(answer: u64) -> u64 {
        answer
    }
}
