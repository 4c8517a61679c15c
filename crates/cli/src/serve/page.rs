//! Ordinary HTTP: the page for browsers, or files and the page beside them.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use fullduplex::server::Body;
use http::header::{ALT_SVC, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use tower_service::Service;

use super::files::Files;
use super::listen::Address;
use super::metrics_source::MetricsSource;
use super::responses::{got, html, not_found, upgrade_required};

const PAGE: &str = include_str!("../../assets/index.html");

type Content = UnsyncBoxBody<Bytes, io::Error>;

/// Answers ordinary requests.
#[derive(Clone)]
pub(super) struct Pages {
    main: DefaultPage,
    /// At `/metrics`.
    figures: Option<MetricsSource>,
    /// Where else the server is found (RFC 7838).
    alt_svc: Option<HeaderValue>,
}

/// What is at the other paths.
#[derive(Clone)]
enum DefaultPage {
    Page,
    Files(Files),
    Nothing,
}

impl Pages {
    /// The page, or the files in a folder.
    pub(super) fn new(root: Option<&Path>) -> Result<Self, String> {
        let Some(root) = root else { return Ok(Self::of(DefaultPage::Page, None)) };
        let files = Files::new(root);
        let files = files.map_err(|error| format!("--root {}: {error}", root.display()))?;
        Ok(Self::of(DefaultPage::Files(files), None))
    }

    fn of(main: DefaultPage, figures: Option<MetricsSource>) -> Self {
        Self { main, figures, alt_svc: None }
    }

    /// The same, telling clients of HTTP/3 on the port that comes first.
    pub(super) fn with_http3(self, addresses: &[Address]) -> Self {
        let port = addresses.iter().find_map(|address| match address {
            Address::Tcp(address) => Some(address.port()),
            #[cfg(unix)]
            _ => None,
        });
        let alt_svc = port.and_then(|port| format!("h3=\":{port}\"; ma=3600").parse().ok());
        Self { alt_svc, ..self }
    }

    /// Figures alone.
    pub(super) fn of_figures(figures: MetricsSource) -> Self {
        Self::of(DefaultPage::Nothing, Some(figures))
    }

    /// Figures too.
    pub(super) fn with_figures(self, figures: MetricsSource) -> Self {
        Self { figures: Some(figures), ..self }
    }

    async fn answer(self, request: Request<Body>) -> Response<Content> {
        let (method, path) = (request.method(), request.uri().path());
        if let Some(figures) = self.figures.filter(|_| path == "/metrics") {
            return whole(got(method, || figures.response()));
        }
        match self.main {
            DefaultPage::Page => whole(page(method, path)),
            DefaultPage::Files(mut files) => {
                let (method, path) = (method.clone(), path.to_owned());
                // The page is at its second path.
                let beside = || whole(if path == "/" { not_found() } else { page(&method, &path) });
                files.answer(request).await.unwrap_or_else(beside)
            }
            DefaultPage::Nothing => whole(not_found()),
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
            let mut answer = this.answer(request).await;
            let headers = answer.headers_mut();
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            if let Some(alt_svc) = alt_svc {
                headers.insert(ALT_SVC, alt_svc);
            }
            Ok(answer)
        })
    }
}

fn whole(response: Response<String>) -> Response<Content> {
    response.map(|text| Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync())
}

fn page(method: &Method, path: &str) -> Response<String> {
    match path {
        "/" | "/fdx" => got(method, || html(PAGE)),
        "/echo" | "/broadcast" | "/whoami" => upgrade_required(),
        _ => not_found(),
    }
}
