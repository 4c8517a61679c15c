//! Limits the time that the server waits for a slow peer: one that reads a response, or sends a
//! request.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep};

use crate::base::error::{Error, ErrorKind};
use crate::server::config::ServerLimits;
use crate::transport::Transport;
use crate::transport::delegate::delegate_read;

/// The minimum rate of a peer. For each quota of bytes, it may keep the server waiting for
/// `stall_timeout` in total. A quota of more than one byte keeps a peer from extending its time
/// with single bytes.
#[derive(Debug)]
pub(crate) struct MinRate {
    stall_timeout: Duration,
    /// In bytes per second.
    rate: u32,
    /// The bytes that must be transferred per `stall_timeout` of waiting; at least 1.
    quota: u64,
    /// The bytes that were transferred for the current quota.
    transferred: u64,
    /// The time that was spent waiting for the current quota.
    waited: Duration,
    /// The current wait.
    waiting: Option<Waiting>,
}

/// A wait for the peer.
#[derive(Debug)]
struct Waiting {
    since: Instant,
    end: Pin<Box<Sleep>>,
}

impl MinRate {
    pub(crate) fn new(limits: &ServerLimits) -> Self {
        Self::with_rate(limits.stall_timeout, limits.min_response_rate.unwrap_or(0))
    }

    /// Creates one without a minimum rate: it only bounds each single wait.
    pub(crate) fn stall_only(stall_timeout: Duration) -> Self {
        Self::with_rate(stall_timeout, 0)
    }

    fn with_rate(stall_timeout: Duration, rate: u32) -> Self {
        let quota = u128::from(rate) * stall_timeout.as_millis() / 1000;
        Self {
            stall_timeout,
            rate,
            quota: u64::try_from(quota).unwrap_or(u64::MAX).max(1),
            transferred: 0,
            waited: Duration::ZERO,
            waiting: None,
        }
    }

    /// Returns what was polled, or an error if the peer is too slow. `bytes` returns the number
    /// of bytes that a result has transferred.
    pub(crate) fn bound<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<T>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Poll<Result<T, Error>> {
        match polled {
            Poll::Ready(done) => {
                if let Some(Waiting { since, .. }) = self.waiting.take() {
                    self.waited += since.elapsed();
                }
                self.transferred = self.transferred.saturating_add(bytes(&done) as u64);
                if self.transferred >= self.quota {
                    (self.transferred, self.waited) = (0, Duration::ZERO);
                }
                Poll::Ready(Ok(done))
            }
            Poll::Pending => {
                let left = self.stall_timeout.saturating_sub(self.waited);
                let waiting = self.waiting.get_or_insert_with(|| Waiting {
                    since: Instant::now(),
                    end: Box::pin(sleep(left)),
                });
                waiting.end.as_mut().poll(cx).map(|()| Err(self.timeout_error()))
            }
        }
    }

    fn timeout_error(&self) -> Error {
        if self.transferred == 0 {
            return Error::timeout("stall_timeout", self.stall_timeout);
        }
        let Self { stall_timeout, rate, .. } = self;
        let why = format!(
            "the peer read a response slower than min_response_rate ({rate} bytes per second) \
             for stall_timeout ({stall_timeout:?})"
        );
        Error::new(ErrorKind::Timeout, why)
    }

    /// Returns a polled result of I/O, or an error if the peer is too slow; see
    /// [`bound`](Self::bound).
    pub(crate) fn bound_io<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        let bytes = |done: &io::Result<T>| done.as_ref().map_or(0, bytes);
        let timed_out = |error| Err(io::Error::new(io::ErrorKind::TimedOut, error));
        self.bound(cx, polled, bytes).map(|done| done.unwrap_or_else(timed_out))
    }
}

/// A transport whose writes fail if the peer reads slower than a minimum rate.
#[derive(Debug)]
pub(crate) struct RateEnforced<S> {
    stream: S,
    min_rate: MinRate,
}

impl<S> RateEnforced<S> {
    pub(crate) fn new(stream: S, limits: &ServerLimits) -> Self {
        Self { stream, min_rate: MinRate::new(limits) }
    }

    pub(crate) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: Transport> AsyncRead for RateEnforced<S> {
    delegate_read!(stream);
}

impl<S: Transport> AsyncWrite for RateEnforced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.min_rate.bound_io(cx, polled, |written| *written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.min_rate.bound_io(cx, polled, |written| *written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.min_rate.bound_io(cx, polled, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.min_rate.bound_io(cx, polled, |()| 0)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{advance, timeout};

    use super::*;

    fn min_rate(rate: u32) -> MinRate {
        let stall_timeout = Duration::from_secs(10);
        MinRate::new(&ServerLimits::default().stall_timeout(stall_timeout).min_response_rate(rate))
    }

    /// Lets the peer read `bytes` bytes after `secs` seconds.
    async fn read(min_rate: &mut MinRate, secs: u64, bytes: usize) -> Result<usize, Error> {
        let mut end = Box::pin(sleep(Duration::from_secs(secs)));
        poll_fn(|cx| {
            let polled = end.as_mut().poll(cx).map(|()| bytes);
            min_rate.bound(cx, polled, |bytes| *bytes)
        })
        .await
    }

    #[tokio::test(start_paused = true)]
    async fn min_rate_is_not_met_by_single_bytes() {
        let mut rate = min_rate(100);
        for _ in 0..9 {
            read(&mut rate, 1, 1).await.unwrap();
        }
        let error = read(&mut rate, 2, 1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.to_string().contains("min_response_rate (100 bytes per second)"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn min_rate_is_met_by_a_steady_reader() {
        let mut rate = min_rate(100);
        for _ in 0..100 {
            read(&mut rate, 9, 1000).await.unwrap();
            read(&mut rate, 0, 1).await.unwrap();
        }
        // Time in which there is nothing to read does not count.
        advance(Duration::from_secs(1000)).await;
        read(&mut rate, 9, 1).await.unwrap();
        let error = read(&mut rate, 11, 1000).await.unwrap_err();
        assert!(error.to_string().contains("min_response_rate"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn min_rate_that_is_off_restarts_at_each_byte() {
        let mut rate = min_rate(0);
        for _ in 0..100 {
            read(&mut rate, 9, 1).await.unwrap();
        }
        let error = read(&mut rate, 11, 1).await.unwrap_err();
        assert!(error.to_string().contains("stall_timeout"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn min_rate_fails_a_transport_that_reads_single_bytes() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (near, mut far) = tokio::io::duplex(16);
        let limits = ServerLimits::default().min_response_rate(100);
        let mut enforced = RateEnforced::new(near, &limits);
        let reader = tokio::spawn(async move {
            while far.read_u8().await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        });
        let bytes = [0; 5000];
        let written = timeout(Duration::from_secs(100), enforced.write_all(&bytes)).await.unwrap();
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(enforced);
        reader.await.unwrap();
    }
}
