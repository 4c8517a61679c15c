//! The connection's timers, driven by the caller's clock.

use alloc::boxed::Box;
use core::time::Duration;

use crate::config_error::ConfigError;
use crate::setters::setters;

/// The intervals after which a silent peer is pinged, and considered dead.
///
/// ```
/// use core::time::Duration;
///
/// use fullduplex_proto::{Config, KeepaliveConfig};
///
/// let keepalive = KeepaliveConfig::default().interval(Duration::from_secs(60));
/// let config = Config::default().keepalive(keepalive);
/// // No Pings at all:
/// let config = config.keepalive_interval(None);
/// assert!(config.validate().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "heartbeat")]
#[non_exhaustive]
pub struct KeepaliveConfig {
    /// The longest silence before a Ping: it is sent when nothing has arrived for this time, or for
    /// at least half of it. With `None`, no Pings are sent, and no peer is considered dead.
    /// Default: 20 s.
    ///
    /// The peer's Pings do not count: they only prove that its WebSocket library works, while data
    /// and Pongs prove that its application reads.
    #[doc(alias = "ping_interval")]
    #[doc(alias = "pingInterval")]
    pub interval: Option<Duration>,
    /// The time after that Ping within which something must arrive; otherwise the peer is
    /// considered dead, and the connection ends. Default: 20 s. While bytes are queued for a peer
    /// that accepts none of them, what it sends does not count.
    #[doc(alias = "ping_timeout")]
    #[doc(alias = "pingTimeout")]
    pub timeout: Duration,
}

impl Default for KeepaliveConfig {
    fn default() -> Self {
        Self { interval: Some(Duration::from_secs(20)), timeout: Duration::from_secs(20) }
    }
}

impl KeepaliveConfig {
    setters! {
        interval: into Option<Duration>, "; `None` for no Pings.";
        timeout: Duration, ".";
    }

    /// Checks that every value is in its range.
    ///
    /// # Errors
    /// The first setting that is not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        if let Some(interval) = self.interval {
            ConfigError::require_time(interval, "keepalive.interval")?;
        }
        ConfigError::require_time(self.timeout, "keepalive.timeout")
    }
}

/// What the session has to do for a timer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TimerEvent {
    Nothing,
    Ping([u8; 8]),
    PeerSilent,
    /// The application has not read for so long that a silent peer would be given up.
    Unread,
    /// The idle timeout was checked, and is not over.
    NotIdle,
    Idle,
    CloseDeadline,
}

/// The number of idle checks in a row without a message that make a connection idle.
const IDLE_TICKS: u8 = 4;

/// Keepalive, idle timeout and close deadline.
///
/// No clock is read when bytes or messages arrive or leave: they set flags. The keepalive checks
/// these twice in its interval, and the idle timeout four times in its time. So an overdue peer is
/// noticed at most an interval after its last byte.
#[derive(Debug)]
pub(crate) struct Timers {
    interval: Interval,
    timeout: Interval,
    close_timeout: Interval,
    /// When the keepalive is checked next, or, once the closing has started, its deadline. In
    /// microseconds, as all times here; `NEVER` for never.
    due: u64,
    /// When the last keepalive ping was sent. This is also its payload.
    pinged_at: u64,
    idle: Option<Box<IdleTimeout>>,
    round_trip: u32,
    /// The number of received bytes that are accounted for: those before the last check, and the
    /// peer's Pings since. It wraps around.
    accounted: u32,
    closing: bool,
    saw_message: bool,
    received: bool,
    facts: Facts,
}

/// A set of facts in one byte, as each connection has them.
#[derive(Clone, Copy, Debug)]
struct Facts(u8);

impl Facts {
    /// An answer to the last Ping is awaited.
    const AWAITING_ANSWER: Self = Self(1);
    /// The round trip of the last Ping is measured.
    const TIMING_PONG: Self = Self(2);
    /// A caller reads what arrives, so that silence is the peer's.
    const LISTENING: Self = Self(4);
    /// The application has as much unread as may wait, so that nothing more is received.
    const UNREAD: Self = Self(8);
    /// `UNREAD` held when the last Ping was sent, and has since.
    const UNREAD_SINCE_PING: Self = Self(16);

    fn has(self, fact: Self) -> bool {
        self.0 & fact.0 != 0
    }

    fn set(&mut self, fact: Self, holds: bool) {
        if holds {
            self.0 |= fact.0;
        } else {
            self.0 &= !fact.0;
        }
    }
}

/// A length of time in four bytes, as each connection has several: up to 35 minutes in
/// microseconds, else in seconds, rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Interval(u32);

