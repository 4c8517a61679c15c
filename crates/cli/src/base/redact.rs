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
pub(crate) fn redact_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return redact_target(url) };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, target) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    printable(&format!("{scheme}://{host}{}", redact_target(target)))
}

/// Returns a path and query without the values of parameters that look like secrets.
pub(crate) fn redact_target(target: &str) -> String {
    let Some((path, query)) = target.split_once('?') else { return printable(target) };
    let parameters = query.split('&').map(|parameter| match parameter.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}={HIDDEN}"),
        _ => parameter.to_owned(),
    });
    printable(&format!("{path}?{}", parameters.collect::<Vec<_>>().join("&")))
}

fn is_secret(name: &str) -> bool {
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
