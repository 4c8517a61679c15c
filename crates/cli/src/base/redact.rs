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

/// Returns a path, query and fragment without the values of parameters that look like secrets.
pub(crate) fn redact_target(target: &str) -> String {
    printable(&without_secret_parameters(target, |_| false))
}

/// Returns the text of an error without the users of URLs in it, and without the values of
/// parameters that look like secrets. What is between quotation marks is taken as one URL.
pub(crate) fn redact_text(text: &str) -> String {
    let parts = text.split('"').enumerate().map(|(index, part)| {
        if index % 2 == 1 && part.contains("://") && !part.contains("***@") {
            return redact_url(part);
        }
        let is_end = |c: char| index % 2 == 0 && c.is_whitespace();
        without_secret_parameters(&without_users(part), is_end)
    });
    parts.collect::<Vec<_>>().join("\"")
}

/// Returns a text without the users of the URLs in it.
fn without_users(text: &str) -> String {
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let is_end = |c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#');
        let authority = &after[..after.find(is_end).unwrap_or(after.len())];
        rest = match authority.rfind('@') {
            Some(at) if &authority[..at] != HIDDEN => &after[at + 1..],
            _ => after,
        };
    }
    shown + rest
}

/// Returns a text with `***` in place of the values of parameters that look like secrets. A value
/// ends at `&`, `#`, and where `is_end` says so.
fn without_secret_parameters(text: &str, is_end: impl Fn(char) -> bool) -> String {
    let is_start = |c: char| matches!(c, '?' | '&' | ';' | '#');
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(is_start) {
        let (before, after) = rest.split_at(at + 1);
        shown.push_str(before);
        rest = after;
        let end = rest.find(|c: char| c == '=' || is_start(c) || is_end(c));
        let Some(equals) = end.filter(|end| rest[*end..].starts_with('=')) else { continue };
        if !is_secret_name(&rest[..equals]) {
            continue;
        }
        let (name, value) = rest.split_at(equals + 1);
        let value =
            &value[..value.find(|c| matches!(c, '&' | '#') || is_end(c)).unwrap_or(value.len())];
        shown.push_str(name);
        shown.push_str(HIDDEN);
        rest = &rest[name.len() + value.len()..];
        // The punctuation of the text around it.
        if value.ends_with([',', ':', ')']) && rest.starts_with(&is_end) {
            shown.push_str(&value[value.len() - 1..]);
        }
    }
    shown + rest
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
            ("wss://a/#access_token=s&x=1", "wss://a/#access_token=***&x=1"),
            ("wss://a/?x=1;token=s", "wss://a/?x=1;token=***"),
            // What is not a URL.
            ("ws://a b/?token=s", "ws://a b/?token=***"),
            ("ws://[::1/?token=s", "ws://[::1/?token=***"),
            ("ws://127.0.0.1:99999/?token=s", "ws://127.0.0.1:99999/?token=***"),
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
    fn redact_text_hides_the_secrets_of_its_urls() {
        for (text, expected) in [
            (
                "a redirection to https://a/login?token=s, which is not followed",
                "a redirection to https://a/login?token=***, which is not followed",
            ),
            ("to http://u:s@a/x, and to /y?sig=s&b=1", "to http://a/x, and to /y?sig=***&b=1"),
            (r#""ws://a b/?token=s t": not a URL"#, r#""ws://a b/?token=***": not a URL"#),
            (r#""***@a:1/?token=s t": no"#, r#""***@a:1/?token=***": no"#),
            ("the proxy socks5://***@p:1: no", "the proxy socks5://***@p:1: no"),
            ("no address for \"a\" (b; c = d)", "no address for \"a\" (b; c = d)"),
        ] {
            assert_eq!(redact_text(text), expected);
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
