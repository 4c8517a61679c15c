//! The HTTP version of a connection, which is the same on both of its sides.

use std::sync::{Mutex, PoisonError};

use fullduplex::server::tls::ServerTls;
use fullduplex::{Client, NetStream};
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use super::http2::PREFACE;
use super::opened::{Opened, TLS_TIMEOUT};
use super::rewriting::Rewriting;
use super::socket::Socket;
use crate::client::{connect_error, connect_error_details, url};

pub(super) const HTTP1: &[u8] = b"http/1.1";
pub(super) const HTTP2: &[u8] = b"h2";

/// The most bytes that one side sends while it is not known what the other one speaks.
const MAX_FIRST: usize = 16 << 10;

/// The target of all connections.
pub(super) struct Target {
    pub(super) url: String,
    /// The TLS of clients.
    pub(super) tls: Option<ServerTls>,
    pub(super) rewriting: Rewriting,
    pub(super) versions: Versions,
}

/// What is known of the HTTP versions of a target with TLS.
#[derive(Debug, Default)]
pub(super) struct Versions(Mutex<Option<bool>>);

impl Versions {
    /// Returns whether it chose HTTP/2 when it was offered; `None` before that.
    pub(super) fn has_http2(&self) -> Option<bool> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, has_http2: Option<bool>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = has_http2;
    }
}

impl Target {
    /// Does TLS with a client if there is any, and connects to the target. The error has lines that
    /// say why that is not possible. A client whose target can't be reached is reset: any answer
    /// would be one that the target did not give.
    pub(super) async fn open(
        &self,
        connector: &Client,
        socket: NetStream,
    ) -> Result<Opened, Vec<String>> {
        match (&self.tls, url::has_tls(&self.url)) {
            (None, false) => self.open_plain(connector, socket).await,
            (None, true) => self.open_to_tls(connector, socket).await,
            (Some(tls), false) => {
                let (client, _) = secure(tls, &[HTTP1], socket).await?;
                let (client, target, _) = self.connect(connector, client, &[]).await?;
                Ok(self.opened(client, target, false))
            }
            (Some(tls), true) => self.open_tls(connector, socket, tls).await,
        }
    }

    /// Opens both sides without TLS. A client that begins with HTTP/2 speaks it (RFC 9113 §3.3).
    async fn open_plain(
        &self,
        connector: &Client,
        client: NetStream,
    ) -> Result<Opened, Vec<String>> {
        let (mut client, mut target, _) = self.connect(connector, client, &[]).await?;
        let (mut first, mut of_target) = (Vec::new(), Vec::new());
        while !first.starts_with(PREFACE) && PREFACE.starts_with(&first) {
            tokio::select! {
                read = client.read_buf(&mut first) => if !matches!(read, Ok(1..)) { break },
                read = target.read_buf(&mut of_target), if of_target.len() < MAX_FIRST => {
                    // In HTTP/2 a server may send its SETTINGS first; in HTTP/1.1 it waits.
                    if !matches!(read, Ok(1..)) || !may_be_settings(&of_target) {
                        break;
                    }
                }
            }
        }
        let is_http2 = first.starts_with(PREFACE);
        let (client, target) = (Socket::new(client, first), Socket::new(target, of_target));
        let rewriting = self.rewriting.clone();
        Ok(Opened { client, target, rewriting, early: Vec::new(), is_blind: false, is_http2 })
    }

    /// Connects with TLS for a client without. What that begins with says what it speaks.
    async fn open_to_tls(
        &self,
        connector: &Client,
        mut client: NetStream,
    ) -> Result<Opened, Vec<String>> {
        let mut first = Vec::new();
        while !first.starts_with(PREFACE) && PREFACE.starts_with(&first) {
            if !matches!(client.read_buf(&mut first).await, Ok(1..)) {
                break;
            }
        }
        let is_http2 = first.starts_with(PREFACE);
        let alpn = if is_http2 { HTTP2 } else { HTTP1 };
        let (client, target, chosen) = self.connect(connector, client, &[alpn]).await?;
        if is_http2 && chosen.as_deref() != Some(HTTP2) {
            return Err(refused(&client));
        }
        let (client, target) = (Socket::new(client, first), Socket::new(target, Vec::new()));
        let rewriting = self.rewriting.clone();
        Ok(Opened { client, target, rewriting, early: Vec::new(), is_blind: false, is_http2 })
    }

