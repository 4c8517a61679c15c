//! The task that keeps the connection.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use fullduplex_proto::{CloseFrame, Message};
use http::Response;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::base::deadline::within;
use crate::base::error::{Error, ErrorKind};
use crate::base::guard;
use crate::base::guard::Panicked;
use crate::client::reconnect::event::{DisconnectReason, ReconnectEvent};
use crate::client::reconnect::queue::OfflineQueue;
use crate::client::reconnect::settings::{ReconnectBuilder, RequestOverride};
use crate::connection::split::{ReceiveHalf, SendHalf};
use crate::connection::websocket::WebSocket;
use crate::transport::Transport;

/// What keeps the connection.
pub(super) struct ReconnectTask {
    pub(super) builder: ReconnectBuilder,
    pub(super) queue: Arc<OfflineQueue>,
    pub(super) sink: mpsc::Sender<ReconnectEvent>,
    pub(super) close: watch::Receiver<Option<CloseFrame>>,
    /// Taken from the queue, and not by a connection.
    pub(super) unsent: Option<Message>,
}

impl Drop for ReconnectTask {
    /// Whoever still wants to send is told.
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// The owner is gone, or has closed: there is nothing more to do.
struct Stop;

impl ReconnectTask {
    pub(super) async fn run(mut self) {
        let _ = self.keep().await;
    }

    /// Connects, keeps the connection until it ends, waits and connects again.
    async fn keep(&mut self) -> Result<(), Stop> {
        let (mut failures, mut attempts) = (0_u32, 0);
        loop {
            attempts += 1;
            let mut close = self.close.clone();
            let opened = tokio::select! {
                opened = guard::caught_in(self.open(attempts)) => opened,
                () = self.sink.closed() => return Err(Stop),
                _ = close.wait_for(Option::is_some) => return Err(Stop),
            };
            let why = match opened {
                Err(Panicked) => panicked("a hook, or what connects,"),
                Ok(Err(error)) => DisconnectReason::Failed(error),
                Ok(Ok((websocket, response))) => {
                    let since = Instant::now();
                    self.queue.set_up(true);
                    self.tell(ReconnectEvent::Connected { response, attempts }).await?;
                    attempts = 0;
                    let why = guard::caught_in(self.talk(websocket)).await;
                    let why = why.unwrap_or_else(|Panicked| {
                        self.queue.set_up(false);
                        Ok(panicked("the transport"))
                    })?;
                    // One that ends soon after its handshake is a failure like one that did not come
                    // about: a server that accepts and closes is not asked at full speed.
                    if since.elapsed() >= self.builder.backoff.stable_after {
                        failures = 0;
                    }
                    why
                }
            };
            failures = failures.saturating_add(1);
            let asked = match &why {
                DisconnectReason::Failed(error) => error.retry_after(),
                DisconnectReason::Closed(_) => None,
            };
            // A Close that the owner has asked for ends it, whatever the peer has said meanwhile.
            let is_closed = self.close.borrow().is_some();
            let asked_for = guard::caught(|| (self.builder.retry_if)(&why));
            let again = !is_closed && asked_for.unwrap_or_else(|Panicked| why.is_retryable());
            let retry_in = again.then(|| self.builder.backoff.wait(failures, asked));
            self.tell(ReconnectEvent::Disconnected { why, retry_in }).await?;
            let Some(wait) = retry_in else { return Err(Stop) };
            tokio::select! {
                () = sleep(wait) => {}
                () = self.sink.closed() => return Err(Stop),
                _ = close.wait_for(Option::is_some) => return Err(Stop),
            }
        }
    }

    async fn tell(&self, event: ReconnectEvent) -> Result<(), Stop> {
        self.sink.send(event).await.map_err(|_| Stop)
    }

