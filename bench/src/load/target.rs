//! The server to connect to, and the opening handshake.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, SocketAddrV4};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::setup::Deflate;
use crate::upgrade::accept_value;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use socket2::{Domain, Socket, Type};

use super::wrong;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A server, and how connections to it are opened.
#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    pub deflate: Deflate,
    pub tls: Option<Arc<ClientConfig>>,
    /// Whether connections start without the opening handshake, with frames only.
    pub raw: bool,
}

/// A connection that does not block.
pub enum Stream {
    Plain(mio::net::TcpStream),
    Tls(Box<StreamOwned<ClientConnection, mio::net::TcpStream>>),
}

impl Target {
    /// Connects, and does the opening handshake.
    pub fn open(&self) -> io::Result<Stream> {
        let mut tcp = self.connect(None)?;
        let Some(config) = &self.tls else {
            if !self.raw {
                tcp.write_all(self.request().as_bytes())?;
                self.read_response(&mut tcp)?;
            }
            return nonblocking(tcp).map(Stream::Plain);
        };
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let tls = ClientConnection::new(config.clone(), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(tls, tcp);
        stream.write_all(self.request().as_bytes())?;
        self.read_response(&mut stream)?;
        let (tls, tcp) = stream.into_parts();
        Ok(Stream::Tls(Box::new(StreamOwned::new(tls, nonblocking(tcp)?))))
    }

    /// Connects, from an address and port of this machine if one is given.
    pub fn connect(&self, source: Option<SocketAddrV4>) -> io::Result<std::net::TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        if let Some(source) = source {
            socket.bind(&source.into())?;
        }
        socket.connect(&self.address.into())?;
        socket.set_tcp_nodelay(true)?;
        // Closing then sends a reset and leaves nothing to wait for, which would keep ports.
        socket.set_linger(Some(Duration::ZERO))?;
        socket.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(socket.into())
    }

    pub fn request(&self) -> String {
        let offer = match self.deflate {
            Deflate::Off => "",
            Deflate::Shared => {
                "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; \
                 client_no_context_takeover\r\n"
            }
            _ => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        };
        format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{offer}\r\n",
            self.address
        )
    }

    /// Reads the response; nothing follows it, as servers here send only replies.
    pub fn read_response(&self, stream: &mut impl Read) -> io::Result<()> {
        let mut head = [0; 2048];
        let mut len = 0;
        while !head[..len].ends_with(b"\r\n\r\n") {
            match stream.read(&mut head[len..])? {
                0 => return Err(wrong(format!("{:?}", String::from_utf8_lossy(&head[..len])))),
                read => len += read,
            }
        }
        let head = String::from_utf8_lossy(&head[..len]);
        let accepted = head.starts_with("HTTP/1.1 101") && head.contains(&accept_value(KEY));
        let agreed = head.contains("permessage-deflate");
        let each = head.contains("server_no_context_takeover");
        let as_asked = match self.deflate {
            Deflate::Off => !agreed,
            Deflate::Shared => agreed && each,
            _ => agreed && !each,
        };
        if accepted && as_asked { Ok(()) } else { Err(wrong(head)) }
    }
}

fn nonblocking(tcp: std::net::TcpStream) -> io::Result<mio::net::TcpStream> {
    tcp.set_nonblocking(true)?;
    Ok(mio::net::TcpStream::from_std(tcp))
}

/// Returns a configuration that trusts the certificate in a folder.
pub fn client_config(folder: &Path) -> io::Result<Arc<ClientConfig>> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    let cert = CertificateDer::from_pem_file(folder.join("cert.pem")).map_err(io::Error::other)?;
    let mut roots = RootCertStore::empty();
    roots.add(cert).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

impl Stream {
    pub fn source(&mut self) -> &mut mio::net::TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => &mut tls.sock,
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Tls(tls) => tls.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(bytes),
            Self::Tls(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}
