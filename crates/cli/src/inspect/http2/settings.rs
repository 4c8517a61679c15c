//! The connection to the target, and what its SETTINGS allow.

use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use h2::Reason;
use h2::client::{Builder, Connection, SendRequest};

use super::written::Piece;
use super::{CONNECTION_WINDOW, MAX_FIELDS, STREAM_WINDOW};
use crate::inspect::socket::Socket;

/// The number of streams before the SETTINGS of the target have come. None is as large.
const UNKNOWN: usize = usize::MAX - 1;

/// The connection to the target, after its SETTINGS.
pub(super) struct Target {
    pub(super) sender: SendRequest<Piece>,
    connection: Connection<Socket, Piece>,
    /// The most streams at the same time.
    pub(super) max_streams: usize,
    /// Whether it supports extended CONNECT (RFC 8441 §3).
    pub(super) has_extended_connect: bool,
    has_gone_away: bool,
}

/// What happened to the connection.
pub(super) enum Closing {
    /// The target takes no more streams.
    GoAway(Reason),
    /// With the code of a GOAWAY, if there was one.
    Ended(Option<Reason>),
    Failed(h2::Error),
}

impl Target {
    /// Begins HTTP/2, and waits for the SETTINGS of the target.
    pub(super) async fn open(socket: Socket) -> Result<Self, h2::Error> {
        let mut builder = Builder::new();
        builder
            .initial_max_send_streams(UNKNOWN)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_FIELDS)
            .max_send_buffer_size(STREAM_WINDOW as usize)
            .enable_push(false);
        let (sender, mut connection) = builder.handshake(socket).await?;
        poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Err(Reason::NO_ERROR.into())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending if sender.current_max_send_streams() != UNKNOWN => Poll::Ready(Ok(())),
            Poll::Pending => Poll::Pending,
        })
        .await?;
        Ok(Self {
            max_streams: sender.current_max_send_streams(),
            has_extended_connect: sender.is_extended_connect_protocol_enabled(),
            sender,
            connection,
            has_gone_away: false,
        })
    }

    /// Sends and receives, until something happens to the connection.
    pub(super) fn poll_closing(&mut self, cx: &mut Context<'_>) -> Poll<Closing> {
        let ended = Pin::new(&mut self.connection).poll(cx);
        // `h2` says so before the last stream has ended only to those who send.
        let gone_away = match self.sender.poll_ready(cx) {
            Poll::Ready(Err(error)) if error.is_go_away() => error.reason(),
            _ => None,
        };
        match ended {
            Poll::Ready(Ok(())) => Poll::Ready(Closing::Ended(gone_away)),
            Poll::Ready(Err(error)) if error.is_go_away() && error.is_remote() => {
                Poll::Ready(Closing::Ended(error.reason()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Closing::Failed(error)),
            Poll::Pending => match gone_away {
                Some(reason) if !self.has_gone_away => {
                    self.has_gone_away = true;
                    Poll::Ready(Closing::GoAway(reason))
                }
                _ => Poll::Pending,
            },
        }
    }

    /// Sends what the streams still have, and closes the connection when they have ended.
    pub(super) async fn close(self) {
        drop(self.sender);
        // It ends either way.
        let _ = self.connection.await;
    }
}
