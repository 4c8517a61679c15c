//! The texts of causes with what was observed filled in.

use super::observation::Observation;
use crate::base::escape::printable;
use crate::base::redact::redact_url;

/// The names in braces of a text, with what replaces them where nothing was observed.
pub(super) const PLACEHOLDERS: [(&str, &str); 11] = [
    ("url", "the URL"),
    ("wss-url", "wss://…"),
    ("ws-url", "ws://…"),
    ("host", "the host"),
    ("proxy", "the proxy"),
    ("location", "another URL"),
    ("versions", "another version"),
    ("upgrade", "something else"),
    ("origin", "the page's origin"),
    ("idle", "some time"),
    ("first-bytes", "something else"),
];

/// Returns the text with what was observed in place of the names in braces.
pub(crate) fn filled(text: &str, seen: &Observation) -> String {
    let mut filled = text.to_owned();
    for (name, general) in PLACEHOLDERS {
        let marked = format!("{{{name}}}");
        if filled.contains(&marked) {
            let value = value(name, seen).unwrap_or_else(|| general.to_owned());
            filled = filled.replace(&marked, &printable(&value));
        }
    }
    filled
}

/// Returns the text with general words in place of the names in braces.
#[cfg(test)]
pub(crate) fn general(text: &str) -> String {
    filled(text, &Observation::default())
}

/// Returns the name in braces that is not known, if the text has one.
pub(super) fn unknown_placeholder(text: &str) -> Option<&str> {
    let names = text.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    let mut names = names.map(|(name, _)| name).filter(|name| is_name(name));
    names.find(|name| !PLACEHOLDERS.iter().any(|(known, _)| known == name))
}

/// Returns whether this can be a name, rather than a block of a configuration.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

fn value(name: &str, seen: &Observation) -> Option<String> {
    let field = |name| Some(seen.header(name)).filter(|value| !value.is_empty());
    let with_scheme = |scheme: &str| {
        let (_, rest) = seen.url.as_deref()?.split_once("://")?;
        Some(format!("{scheme}://{rest}"))
    };
    match name {
        "url" => seen.url.clone(),
        "wss-url" => with_scheme("wss"),
        "ws-url" => with_scheme("ws"),
        "host" => {
            let (_, rest) = seen.url.as_deref()?.split_once("://")?;
            let authority = rest.split(['/', '?']).next()?;
            Some(authority.rsplit('@').next()?.to_owned())
        }
        "proxy" => {
            let proxy = seen.proxy.as_deref().filter(|proxy| proxy.contains("://"))?;
            Some(format!("the proxy {proxy}"))
        }
        "location" => field("location").map(redact_url),
        "versions" => field("sec-websocket-version").map(Into::into),
        "upgrade" => field("upgrade").map(Into::into),
        "origin" => {
            let origin = seen.request_headers.get("origin")?;
            Some(origin.to_str().ok()?.to_owned())
        }
        "idle" => seen.idle_for.map(|idle| format!("{:.1} s", idle.as_secs_f64())),
        "first-bytes" => first_line(&seen.first_bytes),
        _ => None,
    }
}

/// Returns the start of what was received, with escapes; `None` if it is empty.
fn first_line(bytes: &[u8]) -> Option<String> {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    let line = &line[..line.len().min(60)];
    let escaped = line.escape_ascii().to_string();
    (!line.is_empty()).then_some(escaped)
}
