//! The server's side: checking the request (RFC 6455 §4.2.1, RFC 8441 §5).

mod accept;
mod fields;
mod owned_offer;
mod reject;

use alloc::vec::Vec;
use core::str;

pub use accept::{AcceptResponse, NotOffered};
pub use owned_offer::OwnedOffer;
pub use reject::{HandshakeError, RejectResponse};

use self::accept::Proof;
use self::fields::HandshakeFields;
use super::authority::Authority;
use super::extension::{Extension, parse_extensions};
use super::grammar::{is_token, list, trim_ows};
use super::headers::{AtMostOne, HeaderSource, names};
use super::key::SecKey;

/// The maximum number of subprotocols that one request may offer: 64.
pub const MAX_SUBPROTOCOLS: usize = 64;

/// The upgrade token of WebSocket, and its value of `:protocol`.
pub(super) const WEBSOCKET: &str = "websocket";

/// What carries a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpCarrier<'h> {
    /// A connection of HTTP/1.x, which becomes the WebSocket connection after an upgrade.
    Http1 {
        /// The minor version: the digit after `HTTP/1.`.
        minor: u8,
    },
    /// A stream of HTTP/2 or HTTP/3, which carries the WebSocket after an extended CONNECT.
    Stream {
        /// The value of `:protocol`. An ordinary request does not have it (RFC 8441 §4).
        protocol: Option<&'h str>,
    },
}

/// The parts of a request that the handshake rules check.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HandshakeRequest<'h, H> {
    /// The method, which is case-sensitive.
    pub method: &'h str,
    /// What carries the request.
    pub carrier: HttpCarrier<'h>,
    /// The value of `:authority`, or the authority of a target in absolute-form.
    pub authority: Option<&'h str>,
    /// The header fields.
    pub headers: H,
}

