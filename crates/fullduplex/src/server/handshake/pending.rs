//! A request for a WebSocket before its answer, whoever is to send that.

use std::mem;

use bytes::{Bytes, BytesMut};
use fullduplex_proto::{PerMessageDeflate, Role};
use http::Request;

use crate::connection::websocket::WebSocket;
use crate::server::config::ServerConfig;
use crate::server::handshake::request::{AcceptedHandshake, IncomingRequest, RejectionCause};
use crate::server::state::handle::ServerHandle;
use crate::server::state::lifecycle::{Admission, ServerState};
use crate::server::state::stats::{HandshakeOutcome, HttpVersion};
use crate::server::state::trace;
use crate::transport::Transport;

/// A request, and what the application has set for its answer.
pub(crate) struct PendingRequest {
    pub(crate) asked: Box<IncomingRequest>,
    response_headers: Vec<(String, Bytes)>,
    /// The server that read it, or that the WebSocket is tracked by once it is accepted.
    pub(crate) admission: Option<Admission>,
    pub(crate) tracked: Option<ServerHandle>,
    /// The span of the WebSocket, where it is to be known before that is open.
    pub(crate) span: Option<trace::Span>,
}

impl PendingRequest {
    pub(crate) fn new(asked: Box<IncomingRequest>) -> Self {
        let response_headers = Vec::new();
        Self { asked, response_headers, admission: None, tracked: None, span: None }
    }

    pub(crate) fn request(&self) -> &Request<()> {
        self.asked.request()
    }

    /// The server that has admitted it.
    pub(crate) fn server(&self) -> Option<&ServerState> {
        self.admission.as_ref().map(|admission| &*admission.server)
    }

    /// Adds a header field to the response that accepts.
    pub(crate) fn add_header(&mut self, name: impl Into<String>, value: impl Into<Bytes>) {
        self.response_headers.push((name.into(), value.into()));
    }

    /// Returns the answer that opens the WebSocket, which is counted from then on, or why there
    /// is none.
    pub(crate) fn accept(
        &mut self,
        config: &ServerConfig,
    ) -> Result<AcceptedHandshake, RejectionCause> {
        let headers = mem::take(&mut self.response_headers);
        let chosen = self.asked.chosen.as_deref();
        let accepted = self.asked.acceptance(config, chosen, headers)?;
        self.enter()?;
        Ok(accepted)
    }

    /// Admits the WebSocket: to the server that read the request, else to the handle that is to
    /// track it.
    fn enter(&mut self) -> Result<(), RejectionCause> {
        match (&self.admission, self.tracked.take()) {
            (Some(admission), _) if admission.server.is_draining() => Err(RejectionCause::Leaving),
            (None, Some(handle)) if handle.0.is_draining() => Err(RejectionCause::Leaving),
            (None, Some(ServerHandle(server))) => {
                let permit = server.enter(None);
                let permit =
                    permit.map_err(|full| RejectionCause::Policy(503, full.to_string()))?;
                self.admission = Some(Admission { server, permit });
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Opens the WebSocket on the transport that the answer has left on, and makes it known to
    /// its server.
    pub(crate) fn open<S: Transport>(
        &mut self,
        (stream, leftover): (S, BytesMut),
        config: &ServerConfig,
        deflate: Option<&PerMessageDeflate>,
    ) -> WebSocket<S> {
        let websocket =
            WebSocket::from_handshake(stream, Role::Server, &config.websocket, deflate, leftover);
        if let Some(Admission { server, permit }) = self.admission.take() {
            let span = self.span.take().unwrap_or_else(|| trace::span(|| self.request()));
            let version = HttpVersion::of(self.asked.version());
            server.record.handshake(HandshakeOutcome::Opened(version));
            // Others that were agreed on are not told, as they may be a client's token.
            let known = config.known_subprotocol(self.asked.chosen.as_deref());
            trace::opened(&span, known, websocket.deflate().is_some());
            server.join(&websocket, permit, span);
        }
        websocket.with_subprotocol(self.asked.chosen.take())
    }
}
