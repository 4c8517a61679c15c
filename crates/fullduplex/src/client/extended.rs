//! The extended CONNECT (RFC 8441 §4), on HTTP/2 and HTTP/3.

use fullduplex_proto::handshake::client::Opening;
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

use super::{Client, authority};
use crate::error::{Error, ErrorKind};
use crate::uri::Target;

impl Client {
    /// The request, with what the version of HTTP takes for `:protocol` as an extension.
    pub(super) fn extended_request<P: Clone + Send + Sync + 'static>(
        &self,
        opening: &Opening,
        target: &Target,
        headers: &HeaderMap,
        protocol: P,
    ) -> Result<Request<()>, Error> {
        let bad = |error: http::Error| {
            Error::new(ErrorKind::Misuse, "the request can't be sent").with_source(error)
        };
        let uri = Uri::builder()
            .scheme(if target.secure { "https" } else { "http" })
            .authority(authority(target, headers))
            .path_and_query(&target.resource)
            .build()
            .map_err(bad)?;
        let mut request = Request::builder().method(Method::CONNECT).uri(uri);
        for (name, value) in self.fields(opening, target, headers) {
            let mut value = HeaderValue::from_bytes(&value).map_err(|error| bad(error.into()))?;
            let name = HeaderName::from_bytes(name.as_bytes());
            let name = name.map_err(|error| bad(error.into()))?;
            // Not to be kept in the tables of HPACK and QPACK (RFC 7541 §7.1.3).
            value.set_sensitive(name == AUTHORIZATION || name == COOKIE);
            request = request.header(name, value);
        }
        request.extension(protocol).body(()).map_err(bad)
    }
}
