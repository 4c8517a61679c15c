//! Messages from and to the standard streams of a process.

use std::io;

use fullduplex::{CloseCode, Message, ReceiveHalf, SendHalf};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _};
use tokio::io::{AsyncWrite, AsyncWriteExt as _, BufReader, copy_buf, sink};

use super::super::log::log_line;
use crate::base::escape::printable;
use crate::pipes::{Format, InputFormat, OutputFormat, message_of, write_message};

/// The largest message that a command may print, in bytes. More must not fill the memory.
const MAX_MESSAGE: u64 = 64 << 20;

/// The longest line of standard error that is logged as one, in bytes.
const MAX_ERROR_LINE: u64 = 2000;

/// The end of lines.
const LINE_END: u8 = b'\n';

/// Writes messages to a process's input until the client's end, which ends the input.
pub(super) async fn feed(
    receive: &mut ReceiveHalf,
    mut stdin: impl AsyncWrite + Unpin,
    format: Format,
) {
    let format = OutputFormat { format, line_end: LINE_END, is_terminal: false };
    let mut bytes = Vec::new();
    while let Some(Ok(message)) = receive.next().await {
        bytes.clear();
        let formatted = write_message(&mut bytes, &message, format);
        let written = match formatted {
            Ok(()) => stdin.write_all(&bytes).await,
            Err(error) => Err(error),
        };
        if written.is_err() {
            // A process need not read its input.
            drop(stdin);
            return ignore(receive).await;
        }
    }
}

/// Receives until the client's end.
pub(super) async fn ignore(receive: &mut ReceiveHalf) {
    while let Some(Ok(_)) = receive.next().await {}
}

/// Sends a process's output to the client until its end. What can't be sent is dropped, so that the
/// process does not wait for a reader.
pub(super) async fn send_output(
    stdout: impl AsyncRead + Unpin,
    send: &SendHalf,
    format: Format,
    client: &str,
) {
    let mut messages = Messages { input: BufReader::new(stdout), format, count: 0 };
    loop {
        match messages.next().await {
            Ok(Some(message)) => {
                if send.send(message).await.is_err() {
                    break;
                }
            }
            Ok(None) => return,
            Err(error) => {
                log_line!("{client}: output of the command: {}", printable(&error.to_string()));
                // If it fails, the connection has ended already.
                let _ = send.start_close(CloseCode::INTERNAL_ERROR, "the output is not valid");
                break;
            }
        }
    }
    let _ = copy_buf(&mut messages.input, &mut sink()).await;
}

/// Logs the lines of a process's standard error.
pub(super) async fn log_errors(stderr: impl AsyncRead + Unpin, client: &str) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        line.clear();
        match (&mut stderr).take(MAX_ERROR_LINE).read_until(LINE_END, &mut line).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                log_line!("{client}: {}", printable(text.trim_end_matches(['\r', '\n'])));
            }
        }
    }
}

/// The messages in a process's output.
struct Messages<R> {
    input: R,
    format: Format,
    /// The number of messages, or lines, that have been read.
    count: u64,
}

impl<R: AsyncBufRead + Unpin> Messages<R> {
    /// Reads the next message; `None` at the end.
    async fn next(&mut self) -> io::Result<Option<Message>> {
        loop {
            let bytes = self.bytes().await?;
            if bytes.is_empty() {
                return Ok(None);
            }
            self.count += 1;
            if self.format == Format::Lines && std::str::from_utf8(&bytes).is_err() {
                let line = self.count;
                return Err(invalid(format!(
                    "line {line} is not UTF-8, which text messages are; --exec-format raw sends \
                     any bytes"
                )));
            }
            let format =
                InputFormat { format: self.format, is_one_message: false, line_end: LINE_END };
            // An empty line of JSON lines has no message.
            if let Some(message) = message_of(&bytes, format, self.count)? {
                return Ok(Some(message));
            }
        }
    }

    /// Reads the bytes of the next message, with all that the format adds; none at the end.
    async fn bytes(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self.format {
            Format::Lines | Format::Jsonl => {
                (&mut self.input).take(MAX_MESSAGE).read_until(LINE_END, &mut bytes).await?;
                if bytes.len() as u64 == MAX_MESSAGE && bytes.last() != Some(&LINE_END) {
                    return Err(too_long());
                }
            }
            Format::Raw => {
                let available = self.input.fill_buf().await?;
                bytes.extend_from_slice(available);
                let len = bytes.len();
                self.input.consume(len);
            }
            Format::LengthPrefixed => {
                (&mut self.input).take(5).read_to_end(&mut bytes).await?;
                if let [_, len @ ..] = &*bytes
                    && let Ok(len) = <[u8; 4]>::try_from(len)
                {
                    let len = u64::from(u32::from_be_bytes(len));
                    if len > MAX_MESSAGE {
                        return Err(too_long());
                    }
                    (&mut self.input).take(len).read_to_end(&mut bytes).await?;
                }
            }
        }
        Ok(bytes)
    }
}

fn too_long() -> io::Error {
    invalid(format!("a message is longer than {} MiB", MAX_MESSAGE >> 20))
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(format: Format, input: &[u8]) -> Result<Vec<Message>, String> {
        let mut messages = Messages { input, format, count: 0 };
        let mut all = Vec::new();
        while let Some(message) = messages.next().await.map_err(|error| error.to_string())? {
            all.push(message);
        }
        Ok(all)
    }

    #[tokio::test]
    async fn output_is_made_into_messages_by_each_format() {
        let (text, binary) =
            (|text| Message::text(text), |bytes: &[u8]| Message::binary(bytes.to_vec()));
        for (format, input, expected) in [
            (Format::Lines, &b"a\n\nb"[..], vec![text("a"), text(""), text("b")]),
            (Format::Raw, b"a\n\xff", vec![binary(b"a\n\xff")]),
            (
                Format::Jsonl,
                b"{\"type\":\"text\",\"data\":\"a\"}\n\n{\"type\":\"binary\",\"data\":\"/w==\"}\n",
                vec![text("a"), binary(b"\xff")],
            ),
            (Format::LengthPrefixed, b"\x01\0\0\0\x01a\x02\0\0\0\0", vec![text("a"), binary(b"")]),
        ] {
            assert_eq!(read(format, input).await.unwrap(), expected, "{format:?}");
        }
    }

    #[tokio::test]
    async fn output_that_is_no_message_is_told_by_its_line() {
        for (format, input, words) in [
            (Format::Lines, &b"a\n\xff\n"[..], "line 2 is not UTF-8"),
            (Format::Lines, b"\xff", "--exec-format raw"),
            (Format::Jsonl, b"\n[]\n", "line 2: not a JSON object"),
            (Format::LengthPrefixed, b"\x01\0\0\0\x05abc", "ends within message 1"),
            (Format::LengthPrefixed, b"\x01\xff\0\0\0", "longer than 64 MiB"),
            (Format::LengthPrefixed, b"\x01\0", "ends within message 1"),
        ] {
            let why = read(format, input).await.unwrap_err();
            assert!(why.contains(words), "{input:?}: {why}");
        }
    }
}
