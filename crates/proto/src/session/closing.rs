//! How a session ends: the closing handshake, failures, and the end of the transport
//! (RFC 6455 §5.5.1, §7).

use alloc::boxed::Box;
use alloc::string::ToString;
use core::time::Duration;

use super::{ReadyState, Session, TransportAction};
use crate::close::CloseFrame;
use crate::close_code::CloseCode;
use crate::close_info::{CloseCause, CloseInfo, Initiator};
use crate::error::ProtocolError;
use crate::frame::Role;

/// Whether a Close says that all was sent that was to be.
fn is_normal(frame: Option<&CloseFrame>) -> bool {
    frame.is_none_or(|frame| frame.code == CloseCode::NORMAL)
}

impl Session {
    /// Begins the closing handshake (§7.1.2), behind the data that waits. Returns whether
    /// it was this call that began it.
    ///
    /// Without a frame, the peer gets neither code nor reason. What [`CloseFrame::new`] would
    /// refuse is left out: a code that may not be sent (the peer then sees 1005), the end of a
    /// long reason.
    pub fn close(&mut self, frame: Option<CloseFrame>, now: Duration) -> bool {
        if self.state != ReadyState::Open {
            return false;
        }
        self.begin_closing(Initiator::Local, CloseCause::Handshake, now);
        self.queue_close(frame.and_then(CloseFrame::sendable));
        true
    }

    pub(super) fn handle_close(&mut self, frame: Option<CloseFrame>, now: Duration) {
        self.begin_closing(Initiator::Peer, CloseCause::Handshake, now);
        // §5.5.2: after a Close, no Pong is owed.
        self.sender.drop_controls();
        let waits = self.half_close && !self.sender.is_closing() && is_normal(frame.as_ref());
        // §5.5.1: answer, if not done, echoing what came.
        let reply = frame.clone();
        if let Some(info) = &mut self.sender.info {
            info.close_received = true;
            info.received = frame;
        }
        if waits {
            // The answer waits until this end has sent what it has to.
            self.state = ReadyState::Open;
        } else {
            self.queue_close(reply);
        }
    }

    /// Whether the peer's Close arrived, and the answer waits for this end.
    pub(super) fn is_half_closed(&self) -> bool {
        !self.sender.is_closing()
            && self.sender.info.as_ref().is_some_and(|info| info.close_received)
    }

    /// The peer has waited long enough for the rest of what is sent here, which is incomplete.
    pub(super) fn close_half_closed(&mut self, now: Duration) {
        let reason = "close_timeout: nothing more was sent, and this end did not close".into();
        self.queue_close(Some(CloseFrame::truncated(CloseCode::GOING_AWAY, reason)));
        self.timers.start_closing(now);
    }

    /// Fails the connection (§7.1.7) for what the peer did: queues a Close with the right
    /// code. From now on the transport only drains.
    ///
    /// There is nothing left to fail once both ends have sent their Close.
    pub fn fail(&mut self, error: ProtocolError, now: Duration) {
        if self.state == ReadyState::Closed || self.is_failed() || self.has_both_closes() {
            return;
        }
        self.begin_closing(Initiator::Library, CloseCause::Protocol(error), now);
        if let Some(info) = &mut self.sender.info {
            // Also when a handshake was under way: this is how it ends.
            info.cause = CloseCause::Protocol(error);
        }
        self.queue_close(Some(CloseFrame::truncated(error.close_code(), error.to_string())));
    }

    /// The peer's Close arrived, and this end's is queued, if it has not left.
    pub(super) fn has_both_closes(&self) -> bool {
        self.sender.is_closing() && self.sender.info.as_ref().is_some_and(|i| i.close_received)
    }

    pub(super) fn is_failed(&self) -> bool {
        let by_handshake = |cause| matches!(cause, CloseCause::Handshake | CloseCause::IdleTimeout);
        self.sender.info.as_ref().is_some_and(|i| !by_handshake(i.cause))
    }

    /// Takes note that the peer ended its direction of the transport (FIN, `END_STREAM`):
    /// nothing more is received. No message is taken any more, but what is queued still
    /// leaves, which is for [`transport`](Self::transport) to say: on TCP and on streams, the
    /// end of one direction is not the end of the other (RFC 9113 §5.1).
    pub fn handle_read_end(&mut self, now: Duration) {
        if self.state == ReadyState::Closed || self.read_ended {
            return;
        }
        self.read_ended = true;
        self.begin_closing(Initiator::Peer, CloseCause::TransportEnd, now);
        if let Some(info) = &mut self.sender.info
            && info.cause == CloseCause::Handshake
            && !info.close_received
        {
            info.cause = CloseCause::TransportEnd;
        }
        // Nobody can answer them, or asked for them and still listens.
        self.sender.drop_controls();
    }

    /// Whether [`handle_read_end`](Self::handle_read_end) was called.
    pub fn read_ended(&self) -> bool {
        self.read_ended
    }

    /// Takes note that both directions of the transport ended: by the peer
    /// (`CloseCause::TransportEnd`), an error (`CloseCause::TransportError`), or because this end
    /// dropped it (`CloseCause::Dropped`).
    pub fn handle_end(&mut self, cause: CloseCause, now: Duration) {
        if self.state == ReadyState::Closed {
            return;
        }
        let by = if cause == CloseCause::Dropped { Initiator::Local } else { Initiator::Peer };
        self.begin_closing(by, cause, now);
        if let Some(info) = &mut self.sender.info
            && info.cause == CloseCause::Handshake
            && !info.is_clean()
            // Who sends a Close and leaves, as a page does that is left, has said how it ended.
            && (!info.close_received || cause == CloseCause::Dropped)
        {
            info.cause = cause;
        }
        self.end();
    }

    /// What is to be done with the transport.
    pub fn transport(&self) -> TransportAction {
        match (&self.sender.info, self.state) {
            (_, ReadyState::Closed) => TransportAction::Drop,
            _ if self.read_ended && !self.is_half_closed() => TransportAction::Finish,
            (Some(_), _) if self.is_failed() => TransportAction::Drain,
            _ if self.has_both_closes() => match self.role {
                Role::Client if !self.multiplexed => TransportAction::AwaitEnd,
                Role::Client | Role::Server => TransportAction::Finish,
            },
            _ => TransportAction::Use,
        }
    }

    pub(super) fn begin_closing(&mut self, initiator: Initiator, cause: CloseCause, now: Duration) {
        if self.sender.info.is_none() {
            self.sender.info = Some(Box::new(CloseInfo::new(initiator, cause)));
            self.state = ReadyState::Closing;
            self.timers.start_closing(now);
            self.sender.take_progress();
            self.closing_slowly = self.sender.wants_write();
        }
    }

    pub(super) fn queue_close(&mut self, frame: Option<CloseFrame>) {
        if self.sender.is_closing() {
            return;
        }
        self.sender.send_close(frame.as_ref());
        if self.state == ReadyState::Open {
            // It was half-closed.
            self.state = ReadyState::Closing;
        }
        if let Some(info) = &mut self.sender.info {
            info.sent = frame;
        }
    }

    pub(super) fn end(&mut self) {
        self.state = ReadyState::Closed;
        self.sender.drop_controls();
        self.sender.release_memory(true);
    }
}
