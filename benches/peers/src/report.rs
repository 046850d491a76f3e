//! What is printed: a line of JSON for each measurement, or a table for each scenario, and the budget.

use serde_json::json;

use crate::measure::Measured;
use crate::subjects::Kind;

/// The median of the fastest of this kind.
fn fastest(measured: &[Measured], kind: Kind) -> Option<&Measured> {
    measured.iter().filter(|one| one.kind == kind).min_by(|a, b| a.median().total_cmp(&b.median()))
}

fn ratio(one: &Measured, other: Option<&Measured>) -> Option<f64> {
    other.map(|other| rounded(one.median() / other.median()))
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// The measurements of one scenario, a line of JSON each.
pub(crate) fn json(measured: &[Measured]) {
    let (peer, by_hand, floor) = fastest_of_each(measured);
    for one in measured {
        let line = json!({
            "scenario": one.scenario,
            "subject": one.subject,
            "kind": kind(one.kind),
            "ns_per_call": rounded(one.median()),
            "spread": one.spread().map(rounded),
            "rounds": one.rounds.len(),
            "ratio_to_best_peer": ratio(one, peer),
            "ratio_to_best_by_hand": ratio(one, by_hand),
            "ratio_to_floor": ratio(one, floor),
            "allocs": rounded(one.allocs),
            "bytes": rounded(one.bytes),
            "polls": one.polls.map(rounded),
        });
        println!("{line}");
    }
}

fn fastest_of_each(measured: &[Measured]) -> (Option<&Measured>, Option<&Measured>, Option<&Measured>) {
    (fastest(measured, Kind::Peer), fastest(measured, Kind::ByHand), fastest(measured, Kind::Floor))
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Ours => "coflight",
        Kind::Peer => "peer crate",
        Kind::ByHand => "by hand",
        Kind::Floor => "floor",
    }
}

/// The measurements of one scenario, as a table.
pub(crate) fn table(measured: &[Measured]) {
    let (peer, _, floor) = fastest_of_each(measured);
    println!("\n{}", measured.first().map_or("", |one| one.scenario.as_str()));
    println!(
        "  {:<22} {:>12} {:>19} {:>7} {:>7} {:>8} {:>9} {:>7}",
        "", "ns a call", "middle half", "× peer", "× floor", "allocs", "bytes", "polls"
    );
    let mut sorted: Vec<_> = measured.iter().collect();
    sorted.sort_by(|a, b| a.median().total_cmp(&b.median()));
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.2}"));
    for one in sorted {
        let [low, high] = one.spread();
        println!(
            "  {:<22} {:>12.1} {:>9.1}–{:<9.1} {:>7} {:>7} {:>8.2} {:>9.0} {:>7}",
            one.subject,
            one.median(),
            low,
            high,
            number(ratio(one, peer)),
            number(ratio(one, floor)),
            one.allocs,
            one.bytes,
            number(one.polls),
        );
    }
}

/// One line of the budget.
struct Line {
    what: String,
    reached: f64,
    limit: f64,
    /// Whether the limit is the most there may be, or the least.
    at_most: bool,
}

/// What the budget says, against what was measured.
pub(crate) fn budget(all: &[Vec<Measured>]) {
    let lines = lines(all);
    if lines.is_empty() {
        return;
    }
    println!("\nbudget");
    for Line { what, reached, limit, at_most } in lines {
        let met = if at_most { reached <= limit } else { reached >= limit };
        let (met, sign) = (if met { "met   " } else { "missed" }, if at_most { '≤' } else { '≥' });
        println!("  {met} {what}: {reached:.2} ({sign} {limit:.2})");
    }
}

fn lines(all: &[Vec<Measured>]) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut add = |what: String, reached: Option<f64>, limit: f64, at_most: bool| {
        if let Some(reached) = reached {
            lines.push(Line { what, reached, limit, at_most });
        }
    };
    let scenario = |name: &str| all.iter().find(|measured| measured.first().is_some_and(|one| one.scenario == name));
    let subject = |name: &str, subject: &str| scenario(name)?.iter().find(|one| one.subject == subject);
    let run = |name: &str| subject(name, "coflight-run");
    let to = |name: &str, kind: Kind| ratio(run(name)?, fastest(scenario(name)?, kind));
    for name in ["solo_u64", "solo_str"] {
        add(format!("{name}, run, × the fastest peer crate"), to(name, Kind::Peer), 0.5, true);
        add(format!("{name}, run, × the floor"), to(name, Kind::Floor), 1.35, true);
        add(
            format!("{name}, run, allocations"),
            run(name).map(|one| one.allocs),
            if name == "solo_u64" { 1.0 } else { 2.0 },
            true,
        );
    }
    for name in ["fan_in_1000", "fan_in_100000"] {
        add(format!("{name}, run, × the fastest peer crate"), to(name, Kind::Peer), 0.75, true);
        let shared = subject(name, "DashMap of Shared");
        add(
            format!("{name}, run, × Shared in a map"),
            run(name).and_then(|run| Some(run.median() / shared?.median())),
            1.0,
            true,
        );
    }
    add("one_key_2, run, × the fastest peer crate".to_owned(), to("one_key_2", Kind::Peer), 1.0, true);
    let speed_up = |from: &str, to: &str| Some(run(from)?.median() / run(to)?.median());
    add(
        "distinct keys, two threads, × one thread".to_owned(),
        speed_up("distinct_keys_1", "distinct_keys_2"),
        1.8,
        false,
    );
    let flat = |to: &str| Some(run(to)?.median() / run("fan_in_100")?.median());
    for callers in ["1000", "10000", "100000", "1000000"] {
        let what = format!("fan-in of {callers}, a caller, × fan-in of 100");
        add(what, flat(&format!("fan_in_{callers}")), 1.1, true);
    }
    lines
}
