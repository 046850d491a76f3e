//! What a group's events say to `tracing`.

use coflight_core::{Event, EventKind, Observer, Verb};
use tracing::{Level, Span, event, span};

use crate::spans::Pass;

/// Tells `tracing` what happens in a group, for [`Builder::observer`](coflight_core::Builder::observer), and links the spans of
/// [traced](crate::Traced) calls.
///
/// Each event of the group is an event of the target `coflight`, with the fields `kind`, `group`, `key` (as
/// [`show_keys`](coflight_core::Builder::show_keys) says; by default a number that tells nothing of the key), `flight` (its number), `verb`, and
/// `elapsed` (seconds that the flight had been in progress). Its parent is the span of the call, or of the work, that it is about, if that is
/// traced, else the current one.
///
/// ```
/// use coflight::{Group, Tracing};
/// use tracing::Level;
/// # use std::sync::{Arc, Mutex};
/// # #[derive(Clone, Default)]
/// # struct Log(Arc<Mutex<Vec<u8>>>);
/// # impl Log {
/// #     fn text(&self) -> String {
/// #         String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
/// #     }
/// # }
/// # impl std::io::Write for Log {
/// #     fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
/// #         self.0.lock().unwrap().write(text)
/// #     }
/// #     fn flush(&mut self) -> std::io::Result<()> {
/// #         Ok(())
/// #     }
/// # }
/// # let log = Log::default();
/// # let writer = { let log = log.clone(); move || log.clone() };
///
/// tracing_subscriber::fmt().with_ansi(false).with_max_level(Level::DEBUG).with_writer(writer).init();
/// let users: Group<u64, String> = Group::builder().name("users").observer(Tracing::new()).build();
/// users.run_blocking(&42, || "Ada".to_owned())?;
///
/// assert!(log.text().contains(r#"kind="completed" group="users" key=#"#)); // and a number, not 42
/// # Ok::<(), coflight::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Tracing {
    level: fn(EventKind) -> Option<Level>,
}

impl Tracing {
    /// With the [default levels](Self::default_level).
    ///
    /// ```
    /// use coflight::{Group, Tracing};
    /// # use std::sync::{Arc, Mutex};
    /// # #[derive(Clone, Default)]
    /// # struct Log(Arc<Mutex<Vec<u8>>>);
    /// # impl Log {
    /// #     fn text(&self) -> String {
    /// #         String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    /// #     }
    /// # }
    /// # impl std::io::Write for Log {
    /// #     fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
    /// #         self.0.lock().unwrap().write(text)
    /// #     }
    /// #     fn flush(&mut self) -> std::io::Result<()> {
    /// #         Ok(())
    /// #     }
    /// # }
    /// # let log = Log::default();
    /// # let writer = { let log = log.clone(); move || log.clone() };
    /// # tracing_subscriber::fmt().with_ansi(false).with_writer(writer).init();
    ///
    /// let users: Group<u64, u64> = Group::builder().observer(Tracing::new()).max_flights(1).build();
    /// let leader = users.enter(&42);
    /// assert!(users.run_blocking(&7, || 7).is_err()); // there is one already
    ///
    /// // At the level `INFO`, a log has but this.
    /// assert_eq!(log.text().lines().count(), 1);
    /// assert!(log.text().contains(r#"WARN coflight: kind="refused""#), "{}", log.text());
    /// # drop(leader);
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self { level: Self::default_level }
    }

    /// Chooses the level for each kind of event; `None`: it is not told. Spans are linked all the same.
    ///
    /// ```
    /// use coflight::{EventKind, Group, Tracing};
    /// # use std::sync::{Arc, Mutex};
    /// # #[derive(Clone, Default)]
    /// # struct Log(Arc<Mutex<Vec<u8>>>);
    /// # impl Log {
    /// #     fn text(&self) -> String {
    /// #         String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    /// #     }
    /// # }
    /// # impl std::io::Write for Log {
    /// #     fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
    /// #         self.0.lock().unwrap().write(text)
    /// #     }
    /// #     fn flush(&mut self) -> std::io::Result<()> {
    /// #         Ok(())
    /// #     }
    /// # }
    /// # let log = Log::default();
    /// # let writer = { let log = log.clone(); move || log.clone() };
    /// # tracing_subscriber::fmt().with_ansi(false).with_max_level(tracing::Level::DEBUG).with_writer(writer).init();
    ///
    /// let quiet = Tracing::new().levels(|kind| match kind {
    ///     EventKind::Missed | EventKind::Joined | EventKind::Lingered => None,
    ///     other => Tracing::default_level(other),
    /// });
    /// let users: Group<u64, u64> = Group::builder().observer(quiet).build();
    /// users.run_blocking(&42, || 0)?;
    /// assert!(!log.text().contains("missed") && log.text().contains("started"));
    /// # Ok::<(), coflight::Error>(())
    /// ```
    #[must_use]
    pub fn levels(mut self, level: fn(EventKind) -> Option<Level>) -> Self {
        self.level = level;
        self
    }

    /// `WARN` for what an operator should look at: panicked, timed out, refused. `INFO` for what is out of the ordinary: failed, retried,
    /// cancelled, released, handed over, overtaken. `DEBUG` for everything else.
    ///
    /// ```
    /// use coflight::{EventKind, Tracing};
    /// use tracing::Level;
    ///
    /// assert_eq!(Tracing::default_level(EventKind::TimedOut), Some(Level::WARN));
    /// assert_eq!(Tracing::default_level(EventKind::Handover), Some(Level::INFO));
    /// assert_eq!(Tracing::default_level(EventKind::Joined), Some(Level::DEBUG));
    /// ```
    #[must_use]
    pub fn default_level(kind: EventKind) -> Option<Level> {
        Some(match kind {
            EventKind::Panicked | EventKind::TimedOut | EventKind::Refused => Level::WARN,
            EventKind::Failed
            | EventKind::Retried
            | EventKind::Cancelled
            | EventKind::Released
            | EventKind::Handover
            | EventKind::Overtaken => Level::INFO,
            _ => Level::DEBUG,
        })
    }
}

impl Default for Tracing {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> Observer<K> for Tracing {
    fn event(&self, event: &Event<'_, K>) {
        let call = event.metadata::<Pass>();
        if let Some(call) = call {
            call.link(event);
        }
        if let Some(level) = (self.level)(event.kind()) {
            say(level, call, event);
        }
        if let (Some(call), true) = (call, event.kind().is_end()) {
            call.revoke();
        }
    }
}

fn say<K>(level: Level, call: Option<&Pass>, event: &Event<'_, K>) {
    // `tracing` keeps the level with the place in the code, so each level needs a place of its own.
    macro_rules! say {
        ($level:expr) => {
            event!(
                target: "coflight",
                parent: parent(call, event.kind()),
                $level,
                kind = event.kind().name(),
                group = event.group(),
                key = %event.shown_key(),
                flight = event.flight(),
                verb = event.verb().map(Verb::name),
                elapsed = event.elapsed().map(|elapsed| elapsed.as_secs_f64()),
            )
        };
    }
    match level {
        Level::ERROR => say!(Level::ERROR),
        Level::WARN => say!(Level::WARN),
        Level::INFO => say!(Level::INFO),
        Level::DEBUG => say!(Level::DEBUG),
        Level::TRACE => say!(Level::TRACE),
    }
}

/// The span that an event belongs to. Not simply the current one: an event can be told by another call than the one that it is about.
fn parent(call: Option<&Pass>, kind: EventKind) -> Option<span::Id> {
    call.and_then(|call| call.about(kind)).unwrap_or_else(Span::current).id()
}
