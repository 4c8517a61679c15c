//! Messages out of bytes.

use std::io::{self, BufRead, Read as _};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use fullduplex::Message;
use serde_json::Value;

use crate::base::escape::printable;
use crate::base::files::MAX_FILE;
use crate::pipes::format::{BINARY, Format, InputFormat, TEXT};

/// The largest binary message that [`Format::Raw`] makes, in bytes.
const CHUNK_SIZE: usize = 64 << 10;

/// Reads messages in a format.
pub(super) struct MessageReader<R> {
    input: R,
    format: InputFormat,
    /// The number of messages that have been read.
    count: u64,
    is_at_end: bool,
    /// The longest line, and the longest input that is one message, in bytes.
    max: u64,
}

/// Returns the message in bytes that have been parted by their format; `None` for an empty line of
/// JSON lines. `count` is its number, or that of its line, for errors.
#[cfg(unix)]
pub(crate) fn message_of(
    bytes: &[u8],
    format: InputFormat,
    count: u64,
) -> io::Result<Option<Message>> {
    let count = count.saturating_sub(1);
    MessageReader { count, ..MessageReader::new(bytes, format) }.next()
}

impl<R: BufRead> MessageReader<R> {
    pub(super) fn new(input: R, format: InputFormat) -> Self {
        Self { input, format, count: 0, is_at_end: false, max: MAX_FILE }
    }

    /// Reads the next message; `None` at the end. An error says what is wrong with which line or
    /// message.
    pub(super) fn next(&mut self) -> io::Result<Option<Message>> {
        if self.is_at_end {
            return Ok(None);
        }
        if self.format.is_one_message {
            self.is_at_end = true;
            return self.whole().map(Some);
        }
        self.count += 1;
        match self.format.format {
            Format::Lines => self.line(),
            Format::Jsonl => self.json(),
            Format::Raw => self.chunk(),
            Format::LengthPrefixed => self.length_prefixed(),
        }
    }

    fn whole(&mut self) -> io::Result<Message> {
        let mut all = Vec::new();
        self.input.by_ref().take(self.max + 1).read_to_end(&mut all)?;
        self.check(&all)?;
        match self.format.format {
            Format::Raw => Ok(Message::binary(all)),
            _ => text(all).ok_or_else(|| invalid("it is not UTF-8; --binary sends any bytes")),
        }
    }

    /// Reads up to the end of a line, which is taken off; `None` at the end.
    fn until_line_end(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        // The end of the line does not count.
        let mut input = self.input.by_ref().take(self.max + 1);
        if input.read_until(self.format.line_end, &mut line)? == 0 {
            return Ok(None);
        }
        if line.last() == Some(&self.format.line_end) {
            line.pop();
        }
        self.check(&line)?;
        Ok(Some(line))
    }

    /// Checks that a line or an input was read to its end.
    fn check(&self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() as u64 <= self.max {
            return Ok(());
        }
        let what =
            if self.format.is_one_message { "it".into() } else { format!("line {}", self.count) };
        Err(invalid(&format!("{what} is longer than 1 GiB, the largest message that is sent")))
    }

    fn line(&mut self) -> io::Result<Option<Message>> {
        let Some(line) = self.until_line_end()? else { return Ok(None) };
        let count = self.count;
        let not_text = || {
            let why = "is not UTF-8, which text messages are; --binary sends any bytes";
            invalid(&format!("line {count} {why}"))
        };
        text(line).ok_or_else(not_text).map(Some)
    }

    fn json(&mut self) -> io::Result<Option<Message>> {
        loop {
            let Some(line) = self.until_line_end()? else { return Ok(None) };
            if !line.trim_ascii().is_empty() {
                let message = of_json(&line);
                return message.map(Some).map_err(|why| {
                    let why = printable(&why);
                    invalid(&format!("line {}: {why}", self.count))
                });
            }
            self.count += 1;
        }
    }

    fn chunk(&mut self) -> io::Result<Option<Message>> {
        let available = self.input.fill_buf()?;
        let len = available.len().min(CHUNK_SIZE);
        let message = Message::binary(available[..len].to_vec());
        self.input.consume(len);
        Ok((len > 0).then_some(message))
    }

    fn length_prefixed(&mut self) -> io::Result<Option<Message>> {
        if self.input.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let count = self.count;
        let cut = || invalid(&format!("it ends within message {count}"));
        let mut head = [0; 5];
        self.input.read_exact(&mut head).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => cut(),
            _ => error,
        })?;
        let [kind, len @ ..] = head;
        if ![TEXT, BINARY].contains(&kind) {
            return Err(invalid(&format!(
                "message {count} begins with the byte {kind}, not with 1 for text or 2 for binary"
            )));
        }
        let len = u64::from(u32::from_be_bytes(len));
        // The memory grows with what arrives, not with what is announced.
        let mut payload = Vec::new();
        if self.input.by_ref().take(len).read_to_end(&mut payload)? as u64 != len {
            return Err(cut());
        }
        if kind == BINARY {
            return Ok(Some(Message::binary(payload)));
        }
        let not_text = || invalid(&format!("message {count} is not UTF-8"));
        text(payload).ok_or_else(not_text).map(Some)
    }
}

/// Returns a text message, or `None` if the bytes are not UTF-8.
fn text(bytes: Vec<u8>) -> Option<Message> {
    String::from_utf8(bytes).ok().map(Message::text)
}

