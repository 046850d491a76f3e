//! Programs out of bytes, for fuzzers.
//!
//! By hand, not derived: a byte a choice, so that a fuzzer that changes one byte changes one thing; and few keys, few callers, few ticks, so that what it
//! makes up meets.

use arbitrary::{Arbitrary, Result, Unstructured};

use super::program::{End, Limits, Op, Program, Request, Setup, Verb};

/// More steps than this say nothing new.
const OPS: usize = 50;

impl<'a> Arbitrary<'a> for Program {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let setup = Setup::arbitrary(u)?;
        let mut ops = Vec::new();
        while !u.is_empty() && ops.len() < OPS {
            ops.push(Op::arbitrary(u)?);
        }
        Ok(Self { setup, ops })
    }
}

impl<'a> Arbitrary<'a> for Setup {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let flags = u8::arbitrary(u)?;
        let flag = |bit: u8| flags & (1 << bit) != 0;
        Ok(Self {
            limits: limits(u, |u, most| up_to(u, most))?,
            timed: flag(0),
            observed: flag(1),
            detach: flag(2) && flag(3),
            judged: flag(4),
            linger_failures: flag(5),
            retries: usize::from(flags >> 6),
        })
    }
}

impl<'a> Arbitrary<'a> for Op {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u8::arbitrary(u)? % 32 {
            0..=6 => Self::Ask(u.arbitrary()?),
            7..=14 => Self::Poll(nth(u)?),
            15..=17 => Self::Drop(nth(u)?),
            18..=20 => Self::Finish(nth(u)?, u.arbitrary()?),
            21 => Self::Release(nth(u)?),
            22 | 23 => Self::PollTask(nth(u)?),
            24 => Self::DropTask(nth(u)?),
            25 | 26 => Self::Advance(up_to(u, 4)?),
            27 => Self::Forget(key(u)?),
            28 => Self::Cancel(key(u)?),
            29 | 30 => Self::Settle,
            _ => match u8::arbitrary(u)? % 3 {
                0 => Self::ForgetAll,
                1 => Self::CancelAll,
                _ => Self::ResetStats,
            },
        })
    }
}

impl<'a> Arbitrary<'a> for Request {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let flags = u8::arbitrary(u)?;
        let flag = |bit: u8| flags & (1 << bit) != 0;
        let verb = [Verb::Run, Verb::Relay, Verb::Spawn, Verb::Enter][usize::from(flags & 3)];
        let key = key(u)?;
        Ok(Self {
            key,
            verb,
            fallible: flag(2),
            tagged: flag(3),
            ready: if flag(4) && flag(5) { Some(u.arbitrary()?) } else { None },
            detach: if flag(6) && flag(7) { Some(flag(3)) } else { None },
            // One more than the most stands for a call without that limit.
            limits: if flag(6) != flag(7) {
                limits(u, |u, most| Ok(Some(up_to(u, most + 1)?).filter(|chosen| *chosen <= most)))?
            } else {
                Limits::default()
            },
        })
    }
}

impl<'a> Arbitrary<'a> for End {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok([Self::Value, Self::Value, Self::Failure, Self::Panic][usize::from(u8::arbitrary(u)? & 3)])
    }
}

/// A byte says which limits there are.
fn limits<'a, T>(
    u: &mut Unstructured<'a>,
    mut choose: impl FnMut(&mut Unstructured<'a>, u32) -> Result<T>,
) -> Result<Limits<Option<T>>> {
    let set = u8::arbitrary(u)?;
    let mut limit = |bit: u8, most: u32| if set & (1 << bit) != 0 { choose(u, most).map(Some) } else { Ok(None) };
    Ok(Limits {
        timeout: limit(0, 8)?,
        overtake_after: limit(1, 4)?,
        wait_timeout: limit(2, 8)?,
        join_within: limit(3, 4)?,
        linger: limit(4, 5)?,
        max_flights: limit(5, 4)?,
        max_callers: limit(6, 3)?,
    })
}

fn key(u: &mut Unstructured<'_>) -> Result<u8> {
    // The first more often.
    Ok([0, 0, 1, 2][usize::from(u8::arbitrary(u)? & 3)])
}

fn nth(u: &mut Unstructured<'_>) -> Result<usize> {
    Ok(usize::from(u8::arbitrary(u)? & 7))
}

fn up_to(u: &mut Unstructured<'_>, most: u32) -> Result<u32> {
    Ok(u32::from(u8::arbitrary(u)?) % (most + 1))
}
