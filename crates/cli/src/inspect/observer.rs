//! The observer of one connection: it has all that is seen decoded, and tells those who want it.

mod editing;

use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fullduplex::Role;
use fullduplex_inspect::recording::RecordedOpening;
use fullduplex_inspect::store::{Handling, Retention};
use fullduplex_inspect::{Conversation, ConversationFrame, DecoderLimits};

use self::editing::Editing;
use super::act::{Acting, SocketControl};
use super::event::{Event, Sink, Summary};
use super::head::Head;
use crate::client::url::path_of;
use crate::frames::FrameReader;

/// The most bytes to which a message is decompressed. What a peer sends at once is decompressed
/// between two steps of its connection, so that it delays no other for long.
const MAX_INFLATED: u64 = 64 << 20;

/// The sinks of what is seen, and what acts on it.
#[derive(Clone)]
pub(super) struct Sinks {
    sinks: Arc<[Box<dyn Sink>]>,
    acting: Option<Arc<Acting>>,
}

impl Sinks {
    pub(super) fn new(sinks: impl Into<Arc<[Box<dyn Sink>]>>, acting: Option<Arc<Acting>>) -> Self {
        Self { sinks: sinks.into(), acting }
    }
}

impl Deref for Sinks {
    type Target = [Box<dyn Sink>];

    fn deref(&self) -> &Self::Target {
        &self.sinks
    }
}

/// The observer of a connection.
pub(super) struct Observer {
    number: u64,
    clock: Clock,
    sinks: Sinks,
    frames: Option<FrameReader>,
    summary: Summary,
    /// Whether each direction has ended: the client's, the server's.
    ended: [bool; 2],
    /// The control of the WebSocket, also before it is open, if something acts on it.
    control: Option<Arc<SocketControl>>,
    editing: Option<Box<Editing>>,
}

/// The time since a connection was accepted.
enum Clock {
    /// When it was accepted, also since the Unix epoch.
    Accepted(Instant, Duration),
    /// Another program has the clock, and says the time of what it saw last.
    Said(Duration),
}

impl Clock {
    fn now(&self) -> Duration {
        match self {
            Self::Accepted(at, _) => whole_micros(at.elapsed()),
            Self::Said(time) => *time,
        }
    }
}

impl Observer {
    pub(super) fn new(number: u64, sinks: Sinks) -> Self {
        let accepted_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let clock = Clock::Accepted(Instant::now(), whole_micros(accepted_at));
        let control = sinks.acting.as_ref().map(|acting| acting.control(number));
        Self::with_clock(number, sinks, clock, control)
    }

    fn with_clock(
        number: u64,
        sinks: Sinks,
        clock: Clock,
        control: Option<Arc<SocketControl>>,
    ) -> Self {
        let (frames, summary, ended) = (None, Summary::default(), [false; 2]);
        Self { number, clock, sinks, frames, summary, ended, control, editing: None }
    }

    /// Creates the observer of a WebSocket that another program sees, and begins to decode its
    /// frames.
    pub(super) fn of_recording(number: u64, sinks: Sinks, opening: &RecordedOpening) -> Self {
        let clock = Clock::Said(Duration::ZERO);
        // Nothing acts on it.
        let mut this = Self::with_clock(number, sinks, clock, None);
        if let Some((request, response)) = heads(opening) {
            this.tell(&Event::Request { head: &request, changes: &[] });
            this.tell(&Event::Response(&response));
        }
        this.opened(opening);
        this
    }

