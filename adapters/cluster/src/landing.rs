//! How a flight ends: what the leader hands out, and what those who waited make of it.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use coflight_core::Runtime;

use crate::attend::{Attended, Ending, attend};
use crate::duty::Duty;
use crate::engine::{Engine, EngineError, Name, Renewed};
use crate::envelope::{Envelope, Outcome};
use crate::error::{KeyError, PanicElsewhere};
use crate::following::Following;
use crate::inner::Inner;
use crate::link::OnOutage;
use crate::served::{Place, Trip};
use crate::watch::ClusterEventKind;

/// What callers of a local flight share if there is a value.
#[derive(Clone, Debug)]
pub(crate) struct Delivered<V> {
    pub(crate) value: V,
    pub(crate) trip: Trip,
}

impl<V> Delivered<V> {
    /// What callers share of it.
    pub(crate) fn landed(self, failed: bool) -> Landed<V> {
        if failed { Err(Undelivered::Failed(self)) } else { Ok(self) }
    }

    /// Made by this process for itself.
    pub(crate) fn alone(value: V, process: &Arc<str>) -> Self {
        Self { value, trip: alone(process) }
    }
}

/// What they share if there is none, or if it is a failure.
#[derive(Debug)]
pub(crate) enum Undelivered<V> {
    Failed(Delivered<V>),
    Panicked(PanicElsewhere),
    Cancelled,
    TimedOut,
    Unavailable(EngineError),
    Key(KeyError),
    /// There was no result; whoever still has a work asks again.
    Again,
    /// Everyone does the work for themselves.
    Alone,
}

pub(crate) type Landed<V> = Result<Delivered<V>, Undelivered<V>>;

/// What a leader's work came to.
pub(crate) struct Done<V> {
    pub(crate) value: std::thread::Result<V>,
    pub(crate) failed: fn(&V) -> bool,
    pub(crate) linger: Duration,
    pub(crate) context: Option<Arc<str>>,
}

/// Hands the result to everyone. Unwinds with the work's panic, if that is what it came to.
pub(crate) async fn hand_out<K, V, En: Engine, R: Runtime, S>(
    inner: &Inner<K, V, En, R, S>,
    mut duty: Duty<En, R>,
    done: Done<V>,
) -> Landed<V> {
    let link = &inner.link;
    let (name, token) = (duty.lead().name.clone(), duty.lead().token);
    let failed = done.value.as_ref().is_ok_and(done.failed);
    let outcome = match &done.value {
        Ok(value) => inner.encode(value, failed),
        Err(panic) => Outcome::Panicked(message(&**panic)),
    };
    if outcome == Outcome::Unshareable {
        link.tell(ClusterEventKind::Unshareable, &name, Some(token));
    }
    // Only a success lingers.
    let linger = if matches!(outcome, Outcome::Value(_)) { done.linger } else { Duration::ZERO };
    let process = Arc::clone(&link.process);
    let trip = Trip { place: Place::Here, token: Some(token), process, context: done.context.clone() };
    let ending = Envelope { outcome, process: Arc::clone(&link.process), context: done.context }.to_bytes();
    let published = duty.publish(&ending, linger).await;
    let value = match done.value {
        Ok(value) => value,
        Err(panic) => resume_unwind(panic),
    };
    if let Ok(false) = published {
        // Too late. If the flight was cancelled, so are those who waited here; else the value is what this work came to.
        if let Ok(Renewed::Ended(bytes)) = duty.renew().await {
            if let Some(Err(error)) = land(inner, &name, &Ending { token, bytes, lingered: false }) {
                return Err(error);
            }
        }
    }
    Delivered { value, trip }.landed(failed)
}

/// What a process is to do that asked the engine.
pub(crate) enum Came<V, En: Engine, R: Runtime> {
    Leads(Duty<En, R>),
    /// The work, for itself.
    Alone,
    Landed(Landed<V>),
}

/// Attends until this process leads, or knows how the flight ended, and what its callers get then.
pub(crate) async fn attend_or_land<K, V, En: Engine, R: Runtime, S>(
    inner: &Inner<K, V, En, R, S>,
    name: &Name,
    following: &Following,
) -> Came<V, En, R> {
    match attend(&inner.link, name, following).await {
        Attended::Leads(duty) => Came::Leads(duty),
        Attended::Ended(ending) => land(inner, name, &ending).map_or(Came::Alone, Came::Landed),
        Attended::Unavailable(error) => match inner.link.on_outage {
            OnOutage::CarryOn => Came::Alone,
            OnOutage::Refuse => Came::Landed(Err(Undelivered::Unavailable(error))),
        },
    }
}

/// What another process, or an earlier flight, came to. `None`: this process is to do the work for itself.
pub(crate) fn land<K, V, En: Engine, R: Runtime, S>(
    inner: &Inner<K, V, En, R, S>,
    name: &Name,
    ending: &Ending,
) -> Option<Landed<V>> {
    let unreadable = || inner.link.tell(ClusterEventKind::Unreadable, name, Some(ending.token));
    let Some(envelope) = Envelope::from_bytes(&ending.bytes) else {
        unreadable();
        return None;
    };
    let (bytes, failed) = match envelope.outcome {
        Outcome::Value(bytes) => (bytes, false),
        Outcome::Failure(bytes) => (bytes, true),
        Outcome::Unshareable => return None,
        Outcome::Panicked(message) => {
            let panic = PanicElsewhere { message: message.map(Into::into), process: envelope.process };
            return Some(Err(Undelivered::Panicked(panic)));
        }
        Outcome::Cancelled => return Some(Err(Undelivered::Cancelled)),
        Outcome::TimedOut => return Some(Err(Undelivered::TimedOut)),
        Outcome::Released => return Some(Err(Undelivered::Alone)),
    };
    // Not to be shared is better than to be misread.
    let Some(value) = inner.decode(bytes) else {
        unreadable();
        return None;
    };
    let trip = Trip {
        place: if ending.lingered { Place::Lingered } else { Place::Elsewhere },
        token: Some(ending.token),
        process: envelope.process,
        context: envelope.context,
    };
    Some(Delivered { value, trip }.landed(failed))
}

/// Where a result is from that this process made for itself.
pub(crate) fn alone(process: &Arc<str>) -> Trip {
    Trip { place: Place::Alone, token: None, process: Arc::clone(process), context: None }
}

/// What is left of a panic's payload as text.
fn message(payload: &(dyn std::any::Any + Send)) -> Option<String> {
    let text = payload.downcast_ref::<&'static str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
}
