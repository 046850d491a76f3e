//! One round: a program, dealt to actors on every runtime, and what befalls them.

use std::fmt::{Debug, Formatter};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use coflight_tests::actors::{Actor, Ledger, Stage, Terms, Totals, check, deal, rests, tame, watch};
use coflight_tests::model::asking;
use coflight_tests::model::program::{Op, Program};
use coflight_tests::model::strategy;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::places::{self, PLACES, Place, Places};
use crate::watchdog::Watchdog;

/// Far longer than any round takes.
const DEADLINE: Duration = Duration::from_secs(20);
const TICK: Duration = Duration::from_micros(100);
const ACTORS: usize = 16;

pub struct Round {
    program: Program,
    /// Nothing is used that allows two works for a key at a time.
    tame: bool,
    /// No limits at all.
    bare: bool,
    /// The group's runtime.
    on: Place,
    /// A tokio runtime of the round, on which a quarter of the actors are, is shut down after so many ticks.
    shut_down: Option<u32>,
    /// So many ticks after the one before, this actor is aborted.
    aborts: Vec<(u32, usize)>,
}

impl Round {
    pub fn new(seed: u64, number: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&number.to_le_bytes());
        let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), random);
        let place = (0..PLACES.len()).prop_map(|at| PLACES[at]);
        let shut_down = proptest::option::weighted(0.25, 0..30_u32);
        let aborts = prop_oneof![Just(Vec::new()), proptest::collection::vec((0..10_u32, 0..ACTORS), 1..6)];
        let round = (strategy::program(600), any::<bool>(), any::<bool>(), place, shut_down, aborts);
        let tree = round.new_tree(&mut runner).expect("nothing is filtered");
        let (mut program, is_tame, bare, on, shut_down, mut aborts) = tree.current();
        if bare {
            program.setup.limits = Default::default();
            for op in &mut program.ops {
                if let Op::Ask(request) = op {
                    request.limits = Default::default();
                }
            }
        }
        if is_tame {
            tame(&mut program);
        }
        // An actor is aborted once.
        let mut aborted = [false; ACTORS];
        aborts.retain(|(_, actor)| !std::mem::replace(&mut aborted[*actor], true));
        Self { program, tame: is_tame, bare, on, shut_down, aborts }
    }

    /// # Errors
    ///
    /// What did not hold.
    pub fn run(&self, places: &Places, watchdog: &Watchdog) -> Result<Totals, String> {
        let own = self.shut_down.map(|_| places::tokio());
        let tokio = own.as_ref().map_or(places.tokio(), |tokio| tokio.handle()).clone();
        let terms = Terms::of(&self.program);
        let ledger = Ledger::new(Terms { lost: terms.lost || self.shuts_down(), ..terms });
        let mut group = asking::builder(&self.program.setup, self.on.runtime(&tokio), TICK);
        let tagged = self.program.setup.observed;
        if tagged {
            group = group.observer(watch(&ledger));
        }
        let stage = Stage { group: group.build(), ledger, keys: Arc::default(), tick: TICK, tagged };
        let mut tasks: Vec<_> = deal(&self.program.ops, ACTORS)
            .into_iter()
            .zip(PLACES.into_iter().cycle())
            .map(|(ops, place)| Some(place.start(&tokio, Actor::new(stage.clone(), place == Place::Thread).act(ops))))
            .collect();
        watchdog.waits_for("an aborted actor to be dropped where it stands");
        for (after, actor) in &self.aborts {
            thread::sleep(TICK * *after);
            tasks[*actor].take().into_iter().for_each(places::Task::abort);
        }
        tasks.into_iter().flatten().for_each(places::Task::detach);
        watchdog.waits_for("a runtime to shut down");
        if let (Some(tokio), Some(after)) = (own, self.shut_down) {
            thread::sleep(TICK * after);
            tokio.shutdown_timeout(DEADLINE);
        }
        watchdog.waits_for("the actors, and what they left behind, to come to an end");
        let left = stage.ledger.wait(DEADLINE);
        if left > 0 || !rests(&stage, DEADLINE) {
            let (stats, flights) = (stage.group.stats(), stage.group.in_flight());
            return Err(format!("somebody hangs: {left} actors are left, {stats:?}, {flights:?}"));
        }
        check(&stage)
    }

    pub fn aborts(&self) -> usize {
        self.aborts.len()
    }

    pub fn shuts_down(&self) -> bool {
        self.shut_down.is_some()
    }
}

impl Debug for Round {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { program, tame, bare, on, shut_down, aborts } = self;
        writeln!(f, "tame: {tame}, bare: {bare}, on: {on:?}, shut_down: {shut_down:?}, aborts: {aborts:?}")?;
        write!(f, "{program:?}")
    }
}
