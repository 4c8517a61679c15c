//! The client's side: making the request and checking the response (RFC 6455 §4.1, RFC 8441 §5).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str;

use super::authority::Authority;
use super::extension::{Extension, ExtensionError, join, parse_extensions};
use super::grammar::{is_token, list};
use super::headers::{AtMostOne, HeaderSource, at_most_one, names};
use super::key::SecKey;
use super::rules::{is_upgrade_to_websocket, lists_upgrade};
use super::server::WEBSOCKET;

pub use super::headers::is_protected;

/// One handshake of a client: makes the request, and checks the response against it.
///
/// ```
/// use fullduplex_proto::handshake::client::ClientHandshake;
///
/// // In a real client the 16 bytes are random.
/// let handshake = ClientHandshake::http1("example.com", *b"the sample nonce").unwrap();
/// let handshake = handshake.with_subprotocol("chat").unwrap();
/// assert_eq!(handshake.method(), "GET");
/// let fields = handshake.headers();
/// assert!(fields.contains(&("Sec-WebSocket-Protocol", "chat".to_owned())));
/// ```
#[derive(Clone, Debug)]
pub struct ClientHandshake {
    /// The host and the key. `None` on a stream.
    upgrade: Option<(String, SecKey)>,
    subprotocols: Vec<String>,
    extensions: Vec<Extension>,
}

impl ClientHandshake {
    /// Creates a handshake that upgrades an HTTP/1.1 connection (RFC 6455 §4.1).
    ///
    /// `host` is the value of `Host`, with the port only if it is not the default. `nonce` must be
    /// random and fresh for each connection (item 7).
    ///
    /// # Errors
    /// [`RequestError::Host`] if `host` is not valid.
    pub fn http1(host: impl Into<String>, nonce: [u8; 16]) -> Result<Self, RequestError> {
        let host = host.into();
        if Authority::parse(host.as_bytes()).is_none() {
            return Err(RequestError::Host(host));
        }
        let upgrade = Some((host, SecKey::from_nonce(nonce)));
        Ok(Self { upgrade, subprotocols: Vec::new(), extensions: Vec::new() })
    }

    /// Creates a handshake by extended CONNECT on HTTP/2 or HTTP/3 (RFC 8441 §5, RFC 9220 §3).
    ///
    /// The server must have sent `SETTINGS_ENABLE_CONNECT_PROTOCOL` (RFC 8441 §3). The caller
    /// supplies the pseudo-header fields: [`method`](Self::method), [`protocol`](Self::protocol),
    /// `:scheme`, `:authority` and `:path`.
    pub const fn extended() -> Self {
        Self { upgrade: None, subprotocols: Vec::new(), extensions: Vec::new() }
    }

    /// Offers a subprotocol, with a lower preference than those added before
    /// (RFC 6455 §4.1 item 10).
    ///
    /// # Errors
    /// If the name is not a token, or was added before.
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

    /// Offers an extension, with a lower preference than those added before (RFC 6455 §9.1).
    #[must_use]
    pub fn with_extension(mut self, extension: Extension) -> Self {
        self.extensions.push(extension);
        self
    }

    /// Returns the method of the request: `GET`, or `CONNECT` on a stream.
    pub const fn method(&self) -> &'static str {
        if self.upgrade.is_some() { "GET" } else { "CONNECT" }
    }

    /// Returns the value of `:protocol`, which only a request on a stream has (RFC 8441 §5).
    pub const fn protocol(&self) -> Option<&'static str> {
        if self.upgrade.is_some() { None } else { Some(WEBSOCKET) }
    }

    /// Returns the header fields of the request. Names are in title case, as some HTTP/1.1 peers
    /// require it.
    ///
    /// The user may add other fields, except those that [are protected](is_protected).
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::with_capacity(7);
        if let Some((host, key)) = &self.upgrade {
            // RFC 6455 §4.1 items 4 to 7. A stream does not have them (RFC 8441 §5).
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

    /// Validates the response (RFC 6455 §4.1, "client MUST validate").
    ///
    /// Skip [interim](is_interim) responses first.
    ///
    /// # Errors
    /// [`ResponseError::Status`] if the server did not open a WebSocket. Any other error fails the
    /// connection: close it without sending anything more.
    pub fn check<'h>(
        &self,
        status: u16,
        headers: impl HeaderSource<'h>,
    ) -> Result<Negotiated, ResponseError> {
        match &self.upgrade {
            Some((_, key)) => check_upgrade(key, status, headers)?,
            // Any 2xx status opens the tunnel (RFC 9110 §9.3.6, RFC 8441 §5).
            None if !(200..300).contains(&status) => return Err(ResponseError::Status(status)),
            None => {}
        }
        Ok(Negotiated {
            extensions: self.negotiated_extensions(headers)?,
            subprotocol: self.negotiated_subprotocol(headers)?,
        })
    }

    /// Returns the negotiated extensions (RFC 6455 §4.1, response item 5).
    ///
    /// Only names are compared. Whether the parameters are a valid response to the offer is for
    /// the extension to check (§9.1).
    fn negotiated_extensions<'h>(
        &self,
        headers: impl HeaderSource<'h>,
    ) -> Result<Vec<Extension>, ResponseError> {
        let extensions = parse_extensions(headers.values(names::EXTENSIONS))
            .map_err(ResponseError::Extensions)?;
        let is_offered = |name: &str| self.extensions.iter().any(|other| other.name() == name);
        match extensions.iter().find(|extension| !is_offered(extension.name())) {
            Some(extension) => Err(ResponseError::ExtensionNotOffered(extension.name().into())),
            None => Ok(extensions),
        }
    }

    /// Returns the negotiated subprotocol (RFC 6455 §4.1, response item 6). The server names at
    /// most one (§4.3, `Sec-WebSocket-Protocol-Server`).
    fn negotiated_subprotocol<'h>(
        &self,
        headers: impl HeaderSource<'h>,
    ) -> Result<Option<String>, ResponseError> {
        let value = match at_most_one(headers, names::SUBPROTOCOL) {
            AtMostOne::Missing => return Ok(None),
            AtMostOne::Repeated => return Err(ResponseError::SubprotocolRepeated),
            AtMostOne::One(value) => value,
        };
        match str::from_utf8(value) {
            Ok(name) if is_token(value) => {
                let offered = self.subprotocols.iter().find(|offered| *offered == name);
                let offered =
                    offered.ok_or_else(|| ResponseError::SubprotocolNotOffered(name.into()))?;
                Ok(Some(offered.clone()))
            }
            _ if list([value].into_iter()).nth(1).is_some() => {
                Err(ResponseError::SubprotocolRepeated)
            }
            _ => Err(ResponseError::SubprotocolInvalid),
        }
    }
}

