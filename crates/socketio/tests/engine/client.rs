//! A client that polls a service without a network.

use bytes::Bytes;
use fullduplex_socketio::engine::Engine;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use tower::ServiceExt;

/// A response: status, header fields, content.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) content: String,
}

impl Answer {
    /// Returns the status and the content.
    pub(crate) fn brief(&self) -> (u16, &str) {
        (self.status, &self.content)
    }
}

/// Sends a request to the engine's service.
pub(crate) async fn send(engine: &Engine, request: Request<Full<Bytes>>) -> Answer {
    let response = engine.service().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let content = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        content: String::from_utf8(content.to_vec()).unwrap(),
    }
}

pub(crate) fn get(query: &str) -> Request<Full<Bytes>> {
    Request::get(format!("/engine.io/?{query}")).body(Full::default()).unwrap()
}

/// A session that polls.
#[derive(Clone)]
pub(crate) struct Polling {
    pub(crate) engine: Engine,
    pub(crate) sid: String,
}

impl Polling {
    pub(crate) async fn open(engine: &Engine) -> Self {
        let answer = send(engine, get("EIO=4&transport=polling")).await;
        assert_eq!(answer.status, 200, "{}", answer.content);
        let open: serde_json::Value = serde_json::from_str(&answer.content[1..]).unwrap();
        Self { engine: engine.clone(), sid: open["sid"].as_str().unwrap().to_owned() }
    }

    pub(crate) fn query(&self) -> String {
        format!("EIO=4&transport=polling&sid={}", self.sid)
    }

    pub(crate) async fn poll(&self) -> Answer {
        send(&self.engine, get(&self.query())).await
    }

    pub(crate) async fn post(&self, content: impl Into<Bytes>) -> Answer {
        let uri = format!("/engine.io/?{}", self.query());
        send(&self.engine, Request::post(uri).body(Full::new(content.into())).unwrap()).await
    }
}
