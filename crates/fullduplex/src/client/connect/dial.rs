//! Addresses of a host, and sockets connected to them.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use fullduplex_proto::ConfigError;
use futures_core::future::BoxFuture;
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::base::at_step::at_step;
use crate::base::error::{ConnectStep, Error, ErrorKind};
use crate::base::setters::setters;
use crate::client::connect::progress::{ConnectEvent, ConnectEvents};
use crate::transport::net_stream::NetStream;

/// The delay before the next address is tried too (RFC 8305 §5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// A custom DNS resolver, for [`ClientBuilder::resolver`](crate::ClientBuilder::resolver).
///
/// ```
/// use std::io;
/// use std::net::SocketAddr;
///
/// use fullduplex::client::{BoxFuture, Resolve};
///
/// /// Resolves all names to this host.
/// struct Localhost;
///
/// impl Resolve for Localhost {
///     fn resolve<'a>(
///         &'a self,
///         _host: &'a str,
///         port: u16,
///     ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
///         Box::pin(async move { Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]) })
///     }
/// }
/// ```
pub trait Resolve: Send + Sync + 'static {
    /// Returns the addresses of a host, the preferred one first.
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// A custom transport in place of TCP, such as a tunnel or a simulated network, for
/// [`ClientBuilder::connector`](crate::ClientBuilder::connector).
///
/// TLS and the tunnels of proxies run on top of it.
///
/// ```
/// use std::io;
///
/// use fullduplex::NetStream;
/// use fullduplex::client::{BoxFuture, Connect};
///
/// /// Connects to one address, whatever the host.
/// struct Local;
///
/// impl Connect for Local {
///     fn connect<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<NetStream>> {
///         Box::pin(async {
///             let socket = tokio::net::TcpStream::connect("127.0.0.1:9001").await?;
///             Ok(NetStream::new(socket))
///         })
///     }
/// }
/// ```
pub trait Connect: Send + Sync + 'static {
    /// Connects to a host. The library does not resolve its name first.
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<NetStream>>;
}

/// Options of the client's sockets: TCP, and UDP for HTTP/3.
///
/// ```
/// use std::time::Duration;
///
/// use fullduplex::client::SocketOptions;
///
/// let options = SocketOptions::default()
///     .interface("eth0".to_owned())
///     .keepalive(Duration::from_secs(60));
/// assert!(options.nodelay);
/// ```
#[doc(alias = "set_nodelay")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SocketOptions {
    /// Whether small writes are sent at once, without waiting for an acknowledgement
    /// (`TCP_NODELAY`). TCP only. Default: `true`.
    pub nodelay: bool,
    /// The silence after which the system probes the peer (`SO_KEEPALIVE`), at least 1 s,
    /// independent of the WebSocket's own keepalive. TCP only. Default: `None`, no probes.
    pub keepalive: Option<Duration>,
    /// The local address to connect from. Addresses of the other family are not tried then.
    /// Default: `None`, chosen by the system.
    pub local_address: Option<IpAddr>,
    /// The network interface to connect through, such as `eth0` (`SO_BINDTODEVICE`). Linux and
    /// Android only. Default: `None`.
    pub interface: Option<String>,
    /// The time limit for connecting to one address. Default: 10 s.
    pub attempt_timeout: Duration,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self {
            nodelay: true,
            keepalive: None,
            local_address: None,
            interface: None,
            attempt_timeout: Duration::from_secs(10),
        }
    }
}

impl SocketOptions {
    setters! {
        nodelay: bool, ".";
        keepalive: into Option<Duration>, "; `None` for no probes.";
        local_address: into Option<IpAddr>, "; `None` for that which the system chooses.";
        interface: into Option<String>, "; `None` for that which the system chooses.";
        attempt_timeout: Duration, ".";
    }

