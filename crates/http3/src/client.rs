//! The client's end of a connection.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use quinn::{ConnectionError, RecvStream, SendStream};

use crate::connection::{ConnectionHandle, ConnectionShared, code};
use crate::error::Error;
use crate::error_code::{ErrorCode, RuleViolation};
use crate::frame::StreamKind;
use crate::message;
use crate::settings::{LocalSettings, PeerSettings};
use crate::stream::RequestStream;

/// So many interim responses are passed over.
const MAX_INTERIM: usize = 20;

/// A connection to a server. Clones are the same connection, which is closed when the last
/// of them and of its streams is dropped.
#[derive(Clone)]
pub struct ClientConnection {
    handle: Arc<ConnectionHandle>,
}

impl ClientConnection {
    /// Begins HTTP/3 on a QUIC connection whose protocol (ALPN) is
    /// [`h3`](crate::ALPN).
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new(quinn: quinn::Connection, mut settings: LocalSettings) -> Self {
        // A setting for servers (RFC 8441 §3).
        settings.enable_connect_protocol = false;
        Self { handle: ConnectionShared::begin(quinn, settings, true).0 }
    }

    fn shared(&self) -> &ConnectionShared {
        &self.handle.0
    }

    /// Has the connection closed when it had no stream for some time, between `idle` and one and
    /// a half times as long, though one clone of it is kept: by a pool. Before that, it takes no
    /// more requests.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn close_when_unused(&self, idle: Duration) {
        let handle = Arc::downgrade(&self.handle);
        tokio::spawn(async move {
            let mut unused = 0;
            loop {
                tokio::time::sleep(idle / 2).await;
                let Some(handle) = handle.upgrade().filter(|handle| !handle.is_over()) else {
                    return;
                };
                // The pool's, and the one of this task.
                unused = if Arc::strong_count(&handle) <= 2 { unused + 1 } else { 0 };
                if unused == 2 {
                    handle.0.is_retired.store(true, Ordering::Relaxed);
                } else if unused > 2 {
                    return handle.0.quinn.close(code(ErrorCode::NO_ERROR), b"");
                }
            }
        });
    }

    /// Waits for the server's settings, which an extended CONNECT needs.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn peer_settings(&self) -> Result<PeerSettings, Error> {
        let mut peer = self.shared().peer.subscribe();
        tokio::select! {
            biased;
            settings = peer.wait_for(Option::is_some) => {
                Ok(settings.ok().and_then(|settings| *settings).unwrap_or_default())
            }
            ended = self.shared().quinn.closed() => Err(self.shared().ended(ended)),
        }
    }

    /// Whether it takes no more requests: it has ended, with its runtime perhaps, the server is
    /// going away, or it was unused for too long.
    pub fn is_going_away(&self) -> bool {
        self.shared().peer_goes.borrow().is_some()
            || self.shared().is_retired.load(Ordering::Relaxed)
            || self.shared().quinn.close_reason().is_some()
            || self.handle.is_over()
    }

    /// Whether there are clones of it, or streams that were not dropped.
    pub fn is_in_use(&self) -> bool {
        ConnectionHandle::users(&self.handle) > 1
    }

    /// Watches the connection without keeping it open.
    pub fn downgrade(&self) -> WeakConnection {
        WeakConnection { handle: Arc::downgrade(&self.handle) }
    }

    /// Whether this is a clone of the other one.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.handle, &other.handle)
    }

    /// Sends a request, whose content, if any, is written to the stream of the response.
    /// Waits while the server allows no more streams.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, nothing is sent.
    pub async fn open(&self, request: &Request<()>) -> Result<PendingRequest, Error> {
        self.check(request).await?;
        let streams = self.shared().quinn.open_bi().await;
        self.opening(request, streams)
    }

    /// The same, or `None` where the server allows no more streams now.
    pub async fn try_open(&self, request: &Request<()>) -> Result<Option<PendingRequest>, Error> {
        self.check(request).await?;
        let mut nobody = Context::from_waker(Waker::noop());
        match pin!(self.shared().quinn.open_bi()).poll(&mut nobody) {
            Poll::Ready(streams) => self.opening(request, streams).map(Some),
            Poll::Pending => Ok(None),
        }
    }

    async fn check(&self, request: &Request<()>) -> Result<(), Error> {
        if request.extensions().get::<message::ConnectProtocol>().is_some()
            && !self.peer_settings().await?.enable_connect_protocol
        {
            return Err(Error::Misuse(
                "the server does not set SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 9220 §3)",
            ));
        }
        if self.shared().peer_goes.borrow().is_some() {
            return Err(Error::GoingAway);
        }
        Ok(())
    }

    fn opening(
        &self,
        request: &Request<()>,
        streams: Result<(SendStream, RecvStream), ConnectionError>,
    ) -> Result<PendingRequest, Error> {
        let (send, recv) = streams.map_err(|error| self.shared().ended(error))?;
        let mut stream = RequestStream::new(self.handle.clone(), StreamKind::Response, send, recv);
        stream.queue_head(&message::request_fields(request)?)?;
        stream.open();
        Ok(PendingRequest { stream, method: request.method().clone() })
    }
}