impl<'h, H: HeaderSource<'h>> HandshakeRequest<'h, H> {
    /// Creates a request of these parts, described at the fields.
    pub const fn new(
        method: &'h str,
        carrier: HttpCarrier<'h>,
        authority: Option<&'h str>,
        headers: H,
    ) -> Self {
        Self { method, carrier, authority, headers }
    }

    /// Returns whether this is a WebSocket request, valid or not.
    ///
    /// A server that also serves pages checks this first. `false` means ordinary HTTP, or an
    /// upgrade to another protocol. `true` means that [`offer`](Self::offer) either accepts the
    /// request or returns what is wrong with it.
    ///
    /// Any `Sec-WebSocket-*` request field is enough. A proxy that drops `Upgrade` still forwards
    /// those, and an error that names the cause helps the client more than a page.
    pub fn is_websocket(&self) -> bool {
        self.is_websocket_with(&self.fields())
    }

    /// Checks the request against RFC 6455 §4.2.1, or RFC 8441 §5 on a stream.
    ///
    /// Whether its origin and host are allowed is for the caller to decide.
    ///
    /// # Errors
    /// The response to send if the request breaks a rule.
    pub fn offer(&self) -> Result<ClientOffer<'h>, RejectResponse> {
        let fields = self.fields();
        self.offer_with(&fields, self.target_host(&fields))
    }

    /// Returns the results of [`is_websocket`](Self::is_websocket), [`host`](Self::host) and
    /// [`offer`](Self::offer), in one pass over the header fields.
    pub fn inspect(&self) -> Inspection<'h> {
        let fields = self.fields();
        let host = self.target_host(&fields);
        Inspection {
            is_websocket: self.is_websocket_with(&fields),
            offer: self.offer_with(&fields, host.clone()),
            host: self.host_with(&fields, host),
        }
    }

    /// Returns the host that the request is for, `host [":" port]`.
    ///
    /// An ordinary request has one too (RFC 9110 §7.2, RFC 9112 §3.2, RFC 9113 §8.3.1). Only a
    /// request of HTTP/1.0 may lack it, which is `None`.
    ///
    /// # Errors
    /// The response to send if the host is missing, invalid or ambiguous.
    pub fn host(&self) -> Result<Option<&'h str>, RejectResponse> {
        let fields = self.fields();
        self.host_with(&fields, self.target_host(&fields))
    }

    fn host_with(
        &self,
        fields: &HandshakeFields<'h>,
        host: Result<&'h str, HandshakeError>,
    ) -> Result<Option<&'h str>, RejectResponse> {
        match host {
            Err(HandshakeError::HostMissing)
                if self.carrier == (HttpCarrier::Http1 { minor: 0 }) =>
            {
                Ok(None)
            }
            Ok(host) => Ok(Some(host)),
            Err(reason) => Err(RejectResponse::for_request(reason, self.carrier, fields)),
        }
    }

    fn offer_with(
        &self,
        fields: &HandshakeFields<'h>,
        host: Result<&'h str, HandshakeError>,
    ) -> Result<ClientOffer<'h>, RejectResponse> {
        let offer = self.check(fields, host);
        offer.map_err(|reason| RejectResponse::for_request(reason, self.carrier, fields))
    }

    fn fields(&self) -> HandshakeFields<'h> {
        HandshakeFields::from_headers(self.headers)
    }

    fn is_websocket_with(&self, fields: &HandshakeFields<'h>) -> bool {
        match self.carrier {
            HttpCarrier::Stream { protocol } => protocol.is_some_and(is_websocket),
            HttpCarrier::Http1 { .. } => {
                fields.upgrade_lists_websocket || fields.has_websocket_fields()
            }
        }
    }

    fn check(
        &self,
        fields: &HandshakeFields<'h>,
        host: Result<&'h str, HandshakeError>,
    ) -> Result<ClientOffer<'h>, HandshakeError> {
        self.check_is_websocket(fields)?;
        self.check_method()?;
        if fields.announces_body() {
            return Err(HandshakeError::BodyAnnounced);
        }
        let host = host?;
        self.check_upgrade(fields)?;
        check_version(fields)?;
        Ok(ClientOffer {
            carrier: self.carrier,
            proof: self.proof(fields)?,
            host,
            origin: origin(fields)?,
            subprotocols: self.subprotocols(fields)?,
            extensions: self.extensions(fields)?,
        })
    }

    fn check_is_websocket(&self, fields: &HandshakeFields<'h>) -> Result<(), HandshakeError> {
        match self.carrier {
            // RFC 9220 §3: a `:protocol` that is not supported.
            HttpCarrier::Stream { protocol: Some(protocol) } if !is_websocket(protocol) => {
                Err(HandshakeError::UnknownProtocol)
            }
            _ if !self.is_websocket_with(fields) => Err(HandshakeError::NotWebSocket),
            // RFC 6455 §4.2.1 item 1; `Upgrade` means nothing in HTTP/1.0 (RFC 9110 §7.8).
            HttpCarrier::Http1 { minor: 0 } => Err(HandshakeError::HttpVersion),
            _ => Ok(()),
        }
    }

    fn check_method(&self) -> Result<(), HandshakeError> {
        // RFC 6455 §4.2.1 item 1; RFC 8441 §4.
        let expected = match self.carrier {
            HttpCarrier::Http1 { .. } => "GET",
            HttpCarrier::Stream { .. } => "CONNECT",
        };
        if self.method == expected { Ok(()) } else { Err(HandshakeError::Method) }
    }

    /// Returns the authority that the request is for.
    fn target_host(&self, fields: &HandshakeFields<'h>) -> Result<&'h str, HandshakeError> {
        let field = match fields.host {
            AtMostOne::One(value) => {
                Some(Authority::parse(value).ok_or(HandshakeError::HostInvalid)?)
            }
            AtMostOne::Repeated => return Err(HandshakeError::HostRepeated),
            AtMostOne::Missing => None,
        };
        let target = match self.authority {
            Some(text) => {
                Some(Authority::parse(text.as_bytes()).ok_or(HandshakeError::HostInvalid)?)
            }
            None => None,
        };
        match (self.carrier, target, field) {
            // RFC 9112 §3.2: an HTTP/1.1 request without `Host` MUST be rejected, ...
            (HttpCarrier::Http1 { .. }, _, None) | (_, None, None) => {
                Err(HandshakeError::HostMissing)
            }
            // ... but the authority of an absolute-form takes precedence over it (§3.2.2).
            (HttpCarrier::Http1 { .. }, Some(target), Some(_)) => Ok(target.text),
            // RFC 9113 §8.3.1: the two must not name different hosts.
            (HttpCarrier::Stream { .. }, Some(target), Some(field))
                if !target.agrees_with(&field) =>
            {
                Err(HandshakeError::HostConflict)
            }
            (_, Some(authority), _) | (_, None, Some(authority)) => Ok(authority.text),
        }
    }

    fn check_upgrade(&self, fields: &HandshakeFields<'h>) -> Result<(), HandshakeError> {
        if matches!(self.carrier, HttpCarrier::Stream { .. }) {
            // `:protocol` replaces `Upgrade` and `Connection` (RFC 8441 §5).
            return Ok(());
        }
        // RFC 6455 §4.2.1 item 3.
        if !fields.upgrade_lists_websocket {
            return Err(HandshakeError::UpgradeMissing);
        }
        // Item 4.
        if !fields.connection_lists_upgrade {
            return Err(HandshakeError::ConnectionMissing);
        }
        Ok(())
    }

    fn proof(&self, fields: &HandshakeFields<'h>) -> Result<Proof, HandshakeError> {
        if matches!(self.carrier, HttpCarrier::Stream { .. }) {
            // RFC 8441 §5: a key is not required, and not an error.
            let key = match fields.key {
                AtMostOne::One(value) => SecKey::parse(value).ok(),
                AtMostOne::Missing | AtMostOne::Repeated => None,
            };
            return Ok(Proof::Stream(key.map(|key| key.accept())));
        }
        // RFC 6455 §4.2.1 item 5; §11.3.1: the field MUST NOT appear more than once.
        match fields.key {
            AtMostOne::Missing => Err(HandshakeError::KeyMissing),
            AtMostOne::Repeated => Err(HandshakeError::KeyRepeated),
            AtMostOne::One(value) => {
                let key = SecKey::parse(value).map_err(|_| HandshakeError::KeyInvalid)?;
                Ok(Proof::Upgrade(key.accept()))
            }
        }
    }

    /// Returns the offered subprotocols: non-empty tokens, all different (RFC 6455 §4.1 item 10).
    fn subprotocols(&self, fields: &HandshakeFields<'h>) -> Result<Vec<&'h str>, HandshakeError> {
        if !fields.has_subprotocols {
            return Ok(Vec::new());
        }
        let mut offered: Vec<&'h str> = Vec::new();
        for element in list(self.headers.values(names::SUBPROTOCOL)) {
            if offered.len() == MAX_SUBPROTOCOLS {
                return Err(HandshakeError::SubprotocolsTooMany);
            }
            let name = str::from_utf8(element)
                .ok()
                .filter(|name| is_token(name.as_bytes()))
                .ok_or(HandshakeError::SubprotocolInvalid)?;
            if offered.contains(&name) {
                return Err(HandshakeError::SubprotocolRepeated);
            }
            offered.push(name);
        }
        // `1#token`: a field that is present names at least one.
        if offered.is_empty() {
            return Err(HandshakeError::SubprotocolInvalid);
        }
        Ok(offered)
    }

    fn extensions(&self, fields: &HandshakeFields<'h>) -> Result<Vec<Extension>, HandshakeError> {
        if !fields.has_extensions {
            return Ok(Vec::new());
        }
        parse_extensions(self.headers.values(names::EXTENSIONS)).map_err(HandshakeError::Extensions)
    }
}

/// Checks the protocol version (RFC 6455 §4.2.1 item 6).
///
/// A client names one version (§4.3). `8, 13` is rejected although it contains 13, as the response
/// could not say which of the two the connection uses. The rejection names 13, so that a client
/// which supports it can try again (§4.4).
fn check_version(fields: &HandshakeFields<'_>) -> Result<(), HandshakeError> {
    match fields.version {
        AtMostOne::Missing => Err(HandshakeError::VersionMissing),
        AtMostOne::One(b"13") => Ok(()),
        AtMostOne::One(_) | AtMostOne::Repeated => Err(HandshakeError::VersionUnsupported),
    }
}

/// Returns the origin of the page that opens the connection (RFC 6455 §4.2.1 item 7).
fn origin<'h>(fields: &HandshakeFields<'h>) -> Result<Option<&'h str>, HandshakeError> {
    match fields.origin {
        AtMostOne::Missing => Ok(None),
        AtMostOne::Repeated => Err(HandshakeError::OriginInvalid),
        // The serialization is ASCII (RFC 6454 §7.1). Spaces separate the origins of a list.
        AtMostOne::One(value) => match str::from_utf8(value) {
            Ok(origin) if is_origin_text(origin) => Ok(Some(origin)),
            _ => Err(HandshakeError::OriginInvalid),
        },
    }
}