    /// Checks that every value is in its range.
    ///
    /// # Errors
    /// The first setting that is not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let is_in_range = self.keepalive.is_none_or(|time| time >= Duration::from_secs(1));
        ConfigError::require(is_in_range, "socket_options.keepalive", "be at least 1 s")?;
        ConfigError::require_time(self.attempt_timeout, "socket_options.attempt_timeout")
    }

    pub(crate) fn timeout_error(&self) -> io::Error {
        let limit = self.attempt_timeout;
        io::Error::new(io::ErrorKind::TimedOut, format!("attempt_timeout ({limit:?})"))
    }

    /// Binds a socket to the interface, if one is set.
    #[cfg_attr(
        not(any(target_os = "linux", target_os = "android")),
        allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "as on Linux")
    )]
    pub(crate) fn bind_interface(&self, socket: &socket2::Socket) -> io::Result<()> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(interface) = &self.interface {
            return socket.bind_device(Some(interface.as_bytes()));
        }
        let _ = socket;
        Ok(())
    }
}

/// Resolves host names and connects to their addresses.
#[derive(Clone, Default)]
pub(crate) struct Dialer {
    pub(crate) options: SocketOptions,
    pub(crate) resolver: Option<Arc<dyn Resolve>>,
    /// The application's transport in place of TCP.
    pub(crate) custom_transport: Option<Arc<dyn Connect>>,
    #[cfg(unix)]
    pub(crate) unix_socket: Option<std::path::PathBuf>,
    pub(crate) events: ConnectEvents,
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Dialer {
    /// Connects to a host.
    pub(crate) async fn dial(&self, host: &str, port: u16) -> Result<NetStream, Error> {
        #[cfg(unix)]
        if let Some(path) = &self.unix_socket {
            let socket = tokio::net::UnixStream::connect(path).await;
            let message = || format!("connecting to {}", path.display());
            if socket.is_ok() {
                self.events.emit(&ConnectEvent::Unix(path));
            }
            return socket.map(Into::into).map_err(|error| {
                // A path that is too long, or has a zero byte in it.
                let is_path = error.kind() == io::ErrorKind::InvalidInput;
                let kind = if is_path { ErrorKind::Misuse } else { ErrorKind::Io };
                Error::new(kind, message()).with_source(error).with_step(ConnectStep::Connect)
            });
        }
        if let Some(transport) = &self.custom_transport {
            let message = || format!("connecting to {host}:{port}");
            let connecting = async {
                let stream = transport.connect(host, port).await;
                stream.map_err(|e| Error::new(ErrorKind::Io, message()).with_source(e))
            };
            return at_step(ConnectStep::Connect, message(), connecting).await;
        }
        let addresses = self.addresses(host, port).await?;
        let options = self.options.clone();
        let attempt = move |address| {
            let options = options.clone();
            async move { connect_tcp(address, &options).await }
        };
        let tcp = pin!(race(host, addresses, attempt, &self.events));
        let tcp = at_step(ConnectStep::Connect, ConnectingTo { host, port }, tcp).await?;
        if self.events.has_listener()
            && let Ok(to) = tcp.peer_addr()
        {
            self.events.emit(&ConnectEvent::Tcp { to, from: tcp.local_addr().ok() });
        }
        Ok(tcp.into())
    }

    /// Resolves a host name. The addresses are of the family of the local address, if one is set.
    pub(crate) async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
        let no_address = || {
            let error = Error::new(ErrorKind::Resolve, format!("no address for {host:?}"));
            error.with_step(ConnectStep::Resolve)
        };
        let mut addresses = if let Ok(ip) = host.parse::<IpAddr>() {
            vec![(ip, port).into()]
        } else {
            let lookup = async {
                let found = self.lookup(host, port).await;
                found.map_err(|error| no_address().with_source(error))
            };
            let operation = format!("looking up the address of {host:?}");
            let addresses = at_step(ConnectStep::Resolve, operation, lookup).await?;
            self.events.emit(&ConnectEvent::Resolved { host, addresses: &addresses });
            addresses
        };
        if let Some(local) = self.options.local_address {
            addresses.retain(|address| address.is_ipv4() == local.is_ipv4());
        }
        if addresses.is_empty() { Err(no_address()) } else { Ok(addresses) }
    }

    async fn lookup(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        match &self.resolver {
            // Only the system can resolve a zone, as it knows the interfaces.
            Some(resolver) if !host.contains('%') => resolver.resolve(host, port).await,
            _ => tokio::net::lookup_host((host, port)).await.map(Iterator::collect),
        }
    }
}

