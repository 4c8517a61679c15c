//! Secrets, which no report shows.

use super::escape::printable;

/// What stands in place of a secret.
const HIDDEN: &str = "***";

/// Subprotocols longer than this are likely tokens in the place of one.
const MAX_SUBPROTOCOL: usize = 40;

/// Parts of the names of query parameters that are often secrets.
const SECRET_PARAMETERS: [&str; 10] =
    ["token", "key", "secret", "pass", "auth", "sig", "session", "jwt", "ticket", "code"];

/// Returns the value of a field to show.
pub(crate) fn shown_value(name: &str, value: &[u8], is_sensitive: bool) -> String {
    if is_sensitive {
        return HIDDEN.to_owned();
    }
    let text = match std::str::from_utf8(value) {
        Ok(text) => printable(text),
        Err(_) => value.escape_ascii().to_string(),
    };
    if name.eq_ignore_ascii_case("sec-websocket-protocol") {
        let offered = text.split(", ").map(|name| match name.len() {
            0..=MAX_SUBPROTOCOL => name,
            _ => HIDDEN,
        });
        return offered.collect::<Vec<_>>().join(", ");
    }
    let is_url = ["location", "referer", ":path"].iter().any(|url| name.eq_ignore_ascii_case(url));
    if is_url { redact_url(&text) } else { text }
}

/// Returns a URL without its user and password, and without the values of parameters that look
/// like secrets.
///
/// An invalid URL may have a password all the same. If it begins with something other than a host
/// and a port, the password is taken to reach to the last `@`.
pub(crate) fn redact_url(url: &str) -> String {
    let start = url.find("://").map_or(0, |colon| colon + 3);
    let (scheme, rest) = url.split_at(start);
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    let is_host = port.bytes().all(|byte| byte.is_ascii_digit()) || port.ends_with(']');
    let end = match authority.rfind('@') {
        None if !is_host => rest.rfind('@'),
        end => end,
    };
    let rest = end.map_or(rest, |end| &rest[end + 1..]);
    printable(scheme) + &redact_target(rest)
}

/// Returns a path and query without the values of parameters that look like secrets.
pub(crate) fn redact_target(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return printable(target) };
    let parameters = query.split('&').map(|parameter| match parameter.split_once('=') {
        Some((name, _)) if is_secret_name(name) => format!("{name}={HIDDEN}"),
        _ => parameter.to_owned(),
    });
    printable(&format!("{path}?{}", parameters.collect::<Vec<_>>().join("&")))
}

/// Returns whether a parameter or field of this name likely has a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_PARAMETERS.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redact_url_hides_users_and_tokens() {
        for (url, expected) in [
            ("ws://a/b?x=1", "ws://a/b?x=1"),
            ("wss://me:secret@a:1/b", "wss://a:1/b"),
            ("wss://a/b@c?mail=a@b.c", "wss://a/b@c?mail=a@b.c"),
            ("wss://a?access_token=s&x=1", "wss://a?access_token=***&x=1"),
            ("/login?Session=s", "/login?Session=***"),
            ("ws://h/echo?mail=a@b.c", "ws://h/echo?mail=a@b.c"),
            // What is not a URL.
            ("wss://me:se/c@ret@h/", "wss://h/"),
            ("wss://me:se cret@h/", "wss://h/"),
            ("me:secret@h", "h"),
            ("ws://[::1]/a@b", "ws://[::1]/a@b"),
            ("ws+unix:/run/a.sock:/x", "ws+unix:/run/a.sock:/x"),
            ("", ""),
        ] {
            assert_eq!(redact_url(url), expected);
        }
    }

    #[test]
    fn shown_value_hides_secrets() {
        let token = "x".repeat(60);
        let offered = format!("chat, {token}");
        for (name, value, is_sensitive, expected) in [
            ("X-Key", "secret", true, "***"),
            ("Server", "nginx\u{1b}", false, "nginx\\u{1b}"),
            ("Sec-WebSocket-Protocol", &offered, false, "chat, ***"),
            ("Location", "/login?token=s", false, "/login?token=***"),
        ] {
            assert_eq!(shown_value(name, value.as_bytes(), is_sensitive), expected);
        }
    }
}
