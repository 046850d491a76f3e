//! One line for each request, written when its response has ended.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::{Instant, SystemTime};

use http::StatusCode;

/// Lines that wait to be written. More are dropped, and counted, rather than that requests wait for a terminal.
const WAITING: usize = 10_000;

/// Where lines go; none: nowhere.
#[derive(Clone)]
pub(crate) struct AccessLog(Option<SyncSender<String>>);

/// A request, until its response has ended.
pub(crate) struct Entry {
    pub(crate) peer: SocketAddr,
    /// The request's line, without the values of the query.
    pub(crate) shown: String,
    pub(crate) began: Instant,
}

/// How a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Whole,
    /// The client hung up.
    HungUp,
    /// It lagged too much.
    CutOff,
    /// The upstream, or the flight, broke off.
    Broken,
}

impl End {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::HungUp => "hung-up",
            Self::CutOff => "cut-off",
            Self::Broken => "broken",
        }
    }
}

impl AccessLog {
    /// On standard output, by a thread of its own.
    pub(crate) fn to_stdout() -> Self {
        let (lines, waiting) = sync_channel::<String>(WAITING);
        let write = move || {
            while let Ok(line) = waiting.recv() {
                let mut stdout = std::io::stdout().lock();
                // Nobody reads it any more: not a reason to stop.
                let _ = writeln!(stdout, "{line}");
                for line in waiting.try_iter() {
                    let _ = writeln!(stdout, "{line}");
                }
                let _ = stdout.flush();
            }
        };
        match std::thread::Builder::new().name("access log".into()).spawn(write) {
            Ok(_) => Self(Some(lines)),
            Err(_) => Self(None),
        }
    }

    pub(crate) fn off() -> Self {
        Self(None)
    }

    pub(crate) fn write(&self, entry: &Entry, status: StatusCode, part: &str, bytes: u64, end: End) {
        let Some(lines) = &self.0 else { return };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        let line = format!(
            "{now} {} {} {} {part} {bytes} {} {:.1}ms",
            entry.peer,
            entry.shown,
            status.as_u16(),
            end.name(),
            entry.began.elapsed().as_secs_f64() * 1000.0,
        );
        if let Err(TrySendError::Full(_)) = lines.try_send(line) {
            metrics::counter!("proxy_log_lines_dropped_total").increment(1);
        }
    }
}
