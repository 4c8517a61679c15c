//! The forms of messages on standard input and output.

use clap::ValueEnum;

/// How messages are told apart on standard input or output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A line is a text message; received messages are lines, whatever is in them
    Lines,
    /// A line is a JSON object such as {"type":"text","data":"hello"}, or with "binary" and base64
    Jsonl,
    /// Input is sent in binary messages of no certain size; received bytes are written unchanged
    Raw,
    /// A byte, 1 for text or 2 for binary, the length in 4 bytes, big-endian, and the message
    LengthPrefixed,
}

/// How standard input is made into messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InputFormat {
    pub(crate) format: Format,
    /// Whether all of it is one message, text for lines and binary for raw.
    pub(crate) is_one_message: bool,
    /// The byte at the end of each line.
    pub(crate) line_end: u8,
}

/// How received messages are written to standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutputFormat {
    pub(crate) format: Format,
    /// The byte at the end of each line.
    pub(crate) line_end: u8,
    /// Whether it is a terminal, at which nothing in a message has an effect.
    pub(crate) is_terminal: bool,
}

/// The first byte of a text message in [`Format::LengthPrefixed`]: the opcode of RFC 6455 §5.2.
pub(super) const TEXT: u8 = 1;

/// The first byte of a binary message in [`Format::LengthPrefixed`].
pub(super) const BINARY: u8 = 2;
