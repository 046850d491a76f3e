#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

use std::fmt;

use coflight_core::{Event, EventKind, Observer};
use metrics::{Counter, Gauge, Histogram, SharedString, Unit, counter, gauge, histogram};

/// Counts what happens in one group, for [`Builder::observer`](coflight_core::Builder::observer).
///
/// The metrics are looked up once, by [`new`](Self::new), in the recorder that is there at that moment; each event is then one addition or two. So
/// the recorder comes first: what is made before it is installed counts nothing. It belongs to one group: two groups that share a label are
/// summed, and so need one each.
///
/// ```
/// use coflight::{Group, Metrics};
/// use metrics_exporter_prometheus::PrometheusBuilder;
///
/// let prometheus = PrometheusBuilder::new().install_recorder()?; // or any other recorder
/// let users: Group<u64, String> = Group::builder().observer(Metrics::new("users")).build();
/// users.run_blocking(&42, || "Ada".to_owned())?;
///
/// let page = prometheus.render();
/// assert!(page.contains(r#"coflight_completed_total{group="users"} 1"#), "{page}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Metrics {
    hits: Counter,
    misses: Counter,
    lingered: Counter,
    refused: Counter,
    completed: Counter,
    errors: Counter,
    panics: Counter,
    timeouts: Counter,
    cancelled: Counter,
    abandoned: Counter,
    released: Counter,
    handovers: Counter,
    overtakes: Counter,
    retries: Counter,
    alone: Counter,
    flights: Gauge,
    durations: Durations,
}

/// One histogram for each way a flight can end.
struct Durations {
    completed: Histogram,
    failed: Histogram,
    panicked: Histogram,
    timed_out: Histogram,
    cancelled: Histogram,
    abandoned: Histogram,
    released: Histogram,
}

impl Metrics {
    /// Counts under the label `group`: the name that the group was [given](coflight_core::Builder::name), if logs and metrics are to speak of the
    /// same. All counters are there at once, with 0, so that a rate can be told from the first scrape on.
    ///
    /// ```
    /// use coflight::Metrics;
    /// use metrics_exporter_prometheus::PrometheusBuilder;
    ///
    /// let prometheus = PrometheusBuilder::new().install_recorder()?; // first
    /// let users = Metrics::new("users");
    ///
    /// let page = prometheus.render();
    /// assert!(page.contains(r#"coflight_hits_total{group="users"} 0"#), "{page}");
    /// # drop(users);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn new(group: impl Into<SharedString>) -> Self {
        let group = &group.into();
        let counter = |name: &'static str| counter!(name, "group" => group.clone());
        Self {
            hits: counter("coflight_hits_total"),
            misses: counter("coflight_misses_total"),
            lingered: counter("coflight_lingered_total"),
            refused: counter("coflight_refused_total"),
            completed: counter("coflight_completed_total"),
            errors: counter("coflight_errors_total"),
            panics: counter("coflight_panics_total"),
            timeouts: counter("coflight_timeouts_total"),
            cancelled: counter("coflight_cancelled_total"),
            abandoned: counter("coflight_abandoned_total"),
            released: counter("coflight_released_total"),
            handovers: counter("coflight_handovers_total"),
            overtakes: counter("coflight_overtakes_total"),
            retries: counter("coflight_retries_total"),
            alone: counter("coflight_alone_total"),
            flights: gauge!("coflight_flights", "group" => group.clone()),
            durations: Durations::new(group),
        }
    }

    /// Tells the recorder what the metrics mean, and their units. Once a process, after the recorder is installed.
    ///
    /// ```
    /// use coflight::Metrics;
    /// use metrics_exporter_prometheus::PrometheusBuilder;
    ///
    /// let prometheus = PrometheusBuilder::new().install_recorder()?; // first
    /// Metrics::describe();
    /// let users = Metrics::new("users");
    ///
    /// let page = prometheus.render();
    /// assert!(page.contains("# HELP coflight_misses_total Calls that started a flight."), "{page}");
    /// # drop(users);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn describe() {
        for (name, meaning) in COUNTERS {
            metrics::describe_counter!(name, Unit::Count, meaning);
        }
        metrics::describe_gauge!("coflight_flights", Unit::Count, "Flights in progress.");
        let meaning = "How long flights took, by how they ended.";
        metrics::describe_histogram!("coflight_flight_duration_seconds", Unit::Seconds, meaning);
    }
}

