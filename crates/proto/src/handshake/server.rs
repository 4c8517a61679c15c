//! The server's side: what a request must have (RFC 6455 §4.2.1), and the answer (§4.2.2).

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::grammar::{self, Extension, GrammarError};
use super::headers::{Count, HeaderSource};
use super::{SecKey, VERSION};

/// How the request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0 or older.
    Http10,
    /// HTTP/1.1.
    Http11,
    /// HTTP/2 or HTTP/3, where extended CONNECT takes the place of the upgrade
    /// (RFC 8441 §5, RFC 9220 §3).
    Extended,
}

/// The request's first line, or pseudo-headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLine<'a> {
    /// The method.
    pub method: &'a str,
    /// How the request came.
    pub version: Version,
    /// The `:protocol` of an extended CONNECT.
    pub protocol: Option<&'a str>,
}

/// Whether the request asks for a WebSocket at all, well or badly, rather than being
/// ordinary HTTP for another handler of the same port.
pub fn is_websocket<H: HeaderSource + ?Sized>(line: &RequestLine<'_>, headers: &H) -> bool {
    match line.version {
        Version::Extended => line.protocol == Some("websocket"),
        _ => {
            grammar::has_token(headers.values("upgrade"), "websocket")
                || headers.values("sec-websocket-key").next().is_some()
                || headers.values("sec-websocket-version").next().is_some()
        }
    }
}

/// What the client asked for, in a request that keeps the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    key: Option<SecKey>,
    /// The subprotocols that it can speak, its favourite first.
    pub protocols: Vec<String>,
    /// The extensions that it can use, its favourite first.
    pub extensions: Vec<Extension>,
}

/// Holds a request against the rules of §4.2.1, or of RFC 8441 §5 for an extended CONNECT.
pub fn check<H: HeaderSource + ?Sized>(
    line: &RequestLine<'_>,
    headers: &H,
) -> Result<Offer, Refusal> {
    let extended = line.version == Version::Extended;
    check_line(line)?;
    if !extended {
        check_upgrade(headers)?;
    }
    // Item 6. Several versions in a list are a negotiation that browsers never began.
    if headers.single("sec-websocket-version") != Ok(VERSION.as_bytes()) {
        return Err(Refusal::Version);
    }
    let key = if extended { None } else { Some(check_key(headers)?) };
    let protocols = read_protocols(headers)?;
    let extensions = grammar::parse_extensions(headers.values("sec-websocket-extensions"))
        .map_err(Refusal::Extensions)?;
    Ok(Offer { key, protocols, extensions })
}

fn check_line(line: &RequestLine<'_>) -> Result<(), Refusal> {
    match line.version {
        Version::Http10 => Err(Refusal::HttpVersion),
        Version::Http11 if line.method != "GET" => Err(Refusal::Method),
        Version::Extended if line.method != "CONNECT" => Err(Refusal::Method),
        Version::Extended if line.protocol != Some("websocket") => Err(Refusal::NoUpgrade),
        _ => Ok(()),
    }
}

fn check_upgrade<H: HeaderSource + ?Sized>(headers: &H) -> Result<(), Refusal> {
    // Item 2; RFC 9112 §3.2 asks for 400 when it is missing or there twice.
    match headers.single("host") {
        Ok(host) if is_host(host) => {}
        _ => return Err(Refusal::Host),
    }
    // RFC 9112 §6.3: a body here would be read as frames by us and as a request by a
    // proxy, or the other way round.
    let length = headers.values("content-length").any(|v| v != b"0");
    if length || headers.values("transfer-encoding").next().is_some() {
        return Err(Refusal::Body);
    }
    // Item 3.
    if !grammar::has_token(headers.values("upgrade"), "websocket") {
        return Err(Refusal::NoUpgrade);
    }
    // Item 4.
    if !grammar::has_token(headers.values("connection"), "upgrade") {
        return Err(Refusal::Connection);
    }
    Ok(())
}

/// Enough to tell a host and port from a list or a path; the rest is for whoever uses it.
fn is_host(host: &[u8]) -> bool {
    !host.is_empty()
        && host.iter().all(|b| b.is_ascii_alphanumeric() || b"-._~!$&'()*+;=:[]%".contains(b))
}

fn check_key<H: HeaderSource + ?Sized>(headers: &H) -> Result<SecKey, Refusal> {
    // Item 5, and §11.3.1: not more than once.
    let value = headers.single("sec-websocket-key").map_err(Refusal::KeyCount)?;
    SecKey::parse(value).map_err(|_| Refusal::Key)
}

fn read_protocols<H: HeaderSource + ?Sized>(headers: &H) -> Result<Vec<String>, Refusal> {
    let mut protocols: Vec<String> = Vec::new();
    for element in headers.values("sec-websocket-protocol").flat_map(grammar::elements) {
        // §4.1, item 10: tokens, none of them twice.
        let token = core::str::from_utf8(element).ok().filter(|t| grammar::is_token(t.as_bytes()));
        let token = token.ok_or(Refusal::Protocols)?;
        // The bound also keeps the comparison of each with each cheap.
        if protocols.len() == MAX_PROTOCOLS || protocols.iter().any(|p| p == token) {
            return Err(Refusal::Protocols);
        }
        protocols.push(token.to_string());
    }
    Ok(protocols)
}

/// The most subprotocols that one request may offer.
pub const MAX_PROTOCOLS: usize = 64;

impl Offer {
    /// The client's favourite among the subprotocols that the server supports.
    pub fn choose_protocol<S: AsRef<str>>(&self, supported: &[S]) -> Option<&str> {
        let is_supported = |p: &&String| supported.iter().any(|s| s.as_ref() == p.as_str());
        self.protocols.iter().find(is_supported).map(String::as_str)
    }