impl Interval {
    const NEVER: Self = Self(u32::MAX);
    /// Marks a number of seconds.
    const SECONDS: u32 = 1 << 31;

    /// 68 years and more are never.
    fn new(time: Duration) -> Self {
        let micros = micros(time);
        match u32::try_from(micros) {
            Ok(micros) if micros < Self::SECONDS => Self(micros),
            _ => {
                let seconds = u32::try_from(micros.div_ceil(SECOND)).ok();
                let seconds = seconds.filter(|seconds| *seconds < Self::SECONDS);
                seconds.map_or(Self::NEVER, |seconds| Self(Self::SECONDS | seconds))
            }
        }
    }

    /// Returns the microseconds; `NEVER` for never.
    fn micros(self) -> u64 {
        match self.0.checked_sub(Self::SECONDS) {
            None => self.0.into(),
            Some(_) if self == Self::NEVER => NEVER,
            Some(seconds) => u64::from(seconds) * SECOND,
        }
    }
}

/// The state of the idle timeout, allocated only if there is one.
#[derive(Debug)]
struct IdleTimeout {
    /// The time between two checks.
    step: u64,
    due: u64,
    /// The number of checks since the last message.
    ticks: u8,
}

const NEVER: u64 = u64::MAX;

/// A second in microseconds.
pub(crate) const SECOND: u64 = 1_000_000;

/// The longest frame of a Ping: header, masking key, payload.
const MAX_PING: u32 = 2 + 4 + 125;

impl Timers {
    pub(crate) fn new(
        config: KeepaliveConfig,
        idle_timeout: Option<Duration>,
        close_timeout: Duration,
    ) -> Self {
        let idle = |time| {
            let step = (micros(time) / u64::from(IDLE_TICKS)).max(1);
            Box::new(IdleTimeout { step, due: NEVER, ticks: 0 })
        };
        Self {
            interval: config.interval.map_or(Interval::NEVER, Interval::new),
            timeout: Interval::new(config.timeout),
            close_timeout: Interval::new(close_timeout),
            due: NEVER,
            pinged_at: NEVER,
            idle: idle_timeout.map(idle),
            round_trip: u32::MAX,
            accounted: 0,
            closing: false,
            saw_message: false,
            received: false,
            facts: Facts::LISTENING,
        }
    }

    /// Starts the keepalive and the idle timeout.
    pub(crate) fn start(&mut self, now: Duration) {
        let now = micros(now);
        self.due = self.next_check(now);
        // The opening handshake has just arrived.
        self.received = true;
        if let Some(idle) = &mut self.idle {
            idle.due = later(now, idle.step);
        }
    }

    /// Starts the close timeout, which replaces the others.
    pub(crate) fn start_closing(&mut self, now: Duration) {
        self.closing = true;
        self.received = false;
        self.idle = None;
        self.due = later(micros(now), self.close_timeout.micros());
    }

    #[inline]
    pub(crate) fn record_received(&mut self) {
        self.received = true;
    }

    /// Returns whether anything but Pings arrived since the last call, or since the closing
    /// started.
    pub(crate) fn take_received(&mut self) -> bool {
        core::mem::take(&mut self.received)
    }

    /// Records the total number of bytes received since the beginning.
    pub(crate) fn record_received_total(&mut self, total: u64) {
        #[allow(clippy::cast_possible_truncation, reason = "counted modulo 2³²")]
        let total = total as u32;
        // A Ping whose first part was accounted for before the check is counted twice.
        let unaccounted = total.wrapping_sub(self.accounted);
        let counted_twice = unaccounted.wrapping_neg();
        self.received |= unaccounted != 0 && counted_twice > MAX_PING;
        self.accounted = total;
    }

