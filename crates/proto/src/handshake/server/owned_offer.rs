//! What of an offer is needed to answer it.

use alloc::string::String;
use alloc::vec::Vec;

use super::accept::Proof;
use super::{AcceptResponse, ClientOffer, NotOffered};
use crate::handshake::extension::Extension;

/// An [`ClientOffer`] to be answered later: what it lists, and no longer the request itself.
#[derive(Clone, Debug)]
pub struct OwnedOffer {
    proof: Proof,
    has_origin: bool,
    subprotocols: Vec<String>,
    extensions: Vec<Extension>,
}

impl OwnedOffer {
    /// Whether the request has an `Origin`: where it has none, no web page asks.
    pub fn has_origin(&self) -> bool {
        self.has_origin
    }

    /// The subprotocols in the client's order of preference.
    pub fn subprotocols(&self) -> &[String] {
        &self.subprotocols
    }

    /// The extensions in the client's order of preference; one name may stand several times.
    pub fn extensions(&self) -> &[Extension] {
        &self.extensions
    }

    /// Accepts, as [`ClientOffer::accept`] does.
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
