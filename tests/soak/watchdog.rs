//! Ends a soak that waits for something that has no limit of its own, and says for what.

use std::process::exit;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// Far longer than anything takes that has a limit.
const LIMIT: Duration = Duration::from_secs(120);

pub struct Watchdog(Sender<News>);

enum News {
    Begins(u64),
    WaitsFor(&'static str),
}

impl Watchdog {
    pub fn start(seed: u64) -> Self {
        let (news, told) = channel();
        thread::spawn(move || {
            let (mut round, mut what) = (0, "the first round");
            loop {
                match told.recv_timeout(LIMIT) {
                    Ok(News::Begins(number)) => (round, what) = (number, "its actors to be started"),
                    Ok(News::WaitsFor(next)) => what = next,
                    Err(RecvTimeoutError::Disconnected) => return,
                    Err(RecvTimeoutError::Timeout) => {
                        println!(
                            "somebody hangs: for {LIMIT:?} this waits for {what}\nin round {round} of seed {seed}"
                        );
                        exit(1);
                    }
                }
            }
        });
        Self(news)
    }

    pub fn begins(&self, round: u64) {
        self.tell(News::Begins(round));
    }

    pub fn waits_for(&self, what: &'static str) {
        self.tell(News::WaitsFor(what));
    }

    fn tell(&self, news: News) {
        // Its thread ends with the process.
        let _ = self.0.send(news);
    }
}
