//! What a connection takes up of a server.

#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
use crate::server::state::carrying::StreamPermit;
use crate::server::state::connection_limit::Permit;

/// What a connection takes up of a server; its WebSockets hold it too.
#[derive(Debug)]
pub(crate) enum Place {
    /// The slot of a connection.
    Connection(Permit),
    /// What a WebSocket has of a connection that carries more than it. Boxed, as most have none.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    Carried(#[allow(dead_code, reason = "held until it is dropped")] Box<StreamPermit>),
}

#[allow(clippy::unnecessary_wraps, reason = "as with connections that carry more")]
impl Place {
    /// The slot, if it is a connection's.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    pub(crate) fn slot(&self) -> Option<&Permit> {
        match self {
            Self::Connection(slot) => Some(slot),
            Self::Carried(_) => None,
        }
    }

    /// The slot, if it is a connection's, to count it for another address.
    pub(crate) fn slot_mut(&mut self) -> Option<&mut Permit> {
        match self {
            Self::Connection(slot) => Some(slot),
            #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
            Self::Carried(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_takes_no_more_than_its_slot() {
        assert_eq!(size_of::<Place>(), size_of::<Permit>());
    }
}
