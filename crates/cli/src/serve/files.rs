//! The files of `--root`.
//!
//! tower-http does what HTTP asks of files: types, ranges, conditions, folders. Here is what
//! may be reached: regular files inside the folder, also by links that stay inside, and
//! nothing whose name in the request begins with a dot.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use bytes::Bytes;
use fullduplex::server::Body;
use http::uri::PathAndQuery;
use http::{Request, Response, Uri};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use percent_encoding::{CONTROLS, percent_decode_str, utf8_percent_encode};
use tower_http::services::ServeDir;
use tower_http::services::fs::{Backend, DefaultServeDirFallback, TokioBackend, TokioFile};
use tower_service::Service;

/// A folder whose files are served.
#[derive(Clone)]
pub(super) struct Files(ServeDir<DefaultServeDirFallback, Inside>);

impl Files {
    pub(super) fn new(root: &Path) -> io::Result<Self> {
        let root = root.canonicalize()?;
        if !root.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Self(ServeDir::with_backend(root.clone(), Inside { root })))
    }

    /// The answer, or none if there can be no such file.
    pub(super) async fn answer(
        &mut self,
        mut request: Request<Body>,
    ) -> Option<Response<UnsyncBoxBody<Bytes, io::Error>>> {
        *request.uri_mut() = plain(request.uri())?;
        // Its errors are answers.
        let Ok(answer) = self.0.call(request).await;
        Some(answer.map(BodyExt::boxed_unsync))
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
struct Inside {
    /// Without links in it.
    root: PathBuf,
}

type Opening<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

impl Inside {
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

impl Backend for Inside {
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

    #[test]
    fn what_is_hidden_or_odd_is_not_named() {
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