/// The operation of connecting to a host.
struct ConnectingTo<'a> {
    host: &'a str,
    port: u16,
}

impl fmt::Display for ConnectingTo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connecting to {}:{}", self.host, self.port)
    }
}

/// Alternates between the address families, beginning with that of the first address
/// (RFC 8305 §4).
fn interleave(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut a, mut b): (VecDeque<_>, VecDeque<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut mixed = VecDeque::with_capacity(a.len() + b.len());
    while let Some(next) = a.pop_front() {
        mixed.push_back(next);
        mixed.extend(b.pop_front());
    }
    mixed.extend(b);
    mixed
}

/// Connects to the first address that answers, with [`ATTEMPT_DELAY`] between attempts
/// (RFC 8305 §5, "happy eyeballs"). Attempts still running are cancelled when this returns or is
/// dropped.
pub(crate) async fn race<T, F>(
    host: &str,
    addresses: Vec<SocketAddr>,
    attempt: impl Fn(SocketAddr) -> F,
    events: &ConnectEvents,
) -> Result<T, Error>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    if let [address] = addresses[..] {
        // Nothing else is tried meanwhile, so that it needs no task.
        let since = Instant::now();
        return attempt(address).await.map_err(|error| {
            let after = since.elapsed();
            events.emit(&ConnectEvent::AddressFailed { to: address, error: &error, after });
            all_failed(host, vec![(address, error)])
        });
    }
    let mut untried = interleave(addresses);
    let mut attempts: JoinSet<(SocketAddr, Duration, io::Result<T>)> = JoinSet::new();
    let mut failures: Vec<(SocketAddr, io::Error)> = Vec::new();
    loop {
        if let Some(address) = untried.pop_front() {
            let attempt = attempt(address);
            let since = Instant::now();
            attempts.spawn(async move {
                let connected = attempt.await;
                (address, since.elapsed(), connected)
            });
        }
        let finished = if untried.is_empty() {
            attempts.join_next().await
        } else {
            match timeout(ATTEMPT_DELAY, attempts.join_next()).await {
                Ok(finished) => finished,
                Err(_) => continue,
            }
        };
        match finished {
            Some(Ok((_, _, Ok(connected)))) => return Ok(connected),
            Some(Ok((to, after, Err(error)))) => {
                events.emit(&ConnectEvent::AddressFailed { to, error: &error, after });
                failures.push((to, error));
            }
            None if untried.is_empty() => return Err(all_failed(host, failures)),
            Some(Err(_)) | None => {}
        }
    }
}

/// Returns the error of a host none of whose addresses could be connected to.
fn all_failed(host: &str, mut failures: Vec<(SocketAddr, io::Error)>) -> Error {
    let all_timed_out = failures.iter().all(|(_, e)| e.kind() == io::ErrorKind::TimedOut);
    let kind = if all_timed_out { ErrorKind::Timeout } else { ErrorKind::Io };
    if failures.len() == 1
        && let Some((address, error)) = failures.pop()
    {
        return Error::new(kind, format!("connecting to {address}")).with_source(error);
    }
    let each: Vec<_> = failures.iter().map(|(address, e)| format!("{address}: {e}")).collect();
    Error::new(kind, format!("connecting to {host}: {}", each.join("; ")))
}

async fn connect_tcp(address: SocketAddr, options: &SocketOptions) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(local) = options.local_address {
        socket.bind((local, 0).into())?;
    }
    options.bind_interface(&SockRef::from(&socket))?;
    let limit = options.attempt_timeout;
    let stream =
        timeout(limit, socket.connect(address)).await.map_err(|_| options.timeout_error())??;
    stream.set_nodelay(options.nodelay)?;
    if let Some(time) = options.keepalive {
        let keepalive = socket2::TcpKeepalive::new().with_time(time);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    }
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn happy_eyeballs_alternates_address_families() {
        let parse = |all: &[&str]| all.iter().map(|a| a.parse().unwrap()).collect::<Vec<_>>();
        let mixed = parse(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"]);
        let expected = parse(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]);
        assert_eq!(interleave(mixed), expected);
        let other = parse(&["1.1.1.1:1", "[::1]:1", "[::2]:1"]);
        assert_eq!(interleave(other.clone()), other);
    }
}
