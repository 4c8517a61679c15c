//! The settings of a connection.

use core::time::Duration;

#[cfg(feature = "deflate")]
use crate::deflate::DeflateConfig;
use crate::limits::Limits;
use crate::send::SendConfig;
use crate::timers::KeepaliveConfig;

/// The settings of a [`Session`](crate::Session) and of its [`Receiver`](crate::Receiver).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
