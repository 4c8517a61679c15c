//! The files of `--root`.
//!
//! tower-http serves them: types, parts, conditions, folders. This module restricts what can be
//! reached to regular files inside the folder, also by links that stay inside, without names that
//! begin with a dot. It also evaluates `If-Range`, and the cases in which `Range` must be ignored,
//! which tower-http does not.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use fullduplex::server::Body;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, LOCATION, RANGE};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use percent_encoding::{CONTROLS, percent_decode_str, utf8_percent_encode};
use tower_http::services::ServeDir;
use tower_http::services::fs::{
    Backend, DefaultServeDirFallback, ServeFileSystemResponseBody as ResponseBody, TokioBackend,
    TokioFile,
};
use tower_service::Service;

use super::range::{self, RangeSelection};

type Content = UnsyncBoxBody<Bytes, io::Error>;

/// A folder whose files are served.
#[derive(Clone)]
pub(super) struct Files(ServeDir<DefaultServeDirFallback, FolderFs>);

impl Files {
    /// Serves this folder.
    ///
    /// # Errors
    /// Fails if it is not a folder, or can't be read.
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        let root = root.canonicalize()?;
        if !root.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self(ServeDir::with_backend(root.clone(), FolderFs { root })))
    }

    /// Returns the response with the file that a request names; `None` if there is no such file.
    pub(super) async fn respond(&mut self, request: Request<Body>) -> Option<Response<Content>> {
        let mut request = request.map(drop);
        *request.uri_mut() = normalized(request.uri())?;
        let mut response = self.part_or_whole(request.clone()).await;
        if response.status() == StatusCode::TEMPORARY_REDIRECT {
            // To a folder, which may have no index page.
            *request.uri_mut() = response.headers().get(LOCATION)?.to_str().ok()?.parse().ok()?;
            if self.head(request).await.status() == StatusCode::NOT_FOUND {
                return None;
            }
        }
        if response.status() == StatusCode::NOT_FOUND {
            return None;
        }
        add_charset(response.headers_mut());
        let length = length(response.headers()).unwrap_or(u64::MAX);
        Some(response.map(|content| limit_body(content.boxed_unsync(), length)))
    }

    /// Returns tower-http's response, with `Range` replaced by one part, or removed.
    async fn part_or_whole(&mut self, mut request: Request<()>) -> Response<ResponseBody> {
        let Some(range) = range::header(request.method(), request.headers()) else {
            request.headers_mut().remove(RANGE);
            return self.call(request).await;
        };
        let file = self.head(request.clone()).await;
        let size = length(file.headers())
            .filter(|_| range::if_range_matches(request.headers(), file.headers()));
        let part = match size.map_or(RangeSelection::Whole, |size| range::select(range, size)) {
            RangeSelection::Whole => None,
            RangeSelection::Part(first, last) => Some(format!("bytes={first}-{last}")),
            RangeSelection::Unsatisfiable => size.map(|size| format!("bytes={size}-")),
        };
        request.headers_mut().remove(RANGE);
        let Some(part) = part.and_then(|part| part.parse().ok()) else {
            return self.call(request).await;
        };
        let whole = request.clone();
        request.headers_mut().insert(RANGE, part);
        let response = self.call(request).await;
        // The file may have been replaced in between.
        let was_replaced = response.headers().get(ETAG) != file.headers().get(ETAG);
        let is_partial = response.status() == StatusCode::PARTIAL_CONTENT;
        if is_partial && was_replaced { self.call(whole).await } else { response }
    }

    /// Returns the response to an unconditional HEAD request for the whole file.
    async fn head(&mut self, mut request: Request<()>) -> Response<ResponseBody> {
        *request.method_mut() = Method::HEAD;
        request.headers_mut().clear();
        self.call(request).await
    }

    async fn call(&mut self, request: Request<()>) -> Response<ResponseBody> {
        // The service has no errors, only responses.
        let Ok(response) = self.0.call(request.map(|()| Empty::<Bytes>::new())).await;
        response
    }
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Ends `content` after `length` bytes. A file such as a log may grow while it is sent, and a
/// response must not be longer than its `Content-Length` (RFC 9113 §8.1.1).
fn limit_body(content: Content, length: u64) -> Content {
    LimitedBody { content, remaining: length }.boxed_unsync()
}

/// A body that ends after `remaining` more bytes, and is not read beyond.
struct LimitedBody {
    content: Content,
    remaining: u64,
}

