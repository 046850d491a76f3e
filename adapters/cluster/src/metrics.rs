//! What a cluster group does beyond its own process, for the `metrics` facade.

use std::fmt;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, SharedString, Unit, counter, gauge, histogram};

use crate::watch::{ClusterEvent, ClusterEventKind, ClusterObserver};

/// Counts what a cluster group does beyond its own process, for [`Builder::watch`](crate::Builder::watch). What happens inside is counted by
/// `coflight-metrics`.
///
/// | name | kind | labels |
/// |---|---|---|
/// | `coflight_cluster_events_total` | counter | `group`, `event`: the [name](ClusterEventKind::name) of the event |
/// | `coflight_cluster_operation_seconds` | histogram | `group`, `operation`: join, look, renew, publish, resign, cancel, forget, tell |
/// | `coflight_cluster_operation_errors_total` | counter | `group`, `operation` |
/// | `coflight_cluster_engine_up` | gauge | `group` |
///
/// Belongs to one group. What is made before the recorder is installed counts nothing.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use coflight::cluster::{Cluster, ClusterMetrics, InProcess};
/// use coflight::Tokio;
/// use metrics_exporter_prometheus::PrometheusBuilder;
///
/// let prometheus = PrometheusBuilder::new().install_recorder()?; // first the recorder…
/// ClusterMetrics::describe();
/// let answers: Cluster<String, u64, _, _> = Cluster::builder("answers", InProcess::new(), Tokio::current())
///     .watch(ClusterMetrics::new("answers")) // …then what counts
///     .build();
/// answers.run("life", |_| async { 42 }).await?;
/// assert!(prometheus.render().contains(r#"coflight_cluster_events_total{group="answers",event="led"} 1"#));
/// # Ok(())
/// # }
/// ```
pub struct ClusterMetrics {
    group: SharedString,
    events: [Counter; ClusterEventKind::ALL.len()],
    operations: [Operation; OPERATIONS.len()],
    up: Gauge,
}

struct Operation {
    took: Histogram,
    errors: Counter,
}

/// Those of an engine.
const OPERATIONS: [&str; 8] = ["join", "look", "renew", "publish", "resign", "cancel", "forget", "tell"];

impl ClusterMetrics {
    /// Counts under the label `group`. All event counters are there at once, with 0.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use coflight::cluster::ClusterMetrics;
    /// use metrics_exporter_prometheus::PrometheusBuilder;
    ///
    /// let prometheus = PrometheusBuilder::new().install_recorder()?;
    /// let _answers = ClusterMetrics::new("answers");
    /// assert!(prometheus.render().contains(r#"coflight_cluster_events_total{group="answers",event="lease_lost"} 0"#));
    /// assert!(prometheus.render().contains(r#"coflight_cluster_engine_up{group="answers"} 1"#));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn new(group: impl Into<SharedString>) -> Self {
        let group = group.into();
        let counter = |kind: ClusterEventKind| counter!("coflight_cluster_events_total", "group" => group.clone(), "event" => kind.name());
        let events = ClusterEventKind::ALL.map(counter);
        let operations = OPERATIONS.map(|name| Operation {
            took: histogram!("coflight_cluster_operation_seconds", "group" => group.clone(), "operation" => name),
            errors: counter!("coflight_cluster_operation_errors_total", "group" => group.clone(), "operation" => name),
        });
        let up = gauge!("coflight_cluster_engine_up", "group" => group.clone());
        up.set(1.0);
        Self { group, events, operations, up }
    }

    /// Tells the recorder what the metrics mean, and their units. Once a process, after the recorder is installed.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use coflight::cluster::ClusterMetrics;
    /// use metrics_exporter_prometheus::PrometheusBuilder;
    ///
    /// let prometheus = PrometheusBuilder::new().install_recorder()?;
    /// ClusterMetrics::describe();
    /// let _answers = ClusterMetrics::new("answers");
    /// assert!(prometheus.render().contains("# HELP coflight_cluster_engine_up Whether the engine answers"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn describe() {
        let meaning = "What happened between processes, by what it was.";
        metrics::describe_counter!("coflight_cluster_events_total", Unit::Count, meaning);
        let meaning = "How long operations of the engine took, also those that failed.";
        metrics::describe_histogram!("coflight_cluster_operation_seconds", Unit::Seconds, meaning);
        let meaning = "Operations of the engine that failed, or were not answered in time.";
        metrics::describe_counter!("coflight_cluster_operation_errors_total", Unit::Count, meaning);
        let meaning = "Whether the engine answers: 1, or 0 while it is known not to.";
        metrics::describe_gauge!("coflight_cluster_engine_up", meaning);
    }
}

impl ClusterObserver for ClusterMetrics {
    fn event(&self, event: &ClusterEvent<'_>) {
        self.events[event.kind as usize].increment(1);
        match event.kind {
            ClusterEventKind::EngineDown => self.up.set(0.0),
            ClusterEventKind::EngineUp => self.up.set(1.0),
            _ => {}
        }
    }

    fn operation(&self, operation: &'static str, took: Duration, failed: bool) {
        let at = OPERATIONS.iter().position(|name| *name == operation);
        let Some(operation) = at.map(|at| &self.operations[at]) else { return };
        operation.took.record(took);
        if failed {
            operation.errors.increment(1);
        }
    }
}

impl fmt::Debug for ClusterMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterMetrics").field("group", &self.group).finish_non_exhaustive()
    }
}
