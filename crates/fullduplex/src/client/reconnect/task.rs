//! The task of a reconnecting client.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use fullduplex_proto::Message;
use http::Response;
use tokio::sync::mpsc;

use crate::base::error::{Error, ErrorKind};
use crate::client::reconnect::control::{ControlReceiver, Interruption};
use crate::client::reconnect::event::{DisconnectReason, ReconnectEvent};
use crate::client::reconnect::platform::{
    Client, Instant, Panicked, REPLACED, ReceiveHalf, SendHalf, WebSocket, WsUri, caught,
    caught_in, close_info_of, timeout, wait_to_retry, within,
};
use crate::client::reconnect::queue::OfflineQueue;
use crate::client::reconnect::record::ReconnectRecord;
use crate::client::reconnect::sender::ReconnectShared;
use crate::client::reconnect::settings::{ReconnectSettings, RequestOverride};

/// The time limit for sending the queued messages when the application closes the client.
const SEND_QUEUED_TIMEOUT: Duration = Duration::from_secs(10);

/// The task of a reconnecting client: connects, sends and receives until it is stopped.
pub(super) struct ReconnectTask {
    pub(super) settings: ReconnectSettings,
    pub(super) shared: Arc<ReconnectShared>,
    pub(super) events: mpsc::Sender<ReconnectEvent>,
    pub(super) control: ControlReceiver,
    /// A message that was taken from the queue and not yet written to a connection.
    pub(super) unsent: Option<Message>,
    pub(super) record: ReconnectRecord,
}

impl Drop for ReconnectTask {
    /// Lets go of the connection, and fails waiting and later senders.
    fn drop(&mut self) {
        self.shared.connection.ended();
        self.shared.queue.close();
        // Nothing is dropped from a closed queue.
        self.record.stopped(self.shared.queue.dropped());
    }
}

/// The handle was closed or dropped, or no further attempt is made.
struct Stop;

impl ReconnectTask {
    pub(super) async fn run(mut self, target: Result<WsUri, Error>) {
        let valid = self.settings.validate().map_err(Error::of).and(target);
        let _ = match valid {
            Ok(target) => self.run_until_stopped(&target).await,
            Err(error) => {
                let reason = DisconnectReason::Failed(error);
                self.emit_disconnected(None, reason, None).await
            }
        };
    }

    /// Connects, runs the connection until it ends, waits and connects again.
    async fn run_until_stopped(&mut self, target: &WsUri) -> Result<(), Stop> {
        let (mut failures, mut attempts) = (0_u32, 0);
        let mut is_retry = false;
        loop {
            attempts += 1;
            self.shared.connection.attempt_started();
            if std::mem::replace(&mut is_retry, true) {
                self.record.retried();
            }
            let attempt = connect(&self.settings, target, attempts);
            let connected = tokio::select! {
                connected = caught_in(Box::pin(attempt)) => connected,
                () = self.events.closed() => return Err(Stop),
                interruption = self.control.interrupted() => match interruption {
                    Interruption::Close => return Err(Stop),
                    Interruption::Reconnect => {
                        self.control.obey_reconnect();
                        continue;
                    }
                },
            };
            let reason = match connected {
                Err(Panicked) => self.panicked("a hook or a connector"),
                Ok(Err(error)) => DisconnectReason::Failed(error),
                Ok(Ok((websocket, response))) => {
                    let since = Instant::now();
                    self.control.record_connection();
                    self.shared.connection.opened(websocket.send_half().clone());
                    self.shared.queue.set_connected(true);
                    self.emit(ReconnectEvent::Connected { response, attempts }).await?;
                    attempts = 0;
                    let reason = caught_in(self.run_connection(websocket)).await;
                    self.shared.queue.set_connected(false);
                    self.shared.connection.ended();
                    let reason =
                        reason.unwrap_or_else(|Panicked| Ok(self.panicked("the transport")))?;
                    // A connection that ends early counts as a failure, so that the backoff also
                    // applies to a server that accepts connections and closes them at once.
                    if since.elapsed() >= self.settings.backoff.stable_after {
                        failures = 0;
                    }
                    reason
                }
            };
            if matches!(reason, DisconnectReason::Requested) {
                let retry_in = Some(Duration::ZERO);
                self.emit_disconnected(Some(target), reason, retry_in).await?;
                continue;
            }
            failures = failures.saturating_add(1);
            let retry_after = match &reason {
                DisconnectReason::Failed(error) => error.retry_after(),
                _ => None,
            };
            // A close by the application is final, whatever the peer did at the same time.
            let is_closed = self.control.close_frame().is_some();
            let decision = caught(|| (self.settings.retry_if)(&reason));
            let decision = decision.unwrap_or_else(|Panicked| {
                self.record.panicked("retry_if");
                reason.is_retryable()
            });
            let should_retry = !is_closed && decision;
            let retry_in = should_retry.then(|| self.settings.backoff.delay(failures, retry_after));
            self.emit_disconnected(Some(target), reason, retry_in).await?;
            let Some(delay) = retry_in else { return Err(Stop) };
            tokio::select! {
                () = wait_to_retry(delay) => {}
                () = self.events.closed() => return Err(Stop),
                interruption = self.control.interrupted() => match interruption {
                    Interruption::Close => return Err(Stop),
                    Interruption::Reconnect => drop(self.control.obey_reconnect()),
                },
            }
        }
    }

