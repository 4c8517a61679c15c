//! `fdx connect` with an open connection: standard input goes to the server, messages to standard
//! output.

use std::cell::OnceCell;
use std::future::poll_fn;
use std::io::{self, IsTerminal as _};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

use fullduplex::{
    CloseCause, CloseCode, CloseInfo, Error, Message, NetStream, ReceiveHalf, SendHalf,
};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::sleep;

use crate::base::escape::{printable, printable_bytes};
use crate::client::ConnectOutcome;

/// The largest binary message that is made of standard input, in bytes.
const CHUNK_SIZE: usize = 64 << 10;

/// The time for the server to end the transport after both ends have sent a Close: Chromium's. The
/// library itself waits for `close_timeout`.
const TRANSPORT_END_TIMEOUT: Duration = Duration::from_secs(2);

/// An open connection with standard input and output.
pub(crate) struct InteractiveConnection {
    pub(crate) binary: bool,
    /// The time without a message after which the connection is closed when the input has ended;
    /// `None` to close at once.
    pub(crate) linger: Option<Duration>,
}

impl InteractiveConnection {
    /// Exchanges messages until the connection ends.
    pub(crate) async fn run(
        self,
        send: SendHalf<NetStream>,
        mut receive: ReceiveHalf<NetStream>,
    ) -> ConnectOutcome {
        let printed = AtomicUsize::new(0);
        let input_error = OnceCell::new();
        let sending = self.send_input(&send, &printed, &input_error);
        let receiving = self.print(&mut receive, &printed);
        tokio::pin!(sending, receiving);
        let exchange = async {
            tokio::select! {
                ended = &mut receiving => ended,
                () = &mut sending => receiving.await,
            }
        };
        let ended = tokio::select! {
            biased;
            ended = exchange => ended,
            () = closed_both_ways(&send) => Ok(None),
        };
        match (input_error.get(), ended) {
            (Some(error), _) => {
                report!("fdx connect: standard input: {error}");
                ConnectOutcome::LocalIo
            }
            (None, Err(error)) => {
                report!("fdx connect: standard output: {error}");
                ConnectOutcome::LocalIo
            }
            (None, Ok(error)) => report_end(error.as_ref(), send.close_info().as_ref()),
        }
    }

    /// Prints messages until the connection ends, and returns the connection's error, if any; fails
    /// if standard output does.
    async fn print(
        &self,
        receive: &mut ReceiveHalf<NetStream>,
        printed: &AtomicUsize,
    ) -> io::Result<Option<Error>> {
        let mut out = tokio::io::stdout();
        let to_terminal = io::stdout().is_terminal();
        while let Some(message) = receive.next().await {
            let message = match message {
                Ok(message) => message,
                Err(error) => return Ok(Some(error)),
            };
            printed.fetch_add(1, Relaxed);
            let line = match &message {
                _ if self.binary && to_terminal => printable_bytes(message.as_bytes()).into_bytes(),
                _ if self.binary => message.as_bytes().to_vec(),
                Message::Text(text) if to_terminal => printable(text.as_str()).into_bytes(),
                Message::Binary(bytes) if to_terminal => {
                    format!("[binary, {} bytes]", bytes.len()).into_bytes()
                }
                _ => message.as_bytes().to_vec(),
            };
            out.write_all(&line).await?;
            if !self.binary || to_terminal {
                out.write_all(b"\n").await?;
            }
            out.flush().await?;
        }
        Ok(None)
    }

    /// Sends standard input, then closes. An error of the input is stored in `input_error` before
    /// the close.
    async fn send_input(
        &self,
        send: &SendHalf<NetStream>,
        printed: &AtomicUsize,
        input_error: &OnceCell<io::Error>,
    ) {
        let input =
            async { if self.binary { send_bytes(send).await } else { send_lines(send).await } };
        let result = tokio::select! {
            result = input => result,
            _ = tokio::signal::ctrl_c() => Ok(()),
        };
        if let Err(error) = result {
            // It is empty: only this sets it, once.
            let _ = input_error.set(error);
        } else if let Some(quiet) = self.linger {
            // The server can't answer what has not left. The receiving half reports errors.
            tokio::select! {
                _ = send.flush() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            let mut before = usize::MAX;
            loop {
                let now = printed.load(Relaxed);
                if now == before {
                    break;
                }
                before = now;
                sleep(quiet).await;
            }
        }
        // The receiving half reports how the connection ended.
        let _ = send.close(CloseCode::NORMAL, "").await;
    }
}

/// Waits until both ends have sent a Close and [`TRANSPORT_END_TIMEOUT`] has passed.
async fn closed_both_ways(send: &SendHalf<NetStream>) {
    // No waker is needed: received bytes wake the task that polls this.
    poll_fn(|_| match send.close_info() {
        Some(info) if info.is_clean() && send.buffered_amount() == 0 => Poll::Ready(()),
        _ => Poll::Pending,
    })
    .await;
    sleep(TRANSPORT_END_TIMEOUT).await;
}

async fn send_lines(send: &SendHalf<NetStream>) -> io::Result<()> {
    let mut input = BufReader::new(tokio::io::stdin());
    let mut line = Vec::new();
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let text = std::str::from_utf8(&line).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidData, "a line is not UTF-8; use --binary")
        })?;
        // If sending fails, the receiving half reports why.
        if send.send(text).await.is_err() {
            return Ok(());
        }
    }
}

async fn send_bytes(send: &SendHalf<NetStream>) -> io::Result<()> {
    let mut input = tokio::io::stdin();
    let mut chunk = vec![0; CHUNK_SIZE];
    loop {
        let len = input.read(&mut chunk).await?;
        if len == 0 || send.send(chunk[..len].to_vec()).await.is_err() {
            return Ok(());
        }
    }
}

/// Prints why the connection ended, and returns the exit code for it.
fn report_end(error: Option<&Error>, info: Option<&CloseInfo>) -> ConnectOutcome {
    let Some(info) = info else {
        return ConnectOutcome::Lost;
    };
    let text = error.map_or_else(|| info.to_string(), ToString::to_string);
    report!("fdx connect: {}", printable(&text));
    match info.cause {
        CloseCause::Protocol(_) => ConnectOutcome::ProtocolViolation,
        CloseCause::Handshake if info.close_received => {
            // With any other code the server may have had more to send.
            if info.is_normal() { ConnectOutcome::Clean } else { ConnectOutcome::OtherCloseCode }
        }
        _ => ConnectOutcome::Lost,
    }
}
