//! The group does what the reference model does, limits, windows and all.

#![no_main]

use coflight_tests::model::check;
use coflight_tests::model::program::Program;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|program: Program| {
    if let Err(error) = check::run(&program) {
        panic!("{error}\n{program:?}");
    }
});
