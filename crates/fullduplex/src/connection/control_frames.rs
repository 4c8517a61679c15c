//! Pings and Pongs as an application sees them.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use tokio::sync::{mpsc, oneshot};

use crate::base::error::{Error, ErrorKind};

/// The future of the Pong that answers a Ping; returned by
/// [`WebSocket::ping`](crate::WebSocket::ping) and [`SendHalf::ping`](crate::SendHalf::ping).
///
/// It is ready when a Pong with the payload of the Ping arrives, with the time since the Ping was
/// queued. Something must read the connection meanwhile. The peer may answer several Pings by one
/// Pong (RFC 6455 §5.5.3): the Pong of a later Ping is an answer to the earlier ones, too. So Pings
/// that are awaited at the same time should have different payloads.
///
/// It fails if the connection ends first, or if 64 later Pings wait for their Pongs. It borrows
/// nothing, and may be dropped.
///
/// ```
/// # async fn example(websocket: fullduplex::WebSocket) -> Result<(), fullduplex::Error> {
/// let (send, mut receive) = websocket.split();
/// tokio::spawn(async move { while receive.next().await.is_some() {} });
/// let pong = send.ping(b"1").await?;
/// println!("the peer is {:?} away", pong.await?);
/// # Ok(())
/// # }
/// ```
pub struct PongFuture(oneshot::Receiver<Result<Duration, Error>>);

impl PongFuture {
    pub(crate) fn new(pong: oneshot::Receiver<Result<Duration, Error>>) -> Self {
        Self(pong)
    }
}

impl Future for PongFuture {
    type Output = Result<Duration, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = ready!(Pin::new(&mut self.0).poll(cx));
        let gone = |_| Err(Error::new(ErrorKind::Closed, "the connection is closed"));
        Poll::Ready(answered.unwrap_or_else(gone))
    }
}

impl fmt::Debug for PongFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PongFuture").finish_non_exhaustive()
    }
}

/// A Ping or Pong of the peer.
///
/// ```
/// use fullduplex::{ControlFrame, WebSocket};
///
/// async fn log_pings(websocket: &mut WebSocket) {
///     let mut frames = websocket.control_frames();
///     tokio::spawn(async move {
///         while let Some(frame) = frames.next().await {
///             match frame {
///                 ControlFrame::Ping(payload) => println!("a Ping: {payload:?}"),
///                 other => println!("{other:?}"),
///             }
///         }
///     });
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ControlFrame {
    /// A Ping, which is answered without the application (RFC 6455 §5.5.2).
    Ping(Bytes),
    /// A Pong: an answer, or unsolicited (RFC 6455 §5.5.3).
    Pong(Bytes),
}

/// A stream of the peer's Pings and Pongs; returned by
/// [`WebSocket::control_frames`](crate::WebSocket::control_frames).
///
/// They arrive as the connection is read. Up to 64 wait; more are dropped until some are taken. The
/// stream ends with the connection. Dropping it is free.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), fullduplex::Error> {
/// use fullduplex::ControlFrame;
///
/// let (mut client, mut server) = fullduplex::pair();
/// let mut frames = server.control_frames();
/// client.pong(b"unsolicited").await?;
/// client.send("a message").await?;
/// server.next().await.unwrap()?;
/// assert_eq!(frames.next().await, Some(ControlFrame::Pong("unsolicited".into())));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "on_ping")]
#[doc(alias = "on_pong")]
pub struct ControlFrames(mpsc::Receiver<ControlFrame>);

impl ControlFrames {
    pub(crate) fn new(frames: mpsc::Receiver<ControlFrame>) -> Self {
        Self(frames)
    }

    /// Receives the next Ping or Pong, or `None` after the end of the connection.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    #[allow(clippy::should_implement_trait, reason = "the name that `StreamExt` has for it")]
    pub async fn next(&mut self) -> Option<ControlFrame> {
        poll_fn(|cx| self.0.poll_recv(cx)).await
    }
}

impl Stream for ControlFrames {
    type Item = ControlFrame;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<ControlFrame>> {
        self.0.poll_recv(cx)
    }
}

impl fmt::Debug for ControlFrames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlFrames").finish_non_exhaustive()
    }
}
