//! The connection's timers, driven by the caller's clock.

use alloc::boxed::Box;
use core::time::Duration;

/// When a silent peer is pinged and given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepaliveConfig {
    /// A peer that was silent for a whole interval is sent a Ping; `None` for never.
    /// Default: 20 s.
    pub interval: Option<Duration>,
    /// How long after that Ping any byte must have arrived. Default: 20 s. While bytes wait
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
pub(crate) enum Fired {
    Nothing,
    Ping([u8; 8]),
    PeerSilent,
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
/// keepalive looks at once an interval, and the idle timeout once a quarter of its time.
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
    idle: Option<Box<Idle>>,
    close_timeout: u64,
    round_trip: u32,
    closing: bool,
    talked: bool,
    received: bool,
    awaiting: bool,
    /// Somebody reads what arrives, so that a silence is the peer's.
    listening: bool,
}

/// The idle timeout, for those who set one.
#[derive(Debug)]
struct Idle {
    /// Between looks at whether messages flow.
    step: u64,
    at: u64,
    /// Looks since the last message.
    looks: u8,
}

const NEVER: u64 = u64::MAX;

impl Timers {
    pub(crate) fn new(
        config: KeepaliveConfig,
        idle_timeout: Option<Duration>,
        close_timeout: Duration,
    ) -> Self {
        let idle = |time| {
            let step = (micros(time) / u64::from(IDLE_LOOKS)).max(1);
            Box::new(Idle { step, at: NEVER, looks: 0 })
        };
        Self {
            interval: config.interval.map_or(NEVER, micros),
            timeout: micros(config.timeout),
            at: NEVER,
            pinged_at: NEVER,
            idle: idle_timeout.map(idle),
            close_timeout: micros(close_timeout),
            round_trip: u32::MAX,
            closing: false,
            talked: false,
            received: false,
            awaiting: false,
            listening: true,
        }
    }

    /// The connection is open: time begins to count.
    pub(crate) fn start(&mut self, now: Duration) {
        let now = micros(now);
        self.at = later(now, self.interval);
        if let Some(idle) = &mut self.idle {
            idle.at = later(now, idle.step);
        }
    }

    /// The closing begins: its deadline takes the place of the others.
    pub(crate) fn start_closing(&mut self, now: Duration) {
        self.closing = true;
        self.idle = None;
        self.at = later(micros(now), self.close_timeout);
    }

    #[inline]
    pub(crate) fn note_received(&mut self) {
        self.received = true;
    }

    pub(crate) fn set_listening(&mut self, listening: bool) {
        self.listening = listening;
    }

    /// A message, or a piece of one, came or went.
    #[inline]
    pub(crate) fn note_message(&mut self) {
        self.talked = true;
    }

    pub(crate) fn handle_pong(&mut self, payload: &[u8], now: Duration) {
        if self.pinged_at != NEVER && *payload == self.pinged_at.to_be_bytes() {
            let trip = micros(now).saturating_sub(self.pinged_at);
            self.round_trip = u32::try_from(trip).unwrap_or(u32::MAX - 1);
            self.pinged_at = NEVER;
        }
    }

    pub(crate) fn awaits_pong(&self) -> bool {
        self.pinged_at != NEVER
    }

    pub(crate) fn round_trip(&self) -> Option<Duration> {
        (self.round_trip != u32::MAX).then(|| Duration::from_micros(self.round_trip.into()))
    }

    pub(crate) fn next(&self) -> Option<Duration> {
        let next = self.idle.as_ref().map_or(self.at, |idle| self.at.min(idle.at));
        (next != NEVER).then(|| Duration::from_micros(next))
    }

