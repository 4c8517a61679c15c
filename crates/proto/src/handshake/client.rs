//! The client's side: what to send and how to judge the answer (RFC 6455 §4.1, RFC 8441 §5).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str;

use super::authority::Authority;
use super::extension::{Extension, ExtensionError, join, parse_extensions};
use super::grammar::{is_token, list, list_contains};
use super::headers::{AtMostOne, HeaderSource, names, single};
use super::key::SecKey;
use super::server::WEBSOCKET;

pub use super::headers::is_protected;

/// One handshake of a client: it makes the request and remembers what was asked for.
#[derive(Clone, Debug)]
pub struct ClientHandshake {
    /// Host and key; `None` on a stream.
    upgrade: Option<(String, SecKey)>,
    subprotocols: Vec<String>,
    extensions: Vec<Extension>,
}

impl ClientHandshake {
    /// An upgrade of HTTP/1.1 (RFC 6455 §4.1).
    ///
    /// `host` is the value of `Host`: the port only where it is not the default. `nonce` must be
    /// random and fresh for each connection (item 7).
    pub fn http1(host: impl Into<String>, nonce: [u8; 16]) -> Result<Self, RequestError> {
        let host = host.into();
        if Authority::parse(host.as_bytes()).is_none() {
            return Err(RequestError::Host(host));
        }
        let upgrade = Some((host, SecKey::from_nonce(nonce)));
        Ok(Self { upgrade, subprotocols: Vec::new(), extensions: Vec::new() })
    }

    /// An extended CONNECT on HTTP/2 or HTTP/3 (RFC 8441 §5, RFC 9220 §3).
    ///
    /// The server must have sent `SETTINGS_ENABLE_CONNECT_PROTOCOL` (RFC 8441 §3). The caller
    /// fills in the pseudo-header fields: [`method`](Self::method), [`protocol`](Self::protocol),
    /// `:scheme`, `:authority` and `:path`.
    pub const fn extended() -> Self {
        Self { upgrade: None, subprotocols: Vec::new(), extensions: Vec::new() }
    }

    /// Offers a subprotocol, less preferred than those before (RFC 6455 §4.1 item 10).
    pub fn with_subprotocol(mut self, name: impl Into<String>) -> Result<Self, RequestError> {
        let name = name.into();
        if !is_token(name.as_bytes()) {
            return Err(RequestError::SubprotocolInvalid(name));
        }
        if self.subprotocols.contains(&name) {
            return Err(RequestError::SubprotocolRepeated(name));
        }
        self.subprotocols.push(name);
        Ok(self)
    }

    /// Offers an extension, less preferred than those before (RFC 6455 §9.1).
    #[must_use]
    pub fn with_extension(mut self, extension: Extension) -> Self {
        self.extensions.push(extension);
        self
    }

