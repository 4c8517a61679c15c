//! The client's side: the request's headers, and what the response must have (RFC 6455 §4.1).

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use super::grammar::{self, Extension, GrammarError};
use super::headers::{Count, HeaderSource};
use super::{SecKey, VERSION};

/// Whether a header field belongs to the protocol, so that a user may not set it.
pub fn is_protected(name: &str) -> bool {
    const PROTECTED: [&str; 9] = [
        "connection",
        "content-length",
        "sec-websocket-accept",
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-protocol",
        "sec-websocket-version",
        "transfer-encoding",
        "upgrade",
    ];
    PROTECTED.iter().any(|p| p.eq_ignore_ascii_case(name))
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    key: Option<SecKey>,
    protocols: Vec<String>,
    extensions: Vec<Extension>,
}

impl Request {
    /// An upgrade of HTTP/1.1.
    pub fn new(key: SecKey) -> Self {
        Self { key: Some(key), protocols: Vec::new(), extensions: Vec::new() }
    }

    /// An extended CONNECT of HTTP/2 or HTTP/3, which has neither key nor upgrade
    /// (RFC 8441 §5).
    pub fn extended() -> Self {
        Self { key: None, protocols: Vec::new(), extensions: Vec::new() }
    }

    /// Offers subprotocols, the favourite first. Each must be a token, none there twice.
    #[must_use]
    pub fn protocols<S: Into<String>>(mut self, protocols: impl IntoIterator<Item = S>) -> Self {
        self.protocols = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Offers extensions, the favourite first.
    #[must_use]
    pub fn extensions(mut self, extensions: impl IntoIterator<Item = Extension>) -> Self {
        self.extensions = extensions.into_iter().collect();
        self
    }

    /// The protocol's header fields. `Host` is the caller's.
    pub fn headers(&self) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        let mut add = |name: &str, value: String| headers.push((name.to_string(), value));
        if let Some(key) = &self.key {
            add("Upgrade", "websocket".to_string());
            add("Connection", "Upgrade".to_string());
            add("Sec-WebSocket-Key", key.as_str().to_string());
        }
        add("Sec-WebSocket-Version", VERSION.to_string());
        if !self.protocols.is_empty() {
            add("Sec-WebSocket-Protocol", self.protocols.join(", "));
        }
        if !self.extensions.is_empty() {
            let list: Vec<String> = self.extensions.iter().map(ToString::to_string).collect();
            add("Sec-WebSocket-Extensions", list.join(", "));
        }
        headers
    }

    /// Holds the response against the rules of §4.1.
    pub fn check<H: HeaderSource + ?Sized>(
        &self,
        status: u16,
        headers: &H,
    ) -> Result<Agreed, ResponseError> {
        match &self.key {
            Some(key) => check_upgrade(key, status, headers)?,
            None if !(200..300).contains(&status) => return Err(ResponseError::Status(status)),
            None => {}
        }
        Ok(Agreed {
            protocol: self.agreed_protocol(headers)?,
            extensions: self.agreed_extensions(headers)?,
        })
    }

    fn agreed_protocol<H: HeaderSource + ?Sized>(
        &self,
        headers: &H,
    ) -> Result<Option<String>, ResponseError> {
        // Item 6: only what was offered; §11.3.4: not more than once.
        let value = match headers.single("sec-websocket-protocol") {
            Err(Count::Missing) => return Ok(None),
            Err(Count::Several) => return Err(ResponseError::Protocol),
            Ok(value) => value,
        };
        let offered = self.protocols.iter().find(|p| p.as_bytes() == value);
        offered.map(|p| Some(p.clone())).ok_or(ResponseError::Protocol)
    }

    fn agreed_extensions<H: HeaderSource + ?Sized>(
        &self,
        headers: &H,
    ) -> Result<Vec<Extension>, ResponseError> {
        let values = headers.values("sec-websocket-extensions");
        let agreed = grammar::parse_extensions(values).map_err(ResponseError::Grammar)?;
        // Item 5: only what was offered.
        match agreed.iter().find(|a| !self.extensions.iter().any(|o| o.name == a.name)) {
            Some(alien) => Err(ResponseError::Extension(alien.name.clone())),
            None => Ok(agreed),
        }
    }
}

fn check_upgrade<H: HeaderSource + ?Sized>(
    key: &SecKey,
    status: u16,
    headers: &H,
) -> Result<(), ResponseError> {
    // Item 1.
    if status != 101 {
        return Err(ResponseError::Status(status));
    }
    // Item 2.
    if !grammar::has_token(headers.values("upgrade"), "websocket") {
        return Err(ResponseError::Upgrade);
    }
    // Item 3.
    if !grammar::has_token(headers.values("connection"), "upgrade") {
        return Err(ResponseError::Connection);
    }
    // Item 4.
    if headers.single("sec-websocket-accept") != Ok(key.accept().as_str().as_bytes()) {
        return Err(ResponseError::Accept);
    }
    Ok(())
}

/// What client and server agreed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreed {
    /// The subprotocol, if any.
    pub protocol: Option<String>,
    /// The extensions, in the order in which they apply.
    pub extensions: Vec<Extension>,
}

/// Why a response does not open a WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseError {
    /// The status is not 101, or not 2xx for an extended CONNECT.
    Status(u16),
    /// No `Upgrade: websocket`.
    Upgrade,
    /// No `Connection: Upgrade`.
    Connection,
    /// `Sec-WebSocket-Accept` does not answer the key.
    Accept,
    /// A subprotocol that was not offered, or several.
    Protocol,
    /// An extension that was not offered.
    Extension(String),
    /// `Sec-WebSocket-Extensions` does not follow its grammar.
    Grammar(GrammarError),
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => {
                write!(f, "the server answered with status {status}, not 101 (RFC 6455 §4.1)")
            }
            Self::Upgrade => f.write_str("the response has no `Upgrade: websocket` (RFC 6455 §4.1)"),
            Self::Connection => {
                f.write_str("the response has no `Connection: Upgrade` (RFC 6455 §4.1)")
            }
            Self::Accept => f.write_str(
                "Sec-WebSocket-Accept does not answer the key; is this a cached or made-up response? (RFC 6455 §4.1)",
            ),
            Self::Protocol => {
                f.write_str("the server chose a subprotocol that was not offered (RFC 6455 §4.1)")
            }
            Self::Extension(name) => {
                write!(f, "the server chose extension {name:?}, which was not offered (RFC 6455 §4.1)")
            }
            Self::Grammar(error) => write!(f, "Sec-WebSocket-Extensions: {error} (RFC 6455 §9.1)"),
        }
    }
}

impl core::error::Error for ResponseError {}