    /// `is_stuck` is asked about once a keepalive interval: whether bytes wait for the peer,
    /// and it has taken none since it was asked before.
    pub(crate) fn fire(&mut self, now: Duration, is_stuck: impl FnOnce() -> bool) -> Fired {
        let now = micros(now);
        if let Some(idle) = &mut self.idle
            && now >= idle.at
        {
            return idle.look_for_messages(core::mem::take(&mut self.talked), now);
        }
        if now < self.at {
            return Fired::Nothing;
        }
        if self.closing {
            self.at = NEVER;
            return Fired::CloseDeadline;
        }
        // A byte now and then does not make up for taking nothing: what waits would wait for ever.
        let stuck = is_stuck();
        let received = core::mem::take(&mut self.received);
        let unheard = self.awaiting && !self.listening;
        if !stuck && (received || unheard) {
            self.awaiting = false;
            self.at = later(now, self.interval);
            return Fired::Nothing;
        }
        if self.awaiting {
            self.at = NEVER;
            return Fired::PeerSilent;
        }
        self.awaiting = true;
        self.pinged_at = now;
        self.at = later(now, self.timeout);
        Fired::Ping(now.to_be_bytes())
    }
}

impl Idle {
    fn look_for_messages(&mut self, talked: bool, now: u64) -> Fired {
        self.looks = if talked { 0 } else { self.looks + 1 };
        if self.looks == IDLE_LOOKS {
            self.at = NEVER;
            return Fired::Idle;
        }
        self.at = later(now, self.step);
        Fired::NotIdle
    }
}

/// `NEVER` stays so.
fn later(now: u64, by: u64) -> u64 {
    now.saturating_add(by)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(NEVER - 1).min(NEVER - 1)
}

const SECOND: u64 = 1_000_000;

/// A token bucket: `rate` a second, ten times as many in a burst.
#[derive(Debug)]
pub(crate) struct RateBudget {
    rate: u32,
    tokens: u32,
    refilled_at: u64,
}

impl RateBudget {
    pub(crate) fn new(rate: u32) -> Self {
        Self { rate, tokens: rate.saturating_mul(10), refilled_at: 0 }
    }

    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    /// Takes one token, if there is one.
    pub(crate) fn take(&mut self, now: Duration) -> bool {
        self.take_many(1, now)
    }

    /// Takes so many tokens, if they are there.
    pub(crate) fn take_many(&mut self, count: usize, now: Duration) -> bool {
        self.refill(micros(now));
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        match self.tokens.checked_sub(count) {
            Some(left) => {
                self.tokens = left;
                true
            }
            None => false,
        }
    }

    /// Adds what the time since the last refill has earned. Time that did not make a whole
    /// token is kept for the next one.
    fn refill(&mut self, now: u64) {
        let rate = u64::from(self.rate);
        let elapsed = now.saturating_sub(self.refilled_at);
        let earned = elapsed.saturating_mul(rate) / SECOND;
        if earned > 0 {
            let tokens = u64::from(self.tokens).saturating_add(earned);
            self.tokens = u32::try_from(tokens).unwrap_or(u32::MAX).min(self.burst());
            self.refilled_at = now - elapsed.saturating_mul(rate) % SECOND / rate;
        }
    }

