//! The request of an extended CONNECT (RFC 8441 §4, RFC 9220 §3).

use fullduplex_proto::handshake::client::ClientHandshake;
use http::{HeaderMap, HeaderName, Method, Request, Uri, Version};

use crate::base::error::{Error, ErrorKind};
use crate::base::header_fields::mark_sensitive;
use crate::base::uri::WsUri;
use crate::client::client::Client;
use crate::client::connect::heads::{HeadField, RequestHead};
use crate::client::connect::progress::HttpPeer;
use crate::client::handshake::authority;

impl Client {
    /// Builds the request. `protocol` is the value of `:protocol`, in the type that the library of
    /// the HTTP version expects as an extension.
    pub(crate) fn extended_request<P: Clone + Send + Sync + 'static>(
        &self,
        handshake: &ClientHandshake,
        target: &WsUri,
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
        for (name, value) in self.header_fields(handshake, target, headers)? {
            let name = HeaderName::from_bytes(name.as_bytes());
            let name = name.map_err(|error| bad(error.into()))?;
            // Sensitive values are kept out of the tables of HPACK and QPACK (RFC 7541 §7.1.3,
            // RFC 9204 §7.1.3).
            request = request.header(name, value);
        }
        if let Some(headers) = request.headers_mut() {
            mark_sensitive(headers);
        }
        request.extension(protocol).body(()).map_err(bad)
    }

    /// Reports the head of the request, which is sent next.
    pub(crate) fn report_extended_request(&self, request: &Request<()>, version: Version) {
        let events = &self.connector.dialer.events;
        if !events.has_listener() {
            return;
        }
        let uri = request.uri();
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let pseudo = [
            (":method", "CONNECT"),
            (":protocol", "websocket"),
            (":scheme", uri.scheme_str().unwrap_or_default()),
            (":authority", authority),
            (":path", target),
        ];
        let pseudo = pseudo.into_iter().map(|(name, text)| HeadField::new(name, text.as_bytes()));
        let fields: Vec<_> = pseudo.chain(HeadField::of_map(request.headers())).collect();
        let head = RequestHead { version, method: "CONNECT", target, fields: &fields };
        events.request(HttpPeer::Server, &head);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn header_values_that_are_marked_sensitive_stay_so() {
        let marked = |value| {
            let mut value = HeaderValue::from_static(value);
            value.set_sensitive(true);
            value
        };
        let client = Client::builder().header("X-Key", marked("k")).header("X-Plain", "p");
        let client = client.header("Cookie", "a=b").build().unwrap();
        let target = WsUri::parse("wss://me:secret@example.com/").unwrap();
        let handshake = ClientHandshake::extended();
        let request = client.extended_request(&handshake, &target, &client.headers, ()).unwrap();
        for (name, is_sensitive) in
            [("x-key", true), ("x-plain", false), ("cookie", true), ("authorization", true)]
        {
            assert_eq!(request.headers()[name].is_sensitive(), is_sensitive, "{name}");
        }
    }
}
