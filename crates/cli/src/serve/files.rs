//! The files of `--root`.
//!
//! tower-http does most of what HTTP asks of files: types, parts, conditions, folders. Here is what
//! may be reached: regular files inside the folder, also by links that stay inside, and
//! nothing whose name in the request begins with a dot; and which part of one is wanted, as
//! tower-http knows neither `If-Range` nor what of `Range` is to be ignored.

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
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        let root = root.canonicalize()?;
        if !root.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self(ServeDir::with_backend(root.clone(), FolderFs { root })))
    }

    /// Returns the response with the file that a request names; `None` if there is no such file.
    pub(super) async fn answer(&mut self, request: Request<Body>) -> Option<Response<Content>> {
        let mut request = request.map(drop);
        *request.uri_mut() = plain(request.uri())?;
        let mut answer = self.part_or_whole(request.clone()).await;
        if answer.status() == StatusCode::TEMPORARY_REDIRECT {
            // To a folder, which may have no page.
            *request.uri_mut() = answer.headers().get(LOCATION)?.to_str().ok()?.parse().ok()?;
            if self.head(request).await.status() == StatusCode::NOT_FOUND {
                return None;
            }
        }
        if answer.status() == StatusCode::NOT_FOUND {
            return None;
        }
        add_charset(answer.headers_mut());
        let length = length(answer.headers()).unwrap_or(u64::MAX);
        Some(answer.map(|content| cut(content.boxed_unsync(), length)))
    }

    /// What tower-http answers to a request whose `Range` is one that it understands.
    async fn part_or_whole(&mut self, mut request: Request<()>) -> Response<ResponseBody> {
        let Some(range) = range::asked(request.method(), request.headers()) else {
            request.headers_mut().remove(RANGE);
            return self.call(request).await;
        };
        let file = self.head(request.clone()).await;
        let size =
            length(file.headers()).filter(|_| range::still_is(request.headers(), file.headers()));
        let part = match size.map_or(RangeSelection::Whole, |size| range::wanted(range, size)) {
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
        let answer = self.call(request).await;
        // It may have been replaced in between.
        let is_other = answer.headers().get(ETAG) != file.headers().get(ETAG);
        let is_partial = answer.status() == StatusCode::PARTIAL_CONTENT;
        if is_partial && is_other { self.call(whole).await } else { answer }
    }

    /// The head of the answer for all of the file, whatever the conditions of the request.
    async fn head(&mut self, mut request: Request<()>) -> Response<ResponseBody> {
        *request.method_mut() = Method::HEAD;
        request.headers_mut().clear();
        self.call(request).await
    }

    async fn call(&mut self, request: Request<()>) -> Response<ResponseBody> {
        // Its errors are answers.
        let Ok(answer) = self.0.call(request.map(|()| Empty::<Bytes>::new())).await;
        answer
    }
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Ends `content` after `length` bytes. A file such as a log may grow while it is sent, and a
/// response must not be longer than its `Content-Length` (RFC 9113 §8.1.1).
fn cut(content: Content, length: u64) -> Content {
    LimitedBody { content, left: length }.boxed_unsync()
}

/// Content of which so many bytes are left, and which is read no further.
struct LimitedBody {
    content: Content,
    left: u64,
}

impl HttpBody for LimitedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let polled = Pin::new(&mut self.content).poll_frame(cx);
        polled.map_ok(|frame| {
            frame.map_data(|mut data| {
                data.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
                self.left -= data.len() as u64;
                data
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0 || self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let content = self.content.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(content.lower().min(self.left));
        if let Some(upper) = content.upper() {
            hint.set_upper(upper.min(self.left));
        }
        hint
    }
}

/// Says of texts that they are UTF-8, which else are read as windows-1252, as no other type may
/// be guessed (`nosniff`).
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

/// The path with its query, if it names what may be served. It has no empty names, as a
/// redirection to `//name/` would lead to a host of that name.
fn plain(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let decoded: Vec<u8> = percent_decode_str(path).collect();
    // Some take a backslash for a slash.
    let is_odd = |byte| matches!(byte, b'\\' | b'\0');
    let is_hidden = |name: &[u8]| name.first() == Some(&b'.');
    if decoded.iter().copied().any(is_odd) || decoded.split(|b| *b == b'/').any(is_hidden) {
        return None;
    }
    let mut whole = String::with_capacity(path.len());
    for name in path.split('/').filter(|name| !name.is_empty()) {
        whole.push('/');
        whole.extend(utf8_percent_encode(name, CONTROLS));
    }
    if path.ends_with('/') {
        whole.push('/');
    }
    if let Some(query) = uri.query() {
        whole.push('?');
        whole.extend(utf8_percent_encode(query, CONTROLS));
    }
    whole.parse().ok().map(|path: PathAndQuery| path.into())
}

/// The file system below a folder.
#[derive(Clone)]
struct FolderFs {
    /// Without links in it.
    root: PathBuf,
}

type Opening<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

impl FolderFs {
    /// Where a path leads, if that is inside.
    async fn find(self, path: PathBuf) -> io::Result<PathBuf> {
        // Links that go nowhere or round, names that are too long: all the same to a client.
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
    type OpenFuture = Opening<TokioFile>;
    type MetadataFuture = Opening<std::fs::Metadata>;

    fn open(&self, path: PathBuf) -> Self::OpenFuture {
        let this = self.clone();
        Box::pin(async move {
            let found = this.find(path).await?;
            // To open a named pipe is to wait for its other end.
            if !tokio::fs::metadata(&found).await?.is_file() {
                return Err(io::ErrorKind::NotFound.into());
            }
            TokioBackend.open(found).await
        })
    }

    fn metadata(&self, path: PathBuf) -> Self::MetadataFuture {
        let this = self.clone();
        Box::pin(async move {
            let found = tokio::fs::metadata(this.find(path).await?).await?;
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
            let cut = cut(content, length).collect().await.unwrap().to_bytes();
            assert_eq!(cut, sent, "{length}");
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
        let mut cut = cut(Growing.boxed_unsync(), 4);
        for expected in [&b"abc"[..], b"a"] {
            let frame = cut.frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), expected);
        }
        assert!(cut.is_end_stream());
        assert!(cut.frame().await.is_none());
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
            assert_eq!(plain(&path.parse().unwrap()), None, "{path}");
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
            assert_eq!(plain(&path.parse().unwrap()).unwrap(), expected, "{path}");
        }
    }
}
