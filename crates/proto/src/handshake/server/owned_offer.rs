//! An offer that does not borrow from its request.

use alloc::string::String;
use alloc::vec::Vec;

use super::accept::Proof;
use super::{AcceptResponse, ClientOffer, NotOffered};
use crate::handshake::extension::Extension;

/// A [`ClientOffer`] that does not borrow from the request, to be accepted later.
#[derive(Clone, Debug)]
pub struct OwnedOffer {
    proof: Proof,
    has_origin: bool,
    subprotocols: Vec<String>,
    extensions: Vec<Extension>,
}

impl OwnedOffer {
    /// Returns whether the request has an `Origin` field. Browsers always send it
    /// (RFC 6455 §10.2).
    pub fn has_origin(&self) -> bool {
        self.has_origin
    }

    /// Returns the offered subprotocols, in the client's order of preference.
    pub fn subprotocols(&self) -> &[String] {
        &self.subprotocols
    }

    /// Returns the offered extensions, in the client's order of preference. A name may occur
    /// several times.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// Accepts the offer, as [`ClientOffer::accept`] does.
    pub fn accept(
        &self,
        subprotocol: Option<&str>,
        extensions: Vec<Extension>,
    ) -> Result<AcceptResponse, NotOffered> {
        let subprotocols = self.subprotocols.iter().map(String::as_str);
        AcceptResponse::new(self.proof, subprotocols, &self.extensions, subprotocol, extensions)
    }
}

impl From<ClientOffer<'_>> for OwnedOffer {
    fn from(offer: ClientOffer<'_>) -> Self {
        Self {
            proof: offer.proof,
            has_origin: offer.origin.is_some(),
            subprotocols: offer.subprotocols.into_iter().map(String::from).collect(),
            extensions: offer.extensions,
        }
    }
}
