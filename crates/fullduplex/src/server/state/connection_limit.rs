//! How many connections may stand at once, in all and from one address.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::base::sync::Mutex;
use crate::server::policy::peer::PeerAddr;

/// How many connections may stand at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// In all; `None` for any number. Default: 65,536.
    pub max_connections: Option<u32>,
    /// From one address of IPv4, or one /64 of IPv6, which is what one customer gets;
    /// `None` for any number. Unix sockets have no address and are counted in all alone. In a
    /// [`Server`](crate::server::Server), WebSockets that share a connection count one by one.
    /// Default: 256.
    pub max_per_address: Option<u32>,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { max_connections: Some(65_536), max_per_address: Some(256) }
    }
}

/// The places for connections of a server. Clones share them.
///
/// Behind proxies all connections come from few addresses. Either take a slot by the address
/// that the proxy tells, or take one by [`PeerAddr::Unix`], which counts in all alone, and
/// [`reassign`](Permit::reassign) the client once it is known.
///
/// ```
/// use fullduplex::server::{PeerAddr, ConnectionLimits, ConnectionLimiter};
///
/// let slots = ConnectionLimiter::new(ConnectionLimits { max_connections: Some(10_000), max_per_address: Some(1) });
/// let peer = PeerAddr::Inet("192.0.2.1:5000".parse().unwrap());
/// let slot = slots.take(&peer).unwrap();
/// assert_eq!(slots.take(&peer).unwrap_err().to_string(), "too many connections from one address (max_per_address = 1)");
/// drop(slot);
/// assert!(slots.take(&peer).is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct ConnectionLimiter(Arc<LimiterShared>);

/// One lock for all: it is taken twice in the life of a connection, beside all the system
/// calls of that, and is held for one look into a map. Shards would need the total beside
/// them, and so share a cache line all the same.
#[derive(Debug)]
struct LimiterShared {
    state: Mutex<LimiterState>,
    /// The last slot was given back.
    emptied: Notify,
}

#[derive(Debug)]
struct LimiterState {
    limits: ConnectionLimits,
    counts: ConnectionCounts,
    /// Hashed with a key of its own, so that nobody can choose addresses that collide.
    by_address: HashMap<LimitKey, u32>,
}

/// Whom a connection is counted for: 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum LimitKey {
    Nobody,
    V4(u32),
    /// The first 64 bits.
    V6(u64),
}

impl LimitKey {
    fn of(peer: &PeerAddr) -> Self {
        match peer.ip() {
            None => Self::Nobody,
            Some(IpAddr::V4(ip)) => Self::V4(ip.to_bits()),
            Some(IpAddr::V6(ip)) => Self::V6((ip.to_bits() >> 64) as u64),
        }
    }
}

/// Figures of [`ConnectionLimiter`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionCounts {
    /// How many slots are taken.
    pub in_use: u32,
    /// How many were refused for the total, ever.
    pub refused_total: u64,
    /// How many were refused for their address, ever.
    pub refused_per_address: u64,
}

impl ConnectionLimiter {
    /// Places within limits.
    pub fn new(limits: ConnectionLimits) -> Self {
        let (counts, by_address) = Default::default();
        let state = Mutex::new(LimiterState { limits, counts, by_address });
        Self(Arc::new(LimiterShared { state, emptied: Notify::new() }))
    }

    /// Sets other limits. Slots that are taken are kept.
    pub(crate) fn set_limits(&self, limits: ConnectionLimits) {
        self.0.state.lock().limits = limits;
    }

    /// Takes a place for a connection, or says which limit is reached.
    pub fn take(&self, peer: &PeerAddr) -> Result<Permit, LimitReached> {
        let mut state = self.0.state.lock();
        let total = state.limits.max_connections.unwrap_or(u32::MAX);
        if state.counts.in_use >= total {
            state.counts.refused_total += 1;
            return Err(LimitReached::Total(total));
        }
        let key = state.enter(LimitKey::of(peer))?;
        state.counts.in_use += 1;
        drop(state);
        Ok(Permit { shared: self.0.clone(), key })
    }

