//! What was measured, as pictures.

use std::error::Error;
use std::path::Path;
use std::process::Command;

use plotters::prelude::*;

use crate::measure::Measured;
use crate::subjects::Kind;

type Drawn = Result<(), Box<dyn Error>>;

const WIDTH: u32 = 860;
const MARGIN: i32 = 24;

/// Draws whatever `all` has the numbers for into `folder`.
pub(crate) fn draw(all: &[Vec<Measured>], folder: &Path) -> Drawn {
    std::fs::create_dir_all(folder)?;
    bars(
        all,
        folder,
        "performance-solo.svg",
        "A call that nobody shares, work ready at once",
        "ns a call, less is better",
        &[("u64 keys", "solo_u64"), ("&str keys, looked up borrowed", "solo_str")],
    )?;
    bars(
        all,
        folder,
        "performance-threads.svg",
        "Two threads, calls that are ready at once",
        "ns a call of both together, less is better",
        &[("each thread its own 1,024 keys", "distinct_keys_2"), ("both threads the same key", "one_key_2")],
    )?;
    let fan_in = Lines {
        name: "performance-fan-in.svg",
        title: "Callers of one key, all of whom wait before the work is done",
        unit: "ns a caller, less is better",
        across: "callers",
        scenarios: "fan_in_",
    };
    lines(all, folder, &fan_in)?;
    let open = Lines {
        name: "performance-flights.svg",
        title: "Flights in progress at once, one caller each",
        unit: "ns a flight, less is better",
        across: "flights",
        scenarios: "open_",
    };
    lines(all, folder, &open)?;
    memory(all, folder)
}

fn colour(one: &Measured) -> RGBColor {
    match one.kind {
        Kind::Ours => RGBColor(0xC2, 0x41, 0x0C),
        Kind::Peer => RGBColor(0x47, 0x55, 0x69),
        Kind::ByHand => RGBColor(0x94, 0xA3, 0xB8),
        Kind::Floor => RGBColor(0xCB, 0xD5, 0xE1),
    }
}

fn find<'a>(all: &'a [Vec<Measured>], scenario: &str) -> Option<&'a [Measured]> {
    all.iter().find(|measured| measured.first().is_some_and(|one| one.scenario == scenario)).map(Vec::as_slice)
}

struct Bar {
    subject: &'static str,
    colour: RGBColor,
    value: f64,
}

fn shortest_first(mut bars: Vec<Bar>) -> Vec<Bar> {
    bars.sort_by(|a, b| a.value.total_cmp(&b.value));
    bars
}

/// Horizontal bars, a panel for each scenario. What is slower than the longest bar by far is left to the table.
fn bars(all: &[Vec<Measured>], folder: &Path, name: &str, title: &str, unit: &str, panels: &[(&str, &str)]) -> Drawn {
    let panels: Vec<_> = panels.iter().filter_map(|(label, scenario)| Some((*label, find(all, scenario)?))).collect();
    if panels.is_empty() {
        return Ok(());
    }
    let shown = |measured: &'_ [Measured]| {
        let bar = |one: &Measured| Bar { subject: one.subject, colour: colour(one), value: one.median() };
        shortest_first(measured.iter().map(bar).collect())
    };
    let panels: Vec<_> = panels.into_iter().map(|(label, measured)| (label, shown(measured))).collect();
    draw_bars(folder, name, title, unit, &panels)
}

/// Bytes, of a flight and of a caller who joined it.
fn memory(all: &[Vec<Measured>], folder: &Path) -> Drawn {
    let mut panels = Vec::new();
    for (label, scenario) in
        [("a follower, with its future", "fan_in_100000"), ("a flight, with the future of its leader", "open_1000000")]
    {
        if let Some(measured) = find(all, scenario) {
            let bar = |one: &Measured| Bar { subject: one.subject, colour: colour(one), value: one.bytes };
            panels.push((label, shortest_first(measured.iter().map(bar).collect())));
        }
    }
    if panels.is_empty() {
        return Ok(());
    }
    draw_bars(folder, "performance-memory.svg", "Memory while all of them wait", "bytes, less is better", &panels)
}

