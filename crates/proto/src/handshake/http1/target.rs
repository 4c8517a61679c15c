//! The target of a request (RFC 9112 §3.2).

use alloc::borrow::Cow;
use alloc::format;

use super::HeadError;
use crate::handshake::authority::Authority;

/// A request target in its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestTarget<'b> {
    raw: &'b str,
    authority: Option<&'b str>,
    /// What follows the authority: path and query, as they were sent.
    resource: &'b str,
    /// Stands in for a path that was left out.
    default_path: &'static str,
}

impl<'b> RequestTarget<'b> {
    /// Reads the target of a request with the given method.
    ///
    /// Origin-form and absolute-form (`http` and `https`, RFC 6455 §4.2.1 item 1) are taken for
    /// every method but CONNECT, authority-form for CONNECT, `*` for OPTIONS (RFC 9112 §3.2).
    pub fn parse(method: &str, raw: &'b str) -> Result<Self, HeadError> {
        // No fragment, no unencoded byte: an invalid target is not to be guessed at (§3.2).
        if !raw.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(HeadError::Target);
        }
        let (authority, resource) = if method == "CONNECT" {
            (Some(valid_authority(raw)?), "")
        } else if raw.starts_with('/') || (raw == "*" && method == "OPTIONS") {
            (None, raw)
        } else {
            split_absolute(raw)?
        };
        // An absolute URI may leave out the path, which is then `/` (RFC 9110 §4.2.3).
        let default_path = if method == "CONNECT" { "" } else { "/" };
        Ok(Self { raw, authority, resource, default_path })
    }

    /// The target as it was sent.
    pub fn as_str(&self) -> &'b str {
        self.raw
    }

    /// The authority of absolute-form and authority-form, `host [":" port]`.
    ///
    /// A server MUST go by it and not by `Host` (RFC 9112 §3.2.2).
    pub fn authority(&self) -> Option<&'b str> {
        self.authority
    }

    /// The path, not decoded. It is empty for CONNECT and otherwise begins with `/` or is `*`.
    pub fn path(&self) -> &'b str {
        let path = self.resource.split_once('?').map_or(self.resource, |(path, _)| path);
        if path.is_empty() { self.default_path } else { path }
    }

    /// What stands behind the first `?`.
    pub fn query(&self) -> Option<&'b str> {
        self.resource.split_once('?').map(|(_, query)| query)
    }

    /// The resource name of RFC 6455 §3: the path, and the query if there is one.
    ///
    /// Copies only for an absolute-form that has a query and no path.
    pub fn path_and_query(&self) -> Cow<'b, str> {
        if self.resource.starts_with('?') {
            Cow::Owned(format!("/{}", self.resource))
        } else if self.resource.is_empty() {
            Cow::Borrowed(self.path())
        } else {
            Cow::Borrowed(self.resource)
        }
    }
}

fn split_absolute(raw: &str) -> Result<(Option<&str>, &str), HeadError> {
    let (scheme, rest) = raw.split_once("://").ok_or(HeadError::Target)?;
    // Schemes are case-insensitive (RFC 3986 §3.1).
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(HeadError::Target);
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    Ok((Some(valid_authority(authority)?), rest))
}

fn valid_authority(text: &str) -> Result<&str, HeadError> {
    Authority::parse(text.as_bytes()).map(|authority| authority.text).ok_or(HeadError::Target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_forms_are_parsed() {
        // method, target, authority, path, query, path and query
        for (method, raw, authority, path, query, both) in [
            ("GET", "/", None, "/", None, "/"),
            ("GET", "/chat?a=b?c", None, "/chat", Some("a=b?c"), "/chat?a=b?c"),
            ("GET", "//x/y", None, "//x/y", None, "//x/y"),
            ("GET", "http://h", Some("h"), "/", None, "/"),
            ("GET", "HTTPS://h:1/p?", Some("h:1"), "/p", Some(""), "/p?"),
            ("GET", "http://[::1]:9?q=/", Some("[::1]:9"), "/", Some("q=/"), "/?q=/"),
            ("OPTIONS", "*", None, "*", None, "*"),
            ("CONNECT", "h:443", Some("h:443"), "", None, ""),
        ] {
            let target = RequestTarget::parse(method, raw).unwrap();
            assert_eq!(target.as_str(), raw);
            assert_eq!(target.authority(), authority, "{raw}");
            assert_eq!((target.path(), target.query()), (path, query), "{raw}");
            assert_eq!(target.path_and_query(), both, "{raw}");
        }
    }

    #[test]
    fn target_faults_are_refused() {
        for (method, raw) in [
            ("GET", ""),
            ("GET", "*"),
            ("GET", "chat"),
            ("GET", "h:443"),
            ("GET", "ftp://h/"),
            ("GET", "ws://h/"),
            ("GET", "http:///p"),
            ("GET", "http://u@h/"),
            ("GET", "/a#b"),
            ("GET", "/caf\u{e9}"),
            ("GET", "/a b"),
            ("GET", "/a\0"),
            ("CONNECT", "/"),
            ("CONNECT", "http://h/"),
        ] {
            assert_eq!(
                RequestTarget::parse(method, raw),
                Err(HeadError::Target),
                "{method} {raw:?}"
            );
        }
    }
}
