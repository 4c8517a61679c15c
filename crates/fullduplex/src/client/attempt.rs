//! An attempt to open a WebSocket, as the statistics and the `tracing` span see it.

use std::sync::Arc;
use std::time::Instant;

use http::Response;

use crate::base::error::Error;
use crate::base::span::Span;
use crate::base::uri::WsUri;
use crate::client::client_stats::ConnectOutcome;
use crate::client::state::ClientState;
use crate::client::trace;
use crate::connection::websocket::WebSocket;
use crate::transport::Transport;

/// An attempt to open a WebSocket. If it is dropped, it counts as cancelled.
pub(super) struct Attempt {
    state: Arc<ClientState>,
    /// `None` when the attempt has ended.
    span: Option<Span>,
    since: Instant,
}

impl Attempt {
    /// Counts and traces the start of an attempt.
    pub(super) fn start(state: &Arc<ClientState>, target: &WsUri) -> Self {
        state.record.attempt_started();
        let span = state.record.traced(|| trace::connecting(target));
        let span = Some(span.unwrap_or_else(|_| trace::no_span()));
        Self { state: state.clone(), span, since: Instant::now() }
    }

    /// The span of the attempt and of its WebSocket.
    pub(super) fn span(&self) -> Option<&Span> {
        self.span.as_ref()
    }

    /// Counts and traces how the attempt has ended, and lists its WebSocket as open.
    pub(super) fn end<S: Transport>(
        mut self,
        result: Result<(WebSocket<S>, Response<()>), Error>,
    ) -> Result<(WebSocket<S>, Response<()>), Error> {
        let record = self.state.record.clone();
        let Some(span) = self.span.take() else { return result };
        match &result {
            Ok((websocket, response)) => {
                let version = response.version();
                record.attempt_ended(ConnectOutcome::Opened(version), self.since.elapsed());
                let has_deflate = websocket.deflate().is_some();
                let _ = record.traced(|| trace::opened(&span, version, has_deflate));
                self.state.websockets.add(websocket, (), span);
            }
            Err(error) => {
                record.attempt_ended(ConnectOutcome::Failed(error.kind()), self.since.elapsed());
                // The span is dropped here, too.
                let _ = record.traced(move || trace::failed(&span, error));
            }
        }
        result
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let Some(span) = self.span.take() else { return };
        let record = &self.state.record;
        record.attempt_ended(ConnectOutcome::Cancelled, self.since.elapsed());
        let _ = record.traced(move || trace::cancelled(&span));
    }
}
