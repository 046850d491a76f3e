//! The example of [`Propagation`], run: with OpenTelemetry, the span of a caller in one process is linked to the execution in another.

use coflight::Threads;
use coflight::cluster::{Cluster, InProcess, Propagation, Trip};
use futures_lite::future::{block_on, yield_now, zip};
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tracing::{Instrument, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;

struct OpenTelemetry;

impl Propagation for OpenTelemetry {
    fn context(&self) -> Option<String> {
        let context = Span::current().context();
        let span = context.span().span_context().clone();
        let flags = span.trace_flags().to_u8();
        span.is_valid().then(|| format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id()))
    }

    fn answered(&self, trip: &Trip) {
        let Some(context) = &trip.context else { return };
        let mut parts = context.split('-').skip(1);
        let (Some(trace), Some(span)) = (parts.next(), parts.next()) else { return };
        let (Ok(trace), Ok(span)) = (TraceId::from_hex(trace), SpanId::from_hex(span)) else { return };
        let linked = SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::default());
        Span::current().add_link(linked);
    }
}

#[test]
fn a_callers_span_is_linked_to_the_execution_elsewhere() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::with_default(subscriber, || {
        let engine = InProcess::new();
        let [a, b]: [Cluster<String, u32, _, _>; 2] = ["a", "b"].map(|name| {
            Cluster::builder("test", engine.clone(), Threads::new()).process(name).propagation(OpenTelemetry).build()
        });
        let leads = a.run("key", |_| async {
            while b.cluster_stats().followed == 0 {
                yield_now().await;
            }
            1
        });
        let follows = async {
            while a.cluster_stats().led == 0 {
                yield_now().await;
            }
            b.run("key", |_| async { unreachable!("a follower's work is never called") }).await
        };
        let both = zip(leads.instrument(info_span!("leader")), follows.instrument(info_span!("follower")));
        let (one, other) = block_on(both);
        assert_eq!((one.unwrap(), other.unwrap()), (1, 1));
    });
    let spans = exporter.get_finished_spans().expect("spans");
    let span = |name: &str| spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("no span {name}"));
    let (leader, execution, follower) = (span("leader"), span("coflight.execution"), span("follower"));
    assert_eq!(execution.parent_span_id, leader.span_context.span_id(), "the work is part of what its caller does");
    let links: Vec<_> = follower.links.iter().map(|link| link.span_context.span_id()).collect();
    assert_eq!(links, [execution.span_context.span_id()]);
    assert_ne!(follower.span_context.trace_id(), execution.span_context.trace_id(), "another trace");
    assert_eq!(follower.links[0].span_context.trace_id(), execution.span_context.trace_id());
}
