//! The connection's timers, driven by the caller's clock.

use alloc::boxed::Box;
use core::time::Duration;

/// When a silent peer is pinged and given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "heartbeat")]
pub struct KeepaliveConfig {
    /// The longest silence before a Ping: it leaves when nothing has arrived for this time, or
    /// for at least half of it. `None` sends no Pings, and gives no peer up. Default: 20 s.
    ///
    /// The peer's own Pings break no silence: they show that its WebSocket library works, while
    /// data and Pongs show that somebody reads there.
    pub interval: Option<Duration>,
    /// How long after that Ping something must have arrived. Default: 20 s. While bytes wait
    /// for a peer that takes none of them, what it sends does not count.
    pub timeout: Duration,
}

impl Default for KeepaliveConfig {
    fn default() -> Self {
        Self { interval: Some(Duration::from_secs(20)), timeout: Duration::from_secs(20) }
    }
}

/// What a timer asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TimerEvent {
    Nothing,
    Ping([u8; 8]),
    PeerSilent,
    /// The application has not read for so long that a silent peer would have been given up.
    Unread,
    /// It was looked whether messages flow, and they do, or have not paused for long.
    NotIdle,
    Idle,
    CloseDeadline,
}

/// So many looks without a message make an idle connection.
const IDLE_LOOKS: u8 = 4;

/// Keepalive, idle timeout and close deadline.
///
/// No clock is read when bytes arrive, or messages come and go: they set flags, which the
/// keepalive looks at twice an interval, and the idle timeout four times in its own. A look that
/// finds nothing comes at most an interval after the last byte.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts, kept small")]
pub(crate) struct Timers {
    /// All times are microseconds; `NEVER` for never.
    interval: u64,
    timeout: u64,
    /// The next look at the keepalive, or, when the closing has begun, its deadline.
    at: u64,
    /// When the last keepalive ping was sent. Its payload, too.
    pinged_at: u64,
    idle: Option<Box<IdleTimeout>>,
    close_timeout: u64,
    round_trip: u32,
    /// Bytes received that are known: those before the last look, and the peer's Pings since.
    /// It wraps around.
    known: u32,
    closing: bool,
    talked: bool,
    received: bool,
    awaiting: bool,
    /// The Pong for the last Ping is to be timed.
    timing: bool,
    /// Somebody reads what arrives, so that a silence is the peer's.
    listening: bool,
    /// As much as may wait for the application waits, and nothing more is read.
    unread: bool,
    /// It was so when the last Ping was sent, and has been since.
    unread_since_ping: bool,
}

/// The idle timeout, for those who set one.
#[derive(Debug)]
struct IdleTimeout {
    /// Between looks at whether messages flow.
    step: u64,
    at: u64,
    /// Looks since the last message.
    looks: u8,
}

const NEVER: u64 = u64::MAX;

/// The longest frame of a Ping: header, masking key, payload.
const MAX_PING: u32 = 2 + 4 + 125;

impl Timers {
    pub(crate) fn new(
        config: KeepaliveConfig,
        idle_timeout: Option<Duration>,
        close_timeout: Duration,
    ) -> Self {
        let idle = |time| {
            let step = (micros(time) / u64::from(IDLE_LOOKS)).max(1);
            Box::new(IdleTimeout { step, at: NEVER, looks: 0 })
        };
        Self {
            interval: config.interval.map_or(NEVER, micros),
            timeout: micros(config.timeout),
            at: NEVER,
            pinged_at: NEVER,
            idle: idle_timeout.map(idle),
            close_timeout: micros(close_timeout),
            round_trip: u32::MAX,
            known: 0,
            closing: false,
            talked: false,
            received: false,
            awaiting: false,
            timing: false,
            listening: true,
            unread: false,
            unread_since_ping: false,
        }
    }

    /// The connection is open: time begins to count.
    pub(crate) fn start(&mut self, now: Duration) {
        let now = micros(now);
        self.at = self.next_look(now);
        // The opening handshake has just arrived.
        self.received = true;
        if let Some(idle) = &mut self.idle {
            idle.at = later(now, idle.step);
        }
    }

    /// The closing begins: its deadline takes the place of the others.
    pub(crate) fn start_closing(&mut self, now: Duration) {
        self.closing = true;
        self.received = false;
        self.idle = None;
        self.at = later(micros(now), self.close_timeout);
    }

    #[inline]
    pub(crate) fn note_received(&mut self) {
        self.received = true;
    }

    /// Whether anything but Pings arrived since the last call, or since the closing began.
    pub(crate) fn take_received(&mut self) -> bool {
        core::mem::take(&mut self.received)
    }

