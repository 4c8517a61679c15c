//! Listeners that systemd opened before it started the program (socket activation,
//! `sd_listen_fds(3)`).

use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;

use crate::base::error::{Error, ErrorKind};

/// A listener that was passed.
#[derive(Debug)]
pub struct ActivatedListener {
    /// `FileDescriptorName=` of the socket's unit: by default the unit's name; `unknown` where
    /// none is told.
    pub name: String,
    /// The listener, which does not block: for tokio's `from_std`.
    pub socket: ActivatedSocket,
}

/// What kind of listener was passed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ActivatedSocket {
    /// Of TCP, IPv4 or IPv6.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

/// The listeners that were passed to this process, in the order of the unit's file; none if it
/// was not started so.
///
/// `LISTEN_FDS`, `LISTEN_PID` and `LISTEN_FDNAMES` tell of them. What is meant for another
/// process is not taken. The sockets are taken once, a second call gives none, and programs
/// that this one starts don't get them.
///
/// Something that is no listening stream socket, such as one of UDP, is an error; the ones
/// before it are closed then.
///
/// Call it early, while there is one thread, as it changes the environment.
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
                .map_err(|error| bad(format!("is no stream: {error}")))?;
            let tcp = tcp.ok_or_else(|| bad("is gone".into()))?;
            tcp.set_nonblocking(true).map_err(|error| bad(error.to_string()))?;
            is_listening(&(&tcp).into()).map_err(bad)?;
            ActivatedSocket::Tcp(tcp)
        };
        Ok(ActivatedListener { name, socket })
    };
    names.into_iter().enumerate().map(take).collect()
}

/// With `Accept=yes` systemd passes a connection, not a listener.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_listening(socket: &socket2::SockRef<'_>) -> Result<(), String> {
    match socket.is_listener() {
        Ok(true) => Ok(()),
        Ok(false) => Err("does not listen; its unit needs Accept=no".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// Elsewhere there is no systemd; what passes sockets in its way is believed.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_listening(_: &socket2::SockRef<'_>) -> Result<(), String> {
    Ok(())
}