impl HttpBody for LimitedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.content).poll_frame(cx);
        polled.map_ok(|frame| {
            frame.map_data(|mut data| {
                data.truncate(usize::try_from(self.remaining).unwrap_or(usize::MAX));
                self.remaining -= data.len() as u64;
                data
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0 || self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let content = self.content.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(content.lower().min(self.remaining));
        if let Some(upper) = content.upper() {
            hint.set_upper(upper.min(self.remaining));
        }
        hint
    }
}

/// Adds `charset=utf-8` to text types. Without it browsers decode them as windows-1252, and
/// `nosniff` keeps them from guessing.
fn add_charset(headers: &mut HeaderMap) {
    let Some(kind) = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) else { return };
    let is_text = kind.starts_with("text/") || kind == "application/javascript";
    if !is_text || kind.contains(';') {
        return;
    }
    if let Ok(kind) = format!("{kind}; charset=utf-8").parse() {
        headers.insert(CONTENT_TYPE, kind);
    }
}

/// Returns the path with its query, without empty segments, if it may be served. With an empty
/// segment, a redirection to `//name/` would lead to the host `name`.
fn normalized(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let decoded: Vec<u8> = percent_decode_str(path).collect();
    // Some systems treat a backslash as a slash.
    let is_unsafe = |byte| matches!(byte, b'\\' | b'\0');
    let is_hidden = |name: &[u8]| name.first() == Some(&b'.');
    if decoded.iter().copied().any(is_unsafe) || decoded.split(|b| *b == b'/').any(is_hidden) {
        return None;
    }
    let mut normalized = String::with_capacity(path.len());
    for name in path.split('/').filter(|name| !name.is_empty()) {
        normalized.push('/');
        normalized.extend(utf8_percent_encode(name, CONTROLS));
    }
    if path.ends_with('/') {
        normalized.push('/');
    }
    if let Some(query) = uri.query() {
        normalized.push('?');
        normalized.extend(utf8_percent_encode(query, CONTROLS));
    }
    normalized.parse().ok().map(|path: PathAndQuery| path.into())
}

/// A [`Backend`] of tower-http for the files inside a folder.
#[derive(Clone)]
struct FolderFs {
    /// The canonical path, without links.
    root: PathBuf,
}

type IoFuture<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

impl FolderFs {
    /// Follows links, and returns the path if it is inside the folder.
    async fn resolve(self, path: PathBuf) -> io::Result<PathBuf> {
        // Dangling or circular links and names that are too long count as missing.
        let missing = |_| io::ErrorKind::NotFound.into();
        let found: io::Result<_> = tokio::fs::canonicalize(path).await.map_err(missing);
        found.and_then(|found| {
            if found.starts_with(&self.root) {
                Ok(found)
            } else {
                Err(io::ErrorKind::NotFound.into())
            }
        })
    }
}

impl Backend for FolderFs {
    type File = TokioFile;
    type Metadata = std::fs::Metadata;
    type OpenFuture = IoFuture<TokioFile>;
    type MetadataFuture = IoFuture<std::fs::Metadata>;

    fn open(&self, path: PathBuf) -> Self::OpenFuture {
        let this = self.clone();
        Box::pin(async move {
            let found = this.resolve(path).await?;
            // Opening a named pipe would wait for its other end.
            if !tokio::fs::metadata(&found).await?.is_file() {
                return Err(io::ErrorKind::NotFound.into());
            }
            TokioBackend.open(found).await
        })
    }

    fn metadata(&self, path: PathBuf) -> Self::MetadataFuture {
        let this = self.clone();
        Box::pin(async move {
            let found = tokio::fs::metadata(this.resolve(path).await?).await?;
            let is_served = found.is_file() || found.is_dir();
            if is_served { Ok(found) } else { Err(io::ErrorKind::NotFound.into()) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn file_that_grows_is_sent_at_its_announced_length() {
        use http_body_util::Full;

        for (length, sent) in [(0, ""), (4, "0123"), (10, "0123456789"), (u64::MAX, "0123456789")] {
            let content = Full::new(Bytes::from_static(b"0123456789"));
            let content = content.map_err(|never| match never {}).boxed_unsync();
            let sent_body = limit_body(content, length).collect().await.unwrap().to_bytes();
            assert_eq!(sent_body, sent, "{length}");
        }
    }

    /// A file that grows as fast as it is read.
    struct Growing;

    impl HttpBody for Growing {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"abc")))))
        }
    }

    #[tokio::test]
    async fn file_that_grows_is_read_no_further_than_it_is_sent() {
        let mut body = limit_body(Growing.boxed_unsync(), 4);
        for expected in [&b"abc"[..], b"a"] {
            let frame = body.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), expected);
        }
        assert!(body.is_end_stream());
        assert!(body.frame().await.is_none());
    }

    #[test]
    fn file_paths_that_are_hidden_or_odd_are_not_served() {
        for path in [
            "/.git/config",
            "/a/.env",
            "/%2egit",
            "/a%2F.env",
            "/a/%2E%2E/b",
            "/..",
            "/a\\b",
            "/%5Cevil.example/",
            "/a%00.html",
        ] {
            assert_eq!(normalized(&path.parse().unwrap()), None, "{path}");
        }
        for (path, expected) in [
            ("/", "/"),
            ("/index.html?a=//b", "/index.html?a=//b"),
            ("/a.b/c.", "/a.b/c."),
            ("/a%2e", "/a%2e"),
            ("//", "/"),
            ("//evil.example", "/evil.example"),
            ("///a///b//?c", "/a/b/?c"),
            ("http://a.example//b", "/b"),
            ("/ü", "/%C3%BC"),
        ] {
            assert_eq!(normalized(&path.parse().unwrap()).unwrap(), expected, "{path}");
        }
    }
}