    /// Opens both sides with TLS. A client is offered HTTP/2 if the target chose it.
    async fn open_tls(
        &self,
        connector: &Client,
        socket: NetStream,
        tls: &ServerTls,
    ) -> Result<Opened, Vec<String>> {
        let (mut socket, mut asked) = (socket, None);
        if self.versions.has_http2().is_none() {
            let (client, target, chosen) = self.connect(connector, socket, &[HTTP2, HTTP1]).await?;
            let is_http2 = chosen.as_deref() == Some(HTTP2);
            self.versions.set(Some(is_http2));
            (socket, asked) = (client, Some((target, is_http2)));
        }
        let offers: &[&[u8]] = match self.versions.has_http2() {
            Some(true) => &[HTTP2, HTTP1],
            _ => &[HTTP1],
        };
        let (client, chosen) = secure(tls, offers, socket).await?;
        let is_http2 = chosen.as_deref() == Some(HTTP2);
        if let Some((target, _)) = asked.filter(|(_, is_its)| *is_its == is_http2) {
            return Ok(self.opened(client, target, is_http2));
        }
        let alpn = if is_http2 { HTTP2 } else { HTTP1 };
        let (client, target, chosen) = self.connect(connector, client, &[alpn]).await?;
        if is_http2 && chosen.as_deref() != Some(HTTP2) {
            self.versions.set(None);
            return Err(refused(&client));
        }
        Ok(self.opened(client, target, is_http2))
    }

    fn opened(&self, client: NetStream, target: NetStream, is_http2: bool) -> Opened {
        Opened { is_http2, ..Opened::new(client, target, self.rewriting.clone()) }
    }

    /// Connects to the target for a client, and returns the protocol that it chose (ALPN).
    async fn connect(
        &self,
        connector: &Client,
        client: NetStream,
        alpn: &[&[u8]],
    ) -> Result<(NetStream, NetStream, Option<Vec<u8>>), Vec<String>> {
        match connector.connect_transport_with_alpn(&*self.url, alpn).await {
            Ok((target, chosen)) => Ok((client, target, chosen)),
            Err(error) => {
                let _ = client.set_zero_linger();
                let mut lines = vec![format!("the target: {}", connect_error(&error))];
                lines.extend(connect_error_details(&self.url, &error));
                Err(lines)
            }
        }
    }
}

/// Returns whether bytes are those of a frame of SETTINGS (RFC 9113 §6.5), as far as is known.
fn may_be_settings(bytes: &[u8]) -> bool {
    let stream = bytes.get(5..).unwrap_or_default();
    bytes.get(3).is_none_or(|kind| *kind == 4) && stream.iter().take(4).all(|byte| *byte == 0)
}

/// Does TLS with a client, and returns the protocol that was chosen (ALPN).
pub(super) async fn secure(
    tls: &ServerTls,
    alpn: &[&[u8]],
    socket: NetStream,
) -> Result<(NetStream, Option<Vec<u8>>), Vec<String>> {
    let tls = tls.clone().alpn(alpn);
    let accepted = timeout(TLS_TIMEOUT, tls.accept(socket)).await;
    let accepted = accepted.map_err(|_| vec!["no TLS handshake within 10 s".into()])?;
    let (client, info) = accepted.map_err(|error| vec![error.to_string()])?;
    Ok((client, info.alpn))
}

/// Resets a client of HTTP/2 whose target did not choose it.
pub(super) fn refused(client: &NetStream) -> Vec<String> {
    let _ = client.set_zero_linger();
    vec!["the target does not choose HTTP/2 (ALPN h2), which the client speaks".to_owned()]
}
