//! Permits of connections, which a server counts, and of the WebSockets on shared connections.

#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
pub(crate) use self::multiplexed::MultiplexedPermit;
use crate::server::state::connection_limit::Permit;

/// The permit of a connection, which its WebSockets hold too.
#[derive(Debug)]
pub(crate) enum ConnectionPermit {
    /// The permit of the limiter.
    Connection(Permit),
    /// The permit of a WebSocket that shares its connection. Boxed, as most have none.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    Stream(#[allow(dead_code, reason = "held until it is dropped")] Box<multiplexed::StreamPermit>),
}

#[allow(clippy::unnecessary_wraps, reason = "without HTTP/2 and 3 there is one variant")]
impl ConnectionPermit {
    /// Returns the limiter's permit, if this is the permit of a connection.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    fn limiter_permit(&self) -> Option<&Permit> {
        match self {
            Self::Connection(permit) => Some(permit),
            Self::Stream(_) => None,
        }
    }

    /// Returns the limiter's permit, to count the connection for another address.
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
    /// Each WebSocket on the connection counts for its client as a connection would. The first
    /// WebSocket of the client that the connection counts for is covered by the connection's own
    /// permit, so that a client with one WebSocket counts as one on any version of HTTP.
    #[derive(Clone, Debug)]
    pub(crate) struct MultiplexedPermit(Arc<MultiplexedShared>);

    #[derive(Debug)]
    struct MultiplexedShared {
        permit: Arc<ConnectionPermit>,
        /// Whether a WebSocket is covered by the connection's own permit.
        covers_stream: AtomicBool,
    }

    /// The permit of a WebSocket on a shared connection.
    #[derive(Debug)]
    pub(crate) struct StreamPermit {
        connection: MultiplexedPermit,
        /// `None` if the connection's own permit covers the WebSocket.
        ip_permit: Option<IpPermit>,
    }

    impl MultiplexedPermit {
        pub(crate) fn new(permit: Arc<ConnectionPermit>) -> Self {
            Self(Arc::new(MultiplexedShared { permit, covers_stream: AtomicBool::new(false) }))
        }

        /// Returns the permit of the connection itself.
        pub(crate) fn permit(&self) -> &Arc<ConnectionPermit> {
            &self.0.permit
        }

        /// Counts a WebSocket for its client, and returns its permit: a new one, or the
        /// connection's if addresses are not limited.
        pub(crate) fn permit_for(
            &self,
            client: &PeerAddr,
            limiter: &ConnectionLimiter,
        ) -> Result<Arc<ConnectionPermit>, LimitReached> {
            let is_own_client =
                self.permit().limiter_permit().is_some_and(|permit| permit.is_for(client));
            let ip_permit = if is_own_client && !self.0.covers_stream.swap(true, Ordering::AcqRel) {
                None
            } else {
                match limiter.try_acquire_ip(client)? {
                    None => return Ok(self.permit().clone()),
                    ip_permit => ip_permit,
                }
            };
            let permit = StreamPermit { connection: self.clone(), ip_permit };
            Ok(Arc::new(ConnectionPermit::Stream(Box::new(permit))))
        }
    }

    impl Drop for StreamPermit {
        fn drop(&mut self) {
            if self.ip_permit.is_none() {
                self.connection.0.covers_stream.store(false, Ordering::Release);
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
