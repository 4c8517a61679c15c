//! The target of a request (RFC 9112 §3.2).

use alloc::borrow::Cow;
use alloc::format;

use super::HeadError;
use crate::handshake::authority::Authority;

/// A request target, split into its parts (RFC 9112 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestTarget<'b> {
    raw: &'b str,
    authority: Option<&'b str>,
    /// The path and query, as they were sent.
    resource: &'b str,
    /// The path to return if the target has none.
    default_path: &'static str,
}

impl<'b> RequestTarget<'b> {
    /// Parses the target of a request with the given method.
    ///
    /// CONNECT requires authority-form. All other methods allow origin-form and absolute-form
    /// (`http` and `https`, RFC 6455 §4.2.1 item 1), and OPTIONS also `*` (RFC 9112 §3.2).
    ///
    /// # Errors
    /// [`HeadError::Target`] if the target has none of these forms.
    pub fn parse(method: &str, raw: &'b str) -> Result<Self, HeadError> {
        // No fragment and no unencoded byte: an invalid target must not be corrected (§3.2).
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
        // An absolute URI may have no path, which then is `/` (RFC 9110 §4.2.3).
        let default_path = if method == "CONNECT" { "" } else { "/" };
        Ok(Self { raw, authority, resource, default_path })
    }

    /// Returns the target as it was sent.
    pub fn as_str(&self) -> &'b str {
        self.raw
    }

    /// Returns the authority of absolute-form and authority-form, `host [":" port]`.
    ///
    /// A server MUST use it instead of `Host` (RFC 9112 §3.2.2).
    pub fn authority(&self) -> Option<&'b str> {
        self.authority
    }

    /// Returns the path, not decoded. It is empty for CONNECT, and otherwise begins with `/` or is
    /// `*`.
    pub fn path(&self) -> &'b str {
        let path = self.resource.split_once('?').map_or(self.resource, |(path, _)| path);
        if path.is_empty() { self.default_path } else { path }
    }

    /// Returns the query: what follows the first `?`, not decoded.
    pub fn query(&self) -> Option<&'b str> {
        self.resource.split_once('?').map(|(_, query)| query)
    }

    /// Returns the resource name (RFC 6455 §3): the path, and the query if there is one.
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
    fn target_faults_are_rejected() {
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
