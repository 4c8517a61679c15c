//! URLs, and texts with URLs, without secrets.

use super::HIDDEN;

/// Parts of the names of parameters that are often secrets.
const PARTS: [&str; 10] =
    ["token", "key", "secret", "pass", "auth", "sig", "session", "jwt", "ticket", "code"];

/// Returns a URL without its user and password, and without the values of parameters that look
/// like secrets.
///
/// An invalid URL may have a password all the same. If it begins with something other than a host
/// and a port, the password is taken to reach to the last `@`.
pub fn redact_url(url: &str) -> String {
    redact_url_of(url, &is_secret_parameter)
}

/// Returns a URL without its user and password, and without the values of parameters of which
/// `is_secret` says so.
pub(super) fn redact_url_of(url: &str, is_secret: &dyn Fn(&str) -> bool) -> String {
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
    scheme.to_owned() + &without_secret_parameters(rest, is_secret, |_| false)
}

/// Returns a path, query and fragment without the values of parameters that look like secrets.
pub fn redact_target(target: &str) -> String {
    without_secret_parameters(target, &is_secret_parameter, |_| false)
}

/// Returns the text of an error without the users of URLs in it, and without the values of
/// parameters that look like secrets. What is between quotation marks is taken as one URL.
pub fn redact_text(text: &str) -> String {
    let parts = text.split('"').enumerate().map(|(index, part)| {
        if index % 2 == 1 && part.contains("://") && !part.contains("***@") {
            return redact_url(part);
        }
        let is_end = |c: char| index % 2 == 0 && c.is_whitespace();
        without_secret_parameters(&without_users(part), &is_secret_parameter, is_end)
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
fn without_secret_parameters(
    text: &str,
    is_secret: &dyn Fn(&str) -> bool,
    is_end: impl Fn(char) -> bool,
) -> String {
    let is_start = |c: char| matches!(c, '?' | '&' | ';' | '#');
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(is_start) {
        let (before, after) = rest.split_at(at + 1);
        shown.push_str(before);
        rest = after;
        let end = rest.find(|c: char| c == '=' || is_start(c) || is_end(c));
        let Some(equals) = end.filter(|end| rest[*end..].starts_with('=')) else { continue };
        if !is_secret(&rest[..equals]) {
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
pub fn is_secret_parameter(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    PARTS.iter().any(|part| name.contains(part))
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
}
