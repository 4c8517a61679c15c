//! A transport that behaves as badly as its contract allows.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::Rng;

/// The faults of a [`Hostile`] transport.
#[derive(Clone, Debug)]
pub struct Faults {
    /// The most bytes of one read.
    pub read: usize,
    /// The most bytes of one write.
    pub write: usize,
    /// Sizes are random up to these, by this seed; otherwise just these.
    pub seed: Option<u64>,
    /// Every call is pending once before it works.
    pub pending: bool,
    /// This call, counted from 0 over reads, writes, flushes and shutdowns, fails, and all
    /// after it.
    pub fail_at: Option<usize>,
}

impl Faults {
    /// One byte at a time.
    pub const BYTEWISE: Self = Self { read: 1, write: 1, seed: None, pending: true, fail_at: None };
}

/// A transport that reads and writes as badly as the contract allows.
#[derive(Debug)]
pub struct Hostile<S> {
    inner: S,
    faults: Faults,
    rng: Rng,
    calls: usize,
    reads_pending: bool,
    writes_pending: bool,
}

impl<S> Hostile<S> {
    /// Wraps a transport.
    pub fn new(inner: S, faults: Faults) -> Self {
        let rng = Rng::new(faults.seed.unwrap_or(0));
        Self { inner, faults, rng, calls: 0, reads_pending: false, writes_pending: false }
    }

    fn size(&mut self, most: usize) -> usize {
        if self.faults.seed.is_some() { 1 + self.rng.below(most) } else { most }
    }

    fn call(&mut self) -> io::Result<()> {
        let call = self.calls;
        self.calls += 1;
        match self.faults.fail_at {
            Some(at) if call >= at => Err(io::ErrorKind::ConnectionReset.into()),
            _ => Ok(()),
        }
    }

    /// Pending at every other call.
    fn stall(flag: &mut bool, on: bool, cx: &mut Context<'_>) -> bool {
        *flag = on && !*flag;
        if *flag {
            cx.waker().wake_by_ref();
        }
        *flag
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Hostile<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let on = self.faults.pending;
        if Self::stall(&mut self.reads_pending, on, cx) {
            return Poll::Pending;
        }
        self.call()?;
        let most = self.faults.read;
        let mut piece = vec![0; self.size(most).min(buf.remaining())];
        let mut small = ReadBuf::new(&mut piece);
        std::task::ready!(Pin::new(&mut self.inner).poll_read(cx, &mut small))?;
        buf.put_slice(small.filled());
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Hostile<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let on = self.faults.pending;
        if Self::stall(&mut self.writes_pending, on, cx) {
            return Poll::Pending;
        }
        self.call()?;
        let most = self.faults.write;
        let len = self.size(most).min(buf.len());
        Pin::new(&mut self.inner).poll_write(cx, &buf[..len])
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.call()?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.call()?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn hostile_cuts_and_fails() {
        let (a, mut b) = crate::pipe::pipe(100);
        let mut a = Hostile::new(a, Faults::BYTEWISE);
        assert_eq!(a.write(b"abc").await.unwrap(), 1);
        b.write_all(b"xyz").await.unwrap();
        assert_eq!(a.read(&mut [0; 10]).await.unwrap(), 1);
        let (a, _b) = crate::pipe::pipe(100);
        let mut a = Hostile::new(a, Faults { fail_at: Some(1), ..Faults::BYTEWISE });
        assert!(a.write(b"abc").await.is_ok());
        assert!(a.write(b"abc").await.is_err());
    }
}
