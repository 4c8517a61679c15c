//! A request for a WebSocket that was not answered yet, whatever sends the response.

use std::mem;

use bytes::{Bytes, BytesMut};
use fullduplex_proto::{PerMessageDeflate, Role};
use http::Request;

use crate::base::span::Span;
use crate::connection::websocket::WebSocket;
use crate::server::config::ServerConfig;
use crate::server::handshake::request::{AcceptedHandshake, IncomingRequest, RejectionCause};
use crate::server::state::handle::ServerHandle;
use crate::server::state::permit::RequestPermit;
use crate::server::state::server_state::{Admission, ServerState};
use crate::server::state::stats::HandshakeOutcome;
use crate::server::state::trace;
use crate::transport::Transport;
#[cfg(feature = "tap")]
use crate::transport::tap::{self, Opening};

/// Defines the methods that [`Handshake`](crate::server::Handshake) and `UpgradeRequest` share.
/// The type has the methods `unanswered` and `unanswered_mut`.
macro_rules! request_methods {
    () => {
        /// Returns the request.
        ///
        /// Its extensions are those that a server or a layer has set. A
        /// [`Server`](crate::server::Server) adds the
        /// [`ConnectInfo`](crate::server::ConnectInfo).
        ///
        /// An extended CONNECT of HTTP/2 or HTTP/3 (RFC 8441) has the method `CONNECT`, and its
        /// authority in the URI instead of `Host`.
        pub fn request(&self) -> &http::Request<()> {
            self.unanswered().request()
        }

        /// Returns the request for changes, such as more extensions. A changed request is
        /// validated again by [`accept`](Self::accept).
        pub fn request_mut(&mut self) -> &mut http::Request<()> {
            self.unanswered_mut().request.request_mut()
        }

        /// Returns the subprotocols that the client offers, its favourite first.
        pub fn subprotocols(&self) -> &[String] {
            self.unanswered().request.subprotocols()
        }

        /// Sets the subprotocol that [`accept`](Self::accept) will select, in place of the
        /// client's favourite among
        /// [`ServerConfig::subprotocols`](crate::server::ServerConfig#structfield.subprotocols);
        /// `None` selects none. The client must have offered it.
        pub fn set_subprotocol(&mut self, subprotocol: Option<String>) {
            self.unanswered_mut().request.set_subprotocol(subprotocol);
        }

        /// Adds a header field to the response that opens the WebSocket, such as `Set-Cookie`.
        ///
        /// Fields that the protocol sets itself, such as `Sec-WebSocket-Protocol` and
        /// `Content-Length`, and invalid ones are errors: [`accept`](Self::accept) then returns
        /// an error that names the field, and the response is 500.
        pub fn add_header(&mut self, name: impl Into<String>, value: impl Into<bytes::Bytes>) {
            self.unanswered_mut().add_header(name, value);
        }

        /// Registers the WebSocket with `handle`: it is counted there, and closed by
        /// [`drain`](crate::server::ServerHandle::drain). While that server drains,
        /// [`accept`](Self::accept) answers 503.
        ///
        /// The requests of a [`Server`](crate::server::Server) are registered with it anyway.
        pub fn track(&mut self, handle: &crate::server::ServerHandle) {
            self.unanswered_mut().tracked = Some(handle.clone());
        }
    };
}
pub(crate) use request_methods;

/// A request, and what the application has set for its response.
pub(crate) struct UnansweredRequest {
    pub(crate) request: Box<IncomingRequest>,
    response_headers: Vec<(String, Bytes)>,
    /// The server that the WebSocket belongs to: the one that read the request, or, once the
    /// request is accepted, that of `tracked`.
    pub(crate) admission: Option<Admission>,
    /// The handle that the application tracks the WebSocket with.
    pub(crate) tracked: Option<ServerHandle>,
    /// The span of the WebSocket, if it was made before the WebSocket is open.
    pub(crate) span: Option<Span>,
    /// The response that opens the WebSocket, if a tap will see it.
    #[cfg(feature = "tap")]
    response: Option<Box<http::Response<()>>>,
}

