//! What happened, in one round of actors.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use coflight::{Role, Stats};

use super::seen::Seen;
use super::terms::Terms;
use super::work::Work;
use crate::model::program::Request;
use crate::model::reference::Answer;

pub const KEYS: usize = 3;

pub struct Ledger {
    pub terms: Terms,
    clock: AtomicU64,
    ids: AtomicUsize,
    /// By key: how many works are being run, and which was begun last.
    running: [AtomicUsize; KEYS],
    latest: [AtomicUsize; KEYS],
    pub forgotten: AtomicUsize,
    pub cancelled: AtomicUsize,
    pub wrong: Mutex<Vec<String>>,
    pub calls: Mutex<Vec<Call>>,
    /// Accounts that were closed.
    pub counted: Mutex<Vec<Stats>>,
    pub events: Mutex<Vec<Seen>>,
    present: Mutex<usize>,
    gone: Condvar,
}

/// A call that is over.
pub struct Call {
    pub request: Request,
    pub work: Arc<Work>,
    /// When it asked, if it did.
    pub asked: Option<u64>,
    /// When it was answered; or it was dropped.
    pub answer: Option<(u64, Answer)>,
    pub role: Option<Role>,
    /// It came to lead, by `enter`.
    pub led: bool,
}

impl Ledger {
    pub fn new(terms: Terms) -> Arc<Self> {
        let (clock, ids, running, latest) = Default::default();
        let (forgotten, cancelled, wrong, calls, counted, events) = Default::default();
        let (present, gone) = Default::default();
        Arc::new(Self {
            terms,
            clock,
            ids,
            running,
            latest,
            forgotten,
            cancelled,
            wrong,
            calls,
            counted,
            events,
            present,
            gone,
        })
    }

    /// Later than everything before.
    pub fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    pub fn id(&self) -> usize {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    /// How many calls there were.
    pub fn made(&self) -> usize {
        self.ids.load(Ordering::SeqCst)
    }

    pub fn wrong(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    pub fn begins(&self, key: u8, work: usize) {
        self.latest[usize::from(key)].store(work, Ordering::SeqCst);
    }

    pub fn runs(&self, key: u8, work: usize) {
        let (at, strict) = (usize::from(key), self.terms.strict);
        if self.running[at].fetch_add(1, Ordering::SeqCst) > 0 && strict {
            self.wrong(format!("work {work} runs at the same time as another for key {key}"));
        }
        let latest = self.latest[at].load(Ordering::SeqCst);
        if latest != work && strict {
            self.wrong(format!("work {work} for key {key} goes on although {latest} was begun"));
        }
    }

    pub fn rests(&self, key: u8) {
        self.running[usize::from(key)].fetch_sub(1, Ordering::SeqCst);
    }

    /// An actor comes.
    pub fn comes(&self) {
        *self.present.lock().unwrap() += 1;
    }

    /// An actor goes, and everything that was its.
    pub fn goes(&self) {
        *self.present.lock().unwrap() -= 1;
        self.gone.notify_all();
    }

    /// Waits until all actors have gone. How many have not when `limit` is over.
    pub fn wait(&self, limit: Duration) -> usize {
        let until = Instant::now() + limit;
        let mut present = self.present.lock().unwrap();
        while *present > 0 && Instant::now() < until {
            present = self.gone.wait_timeout(present, until.saturating_duration_since(Instant::now())).unwrap().0;
        }
        *present
    }
}
