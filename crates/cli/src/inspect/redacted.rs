//! What is seen without secrets: `--redact`.

use std::time::Duration;

use fullduplex::{MessageKind, Role};
use fullduplex_inspect::proto::frame::OpCode;
use fullduplex_inspect::recording::{RecordedOpening, frame_bytes};
use fullduplex_inspect::redaction::{HIDDEN, Redaction, redact_text};
use fullduplex_inspect::store::{Handling, Retention};
use fullduplex_inspect::{ConversationFrame, Frame};

use super::event::{Event, Sink, Summary};
use super::head::{Change, Head, START_LINE};

/// Passes on to other sinks what is seen, without secrets.
///
/// The bytes of a WebSocket have them masked, compressed and in parts. In their place come bytes of
/// frames that are made of what is shown.
pub(super) struct Redacted {
    redaction: Redaction,
    sinks: Vec<Box<dyn Sink>>,
}

impl Redacted {
    pub(super) fn new(sinks: Vec<Box<dyn Sink>>) -> Self {
        Self { redaction: Redaction::default(), sinks }
    }

    fn tell(&self, number: u64, at: Duration, event: &Event<'_>) {
        for sink in &self.sinks {
            sink.take(number, at, event);
        }
    }

    fn head(&self, head: &Head) -> Head {
        head.mapped(|line| self.start_line(line), |name, value| self.redaction.field(name, value))
    }

    fn start_line(&self, line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(|word| self.redaction.url(word)).collect();
        words.join(" ")
    }

    fn change(&self, change: &Change) -> Change {
        let before = match &*change.name {
            START_LINE => self.start_line(&change.before),
            name => self.redaction.field(name, &change.before),
        };
        Change { before, ..change.clone() }
    }

    fn opening(&self, opening: &RecordedOpening) -> RecordedOpening {
        let mut opening = opening.clone();
        self.redaction.apply_to_opening(&mut opening);
        opening
    }

    fn frame(
        &self,
        number: u64,
        at: Duration,
        shown: &ConversationFrame,
        (is_answer, handling): (bool, Handling),
    ) {
        let mut shown = shown.clone();
        let retention = self.redaction.apply_to_frame(&mut shown.frame);
        if handling != Handling::Injected
            && let Some(bytes) = made_frame(shown.sender, &shown.frame, retention)
        {
            self.tell(number, at, &Event::Bytes { sender: shown.sender, bytes: &bytes });
        }
        let event = Event::Frame { shown: &shown, is_answer, handling, retention };
        self.tell(number, at, &event);
    }

    fn summary(&self, summary: &Summary) -> Summary {
        let mut summary = summary.clone();
        if let Some((_, Some((_, reason)))) = &mut summary.first_close
            && let Some(Some(redacted)) = self.redaction.payload(reason.as_bytes())
        {
            *reason = String::from_utf8_lossy(&redacted).into_owned();
        }
        summary
    }
}

impl Sink for Redacted {
    fn take(&self, number: u64, at: Duration, event: &Event<'_>) {
        match event {
            Event::Request { head, changes } => {
                let changes: Vec<_> = changes.iter().map(|change| self.change(change)).collect();
                let head = self.head(head);
                self.tell(number, at, &Event::Request { head: &head, changes: &changes });
            }
            Event::Response(head) => self.tell(number, at, &Event::Response(&self.head(head))),
            Event::Trailers { sender, fields } => {
                let redacted = |(name, value): &(String, String)| {
                    (name.clone(), self.redaction.field(name, value))
                };
                let fields: Vec<_> = fields.iter().map(redacted).collect();
                self.tell(number, at, &Event::Trailers { sender: *sender, fields: &fields });
            }
            Event::Opened(opening) => {
                self.tell(number, at, &Event::Opened(&self.opening(opening)));
            }
            Event::Refused(opening) => {
                self.tell(number, at, &Event::Refused(&self.opening(opening)));
            }
            Event::Bytes { .. } => {}
            Event::Frame { shown, is_answer, handling, .. } => {
                self.frame(number, at, shown, (*is_answer, *handling));
            }
            Event::Closed(summary) => {
                self.tell(number, at, &Event::Closed(&self.summary(summary)));
            }
            Event::Note(text) => self.tell(number, at, &Event::Note(&redact_text(text))),
            Event::Tunnel { .. }
            | Event::Accepted(_)
            | Event::Stream { .. }
            | Event::Body { .. }
            | Event::Lost { .. }
            | Event::Cut { .. }
            | Event::End { .. } => {
                self.tell(number, at, event);
            }
        }
    }

    fn max_payload(&self) -> usize {
        self.sinks.iter().map(Sink::max_payload).max().unwrap_or_default()
    }

    fn flush(&self) {
        for sink in &self.sinks {
            sink.flush();
        }
    }

    fn finish(&self) {
        for sink in &self.sinks {
            sink.finish();
        }
    }
}

/// Returns the bytes of the message that is complete with a frame, or of a control frame, in one
/// frame that is not compressed; `None` if it is neither, or a receiver ignores it.
fn made_frame(sender: Role, frame: &Frame, retention: Retention) -> Option<Vec<u8>> {
    if frame.is_ignored {
        return None;
    }
    let payload = match &frame.message {
        _ if retention == Retention::Withheld => HIDDEN.as_bytes(),
        Some(message) => &message.payload,
        None => &frame.payload,
    };
    let opcode = match frame.message.as_ref().map(|message| message.kind) {
        Some(MessageKind::Text) => OpCode::Text,
        Some(MessageKind::Binary) => OpCode::Binary,
        None => frame.opcode().filter(|opcode| opcode.is_control())?,
    };
    Some(frame_bytes(sender, opcode, payload))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use fullduplex_inspect::Conversation;

    use super::*;

    /// Keeps the bytes that it takes.
    #[derive(Default)]
    struct Bytes(Mutex<Vec<(Role, Vec<u8>)>>);

    impl Sink for Bytes {
        fn take(&self, _: u64, _: Duration, event: &Event<'_>) {
            if let Event::Bytes { sender, bytes } = event {
                self.0.lock().unwrap().push((*sender, bytes.to_vec()));
            }
        }
    }

    #[test]
    fn redacted_bytes_are_of_frames_that_are_made_anew() {
        let bytes = Arc::new(Bytes::default());
        let redacted = Redacted::new(vec![Box::new(bytes.clone())]);
        let mut conversation = Conversation::new();
        let mut push = |sender, bytes: &[u8]| {
            conversation.push(sender, bytes, Duration::ZERO, |shown| {
                let retention = Retention::Kept;
                let handling = Handling::Passed;
                let event = Event::Frame { shown: &shown, is_answer: false, handling, retention };
                redacted.take(1, Duration::ZERO, &event);
            });
        };
        push(Role::Client, b"\x01\x85\0\0\0\0{\"tok\x80\x89\0\0\0\0en\":\"s\"}\n");
        push(Role::Server, b"\x82\x02\xff\xfe\x89\x01p\x83\x00");
        redacted.take(1, Duration::ZERO, &Event::Bytes { sender: Role::Server, bytes: b"raw" });
        let expected: [(Role, &[u8]); 3] = [
            (Role::Client, b"\x81\x90\0\0\0\0{\"token\":\"***\"}\n"),
            (Role::Server, b"\x82\x03***"),
            (Role::Server, b"\x89\x01p"),
        ];
        let expected = expected.map(|(sender, bytes)| (sender, bytes.to_vec()));
        assert_eq!(*bytes.0.lock().unwrap(), expected);
    }
}