    /// Sets the time of what follows, if another program has the clock.
    pub(super) fn set_time(&mut self, at: Duration) {
        if let Clock::Said(time) = &mut self.clock {
            *time = at;
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn tell(&self, event: &Event<'_>) {
        tell(&self.sinks, self.number, self.clock.now(), event);
    }

    pub(super) fn note(&self, text: &str) {
        self.tell(&Event::Note(text));
    }

    /// Begins to decode frames, after a 101 to this request, or a 2xx to an extended CONNECT.
    pub(super) fn open(&mut self, url: String, request: &Head, response: &Head) {
        self.opened(&self.opening(url, request, response));
    }

    fn opened(&mut self, opening: &RecordedOpening) {
        self.tell(&Event::Opened(opening));
        let max_payload = self.sinks.iter().map(Sink::max_payload).max();
        let limits = DecoderLimits::default()
            .max_inflated(MAX_INFLATED)
            .max_payload(max_payload.unwrap_or_default());
        let conversation = Conversation::new().with_limits(limits).with_deflate(opening.deflate());
        self.frames = Some(FrameReader::new(conversation));
        if let (Some(acting), Some(control)) = (&self.sinks.acting, &self.control) {
            self.editing = Some(Box::new(Editing::new(acting, control, opening)));
        }
    }

    /// Returns the control of the WebSocket, also before it is open, if something acts on it.
    pub(super) fn control(&self) -> Option<&Arc<SocketControl>> {
        self.control.as_ref()
    }

    /// Tells of a request to open a WebSocket, and of an answer that opens none.
    pub(super) fn refuse(&self, url: String, request: &Head, response: &Head) {
        let opening = self.opening(url, request, response);
        self.tell(&Event::Refused(&opening));
        if let Some(acting) = &self.sinks.acting {
            acting.refuse(self.number, &opening);
        }
    }

    fn opening(&self, url: String, request: &Head, response: &Head) -> RecordedOpening {
        let start_line = request.start_line();
        let method = start_line.split(' ').next().map(str::to_owned);
        let version = start_line.rsplit(' ').next().map(str::to_owned);
        // The pseudo-header fields of HTTP/2 have members of their own.
        let fields =
            |head: &Head| head.fields().filter(|(name, _)| !name.starts_with(':')).collect();
        let status = response.start_line().split(' ').nth(1).and_then(|code| code.parse().ok());
        RecordedOpening {
            url,
            // All times are counted from here.
            time: match self.clock {
                Clock::Accepted(_, at) => at,
                Clock::Said(_) => Duration::ZERO,
            },
            version: version.unwrap_or_default(),
            method: method.unwrap_or_default(),
            request: fields(request),
            status: status.unwrap_or_default(),
            response: fields(response),
        }
    }

    /// Takes bytes of a WebSocket.
    pub(super) fn push(&mut self, sender: Role, bytes: &[u8]) {
        let at = self.clock.now();
        let Self { number, sinks, frames, summary, .. } = self;
        let Some(frames) = frames.as_mut().filter(|_| !bytes.is_empty()) else { return };
        tell(sinks, *number, at, &Event::Bytes { sender, bytes });
        frames.push(sender, bytes, at, |shown, is_answer| {
            show(sinks, *number, summary, (shown, is_answer, Handling::Passed));
        });
    }

    /// Takes notice that bytes of a WebSocket were not seen. What follows begins with a frame that
    /// is not within a message.
    pub(super) fn lose(&mut self, sender: Role, bytes: u64) {
        self.tell(&Event::Lost { sender, bytes });
        if let Some(frames) = &mut self.frames {
            frames.skip(sender);
        }
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
        self.ended[usize::from(sender == Role::Server)] = true;
        self.summary.first_end.get_or_insert_with(|| (sender, how.to_owned()));
    }

    /// Returns whether both directions have ended.
    pub(super) fn has_ended(&self) -> bool {
        self.ended == [true; 2]
    }

    /// Ends the connection.
    pub(super) fn close(&self) {
        self.tell(&Event::Closed(&self.summary));
        if let (Some(acting), Some(control)) = (&self.sinks.acting, &self.control) {
            acting.close(control);
        }
    }
}

/// Returns the heads of a handshake, in the form of HTTP/1.1.
fn heads(opening: &RecordedOpening) -> Option<(Head, Head)> {
    let RecordedOpening { url, version, method, status, .. } = opening;
    // A CONNECT of HTTP/2 or HTTP/3 has no header field Host, so its whole URL is shown.
    let target = if method == "CONNECT" { url.as_str() } else { path_of(url) };
    let head = |mut head: String, fields: &[(String, String)]| {
        for (name, value) in fields {
            head.extend(["\r\n", name, ": ", value]);
        }
        Head::parse((head + "\r\n\r\n").into())
    };
    let request = head(format!("{method} {target} {version}"), &opening.request)?;
    Some((request, head(format!("{version} {status}"), &opening.response)?))
}

/// Counts a frame, and tells the sinks of it.
fn show(
    sinks: &Sinks,
    number: u64,
    summary: &mut Summary,
    (shown, is_answer, handling): (&ConversationFrame, bool, Handling),
) {
    if handling != Handling::Injected {
        let side = usize::from(shown.sender == Role::Server);
        summary.frames[side] += 1;
        summary.messages[side] += u64::from(shown.frame.message.is_some());
        summary.violations += u64::from(shown.frame.violation.is_some());
        if shown.frame.opcode_name() == "close" && summary.first_close.is_none() {
            let close = shown.frame.close().map(|(code, reason)| (code.get(), reason));
            summary.first_close = Some((shown.sender, close));
        }
    }
    let retention = Retention::Kept;
    let event = Event::Frame { shown, is_answer, handling, retention };
    tell(sinks, number, shown.frame.ended, &event);
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
