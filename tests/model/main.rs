//! Programs of joins, leaves, limits, panics, … on a model and on a group: what can be seen of both is the same after every step.

use coflight_tests::model::program::{End, Limits, Op, Program, Request, Setup, Verb};
use coflight_tests::model::{check, plain_check, strategy};
use coflight_tests::with_deadline;
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};

/// Promises 1 to 9, 12 to 16 and 18.
#[test]
fn a_group_does_what_the_model_does() {
    all(3000, check::run);
}

/// Promises 1 to 4, 6, 7, 9, 12 and 13.
#[test]
fn a_group_does_what_a_hundred_lines_say() {
    all(1500, plain_check::run);
}

/// So neither of the two says something else.
#[test]
fn the_model_does_what_a_hundred_lines_say() {
    all(1000, plain_check::run_reference);
}

/// Runs so many random programs.
fn all(cases: u32, run: fn(&Program) -> Result<(), String>) {
    let chosen = Config::default();
    // `PROPTEST_CASES` says otherwise.
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { chosen.cases } else { cases };
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 20_000, ..chosen };
    let result = TestRunner::new(config).run(&strategy::program(60), |program| {
        let checked = with_deadline("a program", move || run(&program));
        checked.map_err(TestCaseError::fail)
    });
    match result {
        Ok(()) => {}
        Err(TestError::Fail(error, program)) => panic!("{error}\n{program:?}"),
        Err(error) => panic!("{error}"),
    }
}

/// Promise 15.
#[test]
fn a_forgotten_flight_counts_for_the_limit_of_a_call() {
    let limits = Limits { max_flights: Some(Some(1)), ..Limits::default() };
    let limited = Request { limits, ..Request::new(Verb::Run, 1) };
    let ops = [Op::Ask(Request::new(Verb::Run, 0)), Op::Poll(0), Op::Forget(0), Op::Ask(limited), Op::Poll(1)];
    passes(Setup::default(), &ops);
}

/// Promise 16: being observed does not make a flight known to be young.
#[test]
fn an_observer_is_no_clock() {
    let limits = Limits { join_within: Some(Some(1)), ..Limits::default() };
    let late = Request { limits, ..Request::new(Verb::Run, 0) };
    let ops = [Op::Ask(Request::new(Verb::Run, 0)), Op::Poll(0), Op::Ask(late), Op::Poll(1)];
    passes(Setup { observed: true, ..Setup::default() }, &ops);
}

/// Promise 9: the leader did not start the work that panicked beside its own, and the overtaker did.
#[test]
fn only_the_overtaker_unwinds_with_its_panic() {
    let panics = Request { ready: Some(End::Panic), ..Request::new(Verb::Spawn, 0) };
    let (leads, overtakes) = ([Op::Ask(Request::new(Verb::Spawn, 0)), Op::Poll(0)], [Op::Ask(panics), Op::Poll(1)]);
    passes(overtaken(), &[leads, overtakes, [Op::PollTask(1), Op::Poll(0)]].concat());
}

/// Promise 13.
#[test]
fn an_overtaker_cannot_release_a_cancelled_flight() {
    let leads = [Op::Ask(Request::new(Verb::Run, 0)), Op::Poll(0)];
    let overtakes = [Op::Ask(Request::new(Verb::Enter, 0)), Op::Poll(1)];
    passes(overtaken(), &[leads, overtakes, [Op::Cancel(0), Op::Release(0)]].concat());
}

/// Promise 14: who is released goes alone, and so does a replaced overtaker, which has what its work came to.
#[test]
fn an_overtaker_that_was_replaced_and_released_has_its_own_value() {
    let ask = Op::Ask(Request::new(Verb::Enter, 0));
    let limits = Limits { overtake_after: Some(0), ..Limits::default() };
    let setup = Setup { limits, ..Setup::default() };
    passes(setup, &[ask, ask, ask, Op::Settle, Op::Release(0), Op::Finish(0, End::Value)]);
}

/// Promise 18: a retry is one only if somebody is there to try.
#[test]
fn the_failure_of_an_overtaker_who_is_left_alone_is_the_flights() {
    let leads = [Op::Ask(Request::new(Verb::Run, 0)), Op::Poll(0)];
    let overtakes = [Op::Ask(Request::new(Verb::Run, 0)), Op::Poll(1)];
    let alone = [Op::Drop(0), Op::Finish(0, End::Failure)];
    passes(Setup { judged: true, retries: 1, ..overtaken() }, &[leads, overtakes, alone].concat());
}

/// Promise 8: never more than two works count, and whoever runs the second is told when the first has a result.
#[test]
fn the_work_of_an_overtaker_that_was_too_slow_does_not_count() {
    let leads = [Op::Ask(Request::new(Verb::Enter, 0)), Op::Poll(0)];
    let overtakes = [Op::Ask(Request::new(Verb::Enter, 0)), Op::Poll(1)];
    let replaces = [Op::Ask(Request::new(Verb::Run, 0)), Op::Poll(2)];
    // Third among the works, after that of the last caller, and the leader's.
    passes(overtaken(), &[leads, overtakes, replaces, [Op::Finish(2, End::Value), Op::Settle]].concat());
}

/// Promise 14.
#[test]
fn an_overtaker_that_was_released_has_no_more_time() {
    let limits = Limits { timeout: Some(Some(1)), ..Limits::default() };
    let leads = [Op::Ask(Request { limits, ..Request::new(Verb::Enter, 0) }), Op::Poll(0)];
    let overtakes = [Op::Ask(Request::new(Verb::Enter, 0)), Op::Poll(1)];
    let late = [Op::Advance(1), Op::Poll(0)];
    let ops = [leads, overtakes, [Op::Release(0), Op::Settle], late, [Op::Finish(0, End::Value), Op::Settle]].concat();
    passes(overtaken(), &ops);
}

/// A group in which followers wait for nobody.
fn overtaken() -> Setup {
    Setup { limits: Limits { overtake_after: Some(0), ..Limits::default() }, ..Setup::default() }
}

#[track_caller]
fn passes(setup: Setup, ops: &[Op]) {
    let program = Program { setup, ops: ops.to_vec() };
    if let Err(error) = check::run(&program) {
        panic!("{error}\n{program:?}");
    }
}
