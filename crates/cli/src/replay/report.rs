//! What is printed: the differences, and how each WebSocket ended.

use std::io;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use fullduplex::{CloseCode, Role};
use fullduplex_inspect::replay::{Difference, DifferenceKind, Said, Talk, TalkItem, compare};
use serde_json::{Value, json};

use super::play::{Played, other_part};
use crate::base::lines::{Lines, missed_line};

/// The bytes that wait for the reader at most.
const CAPACITY: usize = 4 << 20;

static STDOUT: LazyLock<Lines> =
    LazyLock::new(|| Lines::new(io::stdout(), "stdout", CAPACITY, missed_line));

/// Prints what comes of WebSockets, and keeps what the exit code says.
pub(super) struct Report {
    pub(super) is_json: bool,
    /// Whether each difference is printed.
    pub(super) has_differences: bool,
    /// The keys of JSON whose values are not compared.
    pub(super) ignored: Vec<String>,
    /// Whether something was different.
    differs: AtomicBool,
    /// Whether something was not sent, or did not come.
    is_incomplete: AtomicBool,
}

impl Report {
    pub(super) fn new(is_json: bool, has_differences: bool, ignored: Vec<String>) -> Self {
        let (differs, is_incomplete) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { is_json, has_differences, ignored, differs, is_incomplete }
    }

    /// Prints a line that is of no recorded WebSocket.
    pub(super) fn line(&self, text: &str) {
        if self.is_json {
            STDOUT.push(&json!({"event": "note", "text": text}).to_string());
        } else {
            STDOUT.push(text);
        }
    }

    /// Prints a line about a WebSocket.
    pub(super) fn note(&self, talk: &Talk, text: &str) {
        let number = talk.connection;
        if self.is_json {
            let line = json!({"event": "note", "socket": number, "text": text});
            STDOUT.push(&line.to_string());
        } else {
            STDOUT.push(&format!("#{number} - {text}"));
        }
    }

    /// Compares what came with what was recorded, and prints how a WebSocket ended. `role` is the
    /// side that was replayed.
    pub(super) fn ended(&self, talk: &Talk, role: Role, played: &Played) {
        let recorded: Vec<TalkItem> = other_part(talk, role).cloned().collect();
        // One that was recorded without any Close, as HAR files are, says nothing of the end.
        let is_close = |item: &TalkItem| matches!(item.what, Said::Close { .. });
        let has_close = talk.items.iter().any(is_close);
        let now = played.received.iter().filter(|item| has_close || !is_close(item));
        let now: Vec<TalkItem> = now.cloned().collect();
        let ignored: Vec<&str> = self.ignored.iter().map(String::as_str).collect();
        let differences = compare(&recorded, &now, &ignored);
        let is_missing =
            differences.iter().any(|found| matches!(found.kind, DifferenceKind::Missing(_)));
        self.differs.fetch_or(!differences.is_empty(), Ordering::Relaxed);
        self.is_incomplete.fetch_or(is_missing || played.unsent > 0, Ordering::Relaxed);
        if self.has_differences {
            for difference in &differences {
                STDOUT.push(&self.difference(talk, role, difference));
            }
        }
        STDOUT.push(&self.end(talk, played, now.len(), recorded.len(), differences.len()));
    }

    fn difference(&self, talk: &Talk, role: Role, difference: &Difference) -> String {
        let number = talk.connection;
        let (from, mark) = if role == Role::Client { ("server", '<') } else { ("client", '>') };
        if !self.is_json {
            return format!("#{number} {mark} {difference}");
        }
        let mut line = json!({
            "event": "difference", "socket": number, "from": from, "index": difference.index,
        });
        match &difference.kind {
            DifferenceKind::Missing(said) => {
                line["kind"] = "missing".into();
                line["recorded"] = value(said);
            }
            DifferenceKind::Extra(said) => {
                line["kind"] = "extra".into();
                line["now"] = value(said);
            }
            DifferenceKind::Changed { recorded, now, places } => {
                line["kind"] = "changed".into();
                line["recorded"] = value(recorded);
                line["now"] = value(now);
                let places = places.iter().map(|place| {
                    json!({"path": place.path, "recorded": place.recorded, "now": place.now})
                });
                line["places"] = places.collect();
            }
            _ => {}
        }
        line.to_string()
    }

    fn end(
        &self,
        talk: &Talk,
        played: &Played,
        received: usize,
        recorded: usize,
        differences: usize,
    ) -> String {
        let Played { sent, unsent, problem, .. } = played;
        let number = talk.connection;
        if self.is_json {
            let line = json!({
                "event": "end", "socket": number, "sent": sent, "unsent": unsent,
                "received": received, "recorded": recorded, "differences": differences,
                "problem": problem,
            });
            return line.to_string();
        }
        let of = if *unsent > 0 { format!(" of {}", sent + unsent) } else { String::new() };
        let differs = match differences {
            0 => "nothing differs".to_owned(),
            1 => "1 difference".to_owned(),
            more => format!("{more} differences"),
        };
        let hint = if differences > 0 && !self.has_differences { ", see --diff" } else { "" };
        let early = problem.as_ref().map(|problem| format!("; ended early: {problem}"));
        let early = early.unwrap_or_default();
        format!(
            "#{number} - sent {sent}{of}; received {received} of {recorded}; {differs}{hint}{early}"
        )
    }

    /// Takes notice that a WebSocket could not be replayed.
    pub(super) fn failed(&self) {
        self.is_incomplete.store(true, Ordering::Relaxed);
    }

    /// Returns whether something was different.
    pub(super) fn differs(&self) -> bool {
        self.differs.load(Ordering::Relaxed)
    }

    /// Returns whether something was not sent, or did not come.
    pub(super) fn is_incomplete(&self) -> bool {
        self.is_incomplete.load(Ordering::Relaxed)
    }

    /// Waits until all is printed.
    pub(super) fn finish() {
        STDOUT.finish();
    }
}

/// Returns what a side said, for machines.
fn value(said: &Said) -> Value {
    match said {
        Said::Message { payload, .. } => match std::str::from_utf8(payload) {
            Ok(text) => json!({"text": text}),
            Err(_) => json!({"bytes": payload.len()}),
        },
        Said::Close { code, reason } => {
            json!({"code": code.map(CloseCode::get), "reason": reason})
        }
        _ => Value::Null,
    }
}
