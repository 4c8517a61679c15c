//! The answers to requests: new sessions, polls, payloads and preflights.

use std::sync::Arc;

use bytes::Bytes;
use fullduplex::server::ConnectInfo;
use fullduplex::server::policy::PeerAddr;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body::Body as HttpBody;
use tokio::time::timeout;

use crate::engine::{CLOSED_PAYLOAD, Engine, Found, Shared, TransportKind};
use crate::http::body::{Content, PollGuard, ReadError, read};
use crate::http::cors::{Cors, preflight};
use crate::http::error::RequestError;
use crate::http::query::Query;

/// What a request asks for.
pub(super) enum Target {
    /// A new session.
    New,
    /// A session that is open.
    Open(Arc<Shared>),
    /// A session that the client has closed, whose last poll is this request.
    Closed,
}

/// Finds out what a request asks for, and rejects it if it breaks a rule.
pub(super) fn target(
    engine: &Engine,
    parts: &Parts,
    is_websocket: bool,
) -> Result<Target, RequestError> {
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let config = engine.config();
    let transport = match query.transport {
        Some("polling") if config.polling => TransportKind::Polling,
        Some("websocket") if config.websocket => TransportKind::WebSocket,
        _ => return Err(RequestError::UnknownTransport),
    };
    if query.version != Some("4") {
        return Err(RequestError::UnsupportedVersion);
    }
    let session = match query.sid {
        Some(sid) if parts.method == Method::GET && !is_websocket => {
            Some(engine.session_for_poll(sid).ok_or(RequestError::UnknownSession)?)
        }
        Some(sid) => Some(Found::Open(engine.session(sid).ok_or(RequestError::UnknownSession)?)),
        None => None,
    };
    // An extended CONNECT (RFC 8441) opens a WebSocket, too.
    let opens = parts.method == Method::GET || is_websocket;
    match session {
        None if !opens => Err(RequestError::HandshakeMethod),
        _ if is_websocket != (transport == TransportKind::WebSocket) => {
            Err(RequestError::BadRequest)
        }
        None => Ok(Target::New),
        Some(Found::Open(session)) => Ok(Target::Open(session)),
        Some(Found::Closed) => Ok(Target::Closed),
    }
}

/// Returns the address of the client that sent a request, as far as it is known: from the
/// `ConnectInfo` of a [`Server`](fullduplex::server::Server), or from a `PeerAddr` that a layer in
/// another server has set.
pub(super) fn client(parts: &Parts) -> PeerAddr {
    let info = parts.extensions.get::<ConnectInfo>().map(|info| info.client.to_peer());
    info.or_else(|| parts.extensions.get::<PeerAddr>().copied()).unwrap_or(PeerAddr::Unknown)
}

/// Answers a request that does not ask for a WebSocket.
pub(super) async fn respond_to<B: HttpBody>(
    engine: Engine,
    request: Request<B>,
) -> Response<Content> {
    let (parts, body) = request.into_parts();
    let cors = match Cors::check(&parts, &engine.config().origin_policy) {
        Ok(cors) => cors,
        Err(error) => return respond(error.reject(&engine), &Cors::default()),
    };
    if parts.method == Method::OPTIONS {
        return respond(preflight(&parts.headers), &cors);
    }
    match answer(&engine, &parts, body).await {
        Ok(response) => with_fields(response, &cors),
        Err(error) => respond(error.reject(&engine), &cors),
    }
}

async fn answer<B: HttpBody>(
    engine: &Engine,
    parts: &Parts,
    body: B,
) -> Result<Response<Content>, RequestError> {
    let session = match target(engine, parts, false)? {
        Target::New => {
            let admission = engine.admit(Request::from_parts(parts.clone(), ()), client(parts))?;
            return Ok(text(Content::new(engine.open_polling(admission))));
        }
        Target::Open(session) => session,
        Target::Closed => {
            return Ok(text(Content::new(Bytes::from_static(CLOSED_PAYLOAD.as_bytes()))));
        }
    };
    match parts.method {
        Method::GET => poll(session).await,
        Method::POST => {
            let mut open = PostGuard::new(&session)?;
            let posted = post(engine, &session, &parts.headers, body).await;
            open.is_answered = true;
            posted?;
            Ok(text(Content::new(Bytes::from_static(b"ok"))))
        }
        _ => Err(RequestError::BadRequest),
    }
}

/// Answers a GET as soon as there is something to send.
async fn poll(session: Arc<Shared>) -> Result<Response<Content>, RequestError> {
    let payload = session.begin_poll()?;
    let guard = PollGuard(Some(session));
    let payload = payload.await.map_err(|_| RequestError::UnknownSession)?;
    Ok(text(Content::guarded(payload, guard)))
}

/// A POST that is open. Dropping it before it is answered ends the session.
struct PostGuard<'a> {
    session: &'a Shared,
    is_answered: bool,
}

impl<'a> PostGuard<'a> {
    fn new(session: &'a Shared) -> Result<Self, RequestError> {
        session.begin_post()?;
        Ok(Self { session, is_answered: false })
    }
}

impl Drop for PostGuard<'_> {
    fn drop(&mut self) {
        if self.is_answered {
            self.session.end_post();
        } else {
            self.session.cut_post();
        }
    }
}

/// Takes the packets of a POST.
async fn post<B: HttpBody>(
    engine: &Engine,
    session: &Shared,
    headers: &HeaderMap,
    body: B,
) -> Result<(), RequestError> {
    let config = engine.config();
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > config.max_payload as u64) {
        return Err(RequestError::ContentTooLarge);
    }
    let content = match timeout(config.body_timeout, read(body, config.max_payload)).await {
        Ok(Ok(content)) => content,
        Ok(Err(ReadError::TooLarge)) => return Err(RequestError::ContentTooLarge),
        Ok(Err(ReadError::Cut)) => {
            session.cut_post();
            return Err(RequestError::BadRequest);
        }
        Err(_late) => {
            session.cut_post();
            return Err(RequestError::ContentTimeout);
        }
    };
    session.receive_payload(content).await?;
    Ok(())
}

fn text(content: Content) -> Response<Content> {
    let mut response = Response::new(content);
    let plain = HeaderValue::from_static("text/plain; charset=UTF-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

/// Completes a response whose content is in memory.
pub(super) fn respond(response: Response<Bytes>, cors: &Cors) -> Response<Content> {
    with_fields(response.map(Content::new), cors)
}

/// Adds the fields that every response has.
fn with_fields(mut response: Response<Content>, cors: &Cors) -> Response<Content> {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    cors.add_to(headers);
    response
}
