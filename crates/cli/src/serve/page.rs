//! Plain HTTP requests: the web page, files, metrics.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use fullduplex::server::Body;
use fullduplex_socketio::SocketIo;
use http::header::{ALT_SVC, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use tower_service::Service;

use super::assets;
use super::files::Files;
use super::listen::Address;
use super::metrics_source::MetricsSource;
use super::responses::{not_found, read_only, upgrade_required};

type Content = UnsyncBoxBody<Bytes, io::Error>;

/// The HTTP service for requests that are not WebSocket handshakes.
#[derive(Clone)]
pub(super) struct Pages {
    default: DefaultPage,
    /// Served at `/metrics`.
    metrics: Option<MetricsSource>,
    socketio: Option<SocketIo>,
    /// The `Alt-Svc` field that announces HTTP/3 (RFC 7838).
    alt_svc: Option<HeaderValue>,
}

/// What is served at paths other than `/metrics`.
#[derive(Clone)]
enum DefaultPage {
    Page,
    Files(Files),
    Nothing,
}

impl Pages {
    /// Serves the web page, or the files in a folder.
    pub(super) fn new(root: Option<&Path>) -> Result<Self, String> {
        let Some(root) = root else { return Ok(Self::with(DefaultPage::Page, None)) };
        let files = Files::new(root);
        let files = files.map_err(|error| format!("--root {}: {error}", root.display()))?;
        Ok(Self::with(DefaultPage::Files(files), None))
    }

    fn with(default: DefaultPage, metrics: Option<MetricsSource>) -> Self {
        Self { default, metrics, socketio: None, alt_svc: None }
    }

    /// Announces HTTP/3 on the first TCP address's port.
    pub(super) fn with_http3(self, addresses: &[Address]) -> Self {
        let port = addresses.iter().find_map(|address| match address {
            Address::Tcp(address) => Some(address.port()),
            #[cfg(unix)]
            _ => None,
        });
        let alt_svc = port.and_then(|port| format!("h3=\":{port}\"; ma=3600").parse().ok());
        Self { alt_svc, ..self }
    }

    /// Serves only metrics.
    pub(super) fn metrics_only(source: MetricsSource) -> Self {
        Self::with(DefaultPage::Nothing, Some(source))
    }

    /// Serves metrics at `/metrics`.
    pub(super) fn with_metrics(self, source: MetricsSource) -> Self {
        Self { metrics: Some(source), ..self }
    }

    /// Serves Socket.IO by long-polling, and the page that tries it.
    pub(super) fn with_socketio(self, socketio: Option<SocketIo>) -> Self {
        Self { socketio, ..self }
    }

    async fn respond(self, request: Request<Body>) -> Response<Content> {
        let (method, path) = (request.method(), request.uri().path());
        if let Some(metrics) = self.metrics.filter(|_| path == "/metrics") {
            return full_body(read_only(method, || metrics.response()));
        }
        if let Some(io) = self.socketio {
            match path.strip_prefix("/socket.io") {
                Some("" | "/") => return socketio(&io, request).await,
                Some("/socket.io.js") => {
                    return full_body(read_only(method, assets::socketio_client));
                }
                _ if path == "/fdx/socketio" => {
                    return full_body(read_only(method, assets::socketio_page));
                }
                _ => {}
            }
        }
        match self.default {
            DefaultPage::Page => full_body(page(method, path)),
            DefaultPage::Files(mut files) => {
                let (method, path) = (method.clone(), path.to_owned());
                // With files, the page is only at `/fdx`, and what it loads below.
                let fallback =
                    || full_body(if path == "/" { not_found() } else { page(&method, &path) });
                files.respond(request).await.unwrap_or_else(fallback)
            }
            DefaultPage::Nothing => full_body(not_found()),
        }
    }
}

impl Service<Request<Body>> for Pages {
    type Response = Response<Content>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let alt_svc = this.alt_svc.clone();
            let mut response = this.respond(request).await;
            let headers = response.headers_mut();
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            if let Some(alt_svc) = alt_svc {
                headers.insert(ALT_SVC, alt_svc);
            }
            Ok(response)
        })
    }
}

fn full_body(response: Response<String>) -> Response<Content> {
    response.map(|text| Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync())
}

/// Answers a request for Socket.IO.
async fn socketio(io: &SocketIo, request: Request<Body>) -> Response<Content> {
    let response = match io.service().call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    // The body is kept as it is: dropping it before it is sent ends the session.
    response.map(|body| body.map_err(|never| match never {}).boxed_unsync())
}

fn page(method: &Method, path: &str) -> Response<String> {
    match path {
        "/" | "/fdx" => read_only(method, assets::page),
        "/echo" | "/broadcast" | "/whoami" => upgrade_required(),
        _ => match path.strip_prefix("/fdx/").and_then(assets::file) {
            Some(file) => read_only(method, || file),
            None => not_found(),
        },
    }
}
