//! The TLS alert that ended a connection of HTTP/2, of which h2 passes on no more than a text.
//! With TLS 1.3 the server looks at a client's certificate when the client has already gone on.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::base::error::Error;
use crate::client::connect::tls::explain::{alert_error, alert_of};
use crate::transport::delegate::delegate_write;
use crate::transport::net_stream::NetStream;

/// The alert that came, if one did.
#[derive(Clone, Default)]
pub(crate) struct ReceivedAlert(Arc<OnceLock<rustls::AlertDescription>>);

impl ReceivedAlert {
    /// A transport whose alert is noted here.
    pub(crate) fn noting(&self, stream: NetStream) -> AlertRecorder {
        AlertRecorder { stream, alert: self.clone() }
    }

    /// The error of a connection that an alert has ended, in the words of the other versions.
    pub(crate) fn explain(&self, error: Error) -> Error {
        match self.0.get() {
            Some(alert) => alert_error("TLS", *alert),
            None => error,
        }
    }
}

/// A transport that notes the alert which ends it.
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
            // It is the last that came.
            let _ = self.alert.0.set(alert);
        }
        Poll::Ready(read)
    }
}

impl AsyncWrite for AlertRecorder {
    delegate_write!(stream, shutdown);
}
