//! Limits on the number of open connections, in total and per address.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::base::setters::setters;
use crate::base::sync::Mutex;
use crate::server::policy::peer::PeerAddr;

/// Limits on the number of connections that are open at once.
///
/// ```
/// use fullduplex::server::limits::ConnectionLimits;
///
/// // Behind a proxy that does not forward addresses, all clients have the same one.
/// let limits = ConnectionLimits::default().max_connections(100_000).max_per_address(None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionLimits {
    /// The limit in total; `None` for no limit. Default: 65,536.
    pub max_connections: Option<u32>,
    /// The limit per IPv4 address, or per IPv6 /64, the network that one customer has; `None` for
    /// no limit. Unix sockets have no address and count towards the total only. Default: 256.
    ///
    /// In a [`Server`](crate::server::Server), loopback and trusted proxies are exempt too, and
    /// each WebSocket on a shared connection counts.
    pub max_per_address: Option<u32>,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { max_connections: Some(65_536), max_per_address: Some(256) }
    }
}

impl ConnectionLimits {
    setters! {
        max_connections: into Option<u32>, "; `None` for no limit.";
        max_per_address: into Option<u32>, "; `None` for no limit.";
    }
}

/// A limiter of open connections, which issues a [`Permit`] for each. Clones share the limits.
///
/// Behind a proxy, all connections come from few addresses. Acquire a permit for the address that
/// the proxy reports; or for [`PeerAddr::Unix`], which counts towards the total only, and
/// [`reassign`](Permit::reassign) it to the client once that is known.
///
/// ```
/// use fullduplex::server::limits::{ConnectionLimits, ConnectionLimiter};
/// use fullduplex::server::policy::PeerAddr;
///
/// let limits = ConnectionLimits::default().max_connections(10_000).max_per_address(1);
/// let limiter = ConnectionLimiter::new(limits);
/// let peer = PeerAddr::Inet("192.0.2.1:5000".parse().unwrap());
/// let permit = limiter.try_acquire(&peer).unwrap();
/// let error = limiter.try_acquire(&peer).unwrap_err();
/// assert_eq!(error.to_string(), "too many connections from one address (max_per_address = 1)");
/// drop(permit);
/// assert!(limiter.try_acquire(&peer).is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct ConnectionLimiter(Arc<LimiterShared>);

/// The state that clones and permits share.
///
/// One lock is enough: a connection takes it twice, beside all its system calls, and holds it for
/// one lookup in a map. Shards would share the total, and with it a cache line, all the same.
#[derive(Debug)]
struct LimiterShared {
    state: Mutex<LimiterState>,
    /// Notified when the last permit is returned.
    emptied: Notify,
}

#[derive(Debug)]
struct LimiterState {
    limits: ConnectionLimits,
    counts: ConnectionCounts,
    /// The connections per address. Hashed with a random key, so that an attacker can't choose
    /// addresses that collide.
    by_address: HashMap<LimitKey, u32>,
}

/// The address that a connection counts for: the first 64 bits of an IPv6 address. Those of
/// multicast addresses, from which nothing comes (RFC 4291 §2.7), stand for all others. A number,
/// as each connection has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct LimitKey(u64);

impl LimitKey {
    /// Counts towards the total only.
    const UNLIMITED: Self = Self(u64::MAX);
    /// What the 32 bits of an IPv4 address are added to.
    const V4: u64 = 0xff00 << 48;
    /// A multicast address, if a proxy forwards one.
    const MULTICAST: Self = Self(0xff01 << 48);

    fn of(peer: &PeerAddr) -> Self {
        match peer.ip() {
            None => Self::UNLIMITED,
            Some(IpAddr::V4(ip)) => Self(Self::V4 | u64::from(ip.to_bits())),
            Some(IpAddr::V6(ip)) if ip.is_multicast() => Self::MULTICAST,
            Some(IpAddr::V6(ip)) => Self((ip.to_bits() >> 64) as u64),
        }
    }
}

/// The counters of a [`ConnectionLimiter`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionCounts {
    /// The number of permits in use.
    pub in_use: u32,
    /// The number of connections rejected for `max_connections`, since the start.
    pub rejected_total: u64,
    /// The number of connections rejected for `max_per_address`, since the start.
    pub rejected_per_address: u64,
}

impl ConnectionLimiter {
    /// Creates a limiter with these limits.
    pub fn new(limits: ConnectionLimits) -> Self {
        let (counts, by_address) = Default::default();
        let state = Mutex::new(LimiterState { limits, counts, by_address });
        Self(Arc::new(LimiterShared { state, emptied: Notify::new() }))
    }

    /// Replaces the limits. Permits in use stay valid.
    pub(crate) fn set_limits(&self, limits: ConnectionLimits) {
        self.0.state.lock().limits = limits;
    }

