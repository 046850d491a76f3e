//! The spans of a traced call, and how the observer gets at them.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use coflight_core::{Event, EventKind, Verb};
use tracing::field::{Empty, display};
use tracing::{Span, info_span};

/// A call's span, and that of its work once there is one.
pub(crate) struct Spans {
    call: Span,
    work: OnceLock<Span>,
    verb: Verb,
}

impl Spans {
    /// Of a call that is about to be made by `verb`.
    pub(crate) fn new(verb: Verb) -> Self {
        let call = info_span!(
            target: "coflight",
            "coflight.call",
            verb = verb.name(),
            group = Empty,
            key = Empty,
            flight = Empty,
        );
        Self { call, work: OnceLock::new(), verb }
    }

    pub(crate) fn call(&self) -> &Span {
        &self.call
    }

    /// The span of the work. For a call whose work is about to begin, or began.
    pub(crate) fn work(&self) -> &Span {
        // Whoever comes first makes it: an observer may be told of a flight by another thread than the one that runs its work.
        self.work.get_or_init(|| {
            info_span!(
                target: "coflight",
                parent: &self.call,
                "coflight.flight",
                verb = self.verb.name(),
                group = Empty,
                key = Empty,
                flight = Empty,
            )
        })
    }
}

/// What a call says of itself to observers: its spans, for as long as somebody may link to them.
///
/// A flight keeps what its leader said until its last caller is gone and its result lingers no more. The spans are not to be open for that long,
/// so they are taken out when the flight has ended.
#[derive(Clone)]
pub(crate) struct Pass(Arc<Mutex<Held>>);

struct Held {
    spans: Option<Arc<Spans>>,
    /// A [`Tracing`](crate::Tracing) is told of this call, and will be told when the flight has ended.
    observed: bool,
}

impl Pass {
    pub(crate) fn new(spans: Arc<Spans>) -> Self {
        Self(Arc::new(Mutex::new(Held { spans: Some(spans), observed: false })))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spans(&self) -> Option<Arc<Spans>> {
        self.held().spans.clone()
    }

    /// Nobody is to link to the spans any more.
    pub(crate) fn revoke(&self) {
        let spans = self.held().spans.take();
        // Closes them, perhaps, which is not for under the lock.
        drop(spans);
    }

    /// The call's work is gone. If there is an observer, callers that joined may still have to be told.
    pub(crate) fn work_is_gone(&self) {
        let observed = self.held().observed;
        if !observed {
            self.revoke();
        }
    }

    /// Writes into the call's spans what is known by now.
    pub(crate) fn link<K>(&self, event: &Event<'_, K>) {
        let spans = {
            let mut held = self.held();
            held.observed = true;
            held.spans.clone()
        };
        let Some(spans) = spans else { return };
        match event.kind() {
            EventKind::Missed | EventKind::Lingered => record(&spans.call, event),
            EventKind::Joined => {
                record(&spans.call, event);
                if let Some(leader) = event.leader::<Self>().and_then(Self::spans) {
                    spans.call.follows_from(leader.work());
                }
            }
            EventKind::Started | EventKind::Handover | EventKind::Overtaken | EventKind::Alone => {
                record(spans.work(), event);
            }
            _ => {}
        }
    }

    /// The span of what an event is about: the call, or the work.
    pub(crate) fn about(&self, kind: EventKind) -> Option<Span> {
        let spans = self.spans()?;
        let work = spans.work.get().filter(|_| kind.is_end() || kind == EventKind::Retried);
        Some(work.unwrap_or(&spans.call).clone())
    }
}

/// Once for each span: some subscribers would show a second value beside the first.
fn record<K>(span: &Span, event: &Event<'_, K>) {
    span.record("group", event.group());
    span.record("key", display(event.shown_key()));
    if let Some(flight) = event.flight() {
        span.record("flight", flight);
    }
}
