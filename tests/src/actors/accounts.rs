//! What must hold when everybody has gone, however things went.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use coflight::{EventKind, Role, Runtime, Stats, Verb};

use super::actor::Stage;
use super::ledger::{Call, Ledger};
use super::work::Work;
use crate::model::program::End;
use crate::model::reference::{Answer, Why};

/// What happened, counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    pub calls: usize,
    pub drops: usize,
    pub panics: usize,
    pub cancels: usize,
    pub forgets: usize,
    pub takeovers: u64,
}

/// Waits until nothing is left of what went on by itself: spawned works, results that linger, and what observers are still to be told. Whether all that came to
/// an end within `limit`.
pub fn rests<R: Runtime>(stage: &Stage<R>, limit: Duration) -> bool {
    let until = Instant::now() + limit;
    loop {
        let stats = stage.ledger.counted.lock().unwrap().iter().fold(stage.group.stats(), add);
        let ends = || stage.ledger.events.lock().unwrap().iter().filter(|event| event.kind.is_end()).count() as u64;
        let told = !stage.tagged || ends() == stats.ended();
        if stats.in_flight == 0 && Arc::strong_count(&stage.keys) == 1 && told {
            return true;
        }
        if Instant::now() > until {
            return false;
        }
        std::thread::yield_now();
    }
}

/// Holds what the callers saw, what the group counted and what its observers were told against each other.
///
/// # Errors
///
/// What does not fit.
pub fn check<R: Runtime>(stage: &Stage<R>) -> Result<Totals, String> {
    let ledger = &*stage.ledger;
    if let Some(wrong) = ledger.wrong.lock().unwrap().first() {
        return Err(wrong.clone());
    }
    // Taken out: they hold the ledger in turn.
    let calls = std::mem::take(&mut *ledger.calls.lock().unwrap());
    let works: BTreeMap<usize, &Work> = calls.iter().map(|call| (call.work.id, &*call.work)).collect();
    for call in &*calls {
        check_call(call, &works, ledger).map_err(|error| format!("call {}: {error}", call.work.id))?;
    }
    check_times(&calls)?;
    let stats = ledger.counted.lock().unwrap().iter().fold(stage.group.stats(), add);
    check_stats(&stats, &calls, ledger).map_err(|error| format!("{error}: {stats:?}"))?;
    if stage.tagged {
        check_events(&stats, &calls, ledger)?;
    }
    let left = (stage.group.len(), stage.group.in_flight().len(), Arc::strong_count(&stage.keys) - 1);
    expect(left == (0, 0, 0), || format!("flights, and keys, are left: {left:?}"))?;
    Ok(Totals {
        calls: calls.len(),
        drops: calls.iter().filter(|call| call.asked.is_some() && call.answer.is_none()).count(),
        panics: works.values().filter(|work| matches!(work.came_to(), Some((_, End::Panic)))).count(),
        cancels: ledger.cancelled.load(Ordering::SeqCst),
        forgets: ledger.forgotten.load(Ordering::SeqCst),
        takeovers: stats.handovers,
    })
}

