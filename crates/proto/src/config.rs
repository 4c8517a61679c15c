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
    /// What the peer may cost.
    pub limits: Limits,
    /// How much may wait to be sent.
    pub send: SendConfig,
    /// When a silent peer is pinged and given up.
    pub keepalive: KeepaliveConfig,
    /// After how long without a message, or a piece of one, in either direction this end
    /// closes the connection with 1001 and [`CloseCause::IdleTimeout`](crate::CloseCause::IdleTimeout),
    /// at most a quarter of it late. Pings and pongs don't count, those of the keepalive
    /// among them: it finds peers that are gone, this one peers that have nothing to say.
    /// Default: `None`, never.
    pub idle_timeout: Option<Duration>,
    /// How long the closing may make no progress: for so long the peer takes less than 1 KiB of
    /// the bytes that wait for it, and not all of them, or all have left and it neither answers
    /// our Close nor ends the transport. Where bytes had to wait, up to twice as long. So what
    /// waits bounds the closing: 64 KiB of it take 64 times as long at most. Default: 10 s.
    pub close_timeout: Duration,
    /// Whether and how messages are compressed, if the peer agrees (RFC 7692). Default:
    /// they are not.
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
