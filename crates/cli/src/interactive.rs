//! The talk of `fdx connect`: standard input to the server, messages to standard output.

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

use crate::escape::{printable, printable_bytes};
use crate::outcome::ConnectOutcome;

/// The most bytes of one binary message made of standard input.
const CHUNK: usize = 64 << 10;

/// How long the server may take to end the connection when both ends have sent a Close. The
/// library waits for `close_timeout`; Chromium for as long as this.
const AFTER_CLOSE: Duration = Duration::from_secs(2);

/// An open connection with standard input and output.
pub(crate) struct InteractiveConnection {
    pub(crate) binary: bool,
    /// How long to listen after the end of the input; `None` to close at once.
    pub(crate) linger: Option<Duration>,
}

impl InteractiveConnection {
    pub(crate) async fn run(
        self,
        send: SendHalf<NetStream>,
        mut receive: ReceiveHalf<NetStream>,
    ) -> ConnectOutcome {
        let printed = AtomicUsize::new(0);
        let unread = OnceCell::new();
        let sending = self.send_input(&send, &printed, &unread);
        let receiving = self.print(&mut receive, &printed);
        tokio::pin!(sending, receiving);
        let talking = async {
            tokio::select! {
                ended = &mut receiving => ended,
                () = &mut sending => receiving.await,
            }
        };
        let ended = tokio::select! {
            biased;
            ended = talking => ended,
            () = closed_both_ways(&send) => Ok(None),
        };
        match (unread.get(), ended) {
            (Some(error), _) => {
                tell!("fdx connect: standard input: {error}");
                ConnectOutcome::LocalIo
            }
            (None, Err(error)) => {
                tell!("fdx connect: standard output: {error}");
                ConnectOutcome::LocalIo
            }
            (None, Ok(error)) => tell_end(error.as_ref(), send.close_info().as_ref()),
        }
    }

    /// Prints messages until the connection ends; the error is one of standard output.
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

    /// Sends standard input, then closes; what is wrong with the input is put into `unread`
    /// before that.
    async fn send_input(
        &self,
        send: &SendHalf<NetStream>,
        printed: &AtomicUsize,
        unread: &OnceCell<io::Error>,
    ) {
        let input =
            async { if self.binary { send_bytes(send).await } else { send_lines(send).await } };
        let result = tokio::select! {
            result = input => result,
            _ = tokio::signal::ctrl_c() => Ok(()),
        };
        if let Err(error) = result {
            // There is one at most.
            let _ = unread.set(error);
        } else if let Some(quiet) = self.linger {
            // Nothing can be answered before it has left. What fails is told by the other side.
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
        // The end is told by the receiving side.
        let _ = send.close(CloseCode::NORMAL, "").await;
    }
}

/// Ready when both ends have sent a Close, and the server has had its time to end the connection.
async fn closed_both_ways(send: &SendHalf<NetStream>) {
    // Whatever is received wakes the task that asks this.
    poll_fn(|_| match send.close_info() {
        Some(info) if info.is_clean() && send.buffered_amount() == 0 => Poll::Ready(()),
        _ => Poll::Pending,
    })
    .await;
    sleep(AFTER_CLOSE).await;
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
        // If sending fails, the receiving side says why.
        if send.send(text).await.is_err() {
            return Ok(());
        }
    }
}

async fn send_bytes(send: &SendHalf<NetStream>) -> io::Result<()> {
    let mut input = tokio::io::stdin();
    let mut chunk = vec![0; CHUNK];
    loop {
        let len = input.read(&mut chunk).await?;
        if len == 0 || send.send(chunk[..len].to_vec()).await.is_err() {
            return Ok(());
        }
    }
}

/// Says why the connection ended.
fn tell_end(error: Option<&Error>, info: Option<&CloseInfo>) -> ConnectOutcome {
    let Some(info) = info else {
        return ConnectOutcome::Broken;
    };
    let text = error.map_or_else(|| info.to_string(), ToString::to_string);
    tell!("fdx connect: {}", printable(&text));
    match info.cause {
        CloseCause::Protocol(_) => ConnectOutcome::Protocol,
        CloseCause::Handshake if info.close_received => {
            // With any other code the server may have had more to send.
            if info.is_normal() { ConnectOutcome::Clean } else { ConnectOutcome::OtherCode }
        }
        _ => ConnectOutcome::Broken,
    }
}