fn expect(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// An answer is what a work for the caller's key came to, or an error that there is a reason for.
fn check_call(call: &Call, works: &BTreeMap<usize, &Work>, ledger: &Ledger) -> Result<(), String> {
    let Some((answered, answer)) = call.answer else { return Ok(()) };
    let terms = &ledger.terms;
    let of = |of: usize, end: End| {
        let work = works.get(&of).ok_or("an answer out of nowhere")?;
        let (at, how) = work.came_to().ok_or("the answer of a work that did not end")?;
        let fits = work.key == call.request.key && how == end && at < answered;
        expect(fits, || format!("{answer:?} is not what a work for its key came to"))?;
        let leads = matches!(call.role, Some(Role::Led | Role::TookOver | Role::Alone));
        let own = of == call.work.id;
        let right =
            !terms.one_result || terms.lost || call.role.is_none() || call.request.verb == Verb::Enter || leads == own;
        expect(right, || format!("{answer:?} as {:?}", call.role))
    };
    let cancelled = ledger.cancelled.load(Ordering::SeqCst) > 0;
    let reason = match answer {
        Answer::Value(id, _) => return of(id, End::Value),
        Answer::Failure(id, _) => return of(id, End::Failure),
        Answer::Unwound(id) | Answer::Error(Why::Panicked(Some(id))) => return of(id, End::Panic),
        // That of a leader by `enter`.
        Answer::Error(Why::Panicked(None)) => {
            works.values().any(|work| work.key == call.request.key && matches!(work.came_to(), Some((_, End::Panic))))
        }
        Answer::Error(Why::Cancelled) => cancelled || terms.lost,
        Answer::Error(Why::TimedOut | Why::WaitTimedOut) => terms.limited,
        Answer::Error(Why::Full) => terms.full,
        Answer::Error(Why::Shutdown) => terms.lost,
        Answer::Released => call.led,
        Answer::Leads | Answer::Told => false,
    };
    expect(reason, || format!("{answer:?} without a reason"))
}

/// Nobody who asks when a result is known gets that result, unless it lingers: the flight has left the table by then.
fn check_times(calls: &[Call]) -> Result<(), String> {
    let mut known = BTreeMap::new();
    for call in calls {
        if let (Some(of), Some((at, _))) = (result(call), call.answer) {
            let first = known.entry(of).or_insert(at);
            *first = at.min(*first);
        }
    }
    for call in calls.iter().filter(|call| call.role != Some(Role::Lingered)) {
        let known = result(call).map(|of| known[&of]);
        let late = known.is_some_and(|known| call.asked.is_none_or(|asked| asked > known));
        expect(!late, || format!("call {} asked when {:?} was known", call.work.id, call.answer))?;
    }
    Ok(())
}

fn check_stats(stats: &Stats, calls: &[Call], ledger: &Ledger) -> Result<(), String> {
    expect(stats.led == stats.ended(), || "flights led and ended".into())?;
    let asked = calls.iter().filter(|call| call.asked.is_some()).count() as u64;
    // One that left, or whose time was over, may have been waiting for the key still.
    let sure =
        |call: &&Call| !matches!(call.answer, None | Some((_, Answer::Error(Why::TimedOut | Why::WaitTimedOut))));
    let sure = calls.iter().filter(sure).count() as u64;
    expect((sure..=asked).contains(&stats.calls()), || {
        format!("{asked} asked, {sure} of them came aboard for certain")
    })?;
    let refused = calls.iter().filter(|call| matches!(call.answer, Some((_, Answer::Error(Why::Full))))).count() as u64;
    // An `enter` is refused before it is told.
    let untold = calls.iter().filter(|call| call.request.verb == Verb::Enter && call.answer.is_none()).count() as u64;
    expect((refused..=refused + untold).contains(&stats.refused), || format!("{refused} were refused"))?;
    let begun = calls.iter().filter(|call| call.work.has_begun()).count() as u64;
    let starts = stats.led + stats.handovers + stats.overtakes + stats.alone;
    expect(begun <= starts, || format!("{begun} works were begun"))?;
    let ended = |panicked: bool| {
        let came_to = calls.iter().filter_map(|call| call.work.came_to());
        came_to.filter(|(_, end)| (*end == End::Panic) == panicked).count() as u64
    };
    expect(stats.completed + stats.failed <= ended(false), || format!("{} works had a result", ended(false)))?;
    expect(stats.panicked <= ended(true), || format!("{} works panicked", ended(true)))?;
    if ledger.terms.strict && !ledger.terms.lingers {
        let cancelled = ledger.cancelled.load(Ordering::SeqCst) as u64;
        expect(stats.cancelled == cancelled, || format!("{cancelled} were cancelled"))?;
    }
    if ledger.terms.one_result {
        let results: BTreeSet<_> = calls.iter().filter_map(result).collect();
        let landed = stats.completed + stats.failed;
        expect(results.len() as u64 <= landed, || format!("{} results were seen", results.len()))?;
    }
    Ok(())
}

/// Whose result a call got.
fn result(call: &Call) -> Option<usize> {
    match call.answer {
        Some((_, Answer::Value(of, _) | Answer::Failure(of, _))) => Some(of),
        _ => None,
    }
}

fn check_events(stats: &Stats, calls: &[Call], ledger: &Ledger) -> Result<(), String> {
    let events = ledger.events.lock().unwrap();
    let count = |kind: EventKind| events.iter().filter(|event| event.kind == kind).count() as u64;
    let told = counted(count);
    expect(told == counts(stats), || format!("told of {told:?}, counted {:?}", counts(stats)))?;
    let results: BTreeMap<usize, usize> = calls.iter().filter_map(|call| Some((call.work.id, result(call)?))).collect();
    let (mut flights, mut boarded) = (BTreeMap::<u64, Vec<_>>::new(), BTreeSet::new());
    for event in &*events {
        if let Some(flight) = event.flight {
            flights.entry(flight).or_default().push(event);
        }
        let boards =
            matches!(event.kind, EventKind::Started | EventKind::Joined | EventKind::Lingered | EventKind::Refused);
        let again = boards && !event.call.is_some_and(|call| boarded.insert(call));
        expect(!again, || format!("call {:?} came aboard twice", event.call))?;
    }
    for (number, events) in flights {
        let kinds: Vec<_> = events.iter().map(|event| event.kind).collect();
        let end = kinds.iter().position(|kind| kind.is_end()).ok_or("a flight without an end")?;
        let late = |kind: &EventKind| matches!(kind, EventKind::Lingered | EventKind::Alone);
        let order = kinds.starts_with(&[EventKind::Missed, EventKind::Started])
            && kinds[end + 1..].iter().all(late)
            && !kinds[..end].iter().any(late);
        expect(order, || format!("flight {number}: {kinds:?}"))?;
        let seen: BTreeSet<_> = events.iter().filter_map(|event| results.get(&event.call?)).collect();
        expect(seen.len() <= 1 || !ledger.terms.one_result, || format!("flight {number} had the results {seen:?}"))?;
    }
    Ok(())
}

fn counts(stats: &Stats) -> [u64; 15] {
    counted(|kind| match kind {
        EventKind::Started => stats.led,
        EventKind::Joined => stats.joined,
        EventKind::Lingered => stats.lingered,
        EventKind::Refused => stats.refused,
        EventKind::Completed => stats.completed,
        EventKind::Failed => stats.failed,
        EventKind::Panicked => stats.panicked,
        EventKind::TimedOut => stats.timed_out,
        EventKind::Cancelled => stats.cancelled,
        EventKind::Abandoned => stats.abandoned,
        EventKind::Released => stats.released,
        EventKind::Handover => stats.handovers,
        EventKind::Overtaken => stats.overtakes,
        EventKind::Retried => stats.retries,
        EventKind::Alone => stats.alone,
        _ => 0,
    })
}

fn counted(count: impl FnMut(EventKind) -> u64) -> [u64; 15] {
    use EventKind::*;
    let kinds =
        [Started, Joined, Lingered, Refused, Completed, Failed, Panicked, TimedOut, Cancelled, Abandoned, Released];
    let kinds: Vec<_> = kinds.into_iter().chain([Handover, Overtaken, Retried, Alone]).collect();
    let counts: Vec<_> = kinds.into_iter().map(count).collect();
    counts.try_into().expect("as many as there are")
}

/// The sum of two accounts, but for what is in progress.
fn add(mut sum: Stats, more: &Stats) -> Stats {
    sum.led += more.led;
    sum.joined += more.joined;
    sum.lingered += more.lingered;
    sum.refused += more.refused;
    sum.completed += more.completed;
    sum.failed += more.failed;
    sum.panicked += more.panicked;
    sum.timed_out += more.timed_out;
    sum.cancelled += more.cancelled;
    sum.abandoned += more.abandoned;
    sum.released += more.released;
    sum.handovers += more.handovers;
    sum.overtakes += more.overtakes;
    sum.retries += more.retries;
    sum.alone += more.alone;
    sum
}
