//! The addresses of `--listen`, and their listeners.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
#[cfg(unix)]
use std::path::PathBuf;

use fullduplex::server;
use fullduplex::server::listen::Listener;
#[cfg(unix)]
use fullduplex::server::listen::{ActivatedListener, ActivatedSocket, UnixSocketFile};

/// An address of `--listen`.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    #[cfg(unix)]
    Unix(PathBuf),
    /// The sockets that systemd passes (socket activation).
    #[cfg(unix)]
    Systemd,
}

impl Address {
    /// Parses `ADDR:PORT`, `unix:PATH` or `systemd`. `PORT`, `:PORT` and `localhost:PORT` are ports
    /// of 127.0.0.1.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        #[cfg(unix)]
        match text.strip_prefix("unix:") {
            Some("") => return Err("unix: needs the path of the socket".into()),
            Some(path) => return Ok(Self::Unix(path.into())),
            None if text == "systemd" => return Ok(Self::Systemd),
            None => {}
        }
        let why =
            "an address and a port, such as 127.0.0.1:9001 or [::]:80, or unix:PATH, or systemd";
        socket_address(text).map(Self::Tcp).ok_or_else(|| why.into())
    }

    /// Listens. Must be called within the runtime. `unix_mode` is the permissions of a Unix socket.
    pub(crate) fn bind(
        &self,
        systemd: &mut SystemdListeners,
        unix_mode: Option<u32>,
    ) -> Result<Vec<BoundListener>, String> {
        let bound = match self {
            Self::Tcp(address) => bind_tcp(*address).map(|bound| vec![bound]),
            #[cfg(unix)]
            Self::Unix(path) => bind_unix(path, unix_mode).map(|bound| vec![bound]),
            #[cfg(unix)]
            Self::Systemd => {
                systemd.0.drain(..).map(|passed| bind_activated(passed.socket)).collect()
            }
        };
        #[cfg(not(unix))]
        let _ = (systemd, unix_mode);
        let bound = bound.map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => format!("{self}: another program listens there"),
            io::ErrorKind::AddrNotAvailable => format!("{self}: not an address of this machine"),
            io::ErrorKind::PermissionDenied if self.is_privileged() => format!(
                "{self}: ports below 1024 need root, or cap_net_bind_service (setcap \
                 cap_net_bind_service=+ep), or a socket from systemd"
            ),
            // The message has the address.
            _ => error.to_string(),
        })?;
        if bound.is_empty() {
            return Err(format!("{self}: no socket was passed"));
        }
        Ok(bound)
    }
}

impl Address {
    /// Whether only programs on this machine can connect.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
            Self::Systemd => false,
        }
    }

    /// Returns the addresses by which clients reach it: itself, or if it is that of every
    /// interface, loopback's and this machine's.
    pub(super) fn reachable(&self) -> Vec<SocketAddr> {
        match self {
            Self::Tcp(address) if address.ip().is_unspecified() => {
                let ips = own_addresses(address.is_ipv6());
                ips.into_iter().map(|ip| (ip, address.port()).into()).collect()
            }
            Self::Tcp(address) => vec![*address],
            #[cfg(unix)]
            _ => Vec::new(),
        }
    }

    /// Whether the port is one that many systems reserve for root.
    fn is_privileged(&self) -> bool {
        matches!(self, Self::Tcp(address) if (1..1024).contains(&address.port()))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            #[cfg(unix)]
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            #[cfg(unix)]
            Self::Systemd => f.write_str("systemd"),
        }
    }
}

/// Parses an address and a port. Without an address it is that of loopback, as a server must not be
/// open to the network by mistake.
pub(super) fn socket_address(text: &str) -> Option<SocketAddr> {
    let port = text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':')).unwrap_or(text);
    match port.parse() {
        Ok(port) => Some((Ipv4Addr::LOCALHOST, port).into()),
        Err(_) => text.parse().ok(),
    }
}

/// Parses the permissions of a Unix socket, in octal.
pub(crate) fn unix_mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| "permissions in octal, such as 660".into())
}

/// Parses `unix:PATH`, and returns the path.
pub(crate) fn unix_path(text: &str) -> Result<PathBuf, String> {
    match text.strip_prefix("unix:") {
        Some(path) if cfg!(unix) && !path.is_empty() => Ok(path.into()),
        _ if cfg!(unix) => Err("unix: and the path of a socket".into()),
        _ => Err("this system has no Unix sockets that fdx can use".into()),
    }
}