    /// Counts for an address what is no connection of its own. `None` where there is no limit.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    pub(crate) fn claim(&self, client: &PeerAddr) -> Result<Option<IpPermit>, LimitReached> {
        let key = self.0.state.lock().enter(LimitKey::of(client))?;
        Ok((key != LimitKey::Nobody).then(|| IpPermit { shared: self.0.clone(), key }))
    }

    /// How many are in use and were refused.
    pub fn counts(&self) -> ConnectionCounts {
        self.0.state.lock().counts
    }

    /// Waits until none is in use.
    pub(crate) async fn emptied(&self) {
        loop {
            // What is notified from here on is not missed.
            let emptied = self.0.emptied.notified();
            if self.counts().in_use == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// How many addresses have a connection.
    pub fn addresses(&self) -> usize {
        self.0.state.lock().by_address.len()
    }
}

impl LimiterState {
    /// Counts one more, and gives for whom, who is nobody where no limit asks for it.
    fn enter(&mut self, key: LimitKey) -> Result<LimitKey, LimitReached> {
        let (Some(limit), true) = (self.limits.max_per_address, key != LimitKey::Nobody) else {
            return Ok(LimitKey::Nobody);
        };
        let count = self.by_address.get(&key).copied().unwrap_or(0);
        if count >= limit {
            self.counts.refused_per_address += 1;
            return Err(LimitReached::PerAddress(limit));
        }
        self.by_address.insert(key, count + 1);
        Ok(key)
    }

    fn leave(&mut self, key: LimitKey) {
        if let Some(count) = self.by_address.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&key);
            }
        }
        // What a crowd left behind. Shrinking to twice the need keeps it rare.
        let (room, used) = (self.by_address.capacity(), self.by_address.len());
        if room > 1024 && room / 8 > used {
            self.by_address.shrink_to(2 * used);
        }
    }
}

/// A connection's place, which is given back when this is dropped: 24 bytes.
pub struct Permit {
    shared: Arc<LimiterShared>,
    key: LimitKey,
}

impl Permit {
    /// Whether it is counted for this address.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    pub(crate) fn is_for(&self, client: &PeerAddr) -> bool {
        self.key != LimitKey::Nobody && self.key == LimitKey::of(client)
    }

    /// Counts the connection for another address, that of the client behind a proxy. If that
    /// one has too many, all stays as it was.
    pub fn reassign(&mut self, client: &PeerAddr) -> Result<(), LimitReached> {
        let key = LimitKey::of(client);
        if key != self.key {
            let mut state = self.shared.state.lock();
            let entered = state.enter(key)?;
            state.leave(self.key);
            drop(state);
            self.key = entered;
        }
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.leave(self.key);
        state.counts.in_use -= 1;
        let is_last = state.counts.in_use == 0;
        drop(state);
        if is_last {
            self.shared.emptied.notify_waiters();
        }
    }
}

/// That something is counted for an address, and not in all.
#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
#[derive(Debug)]
pub(crate) struct IpPermit {
    shared: Arc<LimiterShared>,
    key: LimitKey,
}

#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
impl Drop for IpPermit {
    fn drop(&mut self) {
        self.shared.state.lock().leave(self.key);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Slot").field(&self.key).finish()
    }
}

/// There is no place for a connection: which limit is reached, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LimitReached {
    /// [`ConnectionLimits::max_connections`].
    Total(u32),
    /// [`ConnectionLimits::max_per_address`].
    PerAddress(u32),
}

impl fmt::Display for LimitReached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Total(limit) => write!(f, "too many connections (max_connections = {limit})"),
            Self::PerAddress(limit) => {
                write!(f, "too many connections from one address (max_per_address = {limit})")
            }
        }
    }
}

impl std::error::Error for LimitReached {}

#[cfg(test)]
mod tests;
