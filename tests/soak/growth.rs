//! Whether memory grows.

use coflight_tests::live_bytes;

/// So many rounds are looked at together, for the one that left the least: runtimes keep caches, and free what they were given, and what was
/// theirs when they were shut down, a little later, so one round says nothing.
const SPAN: usize = 30;
/// A byte that each call leaves behind shows within seconds.
const SLACK: isize = 32 * 1024;

pub struct Growth {
    rounds: usize,
    /// The least there was after a round of the second span. In the first, runtimes still fill their caches.
    first: isize,
    /// After the last rounds, each in its place round and round: this must not grow itself.
    last: [isize; SPAN],
}

impl Growth {
    pub fn new() -> Self {
        Self { rounds: 0, first: isize::MAX, last: [0; SPAN] }
    }

    /// After a round.
    pub fn look(&mut self) {
        let live = live_bytes();
        if (SPAN..2 * SPAN).contains(&self.rounds) {
            self.first = self.first.min(live);
        }
        self.last[self.rounds % SPAN] = live;
        self.rounds += 1;
    }

    /// # Errors
    ///
    /// How much more there is in the end than after the first rounds. With `SOAK_MUST_COMPARE`, also that there were too few rounds to say, which
    /// is all there can be where everything is slow.
    pub fn check(&self) -> Result<(), String> {
        let Self { rounds, first, last } = self;
        if *rounds < 3 * SPAN {
            println!("live bytes: too few rounds to compare");
            let must = std::env::var_os("SOAK_MUST_COMPARE").is_some();
            return if must { Err(format!("only {rounds} rounds; {} are needed", 3 * SPAN)) } else { Ok(()) };
        }
        let least = last.iter().min().expect("some rounds");
        println!("live bytes: at least {first} in the rounds from {SPAN} to {}, {least} in the last {SPAN}", 2 * SPAN);
        if *least <= first + SLACK { Ok(()) } else { Err(format!("memory grows: {} bytes more", least - first)) }
    }
}
