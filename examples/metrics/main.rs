//! A small service whose flights can be watched: counters that Prometheus can scrape, and logs with spans.
//!
//! ```text
//! cargo run --release --example metrics
//! cargo run --release --example metrics -- --help
//! ```
//!
//! Read on in `service.rs`, where the group is made and everything happens to it that can; then `page.rs`, for what is scraped.

// A program exports nothing: `pub` says what a module is for.
#![allow(unreachable_pub)]

mod page;
mod service;

use std::io::{self, Write};
use std::panic;
use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use coflight::Metrics;
use lexopt::{Arg, Parser, ValueExt};
use metrics_exporter_prometheus::PrometheusBuilder;
use tracing::Level;

use page::Page;

const HELP: &str = "\
A service with metrics and logs: does a day's work, scrapes itself, and holds what it scraped against the group's accounts.

Usage: cargo run --release --example metrics -- [FLAGS]

  --once        one day, one scrape; fails if they disagree (default)
  --serve       one day after the other, with the page to be scraped, until Ctrl-C
  --port N      where the page is served, on 127.0.0.1 (default: 0, any that is free)
  --log LEVEL   logs on standard error: error, warn, info, debug, trace (default: info)
  --help        this";

struct Args {
    serve: bool,
    port: u16,
    log: Level,
}

#[tokio::main]
async fn main() -> ExitCode {
    match parse() {
        Err(message) => fail(2, &message),
        Ok(None) => finish(say(HELP)),
        Ok(Some(args)) => finish(watch(args).await),
    }
}

async fn watch(args: Args) -> Result<(), String> {
    tracing_subscriber::fmt().with_max_level(args.log).with_writer(io::stderr).init();
    panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    // Buckets, so that Prometheus can tell the quantiles of many processes together.
    let recorder = PrometheusBuilder::new().set_buckets(&[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0]);
    let recorder = recorder.and_then(PrometheusBuilder::install_recorder).map_err(|error| error.to_string())?;
    Metrics::describe();

    // After the recorder, which is what its metrics are looked up in.
    let quotes = service::quotes();
    let page = Page::serve(recorder.clone(), args.port).await?;
    say(&format!("serving http://{}/metrics", page.address()))?;
    if !args.serve {
        service::day(&quotes).await;
        return say(&page.agrees(&quotes).await?);
    }
    let mut stop = pin!(tokio::signal::ctrl_c());
    loop {
        service::day(&quotes).await;
        recorder.run_upkeep(); // or what nobody scrapes piles up
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
            stopped = &mut stop => return stopped.map_err(|error| error.to_string()),
        }
    }
}

/// The command line, understood; `None`: it asks for help. An error is one line for the user.
fn parse() -> Result<Option<Args>, String> {
    let hint = |error: lexopt::Error| format!("{error}; try --help");
    let mut args = Args { serve: false, port: 0, log: Level::INFO };
    let mut parser = Parser::from_env();
    while let Some(arg) = parser.next().map_err(hint)? {
        match arg {
            Arg::Long("once") => args.serve = false,
            Arg::Long("serve") => args.serve = true,
            Arg::Long("port") => args.port = parser.value().and_then(|port| port.parse()).map_err(hint)?,
            Arg::Long("log") => args.log = parser.value().and_then(|level| level.parse()).map_err(hint)?,
            Arg::Long("help") | Arg::Short('h') => return Ok(None),
            _ => return Err(hint(arg.unexpected())),
        }
    }
    Ok(Some(args))
}

/// Whoever has read enough (`| head`) may go.
fn say(text: &str) -> Result<(), String> {
    match writeln!(io::stdout(), "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.to_string()),
        _ => Ok(()),
    }
}

fn finish(result: Result<(), String>) -> ExitCode {
    result.map_or_else(|message| fail(1, &message), |()| ExitCode::SUCCESS)
}

fn fail(code: u8, message: &str) -> ExitCode {
    eprintln!("metrics: {message}");
    ExitCode::from(code)
}
