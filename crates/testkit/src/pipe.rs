//! An in-memory byte transport whose state can be inspected.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Returns two ends of a transport, each of whose directions holds up to `capacity` bytes.
pub fn pipe(capacity: usize) -> (Pipe, Pipe) {
    let ab = Arc::new(Mutex::new(Lane::new(capacity)));
    let ba = Arc::new(Mutex::new(Lane::new(capacity)));
    (Pipe { read: ba.clone(), write: ab.clone() }, Pipe { read: ab, write: ba })
}

/// An end of a transport. When it is dropped, its peer reads the end, and fails to write.
#[derive(Debug)]
pub struct Pipe {
    read: Arc<Mutex<Lane>>,
    write: Arc<Mutex<Lane>>,
}

/// A view of the direction in which an end writes.
#[derive(Clone, Debug)]
pub struct View(Arc<Mutex<Lane>>);

#[derive(Debug)]
struct Lane {
    bytes: VecDeque<u8>,
    capacity: usize,
    /// Whether the writer has ended it.
    ended: bool,
    /// Whether the reader was dropped.
    abandoned: bool,
    reset: bool,
    writes: Vec<usize>,
    wakers: Vec<Waker>,
}

impl Lane {
    fn new(capacity: usize) -> Self {
        Self {
            bytes: VecDeque::new(),
            capacity,
            ended: false,
            abandoned: false,
            reset: false,
            writes: Vec::new(),
            wakers: Vec::new(),
        }
    }

    fn wake(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
    }

    fn write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.abandoned || self.reset || self.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = self.capacity - self.bytes.len();
        let wanted: usize = slices.iter().map(|s| s.len()).sum();
        if room == 0 && wanted > 0 {
            self.wakers.push(cx.waker().clone());
            return Poll::Pending;
        }
        let taken = room.min(wanted);
        self.bytes.extend(slices.iter().flat_map(|s| s.iter()).take(taken));
        self.writes.push(taken);
        self.wake();
        Poll::Ready(Ok(taken))
    }
}

fn lock(lane: &Mutex<Lane>) -> MutexGuard<'_, Lane> {
    lane.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Pipe {
    /// Returns a view of what this end writes.
    pub fn written(&self) -> View {
        View(self.write.clone())
    }

    /// Returns a view of what this end reads.
    pub fn incoming(&self) -> View {
        View(self.read.clone())
    }
}

impl View {
    /// Returns the sizes of the write calls so far.
    pub fn writes(&self) -> Vec<usize> {
        lock(&self.0).writes.clone()
    }

    /// Returns the number of bytes that were written and not read yet.
    pub fn waiting(&self) -> usize {
        lock(&self.0).bytes.len()
    }

    /// Whether the writer has shut it down.
    pub fn ended(&self) -> bool {
        lock(&self.0).ended
    }

    /// Takes the unread bytes in place of the reader.
    pub fn take(&self) -> Vec<u8> {
        let mut lane = lock(&self.0);
        lane.wake();
        lane.bytes.drain(..).collect()
    }

    /// Appends bytes in place of the writer.
    pub fn put(&self, bytes: &[u8]) {
        let mut lane = lock(&self.0);
        lane.bytes.extend(bytes);
        lane.wake();
    }

    /// Ends it in place of the writer.
    pub fn end(&self) {
        let mut lane = lock(&self.0);
        lane.ended = true;
        lane.wake();
    }

    /// Resets it: reading and writing fail.
    pub fn reset(&self) {
        let mut lane = lock(&self.0);
        lane.reset = true;
        lane.wake();
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        let mut write = lock(&self.write);
        write.ended = true;
        write.wake();
        drop(write);
        let mut read = lock(&self.read);
        read.abandoned = true;
        read.wake();
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut lane = lock(&self.read);
        if lane.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if lane.bytes.is_empty() && !lane.ended {
            lane.wakers.push(cx.waker().clone());
            return Poll::Pending;
        }
        let len = lane.bytes.len().min(buf.remaining());
        let piece: Vec<u8> = lane.bytes.drain(..len).collect();
        buf.put_slice(&piece);
        lane.wake();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        lock(&self.write).write(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        lock(&self.write).write(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.written().end();
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn pipe_carries_bytes_and_ends() {
        let (mut a, mut b) = pipe(4);
        assert_eq!(a.write(b"abcdef").await.unwrap(), 4);
        assert_eq!(a.written().writes(), [4]);
        let mut four = [0; 4];
        b.read_exact(&mut four).await.unwrap();
        assert_eq!(&four, b"abcd");
        a.shutdown().await.unwrap();
        assert_eq!(b.read(&mut four).await.unwrap(), 0);
        drop(b);
        assert!(a.write(b"x").await.is_err());
    }

    #[tokio::test]
    async fn pipe_reset_fails_both_ways() {
        let (mut a, mut b) = pipe(4);
        a.written().reset();
        assert!(a.write(b"x").await.is_err());
        assert!(b.read(&mut [0; 4]).await.is_err());
    }
}
