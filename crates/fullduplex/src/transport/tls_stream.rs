//! A TLS connection as a transport.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsStream;

use crate::base::{coop, guard};
use crate::transport::addresses::{Addressed, ConnectionEnd};
use crate::transport::delegate::{delegate_read, delegate_write};
use crate::transport::net_stream::NetStream;

/// A TLS connection that sends `close_notify` when it is dropped for any reason: each side must
/// send it before it closes its writing side (RFC 8446 §6.1), and some peers report a truncation
/// attack if it is missing. One that ends with a reset sends none, so that what is cut does not
/// look complete.
pub(crate) struct ClosingTlsStream {
    tls: TlsStream<NetStream>,
    ends_with_reset: AtomicBool,
}

impl ClosingTlsStream {
    pub(crate) fn new(tls: impl Into<TlsStream<NetStream>>) -> Self {
        Self { tls: tls.into(), ends_with_reset: AtomicBool::new(false) }
    }
}

impl Addressed for ClosingTlsStream {
    fn address(&self, end: ConnectionEnd) -> io::Result<SocketAddr> {
        self.tls.get_ref().0.address(end)
    }

    fn set_zero_linger(&self) -> io::Result<()> {
        self.tls.get_ref().0.set_zero_linger()?;
        self.ends_with_reset.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl Drop for ClosingTlsStream {
    /// Sends `close_notify` if the socket takes it at once. After a shutdown or a fatal alert,
    /// rustls sends none.
    fn drop(&mut self) {
        if *self.ends_with_reset.get_mut() {
            return;
        }
        coop::unconstrained(|| {
            self.tls.get_mut().1.send_close_notify();
            // No caller is left to report a failure to, or a panic in a transport of the
            // application's. This may run during the unwinding of such a panic, and another one
            // would abort.
            let _ = guard::caught(|| {
                Pin::new(&mut self.tls).poll_flush(&mut Context::from_waker(Waker::noop()))
            });
        });
    }
}

impl AsyncRead for ClosingTlsStream {
    delegate_read!(tls);
}

impl AsyncWrite for ClosingTlsStream {
    delegate_write!(tls, shutdown);
}
