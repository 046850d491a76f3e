//! A subscriber that keeps every span and event of the process, and trails through them.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Span, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// One for all tests: callers run on threads of many runtimes.
static KEPT: Mutex<Kept> = Mutex::new(Kept { spans: Vec::new(), events: Vec::new() });

struct Kept {
    spans: Vec<KeptSpan>,
    events: Vec<KeptEvent>,
}

type Fields = BTreeMap<&'static str, String>;

#[derive(Clone, Debug)]
pub struct KeptSpan {
    /// Unlike a span's id, never used again.
    pub number: usize,
    pub name: &'static str,
    pub parent: Option<usize>,
    pub follows: Vec<usize>,
    pub fields: Fields,
    pub closed: bool,
}

#[derive(Clone, Debug)]
pub struct KeptEvent {
    pub level: Level,
    pub target: &'static str,
    pub span: Option<usize>,
    pub fields: Fields,
}

/// What happened inside a span of the test's own.
pub struct Trail {
    pub root: Span,
    pub number: usize,
}

impl Trail {
    pub fn new() -> Self {
        static INSTALLED: Once = Once::new();
        static TRAILS: AtomicUsize = AtomicUsize::new(0);

        INSTALLED.call_once(|| {
            tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Keeper)).unwrap();
        });
        let trail = TRAILS.fetch_add(1, Ordering::SeqCst);
        let root = tracing::info_span!(parent: None, "root", trail);
        let is_root = |span: &KeptSpan| span.name == "root" && span.fields["trail"] == trail.to_string();
        let number = KEPT.lock().unwrap().spans.iter().position(is_root).unwrap();
        Self { root, number }
    }

    /// Runs `make` in the test's span.
    pub fn within<T>(&self, make: impl FnOnce() -> T) -> T {
        self.root.in_scope(make)
    }

    /// The spans of this name, in the order in which they were made.
    pub fn spans(&self, name: &str) -> Vec<KeptSpan> {
        let kept = KEPT.lock().unwrap();
        kept.spans.iter().filter(|span| span.name == name && kept.inside(span.parent, self.number)).cloned().collect()
    }

    /// The events of this target, in order.
    pub fn events(&self, target: &str) -> Vec<KeptEvent> {
        let kept = KEPT.lock().unwrap();
        let mine = |event: &&KeptEvent| event.target == target && kept.inside(event.span, self.number);
        kept.events.iter().filter(mine).cloned().collect()
    }
}

impl Kept {
    fn inside(&self, mut span: Option<usize>, root: usize) -> bool {
        while let Some(number) = span {
            if number == root {
                return true;
            }
            span = self.spans[number].parent;
        }
        false
    }
}

struct Keeper;

/// A span's number, kept with it.
struct Number(usize);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Keeper {
    fn on_new_span(&self, span: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let new = context.span(id).unwrap();
        let parent = new.parent().map(|parent| parent.extensions().get::<Number>().unwrap().0);
        let mut fields = Reader::default();
        span.record(&mut fields);
        let mut kept = KEPT.lock().unwrap();
        let number = kept.spans.len();
        let (name, follows) = (new.name(), Vec::new());
        kept.spans.push(KeptSpan { number, name, parent, follows, fields: fields.0, closed: false });
        new.extensions_mut().insert(Number(number));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let mut fields = Reader::default();
        values.record(&mut fields);
        let number = number(id, &context);
        let kept = &mut KEPT.lock().unwrap().spans[number];
        for (field, value) in fields.0 {
            assert_eq!(kept.fields.insert(field, value), None, "{field} is recorded twice");
        }
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, context: Context<'_, S>) {
        let (number, follows) = (number(id, &context), self::number(follows, &context));
        KEPT.lock().unwrap().spans[number].follows.push(follows);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let span = context.event_span(event).map(|span| span.extensions().get::<Number>().unwrap().0);
        let mut fields = Reader::default();
        event.record(&mut fields);
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        KEPT.lock().unwrap().events.push(KeptEvent { level, target, span, fields: fields.0 });
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let number = number(&id, &context);
        KEPT.lock().unwrap().spans[number].closed = true;
    }
}

/// Some subscribers panic if asked for a span that is closed, and so does this one.
fn number<S: Subscriber + for<'a> LookupSpan<'a>>(id: &Id, context: &Context<'_, S>) -> usize {
    context.span(id).unwrap().extensions().get::<Number>().unwrap().0
}

#[derive(Default)]
struct Reader(Fields);

impl Visit for Reader {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }
}
