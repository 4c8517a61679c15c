//! A client that connects again.

mod queue;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use fullduplex_proto::{CloseCode, CloseFrame, CloseInfo, Message};
use futures_core::Stream;
use futures_core::future::BoxFuture;
use http::{HeaderMap, Response};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::base::deadline::within;
use crate::base::error::retry::is_worth_retrying;
use crate::base::error::{Error, ErrorKind};
use crate::base::guard;
use crate::base::guard::Panicked;
use crate::client::Client;
use crate::client::reconnect::queue::OfflineQueue;
use crate::connection::split::{ReceiveHalf, SendHalf};
use crate::connection::websocket::WebSocket;

/// How long to wait before connecting again: a random time up to a bound that doubles with
/// each failure ("full jitter"), so that the clients of a server which went down don't come
/// back all at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The bound after the first failure. Default: 1 s.
    pub first: Duration,
    /// The largest bound. Default: 60 s. A server's `Retry-UnlockActions` may ask for up to ten
    /// times as much.
    pub most: Duration,
    /// A connection that stood so long was a success: the next failure is a first one.
    /// Default: 10 s.
    pub stable_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            most: Duration::from_secs(60),
            stable_after: Duration::from_secs(10),
        }
    }
}

impl Backoff {
    /// The wait after so many failures in a row, and what the server asked for.
    fn wait(&self, failures: u32, asked: Option<Duration>) -> Duration {
        let bound = self.first.saturating_mul(1 << failures.saturating_sub(1).min(30));
        let random = bound.min(self.most).mul_f64(rand::random::<f64>());
        let asked = asked.unwrap_or_default().min(self.most.saturating_mul(10));
        // The jitter comes on top: everybody was told the same time.
        asked.saturating_add(random)
    }
}

/// What becomes of messages that are sent while there is no connection, once the queue is
/// full. While there is one, `send` waits for room whatever is set here.
///
/// Where only the latest value of each key matters, a queue is the wrong place for it: keep the
/// values, with [`OfflinePolicy::Refuse`], and send them all at each [`ReconnectEvent::Connected`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OfflinePolicy {
    /// `send` waits. Default.
    #[default]
    Wait,
    /// The oldest message in the queue is dropped.
    DropOldest,
    /// `send` fails, also while there is room: nothing is queued.
    Refuse,
}

/// What happened to a [`Reconnecting`] client.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReconnectEvent {
    /// A connection stands, and the hook has run.
    Connected {
        /// The server's response.
        response: Response<()>,
        /// How many attempts it took since the last connection.
        attempts: u32,
    },
    /// A message came.
    Message(Message),
    /// There is no connection, or none came about.
    Disconnected {
        /// Why.
        why: DisconnectReason,
        /// After what time the next attempt is made; `None` if none is. Then this is the
        /// last event.
        retry_in: Option<Duration>,
    },
}

/// Why there is no connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum DisconnectReason {
    /// It was closed, cleanly or not.
    Closed(CloseInfo),
    /// It did not come about, or its hook failed.
    Failed(Error),
}

impl DisconnectReason {
    /// Whether it makes sense to try again, which is the default for when to stop.
    ///
    /// What makes sense and what does not is listed at [`Error::is_retryable`], which decides
    /// in the same way.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Closed(info) => is_worth_retrying(info.into()),
            Self::Failed(error) => error.is_retryable(),
        }
    }
}

/// What is changed in a request before it is sent.
#[derive(Clone, Default)]
pub struct RequestOverride {
    /// Another URL. As it is the application's own choice, all of the client's header fields,
    /// its subprotocols and its certificate go there. Each attempt begins with this one, or with
    /// the client's, wherever a redirection led before.
    pub url: Option<String>,
    /// Header fields in place of the client's of the same name.
    pub headers: HeaderMap,
}

