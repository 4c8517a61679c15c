//! Waiting for a peer that takes an answer, or sends a request, as long as it moves enough of it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use crate::base::error::{Error, ErrorKind};
use crate::server::config::ServerLimits;
use crate::transport::Transport;

/// What a peer is allowed that takes an answer, or sends a request. For each `least` bytes that
/// move it may keep us waiting for `stall_timeout` in all, however many waits that are; where
/// they are more than one, one byte does not buy it the next wait.
#[derive(Debug)]
pub(crate) struct MinRate {
    stall_timeout: Duration,
    rate: u32,
    least: u64,
    /// What was taken, and waited for, since the last `least` bytes.
    taken: u64,
    waited: Duration,
    /// While there is a wait.
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    since: Instant,
    end: Pin<Box<Sleep>>,
}

impl MinRate {
    pub(crate) fn new(limits: &ServerLimits) -> Self {
        Self::of(limits.stall_timeout, limits.min_response_rate)
    }

    /// For whoever has time as long as anything comes: each wait is bounded by itself.
    pub(crate) fn stall_only(stall_timeout: Duration) -> Self {
        Self::of(stall_timeout, 0)
    }

    fn of(stall_timeout: Duration, rate: u32) -> Self {
        let least = u128::from(rate) * stall_timeout.as_millis() / 1000;
        Self {
            stall_timeout,
            rate,
            least: u64::try_from(least).unwrap_or(u64::MAX).max(1),
            taken: 0,
            waited: Duration::ZERO,
            waiting: None,
        }
    }

    /// What was polled, or an error if the peer is too slow. `taken` tells how many bytes it
    /// has taken.
    pub(crate) fn bound<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<T>,
        taken: impl FnOnce(&T) -> usize,
    ) -> Poll<Result<T, Error>> {
        match polled {
            Poll::Ready(done) => {
                if let Some(Waiting { since, .. }) = self.waiting.take() {
                    self.waited += since.elapsed();
                }
                self.taken = self.taken.saturating_add(taken(&done) as u64);
                if self.taken >= self.least {
                    (self.taken, self.waited) = (0, Duration::ZERO);
                }
                Poll::Ready(Ok(done))
            }
            Poll::Pending => {
                let left = self.stall_timeout.saturating_sub(self.waited);
                let waiting = self.waiting.get_or_insert_with(|| Waiting {
                    since: Instant::now(),
                    end: Box::pin(sleep(left)),
                });
                waiting.end.as_mut().poll(cx).map(|()| Err(self.late()))
            }
        }
    }

    fn late(&self) -> Error {
        if self.taken == 0 {
            return Error::timeout("stall_timeout", self.stall_timeout);
        }
        let Self { stall_timeout, rate, .. } = self;
        let why = format!(
            "the peer took less of an answer than min_response_rate ({rate} bytes a second) for \
             stall_timeout ({stall_timeout:?})"
        );
        Error::new(ErrorKind::Timeout, why)
    }

    /// The same with the results of I/O.
    pub(crate) fn bound_io<T>(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
        taken: impl FnOnce(&T) -> usize,
    ) -> Poll<io::Result<T>> {
        let taken = |done: &io::Result<T>| done.as_ref().map_or(0, taken);
        let late = |error| Err(io::Error::new(io::ErrorKind::TimedOut, error));
        self.bound(cx, polled, taken).map(|done| done.unwrap_or_else(late))
    }
}

/// A transport whose peer has to take what is sent.
#[derive(Debug)]
pub(crate) struct RateEnforced<S> {
    stream: S,
    pace: MinRate,
}

impl<S> RateEnforced<S> {
    pub(crate) fn new(stream: S, limits: &ServerLimits) -> Self {
        Self { stream, pace: MinRate::new(limits) }
    }

    pub(crate) fn into_inner(self) -> S {
        self.stream
    }
}

impl<S: Transport> AsyncRead for RateEnforced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: Transport> AsyncWrite for RateEnforced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.pace.bound_io(cx, polled, |taken| *taken)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.pace.bound_io(cx, polled, |taken| *taken)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.pace.bound_io(cx, polled, |()| 0)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.pace.bound_io(cx, polled, |()| 0)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{advance, timeout};

    use super::*;

    fn pace(rate: u32) -> MinRate {
        let stall_timeout = Duration::from_secs(10);
        MinRate::new(&ServerLimits { stall_timeout, min_response_rate: rate, ..Default::default() })
    }

    /// Has a peer take so many bytes after so long.
    async fn take(pace: &mut MinRate, after: u64, bytes: usize) -> Result<usize, Error> {
        let mut end = Box::pin(sleep(Duration::from_secs(after)));
        poll_fn(|cx| {
            let polled = end.as_mut().poll(cx).map(|()| bytes);
            pace.bound(cx, polled, |bytes| *bytes)
        })
        .await
    }

    #[tokio::test(start_paused = true)]
    async fn min_rate_is_not_met_by_crumbs() {
        let mut pace = pace(100);
        for _ in 0..9 {
            take(&mut pace, 1, 1).await.unwrap();
        }
        let error = take(&mut pace, 2, 1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
        assert!(error.to_string().contains("min_response_rate (100 bytes a second)"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn min_rate_is_met_by_a_steady_reader() {
        let mut pace = pace(100);
        for _ in 0..100 {
            take(&mut pace, 9, 1000).await.unwrap();
            take(&mut pace, 0, 1).await.unwrap();
        }
        // So has whoever is given nothing to take.
        advance(Duration::from_secs(1000)).await;
        take(&mut pace, 9, 1).await.unwrap();
        let error = take(&mut pace, 11, 1000).await.unwrap_err();
        assert!(error.to_string().contains("min_response_rate"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn min_rate_that_is_off_restarts_at_each_byte() {
        let mut pace = pace(0);
        for _ in 0..100 {
            take(&mut pace, 9, 1).await.unwrap();
        }
        let error = take(&mut pace, 11, 1).await.unwrap_err();
        assert!(error.to_string().contains("stall_timeout"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn min_rate_fails_a_transport_that_takes_crumbs() {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (near, mut far) = tokio::io::duplex(16);
        let limits = ServerLimits { min_response_rate: 100, ..ServerLimits::default() };
        let mut paced = RateEnforced::new(near, &limits);
        let crumbs = tokio::spawn(async move {
            while far.read_u8().await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
        });
        let bytes = [0; 5000];
        let written = timeout(Duration::from_secs(100), paced.write_all(&bytes)).await.unwrap();
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
        drop(paced);
        crumbs.await.unwrap();
    }
}
