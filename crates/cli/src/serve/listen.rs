//! What `fdx serve` listens on.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use fullduplex::server::Listener;
use tokio::net::TcpListener;

/// What `--listen` names.
#[derive(Clone, Debug)]
pub(super) enum Address {
    Tcp(SocketAddr),
    #[cfg(unix)]
    Unix(PathBuf),
}

impl Address {
    /// Reads `ADDR:PORT` or `unix:PATH`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        #[cfg(unix)]
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                "" => Err("unix: is followed by the path of the socket".into()),
                path => Ok(Self::Unix(path.into())),
            };
        }
        let why = "an address and a port, such as 127.0.0.1:9001 or [::]:80, or unix:PATH";
        text.parse().map(Self::Tcp).map_err(|_| why.into())
    }

    /// Listens.
    pub(super) async fn bind(&self) -> Result<Bound, String> {
        let bound = match self {
            Self::Tcp(address) => bind_tcp(*address).await,
            #[cfg(unix)]
            Self::Unix(path) => bind_unix(path),
        };
        bound.map_err(|error| match error.kind() {
            io::ErrorKind::AddrInUse => format!("{self}: another program listens there"),
            io::ErrorKind::AddrNotAvailable => format!("{self}: no address of this machine"),
            _ => format!("{self}: {error}"),
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            #[cfg(unix)]
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A listener, and where it is.
pub(super) struct Bound {
    pub(super) listener: Listener,
    pub(super) address: Address,
    /// Takes the socket's file away.
    pub(super) file: Option<Removed>,
}

async fn bind_tcp(address: SocketAddr) -> io::Result<Bound> {
    let listener = TcpListener::bind(address).await?;
    let address = Address::Tcp(listener.local_addr()?);
    Ok(Bound { listener: listener.into(), address, file: None })
}

#[cfg(unix)]
fn bind_unix(path: &PathBuf) -> io::Result<Bound> {
    use std::os::unix::fs::FileTypeExt as _;
    use std::os::unix::net::UnixStream;
    use tokio::net::UnixListener;

    let is_left_over = || {
        let is_socket = std::fs::symlink_metadata(path).is_ok_and(|m| m.file_type().is_socket());
        let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
        is_socket && UnixStream::connect(path).is_err_and(refused)
    };
    let listener = match UnixListener::bind(path) {
        // Its server was killed.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_left_over() => {
            std::fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        bound => bound?,
    };
    let file = Some(Removed(path.clone()));
    Ok(Bound { listener: listener.into(), address: Address::Unix(path.clone()), file })
}

/// A file that is removed when this is dropped.
pub(super) struct Removed(pub(super) PathBuf);

impl Drop for Removed {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = std::fs::remove_file(&self.0);
    }
}
