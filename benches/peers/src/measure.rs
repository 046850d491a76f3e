//! Runs the cases of a scenario by turns, so that whatever disturbs the machine disturbs all of them.

use std::time::Duration;

use crate::allocator::{self, Allocated};
use crate::scenarios::{Calls, Case, Scenario};
use crate::subjects::Kind;

/// For how long a run should take, where that can be chosen.
const RUN: Duration = Duration::from_millis(20);

/// What one subject came to in one scenario.
pub(crate) struct Measured {
    pub(crate) scenario: String,
    pub(crate) subject: &'static str,
    pub(crate) kind: Kind,
    /// Nanoseconds a call, of each round, in ascending order.
    pub(crate) rounds: Vec<f64>,
    /// Allocations a call.
    pub(crate) allocs: f64,
    /// Bytes a caller, when the most callers are there.
    pub(crate) bytes: f64,
    /// How often a caller is polled.
    pub(crate) polls: Option<f64>,
}

impl Measured {
    /// Nanoseconds a call: the median.
    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// Between which values the middle half of the rounds lies.
    pub(crate) fn spread(&self) -> [f64; 2] {
        [self.quantile(0.25), self.quantile(0.75)]
    }

    fn quantile(&self, share: f64) -> f64 {
        self.rounds[((self.rounds.len() - 1) as f64 * share).round() as usize]
    }
}

/// The subjects of one scenario, side by side.
pub(crate) fn measure(scenario: Scenario) -> Vec<Measured> {
    let Scenario { mut cases, rounds } = scenario;
    let calls: Vec<usize> = cases.iter_mut().map(warm_up).collect();
    let mut times = vec![Vec::with_capacity(rounds); cases.len()];
    for round in 0..rounds {
        for turn in 0..cases.len() {
            // Everyone follows everyone else.
            let nth = (turn + round) % cases.len();
            let took = (cases[nth].run)(calls[nth]);
            times[nth].push(took.as_nanos() as f64 / calls[nth] as f64);
        }
    }
    cases.into_iter().zip(times).map(|(case, times)| finish(case, times)).collect()
}

/// How many calls a run is to make; and makes some.
fn warm_up(case: &mut Case) -> usize {
    match case.calls {
        Calls::Fixed(calls) => {
            (case.run)(calls);
            calls
        }
        Calls::Timed => {
            let mut calls = 256;
            loop {
                let took = (case.run)(calls);
                if took >= RUN / 4 {
                    let wanted = calls as f64 * RUN.as_secs_f64() / took.as_secs_f64();
                    return (wanted as usize).max(256);
                }
                calls *= 4;
            }
        }
    }
}

fn finish(mut case: Case, mut rounds: Vec<f64>) -> Measured {
    rounds.sort_by(f64::total_cmp);
    let calls = match case.calls {
        Calls::Fixed(calls) => calls,
        Calls::Timed => 4096,
    };
    let Allocated { times, bytes } = allocator::count(|| {
        (case.run)(calls);
    });
    Measured {
        allocs: times as f64 / calls as f64,
        bytes: bytes as f64 / case.at_once as f64,
        polls: case.polls.map(|polls| polls() as f64 / calls as f64),
        scenario: case.scenario,
        subject: case.subject,
        kind: case.kind,
        rounds,
    }
}
