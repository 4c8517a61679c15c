//! Listeners that systemd passes to the program (socket activation, `sd_listen_fds(3)`).

use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;

use crate::base::error::{Error, ErrorKind};

/// A listener that systemd passed.
///
/// ```
/// use fullduplex::server::listen::{ActivatedSocket, listeners_from_systemd};
///
/// # fn main() -> Result<(), fullduplex::Error> {
/// for passed in listeners_from_systemd()? {
///     match passed.socket {
///         ActivatedSocket::Tcp(tcp) => println!("{}: {tcp:?}", passed.name),
///         socket => println!("{}: {socket:?}", passed.name),
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct ActivatedListener {
    /// The name from `FileDescriptorName=` of the socket's unit, by default the unit's name;
    /// `unknown` if there is none.
    pub name: String,
    /// The listener. It is non-blocking, as tokio's `from_std` needs.
    pub socket: ActivatedSocket,
}

/// The socket of a listener that systemd passed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ActivatedSocket {
    /// A TCP listener, IPv4 or IPv6.
    Tcp(TcpListener),
    /// A listener on a Unix socket.
    Unix(UnixListener),
}

/// Returns the listeners that systemd passed to this process, in the order of the unit's file;
/// empty without socket activation.
///
/// They are described by `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES`, which are ignored if
/// they are for another process. The sockets are returned once: a second call returns none, and
/// child processes don't inherit them.
///
/// Call it early, while the process has one thread, as it changes the environment.
///
/// # Errors
/// A socket is not a listening stream socket, such as one of UDP. The sockets before it are
/// closed.
///
/// ```
/// use fullduplex::server::Server;
/// use fullduplex::server::listen::{Listener, listeners_from_systemd};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let passed = listeners_from_systemd()?.into_iter().next();
/// let server = match passed {
///     Some(passed) => Server::from_listener(Listener::try_from(passed.socket)?),
///     None => Server::bind("127.0.0.1:9001").await?,
/// };
/// # Ok(())
/// # }
/// ```
pub fn listeners_from_systemd() -> Result<Vec<ActivatedListener>, Error> {
    let names = std::env::var_os("LISTEN_FDNAMES").unwrap_or_default();
    let names = names.to_string_lossy();
    let mut passed = ListenFd::from_env();
    let mut names = names.split(':');
    let mut name = |_| names.next().filter(|name| !name.is_empty()).unwrap_or("unknown").to_owned();
    let names: Vec<String> = (0..passed.len()).map(&mut name).collect();
    let take = |(index, name): (usize, String)| -> Result<ActivatedListener, Error> {
        let bad = |why: String| {
            Error::new(ErrorKind::Io, format!("the socket {name:?} from systemd {why}"))
        };
        let socket = if let Ok(Some(unix)) = passed.take_unix_listener(index) {
            unix.set_nonblocking(true).map_err(|error| bad(error.to_string()))?;
            is_listening(&(&unix).into()).map_err(bad)?;
            ActivatedSocket::Unix(unix)
        } else {
            let tcp = passed
                .take_tcp_listener(index)
                .map_err(|error| bad(format!("is not a stream socket: {error}")))?;
            let tcp = tcp.ok_or_else(|| bad("was taken already".into()))?;
            tcp.set_nonblocking(true).map_err(|error| bad(error.to_string()))?;
            is_listening(&(&tcp).into()).map_err(bad)?;
            ActivatedSocket::Tcp(tcp)
        };
        Ok(ActivatedListener { name, socket })
    };
    names.into_iter().enumerate().map(take).collect()
}

/// Checks that a socket is listening: with `Accept=yes` systemd passes a connection.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_listening(socket: &socket2::SockRef<'_>) -> Result<(), String> {
    match socket.is_listener() {
        Ok(true) => Ok(()),
        Ok(false) => Err("is not listening; its unit needs Accept=no".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// Accepts any socket, as the check needs Linux. Other systems have no systemd.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_listening(_: &socket2::SockRef<'_>) -> Result<(), String> {
    Ok(())
}
