//! What is shown, as it was at a moment. Taken once a second by one task, for all who look, and only while somebody does.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use coflight_core::{FlightState, Overview, Stats, registry};
use serde::Serialize;
use tokio::sync::watch;

use crate::notable::{Notable, Shown};

const EVERY: Duration = Duration::from_secs(1);
/// Flights that are listed one by one; of more, the oldest.
const LISTED: usize = 200;
/// How many may look at a time.
const VIEWERS: usize = 64;

pub(crate) struct Sampler {
    notable: Arc<Notable>,
    /// To those who look; none if the task is not running.
    samples: Mutex<Option<Samples>>,
}

type Samples = watch::Sender<Arc<str>>;

#[derive(Serialize)]
struct Sample {
    groups: Vec<GroupSample>,
    flights: Vec<FlightSample>,
    flights_in_all: usize,
    slowest: Vec<Shown>,
    errors: Vec<Shown>,
}

#[derive(Serialize)]
struct GroupSample {
    name: String,
    led: u64,
    joined: u64,
    lingered: u64,
    saved: u64,
    errors: u64,
    in_flight: u64,
    waiting: u64,
}

#[derive(Serialize)]
struct FlightSample {
    group: String,
    key: String,
    age_ms: Option<f64>,
    callers: usize,
    verb: &'static str,
    state: &'static str,
}

impl Sampler {
    pub(crate) fn new(notable: Arc<Notable>) -> Self {
        Self { notable, samples: Mutex::new(None) }
    }

    /// The samples from now on, the first at once. None: too many look already.
    pub(crate) fn watch(self: &Arc<Self>) -> Option<watch::Receiver<Arc<str>>> {
        if let Some(joined) = join(&self.lock()) {
            return joined;
        }
        // Users' own ways to show keys run before the lock.
        let first = self.take();
        let mut samples = self.lock();
        if let Some(joined) = join(&samples) {
            // Somebody else came meanwhile.
            return joined;
        }
        let sender = watch::Sender::new(first);
        let mut receiver = sender.subscribe();
        receiver.mark_changed();
        *samples = Some(sender.clone());
        tokio::spawn(Arc::clone(self).run(sender.clone(), sender.subscribe()));
        Some(receiver)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Samples>> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `alive` says, by being there, that this task is.
    async fn run(self: Arc<Self>, sender: Samples, alive: watch::Receiver<Arc<str>>) {
        loop {
            tokio::time::sleep(EVERY).await;
            {
                let mut samples = self.lock();
                if sender.receiver_count() <= 1 {
                    // Under the lock, so that nobody comes and finds it running.
                    *samples = None;
                    drop(alive);
                    return;
                }
            }
            let sample = self.take();
            sender.send_replace(sample);
        }
    }

    fn take(&self) -> Arc<str> {
        let (slowest, errors) = self.notable.shown();
        let sample = Sample { slowest, errors, ..Sample::of(registry::overview()) };
        serde_json::to_string(&sample).unwrap_or_default().into()
    }
}

/// Looks with the others, if there is a task that samples for them; not if they are too many.
fn join(samples: &Option<Samples>) -> Option<Option<watch::Receiver<Arc<str>>>> {
    // A sender whose task is gone, with the runtime that it ran on, is of no use.
    let running = samples.as_ref().filter(|sender| sender.receiver_count() > 0)?;
    // One of them is the task's own.
    Some((running.receiver_count() <= VIEWERS).then(|| {
        let mut receiver = running.subscribe();
        receiver.mark_changed();
        receiver
    }))
}

impl Sample {
    fn of(overview: Overview) -> Self {
        let mut groups = Vec::new();
        let mut flights = Vec::new();
        for group in overview.groups {
            groups.push(GroupSample::of(group.name.clone(), &group.stats));
            flights.extend(group.in_flight.into_iter().map(|flight| FlightSample {
                group: group.name.clone(),
                key: flight.key,
                age_ms: flight.age.map(|age| age.as_secs_f64() * 1000.0),
                callers: flight.callers,
                verb: flight.verb.name(),
                state: state(flight.state, flight.listed),
            }));
        }
        let flights_in_all = flights.len();
        flights.sort_by(|a, b| b.age_ms.unwrap_or(0.0).total_cmp(&a.age_ms.unwrap_or(0.0)));
        flights.truncate(LISTED);
        Self { groups, flights, flights_in_all, slowest: Vec::new(), errors: Vec::new() }
    }
}

impl GroupSample {
    fn of(name: String, stats: &Stats) -> Self {
        let again = stats.alone + stats.overtakes + stats.retries;
        Self {
            name,
            led: stats.led,
            joined: stats.joined,
            lingered: stats.lingered,
            // Calls that cost no execution of their own after all.
            saved: stats.hits().saturating_sub(again),
            errors: stats.failed + stats.panicked + stats.timed_out + stats.refused,
            in_flight: stats.in_flight,
            waiting: stats.waiting,
        }
    }
}

fn state(state: FlightState, listed: bool) -> &'static str {
    match state {
        FlightState::Overtaken => "overtaken",
        FlightState::Vacant => "vacant",
        _ if !listed => "closed",
        _ => "running",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_is_what_cost_no_execution() {
        let mut stats = Stats::default();
        (stats.joined, stats.lingered, stats.alone, stats.overtakes, stats.retries) = (100, 50, 1, 2, 4);
        (stats.failed, stats.panicked, stats.timed_out, stats.refused) = (1, 2, 4, 8);
        let shown = GroupSample::of("group".to_owned(), &stats);
        assert_eq!((shown.saved, shown.errors), (143, 15));
        stats.alone = 1000;
        assert_eq!(GroupSample::of("group".to_owned(), &stats).saved, 0);
    }

    #[test]
    fn states_have_names() {
        let states =
            [FlightState::Running, FlightState::Overtaken, FlightState::Vacant].map(|which| state(which, true));
        assert_eq!(states, ["running", "overtaken", "vacant"]);
        assert_eq!((state(FlightState::Running, false), state(FlightState::Vacant, false)), ("closed", "vacant"));
    }
}
