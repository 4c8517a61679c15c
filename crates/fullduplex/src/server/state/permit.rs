//! Permits of connections, which a server counts, and of the requests on them.

#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
pub(crate) use self::multiplexed::MultiplexedPermit;
use crate::server::state::connection_limit::Permit;

/// The permit of a request, which the WebSocket that it opens holds until its end.
#[derive(Debug)]
pub(crate) enum RequestPermit {
    /// The permit of the connection, which has no other request.
    Connection(#[allow(dead_code, reason = "held until it is dropped")] Permit),
    /// The permit of a request that shares its connection. Boxed, as most have none.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    Stream(#[allow(dead_code, reason = "held until it is dropped")] Box<multiplexed::StreamPermit>),
}

#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
mod multiplexed {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::RequestPermit;
    use crate::server::policy::peer::PeerAddr;
    use crate::server::state::connection_limit::{
        ConnectionLimiter, IpPermit, LimitReached, Permit,
    };

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
        permit: Permit,
        /// Whether a WebSocket is covered by the connection's own permit.
        covers_stream: AtomicBool,
    }

    /// The permit of a request on a shared connection.
    #[derive(Debug)]
    pub(crate) struct StreamPermit {
        connection: MultiplexedPermit,
        count: StreamCount,
    }

    /// How a request on a shared connection counts for its client.
    #[derive(Debug)]
    enum StreamCount {
        /// Not at all.
        Uncounted,
        /// The connection's own permit covers it.
        Covered,
        /// By a permit of its own.
        Counted(#[allow(dead_code, reason = "held until it is dropped")] IpPermit),
    }

    impl MultiplexedPermit {
        pub(crate) fn new(permit: Permit) -> Self {
            Self(Arc::new(MultiplexedShared { permit, covers_stream: AtomicBool::new(false) }))
        }

        /// Returns the permit of a request that is not counted for its client.
        pub(crate) fn uncounted(&self) -> RequestPermit {
            self.stream(StreamCount::Uncounted)
        }

        /// Counts a WebSocket for its client, if addresses are limited, and returns its permit.
        pub(crate) fn permit_for(
            &self,
            client: &PeerAddr,
            limiter: &ConnectionLimiter,
        ) -> Result<RequestPermit, LimitReached> {
            let is_own_client = self.0.permit.is_for(client);
            let count = if is_own_client && !self.0.covers_stream.swap(true, Ordering::AcqRel) {
                StreamCount::Covered
            } else {
                limiter.try_acquire_ip(client)?.map_or(StreamCount::Uncounted, StreamCount::Counted)
            };
            Ok(self.stream(count))
        }

        fn stream(&self, count: StreamCount) -> RequestPermit {
            RequestPermit::Stream(Box::new(StreamPermit { connection: self.clone(), count }))
        }
    }

    impl Drop for StreamPermit {
        fn drop(&mut self) {
            if matches!(self.count, StreamCount::Covered) {
                self.connection.0.covers_stream.store(false, Ordering::Release);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_permit_is_no_larger_than_the_limiters() {
        assert_eq!(size_of::<RequestPermit>(), size_of::<Permit>());
    }
}
