//! The response that opens the connection (RFC 6455 §4.2.2 item 5, RFC 8441 §5).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::handshake::extension::{Extension, join};
use crate::handshake::key::AcceptValue;

/// The response that accepts a [`ClientOffer`](super::ClientOffer).
///
/// The handshake needs only [`status`](Self::status) and [`headers`](Self::headers). Other fields,
/// such as cookies, may be added. The connection is open once the response is sent.
#[derive(Clone, Debug)]
pub struct AcceptResponse {
    proof: Proof,
    subprotocol: Option<String>,
    extensions: Vec<Extension>,
    /// The extensions, written as a header value.
    extension_list: String,
}

/// The proof that the server understood the request, which depends on what carries it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Proof {
    /// The upgrade of an HTTP/1.1 connection (RFC 6455 §4.2.2 item 5).
    Upgrade(AcceptValue),
    /// A stream of HTTP/2 or HTTP/3, where the status is enough (RFC 8441 §5). If the client sends
    /// a key nevertheless, the response has the accept value: a gateway that forwards a handshake
    /// of HTTP/1.1 does not compute one, and its client would fail without it.
    Stream(Option<AcceptValue>),
}

impl AcceptResponse {
    pub(super) fn new<'a>(
        proof: Proof,
        mut offered_subprotocols: impl Iterator<Item = &'a str>,
        offered_extensions: &[Extension],
        subprotocol: Option<&str>,
        extensions: Vec<Extension>,
    ) -> Result<Self, NotOffered> {
        // RFC 6455 §4.2.2 item 4, /subprotocol/: one of the client's, or null.
        if let Some(name) = subprotocol
            && !offered_subprotocols.any(|offered| offered == name)
        {
            return Err(NotOffered::Subprotocol(name.into()));
        }
        // Same place, /extensions/: those not listed by the client MUST NOT be listed.
        let is_offered = |name: &str| offered_extensions.iter().any(|other| other.name() == name);
        if let Some(extension) = extensions.iter().find(|extension| !is_offered(extension.name())) {
            return Err(NotOffered::Extension(extension.name().into()));
        }
        Ok(Self {
            proof,
            subprotocol: subprotocol.map(String::from),
            extension_list: join(&extensions),
            extensions,
        })
    }

    /// Returns the status code: 101 on HTTP/1.1, and 200 on a stream, where 101 does not exist
    /// (RFC 9113 §8.6).
    pub fn status(&self) -> u16 {
        match self.proof {
            Proof::Upgrade(_) => 101,
            Proof::Stream(_) => 200,
        }
    }

    /// Returns the reason phrase for HTTP/1.1.
    pub fn reason_phrase(&self) -> &'static str {
        match self.proof {
            Proof::Upgrade(_) => "Switching Protocols",
            Proof::Stream(_) => "OK",
        }
    }

    /// Returns the header fields. Names are in title case, as some HTTP/1.1 peers require it.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        // RFC 6455 §4.2.2 items 5.2 to 5.6. The first two are for HTTP/1.1 only (RFC 8441 §5).
        let (upgrades, accept) = match &self.proof {
            Proof::Upgrade(accept) => (true, Some(accept)),
            Proof::Stream(accept) => (false, accept.as_ref()),
        };
        let upgrade = upgrades.then_some([("Upgrade", "websocket"), ("Connection", "Upgrade")]);
        let subprotocol = self.subprotocol.as_deref();
        let extensions = Some(self.extension_list.as_str()).filter(|list| !list.is_empty());
        upgrade
            .into_iter()
            .flatten()
            .chain(accept.map(|accept| ("Sec-WebSocket-Accept", accept.as_str())))
            .chain(subprotocol.map(|name| ("Sec-WebSocket-Protocol", name)))
            .chain(extensions.map(|list| ("Sec-WebSocket-Extensions", list)))
    }

    /// Returns the subprotocol in use.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Returns the extensions in use, in the order in which they process data (RFC 6455 §9.1).
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }
}

/// The error of a response that would name something the client did not offer
/// (RFC 6455 §4.2.2 item 4). The client would fail the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotOffered {
    /// The client did not offer this subprotocol.
    Subprotocol(
        /// Its name.
        String,
    ),
    /// The client did not offer this extension.
    Extension(
        /// Its name.
        String,
    ),
}

impl fmt::Display for NotOffered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, name) = match self {
            Self::Subprotocol(name) => ("subprotocol", name),
            Self::Extension(name) => ("extension", name),
        };
        write!(f, "the client did not offer the {what} {name:?} (RFC 6455 §4.2.2 item 4)")
    }
}

impl core::error::Error for NotOffered {}
