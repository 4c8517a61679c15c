//! The connection of a session: one WebSocket, or one that connects again.

use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use fullduplex::client::{DisconnectReason, ReconnectEvent, ReconnectSender, Reconnecting};
use fullduplex::{
    Client, CloseCode, CloseInfo, ConnectionStats, ControlFrame, ControlFrames, Error, Message,
    ReadyState, ReceiveHalf, SendHalf, WebSocket,
};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::base::escape::printable;

/// The time between two looks at how far the closing is, when no message is received any more.
const CLOSE_CHECK: Duration = Duration::from_millis(2);

/// The connection of a session.
pub(crate) struct Link {
    pub(super) sender: LinkSender,
    pub(super) receiver: LinkReceiver,
    pub(super) control: ControlReceiver,
}

/// What arrives on a connection.
pub(super) enum Incoming {
    Message(Message),
    /// A connection was lost or is open again, in plain words.
    Note(String),
    /// The connection has ended, with this error, if any.
    End(Option<Error>),
    /// There is no connection, and no further attempt.
    NoConnection(Error),
}

/// The sending side of a connection.
pub(super) enum LinkSender {
    Single(SendHalf),
    Reconnecting { sender: ReconnectSender, closed: Arc<Mutex<Option<CloseInfo>>> },
}

/// The receiving side of a connection.
pub(super) enum LinkReceiver {
    Single(ReceiveHalf),
    Reconnecting {
        client: Reconnecting,
        was_connected: bool,
        closed: Arc<Mutex<Option<CloseInfo>>>,
    },
}

/// The Pings and Pongs of a connection.
pub(super) enum ControlReceiver {
    Single(ControlFrames),
    Reconnecting { each: mpsc::UnboundedReceiver<ControlFrames>, present: Option<ControlFrames> },
}

/// A reader of the counts of a connection, or of their sum over several.
#[derive(Clone)]
pub(crate) struct StatsSource(Arc<dyn Fn() -> ConnectionStats + Send + Sync>);

impl Link {
    /// Returns a reader of the counts, of all connections of a session that connects again. It
    /// works on after the end.
    pub(crate) fn stats_source(&self) -> StatsSource {
        match &self.sender {
            LinkSender::Single(send) => {
                let send = send.clone();
                StatsSource::new(move || send.stats())
            }
            LinkSender::Reconnecting { sender, .. } => {
                let sender = sender.clone();
                StatsSource::new(move || sender.stats().traffic)
            }
        }
    }
}

impl StatsSource {
    /// Creates a reader that calls this function.
    pub(crate) fn new(read: impl Fn() -> ConnectionStats + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Returns the counts of messages and bytes so far.
    pub(crate) fn stats(&self) -> ConnectionStats {
        (self.0)()
    }
}

impl From<WebSocket> for Link {
    fn from(websocket: WebSocket) -> Self {
        let (sender, receiver) = websocket.split();
        let control = ControlReceiver::Single(sender.control_frames());
        let (sender, receiver) = (LinkSender::Single(sender), LinkReceiver::Single(receiver));
        Self { sender, receiver, control }
    }
}

impl Link {
    /// Starts to connect, and connects again whenever the connection is lost. These messages are
    /// the first on each connection.
    pub(crate) fn reconnecting(client: &Client, url: &str, opening: Vec<Message>) -> Self {
        let (frames, each) = mpsc::unbounded_channel();
        let builder = client.reconnecting(url).on_connected(move |mut websocket| {
            let (frames, opening) = (frames.clone(), opening.clone());
            async move {
                // The session may be over.
                let _ = frames.send(websocket.control_frames());
                for message in opening {
                    websocket.send(message).await?;
                }
                Ok(websocket)
            }
        });
        let (client, closed) = (builder.start(), Arc::default());
        Self {
            sender: LinkSender::Reconnecting {
                sender: client.sender(),
                closed: Arc::clone(&closed),
            },
            receiver: LinkReceiver::Reconnecting { client, was_connected: false, closed },
            control: ControlReceiver::Reconnecting { each, present: None },
        }
    }
}

impl LinkSender {
    /// Queues a message, and waits for space.
    pub(super) async fn send(&self, message: Message) -> Result<(), Error> {
        match self {
            Self::Single(send) => send.send(message).await,
            Self::Reconnecting { sender, .. } => sender.send(message).await,
        }
    }

    /// Waits until what is queued is written to the transport.
    pub(super) async fn flush(&self) -> Result<(), Error> {
        match self {
            Self::Single(send) => send.flush().await,
            Self::Reconnecting { sender, .. } => sender.flush().await,
        }
    }

    /// Sends a Ping.
    pub(super) async fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        match self {
            Self::Single(send) => send.ping(payload).await.map(drop),
            Self::Reconnecting { sender, .. } => sender.ping(payload).await.map(drop),
        }
    }

