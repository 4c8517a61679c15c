//! The end of a session: the closing handshake, failures, and the end of the transport (RFC 6455
//! §5.5.1, §7).

use alloc::boxed::Box;
use alloc::string::ToString;
use core::time::Duration;

use super::{ReadyState, Session, TransportAction};
use crate::close::CloseFrame;
use crate::close_code::CloseCode;
use crate::close_info::{CloseCause, CloseInfo, Initiator};
use crate::error::ProtocolError;
use crate::frame::Role;

/// Whether a Close says that the peer has sent everything it intended to.
fn is_normal(frame: Option<&CloseFrame>) -> bool {
    frame.is_none_or(|frame| frame.code == CloseCode::NORMAL)
}

impl Session {
    /// Starts the closing handshake (§7.1.2), after the messages that are queued. Returns whether
    /// it was this call that started it.
    ///
    /// Without a frame, the peer receives neither code nor reason. What [`CloseFrame::new`] would
    /// reject is left out: a code that must not be sent (the peer then sees 1005), and the end of a
    /// reason that is too long.
    pub fn close(&mut self, frame: Option<CloseFrame>, now: Duration) -> bool {
        if self.state != ReadyState::Open {
            return false;
        }
        self.start_closing(Initiator::Local, CloseCause::Handshake, now);
        self.queue_close(frame.and_then(CloseFrame::sendable));
        true
    }

    pub(super) fn handle_close(&mut self, frame: Option<CloseFrame>, now: Duration) {
        self.start_closing(Initiator::Peer, CloseCause::Handshake, now);
        // §5.5.2: after a Close, no Pong has to be sent.
        self.sender.drop_controls();
        let waits = self.half_close && !self.sender.is_closing() && is_normal(frame.as_ref());
        // §5.5.1: answer with the same code and reason, unless a Close was sent.
        let reply = frame.clone();
        if let Some(info) = &mut self.sender.info {
            info.close_received = true;
            info.received = frame;
        }
        if waits {
            // The answer waits until this end has sent its messages.
            self.state = ReadyState::Open;
        } else {
            self.queue_close(reply);
        }
    }

    /// Whether the peer's Close arrived and this end has not answered it yet.
    pub(super) fn is_half_closed(&self) -> bool {
        !self.sender.is_closing()
            && self.sender.info.as_ref().is_some_and(|info| info.close_received)
    }

    /// Answers the peer's Close although this end's message may be incomplete, as nothing has
    /// flowed for the close timeout.
    pub(super) fn close_half_closed(&mut self, now: Duration) {
        let reason = "close_timeout: nothing more was sent, and this end did not close".into();
        self.queue_close(Some(CloseFrame::truncated(CloseCode::GOING_AWAY, reason)));
        self.checks.timers.start_closing(now);
    }

    /// Fails the connection (§7.1.7) because of the peer's `error`: queues a Close with its code.
    /// From now on the transport is only drained.
    ///
    /// It does nothing once both ends have sent their Close.
    pub fn fail(&mut self, error: ProtocolError, now: Duration) {
        if self.state == ReadyState::Closed || self.is_failed() || self.has_both_closes() {
            return;
        }
        self.start_closing(Initiator::Library, CloseCause::Protocol(error), now);
        if let Some(info) = &mut self.sender.info {
            // Also if a closing handshake was in progress: this is how it ends.
            info.cause = CloseCause::Protocol(error);
        }
        self.queue_close(Some(CloseFrame::truncated(error.close_code(), error.to_string())));
    }

    /// Whether the peer's Close arrived and this end's is queued or sent.
    pub(super) fn has_both_closes(&self) -> bool {
        self.sender.is_closing() && self.sender.info.as_ref().is_some_and(|i| i.close_received)
    }

    pub(super) fn is_failed(&self) -> bool {
        let by_handshake = |cause| matches!(cause, CloseCause::Handshake | CloseCause::IdleTimeout);
        self.sender.info.as_ref().is_some_and(|i| !by_handshake(i.cause))
    }

    /// Records that the peer ended its direction of the transport (FIN, `END_STREAM`).
    ///
    /// No message is taken any more, but what is queued is still written; ask
    /// [`transport`](Self::transport). On TCP and on streams, the end of one direction is not the
    /// end of the other (RFC 9113 §5.1).
    pub fn handle_read_end(&mut self, now: Duration) {
        if self.state == ReadyState::Closed || self.read_ended {
            return;
        }
        self.read_ended = true;
        self.start_closing(Initiator::Peer, CloseCause::TransportEnd, now);
        if let Some(info) = &mut self.sender.info
            && info.cause == CloseCause::Handshake
            && !info.close_received
        {
            info.cause = CloseCause::TransportEnd;
        }
        // The peer can't answer pings any more, and does not wait for pongs.
        self.sender.drop_controls();
    }

    /// Returns whether [`handle_read_end`](Self::handle_read_end) was called.
    pub fn read_ended(&self) -> bool {
        self.read_ended
    }

    /// Records that both directions of the transport ended: because of the peer
    /// (`CloseCause::TransportEnd`), an error (`CloseCause::TransportError`), or because this end
    /// dropped it (`CloseCause::Dropped`, `CloseCause::Aborted`).
    pub fn handle_end(&mut self, cause: CloseCause, now: Duration) {
        if self.state == ReadyState::Closed {
            return;
        }
        let by_local = matches!(cause, CloseCause::Dropped | CloseCause::Aborted);
        let by = if by_local { Initiator::Local } else { Initiator::Peer };
        self.start_closing(by, cause, now);
        if let Some(info) = &mut self.sender.info
            && info.cause == CloseCause::Handshake
            && !info.is_clean()
            // A peer that sends a Close and leaves, such as a page that is closed, has said how it
            // ended.
            && (!info.close_received || by_local)
        {
            info.cause = cause;
        }
        self.end();
    }

    /// Returns what to do with the transport now.
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

    pub(super) fn start_closing(&mut self, initiator: Initiator, cause: CloseCause, now: Duration) {
        if self.sender.info.is_none() {
            self.sender.info = Some(Box::new(CloseInfo::new(initiator, cause)));
            self.state = ReadyState::Closing;
            self.checks.timers.start_closing(now);
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
            // It was half-closed until now.
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
