//! One connection: the bytes of both directions between the client and the target.
//!
//! Bytes pass as they come. What one end takes not, is not read from the other. FIN becomes FIN,
//! and any other end a reset.

use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, ready};

use fullduplex::{NetStream, Role};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf, ReadHalf, WriteHalf, split};
use tokio::sync::Notify;

use super::exchange::Exchange;

/// The bytes that are read at a time, and that wait in each direction at most.
const PIECE: usize = 16 << 10;

/// The two directions of a connection.
struct Lanes {
    /// Locked between two waits, by one task: no lock waits.
    exchange: Mutex<Exchange>,
    /// Wakes the client's direction when an answer has come.
    answered: Notify,
}

/// How a direction ended.
#[derive(Debug, PartialEq)]
enum LaneEnd {
    Fin,
    /// The side that sends has failed.
    ReadFailed,
    /// The side that receives has failed.
    WriteFailed,
}

/// Passes the bytes of both directions until both have ended, either end fails, or `stop` is ready.
pub(super) async fn pass(
    client: NetStream,
    target: NetStream,
    exchange: Exchange,
    stop: impl Future<Output = ()>,
) {
    let lanes = Lanes { exchange: Mutex::new(exchange), answered: Notify::new() };
    let (mut client_read, mut client_write) = split(client);
    let (mut target_read, mut target_write) = split(target);
    let is_clean = {
        let requests = pin!(lanes.requests(&mut client_read, &mut target_write));
        let responses = pin!(lanes.responses(&mut target_read, &mut client_write));
        tokio::select! {
            is_clean = both(requests, responses) => is_clean,
            () = stop => {
                lanes.lock().observer.note("reset, as fdx ends");
                false
            }
        }
    };
    if !is_clean {
        for stream in [client_read.unsplit(client_write), target_read.unsplit(target_write)] {
            // If it fails, the connection has ended, or is a Unix socket, which has no reset.
            let _ = stream.set_zero_linger();
        }
    }
    lanes.lock().observer.close();
}

/// Waits for both directions, or until one side fails that sends. Returns whether both have ended
/// with FIN.
async fn both(
    mut one: Pin<&mut impl Future<Output = LaneEnd>>,
    mut other: Pin<&mut impl Future<Output = LaneEnd>>,
) -> bool {
    // What a side has sent before it failed is still there to be read.
    let (first, rest) = tokio::select! {
        end = one.as_mut() => (end, None),
        end = other.as_mut() => (end, Some(())),
    };
    if first == LaneEnd::ReadFailed {
        return false;
    }
    let second = match rest {
        None => other.await,
        Some(()) => one.await,
    };
    first == LaneEnd::Fin && second == LaneEnd::Fin
}

