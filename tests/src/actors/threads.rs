//! A program on two or three threads.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use coflight::Smol;

use super::accounts::{Totals, check, rests};
use super::actor::{Actor, Stage};
use super::ledger::Ledger;
use super::seen::watch;
use super::terms::{Terms, deal, tame};
use crate::model::asking;
use crate::model::program::Program;

const TICK: Duration = Duration::from_micros(20);

/// Runs a program, dealt to two threads, or to three if its steps are odd. One whose group is `timed` goes without whatever allows two works for a
/// key at a time, so that enough programs are held to that.
///
/// # Errors
///
/// What does not hold.
pub fn run_on_threads(mut program: Program) -> Result<Totals, String> {
    if program.setup.timed {
        tame(&mut program);
    }
    let ledger = Ledger::new(Terms::of(&program));
    let mut group = asking::builder(&program.setup, Smol::global(), TICK);
    let tagged = program.setup.observed;
    if tagged {
        group = group.observer(watch(&ledger));
    }
    let stage = Stage { group: group.build(), ledger, keys: Arc::default(), tick: TICK, tagged };
    thread::scope(|scope| {
        for ops in deal(&program.ops, 2 + program.ops.len() % 2) {
            let actor = Actor::new(stage.clone(), true);
            scope.spawn(|| coflight::blocking::wait(actor.act(ops)));
        }
    });
    if !rests(&stage, Duration::from_secs(10)) {
        return Err(format!("something goes on: {:?}, {:?}", stage.group.stats(), stage.group.in_flight()));
    }
    check(&stage)
}
