//! A program dealt to two or three threads: what must hold however they are scheduled.

#![no_main]

use coflight_tests::actors::run_on_threads;
use coflight_tests::model::program::Program;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|program: Program| {
    if let Err(error) = run_on_threads(program.clone()) {
        panic!("{error}\n{program:?}");
    }
});
