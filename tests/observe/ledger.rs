//! A recorder of metrics that keeps everything, and can be read as often as one likes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};

/// The metrics, by name and labels, as Prometheus would write them.
#[derive(Clone, Default)]
pub struct Ledger(Arc<Mutex<Books>>);

#[derive(Default)]
struct Books {
    counters: BTreeMap<String, Arc<AtomicU64>>,
    gauges: BTreeMap<String, Arc<AtomicU64>>,
    histograms: BTreeMap<String, Arc<Samples>>,
    described: BTreeMap<String, Option<Unit>>,
}

#[derive(Default)]
struct Samples(Mutex<Vec<f64>>);

impl HistogramFn for Samples {
    fn record(&self, value: f64) {
        self.0.lock().unwrap().push(value);
    }
}

impl Ledger {
    /// Runs `make`, whose metrics are kept here.
    pub fn keep<T>(&self, make: impl FnOnce() -> T) -> T {
        metrics::with_local_recorder(self, make)
    }

    pub fn counters(&self) -> BTreeMap<String, u64> {
        let books = self.0.lock().unwrap();
        books.counters.iter().map(|(name, counter)| (name.clone(), counter.load(Ordering::SeqCst))).collect()
    }

    pub fn gauges(&self) -> BTreeMap<String, f64> {
        let books = self.0.lock().unwrap();
        let value = |gauge: &AtomicU64| f64::from_bits(gauge.load(Ordering::SeqCst));
        books.gauges.iter().map(|(name, gauge)| (name.clone(), value(gauge))).collect()
    }

    pub fn histograms(&self) -> BTreeMap<String, Vec<f64>> {
        let books = self.0.lock().unwrap();
        books.histograms.iter().map(|(name, samples)| (name.clone(), samples.0.lock().unwrap().clone())).collect()
    }

    pub fn described(&self) -> BTreeMap<String, Option<Unit>> {
        self.0.lock().unwrap().described.clone()
    }

    fn describe(&self, name: &KeyName, unit: Option<Unit>) {
        self.0.lock().unwrap().described.insert(name.as_str().to_owned(), unit);
    }
}

impl Recorder for Ledger {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn describe_histogram(&self, name: KeyName, unit: Option<Unit>, _: SharedString) {
        self.describe(&name, unit);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(Arc::clone(self.0.lock().unwrap().counters.entry(written(key)).or_default()))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::clone(self.0.lock().unwrap().gauges.entry(written(key)).or_default()))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(Arc::clone(self.0.lock().unwrap().histograms.entry(written(key)).or_default()))
    }
}

fn written(key: &Key) -> String {
    let labels: Vec<_> = key.labels().map(|label| format!("{}={:?}", label.key(), label.value())).collect();
    format!("{}{{{}}}", key.name(), labels.join(","))
}
