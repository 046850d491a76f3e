//! Whether memory grows.

use coflight_tests::live_bytes;

/// Until then runtimes still fill their caches.
const WARM_UP: usize = 30;
/// As many rounds are looked at in the end, for the one that left the least.
const LAST: usize = 30;
/// A byte that each call leaves behind shows within seconds.
const SLACK: isize = 16 * 1024;

/// Runtimes keep caches, and free what they were given a little later, so one round says nothing. The least of the last rounds does.
pub struct Growth {
    rounds: usize,
    /// The most there was after a round of the warm-up.
    most: isize,
    /// After the last rounds, each in its place round and round: this must not grow itself.
    last: [isize; LAST],
}

impl Growth {
    pub fn new() -> Self {
        Self { rounds: 0, most: 0, last: [0; LAST] }
    }

    /// After a round.
    pub fn look(&mut self) {
        let live = live_bytes();
        if self.rounds < WARM_UP {
            self.most = self.most.max(live);
        }
        self.last[self.rounds % LAST] = live;
        self.rounds += 1;
    }

    /// # Errors
    ///
    /// How much more there is than after the first rounds.
    pub fn check(&self) -> Result<(), String> {
        let Self { rounds, most, last } = self;
        if *rounds < WARM_UP + LAST {
            println!("too few rounds to see whether memory grows");
            return Ok(());
        }
        let least = last.iter().min().expect("some rounds");
        println!("live bytes: at most {most} in the first {WARM_UP} rounds, at least {least} in the last {LAST}");
        if *least <= most + SLACK { Ok(()) } else { Err(format!("memory grows: {} bytes more", least - most)) }
    }
}
