//! The engine in a [`Server`], on every version of HTTP.

use std::future::{Future, pending};

use bytes::Bytes;
use fullduplex::server::{Handshake, Server};
use fullduplex::{Error, KeepaliveConfig};
use http::{Response, StatusCode};

use crate::engine::Engine;
use crate::http::websocket;

impl Engine {
    /// Serves the engine only, with the listeners, TLS and limits of `server`. Returns after a
    /// [drain](fullduplex::server::ServerHandle::drain).
    ///
    /// It sets the server's Origin policy, the limit of a message and the keepalive, as the
    /// settings of the engine say. To serve other things beside it, give the server
    /// [`service`](Self::service) or a router with [`layer`](Self::layer), and call
    /// [`handle`](Self::handle) for its requests for WebSockets.
    ///
    /// # Errors
    /// As of [`Server::serve`].
    ///
    /// # Cancel safety
    /// Dropping the future closes the listeners. Open sessions continue.
    pub async fn serve(self, server: Server) -> Result<(), Error> {
        let config = self.config();
        let handle = server.handle();
        let server = server
            .origin_policy(config.origin_policy.clone())
            .max_message_size(config.max_payload as u64)
            .keepalive(KeepaliveConfig::default().interval(None))
            .service(self.service());
        let engine = self.clone();
        let serving = server.serve_handshakes(move |handshake| {
            let engine = engine.clone();
            let answering = match engine.answer(handshake) {
                Ok(session) => Ok(session),
                // In a box, as it needs much more memory than a session.
                Err(other) => Err(Box::pin(other.respond(not_found()))),
            };
            async move {
                match answering {
                    Ok(session) => session.await,
                    Err(response) => response.await,
                }
            }
        });
        let draining = async {
            handle.drain_started().await;
            // The server closes the WebSockets itself, spread over a time.
            self.shutdown_polling();
            pending().await
        };
        tokio::select! {
            result = serving => result,
            never = draining => never,
        }
    }

    /// Answers a request for a WebSocket that a [`Server`] has read, and runs the session until
    /// its end. Returns a request for another path, or for ordinary HTTP.
    ///
    /// The server's Origin policy and its limit of a message hold besides those of the engine. Its
    /// keepalive should be off, as Engine.IO has its own.
    ///
    /// # Cancel safety
    /// Dropping the future ends the session.
    pub async fn handle(&self, handshake: Handshake) -> Result<Result<(), Error>, Handshake> {
        Ok(self.answer(handshake)?.await)
    }

    /// Returns the task of the session that a request opens, or the request if it is another one.
    fn answer(
        &self,
        handshake: Handshake,
    ) -> Result<impl Future<Output = Result<(), Error>> + Send + use<>, Handshake> {
        let is_own = self.config().is_path(handshake.request().uri().path());
        if !is_own || !handshake.is_websocket() {
            return Err(handshake);
        }
        Ok(websocket::accept(self.clone(), handshake))
    }
}

fn not_found() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"not found"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