    /// Counts a panic in the application's code, which ends only this attempt or connection, and
    /// returns the reason after it.
    fn panicked(&self, what: &'static str) -> DisconnectReason {
        self.record.panicked(what);
        DisconnectReason::Failed(Error::new(ErrorKind::Closed, format!("{what} panicked")))
    }

    async fn emit_disconnected(
        &self,
        target: Option<&WsUri>,
        reason: DisconnectReason,
        retry_in: Option<Duration>,
    ) -> Result<(), Stop> {
        self.record.disconnected(target, &reason, retry_in);
        self.emit(ReconnectEvent::Disconnected { reason, retry_in }).await
    }

    async fn emit(&self, event: ReconnectEvent) -> Result<(), Stop> {
        self.events.send(event).await.map_err(|_| Stop)
    }

    /// Sends and receives until the connection ends.
    async fn run_connection(&mut self, websocket: WebSocket) -> Result<DisconnectReason, Stop> {
        let (send, mut receive) = websocket.split();
        let queue = &self.shared.queue;
        let result = tokio::select! {
            result = receive_all(&mut receive, &self.events) => result.map(|()| None),
            () = send_all(&send, queue, &mut self.unsent) => Ok(None),
            () = self.events.closed() => Err(Stop),
            interruption = self.control.interrupted_while_open() => Ok(Some(interruption)),
        };
        queue.set_connected(false);
        if result? == Some(Interruption::Reconnect) {
            let frame = self.control.obey_reconnect();
            let (code, reason) =
                frame.as_ref().map_or((REPLACED, ""), |frame| (frame.code, &frame.reason));
            let _ = send.start_close(code, reason);
            // The answer of a peer that is perhaps gone is awaited in the background.
            return Ok(DisconnectReason::Requested);
        }
        let frame = self.control.close_frame();
        let unsent = &mut self.unsent;
        let closing = async {
            if let Some(frame) = frame {
                // Messages that are not sent in time are dropped.
                let _ = timeout(SEND_QUEUED_TIMEOUT, send_queued(&send, queue, unsent)).await;
                let _ = send.start_close(frame.code, &frame.reason);
            }
        };
        // Messages before the peer's Close are still delivered.
        let receiving = receive_all(&mut receive, &self.events);
        tokio::join!(closing, receiving).1?;
        Ok(match receive.close_info() {
            Some(info) => DisconnectReason::Closed(info),
            None => DisconnectReason::Failed(Error::new(ErrorKind::Closed, "the connection ended")),
        })
    }
}

/// Connects once and runs the hooks.
async fn connect(
    settings: &ReconnectSettings,
    target: &WsUri,
    attempt: u32,
) -> Result<(WebSocket, Response<()>), Error> {
    let ReconnectSettings { client, before_connect, on_connected, .. } = settings;
    let request = match before_connect {
        Some(hook) => run_hook(client, "before_connect", hook(attempt - 1)).await?,
        None => RequestOverride::default(),
    };
    let target = match &request.url {
        Some(url) => WsUri::parse(url)?,
        None => target.clone(),
    };
    #[cfg(not(target_family = "wasm"))]
    let with_headers = client.with_headers(request.headers)?;
    #[cfg(target_family = "wasm")]
    let with_headers = client;
    let (websocket, response) = with_headers.connect_target(target).await?;
    let Some(hook) = on_connected else { return Ok((websocket, response)) };
    let close_info = close_info_of(&websocket);
    match run_hook(client, "on_connected", hook(websocket)).await {
        Ok(websocket) => Ok((websocket, response)),
        // The server's Close is the cause; that a send failed follows from it.
        Err(error) if error.kind() == ErrorKind::Closed => Err(match close_info() {
            Some(info) => error.with_failure((&info).into()),
            None => error,
        }),
        Err(error) => Err(error),
    }
}

/// Runs a hook with the client's `connect_timeout`.
async fn run_hook<T>(
    client: &Client,
    name: &str,
    hook: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let result = within("connect_timeout", client.connect_timeout, hook).await;
    result.map_err(|error| error.with_context(&format!("the hook {name}")))?
}

/// Delivers received messages until the connection ends.
async fn receive_all(
    receive: &mut ReceiveHalf,
    events: &mpsc::Sender<ReconnectEvent>,
) -> Result<(), Stop> {
    loop {
        // Reserved first, as a received message can't be put back.
        let permit = events.reserve().await.map_err(|_| Stop)?;
        match receive.next().await {
            Some(Ok(message)) => permit.send(ReconnectEvent::Message(message)),
            _ => return Ok(()),
        }
    }
}

/// Sends queued messages until the queue is empty or the connection ends.
async fn send_queued(send: &SendHalf, queue: &OfflineQueue, unsent: &mut Option<Message>) {
    while let Some(message) = unsent.take().or_else(|| queue.try_pop()) {
        if send.send(message).await.is_err() {
            return;
        }
        queue.handed_over();
    }
}

/// Sends queued messages until the connection ends. A message that was not written is left in
/// `unsent`.
async fn send_all(send: &SendHalf, queue: &OfflineQueue, unsent: &mut Option<Message>) {
    loop {
        let message = match unsent {
            // A message that an earlier connection did not write is first in order. The clone
            // shares the payload; the original is kept until the message is written.
            Some(message) => message.clone(),
            None => unsent.insert(queue.pop().await).clone(),
        };
        if send.send(message).await.is_err() {
            // Wait for the receiving half, which reports the reason.
            send.closed().await;
            return;
        }
        *unsent = None;
        queue.handed_over();
    }
}
