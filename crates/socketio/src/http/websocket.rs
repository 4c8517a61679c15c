//! Requests for a WebSocket: new sessions, and upgrades of sessions that poll.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use fullduplex::server::integrate::{Rejection, UpgradeRequest};
use fullduplex::server::{Handshake, ServerConfig};
use fullduplex::{Error, WebSocket};
use http::request::Parts;
use http::{Request, Response};

use crate::engine::{Admission, Engine, EngineConfig, SessionTask, Shared};
use crate::http::body::Content;
use crate::http::cors::Cors;
use crate::http::error::RequestError;
use crate::http::respond::{Target, client, respond, target};

/// What a WebSocket is opened for.
enum Purpose {
    /// A new session.
    Session(Box<Admission>),
    /// An upgrade of this session.
    Upgrade(Arc<Shared>),
}

impl Purpose {
    /// Opens the session, and returns its task; or gives an open one the WebSocket.
    fn begin(self, engine: &Engine, websocket: WebSocket) -> Option<SessionTask> {
        match self {
            Self::Session(admission) => Some(engine.open_websocket(*admission, websocket)),
            Self::Upgrade(session) => {
                session.upgrade(websocket);
                None
            }
        }
    }
}

fn purpose(engine: &Engine, parts: Parts) -> Result<Purpose, RequestError> {
    match target(engine, &parts, true)? {
        Target::New => {
            let peer = client(&parts);
            let admission = engine.admit(Request::from_parts(parts, ()), peer)?;
            Ok(Purpose::Session(Box::new(admission)))
        }
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
    let denied = |error: RequestError| Box::new(error.reject(engine));
    let rejected = |rejection: Rejection| Box::new(rejection.into_response());
    Cors::check(parts, &engine.config().origin_policy).map_err(denied)?;
    // Validated first, so that a session is not counted for a request that breaks a rule.
    let upgrade = UpgradeRequest::from_parts(parts).map_err(rejected)?;
    let purpose = purpose(engine, parts.clone()).map_err(denied)?;
    let (response, upgrade) = upgrade.accept(settings(engine.config())).map_err(rejected)?;
    let engine = engine.clone();
    upgrade.spawn(|opened| async move {
        if let Some(session) = purpose.begin(&engine, opened?) {
            session.await;
        }
        Ok::<(), Error>(())
    });
    Ok(response)
}

/// Answers a request for a WebSocket that a `Server` has read, and runs the session.
pub(super) fn accept(
    engine: Engine,
    handshake: Handshake,
) -> impl Future<Output = Result<(), Error>> + Send + 'static {
    // In a box of its own, as it needs much more memory than the session that follows.
    let opening = Box::pin(open(engine, handshake));
    async move {
        if let Some(session) = opening.await? {
            session.await;
        }
        Ok(())
    }
}

async fn open(engine: Engine, handshake: Handshake) -> Result<Option<SessionTask>, Error> {
    let (parts, ()) = handshake.request().clone().into_parts();
    let checked = Cors::check(&parts, &engine.config().origin_policy);
    match checked.and_then(|_| purpose(&engine, parts)) {
        Ok(purpose) => Ok(purpose.begin(&engine, handshake.accept().await?)),
        Err(error) => handshake.respond(error.reject(&engine)).await.map(|()| None),
    }
}
