//! The settings of an engine.

use std::time::Duration;

use fullduplex::ConfigError;
use fullduplex::server::limits::ConnectionLimits;
use fullduplex::server::policy::OriginPolicy;

/// The settings of an [`Engine`](crate::engine::Engine). The fields can be read and assigned, and
/// each has a setter of its name.
///
/// ```
/// use std::time::Duration;
///
/// use fullduplex::server::policy::OriginPolicy;
/// use fullduplex_socketio::engine::EngineConfig;
///
/// # fn main() -> Result<(), fullduplex::Error> {
/// let config = EngineConfig::default()
///     .path("/realtime/")
///     .ping_interval(Duration::from_secs(10))
///     .origin_policy(OriginPolicy::list(["https://example.com"])?);
/// assert!(config.validate().is_ok());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EngineConfig {
    /// The path of all requests, with or without a `/` at its end. Default: `None`, which is
    /// `/socket.io/` for a [`SocketIo`](crate::SocketIo), and `/engine.io/` for an
    /// [`Engine`](crate::engine::Engine).
    pub path: Option<String>,
    /// The time between a pong and the next ping. Default: 25 s.
    pub ping_interval: Duration,
    /// The time that a client has to answer a ping. Default: 20 s.
    pub ping_timeout: Duration,
    /// The time that a client has to complete an upgrade. Default: 10 s.
    pub upgrade_timeout: Duration,
    /// The time in which the content of a POST has to arrive. Default: 20 s.
    pub body_timeout: Duration,
    /// How long a session that is closing waits for a poll, or for its WebSocket to take what is
    /// queued. Default: 30 s.
    pub close_timeout: Duration,
    /// The most bytes of the content of a POST, and of a WebSocket message; and of the response to
    /// a poll, unless a single packet is longer. Default: 1,000,000.
    pub max_payload: usize,
    /// The most packets of the response to a poll; the next poll takes the rest. Default: 16, as
    /// python-engineio disconnects from a server that sends it more.
    pub max_packets_per_poll: usize,
    /// The most bytes that wait to be sent in a session. Default: 1 MiB.
    pub max_queue_bytes: usize,
    /// The most bytes that wait for the application in a session before no more are read from the
    /// client. Default: 64 KiB.
    pub max_received_bytes: usize,
    /// Which web pages may connect, by whatever transport. Pages of listed origins may send
    /// credentials (CORS). Default: those of the same host.
    pub origin_policy: OriginPolicy,
    /// Whether clients may poll. Default: true.
    pub polling: bool,
    /// Whether clients may use a WebSocket, from the start or by an upgrade. Default: true.
    pub websocket: bool,
    /// The most sessions in total, and of one address. Default: 65,536 and 256.
    pub limits: ConnectionLimits,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            path: None,
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            upgrade_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(20),
            close_timeout: Duration::from_secs(30),
            max_payload: 1_000_000,
            max_packets_per_poll: 16,
            max_queue_bytes: 1 << 20,
            max_received_bytes: 64 << 10,
            origin_policy: OriginPolicy::default(),
            polling: true,
            websocket: true,
            limits: ConnectionLimits::default(),
        }
    }
}

/// Declares setters that have the name of their field.
macro_rules! setters {
    ($($field:ident: $type:ty;)*) => {
        $(
            #[doc = concat!(
                "Sets [`", stringify!($field), "`](Self#structfield.", stringify!($field), ")."
            )]
            #[must_use]
            pub fn $field(mut self, $field: $type) -> Self {
                self.$field = $field;
                self
            }
        )*
    };
}

impl EngineConfig {
    /// Sets [`path`](Self#structfield.path).
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = Some(path.into());
        self
    }

    setters! {
        ping_interval: Duration;
        ping_timeout: Duration;
        upgrade_timeout: Duration;
        body_timeout: Duration;
        close_timeout: Duration;
        max_payload: usize;
        max_packets_per_poll: usize;
        max_queue_bytes: usize;
        max_received_bytes: usize;
        origin_policy: OriginPolicy;
        polling: bool;
        websocket: bool;
        limits: ConnectionLimits;
    }

    /// Checks that every value is in its range.
    ///
    /// # Errors
    /// The first setting that is not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let begins = self.path.as_ref().is_none_or(|path| path.starts_with('/'));
        ConfigError::require(begins, "path", "begin with /")?;
        ConfigError::require_time(self.ping_interval, "ping_interval")?;
        ConfigError::require_time(self.ping_timeout, "ping_timeout")?;
        ConfigError::require_time(self.upgrade_timeout, "upgrade_timeout")?;
        ConfigError::require_time(self.body_timeout, "body_timeout")?;
        ConfigError::require_time(self.close_timeout, "close_timeout")?;
        ConfigError::require(self.max_payload > 0, "max_payload", "not be zero")?;
        let has_packets = self.max_packets_per_poll > 0;
        ConfigError::require(has_packets, "max_packets_per_poll", "not be zero")?;
        ConfigError::require(self.max_received_bytes > 0, "max_received_bytes", "not be zero")?;
        ConfigError::require(self.polling || self.websocket, "polling", "be on without websocket")
    }

    /// Whether a request with this path is one for the engine.
    pub(crate) fn is_path(&self, path: &str) -> bool {
        let own = self.path.as_deref().unwrap_or_default();
        path.trim_end_matches('/') == own.trim_end_matches('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_names_the_setting_that_is_out_of_range() {
        let fails = |config: EngineConfig| config.validate().unwrap_err().setting();
        let config = EngineConfig::default();
        assert!(config.validate().is_ok());
        assert_eq!(fails(config.clone().path("engine.io")), "path");
        assert_eq!(fails(config.clone().ping_timeout(Duration::ZERO)), "ping_timeout");
        assert_eq!(fails(config.clone().max_payload(0)), "max_payload");
        assert_eq!(fails(config.clone().max_packets_per_poll(0)), "max_packets_per_poll");
        assert_eq!(fails(config.polling(false).websocket(false)), "polling");
    }

    #[test]
    fn config_path_is_the_same_with_a_slash_at_its_end() {
        let config = EngineConfig::default().path("/socket.io");
        assert!(config.is_path("/socket.io") && config.is_path("/socket.io/"));
        assert!(!config.is_path("/socket.io/socket.io.js") && !config.is_path("/"));
    }
}
