//! Connections that carry more than one request, perhaps of several clients, and what their
//! WebSockets are counted for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::server::connection::ServerContext;
use crate::server::handshake::request::{IncomingRequest, RejectionCause};
use crate::server::policy::connect_info::ConnectInfo;
use crate::server::state::connection_limit::IpPermit;
use crate::server::state::place::Place;

/// Such a connection. Clones are of the same.
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

    /// Holds a request against the rules for all of them, and gives its place: the connection's,
    /// or one of its own if it is for a WebSocket.
    pub(crate) fn admit(
        &self,
        context: &ServerContext,
        asked: &mut IncomingRequest,
        remote: &ConnectInfo,
    ) -> Result<Arc<Place>, RejectionCause> {
        asked.check_remote(remote.clone(), &context.config)?;
        let place = self.place();
        let Some(remote) = asked.remote() else {
            return Ok(place.clone());
        };
        let client = remote.client.to_peer();
        if !asked.is_websocket || context.config.is_near(&client) {
            return Ok(place.clone());
        }
        let is_its_own = place.slot().is_some_and(|slot| slot.is_for(&client));
        let claim = if is_its_own && !self.0.lent.swap(true, Ordering::AcqRel) {
            None
        } else {
            let claimed = context.shared.claim(&client);
            match claimed.map_err(|full| RejectionCause::Policy(429, full.to_string()))? {
                None => return Ok(place.clone()),
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
