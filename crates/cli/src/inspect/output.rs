//! Lines on standard output, for a person or a machine.

use std::io;
use std::sync::LazyLock;
use std::time::Duration;

use fullduplex::Role;
use fullduplex_inspect::store::Retention;

use super::event::{Event, Sink, Summary, TunnelContent, handling_name, name};
use super::head::{Change, Head, START_LINE};
use super::json;
use crate::base::lines::{Lines, missed_line};
use crate::frames;

/// The bytes that wait for the reader at most.
const CAPACITY: usize = 4 << 20;

static STDOUT: LazyLock<Lines> =
    LazyLock::new(|| Lines::new(io::stdout(), "stdout", CAPACITY, missed_line));

static STDOUT_JSON: LazyLock<Lines> =
    LazyLock::new(|| Lines::new(io::stdout(), "stdout", CAPACITY, json::missed_line));

/// Prints lines for a person.
pub(super) struct TextOutput;

/// Prints a JSON object a line.
pub(super) struct JsonOutput;

impl Sink for TextOutput {
    fn take(&self, number: u64, at: Duration, event: &Event<'_>) {
        for (mark, words) in lines(event) {
            let at = at.as_secs_f64();
            STDOUT.push_at_once(&format!("#{number} {mark} {at:.3} s {words}"));
        }
    }

    fn finish(&self) {
        STDOUT.finish();
    }
}

impl Sink for JsonOutput {
    fn take(&self, number: u64, at: Duration, event: &Event<'_>) {
        if let Some(line) = json::line(number, at, event) {
            STDOUT_JSON.push_at_once(&line);
        }
    }

    fn finish(&self) {
        STDOUT_JSON.finish();
    }
}

/// Waits until the reader has taken all lines but this many bytes of them.
pub(super) fn wait_for_reader(is_json: bool, at_most: u64) {
    let lines = if is_json { &STDOUT_JSON } else { &STDOUT };
    lines.wait_for_reader(at_most);
}

/// Prints a line that is of no connection.
pub(super) fn line(is_json: bool, text: &str) {
    if is_json {
        STDOUT_JSON.push(&json::note(text));
    } else {
        STDOUT.push(text);
    }
}

/// Returns the lines of an event, each with the mark of its direction.
fn lines(event: &Event<'_>) -> Vec<(char, String)> {
    match event {
        Event::Accepted(Some(from)) => vec![('-', format!("connection from {from}"))],
        Event::Accepted(None) => vec![('-', "connection".to_owned())],
        Event::Tunnel { to, content } => {
            let content = match content {
                TunnelContent::Plain => "no TLS",
                TunnelContent::OpenedTls => "TLS that is looked into",
                TunnelContent::Tls => "TLS, which passes without being looked into",
            };
            vec![('-', format!("tunnel to {to}: {content}"))]
        }
        Event::Stream { connection, id } => {
            vec![('-', format!("stream {id} of #{connection}"))]
        }
        Event::Request { head, changes } => request(head, changes),
        Event::Response(head) => {
            let fields = head.fields();
            let fields = fields.map(|(name, value)| format!("  {name}: {value}"));
            std::iter::once(head.start_line()).chain(fields).map(|line| ('<', line)).collect()
        }
        Event::Body { sender, len } => vec![(mark(*sender), format!("body of {len} B"))],
        Event::Trailers { sender, fields } => {
            let fields = fields.iter().map(|(name, value)| format!("  {name}: {value}"));
            std::iter::once("trailers".to_owned())
                .chain(fields)
                .map(|line| (mark(*sender), line))
                .collect()
        }
        Event::Frame { shown, is_answer, handling, retention } => {
            let mut line = frames::of_frame(shown, *is_answer);
            if let Some(handling) = handling_name(*handling) {
                line = format!("[{handling}] {line}");
            }
            if let Some(content) = frames::content(shown) {
                line.push_str(&content);
            }
            if *retention == Retention::Withheld {
                line.push_str(" (hidden)");
            }
            vec![(mark(shown.sender), line)]
        }
        Event::Lost { sender, bytes } => vec![(mark(*sender), lost(*bytes))],
        Event::Cut { sender, cut } => vec![(mark(*sender), frames::of_cut(cut))],
        Event::End { sender, how } => vec![(mark(*sender), format!("end: {how}"))],
        Event::Closed(summary) => vec![('-', closed(summary))],
        Event::Note(note) => vec![('-', (*note).to_owned())],
        Event::Opened(_) | Event::Refused(_) | Event::Bytes { .. } => Vec::new(),
    }
}

/// Returns the words about bytes that were not seen.
pub(super) fn lost(bytes: u64) -> String {
    format!("{bytes} B were not seen")
}

/// Returns the lines of a request, with what was changed in it.
fn request(head: &Head, changes: &[Change]) -> Vec<(char, String)> {
    let was = |name: &str| {
        let change = changes.iter().find(|change| change.name == name);
        change.map(|change| format!(" (was {})", change.before)).unwrap_or_default()
    };
    let start_line = head.start_line() + &was(START_LINE);
    let fields = head.fields().map(|(name, value)| {
        let was = was(&name);
        format!("  {name}: {value}{was}")
    });
    let is_gone = |change: &&Change| {
        change.name != START_LINE && !head.fields().any(|(name, _)| name == change.name)
    };
    let gone = changes.iter().filter(is_gone);
    let gone = gone.map(|change| format!("  {} removed{}", change.name, was(&change.name)));
    std::iter::once(start_line).chain(fields).chain(gone).map(|line| ('>', line)).collect()
}

fn mark(sender: Role) -> char {
    if sender == Role::Client { '>' } else { '<' }
}

/// Returns the line of a connection that has ended.
fn closed(summary: &Summary) -> String {
    let mut parts = Vec::new();
    if let Some((side, close)) = &summary.first_close {
        let close = match close {
            Some((code, reason)) if reason.is_empty() => format!(" with {code}"),
            Some((code, reason)) => format!(" with {code} {reason:?}"),
            None => String::new(),
        };
        parts.push(format!("the {} closed first{close}", name(*side)));
    }
    if let Some((side, how)) = &summary.first_end {
        parts.push(format!("the {} ended the transport first: {how}", name(*side)));
    }
    for (side, mark) in [(0, '>'), (1, '<')] {
        let (bytes, frames) = (summary.bytes[side], summary.frames[side]);
        let messages = summary.messages[side];
        parts.push(match summary.frames {
            [0, 0] => format!("{mark} {bytes} B"),
            _ => format!("{mark} {bytes} B in {frames} frames, {messages} messages"),
        });
    }
    if summary.violations > 0 {
        parts.push(format!("{} frames broke a rule", summary.violations));
    }
    format!("ended: {}", parts.join("; "))
}
