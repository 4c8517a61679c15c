//! What a session does when time has passed.

use core::time::Duration;

use super::{ReadyState, Session};
use crate::close::CloseFrame;
use crate::close_code::CloseCode;
use crate::close_info::{CloseCause, Initiator};
use crate::send::ControlKind;
use crate::timers::TimerEvent;

/// So many bytes a peer has to take in each close timeout while more wait.
const LEAST_PROGRESS: u16 = 1 << 10;

impl Session {
    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub fn poll_timeout(&self) -> Option<Duration> {
        if self.state == ReadyState::Closed { None } else { self.timers.next() }
    }

    /// Does what is due: sends a keepalive ping, closes an idle connection, or gives one up.
    /// Returns whether it was given up; [`close_info`](Self::close_info) then says why.
    pub fn handle_timeout(&mut self, now: Duration) -> bool {
        if self.state == ReadyState::Closed {
            return false;
        }
        let fired = self.timers.fire(now, || self.sender.is_stuck());
        if fired != TimerEvent::NotIdle {
            // Twice in a keepalive interval.
            self.sender.rest();
        }
        match fired {
            TimerEvent::Nothing | TimerEvent::NotIdle => false,
            TimerEvent::Idle => {
                self.close_idle(now);
                false
            }
            TimerEvent::Ping(payload) => {
                if self.state == ReadyState::Open {
                    // Its slot replaces an older one, so this can't be refused.
                    let _ = self.sender.send_control(ControlKind::Keepalive, &payload);
                }
                false
            }
            TimerEvent::Unread => {
                self.fail_unread(now);
                false
            }
            TimerEvent::PeerSilent => self.give_up(CloseCause::KeepaliveTimeout, now),
            TimerEvent::CloseDeadline => {
                if self.closing_progressed() {
                    self.timers.start_closing(now);
                    return false;
                }
                if self.is_half_closed() {
                    self.close_half_closed(now);
                    return false;
                }
                self.give_up(CloseCause::CloseTimeout, now)
            }
        }
    }

    /// Whether the peer has taken enough bytes since the close deadline was set, and some still
    /// wait, or those before the Close had to wait: then it is slow, but not gone.
    fn closing_progressed(&mut self) -> bool {
        let taken = self.sender.take_progress();
        let waits = self.sender.wants_write();
        // A byte now and then would keep the connection for days.
        let progressed = taken >= if waits { LEAST_PROGRESS } else { 1 };
        let was_slow = core::mem::replace(&mut self.closing_slowly, waits);
        let received = self.timers.take_received();
        let half_open = self.half_close && !self.has_both_closes() && !self.is_failed();
        (progressed && (waits || was_slow)) || (half_open && (progressed || received))
    }

    /// A closing handshake like that of the application, but for its cause.
    fn close_idle(&mut self, now: Duration) {
        self.begin_closing(Initiator::Library, CloseCause::IdleTimeout, now);
        let reason = "idle_timeout: no message for too long".into();
        self.queue_close(Some(CloseFrame::truncated(CloseCode::GOING_AWAY, reason)));
    }

    /// Fails the connection because the application at this end does not read.
    fn fail_unread(&mut self, now: Duration) {
        self.begin_closing(Initiator::Library, CloseCause::Unread, now);
        let reason = "what arrives is not read".into();
        self.queue_close(Some(CloseFrame::truncated(CloseCode::INTERNAL_ERROR, reason)));
    }

    fn give_up(&mut self, cause: CloseCause, now: Duration) -> bool {
        self.begin_closing(Initiator::Library, cause, now);
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
