//! `fdx inspect --proxy`: an HTTP proxy for clients that are set to use one. Each says which target
//! it wants, by CONNECT (RFC 9110 §9.3.6) or by a request with a whole URL (RFC 9112 §3.2.2).

pub(super) mod args;
pub(super) mod authority;
mod decrypt;
mod hosts;
mod leaves;
mod request;
mod trust;

pub(super) use self::hosts::{HostPattern, HostPort};
pub(super) use self::leaves::Leaves;
pub(super) use self::request::split_url;

use std::net::SocketAddr;
use std::time::Duration;

use fullduplex::{Client, Error, NetStream};
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use self::decrypt::Both;
use self::request::{ProxyRequest, RequestError};
use super::event::{Event, TunnelContent};
use super::observer::Observer;
use super::opened::Opened;
use super::rewriting::Rewriting;
use crate::client::connect_error;

/// The time for the request of a client.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The first byte of a connection with TLS: the type of a record (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 22;

/// The proxy of all connections.
pub(super) struct Proxy {
    /// The addresses at which it listens.
    pub(super) own: Vec<SocketAddr>,
    /// The hosts whose TLS is looked into.
    pub(super) decrypt: Vec<HostPattern>,
    /// `None` if there are no such hosts.
    pub(super) leaves: Option<Leaves>,
}

impl Proxy {
    /// Receives what a client asks for, and connects it to its target.
    pub(super) async fn open(
        &self,
        client: &Client,
        mut socket: NetStream,
        observer: &Observer,
    ) -> Result<Opened, Vec<String>> {
        let request = timeout(REQUEST_TIMEOUT, request::read(&mut socket)).await;
        let request = match request {
            Ok(Ok(request)) => request,
            Ok(Err(RequestError::Answered(response, why))) => {
                respond(&mut socket, response, &why).await;
                return Err(vec![why]);
            }
            Ok(Err(RequestError::Ended(why))) => {
                let _ = socket.set_zero_linger();
                return Err(vec![why]);
            }
            Err(_) => return Err(vec!["no request within 30 s".into()]),
        };
        let to = request.to();
        let url = format!("ws://{}/", to.authority(None));
        let target = match client.connect_transport(&*url).await {
            Ok(target) if self.is_own(&target) => {
                let why = format!("{} is this proxy itself", to.authority(None));
                respond(&mut socket, "502 Bad Gateway", &why).await;
                return Err(vec![why]);
            }
            Ok(target) => target,
            Err(error) => {
                let why = target_line(&error);
                respond(&mut socket, "502 Bad Gateway", &why).await;
                return Err(vec![why]);
            }
        };
        match request {
            ProxyRequest::Forward { to, head } => {
                let rewriting = Rewriting::absolute("ws", to.authority(Some(80)));
                Ok(Opened { early: head, ..Opened::new(socket, target, rewriting) })
            }
            ProxyRequest::Connect(to) => {
                let answer = b"HTTP/1.1 200 Connection established\r\n\r\n";
                let answered = socket.write_all(answer).await;
                answered.map_err(|error| vec![format!("the client: {error}")])?;
                self.tunnel(client, socket, target, &to, observer).await
            }
        }
    }

    /// Looks at what a client sends first through a tunnel, and opens its TLS if that is wanted.
    async fn tunnel(
        &self,
        client: &Client,
        socket: NetStream,
        target: NetStream,
        to: &HostPort,
        observer: &Observer,
    ) -> Result<Opened, Vec<String>> {
        let authority = to.authority(None);
        let tell = |content| observer.tell(&Event::Tunnel { to: &authority, content });
        if first_byte(&socket, &target).await != Some(TLS_HANDSHAKE) {
            tell(TunnelContent::Plain);
            let rewriting = Rewriting::none("ws", to.authority(Some(80)));
            return Ok(Opened::new(socket, target, rewriting));
        }
        let rewriting = Rewriting::none("wss", to.authority(Some(443)));
        let is_wanted = self.decrypt.iter().any(|pattern| pattern.matches(&to.host));
        let Some(leaves) = self.leaves.as_ref().filter(|_| is_wanted) else {
            tell(TunnelContent::Tls);
            return Ok(Opened { is_blind: true, ..Opened::new(socket, target, rewriting) });
        };
        tell(TunnelContent::OpenedTls);
        let both = Both { connector: client, client: socket, target, to };
        let (socket, target, is_http2) = both.decrypt(leaves).await?;
        Ok(Opened { is_http2, ..Opened::new(socket, target, rewriting) })
    }

    /// Returns whether a connection leads to where the proxy listens.
    fn is_own(&self, target: &NetStream) -> bool {
        let (Ok(peer), Ok(local)) = (target.peer_addr(), target.local_addr()) else { return false };
        self.own.iter().any(|own| {
            let is_here = own.ip().is_unspecified() && peer.ip() == local.ip();
            own.port() == peer.port() && (own.ip() == peer.ip() || is_here)
        })
    }
}

/// Returns the first byte of the client without taking it; `None` if it has ended, or the target
/// sends first.
async fn first_byte(client: &NetStream, target: &NetStream) -> Option<u8> {
    let from_target = async {
        match target.as_tcp() {
            Some(target) => target.readable().await.is_ok(),
            None => std::future::pending().await,
        }
    };
    let mut byte = [0];
    let seen = tokio::select! {
        biased;
        seen = client.as_tcp()?.peek(&mut byte) => seen.ok(),
        _ = from_target => None,
    };
    seen.filter(|len| *len > 0).map(|_| byte[0])
}

/// Returns the line about a target that can't be reached. There may be many: browsers and programs
/// ask for more than their user does.
fn target_line(error: &Error) -> String {
    format!("the target: {}", connect_error(error))
}

/// Answers in place of a target.
async fn respond(socket: &mut NetStream, status: &str, why: &str) {
    let body = format!("fdx inspect: {why}\n");
    let response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    // If it fails, the client has gone.
    let _ = socket.write_all(response.as_bytes()).await;
    let _ = socket.shutdown().await;
}
