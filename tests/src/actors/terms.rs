//! What a program allows, and who does what of it.

use crate::model::program::{Limits, Op, Program, Request};

/// What may be seen, by what the program asks for.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Never two works for a key at a time: nothing is used that allows it.
    pub strict: bool,
    /// Everybody who gets a result of a flight gets the same.
    pub one_result: bool,
    pub lingers: bool,
    pub limited: bool,
    pub full: bool,
    /// A key may have several flights at a time, all in the table.
    pub apart: bool,
    pub overtaken: bool,
    pub released: bool,
    pub retried: bool,
    /// A work may be lost: its runtime was shut down; or it was overtaken, and whoever overtook it left.
    pub lost: bool,
}

impl Terms {
    pub fn of(program: &Program) -> Self {
        let any = |of: fn(&Limits<bool>) -> bool| {
            let asks = program.ops.iter().filter_map(|op| if let Op::Ask(request) = op { Some(request) } else { None });
            of(&program.setup.limits.map(|limit| limit.is_some()))
                || asks.map(|request| request.limits.map(|limit| limit.is_some())).any(|limits| of(&limits))
        };
        let (apart, overtaken) =
            (any(|limits| limits.max_callers || limits.join_within), any(|limits| limits.overtake_after));
        let released = program.ops.iter().any(|op| matches!(op, Op::Release(_)));
        let retried = program.setup.retries > 0;
        let forgotten = program.ops.iter().any(|op| matches!(op, Op::Forget(_) | Op::ForgetAll));
        Self {
            strict: !(apart || overtaken || released || forgotten),
            one_result: !(overtaken || released || retried),
            lingers: any(|limits| limits.linger),
            limited: any(|limits| limits.timeout || limits.wait_timeout),
            full: any(|limits| limits.max_flights),
            apart,
            overtaken,
            released,
            retried,
            lost: overtaken,
        }
    }
}

impl<T> Limits<T> {
    fn map<U>(self, to: impl Fn(T) -> U) -> Limits<U> {
        Limits {
            timeout: to(self.timeout),
            overtake_after: to(self.overtake_after),
            wait_timeout: to(self.wait_timeout),
            join_within: to(self.join_within),
            linger: to(self.linger),
            max_flights: to(self.max_flights),
            max_callers: to(self.max_callers),
        }
    }
}

/// Takes out of a program whatever allows two works for a key at a time.
pub fn tame(program: &mut Program) {
    let Limits { overtake_after, join_within, max_callers, .. } = &mut program.setup.limits;
    (*overtake_after, *join_within, *max_callers) = (None, None, None);
    program.ops.retain(|op| !matches!(op, Op::Release(_) | Op::Forget(_) | Op::ForgetAll));
    for op in &mut program.ops {
        if let Op::Ask(Request { limits, .. }) = op {
            (limits.overtake_after, limits.join_within, limits.max_callers) = (None, None, None);
        }
    }
}

/// Deals the steps to so many actors, one after another, like cards.
pub fn deal(ops: &[Op], actors: usize) -> Vec<Vec<Op>> {
    (0..actors).map(|actor| ops.iter().skip(actor).step_by(actors).copied().collect()).collect()
}
