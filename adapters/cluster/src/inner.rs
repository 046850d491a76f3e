//! What the handles of a group share.

use std::hash::{BuildHasher, Hash};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use coflight_core::note::FlightNote;
use coflight_core::{Runtime, TryGroup};
use serde::Serialize;

use crate::builder::Coding;
use crate::engine::{Engine, Name};
use crate::envelope::Outcome;
use crate::error::KeyError;
use crate::following::Following;
use crate::landing::{Delivered, Undelivered};
use crate::link::Link;
use crate::naming::Naming;
use crate::propagation::Propagation;
use crate::renewing::Hooks;

pub(crate) struct Inner<K, V, En: Engine, R, S> {
    pub(crate) local: TryGroup<K, Delivered<V>, Undelivered<V>, R, S>,
    pub(crate) link: Arc<Link<En, R>>,
    pub(crate) naming: Naming<K>,
    pub(crate) coding: Coding<V>,
    pub(crate) max_bytes: usize,
    pub(crate) linger: Duration,
    pub(crate) timeout: Option<Duration>,
    pub(crate) propagation: Option<Box<dyn Propagation>>,
    pub(crate) name: String,
}

impl<K, V, En: Engine, R, S> Inner<K, V, En, R, S> {
    pub(crate) fn name<Q: ?Sized + Serialize>(&self, key: &Q, owned: &K) -> Result<Name, KeyError> {
        self.naming.name(key, owned).map_err(|error| KeyError(Arc::new(error)))
    }

    pub(crate) fn encode(&self, value: &V, failed: bool) -> Outcome<Vec<u8>> {
        // What a user's code panics with here must not be taken for a panic of the work.
        match catch_unwind(AssertUnwindSafe(|| (self.coding.encode)(value))).ok().flatten() {
            Some(bytes) if bytes.len() <= self.max_bytes && failed => Outcome::Failure(bytes),
            Some(bytes) if bytes.len() <= self.max_bytes => Outcome::Value(bytes),
            _ => Outcome::Unshareable,
        }
    }

    pub(crate) fn decode(&self, bytes: &[u8]) -> Option<V> {
        catch_unwind(AssertUnwindSafe(|| (self.coding.decode)(bytes))).ok().flatten()
    }

    /// The trace that an execution belongs to.
    pub(crate) fn context(&self) -> Option<Arc<str>> {
        self.propagation.as_ref().and_then(|propagation| propagation.context()).map(Into::into)
    }
}

impl<K, V, En, R, S> Inner<K, V, En, R, S>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    En: Engine,
    R: Runtime,
    S: BuildHasher + Send + Sync + 'static,
{
    /// For one who asks for the callers of a local flight, within whose work this is called.
    pub(crate) fn asking(self: &Arc<Self>, key: K, deadline: Option<Duration>) -> Following {
        let flight = FlightNote::here();
        // Not to keep the group for as long as a lease is renewed.
        let inner = Arc::downgrade(self);
        let forgotten = Arc::new(move || {
            if let (Some(inner), Some(flight)) = (inner.upgrade(), flight) {
                flight.forget_flight(&inner.local, &key);
            }
        });
        Following::new(flight, Hooks { forgotten, deadline })
    }
}
