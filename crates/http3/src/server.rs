//! The server's end of a connection.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use http::{Method, Request, Response, StatusCode};
use quinn::{RecvStream, SendStream};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::connection::{ConnectionHandle, ConnectionShared, code};
use crate::error::Error;
use crate::error_code::{ErrorCode, RuleViolation};
use crate::frame::StreamKind;
use crate::message::{self, ConnectProtocol};
use crate::settings::LocalSettings;
use crate::stream::RequestStream;

/// A connection of a client. It is closed when this and the last of its streams is dropped;
/// dropped before its end, requests that come are rejected, as after
/// [`shutdown`](Self::shutdown).
pub struct ServerConnection {
    requests: mpsc::Receiver<AcceptedRequest>,
    handle: Arc<ConnectionHandle>,
    streams: Arc<Mutex<AcceptedStreams>>,
}

/// A request, and the stream that it came on.
#[derive(Debug)]
pub struct AcceptedRequest {
    /// Its head; an extended CONNECT has its [`ConnectProtocol`] among the extensions.
    pub request: Request<()>,
    /// For its content, and the response.
    pub stream: RequestStream,
}

/// Which streams are taken.
#[derive(Default)]
struct AcceptedStreams {
    /// The first that none has come on yet.
    next: u64,
    /// The first that is not taken, after a GOAWAY.
    end: Option<u64>,
}

impl ServerConnection {
    /// Begins HTTP/3 on a QUIC connection whose protocol (ALPN) is
    /// [`h3`](crate::ALPN). How many requests may be open is for the
    /// [`TransportConfig`](quinn::TransportConfig) to say.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(quinn: quinn::Connection, settings: LocalSettings) -> Self {
        let (handle, shared) = ConnectionShared::begin(quinn, settings, false);
        let streams = Arc::<Mutex<AcceptedStreams>>::default();
        let (sender, requests) = mpsc::channel(1);
        let accepting =
            AcceptTask { shared, handle: Arc::downgrade(&handle), streams: streams.clone() };
        tokio::spawn(accepting.run(sender));
        Self { requests, handle, streams }
    }

    /// The next request whose head has come; `None` when no more come, because the connection
    /// has ended or was shut down. Streams that are open go on.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn accept(&mut self) -> Option<AcceptedRequest> {
        let mut incoming = self.requests.recv().await?;
        incoming.stream.dropped = ErrorCode::REQUEST_CANCELLED;
        Some(incoming)
    }

    /// Tells the client by GOAWAY that no more requests are taken (RFC 9114 §5.2). Those that
    /// have come are still to be accepted.
    pub fn shutdown(&self) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if streams.end.is_none() {
            streams.end = Some(streams.next);
            self.handle.0.we_go.send_replace(Some(streams.next));
        }
    }

    /// How many requests are under way: on their streams, or waiting to be accepted.
    pub fn open_streams(&self) -> usize {
        Arc::strong_count(&self.handle) - 1
    }

    /// The address of the client, and all else of QUIC.
    pub fn quinn(&self) -> &quinn::Connection {
        &self.handle.0.quinn
    }
}

impl Drop for ServerConnection {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl std::fmt::Debug for ServerConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("quinn", self.quinn()).finish_non_exhaustive()
    }
}

/// The task that takes streams.
struct AcceptTask {
    shared: Arc<ConnectionShared>,
    handle: Weak<ConnectionHandle>,
    streams: Arc<Mutex<AcceptedStreams>>,
}

impl AcceptTask {
    async fn run(self, sender: mpsc::Sender<AcceptedRequest>) {
        let mut sender = Some(sender);
        let mut heads = JoinSet::new();
        let mut going = self.shared.we_go.subscribe();
        loop {
            tokio::select! {
                stream = self.shared.quinn.accept_bi() => {
                    let Ok((send, recv)) = stream else { return };
                    match (&sender, self.taken(&send)) {
                        (Some(sender), Some(handle)) => {
                            let stream = RequestStream::new(handle, StreamKind::Request, send, recv);
                            heads.spawn(head(stream, sender.clone()));
                        }
                        _ => reject(send, recv),
                    }
                }
                Some(_) = heads.join_next() => {}
                // Those whose heads are on the way still have their senders.
                Ok(()) = going.changed() => sender = None,
            }
        }
    }

    /// The handle for a stream that is taken.
    fn taken(&self, send: &SendStream) -> Option<Arc<ConnectionHandle>> {
        let id = u64::from(send.id());
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if streams.end.is_some_and(|end| id >= end) {
            return None;
        }
        streams.next = streams.next.max(id + 4);
        self.handle.upgrade()
    }
}

/// RFC 9114 §5.2: it may be sent again, on another connection.
fn reject(mut send: SendStream, mut recv: RecvStream) {
    let _ = send.reset(code(ErrorCode::REQUEST_REJECTED));
    let _ = recv.stop(code(ErrorCode::REQUEST_REJECTED));
}

/// Waits for a request's head, and hands it on.
async fn head(mut stream: RequestStream, sender: mpsc::Sender<AcceptedRequest>) {
    let after = stream.shared().settings.head_timeout;
    stream.dropped = ErrorCode::REQUEST_INCOMPLETE;
    match timeout(after, request(&mut stream)).await {
        Ok(Ok(request)) => {
            stream.dropped = ErrorCode::REQUEST_REJECTED;
            // Where nobody accepts any more, it is dropped.
            let _ = sender.send(AcceptedRequest { request, stream }).await;
        }
        Ok(Err(Error::Limit { .. })) => {
            // The stream was not reset, so that the client can be told (§4.2.2).
            let _ = timeout(after, too_large(&mut stream)).await;
        }
        Ok(Err(_)) | Err(_) => {}
    }
}

async fn too_large(stream: &mut RequestStream) -> Result<(), Error> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    stream.stop_receiving();
    stream.send_response(&response).await?;
    let _ = stream.shutdown().await;
    Ok(())
}

async fn request(stream: &mut RequestStream) -> Result<Request<()>, Error> {
    let Some(fields) = stream.next_head().await? else { return Err(Error::Incomplete) };
    let request = message::read_request(&fields);
    let mut request = request.map_err(|fault| stream.refuse(fault.into()))?;
    let is_extended = request.extensions().get::<ConnectProtocol>().is_some();
    if is_extended && !stream.shared().settings.enable_connect_protocol {
        let why = ":protocol without the server's setting (RFC 8441 §3)";
        return Err(stream.refuse(RuleViolation::stream(ErrorCode::MESSAGE_ERROR, why).into()));
    }
    let is_tunnel = request.method() == Method::CONNECT;
    stream.begin_content(request.headers(), is_tunnel, false)?;
    *request.version_mut() = http::Version::HTTP_3;
    Ok(request)
}
