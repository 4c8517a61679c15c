//! The options of curl, and what each means for a WebSocket.

use std::ffi::OsStr;

use super::translate::Translation;

/// What an option of curl means.
pub(super) enum Meaning {
    /// Without a value: words of `fdx connect`.
    Words(&'static [&'static str]),
    /// With a value: this option of `fdx connect` with it.
    Option(&'static str),
    /// With a value: this header field with it.
    Header(&'static str),
    /// Without a value: something else.
    Switch(fn(&mut Translation)),
    /// With a value: something else.
    Value(fn(&mut Translation, &OsStr) -> Result<(), String>),
    /// With one possible value; another is refused for this reason.
    Only(&'static str, &'static str),
    /// Without a value, and without a meaning for a WebSocket.
    Ignored,
    /// With a value, and without a meaning for a WebSocket.
    IgnoredValue,
    /// Not possible with a WebSocket, for this reason.
    Refused(&'static str),
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
    (' ', "url", Value(Translation::url)),
    ('H', "header", Value(Translation::header)),
    ('b', "cookie", Value(Translation::cookie)),
    (' ', "compressed", Ignored),
    ('k', "insecure", Words(&["--insecure"])),
    ('g', "globoff", Switch(Translation::globoff)),
    ('X', "request", Only("GET", "a WebSocket is opened by GET")),
    // The request.
    ('A', "user-agent", Header("User-Agent")),
    ('e', "referer", Value(Translation::referer)),
    ('u', "user", Value(Translation::user)),
    (' ', "oauth2-bearer", Value(Translation::bearer)),
    (' ', "basic", Ignored),
    ('L', "location", Switch(Translation::location)),
    (' ', "location-trusted", Switch(Translation::location)),
    (' ', "max-redirs", Value(Translation::max_redirects)),
    ('G', "get", Ignored),
    (' ', "path-as-is", Refused(UNKNOWN_TO_FDX)),
    ('0', "http1.0", Refused("a WebSocket needs HTTP/1.1 or later")),
    (' ', "http1.1", Words(&["--http", "1"])),
    (' ', "http2", Words(&["--http", "2"])),
    (' ', "http2-prior-knowledge", Words(&["--http", "2"])),
    (' ', "http3", Words(&["--http", "3"])),
    (' ', "http3-only", Words(&["--http", "3"])),
    // The way.
    ('x', "proxy", Value(Translation::proxy)),
    (' ', "noproxy", Value(Translation::no_proxy)),
    (' ', "socks5", Value(Translation::socks5)),
    (' ', "socks5-hostname", Value(Translation::socks5_hostname)),
    ('U', "proxy-user", Refused("write it into the proxy's URL: --proxy http://NAME:PASSWORD@…")),
    (' ', "resolve", Opt("--resolve")),
    (' ', "connect-to", Opt("--connect-to")),
    (' ', "unix-socket", Value(Translation::unix_socket)),
    ('m', "max-time", Opt("--timeout")),
    (' ', "connect-timeout", Opt("--connect-timeout")),
    ('4', "ipv4", Refused(UNKNOWN_TO_FDX)),
    ('6', "ipv6", Refused(UNKNOWN_TO_FDX)),
    (' ', "interface", Refused(UNKNOWN_TO_FDX)),
    // TLS.
    (' ', "cacert", Opt("--ca")),
    ('E', "cert", Value(Translation::cert)),
    (' ', "key", Value(Translation::key)),
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
    ('s', "silent", Switch(Translation::silent)),
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