    /// So many bytes have arrived from the beginning on.
    pub(crate) fn note_received_total(&mut self, total: u64) {
        #[allow(clippy::cast_possible_truncation, reason = "counted modulo 2³²")]
        let total = total as u32;
        // A Ping of which the first part was known before the look is known twice.
        let unknown = total.wrapping_sub(self.known);
        let twice = unknown.wrapping_neg();
        self.received |= unknown != 0 && twice > MAX_PING;
        self.known = total;
    }

    /// A Ping of the peer, which took so many bytes, was among what arrived.
    pub(crate) fn note_ping(&mut self, bytes: usize) {
        self.known = self.known.wrapping_add(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    pub(crate) fn set_listening(&mut self, listening: bool) {
        self.listening = listening;
    }

    pub(crate) fn set_unread(&mut self, unread: bool) {
        self.unread = unread;
        self.unread_since_ping &= unread;
    }

    /// A message, or a piece of one, came or went.
    #[inline]
    pub(crate) fn note_message(&mut self) {
        self.talked = true;
    }

    pub(crate) fn handle_pong(&mut self, payload: &[u8], now: Duration) {
        if self.timing && *payload == self.pinged_at.to_be_bytes() {
            let trip = micros(now).saturating_sub(self.pinged_at);
            self.round_trip = u32::try_from(trip).unwrap_or(u32::MAX - 1);
            self.timing = false;
        }
    }

    /// A Pong that comes now is not timed.
    pub(crate) fn discard_round_trip(&mut self) {
        self.timing = false;
    }

    pub(crate) fn awaits_pong(&self) -> bool {
        self.timing
    }

    pub(crate) fn round_trip(&self) -> Option<Duration> {
        (self.round_trip != u32::MAX).then(|| Duration::from_micros(self.round_trip.into()))
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        let next = self.idle.as_ref().map_or(self.at, |idle| self.at.min(idle.at));
        (next != NEVER).then(|| Duration::from_micros(next))
    }

    /// `is_stuck` says whether bytes wait for the peer, and it has taken none since it was
    /// asked before.
    pub(crate) fn fire(&mut self, now: Duration, mut is_stuck: impl FnMut() -> bool) -> TimerEvent {
        let now = micros(now);
        if let Some(idle) = &mut self.idle
            && now >= idle.at
        {
            return idle.look_for_messages(core::mem::take(&mut self.talked), now);
        }
        if now < self.at {
            return TimerEvent::Nothing;
        }
        if self.closing {
            self.at = NEVER;
            return TimerEvent::CloseDeadline;
        }
        // A byte now and then does not make up for taking nothing: what waits would wait for ever.
        let stuck_though_heard = self.received.then(&mut is_stuck);
        if stuck_though_heard == Some(false) {
            (self.received, self.awaiting) = (false, false);
            self.at = self.next_look(now);
            return TimerEvent::Nothing;
        }
        let deadline = later(self.pinged_at, self.timeout);
        if self.awaiting && now < deadline {
            self.at = self.next_look(now).min(deadline);
            return TimerEvent::Nothing;
        }
        let stuck = stuck_though_heard.unwrap_or_else(is_stuck);
        if self.awaiting && (stuck || self.listening) {
            self.at = NEVER;
            return TimerEvent::PeerSilent;
        }
        if self.awaiting && self.unread_since_ping {
            self.at = NEVER;
            return TimerEvent::Unread;
        }
        // Where nobody listened for the answer, or it came at once.
        self.awaiting = false;
        let next_ping = later(self.pinged_at, self.interval);
        // A little early is better than one look more.
        if self.pinged_at != NEVER && now < next_ping - self.interval / 8 {
            self.at = self.next_look(now).min(next_ping);
            return TimerEvent::Nothing;
        }
        (self.received, self.awaiting, self.timing) = (false, true, true);
        self.unread_since_ping = self.unread;
        self.pinged_at = now;
        self.at = self.next_look(now).min(later(now, self.timeout));
        TimerEvent::Ping(now.to_be_bytes())
    }

    /// Half an interval later than the look that was due, if that is still to come.
    fn next_look(&self, now: u64) -> u64 {
        if self.interval == NEVER {
            return NEVER;
        }
        let half = (self.interval / 2).max(1);
        let next = later(self.at, half);
        if self.at <= now && next > now { next } else { later(now, half) }
    }
}

impl IdleTimeout {
    fn look_for_messages(&mut self, talked: bool, now: u64) -> TimerEvent {
        self.looks = if talked { 0 } else { self.looks + 1 };
        if self.looks == IDLE_LOOKS {
            self.at = NEVER;
            return TimerEvent::Idle;
        }
        self.at = later(now, self.step);
        TimerEvent::NotIdle
    }
}

/// `NEVER` stays so.
fn later(now: u64, by: u64) -> u64 {
    now.saturating_add(by)
}

/// Returns a time in microseconds; the longest is less than `NEVER`.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(NEVER - 1).min(NEVER - 1)
}

#[cfg(test)]
mod tests;
