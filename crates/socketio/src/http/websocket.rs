//! Requests for a WebSocket: new sessions, and upgrades of sessions that poll.

use std::sync::Arc;

use bytes::Bytes;
use fullduplex::server::integrate::{Rejection, UpgradeRequest};
use fullduplex::server::{Handshake, ServerConfig};
use fullduplex::{Error, WebSocket};
use http::request::Parts;
use http::{Request, Response};

use crate::engine::{Admission, Engine, EngineConfig, Shared};
use crate::http::body::Content;
use crate::http::cors::Cors;
use crate::http::error::RequestError;
use crate::http::respond::{Target, client, head, respond, target};

/// What a WebSocket is opened for.
enum Purpose {
    /// A new session.
    Session(Box<Admission>),
    /// An upgrade of this session.
    Upgrade(Arc<Shared>),
}

impl Purpose {
    /// Runs the session, or gives it the WebSocket.
    async fn run(self, engine: Engine, websocket: WebSocket) {
        match self {
            Self::Session(admission) => engine.open_websocket(*admission, websocket).await,
            Self::Upgrade(session) => session.upgrade(websocket),
        }
    }
}

fn purpose(engine: &Engine, parts: &Parts) -> Result<Purpose, RequestError> {
    match target(engine, parts, true)? {
        Target::New => Ok(Purpose::Session(Box::new(engine.admit(head(parts), client(parts))?))),
        Target::Open(session) => Ok(Purpose::Upgrade(session)),
        Target::Closed => Err(RequestError::UnknownSession),
    }
}

/// Returns the settings of WebSockets: Engine.IO has heartbeats of its own.
pub(super) fn settings(config: &EngineConfig) -> ServerConfig {
    let websocket = fullduplex::Config::default().keepalive_interval(None);
    ServerConfig::default()
        .websocket(websocket)
        .max_message_size(config.max_payload as u64)
        .origin_policy(config.origin_policy.clone())
}

/// Answers a request for a WebSocket in a server that hyper runs.
pub(super) fn upgrade<B>(engine: &Engine, request: Request<B>) -> Response<Content> {
    let (mut parts, _body) = request.into_parts();
    let response = match try_upgrade(engine, &mut parts) {
        Ok(response) => return response.map(|()| Content::new(Bytes::new())),
        Err(response) => response,
    };
    respond(*response, &Cors::default())
}

fn try_upgrade(engine: &Engine, parts: &mut Parts) -> Result<Response<()>, Box<Response<Bytes>>> {
    let denied = |error: RequestError| Box::new(error.response());
    let rejected = |rejection: Rejection| Box::new(rejection.into_response());
    Cors::check(parts, &engine.config().origin_policy).map_err(denied)?;
    // Validated first, so that a session is not counted for a request that breaks a rule.
    let upgrade = UpgradeRequest::from_parts(parts).map_err(rejected)?;
    let purpose = purpose(engine, parts).map_err(denied)?;
    let (response, upgrade) = upgrade.accept(settings(engine.config())).map_err(rejected)?;
    let engine = engine.clone();
    upgrade.spawn(|opened| async move {
        purpose.run(engine, opened?).await;
        Ok::<(), Error>(())
    });
    Ok(response)
}

/// Answers a request for a WebSocket that a `Server` has read, and runs the session.
pub(super) async fn accept(engine: Engine, handshake: Handshake) -> Result<(), Error> {
    let (parts, ()) = handshake.request().clone().into_parts();
    let checked = Cors::check(&parts, &engine.config().origin_policy);
    let purpose = match checked.and_then(|_| purpose(&engine, &parts)) {
        Ok(purpose) => purpose,
        Err(error) => return handshake.respond(error.response()).await,
    };
    let websocket = handshake.accept().await?;
    purpose.run(engine, websocket).await;
    Ok(())
}
