//! Tunnels through SOCKS5 proxies (RFC 1928, RFC 1929).

use std::io;
use std::net::IpAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::base::at_step::at_step;
use crate::base::error::retry::AttemptFailure;
use crate::base::error::{ConnectStep, Error, ErrorKind};
use crate::client::connect::proxy::Proxy;
use crate::client::connect::proxy::tunnel::Destination;
use crate::transport::net_stream::NetStream;

/// Opens a tunnel through a SOCKS5 proxy.
///
/// The outer error is a failure of the proxy itself. The inner one is its rejection of this
/// address, after which another address may work.
pub(crate) async fn connect(
    mut stream: NetStream,
    to: &Destination<'_>,
    proxy: &Proxy,
) -> Result<Result<NetStream, Error>, Error> {
    let greeting = format!("waiting for the proxy {proxy:?} to answer the SOCKS5 greeting");
    let greeted = greet(&mut stream, proxy.auth.as_ref());
    at_step(ConnectStep::Proxy, greeting, greeted).await?;
    let (host, port) = (to.host, to.port);
    let connecting = format!("waiting for the proxy {proxy:?} to connect to {host}:{port}");
    at_step(ConnectStep::Proxy, connecting, open(stream, to)).await
}

fn proxy_error(what: impl std::fmt::Display) -> Error {
    let error = Error::new(ErrorKind::Proxy, format!("the SOCKS5 proxy {what}"));
    error.with_step(ConnectStep::Proxy)
}

fn io(error: io::Error) -> Error {
    Error::io("the handshake with the SOCKS5 proxy", error)
}

/// Agrees on an authentication method, and authenticates.
async fn greet(stream: &mut NetStream, auth: Option<&(String, String)>) -> Result<(), Error> {
    // RFC 1928 §3: offer "no authentication", and "user and password" (RFC 1929) if set.
    let methods: &[u8] = if auth.is_some() { &[5, 2, 0, 2] } else { &[5, 1, 0] };
    stream.write_all(methods).await.map_err(io)?;
    stream.flush().await.map_err(io)?;
    let mut choice = [0; 2];
    stream.read_exact(&mut choice).await.map_err(io)?;
    match (choice, auth) {
        ([5, 0], _) => {}
        ([5, 2], Some((user, password))) => {
            let mut request = vec![1];
            for part in [user, password] {
                let len = u8::try_from(part.len());
                let len = len.map_err(|_| {
                    proxy_error("supports at most 255 bytes of user or password (RFC 1929)")
                })?;
                request.push(len);
                request.extend_from_slice(part.as_bytes());
            }
            stream.write_all(&request).await.map_err(io)?;
            stream.flush().await.map_err(io)?;
            let mut status = [0; 2];
            stream.read_exact(&mut status).await.map_err(io)?;
            if status[1] != 0 {
                return Err(proxy_error("does not accept the user and password"));
            }
        }
        ([5, 0xff], None) => {
            return Err(proxy_error("requires a user and password in its URL"));
        }
        ([5, 0xff], Some(_)) => {
            return Err(proxy_error("does not support a user and password"));
        }
        ([5, other], _) => {
            return Err(proxy_error(format!(
                "chose an authentication method that was not offered: {other}"
            )));
        }
        _ => return Err(proxy_error("does not speak SOCKS5").with_first_bytes(&choice)),
    }
    Ok(())
}

/// Asks for a tunnel.
async fn open(
    mut stream: NetStream,
    to: &Destination<'_>,
) -> Result<Result<NetStream, Error>, Error> {
    stream.write_all(&request(to).map_err(proxy_error)?).await.map_err(io)?;
    stream.flush().await.map_err(io)?;
    let mut head = [0; 4];
    stream.read_exact(&mut head).await.map_err(io)?;
    if head[0] != 5 {
        return Err(proxy_error("does not speak SOCKS5"));
    }
    if head[1] != 0 {
        let (host, port) = (to.host, to.port);
        let at = to.address.map(|address| format!(" at {}", address.ip())).unwrap_or_default();
        let error = proxy_error(format!("rejected {host}:{port}{at}: {}", reason(head[1])));
        return Ok(Err(error.with_failure(AttemptFailure::Socks5(head[1]))));
    }
    // The proxy's bound address is of no use here, but must be read (RFC 1928 §6).
    let len = match head[3] {
        1 => 4,
        4 => 16,
        3 => usize::from(stream.read_u8().await.map_err(io)?),
        other => {
            return Err(proxy_error(format!("responded with an address of unknown type {other}")));
        }
    };
    let mut bound = [0; 257];
    stream.read_exact(&mut bound[..len + 2]).await.map_err(io)?;
    Ok(Ok(stream))
}

/// Returns the CONNECT request (RFC 1928 §4).
fn request(to: &Destination<'_>) -> Result<Vec<u8>, String> {
    let mut request = vec![5, 1, 0];
    let literal = to.host.parse::<IpAddr>().ok();
    match to.address.map(|address| address.ip()).or(literal) {
        Some(IpAddr::V4(ip)) => {
            request.push(1);
            request.extend(ip.octets());
        }
        Some(IpAddr::V6(ip)) => {
            request.push(4);
            request.extend(ip.octets());
        }
        None => {
            let len = u8::try_from(to.host.len());
            request.push(3);
            request.push(len.map_err(|_| "supports host names of at most 255 bytes".to_owned())?);
            request.extend(to.host.bytes());
        }
    }
    request.extend(to.port.to_be_bytes());
    Ok(request)
}

/// Returns the meaning of a reply code (RFC 1928 §6).
fn reason(code: u8) -> String {
    match code {
        1 => "general failure".into(),
        2 => "not allowed by its rules".into(),
        3 => "network unreachable".into(),
        4 => "host unreachable".into(),
        5 => "connection refused".into(),
        6 => "TTL expired".into(),
        7 => "CONNECT is not supported".into(),
        8 => "this type of address is not supported".into(),
        other => format!("code {other}"),
    }
}
