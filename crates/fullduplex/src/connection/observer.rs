//! What a connection reports to its owner, such as the server that accepted it.

use std::sync::Arc;
use std::time::Duration;

use fullduplex_proto::CloseInfo;

use crate::base::stats::ConnectionStats;

/// An owner of connections, such as a server, which is notified of what happens to them.
pub(crate) trait ConnectionObserver: Send + Sync {
    /// Is called when a keepalive Ping was answered, with the connection locked.
    fn round_trip(&self, took: Duration);
    /// Is called when foreign code that a connection called has panicked.
    fn panicked(&self, what: &'static str);
    /// Is called when the connection with the key of a [`Registration`] has ended.
    fn ended(&self, key: u32, info: Option<&CloseInfo>, traffic: ConnectionStats);
}

/// A [`ConnectionObserver`] behind a pointer of one word: each connection has one, and a
/// `dyn` pointer would take two.
pub(crate) type SharedObserver = Arc<Arc<dyn ConnectionObserver>>;

/// The entry of a connection with its owner: two words.
pub(crate) struct Registration {
    observer: SharedObserver,
    key: u32,
}

impl Registration {
    /// Creates an entry of a connection that `observer` knows by `key`.
    pub(crate) fn new(observer: SharedObserver, key: u32) -> Self {
        Self { observer, key }
    }

    pub(crate) fn observer(&self) -> &SharedObserver {
        &self.observer
    }

    /// Reports to the observer that the connection has ended.
    pub(crate) fn end(self, info: Option<&CloseInfo>, traffic: ConnectionStats) {
        self.observer.ended(self.key, info, traffic);
    }
}

#[cfg(test)]
mod tests {
    use fullduplex_proto::Session;

    use super::*;
    use crate::connection::reader::Reader;
    use crate::connection::writer::Writer;
    use crate::transport::net_stream::NetStream;

    #[test]
    fn registration_fits_into_what_a_connection_has() {
        assert_eq!(size_of::<Option<Registration>>(), 16);
        // Other systems have mutexes of other sizes.
        if cfg!(all(target_os = "linux", target_pointer_width = "64")) {
            assert!(size_of::<Session>() <= 88);
            assert!(size_of::<Writer<NetStream>>() <= 272);
            assert!(size_of::<Reader<NetStream>>() <= 168);
        }
    }
}
