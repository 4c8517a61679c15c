//! What connections take up of a server, and WebSockets on connections that carry several.

#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
pub(crate) use self::carrying::MultiplexedPermit;
use crate::server::state::connection_limit::Permit;

/// What a connection takes up of a server; its WebSockets hold it too.
#[derive(Debug)]
pub(crate) enum Place {
    /// The slot of a connection.
    Connection(Permit),
    /// What a WebSocket has of a connection that carries more than it. Boxed, as most have none.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    Carried(#[allow(dead_code, reason = "held until it is dropped")] Box<carrying::StreamPermit>),
}

#[allow(clippy::unnecessary_wraps, reason = "as with connections that carry more")]
impl Place {
    /// The slot, if it is a connection's.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    fn slot(&self) -> Option<&Permit> {
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

#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
mod carrying {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::Place;
    use crate::server::policy::peer::PeerAddr;
    use crate::server::state::connection_limit::{ConnectionLimiter, IpPermit, LimitReached};

    /// A connection that carries more than one request, perhaps of several clients. Clones are
    /// of the same.
    ///
    /// Each WebSocket on it counts for its client as a connection would. If that is also the one
    /// that the connection counts for, the first is counted by it, so that a client with one
    /// WebSocket counts as one whatever carries it.
    #[derive(Clone, Debug)]
    pub(crate) struct MultiplexedPermit(Arc<MultiplexedShared>);

    #[derive(Debug)]
    struct MultiplexedShared {
        place: Arc<Place>,
        /// Whether a WebSocket is counted by the connection's own slot.
        lent: AtomicBool,
    }

    /// What a WebSocket on such a connection holds.
    #[derive(Debug)]
    pub(crate) struct StreamPermit {
        connection: MultiplexedPermit,
        /// None where it is counted by the connection's own slot.
        claim: Option<IpPermit>,
    }

    impl MultiplexedPermit {
        pub(crate) fn new(place: Arc<Place>) -> Self {
            Self(Arc::new(MultiplexedShared { place, lent: AtomicBool::new(false) }))
        }

        /// The connection's own.
        pub(crate) fn place(&self) -> &Arc<Place> {
            &self.0.place
        }

        /// Counts a WebSocket for its client, and returns its place: one of its own, or the
        /// connection's where there is no limit.
        pub(crate) fn place_for(
            &self,
            client: &PeerAddr,
            slots: &ConnectionLimiter,
        ) -> Result<Arc<Place>, LimitReached> {
            let is_its_own = self.place().slot().is_some_and(|slot| slot.is_for(client));
            let claim = if is_its_own && !self.0.lent.swap(true, Ordering::AcqRel) {
                None
            } else {
                match slots.claim(client)? {
                    None => return Ok(self.place().clone()),
                    claim => claim,
                }
            };
            let carried = StreamPermit { connection: self.clone(), claim };
            Ok(Arc::new(Place::Carried(Box::new(carried))))
        }
    }

    impl Drop for StreamPermit {
        fn drop(&mut self) {
            if self.claim.is_none() {
                self.connection.0.lent.store(false, Ordering::Release);
            }
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
