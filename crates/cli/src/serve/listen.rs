//! The addresses of `--listen`, and their listeners.

use std::fmt;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;

use fullduplex::server;
use fullduplex::server::listen::Listener;
#[cfg(unix)]
use fullduplex::server::listen::{ActivatedListener, ActivatedSocket, UnixSocketFile};

/// An address of `--listen`.
#[derive(Clone, Debug)]
pub(super) enum Address {
    Tcp(SocketAddr),
    #[cfg(unix)]
    Unix(PathBuf),
    /// The sockets that systemd passes (socket activation).
    #[cfg(unix)]
    Systemd,
}

impl Address {
    /// Parses `ADDR:PORT`, `unix:PATH` or `systemd`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        #[cfg(unix)]
        match text.strip_prefix("unix:") {
            Some("") => return Err("unix: needs the path of the socket".into()),
            Some(path) => return Ok(Self::Unix(path.into())),
            None if text == "systemd" => return Ok(Self::Systemd),
            None => {}
        }
        let why =
            "an address and a port, such as 127.0.0.1:9001 or [::]:80, or unix:PATH, or systemd";
        text.parse().map(Self::Tcp).map_err(|_| why.into())
    }

    /// Listens. Must be called within the runtime.
    pub(super) fn bind(
        &self,
        systemd: &mut SystemdListeners,
    ) -> Result<Vec<BoundListener>, String> {
        let bound = match self {
            Self::Tcp(address) => bind_tcp(*address).map(|bound| vec![bound]),
            #[cfg(unix)]
            Self::Unix(path) => bind_unix(path).map(|bound| vec![bound]),
            #[cfg(unix)]
            Self::Systemd => {
                systemd.0.drain(..).map(|passed| bind_activated(passed.socket)).collect()
            }
        };
        #[cfg(not(unix))]
        let _ = systemd;
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
    pub(super) fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
            Self::Systemd => false,
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

/// The listeners that systemd passed to this process.
#[derive(Default)]
pub(super) struct SystemdListeners(#[cfg(unix)] Vec<ActivatedListener>);

impl SystemdListeners {
    /// Takes them from the environment if `--listen` has `systemd`. Must be called before other
    /// threads start, as it changes environment variables.
    pub(super) fn receive(addresses: &[Address]) -> Result<Self, String> {
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
pub(super) struct BoundListener {
    pub(super) listener: Listener,
    pub(super) address: Address,
    /// Removes the Unix socket's file when dropped.
    #[cfg(unix)]
    pub(super) file: Option<UnixSocketFile>,
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
fn bind_unix(path: &PathBuf) -> io::Result<BoundListener> {
    let listener = server::listen::bind_unix(path, None, server::listen::BACKLOG)?.try_into()?;
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
