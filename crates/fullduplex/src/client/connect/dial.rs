//! Reaching a host: addresses, and the sockets to them.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_core::future::BoxFuture;
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::base::deadline::doing;
use crate::base::error::{Error, ErrorKind};
use crate::client::connect::progress::{ConnectEvent, ConnectEvents};
use crate::transport::net_stream::NetStream;

/// How long an address may keep the next one waiting (RFC 8305 §5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Finds the addresses of a host: a resolver of your own.
pub trait Resolve: Send + Sync + 'static {
    /// The addresses, the best first.
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// Makes the transport to a host, in place of TCP: a tunnel, a test, a network of your own.
/// TLS, and the way through a proxy, come on top of it.
pub trait Connect: Send + Sync + 'static {
    /// A transport to the host, whose address is not looked up.
    fn connect<'a>(&'a self, host: &'a str, port: u16) -> BoxFuture<'a, io::Result<NetStream>>;
}

/// Options of sockets: TCP, and UDP for HTTP/3.
#[derive(Clone, Debug)]
pub struct SocketOptions {
    /// Whether small writes leave at once, without waiting for the peer's acknowledgement.
    /// TCP only. Default: yes.
    pub nodelay: bool,
    /// After how much silence the system begins to probe the peer, beside the pings of the
    /// WebSocket. TCP only. Default: never.
    pub keepalive: Option<Duration>,
    /// The address to connect from. Addresses of the other family are then not tried.
    pub local_address: Option<IpAddr>,
    /// The network interface to connect through, such as `eth0`. Linux only.
    pub interface: Option<String>,
    /// How long one address may take. Default: 10 s.
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
    pub(crate) fn late(&self) -> io::Error {
        let limit = self.attempt_timeout;
        io::Error::new(io::ErrorKind::TimedOut, format!("attempt_timeout ({limit:?})"))
    }

    /// Has a socket use the interface, if one is set.
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

/// All that decides how a host is reached.
#[derive(Clone, Default)]
pub(crate) struct Dialer {
    pub(crate) options: SocketOptions,
    pub(crate) resolver: Option<Arc<dyn Resolve>>,
    pub(crate) connector: Option<Arc<dyn Connect>>,
    #[cfg(unix)]
    pub(crate) unix_socket: Option<std::path::PathBuf>,
    pub(crate) steps: ConnectEvents,
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Dialer {
    /// A transport to the host.
    pub(crate) async fn dial(&self, host: &str, port: u16) -> Result<NetStream, Error> {
        #[cfg(unix)]
        if let Some(path) = &self.unix_socket {
            let socket = tokio::net::UnixStream::connect(path).await;
            let why = || format!("connecting to {}", path.display());
            if socket.is_ok() {
                self.steps.tell(&ConnectEvent::Unix(path));
            }
            return socket.map(Into::into).map_err(|error| {
                // A path that is too long, or has a zero byte in it.
                let is_path = error.kind() == io::ErrorKind::InvalidInput;
                let kind = if is_path { ErrorKind::Misuse } else { ErrorKind::Io };
                Error::new(kind, why()).with_source(error)
            });
        }
        if let Some(connector) = &self.connector {
            let why = || format!("connecting to {host}:{port}");
            let stream = doing(why(), connector.connect(host, port)).await;
            return stream.map_err(|e| Error::new(ErrorKind::Io, why()).with_source(e));
        }
        let addresses = self.addresses(host, port).await?;
        let options = self.options.clone();
        let attempt = move |address| {
            let options = options.clone();
            async move { open(address, &options).await }
        };
        let tcp = race(host, addresses, attempt);
        let tcp = doing(format!("connecting to {host}:{port}"), tcp).await?;
        if self.steps.are_told()
            && let Ok(to) = tcp.peer_addr()
        {
            self.steps.tell(&ConnectEvent::Tcp { to, from: tcp.local_addr().ok() });
        }
        Ok(tcp.into())
    }

    pub(crate) async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
        let looking = || format!("looking up the address of {host:?}");
        let found: io::Result<Vec<_>> = match (&self.resolver, host.parse::<IpAddr>()) {
            (_, Ok(ip)) => Ok(vec![(ip, port).into()]),
            // An address with a zone is for the system, which knows its interfaces.
            (Some(resolver), _) if !host.contains('%') => {
                doing(looking(), resolver.resolve(host, port)).await
            }
            _ => {
                let found = doing(looking(), tokio::net::lookup_host((host, port))).await;
                found.map(Iterator::collect)
            }
        };
        let why = || format!("no address for {host:?}");
        let mut found = found.map_err(|e| Error::new(ErrorKind::Resolve, why()).with_source(e))?;
        if let Some(local) = self.options.local_address {
            found.retain(|address| address.is_ipv4() == local.is_ipv4());
        }
        if found.is_empty() { Err(Error::new(ErrorKind::Resolve, why())) } else { Ok(found) }
    }
}

/// Families by turns, beginning with that of the first address (RFC 8305 §4).
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

/// The first address that answers: each has a head start over the next one (RFC 8305 §5).
/// Dropped, all attempts are.
pub(crate) async fn race<T, F>(
    host: &str,
    addresses: Vec<SocketAddr>,
    attempt: impl Fn(SocketAddr) -> F,
) -> Result<T, Error>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut waiting = interleave(addresses);
    let mut attempts: JoinSet<(SocketAddr, io::Result<T>)> = JoinSet::new();
    let mut failures: Vec<(SocketAddr, io::Error)> = Vec::new();
    loop {
        if let Some(address) = waiting.pop_front() {
            let reached = attempt(address);
            attempts.spawn(async move { (address, reached.await) });
        }
        let ended = if waiting.is_empty() {
            attempts.join_next().await
        } else {
            match timeout(ATTEMPT_DELAY, attempts.join_next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            }
        };
        match ended {
            Some(Ok((_, Ok(reached)))) => return Ok(reached),
            Some(Ok((address, Err(error)))) => failures.push((address, error)),
            None if waiting.is_empty() => return Err(unreachable(host, failures)),
            Some(Err(_)) | None => {}
        }
    }
}

fn unreachable(host: &str, mut failures: Vec<(SocketAddr, io::Error)>) -> Error {
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

async fn open(address: SocketAddr, options: &SocketOptions) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(local) = options.local_address {
        socket.bind((local, 0).into())?;
    }
    options.bind_interface(&SockRef::from(&socket))?;
    let limit = options.attempt_timeout;
    let stream = timeout(limit, socket.connect(address)).await.map_err(|_| options.late())??;
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