    /// The method of the request: `GET`, or `CONNECT` on a stream.
    pub const fn method(&self) -> &'static str {
        if self.upgrade.is_some() { "GET" } else { "CONNECT" }
    }

    /// `:protocol`, which only a stream has (RFC 8441 §5).
    pub const fn protocol(&self) -> Option<&'static str> {
        if self.upgrade.is_some() { None } else { Some(WEBSOCKET) }
    }

    /// The header fields of the request, names in title case: some HTTP/1.1 peers insist on it.
    ///
    /// Fields of the user's may follow, unless [`is_protected`].
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::with_capacity(7);
        if let Some((host, key)) = &self.upgrade {
            // RFC 6455 §4.1 items 4 to 7; none of them on a stream (RFC 8441 §5).
            headers.push(("Host", host.clone()));
            headers.push(("Upgrade", WEBSOCKET.into()));
            headers.push(("Connection", "Upgrade".into()));
            headers.push(("Sec-WebSocket-Key", key.as_str().into()));
        }
        // Items 9 to 11.
        headers.push(("Sec-WebSocket-Version", "13".into()));
        if !self.subprotocols.is_empty() {
            headers.push(("Sec-WebSocket-Protocol", self.subprotocols.join(", ")));
        }
        if !self.extensions.is_empty() {
            headers.push(("Sec-WebSocket-Extensions", join(&self.extensions)));
        }
        headers
    }

    /// Judges the response (RFC 6455 §4.1, "client MUST validate").
    ///
    /// Skip responses that are [interim](is_interim) first. An error other than
    /// [`ResponseError::Status`] fails the connection: send nothing more, close it.
    pub fn check<'h>(
        &self,
        status: u16,
        headers: impl HeaderSource<'h>,
    ) -> Result<Negotiated, ResponseError> {
        match &self.upgrade {
            Some((_, key)) => check_upgrade(key, status, headers)?,
            // Any 2xx makes a tunnel (RFC 9110 §9.3.6, RFC 8441 §5).
            None if !(200..300).contains(&status) => return Err(ResponseError::Status(status)),
            None => {}
        }
        Ok(Negotiated {
            extensions: self.agreed_extensions(headers)?,
            subprotocol: self.agreed_subprotocol(headers)?,
        })
    }

    /// Item 5.
    ///
    /// Only the names are compared here; whether the parameters answer the offer is for the
    /// extension to judge (§9.1).
    fn agreed_extensions<'h>(
        &self,
        headers: impl HeaderSource<'h>,
    ) -> Result<Vec<Extension>, ResponseError> {
        let agreed = parse_extensions(headers.values(names::EXTENSIONS))
            .map_err(ResponseError::Extensions)?;
        let offered = |name: &str| self.extensions.iter().any(|other| other.name() == name);
        match agreed.iter().find(|extension| !offered(extension.name())) {
            Some(extension) => Err(ResponseError::ExtensionNotOffered(extension.name().into())),
            None => Ok(agreed),
        }
    }

    /// Item 6; the server names exactly one (§4.3, `Sec-WebSocket-Protocol-Server`).
    fn agreed_subprotocol<'h>(
        &self,
        headers: impl HeaderSource<'h>,
    ) -> Result<Option<String>, ResponseError> {
        let value = match single(headers, names::PROTOCOL) {
            AtMostOne::Missing => return Ok(None),
            AtMostOne::Repeated => return Err(ResponseError::SubprotocolRepeated),
            AtMostOne::One(value) => value,
        };
        match str::from_utf8(value) {
            Ok(name) if is_token(value) => {
                let agreed = self.subprotocols.iter().find(|offered| *offered == name);
                let agreed =
                    agreed.ok_or_else(|| ResponseError::SubprotocolNotOffered(name.into()))?;
                Ok(Some(agreed.clone()))
            }
            _ if list([value].into_iter()).nth(1).is_some() => {
                Err(ResponseError::SubprotocolRepeated)
            }
            _ => Err(ResponseError::SubprotocolInvalid),
        }
    }
}

/// What both sides will use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Negotiated {
    /// The subprotocol that the server chose.
    pub subprotocol: Option<String>,
    /// The extensions in use, in the order in which they work on data (RFC 6455 §9.1).
    pub extensions: Vec<Extension>,
}

/// Whether another response follows this one (RFC 9110 §15.2), such as 103 Early Hints.
///
/// 101 is the last of its request.
pub const fn is_interim(status: u16) -> bool {
    matches!(status, 100 | 102..=199)
}

/// The request would not be a valid handshake: a mistake of the caller's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// This is not `host [":" port]` (RFC 9110 §7.2).
    Host(
        /// The text in question.
        String,
    ),
    /// This subprotocol is not a token (RFC 6455 §4.1 item 10).
    SubprotocolInvalid(
        /// Its name.
        String,
    ),
    /// This subprotocol was offered already (RFC 6455 §4.1 item 10).
    SubprotocolRepeated(
        /// Its name.
        String,
    ),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(f, "{host:?} is no valid Host (RFC 9110 §7.2)"),
            Self::SubprotocolInvalid(name) => {
                write!(f, "the subprotocol {name:?} is not a token (RFC 6455 §4.1 item 10)")
            }
            Self::SubprotocolRepeated(name) => {
                write!(f, "the subprotocol {name:?} is offered twice (RFC 6455 §4.1 item 10)")
            }
        }
    }
}