const COUNTERS: [(&str, &str); 15] = [
    ("coflight_hits_total", "Calls that cost no flight of their own: they joined one, or got a result that lingered."),
    ("coflight_misses_total", "Calls that started a flight."),
    ("coflight_lingered_total", "Calls that got a result that lingered; also counted as hits."),
    ("coflight_refused_total", "Calls refused because as many flights were in progress as the group allows."),
    ("coflight_completed_total", "Flights that ended with a result."),
    ("coflight_errors_total", "Flights that ended with a failure of their work."),
    ("coflight_panics_total", "Flights whose work panicked."),
    ("coflight_timeouts_total", "Flights that ran into their time limit."),
    ("coflight_cancelled_total", "Flights that were cancelled."),
    ("coflight_abandoned_total", "Flights whose last caller left before the end."),
    ("coflight_released_total", "Flights whose leader let its followers go alone."),
    ("coflight_handovers_total", "Calls that took over from a leader that left, or whose work failed and is retried."),
    ("coflight_overtakes_total", "Works that were started beside that of a slow leader."),
    ("coflight_retries_total", "Works that failed and left it to the next follower to try."),
    ("coflight_alone_total", "Released followers that ran their own work for themselves."),
];

impl<K> Observer<K> for Metrics {
    fn event(&self, event: &Event<'_, K>) {
        let kind = event.kind();
        match kind {
            // Told of refused calls as well; those that go on are told as `Started`.
            EventKind::Missed => {}
            EventKind::Started => {
                self.misses.increment(1);
                self.flights.increment(1);
            }
            EventKind::Joined => self.hits.increment(1),
            EventKind::Lingered => {
                self.hits.increment(1);
                self.lingered.increment(1);
            }
            EventKind::Refused => self.refused.increment(1),
            EventKind::Handover => self.handovers.increment(1),
            EventKind::Overtaken => self.overtakes.increment(1),
            EventKind::Retried => self.retries.increment(1),
            EventKind::Alone => self.alone.increment(1),
            _ => {}
        }
        if let Some((count, duration)) = self.end(kind) {
            self.flights.decrement(1);
            count.increment(1);
            if let Some(elapsed) = event.elapsed() {
                duration.record(elapsed);
            }
        }
    }
}

impl Metrics {
    /// What counts flights that ended like this.
    fn end(&self, kind: EventKind) -> Option<(&Counter, &Histogram)> {
        let durations = &self.durations;
        match kind {
            EventKind::Completed => Some((&self.completed, &durations.completed)),
            EventKind::Failed => Some((&self.errors, &durations.failed)),
            EventKind::Panicked => Some((&self.panics, &durations.panicked)),
            EventKind::TimedOut => Some((&self.timeouts, &durations.timed_out)),
            EventKind::Cancelled => Some((&self.cancelled, &durations.cancelled)),
            EventKind::Abandoned => Some((&self.abandoned, &durations.abandoned)),
            EventKind::Released => Some((&self.released, &durations.released)),
            _ => None,
        }
    }
}

impl Durations {
    fn new(group: &SharedString) -> Self {
        let of = |kind: EventKind| histogram!("coflight_flight_duration_seconds", "group" => group.clone(), "outcome" => kind.name());
        Self {
            completed: of(EventKind::Completed),
            failed: of(EventKind::Failed),
            panicked: of(EventKind::Panicked),
            timed_out: of(EventKind::TimedOut),
            cancelled: of(EventKind::Cancelled),
            abandoned: of(EventKind::Abandoned),
            released: of(EventKind::Released),
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}
