//! The request that opened a session, in little memory, as most sessions outlive its use.

use fullduplex::server::ConnectInfo;
use http::{Extensions, HeaderName, HeaderValue, Method, Request, Uri, Version};

/// The head of the request that opened a session.
pub(super) struct OpeningRequest {
    /// The method, the URI and the fields, each as a line. No line end can be in them.
    lines: Box<str>,
    version: Version,
    /// What nearly every request has of extensions, so that it needs no map for them.
    info: Option<Box<ConnectInfo>>,
    extensions: Extensions,
}

/// Marks the value of a sensitive field.
const SENSITIVE: char = '!';

impl OpeningRequest {
    pub(super) fn new(request: Request<()>) -> Self {
        let (mut parts, ()) = request.into_parts();
        let mut lines = format!("{}\n{}", parts.method, parts.uri);
        for (name, value) in &parts.headers {
            lines.push('\n');
            lines.push_str(name.as_str());
            lines.push(':');
            if value.is_sensitive() {
                lines.push(SENSITIVE);
            }
            lines.push(':');
            // Each byte of a value is a character, so that any value has its place in a text.
            lines.extend(value.as_bytes().iter().map(|byte| char::from(*byte)));
        }
        let info = parts.extensions.remove::<ConnectInfo>().map(Box::new);
        let is_empty = parts.extensions.is_empty();
        Self {
            lines: lines.into(),
            version: parts.version,
            info,
            // An empty map would keep its memory.
            extensions: if is_empty { Extensions::new() } else { parts.extensions },
        }
    }

    /// Returns the request as it was.
    pub(super) fn get(&self) -> Request<()> {
        let mut lines = self.lines.split('\n');
        let mut request = Request::new(());
        let method = lines.next().and_then(|method| method.parse().ok());
        *request.method_mut() = method.unwrap_or(Method::GET);
        let uri = lines.next().and_then(|uri| uri.parse().ok());
        *request.uri_mut() = uri.unwrap_or(Uri::from_static("/"));
        *request.version_mut() = self.version;
        request.headers_mut().extend(lines.filter_map(field));
        *request.extensions_mut() = self.extensions.clone();
        if let Some(info) = &self.info {
            request.extensions_mut().insert(ConnectInfo::clone(info));
        }
        request
    }
}

fn field(line: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, rest) = line.split_once(':')?;
    let (mark, value) = rest.split_once(':')?;
    let bytes: Vec<u8> = value.chars().filter_map(|byte| u8::try_from(byte).ok()).collect();
    let mut value = HeaderValue::from_maybe_shared(bytes).ok()?;
    value.set_sensitive(!mark.is_empty());
    Some((name.parse().ok()?, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_request_is_the_same_again() {
        let mut request = Request::new(());
        *request.method_mut() = Method::CONNECT;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = Uri::from_static("https://example.com/socket.io/?EIO=4&a=%20:b");
        let fields =
            [("cookie", "a=b"), ("x-several", "1"), ("x-several", ""), ("x-colons", ":!:")];
        for (name, value) in fields {
            request.headers_mut().append(name, HeaderValue::from_static(value));
        }
        let latin = HeaderValue::from_bytes(b"caf\xe9\t\xff").expect("a value");
        request.headers_mut().append("x-latin", latin);
        let mut secret = HeaderValue::from_static("secret");
        secret.set_sensitive(true);
        request.headers_mut().append("authorization", secret);
        request.extensions_mut().insert(7_u8);

        let again = OpeningRequest::new(request.clone()).get();
        assert_eq!(again.method(), request.method());
        assert_eq!(again.uri(), request.uri());
        assert_eq!(again.version(), request.version());
        assert_eq!(again.headers(), request.headers());
        let is_sensitive = |name| again.headers().get(name).map(HeaderValue::is_sensitive);
        assert_eq!(is_sensitive("authorization"), Some(true));
        assert_eq!(is_sensitive("cookie"), Some(false));
        assert_eq!(again.extensions().get(), Some(&7_u8));
    }

    #[test]
    fn opening_request_keeps_the_connection_info_beside_the_other_extensions() {
        let mut request = Request::new(());
        request.extensions_mut().insert(std::sync::Arc::new("other"));
        let opening = OpeningRequest::new(request);
        assert!(opening.info.is_none() && !opening.extensions.is_empty());
        assert!(opening.get().extensions().get::<std::sync::Arc<&str>>().is_some());
    }
}
