//! Permits of connections, which a server counts, and of the WebSockets on shared connections.

#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
pub(crate) use self::multiplexed::MultiplexedPermit;
use crate::server::state::connection_limit::Permit;

/// The permit of a connection, which its WebSockets hold too.
#[derive(Debug)]
pub(crate) enum ConnectionPermit {
    /// The permit of the limiter, for a connection.
    Connection(Permit),
    /// The permit of a WebSocket that shares its connection. Boxed, as most have none.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    Stream(#[allow(dead_code, reason = "held until it is dropped")] Box<multiplexed::StreamPermit>),
}

#[allow(clippy::unnecessary_wraps, reason = "as with shared connections")]
impl ConnectionPermit {
    /// The permit of the limiter, if it is a connection's.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    fn limiter_permit(&self) -> Option<&Permit> {
        match self {
            Self::Connection(permit) => Some(permit),
            Self::Stream(_) => None,
        }
    }

    /// The permit of the limiter, if it is a connection's, to count that for another address.
    pub(crate) fn limiter_permit_mut(&mut self) -> Option<&mut Permit> {
        match self {
            Self::Connection(permit) => Some(permit),
            #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
            Self::Stream(_) => None,
        }
    }
}

#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
mod multiplexed {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::ConnectionPermit;
    use crate::server::policy::peer::PeerAddr;
    use crate::server::state::connection_limit::{ConnectionLimiter, IpPermit, LimitReached};

    /// The permit of a connection that carries more than one request, perhaps of several
    /// clients. Clones share it.
    ///
    /// Each WebSocket on it counts for its client as a connection would. If that is also the one
    /// that the connection counts for, the first is counted by it, so that a client with one
    /// WebSocket counts as one whatever carries it.
    #[derive(Clone, Debug)]
    pub(crate) struct MultiplexedPermit(Arc<MultiplexedShared>);

    #[derive(Debug)]
    struct MultiplexedShared {
        permit: Arc<ConnectionPermit>,
        /// Whether a WebSocket is counted by the connection's own permit.
        lent: AtomicBool,
    }

    /// The permit of a WebSocket on such a connection.
    #[derive(Debug)]
    pub(crate) struct StreamPermit {
        connection: MultiplexedPermit,
        /// `None` where it is counted by the connection's own permit.
        claim: Option<IpPermit>,
    }

    impl MultiplexedPermit {
        pub(crate) fn new(permit: Arc<ConnectionPermit>) -> Self {
            Self(Arc::new(MultiplexedShared { permit, lent: AtomicBool::new(false) }))
        }

        /// The connection's own permit.
        pub(crate) fn permit(&self) -> &Arc<ConnectionPermit> {
            &self.0.permit
        }

        /// Counts a WebSocket for its client, and returns its permit: a new one, or the
        /// connection's where there is no limit.
        pub(crate) fn permit_for(
            &self,
            client: &PeerAddr,
            limiter: &ConnectionLimiter,
        ) -> Result<Arc<ConnectionPermit>, LimitReached> {
            let is_its_own =
                self.permit().limiter_permit().is_some_and(|permit| permit.is_for(client));
            let claim = if is_its_own && !self.0.lent.swap(true, Ordering::AcqRel) {
                None
            } else {
                match limiter.claim(client)? {
                    None => return Ok(self.permit().clone()),
                    claim => claim,
                }
            };
            let permit = StreamPermit { connection: self.clone(), claim };
            Ok(Arc::new(ConnectionPermit::Stream(Box::new(permit))))
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
    fn connection_permit_is_no_larger_than_the_limiters() {
        assert_eq!(size_of::<ConnectionPermit>(), size_of::<Permit>());
    }
}