impl Lanes {
    fn lock(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on what the client sends.
    async fn requests(
        &self,
        from: &mut ReadHalf<NetStream>,
        to: &mut WriteHalf<NetStream>,
    ) -> LaneEnd {
        // What is held back until an answer comes, and how the direction has ended.
        let mut held: Vec<u8> = Vec::new();
        loop {
            let is_held = self.lock().is_held();
            let answered = async {
                if is_held {
                    self.answered.notified().await;
                } else {
                    std::future::pending::<()>().await;
                }
            };
            let read = tokio::select! {
                biased;
                () = answered => None,
                read = read_some(from), if held.len() < PIECE => Some(read),
            };
            match read {
                None => {}
                Some(Ok(bytes)) if !bytes.is_empty() => held.extend(bytes),
                Some(end) => return self.end_requests(end, held, to).await,
            }
            if self.pass_requests(&mut held, to).await.is_err() {
                return LaneEnd::WriteFailed;
            }
        }
    }

    /// Passes on what of the client's bytes is not held back.
    async fn pass_requests(
        &self,
        held: &mut Vec<u8>,
        to: &mut WriteHalf<NetStream>,
    ) -> io::Result<()> {
        let is_switched = self.lock().is_switched();
        if is_switched {
            let bytes = std::mem::take(held);
            let written = write_at_once(to, &bytes).await?;
            self.lock().push_switched(&bytes);
            return write_rest(to, &bytes[written..]).await;
        }
        let mut out = Vec::new();
        {
            let mut exchange = self.lock();
            let mut input = held.as_slice();
            exchange.push_request(&mut input, &mut out);
            let taken = held.len() - input.len();
            held.drain(..taken);
            exchange.observer.count(Role::Client, out.len());
        }
        write_rest(to, &out).await
    }

    /// Ends the client's direction, after an answer if bytes are held back until then.
    async fn end_requests(
        &self,
        end: io::Result<Vec<u8>>,
        mut held: Vec<u8>,
        to: &mut WriteHalf<NetStream>,
    ) -> LaneEnd {
        while end.is_ok() && !held.is_empty() {
            self.answered.notified().await;
            if self.pass_requests(&mut held, to).await.is_err() {
                return LaneEnd::WriteFailed;
            }
        }
        let rest = self.lock().take_unfinished_request();
        if end.is_ok() && write_rest(to, &rest).await.is_err() {
            return LaneEnd::WriteFailed;
        }
        self.end(Role::Client, end.map(drop), to).await
    }

    /// Passes on what the server sends.
    async fn responses(
        &self,
        from: &mut ReadHalf<NetStream>,
        to: &mut WriteHalf<NetStream>,
    ) -> LaneEnd {
        loop {
            let bytes = match read_some(from).await {
                Ok(bytes) if !bytes.is_empty() => bytes,
                end => {
                    self.lock().end_responses();
                    self.answered.notify_one();
                    return self.end(Role::Server, end.map(drop), to).await;
                }
            };
            let written = write_at_once(to, &bytes).await;
            {
                let mut exchange = self.lock();
                exchange.push_response(&bytes);
                exchange.observer.count(Role::Server, bytes.len());
            }
            self.answered.notify_one();
            let written = match written {
                Ok(written) => write_rest(to, &bytes[written..]).await,
                Err(error) => Err(error),
            };
            if written.is_err() {
                return LaneEnd::WriteFailed;
            }
        }
    }

    /// Ends a direction as the side that sends has ended it.
    async fn end(
        &self,
        sender: Role,
        end: io::Result<()>,
        to: &mut WriteHalf<NetStream>,
    ) -> LaneEnd {
        let how = match &end {
            Ok(()) => "FIN".to_owned(),
            Err(error) => match error.kind() {
                io::ErrorKind::ConnectionReset => "RST".to_owned(),
                io::ErrorKind::UnexpectedEof => "FIN without close_notify of TLS".to_owned(),
                _ => error.to_string(),
            },
        };
        self.lock().observer.end(sender, &how);
        match end {
            Ok(()) if to.shutdown().await.is_ok() => LaneEnd::Fin,
            Ok(()) => LaneEnd::WriteFailed,
            Err(_) => LaneEnd::ReadFailed,
        }
    }
}

/// Reads what there is, and allocates when something is there. Nothing is the end.
async fn read_some(from: &mut ReadHalf<NetStream>) -> io::Result<Vec<u8>> {
    poll_fn(|cx| {
        let mut piece = [MaybeUninit::uninit(); PIECE];
        let mut piece = ReadBuf::uninit(&mut piece);
        ready!(Pin::new(&mut *from).poll_read(cx, &mut piece))?;
        Poll::Ready(Ok(piece.filled().to_vec()))
    })
    .await
}

/// Writes what is taken at once, and returns how much that was.
async fn write_at_once(to: &mut WriteHalf<NetStream>, bytes: &[u8]) -> io::Result<usize> {
    poll_fn(|cx| match Pin::new(&mut *to).poll_write(cx, bytes) {
        Poll::Ready(written) => Poll::Ready(written),
        Poll::Pending => Poll::Ready(Ok(0)),
    })
    .await
}

async fn write_rest(to: &mut WriteHalf<NetStream>, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}