    /// Acquires a permit for a connection of this peer.
    ///
    /// # Errors
    /// The limit that is reached.
    pub fn try_acquire(&self, peer: &PeerAddr) -> Result<Permit, LimitReached> {
        let mut state = self.0.state.lock();
        let total = state.limits.max_connections.unwrap_or(u32::MAX);
        if state.counts.in_use >= total {
            state.counts.rejected_total += 1;
            return Err(LimitReached::Total(total));
        }
        let key = state.increment(LimitKey::of(peer))?;
        state.counts.in_use += 1;
        drop(state);
        Ok(Permit { shared: self.0.clone(), key })
    }

    /// Counts a WebSocket on a shared connection for its client's address, and not towards the
    /// total. Returns `None` if addresses are not limited.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    pub(crate) fn try_acquire_ip(
        &self,
        client: &PeerAddr,
    ) -> Result<Option<IpPermit>, LimitReached> {
        let key = self.0.state.lock().increment(LimitKey::of(client))?;
        Ok((key != LimitKey::UNLIMITED).then(|| IpPermit { shared: self.0.clone(), key }))
    }

    /// Returns how many permits are in use, and how many connections were rejected.
    pub fn counts(&self) -> ConnectionCounts {
        self.0.state.lock().counts
    }

    /// Waits until no permit is in use.
    pub(crate) async fn emptied(&self) {
        loop {
            // Registered before the count is read, so that no wake-up is lost between the two.
            let emptied = self.0.emptied.notified();
            if self.counts().in_use == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Returns the number of addresses with a connection.
    pub fn addresses(&self) -> usize {
        self.0.state.lock().by_address.len()
    }
}

impl LimiterState {
    /// Counts one more for an address. Returns the key to count down later:
    /// [`LimitKey::UNLIMITED`] if addresses are not limited.
    fn increment(&mut self, key: LimitKey) -> Result<LimitKey, LimitReached> {
        let (Some(limit), true) = (self.limits.max_per_address, key != LimitKey::UNLIMITED) else {
            return Ok(LimitKey::UNLIMITED);
        };
        let count = self.by_address.get(&key).copied().unwrap_or(0);
        if count >= limit {
            self.counts.rejected_per_address += 1;
            return Err(LimitReached::PerAddress(limit));
        }
        self.by_address.insert(key, count + 1);
        Ok(key)
    }

    fn decrement(&mut self, key: LimitKey) {
        if let Some(count) = self.by_address.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&key);
            }
        }
        // Memory is returned after a crowd has left. Shrinking to twice the need keeps it rare.
        let (capacity, used) = (self.by_address.capacity(), self.by_address.len());
        if capacity > 1024 && capacity / 8 > used {
            self.by_address.shrink_to(2 * used);
        }
    }
}

/// A permit for a connection, returned to its [`ConnectionLimiter`] when dropped. 16 bytes.
///
/// ```
/// use fullduplex::server::limits::{ConnectionLimiter, ConnectionLimits};
/// use fullduplex::server::policy::PeerAddr;
///
/// let limiter = ConnectionLimiter::new(ConnectionLimits::default());
/// let permit = limiter.try_acquire(&PeerAddr::Unix).unwrap();
/// assert_eq!(limiter.counts().in_use, 1);
/// drop(permit);
/// assert_eq!(limiter.counts().in_use, 0);
/// ```
pub struct Permit {
    shared: Arc<LimiterShared>,
    key: LimitKey,
}

impl Permit {
    /// Returns whether the permit counts for this address.
    #[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
    pub(crate) fn is_for(&self, client: &PeerAddr) -> bool {
        self.key != LimitKey::UNLIMITED && self.key == LimitKey::of(client)
    }

    /// Counts the connection for another address, such as that of the client behind a proxy.
    ///
    /// # Errors
    /// The address has `max_per_address` connections already. The permit then counts for the
    /// former address.
    pub fn reassign(&mut self, client: &PeerAddr) -> Result<(), LimitReached> {
        let key = LimitKey::of(client);
        if key != self.key {
            let mut state = self.shared.state.lock();
            let key = state.increment(key)?;
            state.decrement(self.key);
            drop(state);
            self.key = key;
        }
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.decrement(self.key);
        state.counts.in_use -= 1;
        let is_last = state.counts.in_use == 0;
        drop(state);
        if is_last {
            self.shared.emptied.notify_waiters();
        }
    }
}

/// A permit that counts for an address and not towards the total, returned when dropped.
#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
#[derive(Debug)]
pub(crate) struct IpPermit {
    shared: Arc<LimiterShared>,
    key: LimitKey,
}

#[cfg(any(feature = "http2", feature = "http3", feature = "hyper"))]
impl Drop for IpPermit {
    fn drop(&mut self) {
        self.shared.state.lock().decrement(self.key);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permit").field(&self.key).finish()
    }
}

/// The limit that a connection would exceed, with its number.
///
/// ```
/// use fullduplex::server::limits::{ConnectionLimiter, ConnectionLimits, LimitReached};
/// use fullduplex::server::policy::PeerAddr;
///
/// let limiter = ConnectionLimiter::new(ConnectionLimits::default().max_connections(0));
/// let reached = limiter.try_acquire(&PeerAddr::Unix).unwrap_err();
/// assert_eq!(reached, LimitReached::Total(0));
/// ```
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
