//! Random programs.

use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;

use super::program::{End, Limits, Op, Program, Request, Setup, Verb};

/// Any program, of up to `ops` steps.
pub fn program(ops: usize) -> impl Strategy<Value = Program> {
    (setup(), vec(op(), 1..=ops)).prop_map(|(setup, ops)| Program { setup, ops })
}

fn setup() -> impl Strategy<Value = Setup> {
    let flags = (any::<bool>(), any::<bool>(), weighted(0.1, Just(true)), any::<bool>(), any::<bool>());
    // A group for which nothing was chosen takes other ways; let there be enough of those.
    let chosen = (limits(0.25), flags, 0..3_usize).prop_map(|(limits, flags, retries)| {
        let (timed, observed, detach, judged, linger_failures) = flags;
        Setup { limits, timed, observed, detach: detach.is_some(), judged, linger_failures, retries }
    });
    prop_oneof![1 => Just(Setup::default()), 5 => chosen]
}

fn limits(share: f64) -> impl Strategy<Value = Limits> {
    let ticks = move |most: u32| weighted(share, 0..=most);
    let times = (ticks(8), ticks(4), ticks(8), ticks(4), ticks(5));
    (times, ticks(4), ticks(3)).prop_map(|(times, max_flights, max_callers)| {
        let (timeout, overtake_after, wait_timeout, join_within, linger) = times;
        Limits { timeout, overtake_after, wait_timeout, join_within, linger, max_flights, max_callers }
    })
}

fn overrides() -> impl Strategy<Value = Limits<Option<Option<u32>>>> {
    let some = (limits(0.2), limits(0.2)).prop_map(|(own, none)| {
        // Where both say something, the call asks for no limit.
        let merge = |own: Option<u32>, none: Option<u32>| match (own, none) {
            (Some(_), Some(_)) => Some(None),
            (own, _) => own.map(Some),
        };
        Limits {
            timeout: merge(own.timeout, none.timeout),
            overtake_after: merge(own.overtake_after, none.overtake_after),
            wait_timeout: merge(own.wait_timeout, none.wait_timeout),
            join_within: merge(own.join_within, none.join_within),
            linger: merge(own.linger, none.linger),
            max_flights: merge(own.max_flights, none.max_flights),
            max_callers: merge(own.max_callers, none.max_callers),
        }
    });
    prop_oneof![2 => Just(Limits::default()), 1 => some]
}

fn request() -> impl Strategy<Value = Request> {
    let verb = prop_oneof![Just(Verb::Run), Just(Verb::Relay), Just(Verb::Spawn), Just(Verb::Enter)];
    let key = prop_oneof![5 => Just(0), 2 => Just(1), 1 => Just(2)];
    let flags = (any::<bool>(), weighted(0.2, end()), weighted(0.1, any::<bool>()), any::<bool>());
    (verb, key, flags, overrides()).prop_map(|(verb, key, (fallible, ready, detach, tagged), limits)| Request {
        key,
        verb,
        fallible,
        ready,
        detach,
        limits,
        tagged,
    })
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![3 => Just(End::Value), 3 => Just(End::Failure), 1 => Just(End::Panic)]
}

fn op() -> impl Strategy<Value = Op> {
    let nth = || 0..8_usize;
    let key = || 0..3_u8;
    prop_oneof![
        12 => request().prop_map(Op::Ask),
        16 => nth().prop_map(Op::Poll),
        5 => nth().prop_map(Op::Drop),
        6 => (nth(), end()).prop_map(|(nth, end)| Op::Finish(nth, end)),
        1 => nth().prop_map(Op::Release),
        4 => nth().prop_map(Op::PollTask),
        1 => nth().prop_map(Op::DropTask),
        5 => (1..5_u32).prop_map(Op::Advance),
        1 => key().prop_map(Op::Forget),
        1 => key().prop_map(Op::Cancel),
        1 => prop_oneof![2 => Just(Op::ForgetAll), 2 => Just(Op::CancelAll), 1 => Just(Op::ResetStats)],
        3 => Just(Op::Settle),
    ]
}