/// Shows no values: there may be secrets among them.
impl fmt::Debug for RequestOverride {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.keys().collect();
        f.debug_struct("Change").field("headers", &names).finish_non_exhaustive()
    }
}

type BeforeConnect =
    dyn Fn(u32) -> BoxFuture<'static, Result<RequestOverride, Error>> + Send + Sync;
type OnConnected =
    dyn for<'a> Fn(&'a mut WebSocket) -> BoxFuture<'a, Result<(), Error>> + Send + Sync;
type RetryIf = dyn Fn(&DisconnectReason) -> bool + Send + Sync;

/// Settings for a [`Reconnecting`] client; made by [`Client::reconnecting`].
pub struct ReconnectBuilder {
    client: Client,
    url: String,
    backoff: Backoff,
    prepare: Option<Box<BeforeConnect>>,
    opened: Option<Box<OnConnected>>,
    retry_if: Box<RetryIf>,
    capacity: usize,
    while_down: OfflinePolicy,
}

impl Client {
    /// A connection that is made again when it ends.
    pub fn reconnecting(&self, url: impl Into<String>) -> ReconnectBuilder {
        ReconnectBuilder {
            client: self.clone(),
            url: url.into(),
            backoff: Backoff::default(),
            prepare: None,
            opened: None,
            retry_if: Box::new(DisconnectReason::is_retryable),
            capacity: 64,
            while_down: OfflinePolicy::default(),
        }
    }
}

impl ReconnectBuilder {
    /// Sets how long to wait before connecting again.
    #[must_use]
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Calls this before each attempt, with how many went before it since the last
    /// connection: for a fresh token, or another server. Its failure counts as one of the
    /// attempt, and so does a panic, or taking longer than the client's
    /// [`connect_timeout`](crate::ClientBuilder::connect_timeout).
    #[must_use]
    pub fn before_connect<F>(mut self, hook: impl Fn(u32) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<RequestOverride, Error>> + Send + 'static,
    {
        self.prepare = Some(Box::new(move |attempt| Box::pin(hook(attempt))));
        self
    }

    /// Calls this with each new connection, before queued messages are sent on it: to
    /// subscribe anew. Its failure ends the connection, and so does a panic, or taking longer
    /// than the client's [`connect_timeout`](crate::ClientBuilder::connect_timeout).
    #[must_use]
    pub fn on_connected<H>(mut self, hook: H) -> Self
    where
        H: for<'a> Fn(&'a mut WebSocket) -> BoxFuture<'a, Result<(), Error>>,
        H: Send + Sync + 'static,
    {
        self.opened = Some(Box::new(hook));
        self
    }

    /// Sets when to try again. Default: [`DisconnectReason::is_retryable`], which also decides where
    /// this panics.
    #[must_use]
    pub fn retry_if(
        mut self,
        decide: impl Fn(&DisconnectReason) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.retry_if = Box::new(decide);
        self
    }

    /// Sets how many messages wait to be sent, and what happens when that is full and there
    /// is no connection. Default: 64, [`OfflinePolicy::Wait`].
    #[must_use]
    pub fn queue(mut self, capacity: usize, while_down: OfflinePolicy) -> Self {
        (self.capacity, self.while_down) = (capacity.max(1), while_down);
        self
    }

    /// Begins. A task of its own keeps the connection, until it is closed or dropped.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn start(self) -> Reconnecting {
        let (sink, events) = mpsc::channel(16);
        let (closing, close) = watch::channel(None);
        let queue = Arc::new(OfflineQueue::new(self.capacity, self.while_down));
        let task = ReconnectTask { builder: self, queue: queue.clone(), sink, close, unsent: None };
        tokio::spawn(task.run());
        Reconnecting { events, sender: ReconnectSender { queue }, closing }
    }
}

impl fmt::Debug for ReconnectBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReconnectBuilder").field("backoff", &self.backoff).finish_non_exhaustive()
    }
}