impl core::error::Error for RequestError {}

/// The rule on which a response failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseError {
    /// The server did not open a WebSocket; what the status asks for is up to the caller.
    Status(
        /// The status code.
        u16,
    ),
    /// `Upgrade` is absent or not `websocket`.
    Upgrade,
    /// `Connection` does not list `Upgrade`.
    Connection,
    /// No `Sec-WebSocket-Accept`.
    AcceptMissing,
    /// More than one `Sec-WebSocket-Accept`.
    AcceptRepeated,
    /// `Sec-WebSocket-Accept` does not answer the key: perhaps a cached response.
    AcceptMismatch,
    /// `Sec-WebSocket-Extensions` does not follow its grammar.
    Extensions(
        /// What is wrong, and where.
        ExtensionError,
    ),
    /// The server uses an extension that was not offered.
    ExtensionNotOffered(
        /// Its name.
        String,
    ),
    /// `Sec-WebSocket-Protocol` is not a token.
    SubprotocolInvalid,
    /// The server names more than one subprotocol.
    SubprotocolRepeated,
    /// The server chose a subprotocol that was not offered.
    SubprotocolNotOffered(
        /// Its name.
        String,
    ),
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => {
                write!(
                    f,
                    "the server answered with status {status} (RFC 6455 §4.1 response item 1)"
                )
            }
            Self::Upgrade => {
                f.write_str("Upgrade is not websocket (RFC 6455 §4.1 response item 2)")
            }
            Self::Connection => {
                f.write_str("Connection does not list Upgrade (RFC 6455 §4.1 response item 3)")
            }
            Self::AcceptMissing => {
                f.write_str("no Sec-WebSocket-Accept (RFC 6455 §4.1 response item 4)")
            }
            Self::AcceptRepeated => {
                f.write_str("more than one Sec-WebSocket-Accept (RFC 6455 §11.3.3)")
            }
            Self::AcceptMismatch => f.write_str(
                "Sec-WebSocket-Accept does not answer the key (RFC 6455 §4.1 response item 4)",
            ),
            Self::Extensions(error) => error.fmt(f),
            Self::ExtensionNotOffered(name) => {
                write!(f, "the extension {name:?} was not offered (RFC 6455 §4.1 response item 5)")
            }
            Self::SubprotocolInvalid => {
                f.write_str("Sec-WebSocket-Protocol is not a token (RFC 6455 §4.2.2 item 4)")
            }
            Self::SubprotocolRepeated => {
                f.write_str("the server names several subprotocols (RFC 6455 §11.3.4)")
            }
            Self::SubprotocolNotOffered(name) => write!(
                f,
                "the subprotocol {name:?} was not offered (RFC 6455 §4.1 response item 6)"
            ),
        }
    }
}

impl core::error::Error for ResponseError {}

fn check_upgrade<'h>(
    key: &SecKey,
    status: u16,
    headers: impl HeaderSource<'h>,
) -> Result<(), ResponseError> {
    // Item 1.
    if status != 101 {
        return Err(ResponseError::Status(status));
    }
    // Item 2: the value is `websocket`, not a list that has it.
    let mut upgrade = list(headers.values(names::UPGRADE)).peekable();
    if upgrade.peek().is_none()
        || !upgrade.all(|name| name.eq_ignore_ascii_case(WEBSOCKET.as_bytes()))
    {
        return Err(ResponseError::Upgrade);
    }
    // Item 3.
    if !list_contains(headers.values(names::CONNECTION), "upgrade") {
        return Err(ResponseError::Connection);
    }
    // Item 4. Content announced in a 101 is not looked for: such a response ends with its head
    // whatever it says (RFC 9112 §6.3), so nobody can read it in two ways.
    match single(headers, names::ACCEPT) {
        AtMostOne::Missing => Err(ResponseError::AcceptMissing),
        AtMostOne::Repeated => Err(ResponseError::AcceptRepeated),
        AtMostOne::One(value) if key.accept().matches(value) => Ok(()),
        AtMostOne::One(_) => Err(ResponseError::AcceptMismatch),
    }
}
