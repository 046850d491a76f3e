//! The work of a local flight: to lead the flight of all processes, or to wait for its result.

use std::future::Future;
use std::hash::{BuildHasher, Hash};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use coflight_core::{AsKey, Runtime};
use serde::Serialize;

use crate::attend::{Ending, join};
use crate::carried::Carried;
use crate::duty::Duty;
use crate::engine::{Engine, EngineError, Joined, Lead, Name, Renewed};
use crate::error::KeyError;
use crate::following::Following;
use crate::guarded::{Driven, Guarded};
use crate::inner::Inner;
use crate::keeping::Status;
use crate::landing::{Came, Delivered, Done, Landed, Undelivered, attend_or_land, hand_out, land};
use crate::lease::Lease;
use crate::link::OnOutage;
use crate::watch::ClusterEventKind;

/// A caller's work, until it is begun.
pub(crate) struct Slot<F>(Arc<Mutex<Option<F>>>);

impl<F> Slot<F> {
    pub(crate) fn new(work: F) -> Self {
        Self(Arc::new(Mutex::new(Some(work))))
    }

    pub(crate) fn take(&self) -> Option<F> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

impl<F> Clone for Slot<F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// What one caller wants, beside the work.
pub(crate) struct Wants<V> {
    pub(crate) failed: fn(&V) -> bool,
    pub(crate) linger: Duration,
    pub(crate) timeout: Option<Duration>,
}

impl<V> Clone for Wants<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V> Copy for Wants<V> {}

/// Made by a caller that leads in its own process.
pub(crate) struct Across<K, V, En: Engine, R, S, F> {
    pub(crate) inner: Arc<Inner<K, V, En, R, S>>,
    name: Result<Name, KeyError>,
    following: Following,
    slot: Slot<F>,
    wants: Wants<V>,
}

/// What it came to before the work began.
enum Begun<A, V, En: Engine, R: Runtime> {
    Leads(A, Duty<En, R>),
    Alone(A),
    Landed(Landed<V>),
}

impl<K, V, En, R, S, F, Fut> Across<K, V, En, R, S, F>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
    En: Engine,
    R: Runtime,
    S: BuildHasher + Send + Sync + 'static,
    F: FnOnce(Lease) -> Fut,
    Fut: Future<Output = V>,
{
    /// Within the work of the local flight.
    pub(crate) fn new<Q>(inner: &Arc<Inner<K, V, En, R, S>>, key: &Q, slot: Slot<F>, wants: Wants<V>) -> Self
    where
        Q: ?Sized + AsKey<K> + Serialize,
    {
        // First this: what follows takes time.
        let deadline = inner.link.deadline(wants.timeout);
        let owned = key.to_key();
        let name = inner.name(key, &owned);
        let following = inner.asking(owned, deadline);
        Self { inner: Arc::clone(inner), name, following, slot, wants }
    }

    /// In the caller's own future.
    pub(crate) async fn in_place(self) -> Landed<V> {
        match self.begin().await {
            Begun::Leads(this, duty) => this.lead(duty).await,
            Begun::Alone(this) => this.alone().await,
            Begun::Landed(landed) => landed,
        }
    }

    /// In a future that goes on for callers elsewhere when those of this process have left.
    pub(crate) async fn carried(self) -> Landed<V>
    where
        F: Send + 'static,
        Fut: Send + 'static,
    {
        match self.begin().await {
            Begun::Leads(this, duty) => {
                let (link, keeping) = (Arc::clone(&this.inner.link), Arc::clone(duty.keeping()));
                let (lead, deadline) = (duty.lead().clone(), duty.deadline());
                let work: Pin<Box<dyn Future<Output = Landed<V>> + Send>> = Box::pin(this.lead(duty));
                Carried::new(work, link, lead, keeping, deadline).await
            }
            Begun::Alone(this) => this.alone().await,
            Begun::Landed(landed) => landed,
        }
    }

    async fn begin(self) -> Begun<Self, V, En, R> {
        let name = match &self.name {
            Ok(name) => name,
            Err(error) => return Begun::Landed(Err(Undelivered::Key(error.clone()))),
        };
        match attend_or_land(&self.inner, name, &self.following).await {
            Came::Leads(duty) => Begun::Leads(self, duty),
            Came::Alone => Begun::Alone(self),
            Came::Landed(landed) => Begun::Landed(landed),
        }
    }

    async fn lead(self, mut duty: Duty<En, R>) -> Landed<V> {
        // A caller whose work was dropped cannot lead again. Dropping the duty lets somebody else.
        let Some(work) = self.slot.take() else { return Err(Undelivered::Again) };
        let link = Arc::clone(&self.inner.link);
        let context = Arc::new(Mutex::new(None));
        let work = {
            let (lease, context, inner) = (duty.lease(), Arc::clone(&context), Arc::clone(&self.inner));
            spanned(&self.inner, duty.lead(), async move {
                *context.lock().unwrap_or_else(PoisonError::into_inner) = inner.context();
                work(lease).await
            })
        };
        let stopped = {
            let now = || link.now();
            let mut guarded = pin!(Guarded::new(work, Arc::clone(duty.keeping()), now));
            loop {
                match guarded.as_mut().await {
                    Driven::Done(done) => {
                        let context = context.lock().unwrap_or_else(PoisonError::into_inner).take();
                        let done = Done { value: done, failed: self.wants.failed, linger: self.wants.linger, context };
                        return hand_out(&self.inner, duty, done).await;
                    }
                    Driven::Stopped(status) => {
                        if let Some(stopped) = self.stopped(&mut duty, status).await {
                            break stopped;
                        }
                    }
                }
            }
        };
        // From here on the work is dropped. The lease is not given up, but if its own process ended it.
        if !duty.keeping().is_ended_here() {
            duty.over();
        }
        match stopped {
            Stopped::Ended(ending) => land(&self.inner, &duty.lead().name, &ending).unwrap_or(Err(Undelivered::Again)),
            // Nobody here waits for what the other one makes of it.
            Stopped::Succeeded if duty.keeping().is_carried_on() => Err(Undelivered::Again),
            Stopped::Succeeded => match self.begin().await {
                Begun::Landed(landed) => landed,
                // What is left of it cannot lead, and has no work to do alone.
                Begun::Leads(..) | Begun::Alone(..) => Err(Undelivered::Again),
            },
            Stopped::Forgotten => Err(Undelivered::Again),
            Stopped::Unavailable(error) => Err(Undelivered::Unavailable(error)),
        }
    }

    /// The lease is not held any more: what now? `None`: the work goes on.
    async fn stopped(&self, duty: &mut Duty<En, R>, status: Status) -> Option<Stopped> {
        let link = &self.inner.link;
        let (name, token) = (duty.lead().name.clone(), duty.lead().token);
        let ended = |bytes| Some(Stopped::Ended(Ending { token, bytes, lingered: false }));
        if let Status::Ended(bytes) = status {
            return ended(bytes);
        }
        link.tell(ClusterEventKind::LeaseLost, &name, Some(token));
        let stopped = match status {
            Status::CutOff(error) => Stopped::Unavailable(error),
            _ => {
                let (asked, changed) = (link.now(), Box::pin(link.engine.changed(&name)));
                match duty.renew().await {
                    Ok(Renewed::Ended(bytes)) => return ended(bytes),
                    // Whoever leads now does the work, and this one is dropped.
                    Ok(Renewed::Lost { succeeded: true }) => return Some(Stopped::Succeeded),
                    // It was not lost after all.
                    Ok(Renewed::Held { forgotten, .. }) => {
                        if forgotten {
                            link.leads.forgotten(&name, duty.keeping());
                        }
                        duty.lead_again(duty.lead().clone(), asked, changed);
                        return None;
                    }
                    // Newcomers would find it again.
                    Ok(Renewed::Lost { succeeded: false }) if duty.keeping().is_forgotten() => Stopped::Forgotten,
                    // Nobody does it: so this one leads again, and everybody else follows it.
                    Ok(Renewed::Lost { succeeded: false }) => match join(link, &name).await {
                        Ok((Joined::Leads(token), nonce)) => {
                            let lead = Lead { name, token, nonce };
                            if duty.keeping().is_forgotten() {
                                // That was meanwhile, when the engine had nothing to forget. Whoever drives this may leave.
                                let resigns = Arc::clone(link);
                                link.spawn(async move {
                                    let resign = || resigns.engine.resign(&lead);
                                    let _ = resigns.insist("resign", resigns.lease, resign).await;
                                });
                                Stopped::Forgotten
                            } else {
                                link.tell(ClusterEventKind::Led, &lead.name, Some(token));
                                self.following.leads(token);
                                duty.lead_again(lead, asked, changed);
                                return None;
                            }
                        }
                        Ok(_) => return Some(Stopped::Succeeded),
                        Err(error) => Stopped::Unavailable(error),
                    },
                    Err(error) => Stopped::Unavailable(error),
                }
            }
        };
        if link.on_outage == OnOutage::CarryOn {
            duty.keeping().unlease();
            return None;
        }
        Some(stopped)
    }

    async fn alone(self) -> Landed<V> {
        let Some(work) = self.slot.take() else { return Err(Undelivered::Again) };
        let link = &self.inner.link;
        link.watch.tell(ClusterEventKind::Alone, self.name.as_ref().ok(), None);
        let value = work(Lease::none()).await;
        let failed = (self.wants.failed)(&value);
        Delivered::alone(value, &link.process).landed(failed)
    }
}

/// Why a work is dropped whose lease is not held any more.
enum Stopped {
    /// Somebody else ended the flight.
    Ended(Ending),
    /// Somebody else leads.
    Succeeded,
    /// Nobody leads, and it is not to.
    Forgotten,
    Unavailable(EngineError),
}

/// In the span of the execution, if anybody wants spans.
#[cfg(feature = "tracing")]
fn spanned<K, V, En: Engine, R, S, Fut: Future>(
    inner: &Inner<K, V, En, R, S>,
    lead: &Lead,
    work: Fut,
) -> impl Future<Output = Fut::Output> + use<K, V, En, R, S, Fut> {
    tracing::Instrument::instrument(work, crate::propagation::execution(&inner.name, lead, &inner.link.process))
}

#[cfg(not(feature = "tracing"))]
fn spanned<K, V, En: Engine, R, S, Fut: Future>(_: &Inner<K, V, En, R, S>, _: &Lead, work: Fut) -> Fut {
    work
}
