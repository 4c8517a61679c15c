//! The server's side: reading the request (RFC 6455 §4.2.1, RFC 8441 §5).

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

/// How many subprotocols one request may offer: 64.
pub const MAX_SUBPROTOCOLS: usize = 64;

/// What carries the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpCarrier<'h> {
    /// A connection of HTTP/1.x, which an upgrade would take over.
    Http1 {
        /// The digit behind `HTTP/1.`.
        minor: u8,
    },
    /// A stream of HTTP/2 or HTTP/3, which an extended CONNECT would take over.
    Stream {
        /// `:protocol`; an ordinary request has none (RFC 8441 §4).
        protocol: Option<&'h str>,
    },
}

/// A request as the handshake rules see it.
#[derive(Clone, Copy, Debug)]
pub struct HandshakeRequest<'h, H> {
    /// The method; its case matters.
    pub method: &'h str,
    /// What carries it.
    pub carrier: HttpCarrier<'h>,
    /// `:authority`, or the authority of a target in absolute-form.
    pub authority: Option<&'h str>,
    /// The header fields.
    pub headers: H,
}

impl<'h, H: HeaderSource<'h>> HandshakeRequest<'h, H> {
    /// Whether the request asks for a WebSocket, however badly.
    ///
    /// A server that also serves pages asks this first: `false` is plain HTTP, or an upgrade to
    /// something else. `true` goes to [`offer`](Self::offer), which either takes the request or
    /// says what is wrong with it.
    ///
    /// Any `Sec-WebSocket-*` request field counts, since a proxy that does not pass `Upgrade` on
    /// passes those; the client is better served by the reason than by a page.
    pub fn is_websocket(&self) -> bool {
        self.is_websocket_by(&self.found())
    }

    /// Checks the request against RFC 6455 §4.2.1, or RFC 8441 §5 on a stream.
    ///
    /// The refusal is ready to be sent. Which `Origin`s and hosts are welcome is not decided here.
    pub fn offer(&self) -> Result<ClientOffer<'h>, RejectResponse> {
        let found = self.found();
        self.offer_by(&found, self.one_host(&found))
    }

    /// All three of [`is_websocket`](Self::is_websocket), [`host`](Self::host) and
    /// [`offer`](Self::offer), by one look at the header fields.
    pub fn judge(&self) -> Inspection<'h> {
        let found = self.found();
        let host = self.one_host(&found);
        Inspection {
            is_websocket: self.is_websocket_by(&found),
            offer: self.offer_by(&found, host.clone()),
            host: self.host_by(&found, host),
        }
    }

    /// The host that the request is for, whatever it asks for: also an ordinary request has one
    /// (RFC 9110 §7.2, RFC 9112 §3.2, RFC 9113 §8.3.1). Only HTTP/1.0 does without.
    pub fn host(&self) -> Result<Option<&'h str>, RejectResponse> {
        let found = self.found();
        self.host_by(&found, self.one_host(&found))
    }

    fn host_by(
        &self,
        found: &HandshakeFields<'h>,
        host: Result<&'h str, HandshakeError>,
    ) -> Result<Option<&'h str>, RejectResponse> {
        match host {
            Err(HandshakeError::HostMissing)
                if self.carrier == (HttpCarrier::Http1 { minor: 0 }) =>
            {
                Ok(None)
            }
            Ok(host) => Ok(Some(host)),
            Err(reason) => Err(RejectResponse::of_request(reason, self.carrier, found)),
        }
    }

    fn offer_by(
        &self,
        found: &HandshakeFields<'h>,
        host: Result<&'h str, HandshakeError>,
    ) -> Result<ClientOffer<'h>, RejectResponse> {
        let checked = self.check(found, host);
        checked.map_err(|reason| RejectResponse::of_request(reason, self.carrier, found))
    }

    fn found(&self) -> HandshakeFields<'h> {
        HandshakeFields::among(self.headers)
    }

    fn is_websocket_by(&self, found: &HandshakeFields<'h>) -> bool {
        match self.carrier {
            HttpCarrier::Stream { protocol } => protocol.is_some_and(is_websocket),
            HttpCarrier::Http1 { .. } => found.upgrades || found.has_own(),
        }
    }

    fn check(
        &self,
        found: &HandshakeFields<'h>,
        host: Result<&'h str, HandshakeError>,
    ) -> Result<ClientOffer<'h>, HandshakeError> {
        self.check_kind(found)?;
        self.check_method()?;
        if found.announces_body() {
            return Err(HandshakeError::BodyAnnounced);
        }
        let host = host?;
        self.check_upgrade(found)?;
        check_version(found)?;
        Ok(ClientOffer {
            carrier: self.carrier,
            proof: self.proof(found)?,
            host,
            origin: origin(found)?,
            subprotocols: self.subprotocols(found)?,
            extensions: self.extensions(found)?,
        })
    }

    fn check_kind(&self, found: &HandshakeFields<'h>) -> Result<(), HandshakeError> {
        match self.carrier {
            // RFC 9220 §3: a `:protocol` that is not supported.
            HttpCarrier::Stream { protocol: Some(protocol) } if !is_websocket(protocol) => {
                Err(HandshakeError::UnknownProtocol)
            }
            _ if !self.is_websocket_by(found) => Err(HandshakeError::NotWebSocket),
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

    /// The authority that the request is for.
    fn one_host(&self, found: &HandshakeFields<'h>) -> Result<&'h str, HandshakeError> {
        let field = match found.host {
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
            // RFC 9112 §3.2: an HTTP/1.1 request without `Host` MUST be refused ...
            (HttpCarrier::Http1 { .. }, _, None) | (_, None, None) => {
                Err(HandshakeError::HostMissing)
            }
            // ... but the authority of an absolute-form wins over it (§3.2.2).
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

    fn check_upgrade(&self, found: &HandshakeFields<'h>) -> Result<(), HandshakeError> {
        if matches!(self.carrier, HttpCarrier::Stream { .. }) {
            // `:protocol` stands for both (RFC 8441 §5).
            return Ok(());
        }
        // RFC 6455 §4.2.1 item 3.
        if !found.upgrades {
            return Err(HandshakeError::UpgradeMissing);
        }
        // Item 4.
        if !found.connection_upgrades {
            return Err(HandshakeError::ConnectionMissing);
        }
        Ok(())
    }

    fn proof(&self, found: &HandshakeFields<'h>) -> Result<Proof, HandshakeError> {
        if matches!(self.carrier, HttpCarrier::Stream { .. }) {
            // RFC 8441 §5: a key is not asked for, and nothing is wrong with one.
            let key = match found.key {
                AtMostOne::One(value) => SecKey::parse(value).ok(),
                AtMostOne::Missing | AtMostOne::Repeated => None,
            };
            return Ok(Proof::Stream(key.map(|key| key.accept())));
        }
        // RFC 6455 §4.2.1 item 5; §11.3.1: the field MUST NOT appear more than once.
        match found.key {
            AtMostOne::Missing => Err(HandshakeError::KeyMissing),
            AtMostOne::Repeated => Err(HandshakeError::KeyRepeated),
            AtMostOne::One(value) => {
                let key = SecKey::parse(value).map_err(|_| HandshakeError::KeyInvalid)?;
                Ok(Proof::Upgrade(key.accept()))
            }
        }
    }

    /// RFC 6455 §4.1 item 10: non-empty tokens, all of them different.
    fn subprotocols(&self, found: &HandshakeFields<'h>) -> Result<Vec<&'h str>, HandshakeError> {
        if !found.has_protocol {
            return Ok(Vec::new());
        }
        let mut offered: Vec<&'h str> = Vec::new();
        for element in list(self.headers.values(names::PROTOCOL)) {
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
        // `1#token`: a field that is there names something.
        if offered.is_empty() {
            return Err(HandshakeError::SubprotocolInvalid);
        }
        Ok(offered)
    }

    fn extensions(&self, found: &HandshakeFields<'h>) -> Result<Vec<Extension>, HandshakeError> {
        if !found.has_extensions {
            return Ok(Vec::new());
        }
        parse_extensions(self.headers.values(names::EXTENSIONS)).map_err(HandshakeError::Extensions)
    }
}

/// RFC 6455 §4.2.1 item 6.
///
/// A client names one version (§4.3): `8, 13` is refused although 13 is in it. The answer
/// would not say which of the two the connection speaks. The refusal names 13, so a client
/// that has it can come back (§4.4).
fn check_version(found: &HandshakeFields<'_>) -> Result<(), HandshakeError> {
    match found.version {
        AtMostOne::Missing => Err(HandshakeError::VersionMissing),
        AtMostOne::One(b"13") => Ok(()),
        AtMostOne::One(_) | AtMostOne::Repeated => Err(HandshakeError::VersionUnsupported),
    }
}

/// RFC 6455 §4.2.1 item 7.
fn origin<'h>(found: &HandshakeFields<'h>) -> Result<Option<&'h str>, HandshakeError> {
    match found.origin {
        AtMostOne::Missing => Ok(None),
        AtMostOne::Repeated => Err(HandshakeError::OriginInvalid),
        // The serialization is ASCII (RFC 6454 §7.1); spaces part the origins of a list.
        AtMostOne::One(value) => match str::from_utf8(value) {
            Ok(origin) if is_origin_text(origin) => Ok(Some(origin)),
            _ => Err(HandshakeError::OriginInvalid),
        },
    }
}

/// What the rules say of a request.
#[derive(Clone, Debug)]
pub struct Inspection<'h> {
    /// As [`HandshakeRequest::is_websocket`].
    pub is_websocket: bool,
    /// As [`HandshakeRequest::host`].
    pub host: Result<Option<&'h str>, RejectResponse>,
    /// As [`HandshakeRequest::offer`].
    pub offer: Result<ClientOffer<'h>, RejectResponse>,
}

/// A valid request to open a WebSocket, to be accepted or refused.
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
    /// The authority asked for, `host [":" port]`.
    ///
    /// It is whatever the client wrote. A server that only local pages may reach compares it with
    /// its own names, lest a rebound DNS name get in.
    pub fn host(&self) -> &'h str {
        self.host
    }

    /// The `Origin`, which browsers always send (RFC 6455 §10.2). It may be `null`.
    pub fn origin(&self) -> Option<&'h str> {
        self.origin
    }

    /// The subprotocols in the client's order of preference.
    pub fn subprotocols(&self) -> &[&'h str] {
        &self.subprotocols
    }

    /// The extensions in the client's order of preference; one name may stand several times.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// The subprotocol that the client likes best among those supported.
    pub fn client_choice<S: AsRef<str>>(&self, supported: &[S]) -> Option<&'h str> {
        let is_supported = |name: &str| supported.iter().any(|other| other.as_ref() == name);
        self.subprotocols.iter().copied().find(|name| is_supported(name))
    }

    /// The subprotocol that stands first in `supported` among those offered.
    pub fn server_choice<S: AsRef<str>>(&self, supported: &[S]) -> Option<&'h str> {
        supported.iter().find_map(|name| {
            self.subprotocols.iter().copied().find(|offered| *offered == name.as_ref())
        })
    }

    /// Accepts, with one of the offered subprotocols or none, and with extensions whose names
    /// were offered.
    ///
    /// Naming anything else is a mistake of the caller's (RFC 6455 §4.2.2 item 4).
    pub fn accept(
        &self,
        subprotocol: Option<&str>,
        extensions: Vec<Extension>,
    ) -> Result<AcceptResponse, NotOffered> {
        let subprotocols = self.subprotocols.iter().copied();
        AcceptResponse::new(self.proof, subprotocols, &self.extensions, subprotocol, extensions)
    }

    /// Refuses, for instance with [`HandshakeError::OriginRefused`] (RFC 6455 §10.2).
    pub fn refuse(&self, reason: HandshakeError) -> RejectResponse {
        RejectResponse::new(reason, self.carrier)
    }
}

pub(super) const WEBSOCKET: &str = "websocket";

fn is_websocket(protocol: &str) -> bool {
    // Upgrade tokens match case-insensitively (RFC 9110 §7.8).
    trim_ows(protocol.as_bytes()).eq_ignore_ascii_case(WEBSOCKET.as_bytes())
}

fn is_origin_text(origin: &str) -> bool {
    !origin.is_empty() && origin.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}