    /// Records a Ping of the peer of this many bytes, which were among those received.
    pub(crate) fn record_ping(&mut self, bytes: usize) {
        self.accounted = self.accounted.wrapping_add(u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    pub(crate) fn set_listening(&mut self, listening: bool) {
        self.facts.set(Facts::LISTENING, listening);
    }

    pub(crate) fn set_unread(&mut self, unread: bool) {
        self.facts.set(Facts::UNREAD, unread);
        if !unread {
            self.facts.set(Facts::UNREAD_SINCE_PING, false);
        }
    }

    /// Records that a message, or a chunk of one, was received or sent.
    #[inline]
    pub(crate) fn record_message(&mut self) {
        self.saw_message = true;
    }

    pub(crate) fn handle_pong(&mut self, payload: &[u8], now: Duration) {
        if self.awaits_pong() && *payload == self.pinged_at.to_be_bytes() {
            let trip = micros(now).saturating_sub(self.pinged_at);
            self.record_round_trip(Duration::from_micros(trip));
            self.discard_round_trip();
        }
    }

    pub(crate) fn record_round_trip(&mut self, took: Duration) {
        self.round_trip = u32::try_from(micros(took)).unwrap_or(u32::MAX - 1);
    }

    /// Stops measuring the round trip of the last Ping.
    pub(crate) fn discard_round_trip(&mut self) {
        self.facts.set(Facts::TIMING_PONG, false);
    }

    pub(crate) fn awaits_pong(&self) -> bool {
        self.facts.has(Facts::TIMING_PONG)
    }

    pub(crate) fn round_trip(&self) -> Option<Duration> {
        (self.round_trip != u32::MAX).then(|| Duration::from_micros(self.round_trip.into()))
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        let next = self.idle.as_ref().map_or(self.due, |idle| self.due.min(idle.due));
        (next != NEVER).then(|| Duration::from_micros(next))
    }

    /// Returns what is due at `now`.
    ///
    /// `is_stuck` returns whether bytes are queued for the peer, and it has taken none since the
    /// previous call.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Duration,
        mut is_stuck: impl FnMut() -> bool,
    ) -> TimerEvent {
        let now = micros(now);
        if let Some(idle) = &mut self.idle
            && now >= idle.due
        {
            return idle.tick(core::mem::take(&mut self.saw_message), now);
        }
        if now < self.due {
            return TimerEvent::Nothing;
        }
        if self.closing {
            self.due = NEVER;
            return TimerEvent::CloseDeadline;
        }
        // A peer that sends but takes nothing is not alive: the queued bytes would wait for ever.
        let stuck_when_heard = self.received.then(&mut is_stuck);
        if stuck_when_heard == Some(false) {
            self.received = false;
            self.facts.set(Facts::AWAITING_ANSWER, false);
            self.due = self.next_check(now);
            return TimerEvent::Nothing;
        }
        let deadline = later(self.pinged_at, self.timeout.micros());
        let awaits_answer = self.facts.has(Facts::AWAITING_ANSWER);
        if awaits_answer && now < deadline {
            self.due = self.next_check(now).min(deadline);
            return TimerEvent::Nothing;
        }
        let stuck = stuck_when_heard.unwrap_or_else(is_stuck);
        if awaits_answer && (stuck || self.facts.has(Facts::LISTENING)) {
            self.due = NEVER;
            return TimerEvent::PeerSilent;
        }
        if awaits_answer && self.facts.has(Facts::UNREAD_SINCE_PING) {
            self.due = NEVER;
            return TimerEvent::Unread;
        }
        // Either no caller was listening for the answer, or it arrived at once.
        self.facts.set(Facts::AWAITING_ANSWER, false);
        let interval = self.interval.micros();
        let next_ping = later(self.pinged_at, interval);
        // Slightly early is better than one check more.
        if self.pinged_at != NEVER && now < next_ping - interval / 8 {
            self.due = self.next_check(now).min(next_ping);
            return TimerEvent::Nothing;
        }
        self.received = false;
        self.facts.set(Facts::AWAITING_ANSWER, true);
        self.facts.set(Facts::TIMING_PONG, true);
        self.facts.set(Facts::UNREAD_SINCE_PING, self.facts.has(Facts::UNREAD));
        self.pinged_at = now;
        self.due = self.next_check(now).min(later(now, self.timeout.micros()));
        TimerEvent::Ping(now.to_be_bytes())
    }

    /// Returns the time half an interval after the check that was due, or after `now` if that is
    /// past.
    fn next_check(&self, now: u64) -> u64 {
        if self.interval == Interval::NEVER {
            return NEVER;
        }
        let half = (self.interval.micros() / 2).max(1);
        let next = later(self.due, half);
        if self.due <= now && next > now { next } else { later(now, half) }
    }
}

impl IdleTimeout {
    fn tick(&mut self, saw_message: bool, now: u64) -> TimerEvent {
        self.ticks = if saw_message { 0 } else { self.ticks + 1 };
        if self.ticks == IDLE_TICKS {
            self.due = NEVER;
            return TimerEvent::Idle;
        }
        self.due = later(now, self.step);
        TimerEvent::NotIdle
    }
}

/// Adds to a time; `NEVER` stays `NEVER`.
fn later(now: u64, by: u64) -> u64 {
    now.saturating_add(by)
}

/// Returns a time in microseconds; the longest is less than `NEVER`.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(NEVER - 1).min(NEVER - 1)
}

#[cfg(test)]
mod tests;
