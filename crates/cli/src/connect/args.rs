//! The options of `fdx connect`.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum, value_parser};
use fullduplex::Message;
use fullduplex::tap::Tap;
use tokio::time::Instant;

use crate::base::files::read_message;
use crate::base::values;
use crate::client::ClientArgs;
use crate::pipes::{Format, InputFormat, OutputFormat, stdin_is_null};
use crate::screen::ScreenArgs;
use crate::session::{AtEndOfInput, SessionSettings};

/// The options of `fdx connect`.
#[derive(Debug, ClapArgs)]
#[command(after_long_help = "\
Each line of standard input is sent as a text message, each message received is printed as a
line. At the end of the input the server's answers are awaited (see --linger), and the
connection is closed with 1000. Without input, as when it is /dev/null, messages are
received until the server closes.

Exit codes:
  0  closed with 1000, or without a code; or all of --messages came
  1  a file is missing or can't be used, or standard input or output failed
  2  wrong usage
  3  no connection: name, network, proxy, TLS, time-out
  4  the server rejected the handshake
  5  the connection was lost: no Close frame, a time-out, a network error
  6  closed with another code, such as 1001 of a server that shuts down
  7  the peer violated the protocol, or exceeded a limit
  8  fewer messages came than --messages, or the time of --timeout was over
129, 143  ended by SIGHUP or SIGTERM, after a Close with 1001
130  ended by Ctrl-C, after a Close with 1000; by a second Ctrl-C at once
141  what read standard output is gone, as other programs end by SIGPIPE

Environment:
  SSLKEYLOGFILE  a file to which the TLS keys are appended, for Wireshark")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) client: ClientArgs,
    /// Say nothing about a clean end, and no warnings
    ///
    /// In a pipe a clean end is not mentioned anyway, unless --verbose is given.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Show every frame: its header bits, fragments, Pings and Pongs, compressed and plain size,
    /// and the rule that an illegal one breaks
    ///
    /// In a pipe each is a line on standard error, with > for those that are sent, < for those that
    /// are received, and the time since the opening. At a terminal /frames does the same.
    #[arg(long)]
    pub(crate) frames: bool,
    /// A tap besides that of `--frames`.
    #[arg(skip)]
    pub(crate) tap: Option<Arc<dyn Tap>>,
    /// Connect again whenever the connection is lost
    ///
    /// The delay before it grows with each attempt that fails. Messages that are not sent yet are
    /// kept, and those of --send are sent on each connection.
    #[arg(long)]
    pub(crate) reconnect: bool,
    #[command(flatten)]
    messages: MessageArgs,
    #[command(flatten)]
    end: EndArgs,
    #[command(flatten)]
    pub(crate) screen: ScreenArgs,
}

/// The options of messages, and their forms on standard input and output.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "Messages")]
pub(crate) struct MessageArgs {
    /// Send this text, or the content of a file, first (may be repeated)
    ///
    /// A file is sent as one message: text if it is UTF-8, else binary. A text that begins with @
    /// is written with @@. With --reconnect it is sent on each connection.
    #[arg(long, value_name = "TEXT|@FILE")]
    send: Vec<String>,
    /// Leave after N received messages; exit with 8 if fewer came
    #[arg(long, short = 'n', value_name = "N", value_parser = value_parser!(u64).range(1..))]
    messages: Option<u64>,
    /// Form of the messages on standard input and output
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// Form of the messages on standard input
    #[arg(long, value_enum, value_name = "FORMAT")]
    input_format: Option<Format>,
    /// Form of the messages on standard output
    #[arg(long, value_enum, value_name = "FORMAT")]
    output_format: Option<Format>,
    /// Send and write bytes as they are: the same as --format raw
    ///
    /// Standard input is sent as binary messages. Received messages are written unchanged, or in
    /// hexadecimal to a terminal.
    #[arg(long, short, conflicts_with = "format")]
    binary: bool,
    /// Send all of standard input as one message: text, or binary with --binary
    #[arg(long)]
    one_message: bool,
    /// End lines with a NUL byte in place of a newline, in and out
    #[arg(long, short = '0')]
    null: bool,
}

