//! Other crates that coalesce: those made for it, and two caches, from which the one who filled an entry takes it out again.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Key, Kind, Subject};

pub(crate) struct SingleflightAsync<K>(singleflight_async::SingleFlight<K, u64>);

impl<K: Key> Subject<K> for SingleflightAsync<K> {
    const NAME: &'static str = "singleflight-async";
    const KIND: Kind = Kind::Peer;
    type Answer = u64;

    fn new(_flights: usize) -> Self {
        Self(singleflight_async::SingleFlight::new())
    }

    fn call<'a, F, Fut>(&'a self, key: &'a K::Borrowed, work: F) -> impl Future<Output = u64> + Send + 'a
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = u64> + Send + 'static,
    {
        self.0.work(key.to_owned(), work)
    }

    fn value(answer: u64) -> u64 {
        answer
    }
}

pub(crate) struct AsyncSingleflight<K>(async_singleflight::UnaryGroup<K, u64>);

impl<K: Key> Subject<K> for AsyncSingleflight<K> {
    const NAME: &'static str = "async_singleflight";
    const KIND: Kind = Kind::Peer;
    type Answer = u64;

    fn new(_flights: usize) -> Self {
        Self(async_singleflight::UnaryGroup::new())
    }

    async fn call<'a, F, Fut>(&'a self, key: &'a K::Borrowed, work: F) -> u64
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = u64> + Send + 'static,
    {
        // It takes a future, which a follower makes in vain.
        self.0.work(key, work()).await
    }

    fn value(answer: u64) -> u64 {
        answer
    }
}

pub(crate) struct RsSingleflight<K>(rs_singleflight::Group<K, u64, Infallible>);

impl<K: Key> Subject<K> for RsSingleflight<K> {
    const NAME: &'static str = "rs-singleflight";
    const KIND: Kind = Kind::Peer;
    type Answer = Result<Arc<u64>, Arc<Infallible>>;

    fn new(_flights: usize) -> Self {
        Self(rs_singleflight::Group::new())
    }

    fn call<'a, F, Fut>(&'a self, key: &'a K::Borrowed, work: F) -> impl Future<Output = Self::Answer> + Send + 'a
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = u64> + Send + 'static,
    {
        self.0.do_call_shared(key.to_owned(), || async { Ok(work().await) })
    }

    fn value(answer: Self::Answer) -> u64 {
        answer.map_or_else(|never| match *never {}, |value| *value)
    }
}

pub(crate) struct Uniflight<K>(uniflight::Merger<K, u64>);

impl<K: Key> Subject<K> for Uniflight<K> {
    const NAME: &'static str = "uniflight";
    const KIND: Kind = Kind::Peer;
    type Answer = Result<u64, uniflight::LeaderPanicked>;

    fn new(_flights: usize) -> Self {
        Self(uniflight::Merger::new())
    }

    fn call<'a, F, Fut>(&'a self, key: &'a K::Borrowed, work: F) -> impl Future<Output = Self::Answer> + Send + 'a
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = u64> + Send + 'static,
    {
        self.0.execute(key, work)
    }

    fn value(answer: Self::Answer) -> u64 {
        answer.expect("no work panics here")
    }

    fn outcome(answer: Self::Answer) -> Option<u64> {
        answer.ok()
    }
}

pub(crate) struct Turboflight<K>(turboflight::SingleFlight<K, u64>);

impl<K: Key> Subject<K> for Turboflight<K> {
    const NAME: &'static str = "turboflight";
    const KIND: Kind = Kind::Peer;
    type Answer = u64;

    fn new(_flights: usize) -> Self {
        Self(turboflight::SingleFlight::new())
    }

    async fn call<'a, F, Fut>(&'a self, key: &'a K::Borrowed, work: F) -> u64
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = u64> + Send + 'static,
    {
        self.0.work(key.to_owned(), async { work().await }).await
    }

    fn value(answer: u64) -> u64 {
        answer
    }
}

pub(crate) struct QuickCache<K: Key>(quick_cache::sync::Cache<K, u64>);

impl<K: Key> Subject<K> for QuickCache<K> {
    const NAME: &'static str = "quick_cache";
    const KIND: Kind = Kind::Peer;
    type Answer = u64;

    fn new(flights: usize) -> Self {
        Self(quick_cache::sync::Cache::new(2 * flights))
    }

    async fn call<'a, F, Fut>(&'a self, key: &'a K::Borrowed, work: F) -> u64
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = u64> + Send + 'static,
    {
        let led = AtomicBool::new(false);
        let fill = async {
            led.store(true, Ordering::Relaxed);
            Ok::<_, Infallible>(work().await)
        };
        let Ok(value) = self.0.get_or_insert_async(key, fill).await;
        if led.load(Ordering::Relaxed) {
            self.0.remove(key);
        }
        value
    }

    fn value(answer: u64) -> u64 {
        answer
    }
}

pub(crate) struct Moka<K>(moka::future::Cache<K, u64>);

impl<K: Key> Subject<K> for Moka<K> {
    const NAME: &'static str = "moka";
    const KIND: Kind = Kind::Peer;
    type Answer = u64;

    fn new(flights: usize) -> Self {
        Self(moka::future::Cache::new(2 * flights as u64))
    }

    async fn call<'a, F, Fut>(&'a self, key: &'a K::Borrowed, work: F) -> u64
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = u64> + Send + 'static,
    {
        let led = AtomicBool::new(false);
        let fill = async {
            led.store(true, Ordering::Relaxed);
            work().await
        };
        let value = self.0.get_with_by_ref(key, fill).await;
        if led.load(Ordering::Relaxed) {
            self.0.invalidate(key).await;
        }
        value
    }

    fn value(answer: u64) -> u64 {
        answer
    }
}
