//! The observer of one connection: it has all that is seen decoded, and tells those who want it.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fullduplex::Role;
use fullduplex_inspect::recording::RecordedOpening;
use fullduplex_inspect::store::Retention;
use fullduplex_inspect::{Conversation, DecoderLimits};

use super::event::{Event, Sink, Summary};
use super::head::Head;
use crate::frames::FrameReader;

/// The most bytes to which a message is decompressed. What a peer sends at once is decompressed
/// between two steps of its connection, so that it delays no other for long.
const MAX_INFLATED: u64 = 64 << 20;

/// The sinks of what is seen.
pub(super) type Sinks = Arc<[Box<dyn Sink>]>;

/// The observer of a connection.
pub(super) struct Observer {
    number: u64,
    accepted: Instant,
    /// When it was accepted, since the Unix epoch.
    accepted_at: Duration,
    sinks: Sinks,
    frames: Option<FrameReader>,
    summary: Summary,
}

impl Observer {
    pub(super) fn new(number: u64, sinks: Sinks) -> Self {
        let (frames, summary) = (None, Summary::default());
        let accepted_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let accepted_at = whole_micros(accepted_at);
        Self { number, accepted: Instant::now(), accepted_at, sinks, frames, summary }
    }

    pub(super) fn tell(&self, event: &Event<'_>) {
        tell(&self.sinks, self.number, whole_micros(self.accepted.elapsed()), event);
    }

    pub(super) fn note(&self, text: &str) {
        self.tell(&Event::Note(text));
    }

    /// Begins to decode frames, after a 101 to this request.
    pub(super) fn open(&mut self, url: String, request: &Head, response: &Head) {
        let opening = self.opening(url, request, response);
        self.tell(&Event::Opened(&opening));
        let max_payload = self.sinks.iter().map(Sink::max_payload).max();
        let limits = DecoderLimits::default()
            .max_inflated(MAX_INFLATED)
            .max_payload(max_payload.unwrap_or_default());
        let conversation = Conversation::new().with_limits(limits).with_deflate(opening.deflate());
        self.frames = Some(FrameReader::new(conversation));
    }

    /// Tells of a request to open a WebSocket, and of an answer with another status than 101.
    pub(super) fn refuse(&self, url: String, request: &Head, response: &Head) {
        self.tell(&Event::Refused(&self.opening(url, request, response)));
    }

    fn opening(&self, url: String, request: &Head, response: &Head) -> RecordedOpening {
        let method = request.start_line().split(' ').next().map(str::to_owned);
        let status = response.start_line().split(' ').nth(1).and_then(|code| code.parse().ok());
        RecordedOpening {
            url,
            // All times are counted from here.
            time: self.accepted_at,
            version: "HTTP/1.1".into(),
            method: method.unwrap_or_default(),
            request: request.fields().collect(),
            status: status.unwrap_or_default(),
            response: response.fields().collect(),
        }
    }

    /// Takes bytes that follow a 101.
    pub(super) fn push(&mut self, sender: Role, bytes: &[u8]) {
        let at = whole_micros(self.accepted.elapsed());
        let Self { number, sinks, frames, summary, .. } = self;
        let Some(frames) = frames.as_mut().filter(|_| !bytes.is_empty()) else { return };
        tell(sinks, *number, at, &Event::Bytes { sender, bytes });
        frames.push(sender, bytes, at, |shown, is_answer| {
            let side = usize::from(sender == Role::Server);
            summary.frames[side] += 1;
            summary.messages[side] += u64::from(shown.frame.message.is_some());
            summary.violations += u64::from(shown.frame.violation.is_some());
            if shown.frame.opcode_name() == "close" && summary.first_close.is_none() {
                let close = shown.frame.close().map(|(code, reason)| (code.get(), reason));
                summary.first_close = Some((sender, close));
            }
            tell(
                sinks,
                *number,
                at,
                &Event::Frame { shown, is_answer, retention: Retention::Kept },
            );
        });
    }

    /// Counts bytes that were passed on.
    pub(super) fn count(&mut self, sender: Role, len: usize) {
        self.summary.bytes[usize::from(sender == Role::Server)] += len as u64;
    }

    /// Ends a direction.
    pub(super) fn end(&mut self, sender: Role, how: &str) {
        if let Some(cut) = self.frames.as_mut().and_then(|frames| frames.finish(sender)) {
            self.tell(&Event::Cut { sender, cut: &cut });
        }
        self.tell(&Event::End { sender, how });
        self.summary.first_end.get_or_insert_with(|| (sender, how.to_owned()));
    }

    /// Ends the connection.
    pub(super) fn close(&self) {
        self.tell(&Event::Closed(&self.summary));
    }
}

fn tell(sinks: &[Box<dyn Sink>], number: u64, at: Duration, event: &Event<'_>) {
    for sink in sinks {
        sink.take(number, at, event);
    }
}

/// Returns a time as recordings have it.
fn whole_micros(time: Duration) -> Duration {
    Duration::new(time.as_secs(), time.subsec_micros() * 1000)
}
