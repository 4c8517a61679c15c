//! What `fdx serve` listens on.

use std::fmt;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::PathBuf;

use fullduplex::server;
use fullduplex::server::listen::Listener;
#[cfg(unix)]
use fullduplex::server::listen::{ActivatedListener, ActivatedSocket, UnixSocketFile};

/// What `--listen` names.
#[derive(Clone, Debug)]
pub(super) enum Address {
    Tcp(SocketAddr),
    #[cfg(unix)]
    Unix(PathBuf),
    /// What systemd listens on for this program.
    #[cfg(unix)]
    Systemd,
}

impl Address {
    /// Reads `ADDR:PORT`, `unix:PATH` or `systemd`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        #[cfg(unix)]
        match text.strip_prefix("unix:") {
            Some("") => return Err("unix: is followed by the path of the socket".into()),
            Some(path) => return Ok(Self::Unix(path.into())),
            None if text == "systemd" => return Ok(Self::Systemd),
            None => {}
        }
        let why =
            "an address and a port, such as 127.0.0.1:9001 or [::]:80, or unix:PATH, or systemd";
        text.parse().map(Self::Tcp).map_err(|_| why.into())
    }

    /// Listens. Needs the runtime.
    pub(super) fn bind(&self, passed: &mut Passed) -> Result<Vec<Bound>, String> {
        let bound = match self {
            Self::Tcp(address) => bind_tcp(*address).map(|bound| vec![bound]),
            #[cfg(unix)]
            Self::Unix(path) => bind_unix(path).map(|bound| vec![bound]),
            #[cfg(unix)]
            Self::Systemd => passed.0.drain(..).map(|passed| take(passed.socket)).collect(),
        };
        #[cfg(not(unix))]
        let _ = passed;
        let bound = bound.map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => format!("{self}: another program listens there"),
            io::ErrorKind::AddrNotAvailable => format!("{self}: no address of this machine"),
            io::ErrorKind::PermissionDenied if self.is_privileged() => format!(
                "{self}: the system gives ports below 1024 to root alone, or to a program that \
                 may have them, as with setcap cap_net_bind_service=+ep, or by systemd"
            ),
            // It says where.
            _ => error.to_string(),
        })?;
        if bound.is_empty() {
            return Err(format!("{self}: it passed no socket"));
        }
        Ok(bound)
    }
}

impl Address {
    /// Whether only programs of this machine reach it.
    pub(super) fn is_of_this_machine(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
            Self::Systemd => false,
        }
    }

    /// Whether the port is one of those that many systems keep for root.
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

/// What systemd passed to this program.
#[derive(Default)]
pub(super) struct Passed(#[cfg(unix)] Vec<ActivatedListener>);

impl Passed {
    /// Takes it, if it is listened on. To be called while there is one thread.
    pub(super) fn take(addresses: &[Address]) -> Result<Self, String> {
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

/// A listener, and where it is.
pub(super) struct Bound {
    pub(super) listener: Listener,
    pub(super) address: Address,
    /// Takes the socket's file away when it is dropped.
    #[cfg(unix)]
    pub(super) file: Option<UnixSocketFile>,
}

fn bind_tcp(address: SocketAddr) -> io::Result<Bound> {
    of_tcp(server::listen::bind(address, false, server::listen::BACKLOG)?)
}

fn of_tcp(listener: std::net::TcpListener) -> io::Result<Bound> {
    Ok(Bound {
        address: Address::Tcp(listener.local_addr()?),
        listener: listener.try_into()?,
        #[cfg(unix)]
        file: None,
    })
}

#[cfg(unix)]
fn bind_unix(path: &PathBuf) -> io::Result<Bound> {
    let listener = server::listen::bind_unix(path, None, server::listen::BACKLOG)?.try_into()?;
    let file = Some(UnixSocketFile::new(path));
    Ok(Bound { listener, address: Address::Unix(path.clone()), file })
}

#[cfg(unix)]
fn take(passed: ActivatedSocket) -> io::Result<Bound> {
    match passed {
        ActivatedSocket::Tcp(listener) => of_tcp(listener),
        ActivatedSocket::Unix(listener) => {
            let address = listener.local_addr()?;
            let path = address.as_pathname().unwrap_or("(no path)".as_ref()).to_owned();
            // Its file is systemd's.
            Ok(Bound { listener: listener.try_into()?, address: Address::Unix(path), file: None })
        }
        _ => Err(io::ErrorKind::Unsupported.into()),
    }
}