impl UnansweredRequest {
    pub(crate) fn new(request: Box<IncomingRequest>) -> Self {
        let response_headers = Vec::new();
        Self {
            request,
            response_headers,
            admission: None,
            tracked: None,
            span: None,
            #[cfg(feature = "tap")]
            response: None,
        }
    }

    pub(crate) fn request(&self) -> &Request<()> {
        self.request.request()
    }

    /// The server that admitted the request.
    pub(crate) fn server(&self) -> Option<&ServerState> {
        self.admission.as_ref().map(|admission| &*admission.server)
    }

    /// Adds a header field to the response that accepts.
    pub(crate) fn add_header(&mut self, name: impl Into<String>, value: impl Into<Bytes>) {
        self.response_headers.push((name.into(), value.into()));
    }

    /// Validates the request, and returns the response that opens the WebSocket. The WebSocket
    /// is counted from then on.
    pub(crate) fn accept(
        &mut self,
        config: &ServerConfig,
    ) -> Result<AcceptedHandshake, RejectionCause> {
        let headers = mem::take(&mut self.response_headers);
        let accepted = self.request.accept(config, headers)?;
        self.admit()?;
        #[cfg(feature = "tap")]
        if config.tap.is_some() {
            let response = accepted.response().map_err(RejectionCause::Misuse)?;
            self.response = Some(Box::new(response));
        }
        Ok(accepted)
    }

    /// Admits the WebSocket to the server that read the request, else to that of `tracked`.
    fn admit(&mut self) -> Result<(), RejectionCause> {
        match (&self.admission, self.tracked.take()) {
            (Some(admission), _) if admission.server.is_draining() => {
                Err(RejectionCause::ShuttingDown)
            }
            (None, Some(handle)) if handle.0.is_draining() => Err(RejectionCause::ShuttingDown),
            (None, Some(ServerHandle(server))) => {
                let permit = server.try_acquire(None);
                let permit =
                    permit.map_err(|full| RejectionCause::Policy(503, full.to_string()))?;
                let permit = RequestPermit::Connection(permit);
                self.admission = Some(Admission { server, permit });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Opens the WebSocket on the transport that the response was sent on, and registers it with
    /// its server.
    pub(crate) fn open<S: Transport>(
        &mut self,
        (stream, leftover): (S, BytesMut),
        config: &ServerConfig,
        deflate: Option<&PerMessageDeflate>,
    ) -> WebSocket<S> {
        let websocket = WebSocket::open(stream, Role::Server, &config.websocket, deflate, leftover);
        #[cfg(feature = "tap")]
        let websocket = self.add_tap(websocket, config);
        if let Some(Admission { server, permit }) = self.admission.take() {
            let span = self.span.take().unwrap_or_else(|| trace::span(|| self.request()));
            server.record.handshake(HandshakeOutcome::Opened(self.request.version()));
            // A subprotocol that only the application knows is not traced: it may be a token.
            let known = config.known_subprotocol(self.request.subprotocol.as_deref());
            trace::opened(&span, known, websocket.deflate().is_some());
            server.join(&websocket, permit, span);
        }
        websocket.with_subprotocol(self.request.subprotocol.take())
    }

    /// Adds the observer that the tap of the server returns for the WebSocket.
    #[cfg(feature = "tap")]
    fn add_tap<S: Transport>(
        &mut self,
        websocket: WebSocket<S>,
        config: &ServerConfig,
    ) -> WebSocket<S> {
        let (Some(tap), Some(mut response)) = (&config.tap, self.response.take()) else {
            return websocket;
        };
        *response.version_mut() = self.request.version();
        let request = self.request();
        let is_secure = match self.request.connect_info() {
            Some(remote) => remote.secure,
            None => request.uri().scheme() == Some(&http::uri::Scheme::HTTPS),
        };
        let opening = Opening {
            role: Role::Server,
            is_secure,
            request,
            response: &response,
            subprotocol: self.request.subprotocol.as_deref(),
            deflate: websocket.deflate(),
        };
        match tap::open(&**tap, &opening) {
            Some(tap) => websocket.with_tap(tap),
            None => websocket,
        }
    }
}
