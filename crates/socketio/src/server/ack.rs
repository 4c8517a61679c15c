//! Acknowledgements that clients send.

use std::fmt;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::cores::SocketCore;
use super::deliver::Delivery;
use crate::args::{Args, ArgsError};
use crate::packet::EncodeError;
use crate::parser::PartialPacket;

/// Why there is no acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AckError {
    /// The client did not answer in time.
    Timeout,
    /// The socket is disconnected. Whether the client has seen the event is not known.
    Disconnected,
    /// The event was dropped, as the client is slow.
    Dropped,
    /// `max_outstanding_acks` acknowledgements of the socket are waited for.
    TooManyOutstanding,
    /// The acknowledgement is not of the type that was expected.
    UnexpectedArgs(ArgsError),
    /// The event can't be sent.
    Invalid(EncodeError),
}

impl fmt::Display for AckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("the client did not acknowledge the event in time"),
            Self::Disconnected => f.write_str("the socket is disconnected"),
            Self::Dropped => f.write_str("the event was dropped, as the client is slow"),
            Self::TooManyOutstanding => {
                f.write_str("more acknowledgements are waited for than max_outstanding_acks")
            }
            Self::UnexpectedArgs(error) => error.fmt(f),
            Self::Invalid(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AckError {}

impl From<EncodeError> for AckError {
    fn from(error: EncodeError) -> Self {
        Self::Invalid(error)
    }
}

/// An acknowledgement that is waited for, and forgotten when this is dropped.
pub(super) struct ExpectedAck<'a> {
    core: &'a SocketCore,
    id: u64,
    receiver: oneshot::Receiver<Args>,
}

impl<'a> ExpectedAck<'a> {
    pub(super) fn new(core: &'a SocketCore, id: u64) -> Result<Self, AckError> {
        let receiver = core.expect_ack(id)?;
        Ok(Self { core, id, receiver })
    }

    pub(super) async fn wait(mut self, until: Instant) -> Result<Args, AckError> {
        match timeout_at(until, &mut self.receiver).await {
            Ok(Ok(args)) => Ok(args),
            Ok(Err(_)) => Err(AckError::Disconnected),
            Err(_) => Err(AckError::Timeout),
        }
    }
}

impl Drop for ExpectedAck<'_> {
    fn drop(&mut self) {
        self.core.forget_ack(self.id);
    }
}

/// Says why an event that was not sent has no acknowledgement.
pub(super) fn check(delivery: Delivery) -> Result<(), AckError> {
    match delivery {
        Delivery::Sent | Delivery::Queued => Ok(()),
        Delivery::Dropped(_) => Err(AckError::Dropped),
        Delivery::Closed => Err(AckError::Disconnected),
        Delivery::Invalid(error) => Err(AckError::Invalid(error)),
    }
}

pub(super) async fn emit_with_ack(
    core: &SocketCore,
    id: u64,
    packet: PartialPacket,
    timeout: Duration,
) -> Result<Args, AckError> {
    let until = Instant::now() + timeout;
    let expected = ExpectedAck::new(core, id)?;
    let message = packet.finish(None).into();
    match timeout_at(until, core.send_waiting(&message)).await {
        Ok(delivery) => check(delivery)?,
        Err(_) => return Err(AckError::Timeout),
    }
    expected.wait(until).await
}
