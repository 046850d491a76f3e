//! How a trace gets from the process that executes to those that wait.

use crate::served::Trip;

/// Carries trace contexts between processes, for [`Builder::propagation`](crate::Builder::propagation). The context travels with the result.
///
/// With OpenTelemetry, through the crate `tracing-opentelemetry`:
///
// Not built here, because the package does without these crates; `tests/opentelemetry.rs` builds and runs the same.
/// ```ignore
/// use coflight::cluster::{Propagation, Trip};
/// use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
/// use tracing::Span;
/// use tracing_opentelemetry::OpenTelemetrySpanExt;
///
/// struct OpenTelemetry;
///
/// impl Propagation for OpenTelemetry {
///     fn context(&self) -> Option<String> {
///         let context = Span::current().context();
///         let span = context.span().span_context().clone();
///         let flags = span.trace_flags().to_u8();
///         span.is_valid().then(|| format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id()))
///     }
///
///     fn answered(&self, trip: &Trip) {
///         let Some(context) = &trip.context else { return };
///         let mut parts = context.split('-').skip(1);
///         let (Some(trace), Some(span)) = (parts.next(), parts.next()) else { return };
///         let (Ok(trace), Ok(span)) = (TraceId::from_hex(trace), SpanId::from_hex(span)) else { return };
///         let linked = SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::default());
///         Span::current().add_link(linked);
///     }
/// }
/// ```
pub trait Propagation: Send + Sync + 'static {
    /// The context of an execution that begins: called in the leader, inside the span of the execution, if there is one. As the header `traceparent` of
    /// [Trace Context](https://www.w3.org/TR/trace-context/#traceparent-header) has it, if other programs are to understand it; at most 65,535 bytes.
    fn context(&self) -> Option<String>;

    /// A caller got a result that another process made, or that lingered: called in the caller, inside its current span, which can be linked to
    /// [`trip.context`](Trip::context).
    fn answered(&self, trip: &Trip);
}

/// The span of an execution.
#[cfg(feature = "tracing")]
pub(crate) fn execution(group: &str, lead: &crate::engine::Lead, process: &str) -> tracing::Span {
    tracing::info_span!(
        target: "coflight",
        "coflight.execution",
        group,
        name = lead.name.as_str(),
        token = lead.token.0,
        process,
    )
}

/// What a caller that got a result from elsewhere says.
#[cfg(feature = "tracing")]
pub(crate) fn answered(group: &str, trip: &Trip) {
    tracing::debug!(
        target: "coflight",
        kind = "answered",
        group,
        place = trip.place.name(),
        token = trip.token.map(|token| token.0),
        process = &*trip.process,
        context = trip.context.as_deref(),
    );
}
