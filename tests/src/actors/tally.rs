//! Arithmetic on what a group counts.

use coflight::{EventKind, Stats};

/// One of the counts.
type Of = fn(&mut Stats) -> &mut u64;

/// Everything that is counted and told, but for what is in progress.
const COUNTS: [(EventKind, Of); 15] = [
    (EventKind::Started, |stats| &mut stats.led),
    (EventKind::Joined, |stats| &mut stats.joined),
    (EventKind::Lingered, |stats| &mut stats.lingered),
    (EventKind::Refused, |stats| &mut stats.refused),
    (EventKind::Completed, |stats| &mut stats.completed),
    (EventKind::Failed, |stats| &mut stats.failed),
    (EventKind::Panicked, |stats| &mut stats.panicked),
    (EventKind::TimedOut, |stats| &mut stats.timed_out),
    (EventKind::Cancelled, |stats| &mut stats.cancelled),
    (EventKind::Abandoned, |stats| &mut stats.abandoned),
    (EventKind::Released, |stats| &mut stats.released),
    (EventKind::Handover, |stats| &mut stats.handovers),
    (EventKind::Overtaken, |stats| &mut stats.overtakes),
    (EventKind::Retried, |stats| &mut stats.retries),
    (EventKind::Alone, |stats| &mut stats.alone),
];

/// The sum of two accounts.
pub fn add(mut sum: Stats, more: &Stats) -> Stats {
    let mut more = *more;
    for (_, of) in COUNTS {
        *of(&mut sum) += *of(&mut more);
    }
    sum
}

/// What `told` says of a kind of event that the account says otherwise.
pub fn differs(mut stats: Stats, told: impl Fn(EventKind) -> u64) -> Option<String> {
    let (kind, of) = COUNTS.into_iter().find(|(kind, of)| told(*kind) != *of(&mut stats))?;
    Some(format!("told of {} times that a flight or call was {kind}, counted {}", told(kind), of(&mut stats)))
}
