//! The settings of a connection.

use core::time::Duration;

use crate::config_error::ConfigError;
#[cfg(feature = "deflate")]
use crate::deflate::DeflateConfig;
use crate::limits::Limits;
use crate::send::SendConfig;
use crate::setters::setters;
use crate::timers::KeepaliveConfig;

/// The settings of a [`Session`](crate::Session) and of its [`Receiver`](crate::Receiver).
///
/// The fields can be read and assigned, and each has a setter of its name. The settings that are
/// changed most among the nested ones have one here, too.
///
/// ```
/// use std::time::Duration;
///
/// use fullduplex_proto::{Config, SendConfig};
///
/// let config = Config::default()
///     .max_message_size(64 << 10)
///     .keepalive_interval(Duration::from_secs(30))
///     .send(SendConfig::default().fragment_size(16 << 10));
/// assert_eq!(config.limits.max_message_size, Some(65_536));
/// assert_eq!(config.keepalive_interval(None).keepalive.interval, None);
/// ```
#[doc(alias = "WebSocketConfig")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// The limits on what is received.
    pub limits: Limits,
    /// The limits on what is queued for sending.
    pub send: SendConfig,
    /// The intervals after which a silent peer is pinged, and considered dead.
    pub keepalive: KeepaliveConfig,
    /// The time without a message, or a chunk of one, in either direction after which the local
    /// side closes the connection with 1001 and
    /// [`CloseCause::IdleTimeout`](crate::CloseCause::IdleTimeout), at most a quarter of it late.
    ///
    /// Pings and pongs do not count, including those of the keepalive, which finds peers that are
    /// gone; this finds peers that have nothing to say. Default: `None`, never.
    pub idle_timeout: Option<Duration>,
    /// The time after which a closing that makes no progress ends the connection.
    ///
    /// There is no progress if in this time the peer accepts less than 1 KiB of the bytes queued
    /// for it, or, when it has accepted all, neither answers the Close nor ends the transport. If
    /// bytes were queued, it may take up to twice as long. So the queued bytes bound the closing:
    /// 64 KiB take at most 64 times as long. Default: 10 s.
    pub close_timeout: Duration,
    /// The settings for compressing messages, if the peer agrees (RFC 7692). Default: `None`, no
    /// compression.
    #[cfg(feature = "deflate")]
    pub deflate: Option<DeflateConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            send: SendConfig::default(),
            keepalive: KeepaliveConfig::default(),
            idle_timeout: None,
            close_timeout: Duration::from_secs(10),
            #[cfg(feature = "deflate")]
            deflate: None,
        }
    }
}

impl Config {
    setters! {
        limits: Limits, ".";
        send: SendConfig, ".";
        keepalive: KeepaliveConfig, ".";
        idle_timeout: into Option<Duration>, "; `None` for no timeout.";
        close_timeout: Duration, ".";
    }

    /// Sets [`deflate`](Self#structfield.deflate); `None` for no compression.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(mut self, deflate: impl Into<Option<DeflateConfig>>) -> Self {
        self.deflate = deflate.into();
        self
    }

    /// Checks that every value is in its range. The library does where it is given settings; users
    /// of the core call it once, before they create a [`Session`](crate::Session) or
    /// [`Receiver`](crate::Receiver).
    ///
    /// # Errors
    /// The first setting that is not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.limits.validate()?;
        self.send.validate()?;
        self.keepalive.validate()?;
        if let Some(time) = self.idle_timeout {
            ConfigError::require_time(time, "idle_timeout")?;
        }
        #[cfg(feature = "deflate")]
        if let Some(deflate) = self.deflate {
            deflate.validate()?;
        }
        ConfigError::require_time(self.close_timeout, "close_timeout")
    }

    /// Sets [`Limits::max_message_size`](Limits#structfield.max_message_size), in bytes; `None` for
    /// no limit. Default: 1 MiB.
    #[doc(alias = "max_payload")]
    #[doc(alias = "maxPayload")]
    #[must_use]
    pub fn max_message_size(mut self, bytes: impl Into<Option<u64>>) -> Self {
        self.limits.max_message_size = bytes.into();
        self
    }

    /// Sets [`KeepaliveConfig::interval`](KeepaliveConfig#structfield.interval), the longest
    /// silence before a Ping; `None` for no Pings. Default: 20 s.
    #[doc(alias = "ping_interval")]
    #[doc(alias = "pingInterval")]
    #[doc(alias = "heartbeat")]
    #[must_use]
    pub fn keepalive_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.keepalive.interval = interval.into();
        self
    }

    /// Sets [`KeepaliveConfig::timeout`](KeepaliveConfig#structfield.timeout), the time for an
    /// answer to that Ping. Default: 20 s.
    #[doc(alias = "ping_timeout")]
    #[doc(alias = "pingTimeout")]
    #[must_use]
    pub const fn keepalive_timeout(mut self, timeout: Duration) -> Self {
        self.keepalive.timeout = timeout;
        self
    }
}
