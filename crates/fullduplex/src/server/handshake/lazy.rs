//! A request that is made of its head when somebody looks at it: most handlers are given open
//! WebSockets, and never do.

use std::sync::OnceLock;

use bytes::Bytes;
use fullduplex_proto::handshake::http1::{HeadError, HeadLimits, RequestHead};
use http::{Request, Uri, Version};

use crate::server::policy::connect_info::ConnectInfo;
use crate::transport::http1;

#[derive(Debug)]
pub(crate) struct LazyRequest {
    made: OnceLock<Box<Request<()>>>,
    version: Version,
    unread: Option<RawHead>,
    remote: Option<ConnectInfo>,
}

/// A head of HTTP/1.1 that was read once, and found to be one.
#[derive(Debug)]
struct RawHead {
    head: Bytes,
    uri: Uri,
}

impl LazyRequest {
    /// Of a head that can be read, and made a request: see [`http1::check_names`].
    pub(crate) fn of_head(head: Bytes, version: Version, uri: Uri) -> Self {
        let unread = Some(RawHead { head, uri });
        Self { made: OnceLock::new(), version, unread, remote: None }
    }

    /// The head that it is of, if it is of one.
    #[cfg(feature = "hyper")]
    pub(crate) fn into_head(self) -> Bytes {
        self.unread.map(|unread| unread.head).unwrap_or_default()
    }

    pub(crate) fn get(&self) -> &Request<()> {
        self.made.get_or_init(|| Box::new(self.make()))
    }

    pub(crate) fn get_mut(&mut self) -> &mut Request<()> {
        self.get();
        self.made.get_mut().expect("it has just been made")
    }

    #[cfg(feature = "hyper")]
    pub(crate) fn into_inner(mut self) -> Request<()> {
        std::mem::take(self.get_mut())
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// As the application has it, if it has looked, as it may know better who asks.
    pub(crate) fn remote(&self) -> Option<&ConnectInfo> {
        let made = self.made.get().and_then(|made| made.extensions().get());
        made.or(self.remote.as_ref())
    }

    /// Has it known who asks, also among the extensions.
    pub(crate) fn set_remote(&mut self, remote: ConnectInfo) {
        if let Some(made) = self.made.get_mut() {
            made.extensions_mut().insert(remote.clone());
        }
        self.remote = Some(remote);
    }

    fn make(&self) -> Request<()> {
        let mut request = Request::new(());
        if let Some(unread) = &self.unread {
            // What was read once can be read again.
            let filled = fill(&mut request, unread);
            debug_assert!(filled.is_ok(), "{filled:?}");
        }
        *request.version_mut() = self.version;
        if let Some(remote) = &self.remote {
            request.extensions_mut().insert(remote.clone());
        }
        request
    }
}

fn fill(request: &mut Request<()>, unread: &RawHead) -> Result<(), HeadError> {
    let limits = HeadLimits::default()
        .with_max_head_bytes(unread.head.len())
        .with_max_fields(http1::MOST_FIELDS);
    let head = RequestHead::parse(&unread.head, &limits)?;
    *request.uri_mut() = unread.uri.clone();
    *request.method_mut() = head.method().parse().map_err(|_| HeadError::StartLine)?;
    *request.headers_mut() = http1::header_map(head.fields())?;
    Ok(())
}

#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
impl From<Request<()>> for LazyRequest {
    fn from(request: Request<()>) -> Self {
        let version = request.version();
        Self { made: OnceLock::from(Box::new(request)), version, unread: None, remote: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is accepted as a head can be made a request, and loses nothing.
    #[test]
    fn request_is_made_of_an_accepted_head() {
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
                let lazy = LazyRequest::of_head(head.clone().into(), Version::HTTP_11, uri.clone());
                let made = lazy.get();
                assert_eq!(made.method().as_str(), parsed.method());
                let read = parsed.fields().iter().map(|(name, value)| (name.to_lowercase(), value));
                let kept = made.headers().iter();
                let kept = kept.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes()));
                assert!(read.eq(kept), "{}", head.escape_ascii());
            }
        }
        assert!(accepted > 300, "{accepted}");
    }

    #[test]
    fn request_is_made_once_and_knows_its_peer() {
        let head = Bytes::from_static(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut lazy = LazyRequest::of_head(head, Version::HTTP_11, Uri::from_static("/x"));
        lazy.set_remote(ConnectInfo::new(crate::server::policy::peer::PeerAddr::Unix));
        assert!(lazy.made.get().is_none());
        assert!(lazy.get().extensions().get::<ConnectInfo>().is_some());
        lazy.get_mut().headers_mut().insert("x-mark", http::HeaderValue::from_static("1"));
        assert_eq!(lazy.get().headers().len(), 2, "what was changed stays");
        assert_eq!((lazy.get().uri().path(), lazy.get().version()), ("/x", Version::HTTP_11));
        let own = lazy.get_mut().extensions_mut().get_mut::<ConnectInfo>().unwrap();
        own.secure = true;
        assert!(lazy.remote().unwrap().secure, "the application knows better");
        *lazy.get_mut() = Request::new(());
        assert!(!lazy.remote().unwrap().secure, "it is known all the same");
    }
}