impl std::fmt::Debug for ClientConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("quinn", &self.shared().quinn).finish_non_exhaustive()
    }
}

/// A [`ClientConnection`] that this does not keep open.
#[derive(Clone)]
pub struct WeakConnection {
    handle: Weak<ConnectionHandle>,
}

impl WeakConnection {
    /// Whether there are clones of the connection, or streams that were not dropped.
    pub fn is_in_use(&self) -> bool {
        // This one is none of them.
        self.handle.upgrade().is_some_and(|handle| ConnectionHandle::users(&handle) > 1)
    }
}

impl std::fmt::Debug for WeakConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WeakConnection").field("in_use", &self.is_in_use()).finish()
    }
}

/// A request that is on its way, or was sent. Dropped, it is cancelled.
#[derive(Debug)]
pub struct PendingRequest {
    stream: RequestStream,
    method: Method,
}

impl PendingRequest {
    /// The stream, for content that goes before the response.
    pub fn stream(&mut self) -> &mut RequestStream {
        &mut self.stream
    }

    /// The head of the response, past interim ones, and the stream with its content. After a
    /// CONNECT that the server took it is a tunnel.
    ///
    /// # Cancel safety
    /// Dropped before it is ready, the request is cancelled (`H3_REQUEST_CANCELLED`).
    pub async fn response(mut self) -> Result<(Response<()>, RequestStream), Error> {
        let shared = self.stream.shared().clone();
        let (id, mut goes) = (self.stream.id(), shared.peer_goes.subscribe());
        tokio::select! {
            biased;
            response = self.head() => Ok((response?, self.stream)),
            // §5.2: it did not look at this request, and won't.
            Ok(_) = goes.wait_for(|from| from.is_some_and(|from| from <= id)) => {
                Err(Error::GoingAway)
            }
        }
    }

    async fn head(&mut self) -> Result<Response<()>, Error> {
        for _ in 0..=MAX_INTERIM {
            let Some(fields) = self.stream.next_head().await? else {
                return Err(Error::Incomplete);
            };
            let response = message::read_response(&fields);
            let response = response.map_err(|fault| self.stream.refuse(fault.into()))?;
            let status = response.status();
            if status.is_informational() {
                continue;
            }
            let is_tunnel = self.method == Method::CONNECT && status.is_success();
            let may_be_empty = self.method == Method::HEAD || status == StatusCode::NOT_MODIFIED;
            self.stream.begin_content(response.headers(), is_tunnel, may_be_empty)?;
            return Ok(response);
        }
        // RFC 9110 §15.2: any number may come, but not for ever.
        let why = "more than 20 interim responses (RFC 9110 §15.2)";
        Err(self.stream.refuse(RuleViolation::stream(ErrorCode::EXCESSIVE_LOAD, why).into()))
    }
}
