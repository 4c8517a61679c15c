//! The options of `fdx replay`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum, value_parser};
use fullduplex_inspect::replay;

use super::play::PlaySettings;
use crate::base::values;
use crate::client::{ClientOptions, url};
use crate::serve::listen::Address;
use crate::serve::tls_args::ListenTlsArgs;

/// The time for what is awaited, if the options say nothing.
const WAIT: Duration = Duration::from_secs(10);

/// The options of `fdx replay`.
#[derive(Debug, ClapArgs)]
#[command(
    override_usage = "\
fdx replay <FILE> --as client <URL> [OPTIONS]
       fdx replay <FILE> --as server [OPTIONS]",
    after_help = "\
FILE is a recording, as fdx inspect --record and fdx record write it, or a HAR file with
_webSocketMessages. Messages and Closes are sent as recorded; Pings and Pongs are not.

As a client, each recorded WebSocket is opened anew at URL, with its path and query if URL has
none, and its subprotocols. What the server sends is compared with what it sent then.

As a server, a request is answered by a recorded WebSocket of the same path and query, or else of
the same path, whose subprotocol it offers: the first that was used the least.

Exit codes:
  0  all was sent, and all came; with --diff nothing differs
  1  FILE can't be used, the address is in use, or a file is missing or can't be used
  2  wrong usage
  3  no connection: name, network, proxy, TLS, time-out
  4  the server rejected the handshake
  8  not all was sent, or not all came
  9  with --diff: something differs
129, 130, 143  ended by SIGHUP, Ctrl-C or SIGTERM"
)]
#[allow(clippy::struct_excessive_bools, reason = "they are switches of a command line")]
pub(crate) struct Args {
    /// A recording or a HAR file
    #[arg(value_name = "FILE")]
    pub(super) file: PathBuf,
    /// As a client: where to connect, as for fdx connect
    #[arg(value_name = "URL", value_parser = url::parse)]
    pub(super) url: Option<String>,
    /// The side whose messages are sent
    #[arg(long = "as", value_enum, value_name = "SIDE")]
    pub(super) side: Side,
    /// When messages are sent
    #[arg(
        long,
        value_enum,
        value_name = "TIMING",
        default_value = "lockstep",
        help_heading = "Replay"
    )]
    timing: Timing,
    /// Tell each message that differs from the recording, and exit with 9 if there is one
    #[arg(long, help_heading = "Replay")]
    pub(super) diff: bool,
    /// Do not compare the values of JSON of this key, such as a time (repeatable)
    #[arg(long, value_name = "KEY", help_heading = "Replay")]
    pub(super) ignore: Vec<String>,
    /// Replay only the WebSocket of this number in FILE (repeatable); by default all
    #[arg(long, value_name = "N", help_heading = "Replay")]
    pub(super) socket: Vec<u64>,
    /// Give up what is awaited when nothing has come for this time, 10 s by default
    #[arg(long, value_name = "SECONDS", value_parser = values::timeout,
          help_heading = "Replay")]
    wait: Option<Duration>,
    /// Print a JSON object a line, for machines
    #[arg(long, help_heading = "Replay")]
    pub(super) json: bool,
    /// MiB of memory for the recorded messages, and as many for those that come
    #[arg(long, value_name = "MIB", default_value_t = 256,
          value_parser = value_parser!(u32).range(1..), help_heading = "Replay")]
    max_memory: u32,
    /// Where to listen: a port of 127.0.0.1, ADDR:PORT, or unix:PATH; port 0 is any free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9100",
          value_parser = Address::parse, help_heading = "As a server")]
    pub(super) listen: Address,
    /// End when each recorded WebSocket was used once
    #[arg(long, help_heading = "As a server")]
    pub(super) once: bool,
    /// Accept web pages of any origin, by any name of this server; otherwise pages of this machine
    #[arg(long, help_heading = "As a server")]
    pub(super) any_origin: bool,
    #[command(flatten)]
    pub(super) tls: ListenTlsArgs,
    #[command(flatten)]
    pub(super) client: ClientOptions,
}

/// A side of a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Side {
    /// Connect to a server, and send what the client sent
    Client,
    /// Wait for clients, and answer as the server did
    Server,
}

/// When messages are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Timing {
    /// At the times of the recording, since the start of each connection
    Original,
    /// At once
    Fast,
    /// When as many messages of the other side have come as there were before in the recording
    Lockstep,
}

impl Args {
    pub(super) fn play_settings(&self) -> PlaySettings {
        PlaySettings {
            timing: match self.timing {
                Timing::Original => replay::Timing::Original,
                Timing::Fast => replay::Timing::Fast,
                Timing::Lockstep => replay::Timing::Lockstep,
            },
            wait: self.wait.unwrap_or(WAIT),
            max_memory: self.max_memory(),
        }
    }

    /// Returns whether WebSockets begin at the times of the recording.
    pub(super) fn has_original_times(&self) -> bool {
        self.timing == Timing::Original
    }

    /// Returns the bytes for messages.
    pub(super) fn max_memory(&self) -> usize {
        (self.max_memory as usize).saturating_mul(1 << 20)
    }
}
