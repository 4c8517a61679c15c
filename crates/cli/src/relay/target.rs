//! Where a connection is opened.

use std::fmt;
use std::io;
use std::net::Ipv6Addr;
#[cfg(unix)]
use std::path::PathBuf;
use std::time::Duration;

use fullduplex::NetStream;
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::time::timeout;

/// The time to connect. It is shorter than that of most clients for their handshake, so that they
/// are answered.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(8);

/// A TCP port or a Unix socket to connect to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Target {
    Tcp {
        /// A name or an address, without brackets.
        host: String,
        port: u16,
    },
    #[cfg(unix)]
    Unix(PathBuf),
}

impl Target {
    /// Parses `tcp:HOST:PORT` or `unix:PATH`. `HOST:PORT` is a TCP port too, `:PORT` one of
    /// this machine.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        #[cfg(unix)]
        match text.strip_prefix("unix:") {
            Some("") => return Err("unix: needs the path of the socket".into()),
            Some(path) => return Ok(Self::Unix(path.into())),
            None => {}
        }
        let address = text.strip_prefix("tcp:").unwrap_or(text);
        Self::tcp(address).ok_or_else(|| {
            "a TCP port or a Unix socket, such as tcp:127.0.0.1:5432 or unix:/run/x.sock".into()
        })
    }

    fn tcp(address: &str) -> Option<Self> {
        let (host, port) = address.rsplit_once(':')?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = match bare {
            Some(bare) => bare.parse::<Ipv6Addr>().ok().map(|_| bare)?,
            None if host.contains([':', '/', '[', ']', '@', '=']) => return None,
            None if host.is_empty() => "localhost",
            None => host,
        };
        let port = port.parse().ok().filter(|port| *port > 0)?;
        Some(Self::Tcp { host: host.to_owned(), port })
    }

    /// Opens a connection. If it takes longer than 8 s, the error is `TimedOut`.
    pub(crate) async fn connect(&self) -> io::Result<NetStream> {
        let connecting = async {
            match self {
                Self::Tcp { host, port } => {
                    let tcp = TcpStream::connect((host.as_str(), *port)).await?;
                    tcp.set_nodelay(true)?;
                    Ok(tcp.into())
                }
                #[cfg(unix)]
                Self::Unix(path) => UnixStream::connect(path).await.map(NetStream::from),
            }
        };
        timeout(CONNECT_TIMEOUT, connecting).await?
    }
}

/// Formats the target as it is written on the command line.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "tcp:[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "tcp:{host}:{port}"),
            #[cfg(unix)]
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_is_a_tcp_port_or_a_unix_socket() {
        for (text, expected) in [
            ("tcp:127.0.0.1:5432", "tcp:127.0.0.1:5432"),
            ("db.example:5432", "tcp:db.example:5432"),
            (":22", "tcp:localhost:22"),
            ("[::1]:22", "tcp:[::1]:22"),
            ("tcp:[::1]:22", "tcp:[::1]:22"),
            ("unix:/run/x.sock", "unix:/run/x.sock"),
        ] {
            assert_eq!(Target::parse(text).unwrap().to_string(), expected);
        }
        for text in ["", "tcp:", "a", "a:0", "a:b", "::1:22", "tcp://a:1", "http://a:1", "unix:"] {
            assert!(Target::parse(text).is_err(), "{text}");
        }
    }
}
