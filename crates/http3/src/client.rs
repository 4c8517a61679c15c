//! The client's side of a connection.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use quinn::{ConnectionError, RecvStream, SendStream};

use crate::connection::{ConnectionHandle, ConnectionShared, quic_code};
use crate::error::Error;
use crate::error_code::{ErrorCode, RuleViolation};
use crate::frame::StreamKind;
use crate::message;
use crate::settings::{LocalSettings, PeerSettings};
use crate::stream::RequestStream;

/// The maximum number of interim responses before the final one.
const MAX_INTERIM: usize = 20;

/// A connection to a server. Clones share it. It is closed when the last clone and the last of its
/// streams are dropped.
#[derive(Clone)]
pub struct ClientConnection {
    handle: Arc<ConnectionHandle>,
}

impl ClientConnection {
    /// Starts HTTP/3 on a QUIC connection whose ALPN protocol is [`h3`](crate::ALPN).
    ///
    /// # Panics
    /// If called outside of a tokio runtime.
    pub fn new(quinn: quinn::Connection, mut settings: LocalSettings) -> Self {
        // Only servers send this setting (RFC 8441 §3).
        settings.enable_connect_protocol = false;
        Self { handle: ConnectionShared::start(quinn, settings, true).0 }
    }

    fn shared(&self) -> &ConnectionShared {
        &self.handle.shared
    }

    /// Closes the connection when it has had no streams for between 1 and 1.5 times `idle`,
    /// although one clone of it exists, which a pool keeps. Shortly before, it stops accepting
    /// requests.
    ///
    /// # Panics
    /// If called outside of a tokio runtime.
    pub fn close_when_unused(&self, idle: Duration) {
        let handle = Arc::downgrade(&self.handle);
        tokio::spawn(async move {
            let mut unused_periods = 0;
            loop {
                tokio::time::sleep(idle / 2).await;
                let Some(handle) = handle.upgrade().filter(|handle| !handle.is_finished()) else {
                    return;
                };
                // The handles of the pool and of this task do not use the connection.
                let is_unused = Arc::strong_count(&handle) <= 2;
                unused_periods = if is_unused { unused_periods + 1 } else { 0 };
                // It is retired one period before it is closed, as the pool may just have passed
                // a clone to a new request.
                if unused_periods == 2 {
                    handle.shared.is_retired.store(true, Ordering::Relaxed);
                } else if unused_periods > 2 {
                    return handle.shared.quinn.close(quic_code(ErrorCode::NO_ERROR), b"");
                }
            }
        });
    }

    /// Waits for the settings of the server, on which an extended CONNECT depends.
    ///
    /// # Errors
    /// If the connection ends before.
    ///
    /// # Cancel safety
    /// This method is cancel safe.
    pub async fn peer_settings(&self) -> Result<PeerSettings, Error> {
        let mut peer_settings = self.shared().peer_settings.subscribe();
        // Biased: the settings may have arrived before the connection ended.
        tokio::select! {
            biased;
            settings = peer_settings.wait_for(Option::is_some) => {
                Ok(settings.ok().and_then(|settings| *settings).unwrap_or_default())
            }
            error = self.shared().quinn.closed() => Err(self.shared().connection_error(error)),
        }
    }

    /// Returns whether the connection accepts no more requests: it has ended, its runtime was
    /// dropped, the server sent GOAWAY, or it was unused for too long.
    pub fn is_going_away(&self) -> bool {
        self.shared().peer_goaway.borrow().is_some()
            || self.shared().is_retired.load(Ordering::Relaxed)
            || self.shared().quinn.close_reason().is_some()
            || self.handle.is_finished()
    }

    /// Returns whether there are other clones of the connection, or open streams.
    pub fn is_in_use(&self) -> bool {
        ConnectionHandle::users(&self.handle) > 1
    }

    /// Returns a reference to the connection that does not keep it open.
    pub fn downgrade(&self) -> WeakConnection {
        WeakConnection { handle: Arc::downgrade(&self.handle) }
    }

