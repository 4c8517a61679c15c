//! A connection whose TLS ends here, and goes on in another one to the target.

use fullduplex::{Client, NetStream};
use tokio::io::AsyncWriteExt as _;

use super::hosts::HostPort;
use super::leaves::{DecryptedHost, Leaves};
use super::target_line;
use crate::inspect::versions::{HTTP1, HTTP2, refused, secure};

/// A fatal `handshake_failure` in place of the first record of a server (RFC 8446 §5.1, §6).
const HANDSHAKE_FAILURE: [u8; 7] = [21, 3, 3, 0, 2, 2, 40];

/// Both sides, before any TLS.
pub(super) struct Both<'a> {
    pub(super) connector: &'a Client,
    pub(super) client: NetStream,
    pub(super) target: NetStream,
    pub(super) to: &'a HostPort,
}

impl Both<'_> {
    /// Runs TLS with both sides, and returns them and whether they speak HTTP/2. The error has
    /// lines that say why that is not possible.
    ///
    /// TLS with the target comes first, so that the client's fails if the target's does, unless it
    /// is known that the target chooses HTTP/2: then the client decides.
    pub(super) async fn decrypt(
        self,
        leaves: &Leaves,
    ) -> Result<(NetStream, NetStream, bool), Vec<String>> {
        let host = leaves.host(self.to).map_err(|error| vec![error.to_string()])?;
        match host.versions.has_http2() {
            Some(true) => self.client_first(&host).await,
            Some(false) => self.target_first(&host, &[HTTP1]).await,
            None => self.target_first(&host, &[HTTP2, HTTP1]).await,
        }
    }

    async fn target_first(
        mut self,
        host: &DecryptedHost,
        offered: &[&[u8]],
    ) -> Result<(NetStream, NetStream, bool), Vec<String>> {
        let url = self.url();
        let secured = self.connector.connect_transport_over(self.target, &*url, offered).await;
        let (mut target, chosen) = match secured {
            Ok(secured) => secured,
            Err(error) => {
                // Any answer of HTTP would be one that the target did not give.
                let _ = self.client.write_all(&HANDSHAKE_FAILURE).await;
                let _ = self.client.shutdown().await;
                return Err(vec![target_line(&error)]);
            }
        };
        let has_http2 = chosen.as_deref() == Some(HTTP2);
        host.versions.set(Some(has_http2));
        let offers: &[&[u8]] = if has_http2 { &[HTTP2, HTTP1] } else { &[HTTP1] };
        let (client, chosen) = accept(host, offers, self.client, &target).await?;
        let is_http2 = chosen.as_deref() == Some(HTTP2);
        if has_http2 && !is_http2 {
            let again = self.connector.connect_transport_with_alpn(&*url, &[HTTP1]).await;
            target = again
                .map_err(|error| {
                    let _ = client.set_zero_linger();
                    vec![target_line(&error)]
                })?
                .0;
        }
        Ok((client, target, is_http2))
    }

    async fn client_first(
        self,
        host: &DecryptedHost,
    ) -> Result<(NetStream, NetStream, bool), Vec<String>> {
        let url = self.url();
        let (client, chosen) = accept(host, &[HTTP2, HTTP1], self.client, &self.target).await?;
        let is_http2 = chosen.as_deref() == Some(HTTP2);
        let offer = if is_http2 { HTTP2 } else { HTTP1 };
        let secured = self.connector.connect_transport_over(self.target, &*url, &[offer]).await;
        let (target, chosen) = secured.map_err(|error| {
            let _ = client.set_zero_linger();
            vec![target_line(&error)]
        })?;
        if is_http2 && chosen.as_deref() != Some(HTTP2) {
            host.versions.set(None);
            return Err(refused(&client));
        }
        Ok((client, target, is_http2))
    }

    fn url(&self) -> String {
        format!("wss://{}/", self.to.authority(None))
    }
}

/// Runs TLS with the client, and resets the target if that fails.
async fn accept(
    host: &DecryptedHost,
    offers: &[&[u8]],
    client: NetStream,
    target: &NetStream,
) -> Result<(NetStream, Option<Vec<u8>>), Vec<String>> {
    secure(&host.tls, offers, client).await.map_err(|mut lines| {
        let _ = target.set_zero_linger();
        lines.push("  clients must trust the authority: fdx inspect ca says how".into());
        lines
    })
}
