//! The group does what the hundred lines of the plain model say.

#![no_main]

use coflight_tests::model::plain_check;
use coflight_tests::model::program::Program;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|program: Program| {
    if let Err(error) = plain_check::run(&program) {
        panic!("{error}\n{program:?}");
    }
});
