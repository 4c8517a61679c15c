//! The server's side of a connection.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use http::{Method, Request, Response, StatusCode};
use quinn::{RecvStream, SendStream};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::connection::{ConnectionHandle, ConnectionShared, quic_code};
use crate::error::Error;
use crate::error_code::{ErrorCode, RuleViolation};
use crate::frame::StreamKind;
use crate::message::{self, ConnectProtocol};
use crate::settings::LocalSettings;
use crate::stream::RequestStream;

/// A connection of a client.
///
/// It is closed when this and the last of its streams are dropped. If this is dropped first, new
/// requests are rejected, as after [`shutdown`](Self::shutdown).
pub struct ServerConnection {
    requests: mpsc::Receiver<AcceptedRequest>,
    handle: Arc<ConnectionHandle>,
    streams: Arc<Mutex<AcceptedStreams>>,
}

/// A request and its stream.
#[derive(Debug)]
#[non_exhaustive]
pub struct AcceptedRequest {
    /// The head of the request. An extended CONNECT has a [`ConnectProtocol`] among its
    /// extensions.
    pub request: Request<()>,
    /// The stream, from which the content is read, and on which the response is sent.
    pub stream: RequestStream,
}

/// The range of request streams that the connection accepts.
#[derive(Default)]
struct AcceptedStreams {
    /// The identifier after that of the last accepted stream.
    next: u64,
    /// The identifier of the first stream that is not accepted, after a GOAWAY.
    end: Option<u64>,
}

impl ServerConnection {
    /// Starts HTTP/3 on a QUIC connection whose ALPN protocol is [`h3`](crate::ALPN). The
    /// [`TransportConfig`](quinn::TransportConfig) limits the number of open requests.
    ///
    /// # Panics
    /// If called outside of a tokio runtime.
    pub fn new(quinn: quinn::Connection, settings: LocalSettings) -> Self {
        let (handle, shared) = ConnectionShared::start(quinn, settings, false);
        let streams = Arc::<Mutex<AcceptedStreams>>::default();
        let (sender, requests) = mpsc::channel(1);
        let task = AcceptTask { shared, handle: Arc::downgrade(&handle), streams: streams.clone() };
        tokio::spawn(task.run(sender));
        Self { requests, handle, streams }
    }

    /// Waits for the next request whose head is complete. Returns `None` when there will be no
    /// more requests, as the connection has ended or was shut down. Open streams are not affected.
    ///
    /// # Cancel safety
    /// This method is cancel safe.
    pub async fn accept(&mut self) -> Option<AcceptedRequest> {
        let mut accepted = self.requests.recv().await?;
        accepted.stream.reset_on_drop = ErrorCode::REQUEST_CANCELLED;
        Some(accepted)
    }

    /// Sends GOAWAY: the connection accepts no more requests (RFC 9114 §5.2). Requests that have
    /// arrived are still returned by [`accept`](Self::accept).
    pub fn shutdown(&self) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if streams.end.is_none() {
            streams.end = Some(streams.next);
            self.handle.shared.local_goaway.send_replace(Some(streams.next));
        }
    }

    /// Returns the number of open requests, including those that are not accepted yet.
    pub fn open_streams(&self) -> usize {
        Arc::strong_count(&self.handle) - 1
    }

    /// Returns the QUIC connection, which has the address of the client.
    pub fn quinn(&self) -> &quinn::Connection {
        &self.handle.shared.quinn
    }
}

impl Drop for ServerConnection {
    fn drop(&mut self) {
        self.shutdown();
    }
}

impl std::fmt::Debug for ServerConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerConnection").field("quinn", self.quinn()).finish_non_exhaustive()
    }
}

/// The task that accepts streams and reads the heads of their requests.
struct AcceptTask {
    shared: Arc<ConnectionShared>,
    handle: Weak<ConnectionHandle>,
    streams: Arc<Mutex<AcceptedStreams>>,
}

impl AcceptTask {
    async fn run(self, sender: mpsc::Sender<AcceptedRequest>) {
        let mut sender = Some(sender);
        let mut heads = JoinSet::new();
        let mut goaway = self.shared.local_goaway.subscribe();
        loop {
            tokio::select! {
                stream = self.shared.quinn.accept_bi() => {
                    let Ok((send, recv)) = stream else { return };
                    match (&sender, self.admit(&send)) {
                        (Some(sender), Some(handle)) => {
                            let kind = StreamKind::Request;
                            let stream = RequestStream::new(handle, kind, send, recv);
                            heads.spawn(receive_request(stream, sender.clone()));
                        }
                        _ => reject(send, recv),
                    }
                }
                Some(_) = heads.join_next() => {}
                // Requests whose heads are incomplete have clones of the sender.
                Ok(()) = goaway.changed() => sender = None,
            }
        }
    }

    /// Returns the handle for a stream, or `None` if the stream is not accepted.
    fn admit(&self, send: &SendStream) -> Option<Arc<ConnectionHandle>> {
        let id = u64::from(send.id());
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if streams.end.is_some_and(|end| id >= end) {
            return None;
        }
        streams.next = streams.next.max(id + 4);
        self.handle.upgrade()
    }
}

/// Rejects a request, which the client may send again on another connection (RFC 9114 §5.2).
fn reject(mut send: SendStream, mut recv: RecvStream) {
    let _ = send.reset(quic_code(ErrorCode::REQUEST_REJECTED));
    let _ = recv.stop(quic_code(ErrorCode::REQUEST_REJECTED));
}

/// Waits for the head of a request, and passes it to [`ServerConnection::accept`].
async fn receive_request(mut stream: RequestStream, sender: mpsc::Sender<AcceptedRequest>) {
    let head_timeout = stream.shared().settings.head_timeout;
    stream.reset_on_drop = ErrorCode::REQUEST_INCOMPLETE;
    match timeout(head_timeout, read_request(&mut stream)).await {
        Ok(Ok(request)) => {
            stream.reset_on_drop = ErrorCode::REQUEST_REJECTED;
            // If the connection was dropped, this drops the request, which rejects it.
            let _ = sender.send(AcceptedRequest { request, stream }).await;
        }
        Ok(Err(Error::Limit { .. })) => {
            // The stream was not reset, so a response can be sent (§4.2.2).
            let _ = timeout(head_timeout, respond_too_large(&mut stream)).await;
        }
        Ok(Err(_)) | Err(_) => {}
    }
}

/// Responds with 431.
async fn respond_too_large(stream: &mut RequestStream) -> Result<(), Error> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    stream.stop_receiving();
    stream.send_response(&response).await?;
    let _ = stream.shutdown().await;
    Ok(())
}

/// Reads and checks the head of a request.
async fn read_request(stream: &mut RequestStream) -> Result<Request<()>, Error> {
    let Some(fields) = stream.next_head().await? else { return Err(Error::Incomplete) };
    let request = message::read_request(&fields);
    let mut request = request.map_err(|violation| stream.fail(violation.into()))?;
    let is_extended = request.extensions().get::<ConnectProtocol>().is_some();
    if is_extended && !stream.shared().settings.enable_connect_protocol {
        let reason = ":protocol without SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 §3)";
        return Err(
            stream.fail(RuleViolation::stream_error(ErrorCode::MESSAGE_ERROR, reason).into())
        );
    }
    let is_tunnel = request.method() == Method::CONNECT;
    stream.begin_content(request.headers(), is_tunnel, false)?;
    *request.version_mut() = http::Version::HTTP_3;
    Ok(request)
}
