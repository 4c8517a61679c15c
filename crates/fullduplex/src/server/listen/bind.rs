//! TCP listeners with the options that `std` lacks.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// The default number of connections that may wait to be accepted. The system may reduce it to its
/// own limit (4,096 on Linux, `net.core.somaxconn`).
pub const BACKLOG: u32 = 1024;

/// Listens on an address. The socket is non-blocking, as tokio's `TcpListener::from_std` needs.
///
/// With `reuse_port`, several sockets of one user can listen on the same port, also in several
/// processes, and the system distributes the connections among them (`SO_REUSEPORT`; on Linux and
/// the BSDs, an error elsewhere). Connections in the queue of a socket are lost when it is closed.
///
/// `[::]` accepts IPv4 too, with peers such as `::ffff:192.0.2.1`; `0.0.0.0` accepts IPv4 only.
/// On systems without IPv6 or without dual-stack sockets (OpenBSD), listen on both. A port that
/// was recently in use can be bound again (`SO_REUSEADDR`; not on Windows, where that would let
/// other processes bind it too).
///
/// # Errors
/// The error of the system, with the address in its message.
///
/// ```
/// use fullduplex::server::Server;
/// use fullduplex::server::listen::{BACKLOG, Listener, bind};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let listener = bind("127.0.0.1:0".parse().unwrap(), false, 4 * BACKLOG)?;
/// let server = Server::from_listener(Listener::try_from(listener)?);
/// # Ok(())
/// # }
/// ```
pub fn bind(address: SocketAddr, reuse_port: bool, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if let SocketAddr::V6(v6) = address {
        // The default differs between systems. The option matters for `[::]` only.
        if v6.ip().is_unspecified() {
            socket.set_only_v6(false)?;
        }
    }
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    if reuse_port {
        set_reuse_port(&socket)?;
    }
    socket.set_nonblocking(true)?;
    let with_address =
        |error: io::Error| io::Error::new(error.kind(), format!("listening on {address}: {error}"));
    socket.bind(&address.into()).map_err(with_address)?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX)).map_err(with_address)?;
    Ok(socket.into())
}

#[cfg(all(unix, not(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin"))))]
fn set_reuse_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

#[cfg(not(all(
    unix,
    not(any(target_os = "solaris", target_os = "illumos", target_os = "cygwin"))
)))]
fn set_reuse_port(_: &Socket) -> io::Result<()> {
    let why = "reuse_port is not supported on this system";
    Err(io::Error::new(io::ErrorKind::Unsupported, why))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use super::*;

    fn any_port(ip: &str) -> SocketAddr {
        SocketAddr::new(ip.parse().unwrap(), 0)
    }

    #[test]
    fn bind_listens_without_blocking() {
        let listener = bind(any_port("127.0.0.1"), false, BACKLOG).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let address = listener.local_addr().unwrap();
        let mut client = TcpStream::connect(address).unwrap();
        listener.set_nonblocking(false).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.write_all(b"x").unwrap();
        client.read_exact(&mut [0]).unwrap();
        let error = bind(address, false, BACKLOG).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        // The server closes first, so that its port is in TIME_WAIT.
        drop((server, client, listener));
        bind(address, false, BACKLOG).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn bind_shares_a_port_if_all_want_it() {
        let first = bind(any_port("127.0.0.1"), true, BACKLOG).unwrap();
        let address = first.local_addr().unwrap();
        let _second = bind(address, true, BACKLOG).unwrap();
        assert_eq!(bind(address, false, BACKLOG).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn bind_to_the_unspecified_address_of_ipv6_takes_ipv4_too() {
        let listener = match bind(any_port("::"), false, BACKLOG) {
            Ok(listener) => listener,
            // A machine without IPv6, where there is nothing to test.
            Err(_) if std::net::UdpSocket::bind("[::1]:0").is_err() => return,
            Err(error) => panic!("{error}"),
        };
        listener.set_nonblocking(false).unwrap();
        let port = listener.local_addr().unwrap().port();
        let _client = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (_, peer) = listener.accept().unwrap();
        assert!(peer.ip().is_ipv6() && peer.ip().to_canonical().is_ipv4(), "{peer}");
    }
}