fn draw_bars(folder: &Path, name: &str, title: &str, unit: &str, panels: &[(&str, Vec<Bar>)]) -> Drawn {
    const ROW: i32 = 22;
    const LABELS: i32 = 190;
    const NUMBERS: i32 = 70;
    let rows: i32 = panels.iter().map(|(_, bars)| bars.len() as i32).sum();
    let height = 120 + rows * ROW + panels.len() as i32 * 44;
    let path = folder.join(name);
    let area = SVGBackend::new(&path, (WIDTH, height as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    let text = |size: i32| ("sans-serif", size).into_font().color(&RGBColor(0x1E, 0x29, 0x3B));
    area.draw(&Text::new(title.to_owned(), (MARGIN, 22), text(19)))?;
    area.draw(&Text::new(unit.to_owned(), (MARGIN, 46), text(13)))?;
    let room = WIDTH as i32 - 2 * MARGIN - LABELS - NUMBERS;
    let mut top = 74;
    for (label, bars) in panels {
        area.draw(&Text::new((*label).to_owned(), (MARGIN, top), text(15)))?;
        top += 24;
        // A bar that is far longer than most would leave nothing of the others.
        let mut values: Vec<f64> = bars.iter().map(|bar| bar.value).collect();
        values.sort_by(f64::total_cmp);
        let longest = values.last().copied().unwrap_or(1.0).min(values[values.len() / 2] * 3.0);
        for Bar { subject, colour, value } in bars {
            let length = (f64::from(room) * (value / longest).min(1.0)) as i32;
            let left = MARGIN + LABELS;
            area.draw(&Text::new(*subject, (MARGIN, top + 3), text(13)))?;
            area.draw(&Rectangle::new([(left, top + 2), (left + length.max(1), top + ROW - 4)], colour.filled()))?;
            let number = if *value > longest { format!("{value:.0} →") } else { format!("{value:.0}") };
            area.draw(&Text::new(number, (left + length + 6, top + 3), text(13)))?;
            top += ROW;
        }
        top += 20;
    }
    caption(&area, height)?;
    area.present()?;
    Ok(())
}

/// What the lines are of.
struct Lines {
    name: &'static str,
    title: &'static str,
    unit: &'static str,
    across: &'static str,
    /// How the names of the scenarios begin; they end with a number.
    scenarios: &'static str,
}

/// Nanoseconds a call by how many there are at once. One that is far above all others is left to the table.
fn lines(all: &[Vec<Measured>], folder: &Path, lines: &Lines) -> Drawn {
    let mut series: Vec<(&Measured, Vec<(f64, f64)>)> = Vec::new();
    for one in all.iter().flatten() {
        let number = one.scenario.strip_prefix(lines.scenarios).and_then(|number| number.parse::<f64>().ok());
        let Some(number) = number.filter(|_| one.subject != "moka") else { continue };
        let point = (number, one.median());
        match series.iter_mut().find(|(first, _)| first.subject == one.subject) {
            Some((_, points)) => points.push(point),
            None => series.push((one, vec![point])),
        }
    }
    let points = || series.iter().flat_map(|(_, points)| points);
    let (Some(least), Some(most)) =
        (points().map(|point| point.0).min_by(f64::total_cmp), points().map(|point| point.0).max_by(f64::total_cmp))
    else {
        return Ok(());
    };
    let slowest = points().map(|point| point.1).fold(0.0, f64::max);
    let height = 540;
    let path = folder.join(lines.name);
    let area = SVGBackend::new(&path, (WIDTH, height as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    let text = |size: i32| ("sans-serif", size).into_font().color(&RGBColor(0x1E, 0x29, 0x3B));
    area.draw(&Text::new(lines.title, (MARGIN, 22), text(19)))?;
    area.draw(&Text::new(lines.unit, (MARGIN, 46), text(13)))?;
    let (plot, _) = area.split_vertically(height - 60);
    let mut chart = ChartBuilder::on(&plot)
        .margin(MARGIN)
        .margin_top(70)
        .margin_right(170)
        .x_label_area_size(42)
        .y_label_area_size(42)
        .build_cartesian_2d((least..most * 1.02).log_scale(), 0.0..slowest * 1.05)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(RGBColor(0xE2, 0xE8, 0xF0))
        .x_desc(lines.across)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_label_formatter(&|y| format!("{y:.0}"))
        .draw()?;
    let mut ends: Vec<(i32, i32, String, RGBColor)> = Vec::new();
    for (one, points) in &series {
        let colour = colour(one);
        let width = if one.kind == Kind::Ours { 3 } else { 1 };
        chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(width)))?;
        if let Some(end) = points.last() {
            let (x, y) = chart.backend_coord(end);
            ends.push((x, y - 7, one.subject.to_owned(), colour));
        }
    }
    // The names beside the ends of their lines, none over another.
    ends.sort_by_key(|end| end.1);
    let mut last = i32::MIN;
    for (x, y, subject, colour) in ends {
        let y = y.max(last.saturating_add(14));
        last = y;
        area.draw(&Text::new(subject, (x + 8, y), ("sans-serif", 13).into_font().color(&colour)))?;
    }
    caption(&area, height)?;
    area.present()?;
    Ok(())
}

/// On what, when and how it was measured.
fn caption<DB: DrawingBackend>(
    area: &DrawingArea<DB, plotters::coord::Shift>,
    height: i32,
) -> Result<(), Box<dyn Error>>
where
    DB::ErrorType: 'static,
{
    let says = |command: &str, arguments: &[&str]| {
        let output = Command::new(command).args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
    };
    let processor = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let rustc = says("rustc", &["--version"]).unwrap_or_default();
    let rustc = rustc.split('(').next().unwrap_or_default().trim();
    let date = says("date", &["+%B %Y"]).unwrap_or_default();
    let first = format!(
        "{}, {cores} cores of a shared virtual machine; {rustc}; coflight {}; {date}; medians",
        processor.unwrap_or_default(),
        env!("CARGO_PKG_VERSION")
    );
    let second = "cargo run --release -p coflight-bench-peers -- --charts docs";
    let font = ("sans-serif", 11).into_font().color(&RGBColor(0x64, 0x74, 0x8B));
    area.draw(&Text::new(first, (MARGIN, height - 40), font.clone()))?;
    area.draw(&Text::new(second, (MARGIN, height - 24), font))?;
    Ok(())
}
