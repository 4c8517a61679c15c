//! Messages through the formats of `fdx connect`, and back.
//!
//! `FDX_FORMATS_BYTES` sets how many bytes go through each, 16 MiB by default; 2147483648 takes a
//! release build some minutes.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::thread;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::common::{FDX, Served, serve};

/// The messages of a run.
const MESSAGES: usize = 100_000;

/// The largest message, in bytes.
const LARGEST: f64 = 1_048_576.0;

/// A generator of numbers (xorshift64*), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Returns a number from 0 to 1.
    #[allow(clippy::cast_precision_loss, reason = "any number between them will do")]
    fn fraction(&mut self) -> f64 {
        self.next() as f64 / u64::MAX as f64
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len + 8);
        while bytes.len() < len {
            bytes.extend(self.next().to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }

    /// Returns a text of about as many bytes, with characters of every kind.
    fn text(&mut self, len: usize) -> String {
        let mut text = String::with_capacity(len + 4);
        while text.len() < len {
            let [kind, ascii, wide @ .., _, _] = self.next().to_le_bytes();
            let c = match kind % 8 {
                0 => char::from_u32(u32::from_le_bytes(wide) % 0x11_0000).unwrap_or('\u{fffd}'),
                1 => char::from(ascii & 0x7f),
                _ => char::from(b' ' + ascii % 95),
            };
            text.push(c);
        }
        text
    }
}

#[derive(PartialEq)]
enum Sent {
    Text(String),
    Binary(Vec<u8>),
}

/// Returns the number of bytes that go through a format.
fn total() -> f64 {
    let set = std::env::var("FDX_FORMATS_BYTES").ok();
    set.map_or(16_777_216.0, |bytes| bytes.parse().unwrap())
}

/// Returns sizes, log-uniform from 0 bytes to 1 MiB: as many of them as the total allows, and
/// log-uniform up to 64 bytes the others.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small, not negative")]
fn sizes(random: &mut Random) -> Vec<usize> {
    let mean = LARGEST / LARGEST.ln();
    #[allow(clippy::cast_precision_loss, reason = "a small number")]
    let of_any_size = total() / mean / MESSAGES as f64;
    (0..MESSAGES)
        .map(|_| {
            let largest = if random.fraction() < of_any_size { LARGEST } else { 64.0 };
            ((largest + 1.0).powf(random.fraction()) - 1.0) as usize
        })
        .collect()
}

fn messages(seed: u64) -> Vec<Sent> {
    let mut random = Random(seed);
    sizes(&mut random)
        .into_iter()
        .map(|len| match random.next() % 2 {
            0 => Sent::Text(random.text(len)),
            _ => Sent::Binary(random.bytes(len)),
        })
        .collect()
}

/// Sends this input through `/echo`, and returns the output.
fn through_echo(server: &Served, options: &[&str], input: Vec<u8>) -> Vec<u8> {
    let mut command = Command::new(FDX);
    command.args(["connect", "--proxy", "none"]).args(options);
    command.arg(format!("ws://{}/echo", server.address));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writing = thread::spawn(move || stdin.write_all(&input).unwrap());
    let mut output = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut output).unwrap();
    writing.join().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{options:?}");
    output
}

#[test]
fn length_prefixed_keeps_messages_and_their_kinds() {
    let mut input = Vec::new();
    for message in messages(1) {
        let (kind, payload) = match message {
            Sent::Text(text) => (1, text.into_bytes()),
            Sent::Binary(bytes) => (2, bytes),
        };
        input.push(kind);
        input.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
        input.extend(payload);
    }
    let server = serve(&[]);
    let count = MESSAGES.to_string();
    let options = ["--format", "length-prefixed", "-n", &count];
    assert!(through_echo(&server, &options, input.clone()) == input);
}

#[test]
fn json_lines_keep_messages_and_their_kinds() {
    let sent = messages(2);
    let mut input = String::new();
    for message in &sent {
        let (kind, data) = match message {
            Sent::Text(text) => ("text", serde_json::to_string(text).unwrap()),
            Sent::Binary(bytes) => ("binary", format!("\"{}\"", BASE64_STANDARD.encode(bytes))),
        };
        writeln!(input, "{{\"data\": {data}, \"type\": \"{kind}\", \"time\": 1}}").unwrap();
    }
    let server = serve(&[]);
    let count = MESSAGES.to_string();
    let output = through_echo(&server, &["--format", "jsonl", "-n", &count], input.into_bytes());
    let mut received = output.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    for message in sent {
        let line: serde_json::Value = serde_json::from_slice(received.next().unwrap()).unwrap();
        let data = line["data"].as_str().unwrap();
        let came = match line["type"].as_str().unwrap() {
            "text" => Sent::Text(data.to_owned()),
            _ => Sent::Binary(BASE64_STANDARD.decode(data).unwrap()),
        };
        assert!(came == message, "{line}");
    }
    assert!(received.next().is_none());
}

#[test]
fn lines_keep_every_byte() {
    let mut random = Random(3);
    let count = MESSAGES.to_string();
    for (options, line_end, other) in [(&[][..], '\n', '\0'), (&["--null"], '\0', '\n')] {
        let mut input = String::new();
        for len in sizes(&mut random) {
            input.push_str(&random.text(len).replace(line_end, &other.to_string()));
            input.push(line_end);
        }
        let server = serve(&[]);
        let options = [options, &["-n", &count]].concat();
        assert!(through_echo(&server, &options, input.clone().into_bytes()) == input.into_bytes());
    }
}

#[test]
fn raw_keeps_every_byte() {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative")]
    let input = Random(4).bytes(total() as usize);
    let server = serve(&[]);
    for options in [&["--binary"][..], &["--format", "raw"]] {
        assert!(through_echo(&server, options, input.clone()) == input);
    }
}

#[test]
fn whole_input_is_one_message() {
    let server = serve(&[]);
    let input = b"{\n  \"a\": 1\n}\n".to_vec();
    for (options, kind) in [(&[][..], 1), (&["--input-format", "raw"], 2)] {
        let more = ["--one-message", "--output-format", "length-prefixed", "-n", "1"];
        let output = through_echo(&server, &[options, &more].concat(), input.clone());
        assert_eq!(output, [&[kind, 0, 0, 0, 13], &*input].concat());
    }
}
