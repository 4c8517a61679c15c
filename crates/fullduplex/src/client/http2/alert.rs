//! The TLS alert that ended an HTTP/2 connection, which an error of h2 does not include.
//!
//! With TLS 1.3 a server rejects a client's certificate after the client's handshake has finished.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::base::error::Error;
use crate::client::connect::tls::explain::{alert_error, alert_of};
use crate::transport::delegate::delegate_write;
use crate::transport::net_stream::NetStream;

/// The TLS alert that was received, if any.
#[derive(Clone, Default)]
pub(crate) struct ReceivedAlert(Arc<OnceLock<rustls::AlertDescription>>);

impl ReceivedAlert {
    /// Wraps a transport so that its alert is recorded here.
    pub(crate) fn wrap(&self, stream: NetStream) -> AlertRecorder {
        AlertRecorder { stream, alert: self.clone() }
    }

    /// Replaces the error of a connection by that of the alert which ended it, if there was one.
    pub(crate) fn explain(&self, error: Error) -> Error {
        match self.0.get() {
            Some(alert) => alert_error("TLS", *alert),
            None => error,
        }
    }
}

/// A transport that records the TLS alert which ends it.
pub(crate) struct AlertRecorder {
    stream: NetStream,
    alert: ReceivedAlert,
}

impl AsyncRead for AlertRecorder {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        if let Some(alert) = read.as_ref().err().and_then(alert_of) {
            // Nothing is received after an alert, so this is set once.
            let _ = self.alert.0.set(alert);
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for AlertRecorder {
    delegate_write!(stream, shutdown);
}
