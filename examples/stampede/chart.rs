//! The results as a picture: a pair of bars for each runtime, and a scale of its own for each scenario.

use std::fmt::Write;

use crate::report::{self, Report};

const WIDTH: f64 = 760.0;
const MARGIN: f64 = 24.0;
/// Where the bars start; the runtimes' names stand before it.
const BARS: f64 = 120.0;
/// The longest bar; what it says stands behind it.
const LONGEST: f64 = 400.0;
const BAR: f64 = 14.0;
const PAIR: f64 = 42.0;
const HEADING: f64 = 40.0;

const ALONE: &str = "#c0504d";
const TOGETHER: &str = "#2e7d5b";

/// A picture that needs nothing but itself.
pub fn svg(reports: &[Report]) -> String {
    let pairs: Vec<_> = report::pairs(reports).collect();
    let panels: Vec<_> = pairs.chunk_by(|(one, _), (next, _)| one.scenario == next.scenario).collect();
    let mut body = String::new();
    let mut y = legend(&mut body);
    for panel in panels {
        y = draw(&mut body, panel, y);
    }
    let height = y + MARGIN;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"#222\">\n\
         <title>Wall time with and without coalescing</title>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n"
    )
}

fn legend(body: &mut String) -> f64 {
    let y = MARGIN + 14.0;
    text(body, MARGIN, y, "font-size=\"17\" font-weight=\"600\"", "Wall time until the last caller is served");
    for (x, colour, label) in [(MARGIN, ALONE, "not coalesced"), (MARGIN + 120.0, TOGETHER, "coalesced")] {
        bar(body, x, y + 16.0, 12.0, colour);
        text(body, x + 18.0, y + 27.0, "", label);
    }
    y + 36.0
}

/// One scenario. Returns where it ends.
fn draw(body: &mut String, panel: &[(&Report, &Report)], top: f64) -> f64 {
    let longest =
        panel.iter().map(|(alone, together)| alone.wall_ms.max(together.wall_ms)).fold(f64::MIN_POSITIVE, f64::max);
    if let Some((first, _)) = panel.first() {
        let heading = format!("{}: {} requests", first.scenario, first.requests);
        text(body, MARGIN, top + 28.0, "font-size=\"14\" font-weight=\"600\"", &heading);
    }
    let mut y = top + HEADING;
    for (alone, together) in panel {
        text(body, BARS - 10.0, y + 19.0, "text-anchor=\"end\"", alone.runtime);
        for (report, colour, y) in [(alone, ALONE, y), (together, TOGETHER, y + BAR + 2.0)] {
            let width = (report.wall_ms / longest * LONGEST).max(1.0);
            bar(body, BARS, y, width, colour);
            text(
                body,
                BARS + width + 6.0,
                y + 11.0,
                "",
                &label(report, report.speed_up(alone).filter(|_| report.coalesced)),
            );
        }
        y += PAIR;
    }
    y
}

fn label(report: &Report, speed_up: Option<f64>) -> String {
    let calls = if report.backend_calls == 1 { "call" } else { "calls" };
    let mut label = format!("{}, {} {calls}", report::milliseconds(report.wall_ms), report.backend_calls);
    // Writing to a string cannot fail.
    if report.failed > 0 {
        let _ = write!(label, ", {} failed", report.failed);
    }
    if let Some(times) = speed_up {
        let _ = write!(label, ", {times:.1} x");
    }
    label
}

fn bar(body: &mut String, x: f64, y: f64, width: f64, colour: &str) {
    let _ =
        writeln!(body, "<rect x=\"{x}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" rx=\"2\" fill=\"{colour}\"/>");
}

/// All texts are our own words and numbers: nothing in them needs escaping.
fn text(body: &mut String, x: f64, y: f64, style: &str, text: &str) {
    let _ = writeln!(body, "<text x=\"{x:.1}\" y=\"{y:.1}\" {style}>{text}</text>");
}