/// The options of when the session ends.
#[derive(Debug, ClapArgs)]
#[command(next_help_heading = "End")]
struct EndArgs {
    /// What to do at the end of the input [default: wait; ignore for /dev/null]
    #[arg(long, value_enum, value_name = "ACTION")]
    eof: Option<Eof>,
    /// Close when no message has come for this time, once the input has ended
    ///
    /// By default that is 30 s for the first message after the last one sent, then 1 s. With
    /// --messages it is as long as it takes.
    #[arg(long, value_name = "SECONDS", value_parser = values::seconds)]
    linger: Option<f64>,
    /// Leave after this time at the latest, and exit with 8, or with 3 while connecting
    #[arg(long, value_name = "SECONDS", value_parser = values::timeout)]
    timeout: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Eof {
    /// Wait for answers, as --linger says, and close
    Wait,
    /// Close at once
    Close,
    /// Receive until the server closes
    Ignore,
}

impl Args {
    /// Returns the options of messages.
    pub(crate) fn messages(&self) -> &MessageArgs {
        &self.messages
    }

    /// Returns the settings of the session, whose time is counted from `begun`.
    pub(crate) fn session_settings(
        &self,
        opening: Vec<Message>,
        begun: Instant,
    ) -> SessionSettings {
        let linger = self.end.linger.map(Duration::from_secs_f64);
        let by_default = if io::stdin().is_terminal() {
            Eof::Close
        } else if stdin_is_null() {
            Eof::Ignore
        } else {
            Eof::Wait
        };
        let at_end_of_input = match self.end.eof.unwrap_or(by_default) {
            Eof::Wait if linger.is_none() && self.messages.messages.is_some() => {
                AtEndOfInput::Ignore
            }
            Eof::Wait => AtEndOfInput::Wait(linger),
            Eof::Close => AtEndOfInput::Close,
            Eof::Ignore => AtEndOfInput::Ignore,
        };
        let deadline = self.end.timeout.map(|timeout| begun + timeout);
        let messages = self.messages.messages;
        SessionSettings { opening, at_end_of_input, messages, deadline, details: false }
    }
}

impl MessageArgs {
    /// Returns how standard input is made into messages, or what is wrong with the options.
    pub(crate) fn input_format(&self) -> Result<InputFormat, String> {
        let format = self.input_format.unwrap_or(self.both_ways());
        if self.one_message && !matches!(format, Format::Lines | Format::Raw) {
            return Err("--one-message is for the formats lines and raw".into());
        }
        if self.null && ![format, self.output_format().format].contains(&Format::Lines) {
            return Err("--null is for the format lines".into());
        }
        let is_one_message = self.one_message;
        Ok(InputFormat { format, is_one_message, line_end: self.line_end() })
    }

    /// Returns how received messages are written.
    pub(crate) fn output_format(&self) -> OutputFormat {
        let format = self.output_format.unwrap_or(self.both_ways());
        let is_terminal = io::stdout().is_terminal();
        OutputFormat { format, line_end: self.line_end(), is_terminal }
    }

    fn both_ways(&self) -> Format {
        self.format.unwrap_or(if self.binary { Format::Raw } else { Format::Lines })
    }

    fn line_end(&self) -> u8 {
        if self.null { 0 } else { b'\n' }
    }

    /// Returns the messages of `--send`, or which file can't be read.
    pub(crate) fn opening_messages(&self) -> Result<Vec<Message>, String> {
        let message = |text: &String| match text.strip_prefix('@') {
            Some(rest) if rest.starts_with('@') => Ok(Message::text(rest)),
            Some(file) => {
                let bytes = read_message(Path::new(file))
                    .map_err(|error| format!("--send: {file}: {error}"))?;
                Ok(String::from_utf8(bytes)
                    .map_or_else(|not_text| Message::binary(not_text.into_bytes()), Message::text))
            }
            None => Ok(Message::text(text)),
        };
        self.send.iter().map(message).collect()
    }
}