    fn burst(&self) -> u32 {
        self.rate.saturating_mul(10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn timers() -> Timers {
        let mut t = Timers::new(KeepaliveConfig::default(), None, 10 * S);
        t.start(Duration::ZERO);
        t
    }

    #[test]
    fn a_peer_that_takes_nothing_is_given_up_though_it_sends() {
        let mut t = timers();
        for (at, stuck) in [(20, false), (40, true), (60, false), (80, true)] {
            t.note_received();
            let fired = t.fire(at * S, || stuck);
            assert_eq!(matches!(fired, Fired::Ping(_)), stuck, "at {at} s: {fired:?}");
        }
        t.note_received();
        assert_eq!(t.fire(100 * S, || true), Fired::PeerSilent);
    }

    #[test]
    fn nobody_is_given_up_unheard() {
        let mut t = timers();
        t.set_listening(false);
        for at in [20, 60, 100] {
            assert!(matches!(t.fire(at * S, || false), Fired::Ping(_)), "at {at} s");
            assert_eq!(t.fire((at + 20) * S, || false), Fired::Nothing);
        }
        // But if it takes nothing of what waits for it, it need not be heard.
        assert!(matches!(t.fire(140 * S, || true), Fired::Ping(_)));
        assert_eq!(t.fire(160 * S, || true), Fired::PeerSilent);
    }

    #[test]
    fn a_silent_peer_is_pinged_then_given_up() {
        let mut t = timers();
        assert_eq!(t.next(), Some(20 * S));
        assert_eq!(t.fire(19 * S, || false), Fired::Nothing);
        assert!(matches!(t.fire(20 * S, || false), Fired::Ping(_)));
        assert_eq!(t.next(), Some(40 * S));
        assert_eq!(t.fire(40 * S, || false), Fired::PeerSilent);
        assert_eq!(t.next(), None);
    }

    #[test]
    fn any_byte_is_life() {
        let mut t = timers();
        t.note_received();
        assert_eq!(t.fire(20 * S, || false), Fired::Nothing);
        assert!(matches!(t.fire(40 * S, || false), Fired::Ping(_)));
        t.note_received();
        assert_eq!(t.fire(60 * S, || false), Fired::Nothing);
        assert_eq!(t.next(), Some(80 * S));
    }

    #[test]
    fn the_round_trip_is_that_of_the_exact_payload() {
        let mut t = timers();
        let Fired::Ping(payload) = t.fire(20 * S, || false) else { panic!("no ping") };
        t.handle_pong(b"other", 20 * S + S / 2);
        assert_eq!(t.round_trip(), None);
        t.handle_pong(&payload, 20 * S + S / 10);
        assert_eq!(t.round_trip(), Some(S / 10));
    }

    #[test]
    fn the_close_deadline_ends_the_keepalive() {
        let mut t = timers();
        t.start_closing(5 * S);
        assert_eq!(t.next(), Some(15 * S));
        assert_eq!(t.fire(15 * S, || false), Fired::CloseDeadline);
        assert_eq!(t.next(), None);
    }

    #[test]
    fn an_interval_may_be_for_ever() {
        let config = KeepaliveConfig { interval: Some(Duration::MAX), timeout: Duration::MAX };
        let mut t = Timers::new(config, Some(Duration::MAX), 10 * S);
        t.start(S);
        assert_eq!(t.fire(Duration::from_secs(1 << 40), || false), Fired::Nothing);
    }

    /// When it counts as idle, with a message at each of these times.
    fn idle_at(timeout: Duration, messages: &[Duration]) -> Duration {
        let keepalive = KeepaliveConfig { interval: None, ..KeepaliveConfig::default() };
        let mut t = Timers::new(keepalive, Some(timeout), 10 * S);
        t.start(Duration::ZERO);
        let mut messages = messages.iter();
        let mut next = messages.next();
        loop {
            let now = t.next().unwrap();
            while next.is_some_and(|at| *at < now) {
                t.note_message();
                next = messages.next();
            }
            if t.fire(now, || false) == Fired::Idle {
                assert_eq!(t.next(), None);
                return now;
            }
        }
    }

    #[test]
    fn idle_is_no_message_for_the_timeout_and_at_most_a_quarter_more() {
        assert_eq!(idle_at(20 * S, &[]), 20 * S);
        assert_eq!(idle_at(20 * S, &[S]), 25 * S);
        assert_eq!(idle_at(20 * S, &[4 * S, 19 * S]), 40 * S);
        assert_eq!(idle_at(Duration::ZERO, &[]), Duration::from_micros(4));
    }

    #[test]
    fn a_burst_is_ten_seconds_worth_however_long_it_was_quiet() {
        let mut b = RateBudget::new(100);
        assert_eq!((0..5000).filter(|_| b.take(100 * S)).count(), 1000);
    }

    #[test]
    fn the_budget_loses_no_fraction_of_a_token() {
        let mut b = RateBudget::new(300);
        // A little slower than the rate, and never in step with it.
        assert!((1..100_000).all(|i| b.take(Duration::from_micros(3_334 * i))));
    }

    #[test]
    fn the_budget_refills_with_time() {
        let mut b = RateBudget::new(5);
        assert_eq!((0..100).filter(|_| b.take(Duration::ZERO)).count(), 50);
        assert_eq!((0..100).filter(|_| b.take(S)).count(), 5);
        assert_eq!((0..100).filter(|_| b.take(1000 * S)).count(), 50);
    }
}
