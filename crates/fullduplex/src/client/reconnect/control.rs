//! What the handle and the senders of a reconnecting client tell its task.

use fullduplex_proto::CloseFrame;
use tokio::sync::watch;

use crate::client::reconnect::event::{DisconnectReason, ReconnectEvent};

/// A request of the application to the task.
#[derive(Clone, Debug, Default)]
pub(super) struct Control {
    /// The Close with which the client stops.
    pub(super) close: Option<CloseFrame>,
    /// The number of calls of `reconnect` that count.
    reconnects: u64,
    /// The Close that the last of these calls asked for.
    reconnect_close: Option<CloseFrame>,
    /// The number of the connection that this call is about.
    reconnect_of: u64,
    /// The number of connections that the application has read of.
    seen: u64,
    /// Whether the application has called `reconnect` and has not read yet how that went.
    is_requested: bool,
}

impl Control {
    /// Records a call of `reconnect`, unless the one before has the same cause: until the
    /// application has read that it was obeyed, it reads what an ended connection has left.
    /// Returns whether it counts.
    pub(super) fn request_reconnect(&mut self, close: Option<CloseFrame>) -> bool {
        if self.is_requested {
            return false;
        }
        self.is_requested = true;
        self.reconnects += 1;
        self.reconnect_close = close;
        self.reconnect_of = self.seen;
        true
    }

    /// Records that the application reads an event. The task is not notified of it.
    pub(super) fn record_event(&mut self, event: &ReconnectEvent) {
        match event {
            ReconnectEvent::Connected { .. } => self.seen += 1,
            ReconnectEvent::Disconnected { reason: DisconnectReason::Requested, .. }
            | ReconnectEvent::Message(_) => return,
            ReconnectEvent::Disconnected { .. } => {}
        }
        self.is_requested = false;
    }
}

/// What the task must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interruption {
    Close,
    Reconnect,
}

/// The task's end of the control channel.
pub(super) struct ControlReceiver {
    receiver: watch::Receiver<Control>,
    /// The number of calls of `reconnect` that the task has obeyed.
    obeyed: u64,
    /// The number of connections so far.
    connections: u64,
}

impl ControlReceiver {
    pub(super) fn new(receiver: watch::Receiver<Control>) -> Self {
        Self { receiver, obeyed: 0, connections: 0 }
    }

    /// Waits for a request that was not obeyed yet. The senders live as long as the task.
    pub(super) async fn interrupted(&mut self) -> Interruption {
        let obeyed = self.obeyed;
        let has_request = |it: &Control| it.close.is_some() || it.reconnects != obeyed;
        match self.receiver.wait_for(has_request).await {
            Ok(control) if control.close.is_none() => Interruption::Reconnect,
            _ => Interruption::Close,
        }
    }

    /// Waits for a request, while a connection is open, that is about this connection or a later
    /// state, and not about one that had ended before the application called.
    pub(super) async fn interrupted_while_open(&mut self) -> Interruption {
        loop {
            let interruption = self.interrupted().await;
            if interruption == Interruption::Close || self.is_about_present() {
                return interruption;
            }
            self.obey_reconnect();
        }
    }

    fn is_about_present(&self) -> bool {
        self.receiver.borrow().reconnect_of >= self.connections
    }

    /// Counts a connection that has opened.
    pub(super) fn record_connection(&mut self) {
        self.connections += 1;
    }

    /// Marks all calls of `reconnect` so far as obeyed, and returns the Close to send.
    pub(super) fn obey_reconnect(&mut self) -> Option<CloseFrame> {
        let control = self.receiver.borrow();
        self.obeyed = control.reconnects;
        control.reconnect_close.clone()
    }

    /// Returns the Close with which the client stops, if it does.
    pub(super) fn close_frame(&self) -> Option<CloseFrame> {
        self.receiver.borrow().close.clone()
    }
}