/// A connection that is made again when it ends: a [`Stream`] of [`ReconnectEvent`]s.
///
/// What `send` has taken is sent, in order, on this connection or a later one. A message
/// that was handed to a connection just before it broke may be lost, or may have arrived
/// without its answer: only the application can know, by answers of its own.
///
/// Its events are to be read: while 16 of them wait, nothing is received, and no Ping is answered.
/// This end goes on, but a server with a keepalive of its own gives the connection up after the
/// time that it is set to (of this library 30 s to 40 s by default). What the last event says then
/// depends on what reaches this end first: the server's end, or that it takes nothing any more.
///
/// When it is dropped, the connection is closed with 1001.
#[derive(Debug)]
pub struct Reconnecting {
    events: mpsc::Receiver<ReconnectEvent>,
    sender: ReconnectSender,
    closing: watch::Sender<Option<CloseFrame>>,
}

impl Reconnecting {
    /// What happens next; `None` behind the last event.
    ///
    /// # Cancel safety
    /// No event is lost.
    pub async fn next(&mut self) -> Option<ReconnectEvent> {
        self.events.recv().await
    }

    /// Queues a message; see [`ReconnectSender::send`].
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the message is not sent.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.sender.send(message).await
    }

    /// A sender for other tasks.
    pub fn sender(&self) -> ReconnectSender {
        self.sender.clone()
    }

    /// Sends what is queued and closes the connection, and connects no more; the last event
    /// tells how it ended. If there is no connection, what is queued is dropped, and there is
    /// no further event. Fails if the code may not be sent or the reason is too long.
    pub fn close(&self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.closing.send_replace(Some(CloseFrame::new(code, reason)?));
        Ok(())
    }
}

impl Stream for Reconnecting {
    type Item = ReconnectEvent;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Self::Item>> {
        self.events.poll_recv(cx)
    }
}

/// Sends on a [`Reconnecting`] client. Clones send on the same.
#[derive(Clone, Debug)]
pub struct ReconnectSender {
    queue: Arc<OfflineQueue>,
}

impl ReconnectSender {
    /// Queues a message. When the queue is full it waits, or does as [`OfflinePolicy`] says.
    /// Fails when no connection will be made any more.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the message is not sent.
    pub async fn send(&self, message: impl Into<Message>) -> Result<(), Error> {
        self.queue.push(message.into()).await
    }
}

/// What keeps the connection.
struct ReconnectTask {
    builder: ReconnectBuilder,
    queue: Arc<OfflineQueue>,
    sink: mpsc::Sender<ReconnectEvent>,
    close: watch::Receiver<Option<CloseFrame>>,
    /// Taken from the queue, and not by a connection.
    unsent: Option<Message>,
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
    async fn run(mut self) {
        let _ = self.keep().await;
    }

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
async fn receive_all<S: crate::transport::Transport>(
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
async fn drain<S: crate::transport::Transport>(
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
async fn send_all<S: crate::transport::Transport>(
    send: &SendHalf<S>,
    queue: &OfflineQueue,
    unsent: &mut Option<Message>,
) {
    loop {
        let message = match unsent {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_and_is_spread() {
        let backoff = Backoff::default();
        for (failures, bound) in [(1, 1.0), (2, 2.0), (5, 16.0), (7, 60.0), (u32::MAX, 60.0)] {
            let waits: Vec<f64> =
                (0..2000).map(|_| backoff.wait(failures, None).as_secs_f64()).collect();
            let mean = waits.iter().sum::<f64>() / 2000.0;
            assert!(waits.iter().all(|wait| (0.0..=bound).contains(wait)));
            assert!((mean / bound - 0.5).abs() < 0.05, "{mean} of {bound}");
        }
        let asked = Some(Duration::from_secs(100));
        let wait = backoff.wait(1, asked).as_secs();
        assert!((100..=101).contains(&wait));
        assert!(backoff.wait(1, Some(Duration::MAX)) <= Duration::from_secs(601));
    }
}