/// The result of [`HandshakeRequest::inspect`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Inspection<'h> {
    /// The result of [`HandshakeRequest::is_websocket`].
    pub is_websocket: bool,
    /// The result of [`HandshakeRequest::host`].
    pub host: Result<Option<&'h str>, RejectResponse>,
    /// The result of [`HandshakeRequest::offer`].
    pub offer: Result<ClientOffer<'h>, RejectResponse>,
}

/// A valid request to open a WebSocket, which the server accepts or rejects.
#[derive(Clone, Debug)]
pub struct ClientOffer<'h> {
    carrier: HttpCarrier<'h>,
    proof: Proof,
    host: &'h str,
    origin: Option<&'h str>,
    subprotocols: Vec<&'h str>,
    extensions: Vec<Extension>,
}

impl<'h> ClientOffer<'h> {
    /// Returns the requested authority, `host [":" port]`.
    ///
    /// The client chooses its value. A server that only local pages may reach compares it with its
    /// own names, as protection against DNS rebinding.
    pub fn host(&self) -> &'h str {
        self.host
    }

    /// Returns the value of `Origin`, which browsers always send (RFC 6455 §10.2). It may be the
    /// text `null`.
    pub fn origin(&self) -> Option<&'h str> {
        self.origin
    }

    /// Returns the offered subprotocols, in the client's order of preference.
    pub fn subprotocols(&self) -> &[&'h str] {
        &self.subprotocols
    }

    /// Returns the offered extensions, in the client's order of preference. A name may occur
    /// several times.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// Returns the first offered subprotocol that is in `supported`: the client's preference.
    pub fn client_choice<S: AsRef<str>>(&self, supported: &[S]) -> Option<&'h str> {
        let is_supported = |name: &str| supported.iter().any(|other| other.as_ref() == name);
        self.subprotocols.iter().copied().find(|name| is_supported(name))
    }

    /// Returns the first subprotocol of `supported` that is offered: the server's preference.
    pub fn server_choice<S: AsRef<str>>(&self, supported: &[S]) -> Option<&'h str> {
        supported.iter().find_map(|name| {
            self.subprotocols.iter().copied().find(|offered| *offered == name.as_ref())
        })
    }

    /// Accepts the offer, with an offered subprotocol or none, and with offered extensions.
    ///
    /// # Errors
    /// [`NotOffered`] if the client did not offer the subprotocol, or an extension of that name
    /// (RFC 6455 §4.2.2 item 4).
    pub fn accept(
        &self,
        subprotocol: Option<&str>,
        extensions: Vec<Extension>,
    ) -> Result<AcceptResponse, NotOffered> {
        let subprotocols = self.subprotocols.iter().copied();
        AcceptResponse::new(self.proof, subprotocols, &self.extensions, subprotocol, extensions)
    }

    /// Rejects the offer, for instance with [`HandshakeError::OriginRejected`] (RFC 6455 §10.2).
    pub fn reject(&self, reason: HandshakeError) -> RejectResponse {
        RejectResponse::new(reason, self.carrier)
    }
}

fn is_websocket(protocol: &str) -> bool {
    // Upgrade tokens are compared without regard to case (RFC 9110 §7.8).
    trim_ows(protocol.as_bytes()).eq_ignore_ascii_case(WEBSOCKET.as_bytes())
}

fn is_origin_text(origin: &str) -> bool {
    !origin.is_empty() && origin.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}
