//! The options of `fdx forward`.

use std::time::Duration;

use clap::Args as ClapArgs;

use crate::base::values;
use crate::client::ClientArgs;
use crate::relay::HALF_CLOSE_TIMEOUT;
use crate::serve::connection_log::LogFormat;
#[cfg(unix)]
use crate::serve::listen;
use crate::serve::listen::Address;

/// The options of `fdx forward`.
#[derive(Debug, ClapArgs)]
#[command(
    override_usage = "\
fdx forward [OPTIONS] <LISTEN> <URL>
       fdx forward <ws://ADDR:PORT[/PATH]> <TARGET> [OPTIONS of fdx serve]",
    after_help = "\
The first form listens on a TCP port or a Unix socket, and opens a WebSocket for each connection.
The second is the other end: a server that connects each WebSocket to TARGET, tcp:HOST:PORT or
unix:PATH. It is fdx serve --listen ADDR:PORT --forward PATH=TARGET, with all its options.

Bytes are carried as binary messages. FIN becomes a Close with 1000, such a Close FIN. Any other
end resets the TCP connection, so that what was cut does not look complete.

Exit codes:
  1  the address is in use, or a file is missing or can't be used
  2  wrong usage
129, 130, 143  ended by SIGHUP, Ctrl-C or SIGTERM, after a Close with 1001; by a second at once"
)]
pub(crate) struct Args {
    /// Where to listen: a port of the loopback address, ADDR:PORT, unix:PATH, or systemd for the
    /// sockets that it passes; port 0 is any free one
    #[arg(value_name = "LISTEN", value_parser = listen_address)]
    pub(super) listen: Address,
    #[command(flatten)]
    pub(super) client: ClientArgs,
    /// Permissions of the Unix socket in octal, such as 660; by default as the umask says
    #[cfg(unix)]
    #[arg(long, value_name = "MODE", value_parser = listen::unix_mode,
          help_heading = "Forwarding")]
    unix_mode: Option<u32>,
    /// Connections at the same time; more wait until one of them ends; 0 for no limit
    #[arg(long, value_name = "N", default_value_t = 1024, help_heading = "Forwarding")]
    pub(super) max_connections: u32,
    /// Seconds that one direction may have ended while the other is silent, 10 by default
    #[arg(long, value_name = "SECONDS", value_parser = values::timeout,
          help_heading = "Forwarding")]
    half_close_timeout: Option<Duration>,
    /// Print lines on standard error about connections: opened and ended
    ///
    /// Each has the time in UTC and the client; that of an end has its reason, and the messages and
    /// bytes of each direction. With =json each line is a JSON object. What can't be connected is
    /// reported always.
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, require_equals = true,
          default_missing_value = "text", value_parser = log_format, help_heading = "Forwarding")]
    pub(super) log: Option<LogFormat>,
}

impl Args {
    /// Returns how long one direction may have ended while the other is silent.
    pub(super) fn half_close_timeout(&self) -> Duration {
        self.half_close_timeout.unwrap_or(HALF_CLOSE_TIMEOUT)
    }

    #[cfg(unix)]
    pub(super) fn unix_mode(&self) -> Option<u32> {
        self.unix_mode
    }

    #[cfg(not(unix))]
    #[allow(clippy::unused_self, reason = "as on Unix")]
    pub(super) fn unix_mode(&self) -> Option<u32> {
        None
    }
}

fn listen_address(text: &str) -> Result<Address, String> {
    if text.contains("://") {
        return Err("a URL to listen at is ws:// or wss://, directly after fdx forward".into());
    }
    Address::parse(text.strip_prefix("tcp:").unwrap_or(text))
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    let format = LogFormat::parse(text).ok().filter(|format| !format.messages);
    format.ok_or_else(|| "text or json".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forward_listens_on_ports_and_sockets() {
        for (text, expected) in [
            ("5432", "127.0.0.1:5432"),
            ("tcp:0.0.0.0:80", "0.0.0.0:80"),
            ("unix:/run/x.sock", "unix:/run/x.sock"),
        ] {
            assert_eq!(listen_address(text).unwrap().to_string(), expected);
        }
        assert!(listen_address("ws://127.0.0.1:1/").unwrap_err().contains("directly after"));
        assert!(listen_address("example.com:80").is_err());
        assert!(log_format("json").is_ok() && log_format("messages").is_err());
    }
}