    /// Sends a Pong. A connection that connects again has none, and sends nothing.
    pub(super) async fn pong(&self, payload: &[u8]) -> Result<(), Error> {
        match self {
            Self::Single(send) => send.pong(payload).await,
            Self::Reconnecting { .. } => Ok(()),
        }
    }

    /// Queues a Close.
    pub(super) fn start_close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        match self {
            Self::Single(send) => send.start_close(code, reason),
            Self::Reconnecting { sender, .. } => sender.start_close(code, reason),
        }
    }

    /// Waits until both ends have sent a Close. It is woken only in the task that receives.
    pub(super) async fn closed_both_ways(&self) {
        let Self::Single(send) = self else { return pending().await };
        poll_fn(|_| match send.close_info() {
            Some(info) if info.is_clean() && send.buffered_amount() == 0 => Poll::Ready(()),
            _ => Poll::Pending,
        })
        .await;
    }

    /// Waits until both ends have sent a Close, in any task.
    pub(super) async fn closing_completed(&self) {
        let Self::Single(send) = self else { return pending().await };
        while !send.close_info().is_some_and(|info| info.is_clean()) {
            // No waker knows of it, and the wait is short.
            sleep(CLOSE_CHECK).await;
        }
    }

    /// Whether it sends the first messages itself, on each connection.
    pub(super) fn sends_opening(&self) -> bool {
        matches!(self, Self::Reconnecting { .. })
    }

    /// Whether messages can be sent, now or after the next connection.
    pub(super) fn is_open(&self) -> bool {
        match self {
            Self::Single(send) => send.state() == ReadyState::Open,
            Self::Reconnecting { sender, .. } => {
                matches!(sender.state(), ReadyState::Open | ReadyState::Connecting)
            }
        }
    }

    /// Ends the transport without a Close, if the connection has not ended.
    pub(super) fn abort(&self) {
        if let Self::Single(send) = self {
            send.abort();
        }
    }

    /// Returns how the connection ended, or how far its closing is.
    pub(super) fn close_info(&self) -> Option<CloseInfo> {
        match self {
            Self::Single(send) => send.close_info(),
            Self::Reconnecting { closed, .. } => {
                closed.lock().unwrap_or_else(PoisonError::into_inner).clone()
            }
        }
    }

    /// Returns the counts of messages and bytes.
    pub(super) fn stats(&self) -> ConnectionStats {
        match self {
            Self::Single(send) => send.stats(),
            Self::Reconnecting { sender, .. } => sender.stats().traffic,
        }
    }
}

impl LinkReceiver {
    /// Waits for what arrives next.
    pub(super) async fn next(&mut self) -> Incoming {
        match self {
            Self::Single(receive) => match receive.next().await {
                Some(Ok(message)) => Incoming::Message(message),
                Some(Err(error)) => Incoming::End(Some(error)),
                None => Incoming::End(None),
            },
            Self::Reconnecting { client, was_connected, closed } => loop {
                match client.next().await {
                    Some(ReconnectEvent::Message(message)) => return Incoming::Message(message),
                    Some(ReconnectEvent::Connected { .. }) => {
                        if std::mem::replace(was_connected, true) {
                            return Incoming::Note("connected again".into());
                        }
                    }
                    Some(ReconnectEvent::Disconnected { reason, retry_in: Some(delay) }) => {
                        let (reason, delay) = (printable(&reason.to_string()), delay.as_secs_f64());
                        return Incoming::Note(format!(
                            "{reason}; connecting again in {delay:.1} s"
                        ));
                    }
                    Some(ReconnectEvent::Disconnected { reason, retry_in: None }) => match reason {
                        DisconnectReason::Failed(error) => return Incoming::NoConnection(error),
                        DisconnectReason::Closed(info) => {
                            *closed.lock().unwrap_or_else(PoisonError::into_inner) = Some(info);
                        }
                        _ => {}
                    },
                    Some(_) => {}
                    None => return Incoming::End(None),
                }
            },
        }
    }

    /// Drops what arrives until the connection has ended.
    pub(super) async fn drain(self, sender: &LinkSender) {
        match (self, sender) {
            (Self::Single(receive), LinkSender::Single(send)) => {
                // A task of the library reads on.
                drop(receive);
                send.closed().await;
            }
            (Self::Reconnecting { mut client, .. }, _) => while client.next().await.is_some() {},
            (Self::Single(_), LinkSender::Reconnecting { .. }) => {}
        }
    }
}

impl ControlReceiver {
    /// Waits for the next Ping or Pong.
    pub(super) async fn next(&mut self) -> Option<ControlFrame> {
        match self {
            Self::Single(frames) => frames.next().await,
            Self::Reconnecting { each, present } => loop {
                let next = async {
                    match present {
                        Some(frames) => frames.next().await,
                        None => pending().await,
                    }
                };
                tokio::select! {
                    connected = each.recv() => *present = Some(connected?),
                    frame = next => match frame {
                        Some(frame) => return Some(frame),
                        None => *present = None,
                    },
                }
            },
        }
    }
}
