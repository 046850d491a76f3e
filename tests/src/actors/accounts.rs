//! What must hold when everybody has gone, however things went.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use coflight::{EventKind, Role, Runtime, Stats, Verb};

use super::actor::Stage;
use super::ledger::{Call, Ledger};
use super::tally::{add, differs};
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
    expect(calls.len() == ledger.made(), || format!("{} calls were made, {} are over", ledger.made(), calls.len()))?;
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

/// What is sure of the calls is counted, and no more than may be. Where nobody left and nothing was ended from outside, both are the same.
fn check_stats(stats: &Stats, calls: &[Call], ledger: &Ledger) -> Result<(), String> {
    let terms = &ledger.terms;
    expect(stats.led == stats.ended(), || "flights led and ended".into())?;
    check_unused(stats, ledger)?;
    let number = |of: &dyn Fn(&Call) -> bool| calls.iter().filter(|call| of(call)).count() as u64;
    let within = |name: &str, counted: u64, least: u64, most: u64| {
        expect((least..=most).contains(&counted), || format!("{name}: {counted}, and not {least} to {most}"))
    };
    let asked = number(&|call| call.asked.is_some());
    within("calls", stats.calls(), number(&is_aboard), asked)?;
    // Those who left, or whose own work panicked, do not know their part.
    let unknown = number(&|call| call.asked.is_some() && call.role.is_none());
    let led = number(&|call| call.role == Some(Role::Led));
    within("led", stats.led, led, led + unknown)?;
    let lingered = number(&|call| call.role == Some(Role::Lingered));
    within("lingered", stats.lingered, lingered, lingered + unknown)?;
    let joins = |call: &Call| !matches!(call.role, None | Some(Role::Led | Role::Lingered)) && !is_refused(call);
    let joined = number(&|call| joins(call) && is_aboard(call));
    within("joined", stats.joined, joined, number(&joins) + unknown)?;
    let refused = number(&is_refused);
    // An `enter` is refused before it is told.
    let untold = number(&|call| call.request.verb == Verb::Enter && call.answer.is_none());
    within("refused", stats.refused, refused, refused + untold)?;
    for (role, counted) in
        [(Role::TookOver, stats.handovers), (Role::Overtook, stats.overtakes), (Role::Alone, stats.alone)]
    {
        within(&format!("{role:?}"), counted, number(&|call| call.role == Some(role)), u64::MAX)?;
    }
    let begun = number(&|call| call.work.has_begun());
    within("begun", begun, 0, stats.led + stats.handovers + stats.overtakes + stats.alone)?;
    let ended =
        |panicked: bool| number(&|call| call.work.came_to().is_some_and(|(_, end)| (end == End::Panic) == panicked));
    within("results", stats.completed + stats.failed, 0, ended(false))?;
    within("panicked", stats.panicked, 0, ended(true))?;
    let cancelled = ledger.cancelled.load(Ordering::SeqCst) as u64;
    // To end a result that lingers is no end of a flight, and those of a key that are ended together count as one.
    let least = if terms.lingers { 0 } else { cancelled };
    within("cancelled", stats.cancelled, least, if terms.apart { u64::MAX } else { cancelled })?;
    if terms.one_result {
        let results: BTreeSet<_> = calls.iter().filter_map(result).collect();
        within("results", stats.completed + stats.failed, results.len() as u64, u64::MAX)?;
        within("works that ended", ended(false) + ended(true), 0, stats.led)?;
    }
    Ok(())
}

/// What the program has no use for does not happen.
fn check_unused(stats: &Stats, ledger: &Ledger) -> Result<(), String> {
    let terms = &ledger.terms;
    let unused = [
        ("lingered", terms.lingers, stats.lingered),
        ("refused", terms.full, stats.refused),
        ("timed out", terms.limited, stats.timed_out),
        ("released", terms.released, stats.released + stats.alone),
        ("overtaken", terms.overtaken, stats.overtakes),
        ("retried", terms.retried, stats.retries),
    ];
    match unused.into_iter().find(|(_, used, count)| !used && *count > 0) {
        Some((name, _, count)) => Err(format!("{count} {name}, which nobody asked for")),
        None => Ok(()),
    }
}

/// It came aboard, or was refused, for certain. One that left, or whose time was over, may have been waiting for the key still.
fn is_aboard(call: &Call) -> bool {
    match call.answer {
        None => call.role.is_some(),
        Some((_, Answer::Error(Why::TimedOut | Why::WaitTimedOut))) => call.role != Some(Role::Followed),
        Some(_) => true,
    }
}

fn is_refused(call: &Call) -> bool {
    matches!(call.answer, Some((_, Answer::Error(Why::Full))))
}

/// Whose result a call got.
fn result(call: &Call) -> Option<usize> {
    match call.answer {
        Some((_, Answer::Value(of, _) | Answer::Failure(of, _))) => Some(of),
        _ => None,
    }
}

/// What a call's observers are told of it, by the part that it says it had.
fn part(call: &Call) -> Option<EventKind> {
    Some(match call.role? {
        Role::Led => EventKind::Started,
        Role::Followed if is_refused(call) => EventKind::Refused,
        Role::Followed if is_aboard(call) => EventKind::Joined,
        Role::TookOver => EventKind::Handover,
        Role::Overtook => EventKind::Overtaken,
        Role::Lingered => EventKind::Lingered,
        Role::Alone => EventKind::Alone,
        _ => return None,
    })
}

fn check_events(stats: &Stats, calls: &[Call], ledger: &Ledger) -> Result<(), String> {
    let events = ledger.events.lock().unwrap();
    let count = |kind: EventKind| events.iter().filter(|event| event.kind == kind).count() as u64;
    differs(*stats, count).map_or(Ok(()), Err)?;
    let results: BTreeMap<usize, usize> = calls.iter().filter_map(|call| Some((call.work.id, result(call)?))).collect();
    let (mut flights, mut boarded) = (BTreeMap::<u64, Vec<_>>::new(), BTreeSet::new());
    let did: BTreeSet<_> = events.iter().filter_map(|event| Some((event.call?, event.kind.name()))).collect();
    for event in &*events {
        if let Some(flight) = event.flight {
            flights.entry(flight).or_default().push(event);
        }
        let boards =
            matches!(event.kind, EventKind::Started | EventKind::Joined | EventKind::Lingered | EventKind::Refused);
        let again = boards && !event.call.is_some_and(|call| boarded.insert(call));
        expect(!again, || format!("call {:?} came aboard twice", event.call))?;
    }
    for call in calls {
        let (id, aboard) = (call.work.id, boarded.contains(&call.work.id));
        let fits = if aboard { call.asked.is_some() } else { !is_aboard(call) };
        expect(fits, || format!("call {id} came aboard, as told: {aboard}"))?;
        let part = part(call).filter(|part| !did.contains(&(id, part.name())));
        expect(part.is_none(), || format!("call {id} as {:?}, of which nobody was told", call.role))?;
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
