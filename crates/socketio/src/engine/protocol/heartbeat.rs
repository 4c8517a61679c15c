//! Pings of the server and the deadlines of their pongs.

use std::time::{Duration, Instant};

/// The heartbeat of a session.
#[derive(Debug)]
pub(super) struct Heartbeat {
    interval: Duration,
    timeout: Duration,
    /// When the next ping is due.
    ping_at: Instant,
    /// When the pong has to be there, once the ping was due.
    pong_by: Option<Instant>,
    /// Whether the ping that was due is not sent yet.
    owes_ping: bool,
    /// Whether the ping was delayed for an upgrade.
    is_delayed: bool,
}

/// What a heartbeat asks for when its time has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    Nothing,
    /// A ping has to be sent.
    Ping,
    /// The pong is late.
    Late,
}

impl Heartbeat {
    pub(super) fn new(interval: Duration, timeout: Duration, now: Instant) -> Self {
        let ping_at = now + interval;
        Self { interval, timeout, ping_at, pong_by: None, owes_ping: false, is_delayed: false }
    }

    /// Returns when [`tick`](Self::tick) has to be called.
    pub(super) fn deadline(&self) -> Instant {
        self.pong_by.unwrap_or(self.ping_at)
    }

    pub(super) fn tick(&mut self, now: Instant) -> Beat {
        match self.pong_by {
            Some(by) if now >= by => Beat::Late,
            None if now >= self.ping_at => {
                // A task that runs a little late makes the time no longer. One that was held up for
                // long leaves the client some of it.
                let by = self.ping_at + self.timeout;
                self.pong_by = Some(by.max(now + self.timeout / 2));
                self.owes_ping = true;
                Beat::Ping
            }
            _ => Beat::Nothing,
        }
    }

    /// Extends the time that the client has to answer, as the server does not read, or has not sent
    /// the ping.
    pub(super) fn extend(&mut self, now: Instant) {
        self.pong_by = Some(now + self.timeout);
    }

    /// Delays a ping that is due, once and by half of the time-out, so that it is not sent on a
    /// transport that is about to be left.
    pub(super) fn delay(&mut self, now: Instant) {
        if self.pong_by.is_none() && now >= self.ping_at && !self.is_delayed {
            self.is_delayed = true;
            self.ping_at += self.timeout / 2;
        }
    }

    /// Whether a ping has to be sent.
    pub(super) fn owes_ping(&self) -> bool {
        self.owes_ping
    }

    pub(super) fn ping_sent(&mut self) {
        self.owes_ping = false;
    }

    /// Notes a pong. One that no ping asked for says nothing.
    pub(super) fn pong(&mut self, now: Instant) {
        if self.pong_by.take().is_some() {
            self.owes_ping = false;
            self.is_delayed = false;
            self.ping_at = now + self.interval;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heartbeat_pings_after_the_interval_and_waits_for_the_pong() {
        let (second, start) = (Duration::from_secs(1), Instant::now());
        let mut heartbeat = Heartbeat::new(25 * second, 20 * second, start);
        assert_eq!(heartbeat.tick(start + 24 * second), Beat::Nothing);
        assert_eq!(heartbeat.tick(start + 25 * second), Beat::Ping);
        assert!(heartbeat.owes_ping());
        assert_eq!(heartbeat.deadline(), start + 45 * second);
        heartbeat.ping_sent();
        heartbeat.pong(start + 30 * second);
        assert_eq!(heartbeat.deadline(), start + 55 * second);
        heartbeat.pong(start + 50 * second);
        assert_eq!(heartbeat.deadline(), start + 55 * second, "nothing had asked for that pong");
        assert_eq!(heartbeat.tick(start + 55 * second), Beat::Ping);
        assert_eq!(heartbeat.tick(start + 75 * second), Beat::Late);
    }

    #[test]
    fn heartbeat_that_is_late_makes_the_time_for_the_pong_no_longer() {
        let (second, start) = (Duration::from_secs(1), Instant::now());
        let mut heartbeat = Heartbeat::new(25 * second, 20 * second, start);
        assert_eq!(heartbeat.tick(start + 28 * second), Beat::Ping);
        assert_eq!(heartbeat.deadline(), start + 45 * second);
        let mut heartbeat = Heartbeat::new(25 * second, 20 * second, start);
        assert_eq!(heartbeat.tick(start + 100 * second), Beat::Ping);
        assert_eq!(heartbeat.deadline(), start + 110 * second);
    }

    #[test]
    fn heartbeat_is_delayed_once_by_half_of_the_timeout() {
        let (second, start) = (Duration::from_secs(1), Instant::now());
        let mut heartbeat = Heartbeat::new(25 * second, 20 * second, start);
        heartbeat.delay(start + 20 * second);
        assert_eq!(heartbeat.deadline(), start + 25 * second);
        heartbeat.delay(start + 25 * second);
        assert_eq!(heartbeat.deadline(), start + 35 * second);
        heartbeat.delay(start + 35 * second);
        assert_eq!(heartbeat.tick(start + 35 * second), Beat::Ping);
    }
}
