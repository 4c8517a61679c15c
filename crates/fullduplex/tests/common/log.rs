//! What the library tells the subscribers of `tracing`.

use std::fmt::Write;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, NoSubscriber, set_default};
use tracing::{Dispatch, Event, Metadata, Subscriber};

/// Notes each event with the names of the spans that it is in.
#[derive(Clone)]
pub struct Log {
    inner: Arc<Mutex<Inner>>,
    targets: &'static [&'static str],
}

#[derive(Default)]
struct Inner {
    /// The name of a span, and its parent.
    spans: Vec<(&'static Metadata<'static>, Option<u64>)>,
    entered: Vec<u64>,
    lines: Vec<String>,
    fields: Vec<String>,
}

/// The message of an event, and its fields.
#[derive(Default)]
struct Fields {
    message: String,
    others: String,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.others, " {name}={value:?}"),
        };
    }
}

impl Log {
    /// A log of what these targets tell.
    pub fn of(targets: &'static [&'static str]) -> Self {
        Self { inner: Arc::default(), targets }
    }

    /// Makes it the log of this thread, until what is returned is dropped.
    pub fn subscribe(&self) -> (DefaultGuard, Dispatch) {
        // While there is just one subscriber, an event that another thread's test comes to first
        // is switched off for all threads. So there is a second one.
        (set_default(self.clone()), Dispatch::new(NoSubscriber::new()))
    }

    /// Takes what was told: each event with the names of its spans.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.inner.lock().unwrap().lines)
    }

    /// The fields of all spans and events so far.
    pub fn fields(&self) -> Vec<String> {
        self.inner.lock().unwrap().fields.clone()
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.targets.iter().any(|target| metadata.target().starts_with(target))
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields::default();
        span.record(&mut fields);
        let mut inner = self.inner.lock().unwrap();
        inner.fields.push(format!("{}:{}", span.metadata().name(), fields.others));
        let parent = match span.parent() {
            Some(parent) => Some(parent.into_u64()),
            None if span.is_contextual() => inner.entered.last().copied(),
            None => None,
        };
        inner.spans.push((span.metadata(), parent));
        Id::from_u64(inner.spans.len() as u64)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        let mut inner = self.inner.lock().unwrap();
        let name = inner.spans[usize::try_from(id.into_u64()).unwrap() - 1].0.name();
        inner.fields.push(format!("{name}:{}", fields.others));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut inner = self.inner.lock().unwrap();
        let mut within = match event.parent() {
            Some(parent) => Some(parent.into_u64()),
            None => inner.entered.last().copied(),
        };
        inner.fields.push(format!("{}:{}", fields.message, fields.others));
        let mut line = fields.message;
        while let Some(span) = within {
            let (metadata, parent) = inner.spans[usize::try_from(span).unwrap() - 1];
            line = format!("{}: {line}", metadata.name());
            within = parent;
        }
        inner.lines.push(line);
    }

    fn enter(&self, span: &Id) {
        self.inner.lock().unwrap().entered.push(span.into_u64());
    }

    fn exit(&self, span: &Id) {
        let mut inner = self.inner.lock().unwrap();
        let at = inner.entered.iter().rposition(|entered| *entered == span.into_u64()).unwrap();
        inner.entered.remove(at);
    }
}
