//! Results that are served for a while after they were ready, and what frees them.
//!
//! A flight whose result lingers stays listed. One task of the runtime, started when the first result lingers and finished when the last has gone,
//! takes each out when its time is over. If the runtime drops that task, every result goes at once: nothing may stay that nobody
//! would free.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use crate::flight::FlightRef;
use crate::runtime::Runtime;
use crate::sync::{Arc, Lock};
use crate::table::Table;
use crate::time::{self, Alarm, Time};
use crate::waker_slot::{Taken, WakerSlot};

/// Where a result is in the queue: the moment until which it lingers, and a number.
pub(crate) type Place = (Duration, usize);

/// The results that linger in a group.
pub(crate) struct Lingering<K, V> {
    time: Arc<dyn Time>,
    start: Arc<dyn Start<K, V>>,
    table: Table<K, V>,
    queue: Lock<Queue<K, V>>,
    sweeper: WakerSlot,
}

struct Queue<K, V> {
    flights: BTreeMap<Place, FlightRef<K, V>>,
    next: usize,
    swept: bool,
    closed: bool,
}

impl<K, V> Queue<K, V> {
    /// A map that was emptied keeps memory; a new one has none.
    fn free(&mut self) {
        if self.flights.is_empty() {
            self.flights = BTreeMap::new();
        }
    }
}

/// Starts the task that takes results out. Made where the types are known to allow that.
pub(crate) trait Start<K, V>: Send + Sync {
    fn start(&self, sweeper: Sweeper<K, V>);
}

/// Starts it on a runtime.
struct OnRuntime<R>(R);

impl<K, V, R> Start<K, V> for OnRuntime<R>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
    R: Runtime,
{
    fn start(&self, sweeper: Sweeper<K, V>) {
        self.0.spawn(sweeper);
    }
}

/// A way to start sweepers on `runtime`.
pub(crate) fn on<K, V, R>(runtime: &R) -> Arc<dyn Start<K, V>>
where
    K: Send + Sync + 'static,
    V: Send + Sync + 'static,
    R: Runtime,
{
    let boxed: Box<dyn Start<K, V>> = Box::new(OnRuntime(runtime.clone()));
    Arc::from(boxed)
}

impl<K, V> Lingering<K, V> {
    pub(crate) fn new(time: Arc<dyn Time>, start: Arc<dyn Start<K, V>>, table: Table<K, V>) -> Self {
        let queue = Queue { flights: BTreeMap::new(), next: 0, swept: false, closed: false };
        Self { time, start, table, queue: Lock::new(queue), sweeper: WakerSlot::new() }
    }

    /// The time, if the clock does not panic: whoever lands must go on.
    pub(crate) fn read(&self) -> Option<Duration> {
        time::read(&*self.time)
    }

    /// Keeps a flight that has landed, and is listed, until then.
    pub(crate) fn keep(this: &Arc<Self>, flight: &FlightRef<K, V>, until: Duration) {
        let new = flight.clone();
        let start = this.queue.with(|queue| {
            queue.next = queue.next.wrapping_add(1);
            let place = (until, queue.next);
            flight.set_linger_place(Some(place));
            queue.flights.insert(place, new);
            !core::mem::replace(&mut queue.swept, true)
        });
        if start {
            let sweeper = Sweeper { lingering: Arc::clone(this), alarm: Alarm::default(), finished: false };
            this.start.start(sweeper);
        } else {
            // It may be waiting for a later one.
            this.sweeper.wake();
        }
        // Taken out of the table before it was in the queue, or the group is gone.
        if flight.state.load().is_forgotten() || this.queue.with(|queue| queue.closed) {
            this.end(flight);
        }
    }

    /// Ends the lingering of one flight before its time.
    pub(crate) fn end(&self, flight: &FlightRef<K, V>) {
        self.table.remove(flight);
        let _dropped_unlocked = self.queue.with(|queue| {
            let place = flight.set_linger_place(None)?;
            let removed = queue.flights.remove(&place);
            queue.free();
            removed
        });
    }

    /// The group is gone, and what lingers goes with it.
    pub(crate) fn close(&self) {
        let all = self.queue.with(|queue| {
            queue.closed = true;
            core::mem::take(&mut queue.flights)
        });
        self.unlist(all.into_values().collect());
        self.sweeper.wake();
    }

    fn end_all(&self) {
        let (all, _waker) = self.queue.with(|queue| (core::mem::take(&mut queue.flights), self.dismiss_sweeper(queue)));
        self.unlist(all.into_values().collect());
    }

    /// The sweeper is done. Its waker is taken while no next one can have been started, which would put its own in the same place.
    fn dismiss_sweeper(&self, queue: &mut Queue<K, V>) -> Taken {
        queue.swept = false;
        self.sweeper.take()
    }

    fn unlist(&self, flights: Vec<FlightRef<K, V>>) {
        for flight in flights {
            // Whoever found it a moment ago is not to be served any more.
            flight.state.forgotten();
            self.table.remove(&flight);
            crate::panics::contain(|| drop(flight));
        }
    }

    /// Ends what has lingered long enough. Returns when to come again, if anything is left.
    fn sweep(&self) -> Option<Duration> {
        let now = self.time.now();
        let (over, next, _waker) = self.queue.with(|queue| {
            let later = queue.flights.split_off(&(now.saturating_add(Duration::from_nanos(1)), 0));
            let over = core::mem::replace(&mut queue.flights, later);
            queue.free();
            let next = queue.flights.keys().next().map(|place| place.0);
            let waker = next.is_none().then(|| self.dismiss_sweeper(queue));
            (over, next, waker)
        });
        self.unlist(over.into_values().collect());
        next
    }
}

/// The task that takes results out when their time is over.
pub(crate) struct Sweeper<K, V> {
    lingering: Arc<Lingering<K, V>>,
    alarm: Alarm,
    finished: bool,
}

impl<K, V> Future for Sweeper<K, V> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        this.lingering.sweeper.register(cx.waker());
        while let Some(next) = this.lingering.sweep() {
            if !this.alarm.rang(&*this.lingering.time, next, cx) {
                if this.alarm.is_broken() {
                    // Nobody would come again.
                    this.lingering.end_all();
                    break;
                }
                return Poll::Pending;
            }
        }
        this.finished = true;
        Poll::Ready(())
    }
}

impl<K, V> Unpin for Sweeper<K, V> {}

impl<K, V> Drop for Sweeper<K, V> {
    fn drop(&mut self) {
        if !self.finished {
            // Its runtime dropped it, and nobody else will do its work.
            self.lingering.end_all();
        }
    }
}