/// Returns the message that a JSON object describes. Its other members are ignored.
fn of_json(line: &[u8]) -> Result<Message, String> {
    let mut object = match serde_json::from_slice(line) {
        Ok(Value::Object(object)) => object,
        Ok(_) => return Err("not a JSON object".into()),
        Err(error) => return Err(format!("not JSON: {error}")),
    };
    let Some(Value::String(data)) = object.remove("data") else {
        return Err("there is no member \"data\" with a string".into());
    };
    match object.get("type").map(Value::as_str) {
        Some(Some("text")) => Ok(Message::text(data)),
        Some(Some("binary")) => match BASE64_STANDARD.decode(data) {
            Ok(bytes) => Ok(Message::binary(bytes)),
            Err(error) => Err(format!("\"data\" is not base64: {error}")),
        },
        _ => Err("the member \"type\" is neither \"text\" nor \"binary\"".into()),
    }
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: Format, line_end: u8, input: &[u8]) -> Result<Vec<Message>, String> {
        let format = InputFormat { format, is_one_message: false, line_end };
        let mut reader = MessageReader::new(input, format);
        let mut messages = Vec::new();
        loop {
            match reader.next() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => return Ok(messages),
                Err(error) => return Err(error.to_string()),
            }
        }
    }

    #[test]
    fn lines_keep_every_byte_between_line_ends() {
        let texts = |texts: &[&str]| Ok(texts.iter().map(|&text| Message::text(text)).collect());
        for (input, line_end, expected) in [
            ("", b'\n', &[][..]),
            ("a\n\nb\r\nlast", b'\n', &["a", "", "b\r", "last"]),
            ("a\nb\0c\0", 0, &["a\nb", "c"]),
        ] {
            assert_eq!(read(Format::Lines, line_end, input.as_bytes()), texts(expected));
        }
        let why = read(Format::Lines, b'\n', b"a\n\xff\n").unwrap_err();
        assert!(why.starts_with("line 2 is not UTF-8") && why.contains("--binary"), "{why}");
    }

    #[test]
    fn input_without_an_end_is_refused() {
        for (is_one_message, input, words) in [
            (false, &b"123456\n1234567"[..], "line 2 is longer than"),
            (true, b"1234567", "it is longer than"),
        ] {
            let format = InputFormat { format: Format::Lines, is_one_message, line_end: b'\n' };
            let mut reader = MessageReader { max: 6, ..MessageReader::new(input, format) };
            let read: Result<Vec<_>, _> =
                std::iter::from_fn(|| reader.next().transpose()).collect();
            let why = read.unwrap_err().to_string();
            assert!(why.contains(words), "{why}");
        }
    }

    #[test]
    fn json_lines_have_a_type_and_data() {
        let input = "{\"type\":\"text\",\"data\":\"a\\nb\"}\n\n\
                     {\"time\":1,\"data\":\"AP8=\",\"type\":\"binary\"}\r\n";
        let messages = read(Format::Jsonl, b'\n', input.as_bytes()).unwrap();
        assert_eq!(messages, [Message::text("a\nb"), Message::binary(&[0, 255][..])]);
        for (input, words) in [
            ("[]", "line 1: not a JSON object"),
            ("\n{\"a\"", "line 2: not JSON"),
            ("{\"type\":\"text\"}", "\"data\""),
            ("{\"data\":\"a\"}", "neither \"text\" nor \"binary\""),
            ("{\"type\":\"ping\",\"data\":\"a\"}", "neither"),
            ("{\"type\":\"binary\",\"data\":\"a\"}", "not base64"),
            ("{\"type\":\"text\",\"data\":\"\\ud800\"}", "not JSON"),
        ] {
            let why = read(Format::Jsonl, b'\n', input.as_bytes()).unwrap_err();
            assert!(why.contains(words), "{input}: {why}");
        }
    }

    #[test]
    fn length_prefixed_messages_are_whole_and_of_a_known_kind() {
        let input = b"\x01\0\0\0\x02hi\x02\0\0\0\0\x02\0\0\0\x01\xff";
        let expected = [Message::text("hi"), Message::binary(""), Message::binary(&b"\xff"[..])];
        assert_eq!(read(Format::LengthPrefixed, 0, input).unwrap(), expected);
        for (input, words) in [
            (&b"\x01\0\0\0\x02h"[..], "ends within message 1"),
            (b"\x02\0\0\0\0\x01\0", "ends within message 2"),
            (b"\x02\xff\xff\xff\xffshort", "ends within message 1"),
            (b"hello", "begins with the byte 104"),
            (b"\x01\0\0\0\x01\xff", "message 1 is not UTF-8"),
        ] {
            let why = read(Format::LengthPrefixed, 0, input).unwrap_err();
            assert!(why.contains(words), "{input:?}: {why}");
        }
    }

    #[test]
    fn whole_input_is_one_message() {
        for (format, input, expected) in [
            (Format::Lines, &b"a\nb\n"[..], Message::text("a\nb\n")),
            (Format::Raw, b"\xff\n", Message::binary(&b"\xff\n"[..])),
            (Format::Raw, b"", Message::binary("")),
        ] {
            let format = InputFormat { format, is_one_message: true, line_end: b'\n' };
            let mut reader = MessageReader::new(input, format);
            assert_eq!(reader.next().unwrap(), Some(expected));
            assert_eq!(reader.next().unwrap(), None);
        }
    }
}