/// The outcome of a handshake: what both sides use on the connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Negotiated {
    /// The subprotocol that the server chose.
    pub subprotocol: Option<String>,
    /// The extensions in use, in the order in which they process data (RFC 6455 §9.1).
    pub extensions: Vec<Extension>,
}

/// Returns whether `status` is that of an interim response, such as 103 Early Hints
/// (RFC 9110 §15.2), which another response follows.
///
/// 101 is the final response to its request.
pub const fn is_interim(status: u16) -> bool {
    matches!(status, 100 | 102..=199)
}

/// The error of a request that would not be a valid handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestError {
    /// The host is not `host [":" port]` (RFC 9110 §7.2).
    Host(
        /// The invalid host.
        String,
    ),
    /// A subprotocol is not a token (RFC 6455 §4.1 item 10).
    SubprotocolInvalid(
        /// Its name.
        String,
    ),
    /// A subprotocol is offered twice (RFC 6455 §4.1 item 10).
    SubprotocolRepeated(
        /// Its name.
        String,
    ),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(f, "{host:?} is not a valid Host (RFC 9110 §7.2)"),
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

/// The rule that a response to a handshake broke.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseError {
    /// The server did not open a WebSocket. The caller decides how to react to the status.
    Status(
        /// The status code.
        u16,
    ),
    /// `Upgrade` is missing or not `websocket`.
    Upgrade,
    /// `Connection` does not list `Upgrade`.
    Connection,
    /// `Sec-WebSocket-Accept` is missing.
    AcceptMissing,
    /// More than one `Sec-WebSocket-Accept` field.
    AcceptRepeated,
    /// `Sec-WebSocket-Accept` does not match the key, as in a cached response.
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
                    "the server responded with status {status} (RFC 6455 §4.1 response item 1)"
                )
            }
            Self::Upgrade => {
                f.write_str("Upgrade is not websocket (RFC 6455 §4.1 response item 2)")
            }
            Self::Connection => {
                f.write_str("Connection does not list Upgrade (RFC 6455 §4.1 response item 3)")
            }
            Self::AcceptMissing => {
                f.write_str("missing Sec-WebSocket-Accept (RFC 6455 §4.1 response item 4)")
            }
            Self::AcceptRepeated => {
                f.write_str("more than one Sec-WebSocket-Accept (RFC 6455 §11.3.3)")
            }
            Self::AcceptMismatch => f.write_str(
                "Sec-WebSocket-Accept does not match the key (RFC 6455 §4.1 response item 4)",
            ),
            Self::Extensions(error) => error.fmt(f),
            Self::ExtensionNotOffered(name) => {
                write!(f, "the extension {name:?} was not offered (RFC 6455 §4.1 response item 5)")
            }
            Self::SubprotocolInvalid => {
                f.write_str("Sec-WebSocket-Protocol is not a token (RFC 6455 §4.2.2 item 4)")
            }
            Self::SubprotocolRepeated => {
                f.write_str("the server chose several subprotocols (RFC 6455 §11.3.4)")
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
    // Item 2: the value is `websocket`, not a list that contains it.
    if !is_upgrade_to_websocket(headers) {
        return Err(ResponseError::Upgrade);
    }
    // Item 3.
    if !lists_upgrade(headers) {
        return Err(ResponseError::Connection);
    }
    // Item 4. Fields of a 101 that announce content are ignored: such a response always ends with
    // its head (RFC 9112 §6.3), so there is only one way to read it.
    match at_most_one(headers, names::ACCEPT) {
        AtMostOne::Missing => Err(ResponseError::AcceptMissing),
        AtMostOne::Repeated => Err(ResponseError::AcceptRepeated),
        AtMostOne::One(value) if key.accept().matches(value) => Ok(()),
        AtMostOne::One(_) => Err(ResponseError::AcceptMismatch),
    }
}
