//! The options of curl, and what each means for a WebSocket.

/// What an option of curl means.
pub(super) enum Meaning {
    /// Without a value: words of `fdx connect`.
    Words(&'static [&'static str]),
    /// With a value: this option of `fdx connect` with it.
    Option(&'static str),
    /// With a value: this header field with it.
    Header(&'static str),
    /// Without a value: something else.
    Switch(SwitchEffect),
    /// With a value: something else.
    Value(ValueEffect),
    /// With one possible value; another is refused for this reason.
    Only(&'static str, &'static str),
    /// Without a value, and without a meaning for a WebSocket.
    Ignored,
    /// With a value, and without a meaning for a WebSocket.
    IgnoredValue,
    /// Not possible with a WebSocket, for this reason.
    Refused(&'static str),
}

/// What an option without a value does, if it is more than words of `fdx connect`.
#[derive(Clone, Copy)]
pub(super) enum SwitchEffect {
    Globoff,
    Location,
    Silent,
}

/// What an option with a value does, if it is more than an option of `fdx connect`.
#[derive(Clone, Copy)]
pub(super) enum ValueEffect {
    Bearer,
    Cert,
    Cookie,
    Header,
    Key,
    MaxRedirects,
    NoProxy,
    Proxy,
    Referer,
    Socks5,
    Socks5Hostname,
    UnixSocket,
    Url,
    User,
}

use Meaning::{Header, Ignored, IgnoredValue, Only, Option as Opt, Refused, Switch, Value, Words};

/// An option of curl: its short name, or a space, its long name, and its meaning.
type CurlOption = (char, &'static str, Meaning);

const NO_CONTENT: &str =
    "a handshake has no content; send it as a message, on standard input or with --send";
const NO_FILE: &str = "messages are written to standard output; use > FILE";
const ONE_REQUEST: &str = "there is one request only";
const UNKNOWN_TO_FDX: &str = "fdx has no such setting; leave it out";

/// The options that have a meaning here, or are refused with a reason.
const OPTIONS: &[CurlOption] = &[
    // What browsers' tools copy.
    (' ', "url", Value(ValueEffect::Url)),
    ('H', "header", Value(ValueEffect::Header)),
    ('b', "cookie", Value(ValueEffect::Cookie)),
    (' ', "compressed", Ignored),
    ('k', "insecure", Words(&["--insecure"])),
    ('g', "globoff", Switch(SwitchEffect::Globoff)),
    ('X', "request", Only("GET", "a WebSocket is opened by GET")),
    // The request.
    ('A', "user-agent", Header("User-Agent")),
    ('e', "referer", Value(ValueEffect::Referer)),
    ('u', "user", Value(ValueEffect::User)),
    (' ', "oauth2-bearer", Value(ValueEffect::Bearer)),
    (' ', "basic", Ignored),
    ('L', "location", Switch(SwitchEffect::Location)),
    (' ', "location-trusted", Switch(SwitchEffect::Location)),
    (' ', "max-redirs", Value(ValueEffect::MaxRedirects)),
    ('G', "get", Ignored),
    (' ', "path-as-is", Refused(UNKNOWN_TO_FDX)),
    ('0', "http1.0", Refused("a WebSocket needs HTTP/1.1 or later")),
    (' ', "http1.1", Words(&["--http", "1"])),
    (' ', "http2", Words(&["--http", "2"])),
    (' ', "http2-prior-knowledge", Words(&["--http", "2"])),
    (' ', "http3", Words(&["--http", "3"])),
    (' ', "http3-only", Words(&["--http", "3"])),
    // The way.
    ('x', "proxy", Value(ValueEffect::Proxy)),
    (' ', "noproxy", Value(ValueEffect::NoProxy)),
    (' ', "socks5", Value(ValueEffect::Socks5)),
    (' ', "socks5-hostname", Value(ValueEffect::Socks5Hostname)),
    ('U', "proxy-user", Refused("write it into the proxy's URL: --proxy http://NAME:PASSWORD@…")),
    (' ', "resolve", Opt("--resolve")),
    (' ', "connect-to", Opt("--connect-to")),
    (' ', "unix-socket", Value(ValueEffect::UnixSocket)),
    ('m', "max-time", Opt("--timeout")),
    (' ', "connect-timeout", Opt("--connect-timeout")),
    ('4', "ipv4", Refused(UNKNOWN_TO_FDX)),
    ('6', "ipv6", Refused(UNKNOWN_TO_FDX)),
    (' ', "interface", Refused(UNKNOWN_TO_FDX)),
    // TLS.
    (' ', "cacert", Opt("--ca")),
    ('E', "cert", Value(ValueEffect::Cert)),
    (' ', "key", Value(ValueEffect::Key)),
    (' ', "cert-type", IgnoredValue),
    (' ', "key-type", IgnoredValue),
    ('1', "tlsv1", Ignored),
    (' ', "tlsv1.2", Ignored),
    (' ', "ssl-no-revoke", Ignored),
    (' ', "capath", Refused(UNKNOWN_TO_FDX)),
    (' ', "ciphers", Refused(UNKNOWN_TO_FDX)),
    // The output.
    ('v', "verbose", Words(&["--verbose"])),
    ('i', "include", Words(&["--verbose"])),
    (' ', "show-headers", Words(&["--verbose"])),
    ('s', "silent", Switch(SwitchEffect::Silent)),
    ('S', "show-error", Ignored),
    ('N', "no-buffer", Ignored),
    ('f', "fail", Ignored),
    (' ', "fail-with-body", Ignored),
    ('#', "progress-bar", Ignored),
    (' ', "no-progress-meter", Ignored),
    ('q', "disable", Ignored),
    ('w', "write-out", IgnoredValue),
    ('c', "cookie-jar", IgnoredValue),
    ('o', "output", Refused(NO_FILE)),
    ('O', "remote-name", Refused(NO_FILE)),
    ('D', "dump-header", Refused("--verbose shows the head of the response")),
    ('I', "head", Refused("a WebSocket is opened by GET")),
    // Content.
    ('d', "data", Refused(NO_CONTENT)),
    (' ', "data-raw", Refused(NO_CONTENT)),
    (' ', "data-ascii", Refused(NO_CONTENT)),
    (' ', "data-binary", Refused(NO_CONTENT)),
    (' ', "data-urlencode", Refused(NO_CONTENT)),
    (' ', "json", Refused(NO_CONTENT)),
    ('F', "form", Refused(NO_CONTENT)),
    (' ', "form-string", Refused(NO_CONTENT)),
    ('T', "upload-file", Refused(NO_CONTENT)),
    // More requests.
    (':', "next", Refused(ONE_REQUEST)),
    ('Z', "parallel", Refused(ONE_REQUEST)),
    ('K', "config", Refused(UNKNOWN_TO_FDX)),
];

/// Returns the option of this long name, without dashes.
pub(super) fn long(name: &str) -> Option<&'static CurlOption> {
    OPTIONS.iter().find(|option| option.1 == name)
}

/// Returns the option of this letter.
pub(super) fn short(letter: char) -> Option<&'static CurlOption> {
    OPTIONS.iter().find(|option| option.0 == letter && letter != ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curl_options_have_one_meaning_each() {
        for (at, option) in OPTIONS.iter().enumerate() {
            let rest = &OPTIONS[at + 1..];
            assert!(rest.iter().all(|other| other.1 != option.1), "{}", option.1);
            let is_same = |other: &CurlOption| option.0 != ' ' && other.0 == option.0;
            assert!(!rest.iter().any(is_same), "{}", option.0);
        }
        assert!(short(' ').is_none());
    }
}
