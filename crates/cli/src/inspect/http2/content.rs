//! What follows a head on a stream: content and trailers, or the bytes of a tunnel.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use fullduplex::Role;
use h2::{Reason, RecvStream};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::task::coop::consume_budget;

use super::heads::listed;
use super::written::Writer;
use crate::inspect::event::Event;
use crate::inspect::observer::Observer;
use crate::inspect::transport::Transport;

/// What ended an exchange before its regular end.
#[derive(Debug)]
pub(super) struct Failure {
    /// The side that has failed.
    pub(super) side: Role,
    pub(super) error: h2::Error,
    /// Whether the side may have sent something before that was not read yet.
    pub(super) may_have_sent: bool,
}

impl Failure {
    pub(super) fn of(side: Role) -> impl Fn(h2::Error) -> Self {
        move |error| Self { side, error, may_have_sent: false }
    }

    pub(super) fn of_receiver(side: Role) -> impl Fn(h2::Error) -> Self {
        move |error| Self { side, error, may_have_sent: true }
    }
}

/// Passes on content and trailers of this side to their end.
pub(super) async fn pass_content(
    sender: Role,
    from: &mut RecvStream,
    to: &mut Writer,
    observer: &Mutex<Observer>,
) -> Result<(), Failure> {
    let receiver = sender.peer();
    let mut len = 0;
    loop {
        // `h2` uses no budget of the task, and there may be many frames of single bytes.
        consume_budget().await;
        let data = tokio::select! {
            biased;
            data = from.data() => data,
            error = poll_fn(|cx| to.poll_failure(cx)) => {
                return Err(Failure::of_receiver(receiver)(error));
            }
        };
        let Some(data) = data else { break };
        let data = data.map_err(Failure::of(sender))?;
        let taken = data.len();
        let ends = from.is_end_stream();
        lock(observer).count(sender, taken);
        to.write(data, ends).await.map_err(Failure::of_receiver(receiver))?;
        // The sender may send as much as the receiver has taken.
        from.flow_control().release_capacity(taken).map_err(Failure::of(sender))?;
        len += taken as u64;
        if ends {
            ended(sender, len, observer);
            return Ok(());
        }
    }
    let trailers = from.trailers().await.map_err(Failure::of(sender))?;
    if let Some(trailers) = trailers {
        if len > 0 {
            lock(observer).tell(&Event::Body { sender, len });
        }
        lock(observer).tell(&Event::Trailers { sender, fields: &listed(&trailers) });
        to.trailers(trailers).map_err(Failure::of_receiver(receiver))?;
        ended(sender, 0, observer);
        return Ok(());
    }
    to.write(Bytes::new(), true).await.map_err(Failure::of_receiver(receiver))?;
    ended(sender, len, observer);
    Ok(())
}

fn ended(sender: Role, len: u64, observer: &Mutex<Observer>) {
    let mut observer = lock(observer);
    if len > 0 {
        observer.tell(&Event::Body { sender, len });
    }
    observer.end(sender, Tunnel::END);
}

pub(super) fn lock(observer: &Mutex<Observer>) -> std::sync::MutexGuard<'_, Observer> {
    observer.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A stream after a CONNECT was answered with 2xx.
pub(super) struct Tunnel {
    pub(super) receive: RecvStream,
    pub(super) writer: Writer,
}

/// The receiving side of a tunnel.
pub(super) struct Reader {
    receive: RecvStream,
    buffer: Bytes,
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        ready!(pin!(consume_budget()).poll(cx));
        while this.buffer.is_empty() {
            match ready!(this.receive.poll_data(cx)) {
                Some(Ok(bytes)) => this.buffer = bytes,
                Some(Err(error)) => return Poll::Ready(Err(io::Error::other(error))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let len = this.buffer.len().min(buf.remaining());
        buf.put_slice(&this.buffer[..len]);
        this.buffer.advance(len);
        // The sender may send as much as was taken.
        let released = this.receive.flow_control().release_capacity(len);
        Poll::Ready(released.map_err(io::Error::other))
    }
}

impl Transport for Tunnel {
    type Reader = Reader;
    type Writer = Writer;

    const END: &'static str = "END_STREAM";
    const FAILS_AS_A_WHOLE: bool = true;

    fn split(self) -> (Reader, Writer) {
        (Reader { receive: self.receive, buffer: Bytes::new() }, self.writer)
    }

    /// Resets the stream with the code of the other one. If that ended with its connection, a
    /// stream of the client does too.
    fn reset(reader: Reader, mut writer: Writer, cause: Option<&io::Error>) {
        let cause = cause.and_then(h2_error);
        match writer.kept.take() {
            Some(kept) if cause.is_some_and(is_of_connection) => {
                // If it fails, the connection has ended already.
                let _ = kept.send(Box::new((reader, writer)));
            }
            _ => writer.reset(cause.map_or(Reason::CANCEL, reset_code)),
        }
    }

    fn is_at_end(reader: &Reader) -> bool {
        reader.buffer.is_empty() && reader.receive.is_end_stream()
    }

    fn expect_end(writer: &mut Writer) {
        writer.expect_end();
    }

    fn poll_failure(writer: &mut Writer, cx: &mut Context<'_>) -> Poll<io::Error> {
        writer.poll_failure(cx).map(io::Error::other)
    }

    fn failure(error: &io::Error) -> String {
        h2_error(error).map_or_else(|| error.to_string(), super::failure)
    }
}

fn h2_error(error: &io::Error) -> Option<&h2::Error> {
    error.get_ref()?.downcast_ref()
}

/// Returns whether a stream failed as its connection did.
pub(super) fn is_of_connection(error: &h2::Error) -> bool {
    error.is_io() || error.is_go_away()
}

/// Returns the code with which a stream is reset when the one of the other side has failed.
pub(super) fn reset_code(error: &h2::Error) -> Reason {
    // Each of the streams did not fail by itself when their connection ended.
    error.reason().filter(|_| !error.is_go_away()).unwrap_or(Reason::CANCEL)
}
