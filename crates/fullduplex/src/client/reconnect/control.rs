//! What the handle and the senders of a reconnecting client tell its task.

use fullduplex_proto::CloseFrame;
use tokio::sync::watch;

/// A request of the application to the task.
#[derive(Clone, Debug, Default)]
pub(super) struct Control {
    /// The Close with which the client stops.
    pub(super) close: Option<CloseFrame>,
    /// The number of calls of `reconnect`.
    pub(super) reconnects: u64,
    /// The Close that the last call of `reconnect` asked for.
    pub(super) reconnect_close: Option<CloseFrame>,
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
}

impl ControlReceiver {
    pub(super) fn new(receiver: watch::Receiver<Control>) -> Self {
        Self { receiver, obeyed: 0 }
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