/// Returns loopback's addresses, and the addresses of this machine from which it would connect to
/// others. With IPv6 those of IPv4 too.
pub(super) fn own_addresses(with_ipv6: bool) -> Vec<IpAddr> {
    // Nothing is sent: connecting a UDP socket only chooses its address. The destinations are those
    // of documentation (RFC 5737, RFC 3849).
    let own = |bind: &str, to: &str| -> io::Result<IpAddr> {
        let socket = UdpSocket::bind(bind)?;
        socket.connect(to)?;
        Ok(socket.local_addr()?.ip())
    };
    let mut addresses = vec![Ipv4Addr::LOCALHOST.into()];
    addresses.extend(own("0.0.0.0:0", "192.0.2.1:9"));
    if with_ipv6 {
        addresses.push(Ipv6Addr::LOCALHOST.into());
        addresses.extend(own("[::]:0", "[2001:db8::1]:9"));
    }
    addresses.dedup();
    addresses
}

/// The listeners that systemd passed to this process.
#[derive(Default)]
pub(crate) struct SystemdListeners(#[cfg(unix)] Vec<ActivatedListener>);

impl SystemdListeners {
    /// Takes them from the environment if `--listen` has `systemd`. Must be called before other
    /// threads start, as it changes environment variables.
    pub(crate) fn receive(addresses: &[Address]) -> Result<Self, String> {
        #[cfg(unix)]
        if addresses.iter().any(|address| matches!(address, Address::Systemd)) {
            return server::listen::listeners_from_systemd()
                .map(Self)
                .map_err(|error| error.to_string());
        }
        let _ = addresses;
        Ok(Self::default())
    }
}

/// A listener with its address.
pub(crate) struct BoundListener {
    pub(crate) listener: Listener,
    pub(crate) address: Address,
    /// Removes the Unix socket's file when dropped.
    #[cfg(unix)]
    pub(crate) file: Option<UnixSocketFile>,
}

fn bind_tcp(address: SocketAddr) -> io::Result<BoundListener> {
    from_tcp(server::listen::bind(address, false, server::listen::BACKLOG)?)
}

fn from_tcp(listener: std::net::TcpListener) -> io::Result<BoundListener> {
    Ok(BoundListener {
        address: Address::Tcp(listener.local_addr()?),
        listener: listener.try_into()?,
        #[cfg(unix)]
        file: None,
    })
}

#[cfg(unix)]
fn bind_unix(path: &PathBuf, mode: Option<u32>) -> io::Result<BoundListener> {
    let listener = server::listen::bind_unix(path, mode, server::listen::BACKLOG)?.try_into()?;
    let file = Some(UnixSocketFile::new(path));
    Ok(BoundListener { listener, address: Address::Unix(path.clone()), file })
}

#[cfg(unix)]
fn bind_activated(socket: ActivatedSocket) -> io::Result<BoundListener> {
    match socket {
        ActivatedSocket::Tcp(listener) => from_tcp(listener),
        ActivatedSocket::Unix(listener) => {
            let address = listener.local_addr()?;
            let path = address.as_pathname().unwrap_or("(no path)".as_ref()).to_owned();
            // systemd owns the file, so that it is not removed here.
            Ok(BoundListener {
                listener: listener.try_into()?,
                address: Address::Unix(path),
                file: None,
            })
        }
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listen_addresses_may_be_short() {
        for (text, expected) in [
            ("9001", "127.0.0.1:9001"),
            (":9001", "127.0.0.1:9001"),
            ("localhost:0", "127.0.0.1:0"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::]:80", "[::]:80"),
        ] {
            assert_eq!(Address::parse(text).unwrap().to_string(), expected);
        }
        for text in ["", ":", "localhost", "65536", "example.com:80", "127.0.0.1", "-1"] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn listen_addresses_of_every_interface_are_reached_by_loopback() {
        let reachable = |text: &str| Address::parse(text).unwrap().reachable();
        assert_eq!(reachable("127.0.0.1:80"), ["127.0.0.1:80".parse().unwrap()]);
        for text in ["0.0.0.0:80", "[::]:80"] {
            let all = reachable(text);
            assert!(all.contains(&"127.0.0.1:80".parse().unwrap()), "{all:?}");
            assert!(all.iter().all(|address| !address.ip().is_unspecified()), "{all:?}");
        }
        assert!(reachable("[::]:80").contains(&"[::1]:80".parse().unwrap()));
    }

    #[test]
    fn unix_mode_is_octal() {
        assert_eq!(unix_mode("660"), Ok(0o660));
        assert_eq!(unix_mode("0777"), Ok(0o777));
        for text in ["", "888", "1777", "rw"] {
            assert!(unix_mode(text).is_err(), "{text}");
        }
    }
}
