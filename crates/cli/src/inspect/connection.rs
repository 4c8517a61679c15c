//! One connection: the bytes of both directions between the client and the target.
//!
//! Bytes pass as they come. What one end takes not, is not read from the other. The regular end of
//! a direction becomes one, and any other end a reset.

mod acting;

use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;

use fullduplex::Role;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::act::{CutKind, SocketControl};
use super::exchange::Exchange;
use super::transport::Transport;

/// The bytes that are read at a time, and that wait in each direction at most.
const PIECE: usize = 16 << 10;

/// The time for what a transport sent before it failed as a whole.
const LAST_BYTES_TIMEOUT: Duration = Duration::from_secs(1);

/// The two directions of a connection.
struct Lanes {
    /// Locked between two waits, by one task: no lock waits.
    exchange: Mutex<Exchange>,
    /// Wakes the client's direction when an answer has come.
    answered: Notify,
}

/// How a direction ended.
#[derive(Debug)]
enum LaneEnd {
    /// As the side that sends has ended it.
    Regular,
    /// The side that sends has failed.
    ReadFailed(io::Error),
    /// The side that receives has failed.
    WriteFailed(io::Error),
    /// The side that receives, this one, has failed, and so has what it sends.
    ReceiverFailed(Role, io::Error),
}

/// What ended a connection before its regular end.
struct Failure {
    /// `None` if the program ends.
    cause: Option<io::Error>,
    /// The side that has failed, if that was not told.
    side: Option<Role>,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self { cause: Some(error), side: None }
    }
}

/// Passes the bytes of both directions until both have ended, either end fails, or `stop` is ready.
pub(super) async fn pass<C: Transport, T: Transport>(
    client: C,
    target: T,
    exchange: Exchange,
    stop: impl Future<Output = ()>,
) {
    let control = exchange.observer.control().cloned();
    let lanes = Lanes { exchange: Mutex::new(exchange), answered: Notify::new() };
    let (mut client_read, mut client_write) = client.split();
    let (mut target_read, mut target_write) = target.split();
    let mut is_ended = false;
    let failure = {
        let requests = pin!(lanes.requests::<C, T>(&mut client_read, &mut target_write));
        let responses = pin!(lanes.responses::<C, T>(&mut target_read, &mut client_write));
        tokio::select! {
            ended = both(requests, responses) => ended.err(),
            () = stop => {
                lanes.lock().observer.note("reset, as fdx ends");
                Some(Failure { cause: None, side: None })
            }
            kind = cut(control.as_deref()) => {
                is_ended = kind == CutKind::End;
                lanes.lock().observer.note(if is_ended { "ended by fdx" } else { "reset by fdx" });
                Some(Failure { cause: None, side: None })
            }
        }
    };
    if is_ended {
        let ends = async {
            tokio::join!(
                end_both(&mut client_read, &mut client_write),
                end_both(&mut target_read, &mut target_write)
            )
        };
        // What has not ended by then is reset.
        is_ended = timeout(LAST_BYTES_TIMEOUT, Box::pin(ends)).await.is_ok();
    }
    if let Some(Failure { cause, side }) = failure
        && !is_ended
    {
        if let (Some(cause), Some(side)) = (&cause, side) {
            let how = if side == Role::Client { C::failure(cause) } else { T::failure(cause) };
            lanes.lock().observer.end(side, &how);
        }
        C::reset(client_read, client_write, cause.as_ref());
        T::reset(target_read, target_write, cause.as_ref());
    }
    lanes.lock().observer.close();
}

/// Waits until the connection is to be cut, if something acts on it.
async fn cut(control: Option<&SocketControl>) -> CutKind {
    match control {
        Some(control) => control.cut.wait().await,
        None => std::future::pending().await,
    }
}

/// Ends what is sent to a side, and waits until that side has ended, too.
async fn end_both(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) {
    // One that has failed has ended.
    let _ = to.shutdown().await;
    while read_some(from).await.is_ok_and(|bytes| !bytes.is_empty()) {}
}

/// Waits for both directions, or until one side fails that sends. Returns what has failed first.
async fn both(
    mut one: Pin<&mut impl Future<Output = LaneEnd>>,
    mut other: Pin<&mut impl Future<Output = LaneEnd>>,
) -> Result<(), Failure> {
    let (first, is_one) = tokio::select! {
        end = one.as_mut() => (end, true),
        end = other.as_mut() => (end, false),
    };
    let second = async { if is_one { other.await } else { one.await } };
    match first {
        LaneEnd::ReadFailed(error) => Err(error.into()),
        LaneEnd::Regular => match second.await {
            LaneEnd::Regular => Ok(()),
            LaneEnd::ReadFailed(error) | LaneEnd::WriteFailed(error) => Err(error.into()),
            LaneEnd::ReceiverFailed(side, error) => {
                Err(Failure { cause: Some(error), side: Some(side) })
            }
        },
        // What a side has sent before it failed is still there to be read.
        LaneEnd::WriteFailed(error) => {
            second.await;
            Err(error.into())
        }
        LaneEnd::ReceiverFailed(side, error) => {
            let second = timeout(LAST_BYTES_TIMEOUT, second).await;
            let is_told = matches!(second, Ok(LaneEnd::ReadFailed(_)));
            Err(Failure { cause: Some(error), side: (!is_told).then_some(side) })
        }
    }
}

