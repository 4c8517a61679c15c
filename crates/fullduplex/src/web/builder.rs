//! The builder of a client.

use std::time::Duration;

use fullduplex_proto::ConfigError;

use crate::base::error::Error;
use crate::base::subprotocols;
use crate::web::client::Client;

/// A builder of a [`Client`].
///
/// No setting fails: the first one that is not valid is reported by [`build`](Self::build). What a
/// page can't set is not here: header fields, authentication, cookies, proxies, TLS, the HTTP
/// version, compression, Pings.
///
/// ```
/// use fullduplex::{Client, ErrorKind};
///
/// let client = Client::builder().subprotocols(["chat"]).max_message_size(16 << 20).build()?;
/// let error = Client::builder().subprotocols(["not a token"]).build().unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Misuse);
/// # Ok::<(), fullduplex::Error>(())
/// ```
#[derive(Debug)]
pub struct ClientBuilder {
    client: Client,
    error: Option<Error>,
}

impl Client {
    /// Returns a builder with the default settings.
    pub fn builder() -> ClientBuilder {
        Self::default().to_builder()
    }

    /// Returns a builder with the settings of this client, to change some of them.
    pub fn to_builder(&self) -> ClientBuilder {
        ClientBuilder { client: self.clone(), error: None }
    }
}

impl ClientBuilder {
    /// Sets the subprotocols to offer, the preferred one first (RFC 6455 §1.9). Default: none.
    ///
    /// If some are offered and the server selects none, the browser fails the connection.
    #[must_use]
    pub fn subprotocols<I>(mut self, subprotocols: I) -> Self
    where
        I: IntoIterator<Item: Into<String>>,
    {
        match subprotocols::checked(subprotocols) {
            Ok(names) => self.client.subprotocols = names,
            Err(error) => drop(self.error.get_or_insert(error)),
        }
        self
    }

    /// Sets the largest message that is received, in bytes; `None` for no limit. Default: 1 MiB.
    ///
    /// A longer one has been received by the browser when it is refused. The connection is then
    /// closed without a code, as a page can't send 1009.
    #[must_use]
    pub fn max_message_size(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.client.limits.max_message_size = bytes.into();
        self
    }

    /// Sets how many bytes of received messages may wait for the application, each with 64 bytes
    /// more. Default: 16 MiB.
    ///
    /// A browser without a `WebSocketStream` reads on while the application does not, so if more
    /// than this waits, the connection is closed without a code.
    /// [`WebSocket::next`](crate::WebSocket::next) returns what waited, and then the error. A
    /// single message may be longer.
    #[must_use]
    pub fn max_buffered(mut self, bytes: usize) -> Self {
        self.client.limits.max_buffered = bytes;
        self
    }

    /// Sets the time limit for opening a WebSocket. Default: 30 s.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.client.connect_timeout = timeout;
        self
    }

    /// Returns the client.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Misuse`](crate::ErrorKind::Misuse) if a setting is not valid; the
    /// error is that of the first.
    pub fn build(self) -> Result<Client, Error> {
        if let Some(error) = self.error {
            return Err(error);
        }
        ConfigError::require_time(self.client.connect_timeout, "connect_timeout")
            .map_err(Error::of)?;
        Ok(self.client)
    }
}
