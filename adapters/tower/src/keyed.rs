//! The same for services that do not speak HTTP: any whose requests have keys, and whose responses can be cloned.

use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use coflight_core::{DefaultHashBuilder, NoRuntime, SharedError, TryError, TryGroup};
use tower::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

/// Coalesces the calls of any service whose requests have keys. The response must be `Clone`, the error need not be.
///
/// ```
/// use coflight::TryGroup;
/// use coflight::tower::KeyedLayer;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # futures_lite::future::block_on(async {
/// let flights: TryGroup<u64, String, std::io::Error> = TryGroup::new();
/// let service = ServiceBuilder::new()
///     .layer(KeyedLayer::new(flights, |id: &u64| Some(*id)))
///     .service(service_fn(|id: u64| async move { Ok(format!("user {id}")) }));
/// assert_eq!(service.oneshot(7).await.unwrap(), "user 7");
/// # });
/// ```
///
/// The calls are [`relay`](coflight_core::Group::relay)ed: any caller goes on with the one future that was begun. A request without a key passes.
pub struct KeyedLayer<F, K, T, E, R = NoRuntime, H = DefaultHashBuilder> {
    group: TryGroup<K, T, E, R, H>,
    key: Arc<F>,
}

impl<F, K, T, E, R, H> KeyedLayer<F, K, T, E, R, H> {
    /// For the flights of `group`. **The key must contain everything of the request that may change or restrict the answer.**
    ///
    /// ```
    /// # futures_lite::future::block_on(async {
    /// use coflight::{Group, TryGroup};
    /// use coflight::tower::KeyedLayer;
    /// use tower::{Layer, ServiceExt, service_fn};
    ///
    /// #[derive(Clone)]
    /// struct Query { user: u64, fresh: bool }
    ///
    /// let flights: TryGroup<u64, String, std::io::Error> = TryGroup::new();
    /// // Who wants a fresh answer gets one of its own.
    /// let layer = KeyedLayer::new(flights.clone(), |query: &Query| (!query.fresh).then_some(query.user));
    /// let users = layer.layer(service_fn(|query: Query| async move { Ok(format!("user {}", query.user)) }));
    /// users.clone().oneshot(Query { user: 7, fresh: true }).await?;
    /// assert_eq!(flights.stats().led, 0);
    /// assert_eq!(users.oneshot(Query { user: 7, fresh: false }).await?, "user 7");
    /// assert_eq!(flights.stats().led, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    pub fn new<Req>(group: TryGroup<K, T, E, R, H>, key: F) -> Self
    where
        F: Fn(&Req) -> Option<K>,
    {
        Self { group, key: Arc::new(key) }
    }
}

impl<F, K, T, E, R, H, S> Layer<S> for KeyedLayer<F, K, T, E, R, H> {
    type Service = Keyed<S, F, K, T, E, R, H>;

    fn layer(&self, inner: S) -> Self::Service {
        Keyed { inner, group: self.group.clone(), key: Arc::clone(&self.key) }
    }
}

/// A service whose calls are coalesced. From a [`KeyedLayer`]. It is always ready, as [`Coalesce`](crate::Coalesce) is.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use coflight::TryGroup;
/// use coflight::tower::KeyedLayer;
/// use futures_lite::future::{yield_now, zip};
/// use tower::{Layer, ServiceExt, service_fn};
///
/// let flights: TryGroup<u64, String, std::io::Error> = TryGroup::new();
/// let load = service_fn(|id: u64| async move {
///     yield_now().await; // it takes a moment
///     Ok(format!("user {id}"))
/// });
/// let users = KeyedLayer::new(flights.clone(), |id: &u64| Some(*id)).layer(load);
/// let (a, b) = zip(users.clone().oneshot(7), users.clone().oneshot(7)).await;
/// assert_eq!((a?, b?), ("user 7".to_owned(), "user 7".to_owned()));
/// assert_eq!((flights.stats().led, flights.stats().joined), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
pub struct Keyed<S, F, K, T, E, R = NoRuntime, H = DefaultHashBuilder> {
    inner: S,
    group: TryGroup<K, T, E, R, H>,
    key: Arc<F>,
}

/// The response to come, of a [`Keyed`] service.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use std::io;
/// use coflight::{TryError, TryGroup};
/// use coflight::tower::{KeyedFuture, KeyedLayer};
/// use tower::{Layer, Service, service_fn};
///
/// let layer = KeyedLayer::new(TryGroup::new(), |id: &u64| Some(*id));
/// let mut users = layer.layer(service_fn(|_: u64| async { Err(io::Error::from(io::ErrorKind::NotFound)) }));
/// let user: KeyedFuture<String, io::Error> = users.call(7);
/// let Err(TryError::Work(error)) = user.await else { unreachable!("there is none") };
/// assert_eq!(error.kind(), io::ErrorKind::NotFound); // as it is, shared by all who asked
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
pub type KeyedFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, TryError<E>>> + Send>>;

impl<S, F, K, R, H, Req> Service<Req> for Keyed<S, F, K, S::Response, S::Error, R, H>
where
    S: Service<Req> + Clone + Send + 'static,
    S::Response: Clone + Send + Sync + 'static,
    S::Error: Send + Sync + 'static,
    S::Future: Send,
    F: Fn(&Req) -> Option<K>,
    K: Hash + Eq + Clone + Send + Sync + 'static,
    R: Send + Sync + 'static,
    H: BuildHasher + Send + Sync + 'static,
    Req: Send + 'static,
{
    type Response = S::Response;
    type Error = TryError<S::Error>;
    type Future = KeyedFuture<S::Response, S::Error>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let key = (self.key)(&request);
        let work = self.inner.clone().oneshot(request);
        match key {
            Some(key) => {
                let group = self.group.clone();
                Box::pin(async move { group.try_relay(&key, || work).await })
            }
            None => Box::pin(async move { work.await.map_err(|error| TryError::Work(SharedError::new(error))) }),
        }
    }
}

impl<F, K, T, E, R, H> Clone for KeyedLayer<F, K, T, E, R, H> {
    fn clone(&self) -> Self {
        Self { group: self.group.clone(), key: Arc::clone(&self.key) }
    }
}

impl<S: Clone, F, K, T, E, R, H> Clone for Keyed<S, F, K, T, E, R, H> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), group: self.group.clone(), key: Arc::clone(&self.key) }
    }
}

impl<F, K, T, E, R, H> fmt::Debug for KeyedLayer<F, K, T, E, R, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyedLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, F, K, T, E, R, H> fmt::Debug for Keyed<S, F, K, T, E, R, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed").field("inner", &self.inner).finish_non_exhaustive()
    }
}