impl Lanes {
    fn lock(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes on what the client sends.
    async fn requests<C: Transport, T: Transport>(
        &self,
        from: &mut C::Reader,
        to: &mut T::Writer,
    ) -> LaneEnd {
        // What is held back until an answer comes, and how the direction has ended.
        let mut held = self.lock().take_early();
        if !held.is_empty()
            && let Err(error) = self.pass_requests(&mut held, to).await
        {
            return write_failed::<T>(Role::Server, error);
        }
        loop {
            if let Some(acting) = self.acting() {
                return Box::pin(self.act::<C, T>(Role::Client, from, to, held, acting)).await;
            }
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
                error = failure::<T>(to) => return write_failed::<T>(Role::Server, error),
            };
            match read {
                None => {}
                Some(Ok(bytes)) if !bytes.is_empty() => {
                    if C::is_at_end(from) {
                        T::expect_end(to);
                    }
                    held.extend(bytes);
                }
                Some(end) => return self.end_requests::<C, T>(end, held, to).await,
            }
            if self.acting().is_some() {
                continue;
            }
            if let Err(error) = self.pass_requests(&mut held, to).await {
                return write_failed::<T>(Role::Server, error);
            }
            if self.lock().is_for_another() {
                return LaneEnd::ReadFailed(io::ErrorKind::Unsupported.into());
            }
        }
    }

    /// Passes on what of the client's bytes is not held back.
    async fn pass_requests(
        &self,
        held: &mut Vec<u8>,
        to: &mut (impl AsyncWrite + Unpin),
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
    async fn end_requests<C: Transport, T: Transport>(
        &self,
        end: io::Result<Vec<u8>>,
        mut held: Vec<u8>,
        to: &mut T::Writer,
    ) -> LaneEnd {
        while end.is_ok() && !held.is_empty() {
            self.answered.notified().await;
            if let Err(error) = self.pass_requests(&mut held, to).await {
                return write_failed::<T>(Role::Server, error);
            }
        }
        let rest = self.lock().take_unfinished_request();
        if end.is_ok()
            && let Err(error) = write_rest(to, &rest).await
        {
            return write_failed::<T>(Role::Server, error);
        }
        self.end::<C, T>(Role::Client, end.map(drop), to).await
    }

    /// Passes on what the server sends.
    async fn responses<C: Transport, T: Transport>(
        &self,
        from: &mut T::Reader,
        to: &mut C::Writer,
    ) -> LaneEnd {
        loop {
            // On a stream of HTTP/2 a WebSocket is open from the beginning.
            if let Some(acting) = self.acting() {
                return Box::pin(self.act::<T, C>(Role::Server, from, to, Vec::new(), acting))
                    .await;
            }
            let read = tokio::select! {
                biased;
                read = read_some(from) => read,
                error = failure::<C>(to) => return write_failed::<C>(Role::Client, error),
            };
            let mut bytes = match read {
                Ok(bytes) if !bytes.is_empty() => bytes,
                end => {
                    self.lock().end_responses();
                    self.answered.notify_one();
                    return self.end::<T, C>(Role::Server, end.map(drop), to).await;
                }
            };
            if self.lock().observer.control().is_some() {
                // What follows the head of an answer passes as the rules say.
                match self.pass_answers(&mut bytes, to).await {
                    Ok(None) if bytes.is_empty() => continue,
                    Ok(None) => {}
                    Ok(Some(acting)) => {
                        return Box::pin(self.act::<T, C>(Role::Server, from, to, bytes, acting))
                            .await;
                    }
                    Err(error) => return write_failed::<C>(Role::Client, error),
                }
            }
            if T::is_at_end(from) {
                C::expect_end(to);
            }
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
            if let Err(error) = written {
                return write_failed::<C>(Role::Client, error);
            }
        }
    }

    /// Ends a direction as the side that sends has ended it.
    async fn end<From: Transport, To: Transport>(
        &self,
        sender: Role,
        end: io::Result<()>,
        to: &mut To::Writer,
    ) -> LaneEnd {
        let how = match &end {
            Ok(()) => From::END.to_owned(),
            Err(error) => From::failure(error),
        };
        self.lock().observer.end(sender, &how);
        if let Err(error) = end {
            return LaneEnd::ReadFailed(error);
        }
        let receiver = sender.peer();
        match to.shutdown().await {
            Ok(()) => LaneEnd::Regular,
            Err(error) => write_failed::<To>(receiver, error),
        }
    }
}

/// Returns how a direction ends whose receiving side has failed.
fn write_failed<To: Transport>(receiver: Role, error: io::Error) -> LaneEnd {
    if To::FAILS_AS_A_WHOLE {
        LaneEnd::ReceiverFailed(receiver, error)
    } else {
        LaneEnd::WriteFailed(error)
    }
}

/// Reads what there is, and allocates when something is there. Nothing is the end.
async fn read_some(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    poll_fn(|cx| {
        let mut piece = [MaybeUninit::uninit(); PIECE];
        let mut piece = ReadBuf::uninit(&mut piece);
        ready!(Pin::new(&mut *from).poll_read(cx, &mut piece))?;
        Poll::Ready(Ok(piece.filled().to_vec()))
    })
    .await
}

/// Waits until nothing can be written any more.
async fn failure<T: Transport>(to: &mut T::Writer) -> io::Error {
    poll_fn(|cx| T::poll_failure(to, cx)).await
}

/// Writes what is taken at once, and returns how much that was.
async fn write_at_once(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<usize> {
    poll_fn(|cx| match Pin::new(&mut *to).poll_write(cx, bytes) {
        Poll::Ready(written) => Poll::Ready(written),
        Poll::Pending => Poll::Ready(Ok(0)),
    })
    .await
}

async fn write_rest(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes).await?;
    to.flush().await
}