    /// Returns whether both are clones of the same connection.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.handle, &other.handle)
    }

    /// Sends a request. Its content, if any, is written to the stream of the [`PendingRequest`].
    /// Waits while the server allows no more streams.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the request is not valid, or is an extended CONNECT that the server
    /// does not support; [`Error::GoingAway`] if the server accepts no more requests.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, nothing is sent.
    pub async fn send_request(&self, request: &Request<()>) -> Result<PendingRequest, Error> {
        self.check_request(request).await?;
        let streams = self.shared().quinn.open_bi().await;
        self.start_request(request, streams)
    }

    /// Sends a request as [`send_request`](Self::send_request) does, but returns `None` if the
    /// server allows no more streams at the moment.
    pub async fn try_send_request(
        &self,
        request: &Request<()>,
    ) -> Result<Option<PendingRequest>, Error> {
        self.check_request(request).await?;
        let mut cx = Context::from_waker(Waker::noop());
        match pin!(self.shared().quinn.open_bi()).poll(&mut cx) {
            Poll::Ready(streams) => self.start_request(request, streams).map(Some),
            Poll::Pending => Ok(None),
        }
    }

    async fn check_request(&self, request: &Request<()>) -> Result<(), Error> {
        if request.extensions().get::<message::ConnectProtocol>().is_some()
            && !self.peer_settings().await?.enable_connect_protocol
        {
            return Err(Error::Misuse(
                "the server does not set SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 9220 §3)",
            ));
        }
        if self.shared().peer_goaway.borrow().is_some() {
            return Err(Error::GoingAway);
        }
        Ok(())
    }

    fn start_request(
        &self,
        request: &Request<()>,
        streams: Result<(SendStream, RecvStream), ConnectionError>,
    ) -> Result<PendingRequest, Error> {
        let (send, recv) = streams.map_err(|error| self.shared().connection_error(error))?;
        let mut stream = RequestStream::new(self.handle.clone(), StreamKind::Response, send, recv);
        stream.queue_head(&message::request_fields(request)?)?;
        stream.mark_head_sent();
        Ok(PendingRequest { stream, method: request.method().clone() })
    }
}

impl std::fmt::Debug for ClientConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientConnection")
            .field("quinn", &self.shared().quinn)
            .finish_non_exhaustive()
    }
}

/// A reference to a [`ClientConnection`] that does not keep it open.
#[derive(Clone)]
pub struct WeakConnection {
    handle: Weak<ConnectionHandle>,
}

impl WeakConnection {
    /// Returns whether there are clones of the connection, or open streams.
    pub fn is_in_use(&self) -> bool {
        // The upgraded handle is not a user itself.
        self.handle.upgrade().is_some_and(|handle| ConnectionHandle::users(&handle) > 1)
    }
}

impl std::fmt::Debug for WeakConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WeakConnection").field("in_use", &self.is_in_use()).finish()
    }
}

/// A request without a response yet. Dropping it cancels the request.
#[derive(Debug)]
pub struct PendingRequest {
    stream: RequestStream,
    method: Method,
}

impl PendingRequest {
    /// Returns the stream, for content to be sent before the response arrives.
    pub fn stream(&mut self) -> &mut RequestStream {
        &mut self.stream
    }

    /// Waits for the head of the response, and returns it with the stream of its content. Interim
    /// responses are skipped. After a CONNECT that the server accepted the stream is a tunnel.
    ///
    /// # Cancel safety
    /// If the future is dropped before it is ready, the request is cancelled with
    /// `H3_REQUEST_CANCELLED`.
    pub async fn response(mut self) -> Result<(Response<()>, RequestStream), Error> {
        let shared = self.stream.shared().clone();
        let (id, mut goaway) = (self.stream.id(), shared.peer_goaway.subscribe());
        // Biased: a response that has arrived is valid despite a GOAWAY.
        tokio::select! {
            biased;
            response = self.receive_head() => Ok((response?, self.stream)),
            // §5.2: the server has not processed this request, and will not.
            Ok(_) = goaway.wait_for(|from| from.is_some_and(|from| from <= id)) => {
                Err(Error::GoingAway)
            }
        }
    }

    async fn receive_head(&mut self) -> Result<Response<()>, Error> {
        for _ in 0..=MAX_INTERIM {
            let Some(fields) = self.stream.next_head().await? else {
                return Err(Error::Incomplete);
            };
            let response = message::read_response(&fields);
            let response = response.map_err(|violation| self.stream.fail(violation.into()))?;
            let status = response.status();
            if status.is_informational() {
                continue;
            }
            let is_tunnel = self.method == Method::CONNECT && status.is_success();
            let may_be_empty = self.method == Method::HEAD || status == StatusCode::NOT_MODIFIED;
            self.stream.begin_content(response.headers(), is_tunnel, may_be_empty)?;
            return Ok(response);
        }
        // RFC 9110 §15.2 sets no limit, but an endless number would keep the request open.
        let reason = "more than 20 interim responses (RFC 9110 §15.2)";
        Err(self.stream.fail(RuleViolation::stream_error(ErrorCode::EXCESSIVE_LOAD, reason).into()))
    }
}
