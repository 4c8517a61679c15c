//! Parsers of option values. They run while the command line is parsed, so that an error names the
//! option.

use std::time::Duration;

use http::Uri;
use http::header::HeaderName;

/// Parses a subprotocol, which is a token (RFC 6455 §4.1, RFC 9110 §5.6.2).
pub(crate) fn subprotocol(text: &str) -> Result<String, String> {
    // The name of a header field is a token too.
    match HeaderName::from_bytes(text.as_bytes()) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => {
            Err("a subprotocol has only letters, digits and !#$%&'*+-.^_`|~ (RFC 6455 §4.1)".into())
        }
    }
}

/// Parses an origin (RFC 6454 §6.2): a scheme, a host, and a port if it is not the scheme's
/// default.
pub(crate) fn origin(text: &str) -> Result<String, String> {
    let wanted = "an origin is SCHEME://HOST or SCHEME://HOST:PORT";
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(match text {
            "null" => "pages of any site can have the origin null; see --any-origin".into(),
            "*" => "patterns are not supported; see --any-origin".into(),
            _ if text.parse::<http::uri::Authority>().is_ok() && !text.contains('@') => {
                format!("{wanted}: https://{text}, or http://{text}")
            }
            _ => format!("{wanted}, such as https://example.com"),
        });
    };
    let plain = text.parse::<Uri>().ok().filter(|uri| {
        let is_bare = uri.path() == "/" && !text.contains(['?', '#', '@', '*']);
        is_bare && uri.authority().is_some_and(|authority| !authority.host().is_empty())
    });
    match plain {
        Some(_) if matches!(scheme, "ws" | "wss") => {
            let http = if scheme == "ws" { "http" } else { "https" };
            Err(format!("the origin is the web page's: {http}://{rest}"))
        }
        Some(uri) => Ok(match uri.authority() {
            Some(authority) => format!("{scheme}://{authority}"),
            None => text.to_owned(),
        }),
        None => Err(format!("{wanted}, in ASCII and without a path, such as https://example.com")),
    }
}

/// Parses a time that is not 0: a number of seconds, or with a unit such as 500ms, 5m or 1h.
pub(crate) fn timeout(text: &str) -> Result<Duration, String> {
    match in_seconds(text) {
        Some(seconds) if (0.001..=86_400.0).contains(&seconds) => {
            Ok(Duration::from_secs_f64(seconds))
        }
        _ => {
            Err("a number of seconds from 0.001 to 86400, or a time such as 500ms, 5m or 1h".into())
        }
    }
}

/// Parses a time from 0 to a day, as [`timeout`] does, and returns it in seconds.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    match in_seconds(text) {
        Some(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("a number of seconds from 0 to 86400, or a time such as 500ms, 5m or 1h".into()),
    }
}

/// Returns the seconds of a number with the unit ms, s, m or h, or without one.
fn in_seconds(text: &str) -> Option<f64> {
    let (number, unit) = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)]
        .into_iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))
        .unwrap_or((text, 1.0));
    Some(number.parse::<f64>().ok()? * unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_have_a_scheme_and_no_path() {
        for (text, expected) in [
            ("https://example.com", "https://example.com"),
            ("http://[::1]:8080/", "http://[::1]:8080"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("chrome-extension://abcdefgh", "chrome-extension://abcdefgh"),
        ] {
            assert_eq!(origin(text).unwrap(), expected);
        }
        for (text, words) in [
            ("example.com", "SCHEME://HOST or SCHEME://HOST:PORT: https://example.com, or http://"),
            ("localhost:8080", "https://localhost:8080, or http://localhost:8080"),
            ("wss://example.com", "the web page's: https://example.com"),
            ("https://example.com/chat", "without a path"),
            ("https://*.example.com", "without a path"),
            ("https://", "without a path"),
            ("file://", "without a path"),
            ("https://u@example.com", "without a path"),
            ("null", "--any-origin"),
            ("*", "--any-origin"),
            ("", "SCHEME://HOST"),
        ] {
            let why = origin(text).unwrap_err();
            assert!(why.contains(words), "{text}: {why}");
        }
    }

    #[test]
    fn subprotocols_are_tokens() {
        assert_eq!(subprotocol("graphql-transport-ws").unwrap(), "graphql-transport-ws");
        for text in ["", "a b", "a,b", "a/b", "ü", "a\n"] {
            assert!(subprotocol(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_seconds_or_have_a_unit() {
        for (text, expected) in [
            ("90", 90_000),
            ("1.5", 1500),
            ("30s", 30_000),
            ("500ms", 500),
            ("5m", 300_000),
            ("0.5m", 30_000),
            ("24h", 86_400_000),
        ] {
            assert_eq!(timeout(text), Ok(Duration::from_millis(expected)), "{text}");
        }
        assert_eq!(seconds("0s"), Ok(0.0));
        for text in ["", "m", "s", "0", "0m", "25h", "5 m", "5M", "-1s", "NaN", "infs", "1m30s"] {
            assert!(timeout(text).is_err(), "{text}");
        }
        assert!(seconds("-1").is_err() && seconds("1d").is_err());
    }
}
