//! A request that is built from its head on first use. Most handlers get open WebSockets, and
//! never look at the request.

use std::sync::OnceLock;

use bytes::Bytes;
use fullduplex_proto::handshake::http1::{HeadError, HeadLimits, RequestHead};
use http::{Request, Uri, Version};

use crate::base::handshake_limits::MAX_FIELDS;
use crate::server::policy::connect_info::ConnectInfo;
use crate::transport::http1;

/// A request that may not have been built yet.
#[derive(Debug)]
pub(crate) struct LazyRequest {
    built: OnceLock<Box<Request<()>>>,
    version: Version,
    /// What the request is built from; `None` if an HTTP library built it.
    raw: Option<RawHead>,
    remote: Option<ConnectInfo>,
}

/// A valid head of HTTP/1.1.
#[derive(Debug)]
struct RawHead {
    head: Bytes,
    uri: Uri,
}

impl LazyRequest {
    /// Takes a head that was parsed, and whose names were checked by [`http1::check_names`].
    pub(crate) fn from_head(head: Bytes, version: Version, uri: Uri) -> Self {
        let raw = Some(RawHead { head, uri });
        Self { built: OnceLock::new(), version, raw, remote: None }
    }

    /// Returns the head of HTTP/1.1; empty if an HTTP library built the request.
    #[cfg(feature = "hyper")]
    pub(crate) fn into_head(self) -> Bytes {
        self.raw.map(|raw| raw.head).unwrap_or_default()
    }

    pub(crate) fn get(&self) -> &Request<()> {
        self.built.get_or_init(|| Box::new(self.build()))
    }

    pub(crate) fn get_mut(&mut self) -> &mut Request<()> {
        self.get();
        self.built.get_mut().expect("`get` has just built it")
    }

    #[cfg(feature = "hyper")]
    pub(crate) fn into_inner(mut self) -> Request<()> {
        std::mem::take(self.get_mut())
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// Returns who sent the request. The extension of a built request comes first, as the
    /// application may have changed it.
    pub(crate) fn connect_info(&self) -> Option<&ConnectInfo> {
        let extension = self.built.get().and_then(|built| built.extensions().get());
        extension.or(self.remote.as_ref())
    }

    /// Sets who sent the request, also among its extensions.
    pub(crate) fn set_remote(&mut self, remote: ConnectInfo) {
        if let Some(built) = self.built.get_mut() {
            built.extensions_mut().insert(remote.clone());
        }
        self.remote = Some(remote);
    }

    fn build(&self) -> Request<()> {
        let mut request = Request::new(());
        if let Some(raw) = &self.raw {
            // It can't fail: `IncomingRequest::read` parsed the head and checked its names.
            let filled = fill(&mut request, raw);
            debug_assert!(filled.is_ok(), "{filled:?}");
        }
        *request.version_mut() = self.version;
        if let Some(remote) = &self.remote {
            request.extensions_mut().insert(remote.clone());
        }
        request
    }
}

/// Sets the URI, method and header fields of a request.
fn fill(request: &mut Request<()>, raw: &RawHead) -> Result<(), HeadError> {
    let limits = HeadLimits::default().max_head_bytes(raw.head.len()).max_fields(MAX_FIELDS);
    let head = RequestHead::parse(&raw.head, &limits)?;
    *request.uri_mut() = raw.uri.clone();
    *request.method_mut() = head.method().parse().map_err(|_| HeadError::StartLine)?;
    *request.headers_mut() = http1::header_map(head.fields())?;
    Ok(())
}

#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
impl From<Request<()>> for LazyRequest {
    fn from(request: Request<()>) -> Self {
        let version = request.version();
        Self { built: OnceLock::from(Box::new(request)), version, raw: None, remote: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every head that the parser accepts can be built into a request without loss.
    #[test]
    fn request_is_built_from_an_accepted_head() {
        let uri = Uri::from_static("/x");
        let mut accepted = 0;
        for byte in 0..=u8::MAX {
            let at: [fn(u8) -> Vec<u8>; 4] = [
                |byte| [b"G", &[byte][..], b"T /x HTTP/1.1\r\nHost: a\r\n\r\n"].concat(),
                |byte| [b"GET /x HTTP/1.1\r\nx", &[byte][..], b"y: a\r\n\r\n"].concat(),
                |byte| [b"GET /x HTTP/1.1\r\n", &[byte][..], b": a\r\n\r\n"].concat(),
                |byte| [b"GET /x HTTP/1.1\r\nHost: a", &[byte][..], b"b\r\n\r\n"].concat(),
            ];
            for head in at.map(|head| head(byte)) {
                let Ok(parsed) = RequestHead::parse(&head, &HeadLimits::default()) else {
                    continue;
                };
                accepted += 1;
                let lazy =
                    LazyRequest::from_head(head.clone().into(), Version::HTTP_11, uri.clone());
                let built = lazy.get();
                assert_eq!(built.method().as_str(), parsed.method());
                let read = parsed.fields().iter().map(|(name, value)| (name.to_lowercase(), value));
                let kept = built.headers().iter();
                let kept = kept.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes()));
                assert!(read.eq(kept), "{}", head.escape_ascii());
            }
        }
        assert!(accepted > 300, "{accepted}");
    }

    #[test]
    fn request_is_built_once_and_knows_its_peer() {
        let head = Bytes::from_static(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut lazy = LazyRequest::from_head(head, Version::HTTP_11, Uri::from_static("/x"));
        lazy.set_remote(ConnectInfo::new(crate::server::policy::peer::PeerAddr::Unix));
        assert!(lazy.built.get().is_none());
        assert!(lazy.get().extensions().get::<ConnectInfo>().is_some());
        lazy.get_mut().headers_mut().insert("x-mark", http::HeaderValue::from_static("1"));
        assert_eq!(lazy.get().headers().len(), 2, "a change is kept");
        assert_eq!((lazy.get().uri().path(), lazy.get().version()), ("/x", Version::HTTP_11));
        let own = lazy.get_mut().extensions_mut().get_mut::<ConnectInfo>().unwrap();
        own.secure = true;
        assert!(lazy.connect_info().unwrap().secure, "what the application sets comes first");
        *lazy.get_mut() = Request::new(());
        assert!(!lazy.connect_info().unwrap().secure, "what the server set is not lost");
    }
}
