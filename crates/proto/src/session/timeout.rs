//! The session's timeouts: keepalive, idle timeout and close timeout.

use core::time::Duration;

use super::{ReadyState, Session};
use crate::close::CloseFrame;
use crate::close_code::CloseCode;
use crate::close_info::{CloseCause, Initiator};
use crate::send::ControlKind;
use crate::timers::TimerEvent;

/// The number of bytes that a peer has to take in each close timeout while more are queued.
const MIN_PROGRESS: u16 = 1 << 10;

impl Session {
    /// Returns when [`handle_timeout`](Self::handle_timeout) must be called next.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.state == ReadyState::Closed { None } else { self.checks.timers.next() }
    }

    /// Handles the timers that are due: sends a keepalive ping, closes an idle connection, or gives
    /// up one whose peer is silent. Returns whether it was given up;
    /// [`close_info`](Self::close_info) then has the cause.
    pub fn handle_timeout(&mut self, now: Duration) -> bool {
        if self.state == ReadyState::Closed {
            return false;
        }
        if core::mem::take(&mut self.saw_message) {
            self.checks.timers.record_message();
        }
        let event = self.checks.timers.handle_timeout(now, || self.sender.is_stuck());
        if event != TimerEvent::NotIdle {
            // This happens twice in a keepalive interval.
            self.sender.on_idle();
        }
        match event {
            TimerEvent::Nothing | TimerEvent::NotIdle => false,
            TimerEvent::Idle => {
                self.close_idle(now);
                false
            }
            TimerEvent::Ping(payload) => {
                if self.state == ReadyState::Open {
                    // The slot for keepalive pings replaces an older one, so this can't fail.
                    let _ = self.sender.send_control(ControlKind::Keepalive, &payload);
                }
                false
            }
            TimerEvent::Unread => {
                self.fail_unread(now);
                false
            }
            TimerEvent::PeerSilent => self.abandon(CloseCause::KeepaliveTimeout, now),
            TimerEvent::CloseDeadline => {
                if self.has_closing_progressed() {
                    self.checks.timers.start_closing(now);
                    return false;
                }
                if self.is_half_closed() {
                    self.close_half_closed(now);
                    return false;
                }
                self.abandon(CloseCause::CloseTimeout, now)
            }
        }
    }

    /// Whether the peer has taken enough bytes since the close deadline was set while some are
    /// still queued, or were when it was set: then it is slow, but not gone.
    fn has_closing_progressed(&mut self) -> bool {
        let taken = self.sender.take_progress();
        let waits = self.sender.wants_write();
        // A single byte now and then must not keep the connection for days.
        let progressed = taken >= if waits { MIN_PROGRESS } else { 1 };
        let was_slow = core::mem::replace(&mut self.closing_slowly, waits);
        let received = self.checks.timers.take_received();
        let half_open = self.half_close && !self.has_both_closes() && !self.is_failed();
        (progressed && (waits || was_slow)) || (half_open && (progressed || received))
    }

    /// Starts a closing handshake because no messages flow.
    fn close_idle(&mut self, now: Duration) {
        self.start_closing(Initiator::Library, CloseCause::IdleTimeout, now);
        let reason = "idle_timeout: no message for too long".into();
        self.queue_close(Some(CloseFrame::truncated(CloseCode::GOING_AWAY, reason)));
    }

    /// Fails the connection because the application at this end does not read.
    fn fail_unread(&mut self, now: Duration) {
        self.start_closing(Initiator::Library, CloseCause::Unread, now);
        let reason = "what arrives is not read".into();
        self.queue_close(Some(CloseFrame::truncated(CloseCode::INTERNAL_ERROR, reason)));
    }

    /// Ends the connection without waiting for the peer any longer.
    fn abandon(&mut self, cause: CloseCause, now: Duration) -> bool {
        self.start_closing(Initiator::Library, cause, now);
        if let Some(info) = &mut self.sender.info
            && info.cause == CloseCause::Handshake
            && !info.is_clean()
        {
            info.cause = cause;
        }
        self.end();
        true
    }
}
