//! A remote API that allows ten calls a second, simulated: nobody's real one should be stampeded by an example.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::backend::{Backend, Failure};
use crate::database::{Database, Rows};
use crate::home::Home;

const CALLS_A_SECOND: usize = 10;
/// The way there and back, for an answer as for a refusal.
const ROUND_TRIP: Duration = Duration::from_millis(50);

/// The API. It knows the answers; what is scarce is the right to ask.
pub struct Api {
    answers: Arc<Database>,
    window: Mutex<Window>,
    calls: AtomicUsize,
}

/// The second that is running, from the first call in it.
struct Window {
    start: Option<Instant>,
    calls: usize,
}

impl Api {
    pub fn new(answers: Arc<Database>) -> Self {
        let window = Window { start: None, calls: 0 };
        Self { answers, window: Mutex::new(window), calls: AtomicUsize::new(0) }
    }

    fn answer(&self, shop: u32) -> Result<Rows, Failure> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        if window.admits(Instant::now()) { Ok(self.answers.expected(shop)) } else { Err(Failure::TooManyRequests) }
    }
}

impl Window {
    fn admits(&mut self, now: Instant) -> bool {
        if self.start.is_none_or(|start| now.duration_since(start) >= Duration::from_secs(1)) {
            *self = Self { start: Some(now), calls: 0 };
        }
        self.calls += 1;
        self.calls <= CALLS_A_SECOND
    }
}

impl Backend for Api {
    async fn fetch<H: Home>(self: Arc<Self>, home: H, shop: u32) -> Result<Rows, Failure> {
        let answer = self.answer(shop);
        home.sleep(ROUND_TRIP).await;
        answer
    }

    fn fetch_blocking(&self, shop: u32) -> Result<Rows, Failure> {
        let answer = self.answer(shop);
        thread::sleep(ROUND_TRIP);
        answer
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }
}