    async fn open(&self, attempt: u32) -> Result<(WebSocket, Response<()>), Error> {
        let ReconnectBuilder { client, url, prepare, opened, .. } = &self.builder;
        let change = match prepare {
            Some(prepare) => self.in_time("prepare", prepare(attempt - 1)).await?,
            None => RequestOverride::default(),
        };
        let url = change.url.as_deref().unwrap_or(url);
        let connected = if change.headers.is_empty() {
            client.connect(url).await
        } else {
            client.with_headers(change.headers)?.connect(url).await
        };
        let (mut websocket, response) = connected?;
        let Some(hook) = opened else { return Ok((websocket, response)) };
        match self.in_time("opened", hook(&mut websocket)).await {
            Ok(()) => Ok((websocket, response)),
            // What the server's Close said decides, not that sending failed for it.
            Err(error) if error.kind() == ErrorKind::Closed => Err(match websocket.close_info() {
                Some(info) => error.with_failure((&info).into()),
                None => error,
            }),
            Err(error) => Err(error),
        }
    }

    /// Waits for a hook, but not for ever.
    async fn in_time<T>(
        &self,
        name: &str,
        hook: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let done = within("connect_timeout", self.builder.client.connect_timeout, hook).await;
        done.map_err(|error| error.in_setting(&format!("the hook {name}")))?
    }

    /// Sends and receives until the connection ends.
    async fn talk(&mut self, websocket: WebSocket) -> Result<DisconnectReason, Stop> {
        let (send, mut receive) = websocket.split();
        let mut close = self.close.clone();
        let ended = tokio::select! {
            received = receive_all(&mut receive, &self.sink) => received,
            () = send_all(&send, &self.queue, &mut self.unsent) => Ok(()),
            () = self.sink.closed() => Err(Stop),
            // The owner may be gone, and with it the one who could close.
            closed = close.wait_for(Option::is_some) => closed.map(drop).map_err(|_| Stop),
        };
        self.queue.set_up(false);
        ended?;
        let frame = self.close.borrow().clone();
        let (queue, unsent) = (&self.queue, &mut self.unsent);
        let closing = async {
            if let Some(frame) = frame {
                // What was taken is sent, as far as that goes within a while.
                let _ = timeout(DRAIN, drain(&send, queue, unsent)).await;
                let _ = send.start_close(frame.code, &frame.reason);
            }
        };
        // Also what came before the peer's Close is told.
        let receiving = receive_all(&mut receive, &self.sink);
        tokio::join!(closing, receiving).1?;
        Ok(match receive.close_info() {
            Some(info) => DisconnectReason::Closed(info),
            None => DisconnectReason::Failed(Error::new(ErrorKind::Closed, "the connection ended")),
        })
    }
}

/// Foreign code has panicked: that costs the attempt or the connection, not those after it.
fn panicked(what: &str) -> DisconnectReason {
    DisconnectReason::Failed(Error::new(ErrorKind::Closed, format!("{what} panicked")))
}

/// Hands out messages until the connection ends.
async fn receive_all<S: Transport>(
    receive: &mut ReceiveHalf<S>,
    sink: &mpsc::Sender<ReconnectEvent>,
) -> Result<(), Stop> {
    loop {
        // Room first: a message that was taken can't be put back.
        let room = sink.reserve().await.map_err(|_| Stop)?;
        match receive.next().await {
            Some(Ok(message)) => room.send(ReconnectEvent::Message(message)),
            _ => return Ok(()),
        }
    }
}

/// How long what is queued may take to leave when the owner closes.
const DRAIN: Duration = Duration::from_secs(10);

/// Sends what is queued, until nothing is.
async fn drain<S: Transport>(
    send: &SendHalf<S>,
    queue: &OfflineQueue,
    unsent: &mut Option<Message>,
) {
    while let Some(message) = unsent.take().or_else(|| queue.try_pop()) {
        if send.send(message).await.is_err() {
            return;
        }
    }
}

/// Sends what is queued until the connection takes no more. What it has not taken stays in
/// `unsent`.
async fn send_all<S: Transport>(
    send: &SendHalf<S>,
    queue: &OfflineQueue,
    unsent: &mut Option<Message>,
) {
    loop {
        let message = match unsent {
            // What an earlier connection has not taken goes first, so that the order stays. The copy
            // shares the payload, and is kept until the connection has taken the message.
            Some(message) => message.clone(),
            None => unsent.insert(queue.pop().await).clone(),
        };
        if send.send(message).await.is_err() {
            // The receiving half tells why.
            send.closed().await;
            return;
        }
        *unsent = None;
    }
}