    /// Makes the answer (§4.2.2). The subprotocol must be one of those offered, each
    /// extension's name too.
    pub fn accept(
        &self,
        protocol: Option<&str>,
        extensions: &[Extension],
    ) -> Result<Acceptance, NotOffered> {
        let mut headers = Vec::new();
        if let Some(key) = &self.key {
            headers.push(("Upgrade", "websocket".to_string()));
            headers.push(("Connection", "Upgrade".to_string()));
            headers.push(("Sec-WebSocket-Accept", key.accept().as_str().to_string()));
        }
        if let Some(protocol) = protocol {
            if !self.protocols.iter().any(|p| p == protocol) {
                return Err(NotOffered(protocol.to_string()));
            }
            headers.push(("Sec-WebSocket-Protocol", protocol.to_string()));
        }
        for extension in extensions {
            if !self.extensions.iter().any(|e| e.name == extension.name) {
                return Err(NotOffered(extension.name.clone()));
            }
            headers.push(("Sec-WebSocket-Extensions", extension.to_string()));
        }
        // RFC 8441 §5: a 2xx takes the place of 101.
        let status = if self.key.is_some() { 101 } else { 200 };
        Ok(Acceptance { status, headers })
    }
}

/// The answer to an [`Offer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// 101, or 200 for an extended CONNECT.
    pub status: u16,
    /// The protocol's header fields.
    pub headers: Vec<(&'static str, String)>,
}

/// The server wanted to answer with what the client had not offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotOffered(pub String);

impl fmt::Display for NotOffered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the client did not offer {:?} (RFC 6455 §4.2.2)", self.0)
    }
}

impl core::error::Error for NotOffered {}

/// Why a request is refused. [`status`](Self::status) and [`headers`](Self::headers) make
/// the response, `Display` its body.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// HTTP/1.0 has no upgrade (§4.2.1, item 1).
    HttpVersion,
    /// Not GET (§4.2.1, item 1), or not CONNECT where that is due (RFC 8441 §4).
    Method,
    /// `Host` is missing, there twice, or no host (§4.2.1, item 2).
    Host,
    /// The request announces a body.
    Body,
    /// No `Upgrade: websocket` (§4.2.1, item 3).
    NoUpgrade,
    /// No `Connection: Upgrade` (§4.2.1, item 4).
    Connection,
    /// `Sec-WebSocket-Version` is not 13 (§4.2.1, item 6).
    Version,
    /// `Sec-WebSocket-Key` is missing or there twice (§4.2.1, item 5).
    KeyCount(Count),
    /// `Sec-WebSocket-Key` is not 16 bytes in base64 (§4.2.1, item 5).
    Key,
    /// `Sec-WebSocket-Protocol` has something that is no token, or a token twice.
    Protocols,
    /// `Sec-WebSocket-Extensions` does not follow its grammar (§9.1).
    Extensions(GrammarError),
    /// The Origin is not allowed (§4.2.2, item 4; §10.2).
    Origin,
    /// The head is larger than `max_head_size` or `max_head_fields`.
    HeadTooLarge,
    /// The head is not HTTP.
    Malformed,
}

impl Refusal {
    /// The status of the response.
    pub fn status(&self) -> u16 {
        match self {
            Self::Method => 405,
            Self::NoUpgrade | Self::Version => 426,
            Self::Origin => 403,
            Self::HeadTooLarge => 431,
            _ => 400,
        }
    }

    /// Header fields that the response needs besides the usual ones.
    pub fn headers(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Method => &[("Allow", "GET")],
            // RFC 9110 §15.5.22: a 426 names the protocol in Upgrade. RFC 6455 §4.4: and
            // the versions.
            Self::NoUpgrade | Self::Version => &[
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Version", VERSION),
            ],
            _ => &[],
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HttpVersion => "a WebSocket needs HTTP/1.1 or later (RFC 6455 §4.2.1)",
            Self::Method => "a WebSocket is opened by GET (RFC 6455 §4.2.1)",
            Self::Host => "the request must have one valid Host (RFC 6455 §4.2.1)",
            Self::Body => "an upgrade must not have a body (RFC 6455 §4.1)",
            Self::NoUpgrade => {
                "only WebSocket is spoken here: `Upgrade: websocket` is missing (RFC 6455 §4.2.1)"
            }
            Self::Connection => {
                "`Connection: Upgrade` is missing (RFC 6455 §4.2.1); does a proxy drop it?"
            }
            Self::Version => "Sec-WebSocket-Version must be 13 (RFC 6455 §4.2.1)",
            Self::KeyCount(Count::Missing) => "Sec-WebSocket-Key is missing (RFC 6455 §4.2.1)",
            Self::KeyCount(Count::Several) => {
                "Sec-WebSocket-Key is there more than once (RFC 6455 §11.3.1)"
            }
            Self::Key => "Sec-WebSocket-Key is not 16 bytes in base64 (RFC 6455 §4.2.1)",
            Self::Protocols => {
                "Sec-WebSocket-Protocol is not a list of different tokens (RFC 6455 §4.1)"
            }
            Self::Extensions(error) => {
                return write!(f, "Sec-WebSocket-Extensions: {error} (RFC 6455 §9.1)");
            }
            Self::Origin => "this Origin is not allowed (RFC 6455 §10.2)",
            Self::HeadTooLarge => {
                "the request head is larger than max_head_size or max_head_fields"
            }
            Self::Malformed => "the request is not HTTP (RFC 9112 §2)",
        })
    }
}

impl core::error::Error for Refusal {}
