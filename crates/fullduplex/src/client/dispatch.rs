//! An attempt to open a WebSocket, on the HTTP version that is set.

use http::{HeaderMap, Response};

use crate::base::error::Error;
#[cfg(feature = "http2")]
use crate::base::error::ErrorKind;
use crate::base::uri::WsUri;
use crate::client::client::Client;
use crate::client::http_version::HttpVersion;
#[cfg(feature = "http2")]
use crate::client::http2::connect::Http2Outcome;
#[cfg(any(feature = "http2", feature = "http3"))]
use crate::client::multiplexed::auto;
use crate::connection::websocket::WebSocket;

impl Client {
    /// Opens a WebSocket without following redirections.
    pub(super) async fn connect_to(
        &self,
        target: &WsUri,
        headers: &HeaderMap,
    ) -> Result<(WebSocket, Response<()>), Error> {
        match self.http_version {
            HttpVersion::Http1 => self.connect_http1(target, headers).await,
            #[cfg(feature = "http2")]
            HttpVersion::Http2 => match self.connect_http2(target, headers).await {
                Ok(Http2Outcome::Opened(websocket, response)) => Ok((websocket, response)),
                Ok(Http2Outcome::Unsupported(reason, _)) => {
                    let message = format!("no WebSockets on HTTP/2 with this server: {reason}");
                    Err(Error::new(ErrorKind::Handshake, message))
                }
                Err(error) => Err(auto::add_version_hint(error, "HTTP/2")),
            },
            #[cfg(feature = "http3")]
            HttpVersion::Http3 => {
                let result = self.connect_http3(target, headers).await;
                result.map_err(|error| auto::add_version_hint(error, "HTTP/3"))
            }
            #[cfg(any(feature = "http2", feature = "http3"))]
            HttpVersion::Auto => self.connect_auto(target, headers).await,
        }
    }
}
